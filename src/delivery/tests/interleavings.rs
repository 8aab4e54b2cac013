//! Whatever happens in whatever order: every good sample is stored, once; every bad one is set aside.

use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

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

/// Simulated time: the thread of an outbox file does not follow it, so a wait for that thread may end all
/// pauses; nothing here depends on their length.
fn survives(steps: Vec<Step>, open: impl Fn() -> Outbox, is_durable: bool) -> Result<(), TestCaseError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let api = Model::new();
        api.refuse((0..4).map(|n| format!("bad.{n}")));
        let mut expected = Expected::default();
        let mut delivery = start(&api, open());
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
                    delivery = start(&api, open());
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
        survives(steps, Outbox::memory, false)?;
    }

    #[test]
    fn no_interleaving_loses_or_repeats_a_sample_in_a_file(steps in steps()) {
        let directory = tempfile::tempdir().unwrap();
        let forever = Duration::from_secs(1 << 40);
        survives(steps, || Outbox::sqlite(directory.path()).keep_for(forever), true)?;
    }
}
