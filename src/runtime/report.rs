//! A running bot, as the health endpoint sees it.

use std::sync::{Arc, OnceLock};

use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use super::heard::Heard;
use super::ledger::RunMetrics;
use super::vitals::{JobsQuery, JobsView, Vitals};
use crate::backend::Api;
use crate::collector::Collector;
use crate::context::Context;
use crate::delivery::{Delivery, DeliveryState};
use crate::telemetry::{JobsFilter, MetricsText, Report};

pub(crate) struct BotReport<C> {
    pub(crate) bot: Arc<C>,
    pub(crate) api: Arc<dyn Api>,
    pub(crate) vitals: Arc<Vitals>,
    pub(crate) heard: Arc<Heard>,
    pub(crate) runs: Arc<RunMetrics>,
    pub(crate) delivery: Delivery,
    pub(crate) context: Context,
    /// Where the loop takes questions, once there is one.
    pub(crate) jobs: Arc<OnceLock<mpsc::Sender<JobsQuery>>>,
}

#[derive(Serialize)]
struct Everything {
    #[serde(flatten)]
    jobs: JobsView,
    delivery: DeliveryState,
    config_problems: Vec<String>,
}

impl<C: Collector> Report for BotReport<C> {
    fn sick(&self) -> Option<String> {
        self.vitals.sick()
    }

    fn not_ready(&self) -> Vec<String> {
        let delivery = self.delivery.state();
        self.vitals.not_ready().into_iter().chain(delivery.stopped_because()).collect()
    }

    fn metrics(&self, out: &mut MetricsText) {
        self.vitals.write(out);
        self.heard.write(out);
        self.runs.write(out);
        self.delivery.write_metrics(out);
        self.context.write_metrics(out);
        self.api.write_metrics(out);
        self.bot.write_metrics(out);
    }

    async fn jobs(&self, filter: JobsFilter) -> Option<String> {
        let (reply, answer) = oneshot::channel();
        let JobsFilter { id, only_failing, limit } = filter;
        self.jobs.get()?.send(JobsQuery { id, only_failing, limit, reply }).await.ok()?;
        let everything = Everything {
            jobs: answer.await.ok()?,
            delivery: self.delivery.state(),
            config_problems: self.context.problems(),
        };
        serde_json::to_string_pretty(&everything).ok()
    }
}
