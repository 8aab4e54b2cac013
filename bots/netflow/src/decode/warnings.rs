//! What an exporter's owner should know: a line of the log, once for each exporter.

use grafoleancollector::Timestamp;
use tracing::warn;

use super::stream::seconds;
use crate::books::{ExporterBooks, Said};

/// Data has waited for its template for so many seconds: most exporters repeat theirs within some minutes.
const LONG_WAIT: i64 = 10 * 60;

/// The clocks differ by so many milliseconds.
const MUCH_SKEW: u64 = 60_000;

/// So many flows that last too long: one may be anything.
const MANY_LONG_FLOWS: u64 = 100;

/// Lines of all exporters in a minute. What there is no room for is said later: nothing is left out.
const LINES: u32 = 10;

/// Lines of this minute.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    began: Option<Timestamp>,
    lines: u32,
}

impl Warnings {
    /// Looks at an exporter of which datagrams came.
    pub(super) fn look(&mut self, books: &ExporterBooks, now: Timestamp) {
        let exporter = books.address();
        if let Some(since) = books.waiting.since()
            && seconds(now, since) > LONG_WAIT
            && self.may_say(books, Said::WAITING, now)
        {
            warn!(
                "{exporter} sends flows, but since {since} not the template that they need: \
                 let it repeat its templates each minute"
            );
        }
        if let Some(skew) = books.skew_ms()
            && skew.unsigned_abs() > MUCH_SKEW
            && self.may_say(books, Said::SKEW, now)
        {
            let (seconds, which) =
                (skew.unsigned_abs() / 1_000, if skew > 0 { "behind" } else { "ahead of" });
            warn!(
                "the clock of {exporter} is {seconds} s {which} ours: set it by NTP \
                 (flows are counted when they are received all the same)"
            );
        }
        if books.long_flows.get() >= MANY_LONG_FLOWS && self.may_say(books, Said::LONG_FLOWS, now) {
            warn!(
                "{exporter} sends flows that last longer than two minutes, and so their traffic too late: \
                 set its active timeout to 60 s"
            );
        }
    }

    /// Whether that is to be said now. What was not said for want of room is still to be said.
    fn may_say(&mut self, books: &ExporterBooks, what: u32, now: Timestamp) -> bool {
        if !books.said.is_new(what) {
            return false;
        }
        if self.began.is_none_or(|began| seconds(now, began).unsigned_abs() >= 60) {
            (self.began, self.lines) = (Some(now), 0);
        }
        if self.lines >= LINES || !books.said.first(what) {
            return false;
        }
        self.lines += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Ip;

    #[test]
    fn what_there_is_no_room_for_in_this_minute_is_said_in_a_later_one() {
        let exporters: Vec<_> = (0..25).map(|n| ExporterBooks::new(Ip::v4(n))).collect();
        exporters.iter().for_each(|books| books.set_skew_ms(3_600_000));
        let mut warnings = Warnings::default();
        let mut said_after = |seconds: i64| {
            let now = Timestamp::from_secs(1_700_000_000 + seconds);
            exporters.iter().for_each(|books| warnings.look(books, now));
            exporters.iter().filter(|books| !books.said.is_new(Said::SKEW)).count()
        };
        assert_eq!([0, 1, 59, 60, 61, 125, 1_000].map(&mut said_after), [10, 10, 10, 20, 20, 25, 25]);
    }
}
