//! What is shown: exporters, talkers.

use std::collections::HashMap;
use std::time::Duration;

use grafoleancollector::Timestamp;
use grafoleancollector::show::{Side, safe, table};

use super::print::{beside, percent, short, span};
use super::traffic::{List, Recent, Traffic};
use crate::Ip;
use crate::books::{Books, ExporterBooks, Malformed, RateOrigin};

/// Exporters of which only a few are shown.
const EXPORTERS: usize = 20;
/// A clock that is wrong by less is right: datagrams are under way, and exporters wait before they send them.
const SKEW_TOLERANCE_MS: u64 = 2_000;

/// What there is to show.
pub(super) struct View<'a> {
    pub(super) books: &'a Books,
    pub(super) now: Timestamp,
    /// Rates of the last minute. None: sums of all there was.
    pub(super) recent: Option<&'a Recent>,
    pub(super) traffic: &'a Traffic,
    /// How many talkers each list has.
    pub(super) top: usize,
}

/// Packets and flows so far, by exporter.
pub(super) fn counts(books: &Books) -> HashMap<Ip, (u64, u64)> {
    books.list().iter().map(|exporter| (exporter.address(), count(exporter))).collect()
}

fn count(exporter: &ExporterBooks) -> (u64, u64) {
    let both = exporter.versions().map(|(_, books)| (books.packets.get(), books.flows.get()));
    both.fold((0, 0), |(packets, flows), (p, f)| (packets + p, flows + f))
}

impl View<'_> {
    /// All of it, in lines of that width where that is possible.
    pub(super) fn lines(&self, width: usize) -> Vec<String> {
        let mut lines = self.exporters();
        if lines.is_empty() {
            return lines;
        }
        lines.push(String::new());
        lines.extend(beside(&self.talkers(), width));
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    }

    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    fn per_second(&self, count: u64) -> f64 {
        match self.recent.map(Recent::took) {
            Some(took) if took > Duration::ZERO => count as f64 / took.as_secs_f64(),
            Some(_) => 0.0,
            None => count as f64,
        }
    }

    /// Bits per second, or bytes.
    fn volume(&self, bytes: u64) -> String {
        let factor = if self.recent.is_some() { 8.0 } else { 1.0 };
        short(self.per_second(bytes) * factor)
    }

    fn exporters(&self) -> Vec<String> {
        let mut all = self.books.list();
        // Whoever has sent nothing but other things is none.
        all.retain(|exporter| exporter.versions().next().is_some());
        all.sort_by_cached_key(|exporter| {
            let bytes = self.traffic.exporters.get(&exporter.address()).map_or(0, |totals| totals.bytes);
            (std::cmp::Reverse(bytes), exporter.address())
        });
        if all.is_empty() {
            return Vec::new();
        }
        let head = match self.recent {
            Some(_) => ["packets/s", "flows/s", "bit/s"],
            None => ["packets", "flows", "bytes"],
        };
        let head = [
            "exporter",
            "version",
            head[0],
            head[1],
            head[2],
            "lost",
            "templates",
            "sampling",
            "clock",
            "state",
        ];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(all.iter().take(EXPORTERS).map(|exporter| self.exporter(exporter)));
        let (l, r) = (Side::Left, Side::Right);
        let mut lines = table(&[l, l, r, r, r, r, r, l, l, l], &rows);
        if all.len() > EXPORTERS {
            lines.push(format!("and {} more", all.len() - EXPORTERS));
        }
        lines
    }

    fn exporter(&self, exporter: &ExporterBooks) -> Vec<String> {
        let (packets, flows) = count(exporter);
        let before = self.recent.map(|recent| recent.before(exporter.address())).unwrap_or_default();
        let versions: Vec<_> = exporter.versions().map(|(version, _)| version.name()).collect();
        let (lost, arrived) = exporter.versions().fold((0, 0), |(lost, arrived), (_, books)| {
            (lost + books.lost.get(), arrived + books.arrived.get())
        });
        let bytes = self.traffic.exporters.get(&exporter.address()).map_or(0, |totals| totals.bytes);
        vec![
            exporter.address().to_string(),
            versions.join(" "),
            short(self.per_second(packets.saturating_sub(before.0))),
            short(self.per_second(flows.saturating_sub(before.1))),
            self.volume(bytes),
            if lost == 0 { "0".to_owned() } else { format!("{lost} ({})", percent(lost, lost + arrived)) },
            exporter.templates.get().to_string(),
            sampling(exporter),
            clock(exporter),
            self.state(exporter, flows),
        ]
    }

    /// What should be known before anything else.
    fn state(&self, exporter: &ExporterBooks, flows: u64) -> String {
        let mut words = Vec::new();
        if let Some(since) = exporter.waiting.since() {
            words.push(format!("waiting for a template, {}", span(self.now.since(since))));
        }
        let malformed: u64 = Malformed::ALL.iter().map(|why| exporter.malformed(*why).get()).sum();
        if malformed > 0 {
            words.push(format!("{malformed} malformed"));
        }
        if exporter.is_mixed() {
            words.push("several exporters behind one address: their flows are read wrongly".to_owned());
        }
        if exporter.long_flows.get() > 0 {
            words.push("flows longer than 2 min: set its active timeout to 60 s".to_owned());
        }
        if words.is_empty() && flows == 0 {
            words.push("no flows yet".to_owned());
        }
        words.join(", ")
    }

    fn talkers(&self) -> Vec<Vec<String>> {
        let Traffic { sources, destinations, connections, ports, protocols, interfaces, .. } = self.traffic;
        let names = |(exporter, index): &(Ip, u32)| {
            let name = self.books.of(*exporter).and_then(|books| {
                let name = books.interfaces().remove(index)?;
                Some(if name.name.is_empty() { name.description } else { name.name })
            });
            match name {
                Some(name) => format!("{exporter} {index} {}", short_text(&safe(&name))),
                None => format!("{exporter} {index}"),
            }
        };
        let lists = [
            self.list("source", sources, Ip::to_string),
            self.list("destination", destinations, Ip::to_string),
            self.list("connection", connections, |(from, to)| format!("{from} > {to}")),
            self.list("to port", ports, u16::to_string),
            self.list("protocol", protocols, |protocol| crate::protocols::name(*protocol).into_owned()),
            self.list("in by interface", interfaces, names),
        ];
        lists.into_iter().filter(|list| list.len() > 1).collect()
    }

    fn list<K: Copy + Eq + std::hash::Hash + Ord>(
        &self,
        head: &str,
        list: &List<K>,
        name: impl Fn(&K) -> String,
    ) -> Vec<String> {
        let unit = if self.recent.is_some() { "bit/s" } else { "bytes" };
        let mut rows = vec![vec![head.to_owned(), unit.to_owned(), String::new()]];
        let whole = self.traffic.bytes();
        rows.extend(
            list.top(self.top)
                .iter()
                .map(|(key, bytes)| vec![name(key), self.volume(*bytes), percent(*bytes, whole)]),
        );
        table(&[Side::Left, Side::Right, Side::Right], &rows)
    }
}

