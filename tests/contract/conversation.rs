//! A whole bot: it reads its configuration, measures, delivers, and stops.

use std::time::Duration;

use grafoleancollector::{
    Collector, Context, Entity, FetchError, Job, JobError, Protocol, Run, Runner, Samples, Settings, Stop,
};
use serde::Deserialize;
use serde_json::json;

use crate::entities::{create, delete, ping};
use crate::peer::Peer;

/// Enough of ping to be configured by it.
struct Ping;
impl Protocol for Ping {
    const SLUG: &'static str = "ping";
    type Credential = Packets;
    type Sensor = Nothing;
}

#[derive(Clone, Deserialize)]
struct Packets {
    n_packets: Option<u32>,
}

#[derive(Clone, Deserialize)]
struct Nothing {}

/// Measures one device as the number of its packets.
struct Bot(u64);

impl Collector for Bot {
    type Task = Entity<Ping>;

    async fn jobs(&self, cx: &Context) -> Result<Vec<Job<Self::Task>>, FetchError> {
        let entities = self.fetch_job_configs::<Ping>(cx).await?;
        let ours = entities.into_iter().filter(|entity| entity.id.get() == self.0);
        Ok(ours.map(|e| Job::shared(e.id, e.clone()).every(e.intervals()).about(&e)).collect())
    }

    async fn perform(&self, run: &Run<Self::Task>) -> Result<Samples, JobError> {
        let packets = run.task.credential.n_packets.unwrap_or_default();
        let path = format!("entity.{}.contract.packets", run.task.id);
        Ok(Samples::for_account(run.task.account).with(path, f64::from(packets)))
    }
}

pub(crate) async fn a_bot_measures_what_is_configured_and_its_values_are_stored(peer: &Peer) {
    let Some(protocols) = ping(peer).await else {
        return eprintln!("skipped: the account has no credential and sensor for ping");
    };
    let device = json!({"name": "contract", "entity_type": "device", "details": {}, "protocols": protocols});
    let device = create(peer, &device).await;
    let stop = Stop::new();
    let mut settings = Settings::new(peer.url.clone(), &peer.token);
    settings.jobs_refresh_interval = Duration::from_secs(1);
    let running = tokio::spawn(Runner::new(Bot(device), settings).run_until(stop.clone()));
    let path = format!("entity.{device}.contract.packets");
    let stored = async {
        while peer.values(&path).await.len() < 2 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), stored).await.expect("values are stored");
    stop.now();
    running.await.unwrap().unwrap();
    let values = peer.values(&path).await;
    assert!(values.windows(2).all(|pair| pair[0].0 < pair[1].0), "{values:?}");
    assert_eq!(delete(peer, device).await, 204);
}
