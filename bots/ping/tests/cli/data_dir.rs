//! The folder in which samples wait: taken, unusable, full.

use std::fs;

use crate::program::{bot, bot_in_namespace};
use crate::scene::Scene;

#[test]
fn the_second_bot_in_a_folder_says_so_and_ends() {
    let (scene, _) = Scene::with_one();
    let directory = tempfile::tempdir().unwrap();
    let program = |command| {
        bot(&[command]).serving(&scene.backend).env("DATA_DIR", directory.path()).env("LOG", "warn")
    };
    let first = program("run").start();
    first.until("values", || scene.backend.value_count() > 0);
    let second = program("run").run().with(78);
    let line = second.only_line();
    assert!(line.contains("DATA_DIR") && line.contains(directory.path().to_str().unwrap()), "{line}");
    assert!(line.contains("another bot"), "{line}");
    // An operator looks at a bot that runs: that is no reason to worry.
    let report = program("check").run().with(0).stdout;
    assert!(report.contains("is in use: the bot is running"), "{report}");
    program("once").run().with(0);
    first.terminated().with(0);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let scene = Scene::new();
    let file = tempfile::NamedTempFile::new().unwrap();
    let below = file.path().join("state");
    let program = bot(&[]).serving(&scene.backend).env("DATA_DIR", &below).env("LOG", "warn");
    let ended = program.run().with(78);
    let line = ended.only_line();
    assert!(line.contains("DATA_DIR") && line.contains(below.to_str().unwrap()), "{line}");
    let ended = bot(&["check"]).serving(&scene.backend).env("DATA_DIR", &below).run().with(1);
    let line = ended.stdout.lines().find(|line| line.starts_with("FAIL  data")).unwrap();
    assert!(line.contains(below.to_str().unwrap()), "{line}");
}

#[test]
fn samples_for_another_backend_are_not_sent_to_this_one() {
    let (scene, _) = Scene::with_one();
    let (other, _) = Scene::with_one();
    let directory = tempfile::tempdir().unwrap();
    let program = |scene: &Scene| bot(&[]).serving(&scene.backend).env("DATA_DIR", directory.path());
    scene.backend.on("/values").fail_all(Some(503));
    let running = program(&scene).start();
    running.until("samples that wait", || running.metric("grafolean_outbox_samples") > 0);
    running.terminated().with(0);
    let ended = program(&other).env("LOG", "warn").run().with(78);
    let line = ended.only_line();
    assert!(
        line.contains(&scene.backend.url()) && line.contains(directory.path().to_str().unwrap()),
        "{line}"
    );
    assert_eq!(other.backend.value_count(), 0);
}

#[test]
fn without_a_setting_samples_wait_in_the_users_state_folder() {
    let (scene, _) = Scene::with_one();
    let home = tempfile::tempdir().unwrap();
    let program = bot(&[]).env("BACKEND_URL", scene.backend.url()).token(scene.backend.token());
    let running = program.env("HOME", home.path()).start();
    running.until("values", || scene.backend.value_count() > 0);
    running.terminated().with(0);
    assert!(home.path().join(".local/state/grafolean-ping-bot").is_dir());
}

#[test]
fn a_full_disk_does_not_stop_the_bot() {
    let name = "a_full_disk_does_not_stop_the_bot";
    let (scene, _) = Scene::with_one();
    let mount_point = tempfile::tempdir().unwrap();
    let disk = mount_point.path().to_str().unwrap();
    let script = format!("mount -t tmpfs -o size=2m tmpfs {disk}; exec \"$@\"");
    let Some(program) = bot_in_namespace(name, "--mount", &script, &[]) else { return };
    let running = program.serving(&scene.backend).env("DATA_DIR", mount_point.path()).start();
    running.until("values", || scene.backend.value_count() > 0);

    // The disk exists in the bot's view of the file system only.
    let seen_by_the_bot = format!("/proc/{}/root{disk}", running.pid());
    let ballast = format!("{seen_by_the_bot}/ballast");
    let full = fs::write(&ballast, vec![0; 4 << 20]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    scene.backend.on("/values").fail_all(Some(503));
    let trouble = || running.metric("grafolean_outbox_file_trouble") > 0;
    running.until("trouble with the file", trouble);
    let line = running.line("full");
    assert!(line.contains(" WARN ") || line.contains(" ERROR "), "{line}");

    scene.backend.on("/values").fail_all(None);
    let before = scene.backend.value_count();
    running.until("values while the disk is full", || scene.backend.value_count() > before + 6);
    fs::remove_file(&ballast).unwrap();
    running.until("the end of the trouble", || !trouble());
    let measured = running.metric("grafolean_samples_measured_total");
    running.until("all values", || scene.backend.value_count() >= measured);
    let ended = running.terminated().with(0);
    assert!(ended.stderr.contains("all samples are delivered"), "{}", ended.stderr);
}
