//! The loop that keeps jobs scheduled.
//!
//! From the pure to the busy: [`timetable`] says what is due and [`dispatch`] who may start; [`reconcile`]
//! brings the timetable in line with what the collector lists; [`control`] is the loop around them; [`perform`]
//! is one run, on the threads of [`workers`]; [`runner`] puts all together.

mod connect;
mod control;
mod dispatch;
mod ledger;
mod once;
mod perform;
mod reconcile;
mod refresh;
mod report;
mod runner;
mod shutdown;
mod timetable;
mod vitals;
mod workers;

pub(crate) use connect::connect;
pub(crate) use once::perform_once;
pub(crate) use runner::DEFAULT_CONCURRENCY;
pub use runner::Runner;
pub use shutdown::Stop;
pub(crate) use vitals::Vitals;
