//! Build monitoring collectors that Grafolean controls.

mod backend;
mod clock;
mod context;
mod delivery;
mod error;
mod http_server;
mod job;
mod protocol;
mod sample;
mod schedule;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;

#[cfg(feature = "testing")]
#[doc(hidden)]
pub use backend::benching;
#[cfg(fuzzing)]
#[doc(hidden)]
pub use backend::fuzzing;
pub use backend::{AccountId, Api, ApiError, CredentialId, EntityId, Resource, SensorId, UserId};
pub use clock::{Clock, SystemClock, Timestamp};
pub use context::Context;
pub use delivery::OutboxError;
pub use error::{FetchError, JobError, SettingProblem, StartError};
pub use job::{Job, Run};
pub use protocol::{Details, Entity, Protocol, Sensor};
pub use sample::{Path, PathError, Sample, Samples, Unfit, UnfitReason};
pub use schedule::{Anchor, Interval, IntervalError};
