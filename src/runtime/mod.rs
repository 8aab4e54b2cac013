//! The loop that keeps jobs scheduled.
//!
//! From the pure to the busy: [`timetable`] says what is due and [`dispatch`] who may start; [`reconcile`]
//! brings the timetable in line with what the collector lists; [`control`] is the loop around them; [`perform`]
//! is one run, on the threads of [`workers`]; [`runner`] puts all together.
//!
//! Where the backend offers more than the original ([`offered`]): [`follow`] listens to its changes, [`heard`] says
//! which of them are worth a look at the jobs, and [`problems`] tells it what fails.

mod connect;
mod control;
mod dispatch;
mod follow;
mod heard;
mod ledger;
mod offered;
mod once;
mod own_writes;
mod perform;
mod problems;
mod reconcile;
mod refresh;
mod report;
mod runner;
mod shutdown;
mod timetable;
mod vitals;
mod workers;

pub(crate) use connect::connect;
pub(crate) use offered::Offered;
pub(crate) use once::perform_once;
pub(crate) use runner::DEFAULT_CONCURRENCY;
pub use runner::Runner;
pub use shutdown::Stop;
pub(crate) use vitals::Vitals;
