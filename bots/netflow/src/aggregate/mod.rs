//! From flows to what is reported: sums and top lists per exporter and interface, exact as long as memory allows.
//!
//! A [`Slice`] takes what one receiving thread hears in a few seconds; [`Windows`] takes the slices, closes minutes
//! into quarters of an hour, hours and days, and makes a [`Report`] of each. Nothing here reads a clock or a file:
//! time is an argument, and what must survive a kill is handed out as bytes.
//!
//! # What is exact
//! Sums (of exporters, of interfaces, of sides) are always exact. So are lists, until their tables pass a budget of
//! bytes; then the exporters with the most keys are cut down first, within them the tables with the most keys, and
//! each list says by how much a value may be too small (`error`); what is not listed has at most so many bytes.

mod bytes;
mod cut;
pub(crate) mod hash;
mod keep;
mod level;
mod lists;
mod report;
mod report_codec;
mod rules;
mod slice;
mod store;
mod table;
mod windows;

pub use self::level::Level;
pub use self::report::{Count, ExporterReport, InterfaceReport, Report, Side, Totals};
pub use self::rules::{ExporterKey, Nsel, Rules};
pub use self::slice::{Losses, Slice};
pub use self::windows::{Windows, WindowsOptions};

#[cfg(test)]
mod tests;
