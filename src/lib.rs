//! Build monitoring collectors that Grafolean controls.
//!
//! A *controlled collector* (a bot) is a program whose work is configured centrally: accounts, the entities in
//! them (devices), the credentials that open these, and the sensors that say what to measure. The bot polls or
//! receives data and delivers it. This crate does all of that but the measuring:
//!
//! ```text
//!  configuration ──▶ jobs() ──▶ timetable ──▶ perform() ──▶ outbox ──▶ stored values
//!  (the backend)     yours      each job on    yours        nothing    (the backend)
//!                               its ticks                   is lost
//! ```
//!
//! Implement [`Collector`]: [`jobs`](Collector::jobs) says what there is to do, mostly from
//! [`fetch_job_configs`](Collector::fetch_job_configs), and [`perform`](Collector::perform) does one job once.
//! Then hand it to [`main`], or to [`execute`](Collector::execute) in a program of your own.
//!
//! ```no_run
//! use grafoleancollector::prelude::*;
//! use serde::Deserialize;
//!
//! #[derive(Clone, Deserialize)]
//! struct Credential {
//!     api_key: String,
//! }
//!
//! #[derive(Clone, Deserialize)]
//! struct Register {
//!     number: u16,
//! }
//!
//! /// How Grafolean names the protocol, and what it stores for it.
//! struct MyProtocol;
//! impl Protocol for MyProtocol {
//!     const SLUG: &'static str = "myprotocol";
//!     type Credential = Credential;
//!     type Sensor = Register;
//! }
//!
//! struct MyBot;
//! impl Collector for MyBot {
//!     type Task = Entity<MyProtocol>;
//!
//!     async fn jobs(&self, cx: &Context) -> Result<Vec<Job<Self::Task>>, FetchError> {
//!         let entities = self.fetch_job_configs::<MyProtocol>(cx).await?;
//!         Ok(entities.into_iter().map(|e| Job::shared(e.id, e.clone()).every(e.intervals()).about(&e)).collect())
//!     }
//!
//!     async fn perform(&self, run: &Run<Self::Task>) -> Result<Samples, JobError> {
//!         let (entity, mut samples) = (&run.task, Samples::for_account(run.task.account));
//!         for sensor in entity.due(run) {
//!             // Here the device would be asked for the register, opened with the credential.
//!             let answer = (entity.credential.api_key.len() + usize::from(sensor.details.number)) as f64;
//!             samples.push(format!("entity.{}.myprotocol.{}", entity.id, sensor.id), answer, None);
//!         }
//!         Ok(samples)
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     grafoleancollector::main(MyBot)
//! }
//! ```
//!
//! What it promises:
//! - **No run overlaps itself, no tick is lost.** What comes due while a job runs is owed to its next run.
//! - **No sample is lost.** What the backend cannot take waits in an [`Outbox`], through restarts too.
//! - **No part is made twice.** What a bot keeps below its entities ([`Parts`]: the interfaces of a switch), it
//!   creates once, whatever happens to looks, answers and runs.
//! - **No neighbour is spoiled.** A device that hangs, a job that panics, a value that is not a number, an
//!   account that cannot be read: each is named, counted, and left aside.
//!
//! With the feature `testing`, the module `testing` has a strict fake backend, a clock to set, and simulated time.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod address;
mod backend;
mod clock;
mod collector;
mod context;
mod delivery;
mod dir_lock;
mod error;
mod finding;
mod host;
mod http_server;
mod ids;
mod job;
mod parts;
mod protocol;
mod runtime;
mod sample;
mod schedule;
mod settings;
pub mod show;
mod start;
mod state;
pub mod telemetry;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;

pub use address::{Address, AddressError};
#[cfg(feature = "testing")]
#[doc(hidden)]
pub use backend::benching;
#[cfg(fuzzing)]
#[doc(hidden)]
pub use backend::fuzzing;
pub use backend::{
    Api, ApiError, Change, ClientError, DeliveryMode, DeliveryModeError, Device, EntityContent, EntityWrite,
    OnChange, Problem, Resource, Token,
};
pub use clock::{Clock, SystemClock, Timestamp};
pub use collector::Collector;
pub use context::Context;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub use delivery::internals;
pub use delivery::{Outbox, OutboxError};
pub use error::{FetchError, JobError, SettingProblem, StartError};
pub use finding::{Finding, Verdict};
pub use host::{Host, HostError, ResolveError};
pub use ids::{AccountId, CredentialId, EntityId, SensorId, UserId};
pub use job::{Job, Run};
pub use parts::{Part, PartContent, Parts, PartsError};
pub use protocol::{Details, Entity, Protocol, Sensor};
pub use runtime::{Runner, Stop};
pub use sample::{Path, PathError, Sample, Samples, Unfit, UnfitReason};
pub use schedule::{Anchor, Interval, IntervalError};
pub use settings::{Environment, Settings, Variable};
pub use start::{Program, main};
pub use state::{State, StateError, Table};

/// What nearly every bot uses.
pub mod prelude {
    pub use crate::{
        Collector, Context, Entity, FetchError, Job, JobError, Protocol, Run, Samples, Settings, StartError,
    };
}
