//! What a bot remembers from one life to the next.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use grafoleancollector::testing::{FakeApi, TestClock};
use grafoleancollector::{
    Collector, Context, FetchError, Job, JobError, Outbox, Run, Runner, Samples, Settings, StartError, State,
    Stop, SystemClock, Timestamp,
};

/// Counts its looks at the configuration, one in each of its lives.
#[derive(Clone, Default)]
struct Counting {
    found: Arc<Mutex<Vec<u8>>>,
}

impl Collector for Counting {
    type Task = ();

    async fn jobs(&self, cx: &Context) -> Result<Vec<Job<()>>, FetchError> {
        let looks = cx.state().table("looks");
        let before = looks.load().await.first().map_or(0, |(_, count)| count[0]);
        looks.put(b"count", vec![before + 1]);
        self.found.lock().unwrap().push(before);
        Ok(Vec::new())
    }

    async fn perform(&self, _: &Run<()>) -> Result<Samples, JobError> {
        Err(JobError::failed("there is nothing to do"))
    }
}

impl Counting {
    fn found(&self) -> Vec<u8> {
        self.found.lock().unwrap().clone()
    }

    async fn looked(&self, times: usize) {
        let looked = async {
            while self.found.lock().unwrap().len() < times {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), looked).await.unwrap();
    }
}

fn settings(api: &FakeApi, data_dir: Option<&Path>) -> Settings {
    let mut settings = Settings::new("http://fake/api", api.token());
    settings.jobs_refresh_interval = Duration::from_secs(86_400);
    settings.data_dir = data_dir.map(Into::into);
    settings
}

#[tokio::test(start_paused = true)]
async fn a_state_in_memory_can_be_handed_to_the_next_life() {
    let clock = Arc::new(TestClock::at(Timestamp::from_secs(1_700_000_000)));
    let api = FakeApi::new(clock.clone());
    let (bot, state) = (Counting::default(), State::memory());
    for life in 1..=3 {
        let stop = Stop::new();
        let runner = Runner::new(bot.clone(), settings(&api, None))
            .api(Arc::new(api.clone()))
            .clock(clock.clone())
            .state(state.clone())
            .share_runtime();
        let running = tokio::spawn(runner.run_until(stop.clone()));
        bot.looked(life).await;
        stop.now();
        running.await.unwrap().unwrap();
    }
    assert_eq!(bot.found(), [0, 1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_remembered_in_the_data_directory_is_there_after_a_stop() {
    let api = FakeApi::new(Arc::new(SystemClock));
    let (bot, directory) = (Counting::default(), tempfile::tempdir().unwrap());
    for life in 1..=3 {
        let stop = Stop::new();
        let runner = Runner::new(bot.clone(), settings(&api, Some(directory.path())));
        let running = tokio::spawn(runner.api(Arc::new(api.clone())).run_until(stop.clone()));
        bot.looked(life).await;
        stop.now();
        running.await.unwrap().unwrap();
    }
    assert_eq!(bot.found(), [0, 1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_is_one_bots_also_where_samples_wait_in_memory() {
    let api = FakeApi::new(Arc::new(SystemClock));
    let (bot, directory) = (Counting::default(), tempfile::tempdir().unwrap());
    let runner = || {
        let runner = Runner::new(bot.clone(), settings(&api, Some(directory.path())));
        runner.outbox(Outbox::memory()).api(Arc::new(api.clone()))
    };
    let stop = Stop::new();
    let running = tokio::spawn(runner().run_until(stop.clone()));
    bot.looked(1).await;
    let error = runner().run_until(Stop::new()).await.unwrap_err();
    assert!(matches!(error, StartError::State(_)), "{error:?}");
    assert_eq!((error.exit_code(), error.to_string().contains("DATA_DIR")), (78, true));
    let source = std::error::Error::source(&error).expect("it says why").to_string();
    assert!(source.contains("is in use by another bot"), "{source}");
    stop.now();
    running.await.unwrap().unwrap();
}
