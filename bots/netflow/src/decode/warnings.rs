//! What an exporter's owner should know: a line of the log, once for each exporter.

use std::time::Duration;

use grafoleancollector::Timestamp;
use grafoleancollector::telemetry::Throttle;
use tracing::warn;

use super::source::Source;
use super::stream::seconds;
use crate::books::Said;

/// Data has waited for its template for so many seconds: most exporters repeat theirs within some minutes.
const LONG_WAIT: i64 = 10 * 60;

/// The clocks differ by so many milliseconds.
const MUCH_SKEW: u64 = 60_000;

/// So many flows that last too long: one may be anything.
const MANY_LONG_FLOWS: u64 = 100;

/// Lines of all exporters in a minute.
const LINES: u32 = 10;

#[derive(Debug)]
pub(super) struct Warnings {
    throttle: Throttle,
}

impl Default for Warnings {
    fn default() -> Self {
        Self { throttle: Throttle::new(LINES, Duration::from_secs(60)) }
    }
}

impl Warnings {
    /// Looks at an exporter after one of its datagrams.
    pub(super) fn look(&self, source: &Source, now: Timestamp) {
        let (books, said) = (&source.books, &source.books.said);
        let exporter = books.address();
        if let Some(since) = books.waiting.since()
            && seconds(now, since) > LONG_WAIT
            && said.first(Said::WAITING)
            && let Some(more) = self.throttle.say()
        {
            warn!(
                "{exporter} sends flows, but since {since} not the template that they need: \
                 let it repeat its templates each minute{more}"
            );
        }
        if let Some(skew) = books.skew_ms()
            && skew.unsigned_abs() > MUCH_SKEW
            && said.first(Said::SKEW)
            && let Some(more) = self.throttle.say()
        {
            let (seconds, which) =
                (skew.unsigned_abs() / 1_000, if skew > 0 { "behind" } else { "ahead of" });
            warn!(
                "the clock of {exporter} is {seconds} s {which} ours: set it by NTP \
                 (flows are counted when they are received all the same){more}"
            );
        }
        if books.long_flows.get() >= MANY_LONG_FLOWS
            && said.first(Said::LONG_FLOWS)
            && let Some(more) = self.throttle.say()
        {
            warn!(
                "{exporter} sends flows that last longer than two minutes, and so their traffic too late: \
                 set its active timeout to 60 s{more}"
            );
        }
    }
}
