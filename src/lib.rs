//! Build monitoring collectors that Grafolean controls.

mod backend;
mod clock;
mod delivery;
mod error;
mod job;
mod protocol;
mod sample;
mod schedule;
pub mod telemetry;

pub use backend::{AccountId, Api, ApiError, CredentialId, EntityId, Resource, SensorId, UserId};
pub use clock::{Clock, SystemClock, Timestamp};
#[cfg(feature = "testing")]
#[doc(hidden)]
pub use delivery::internals;
pub use delivery::{DeliveryMode, DeliveryModeError, Outbox, OutboxError};
pub use error::{FetchError, JobError, SettingProblem, StartError};
pub use job::{Job, Run};
pub use protocol::{Details, Entity, Protocol, Sensor};
pub use sample::{Path, PathError, Sample, Samples, Unfit, UnfitReason};
pub use schedule::{Anchor, Interval, IntervalError};