fn sampling(exporter: &ExporterBooks) -> String {
    let sampling = exporter.sampling();
    match (sampling.rate, sampling.origin) {
        (Some(rate), RateOrigin::None) => format!("1:{rate}"),
        (Some(rate), origin) => format!("1:{rate} ({})", origin.name()),
        (None, _) => "not told".to_owned(),
    }
}

/// How the exporter's clock goes.
fn clock(exporter: &ExporterBooks) -> String {
    let Some(skew) = exporter.skew_ms() else { return "unknown".to_owned() };
    let wrong = skew.unsigned_abs();
    if wrong < SKEW_TOLERANCE_MS {
        return "right".to_owned();
    }
    format!("{} {}", span(Duration::from_millis(wrong)), if skew > 0 { "behind" } else { "ahead" })
}

/// Names from the network may be of any length.
fn short_text(text: &str) -> String {
    const MOST: usize = 30;
    text.chars().take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::ear::Ear;
    use super::*;
    use crate::books::InterfaceName;

    /// A datagram of v5 with one flow of 1,000 bytes, through interface 7, one in ten packets sampled.
    fn datagram(sequence: u32) -> Vec<u8> {
        let mut datagram = vec![0; 24 + 48];
        (datagram[1], datagram[3]) = (5, 1);
        datagram[8..12].copy_from_slice(&1_700_000_000_u32.to_be_bytes());
        datagram[16..20].copy_from_slice(&sequence.to_be_bytes());
        datagram[23] = 10;
        datagram[24..32].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
        datagram[24 + 13] = 7;
        datagram[24 + 20..24 + 24].copy_from_slice(&1_000_u32.to_be_bytes());
        datagram[24 + 35] = 53;
        datagram[24 + 38] = 17;
        datagram
    }

    fn heard(sequences: &[u32]) -> Ear {
        let mut ear = Ear::new(false, None);
        for sequence in sequences {
            let now = Timestamp::from_secs(1_700_000_000);
            ear.hear(now, Ip::v4(0x0a00_00fe), &datagram(*sequence), &mut Vec::new()).unwrap();
        }
        ear
    }

    fn lines(ear: &mut Ear) -> Vec<String> {
        let traffic = ear.take_traffic();
        let (books, now) = (Arc::clone(&ear.books), Timestamp::from_secs(1_700_000_000));
        View { books: &books, now, recent: None, traffic: &traffic, top: 10 }.lines(200)
    }

    #[test]
    fn exporters_and_talkers_are_shown() {
        let sequences: Vec<u32> = (0..2).chain(4..102).collect();
        let lines = lines(&mut heard(&sequences));
        let words: Vec<_> = lines[1].split_whitespace().collect();
        let expected = ["10.0.0.254", "v5", "100", "100", "1M", "2", "(2.0", "%)", "0"];
        assert_eq!(words[..9], expected, "{lines:#?}");
        assert!(lines[1].contains("1:10 (header)"), "{lines:#?}");
        let shown = lines.join("\n");
        for part in ["10.0.0.1 > 10.0.0.2", "UDP", "53", "10.0.0.254 7", "100 %"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }

    #[test]
    fn names_of_interfaces_cannot_command_the_terminal() {
        let mut ear = heard(&[0]);
        let evil = InterfaceName { name: "Gi0/7\u{1b}[2J\u{202e}".into(), description: "".into() };
        ear.books.of(Ip::v4(0x0a00_00fe)).unwrap().name_interface(7, evil);
        let shown = lines(&mut ear).join("\n");
        assert!(shown.contains("10.0.0.254 7 Gi0/7\\u{1b}[2J"), "{shown}");
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown}");
    }

    #[test]
    fn without_exporters_there_is_nothing_to_show() {
        let mut ear = Ear::new(false, None);
        ear.hear(Timestamp::from_secs(1), Ip::v4(1), b"GET / HTTP/1.1", &mut Vec::new()).unwrap();
        assert_eq!((lines(&mut ear).len(), ear.heard.datagrams, ear.heard.flows), (0, 1, 0));
    }
}
