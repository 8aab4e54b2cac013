//! A token is said to be wrong, and never shown.

use crate::program::bot;
use crate::scene::Scene;

/// All that the libraries under the bot have to say, too.
const ALL: &str = "trace,hyper=trace,hyper_util=trace,reqwest=trace,rustls=trace,mio=trace";

#[test]
fn a_wrong_token_ends_the_bot_with_one_clear_line() {
    let scene = Scene::new();
    let wrong = "0bad0bad-0bad-4bad-8bad-0bad0bad0bad";
    for command in ["run", "once"] {
        let ended = bot(&[command]).serving(&scene.backend).token(wrong).env("LOG", "warn").run().with(78);
        let line = ended.only_line();
        assert!(line.starts_with("grafolean-ping-bot: the backend refuses the bot's token"), "{line}");
        assert!(line.contains("BOT_TOKEN"), "{line}");
    }
}

#[test]
fn no_token_is_printed_however_loud_the_log() {
    let (scene, _) = Scene::with_one();
    let running = bot(&[]).serving(&scene.backend).env("LOG", ALL).start();
    running.until("values", || scene.backend.value_count() > 0);
    let pages = ["/healthz", "/readyz", "/metrics", "/jobs"].map(|page| running.health(page).1).concat();
    assert!(!pages.contains(scene.backend.token()), "{pages}");
    let ended = running.terminated().with(0);
    assert!(ended.count("TRACE") > 10, "the test proves little:\n{}", ended.stderr);

    scene.backend.down();
    let running = bot(&[]).serving(&scene.backend).env("LOG", ALL).start();
    running.line("waiting for the backend");
    running.terminated().with(0);

    let wrong = "0bad0bad-0bad-4bad-8bad-0bad0bad0bad";
    scene.backend.up();
    bot(&[]).serving(&scene.backend).token(wrong).env("LOG", ALL).run().with(78);
}

#[test]
fn a_password_in_the_address_is_not_printed() {
    let (scene, _) = Scene::with_one();
    let url = scene.backend.url().replace("http://", "http://proxy:hunter2@");
    let program = |command| {
        let program = bot(&[command]).serving(&scene.backend).env("BACKEND_URL", &url);
        program.env("LOG", ALL).secret("hunter2")
    };
    program("check").run().with(0);
    let running = program("run").start();
    running.until("values", || scene.backend.value_count() > 0);
    running.terminated().with(0);
    scene.backend.down();
    program("check").run().with(1);
}

#[test]
fn a_bot_that_loses_its_token_says_so_and_is_not_ready() {
    let (scene, _) = Scene::with_one();
    let running = bot(&[]).serving(&scene.backend).env("JOBS_REFRESH_INTERVAL", "1").start();
    running.until("values", || scene.backend.value_count() > 0);
    scene.backend.revoke(scene.backend.token());
    running.line("delivery stops");
    running.until("not ready", || running.health("/readyz").0 == 503);
    let (_, why) = running.health("/readyz");
    assert!(why.contains("BOT_TOKEN"), "{why}");
    running.terminated().with(0);
}
