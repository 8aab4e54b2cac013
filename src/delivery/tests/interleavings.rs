//! Whatever happens in whatever order: every good sample is stored, once; every bad one is set aside.

use super::*;
use proptest::prelude::*;
use std::collections::HashMap;
use tempfile::TempDir;

#[derive(Clone, Debug)]
enum Step {
    /// A run with so many good samples and bad ones at these places.
    Accept { account: u64, good: usize, bad: Vec<prop::sample::Index> },
    /// The next requests are answered so.
    Answers(Vec<Trouble>),
    /// Time passes.
    Wait(u64),
    /// The process ends, and another begins.
    Restart,
    /// The process is killed, and another begins: `true` just when the backend has stored something, before the
    /// process knows.
    Crash(bool),
}

#[derive(Clone, Copy, Debug)]
enum Trouble {
    Honest,
    Broken,
    Lost,
    Unavailable,
    Error,
    TooLarge,
    Forbidden,
    BadToken,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    use Trouble::*;
    let trouble = prop::sample::select(vec![
        Honest,
        Honest,
        Honest,
        Broken,
        Lost,
        Unavailable,
        Error,
        TooLarge,
        Forbidden,
        BadToken,
    ]);
    let bad = prop::collection::vec(any::<prop::sample::Index>(), 0..4);
    let step = prop_oneof![
        4 => (1..3_u64, 1..40_usize, bad).prop_map(|(account, good, bad)| Step::Accept { account, good, bad }),
        1 => (1..3_u64, 900..2_500_usize).prop_map(|(account, good)| Step::Accept { account, good, bad: vec![] }),
        2 => prop::collection::vec(trouble, 1..12).prop_map(Step::Answers),
        2 => (1..3_000_u64).prop_map(Step::Wait),
        1 => Just(Step::Restart),
        2 => any::<bool>().prop_map(Step::Crash),
    ];
    prop::collection::vec(step, 1..25)
}

/// What was accepted, and what must become of it.
#[derive(Default)]
struct Expected {
    good: HashMap<(AccountId, String, i64), f64>,
    bad: u64,
    next: i64,
}

impl Expected {
    fn run(&mut self, account: AccountId, good: usize, bad: &[prop::sample::Index]) -> Vec<Sample> {
        self.next += 1;
        let mut samples = run("good", good, self.next);
        for sample in &samples {
            let key = (account, sample.path.to_string(), sample.time.as_micros());
            self.good.insert(key, sample.value);
        }
        for (n, at) in bad.iter().enumerate() {
            self.bad += 1;
            samples.insert(at.index(samples.len() + 1), sample(format_args!("bad.{n}"), self.next));
        }
        samples
    }
}

/// What a kill would leave behind at this moment. As long as somebody reads, the log is not begun anew, so the file
/// and the log that are copied one after the other belong together.
fn copy_as_if_killed(from: &std::path::Path, to: &std::path::Path) {
    let reader = rusqlite::Connection::open(from.join("outbox.sqlite")).unwrap();
    let tx = reader.unchecked_transaction().unwrap();
    let _: i64 = tx.query_row("SELECT count(*) FROM parcel", [], |row| row.get(0)).unwrap();
    for name in ["outbox.sqlite", "outbox.sqlite-wal"] {
        // Another process has to do it: when this one closes a file, the locks that SQLite has on it are gone.
        let copied = std::process::Command::new("cp").arg(from.join(name)).arg(to).status().unwrap();
        assert!(copied.success());
    }
}

/// Simulated time: the thread of an outbox file does not follow it, so a wait for that thread may end all
/// pauses; nothing here depends on their length.
fn survives(steps: Vec<Step>, mut directory: Option<TempDir>) -> Result<(), TestCaseError> {
    let is_durable = directory.is_some();
    let forever = Duration::from_secs(1 << 40);
    let open = |directory: &Option<TempDir>| {
        let file = |directory: &TempDir| Outbox::sqlite(directory.path()).keep_for(forever);
        directory.as_ref().map_or_else(Outbox::memory, file)
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let api = Model::new();
        api.refuse((0..4).map(|n| format!("bad.{n}")));
        let mut expected = Expected::default();
        let mut delivery = start(&api, open(&directory));
        let mut refused = 0;
        for step in steps {
            match step {
                Step::Accept { account, good, bad } => {
                    let account = AccountId::new(account);
                    delivery.accept(account, expected.run(account, good, &bad)).await.unwrap();
                }
                Step::Answers(answers) => {
                    let mut answers = answers.into_iter();
                    api.behave(move |_, _| match answers.next().unwrap_or(Trouble::Honest) {
                        Trouble::Honest => Answer::Honest,
                        Trouble::Broken => Answer::Fail(broken()),
                        Trouble::Lost => Answer::Lose,
                        Trouble::Unavailable => Answer::Fail(answer(503)),
                        Trouble::Error => Answer::Fail(answer(500)),
                        Trouble::TooLarge => Answer::Fail(answer(413)),
                        Trouble::Forbidden => Answer::Fail(answer(403)),
                        Trouble::BadToken => Answer::Fail(answer(401)),
                    });
                }
                Step::Wait(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
                Step::Restart if is_durable => {
                    delivery.stop().await;
                    refused += delivery.state().set_aside["refused"];
                    delivery = start(&api, open(&directory));
                }
                Step::Crash(after_store) => {
                    let Some(from) = &directory else { continue };
                    let to = tempfile::tempdir().unwrap();
                    let (source, target) = (from.path().to_owned(), to.path().to_owned());
                    let kill = move || copy_as_if_killed(&source, &target);
                    if after_store {
                        api.after_store(kill.clone());
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                    if !after_store || api.forget_after_store() {
                        kill();
                    }
                    // Whatever the first process does from now on, the second knows nothing of it.
                    delivery.stop().await;
                    refused += delivery.state().set_aside["refused"];
                    directory = Some(to);
                    delivery = start(&api, open(&directory));
                }
                Step::Restart => {}
            }
        }
        api.behave_well();
        // A bad sample is believed to be the bad one when the backend has accepted another.
        for account in 1..3 {
            let account = AccountId::new(account);
            delivery.accept(account, expected.run(account, 1, &[])).await.unwrap();
        }
        let state = delivery.wait_for(empty).await;
        refused += state.set_aside["refused"];
        delivery.stop().await;
        prop_assert_eq!(api.stored(), expected.good);
        if is_durable {
            // One that was set aside just before a restart is set aside again.
            prop_assert!(refused >= expected.bad, "{} of {} bad ones set aside", refused, expected.bad);
        } else {
            prop_assert_eq!(refused, expected.bad);
            prop_assert_eq!(state.accepted, state.stored + refused);
        }
        Ok(())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_interleaving_loses_or_repeats_a_sample_in_memory(steps in steps()) {
        survives(steps, None)?;
    }

    #[test]
    fn no_interleaving_and_no_crash_loses_a_sample_in_a_file(steps in steps()) {
        survives(steps, Some(tempfile::tempdir().unwrap()))?;
    }
}
