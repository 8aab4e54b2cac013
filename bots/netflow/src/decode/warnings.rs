//! What an exporter's owner should know: a line of the log, once for each exporter.

use grafoleancollector::Timestamp;
use tracing::{info, warn};

use super::stream::seconds;
use crate::books::{ExporterBooks, RateOrigin, Said};

/// Data has waited for its template for so many seconds: most exporters repeat theirs within some minutes.
const LONG_WAIT: i64 = 10 * 60;

/// The clocks differ by so many milliseconds.
const MUCH_SKEW: u64 = 60_000;

/// So many flows that last too long: one may be anything.
const MANY_LONG_FLOWS: u64 = 100;

/// Lines of all exporters in a minute. What there is no room for is said later: nothing is left out.
const LINES: u32 = 10;

/// An exporter's rate is told again after so many seconds, if it is another one then: one with several has them by
/// turns.
const RATE_AGAIN: i64 = 3_600;

/// What is said at most.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    warnings: Lines,
    rates: Lines,
}

/// Lines of this minute.
#[derive(Debug, Default)]
struct Lines {
    began: Option<Timestamp>,
    lines: u32,
}

impl Lines {
    fn has_room(&mut self, now: Timestamp) -> bool {
        if self.began.is_none_or(|began| seconds(now, began).unsigned_abs() >= 60) {
            (self.began, self.lines) = (Some(now), 0);
        }
        self.lines < LINES
    }
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
        if books.is_mixed() && self.may_say(books, Said::MIXED, now) {
            warn!(
                "several exporters send from {exporter}, as their templates tell, which differ by turns: their flows are \
                 read wrongly. Let the bot see their own addresses (a container: with the host's network), or give \
                 each another observation domain (source id)"
            );
        }
        // Anybody can invent exporters, and their rates interest nobody.
        if books.is_known()
            && let Some((rate, origin)) = books.new_rate(now, RATE_AGAIN)
            && self.rates.has_room(now)
        {
            self.rates.lines += 1;
            books.say_rate(now);
            let origin = match origin {
                RateOrigin::Record => "flow records",
                RateOrigin::Options => "options",
                _ => "packets' headers",
            };
            info!("{exporter} samples one of {rate} packets, as its {origin} say");
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
        if !self.warnings.has_room(now) || !books.said.first(what) {
            return false;
        }
        self.warnings.lines += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Ip;

    #[test]
    fn a_rate_is_told_when_it_is_known_and_when_it_is_another_an_hour_later() {
        let books = ExporterBooks::new(Ip::v4(1));
        let mut warnings = Warnings::default();
        let mut told = |seconds: i64, rate: u32| {
            books.set_sampling(rate, RateOrigin::Options);
            warnings.look(&books, Timestamp::from_secs(1_700_000_000 + seconds));
            let (now, never) = (Timestamp::from_secs(1_800_000_000), Timestamp::from_secs(1_600_000_000));
            (books.new_rate(never, RATE_AGAIN).is_none(), books.new_rate(now, RATE_AGAIN).is_none())
        };
        assert_eq!(told(0, 100), (false, false), "nobody's exporter");
        books.set_known(true);
        assert_eq!(told(1, 100), (true, true));
        assert_eq!(told(2, 500), (true, false), "not yet");
        assert_eq!(told(3_602, 500), (true, true));
    }

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
