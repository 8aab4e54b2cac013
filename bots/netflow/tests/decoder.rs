//! What separates a good decoder from a toy, and bad things that it must survive.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "these are tests, helpers included")]

#[path = "support/packets.rs"]
mod packets;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use grafolean_netflow_bot::books::{Books, ExporterBooks, Malformed, RateOrigin};
use grafolean_netflow_bot::decode::{Decoder, Kept, Limits};
use grafolean_netflow_bot::{Direction, Event, Flow, Has, Ip, Origin, Version};
use grafoleancollector::Timestamp;
use grafoleancollector::telemetry::MetricsText;
use packets::{
    EXPORT, FIELDS, Spec, UPTIME, VARIABLE, field, ipfix, ipfix_options, of_enterprise, record, set,
    template, v5, v9, v9_options,
};

const ROUTER: Ip = Ip::v4(0xc000_0201);
const OTHER: Ip = Ip::v4(0xc000_0202);
const EXPORT_MS: i64 = EXPORT as i64 * 1_000;

/// A decoder, and what it hands over.
struct Bench {
    decoder: Decoder,
    books: Arc<Books>,
    now: Timestamp,
    runs: Vec<(Origin, Vec<Flow>)>,
}

impl Bench {
    fn new() -> Self {
        Self::with(|decoder| decoder)
    }

    fn with(limits: impl FnOnce(Decoder) -> Decoder) -> Self {
        let books = Arc::new(Books::default());
        let decoder = limits(Decoder::new(Arc::clone(&books)));
        Self { decoder, books, now: Timestamp::from_secs(EXPORT.into()), runs: Vec::new() }
    }

    /// The next life, which begins with what this one has kept.
    fn restarted(&mut self, known: &[Ip]) -> Self {
        let kept: BTreeMap<_, _> =
            self.decoder.changes().into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
        let mut next = Self::with(|decoder| decoder.with_kept(take_up(&kept, self.now)));
        next.now = self.now;
        next.decoder.set_known(Arc::new(known.iter().copied().collect()));
        next
    }

    /// The flows of a datagram.
    fn flows_from(&mut self, source: Ip, datagram: &[u8]) -> Vec<Flow> {
        let Self { decoder, runs, now, .. } = self;
        runs.clear();
        decoder.datagram(*now, source, datagram, &mut |origin, flows| runs.push((*origin, flows.to_vec())));
        decoder.flush();
        runs.iter().flat_map(|(_, flows)| flows.clone()).collect()
    }

    fn flows(&mut self, datagram: &[u8]) -> Vec<Flow> {
        self.flows_from(ROUTER, datagram)
    }

    /// The octets of a datagram's flows.
    fn octets(&mut self, datagram: &[u8]) -> Vec<u64> {
        self.flows(datagram).iter().map(|flow| flow.bytes).collect()
    }

    /// What one template makes of one record, by IPFIX.
    fn ipfix_record(&mut self, fields: &[Spec], record: &[u8]) -> Vec<Flow> {
        self.flows(&ipfix(1, 0, &[set(2, &template(300, fields)), set(300, record)]))
    }

    fn later(&mut self, seconds: u64) {
        let end = self.now.plus(Duration::from_secs(seconds));
        while self.now < end {
            self.now = self.now.plus(Duration::from_secs(1_800)).min(end);
            self.decoder.tick(self.now);
        }
    }

    fn of(&self, address: Ip) -> Arc<ExporterBooks> {
        self.books.of(address).unwrap()
    }

    fn malformed(&self, why: Malformed) -> u64 {
        self.of(ROUTER).malformed(why).get()
    }
}

fn take_up(kept: &BTreeMap<Vec<u8>, Vec<u8>>, now: Timestamp) -> Arc<Kept> {
    let (kept, unusable) = Kept::read(kept.iter().map(|(key, value)| (&key[..], &value[..])), now);
    assert!(unusable.unreadable.is_empty() && unusable.too_old.is_empty(), "{unusable:?}");
    Arc::new(kept)
}

fn numbers(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

#[test]
fn a_record_of_v5_has_all_that_it_says() {
    let mut bench = Bench::new();
    let flows = bench.flows(&v5(0, 1, 1, 0));
    let expected = Flow {
        src: Ip::v4(0x0a00_0001),
        dst: Ip::v4(0x0a00_0002),
        bytes: 100,
        packets: 2,
        start: EXPORT_MS - 5_000,
        end: EXPORT_MS - 1_000,
        input: 3,
        output: 4,
        src_port: 12_345,
        dst_port: 80,
        protocol: 6,
        tcp_flags: 0x1b,
        tos: 8,
        has: Has::PROTOCOL.with(Has::SRC_PORT).with(Has::DST_PORT).with(Has::INPUT).with(Has::OUTPUT),
        ..Flow::default()
    };
    assert_eq!(flows, [expected]);
    let (origin, _) = &bench.runs[0];
    assert_eq!((origin.version, origin.domain, origin.source), (Version::V5, 0x102, ROUTER));
}

#[test]
fn a_packet_of_v7_is_like_v5_with_longer_records() {
    let mut packet = v5(0, 2, 0, 0);
    packet[1] = 7;
    for _ in 0..2 {
        packet.extend(&v5(0, 1, 1, 0)[24..]);
        packet.extend([10, 9, 9, 9]);
    }
    assert_eq!(Bench::new().octets(&packet), [100, 100]);
}

#[test]
fn the_records_that_a_v5_packet_has_are_read_although_it_says_that_there_are_more() {
    let mut bench = Bench::new();
    assert_eq!(bench.octets(&v5(0, 30, 3, 0)), [100; 3]);
    assert_eq!(bench.octets(&v5(0, 1, 3, 0)), [100], "what is behind its records is not believed");
    assert_eq!(
        bench.octets(&v5(0, 55_582, 30, 0)),
        [0; 0],
        "no exporter sends so many: the header is damaged"
    );
    assert_eq!(bench.malformed(Malformed::Count), 3);
}

#[test]
fn the_rate_in_the_header_of_v5_is_in_its_low_fourteen_bits() {
    let mut bench = Bench::new();
    assert_eq!(bench.flows(&v5(0, 1, 1, 0x4000 | 100))[0].sampling, 100);
    assert_eq!(bench.of(ROUTER).sampling().origin, RateOrigin::Header);
    assert_eq!(bench.flows(&v5(1, 1, 1, 0x4000))[0].sampling, 0);
}

#[test]
fn data_that_came_before_its_template_is_read_when_that_comes_with_its_own_time() {
    let mut bench = Bench::new();
    let came = bench.now;
    assert!(bench.flows(&v9(1, 0, &[set(256, &record(7))])).is_empty());
    assert_eq!(bench.of(ROUTER).waiting.since(), Some(came));
    assert_eq!(bench.of(ROUTER).waiting.sets.get(), 1);
    bench.later(90);
    let packet = v9(1, 1, &[set(0, &template(256, &FIELDS)), set(256, &record(8))]);
    assert_eq!(bench.octets(&packet), [7, 8]);
    let received: Vec<_> = bench.runs.iter().map(|(origin, _)| origin.received).collect();
    assert_eq!(received, [came, bench.now]);
    let books = bench.of(ROUTER);
    assert_eq!((books.waiting.since(), books.waiting.sets.get(), books.waiting.replayed.get()), (None, 0, 1));
}

#[test]
fn sets_that_wait_are_bounded_and_the_oldest_go() {
    let mut bench = Bench::new();
    for n in 0..1_000 {
        bench.flows(&v9(1, n, &[set(256, &record(n))]));
    }
    let books = bench.of(ROUTER);
    assert_eq!((books.waiting.sets.get(), books.waiting.dropped.get()), (256, 744));
    let octets = bench.octets(&v9(1, 1_000, &[set(0, &template(256, &FIELDS))]));
    assert_eq!(octets, (744..1_000).collect::<Vec<_>>());
}

#[test]
fn sets_do_not_wait_for_ever() {
    let mut bench = Bench::new();
    bench.flows(&v9(1, 0, &[set(256, &record(7))]));
    bench.later(3_600);
    bench.flows(&v5(0, 1, 1, 0));
    let books = bench.of(ROUTER);
    assert_eq!((books.waiting.sets.get(), books.waiting.dropped.get()), (0, 1));
    assert_eq!(books.waiting.since(), None);
}

#[test]
fn a_packet_may_hold_many_templates_and_a_template_may_change_between_two_of_its_sets() {
    let mut bench = Bench::new();
    let mut shorter = FIELDS.to_vec();
    shorter.retain(|field| field.0 == 1);
    let both = [template(256, &FIELDS), template(257, &shorter)].concat();
    let packet = v9(
        1,
        0,
        &[
            set(0, &both),
            set(256, &[record(1), record(2)].concat()),
            set(257, &numbers(&[3, 4])),
            set(0, &template(256, &shorter)),
            set(256, &numbers(&[5])),
        ],
    );
    assert_eq!(bench.octets(&packet), [1, 2, 3, 4, 5]);
    let books = bench.of(ROUTER);
    assert_eq!((books.templates.get(), books.templates_changed.get()), (2, 1));
}

#[test]
fn a_withdrawn_template_is_not_used_any_more() {
    let mut bench = Bench::new();
    let all = [template(256, &FIELDS), template(257, &FIELDS), template(258, &FIELDS)].concat();
    bench.flows(&ipfix(1, 0, &[set(2, &all), set(3, &ipfix_options(259, 1, &FIELDS))]));
    bench.flows(&ipfix(1, 0, &[set(2, &template(256, &[]))]));
    assert!(bench.flows(&ipfix(1, 0, &[set(256, &record(1))])).is_empty());
    assert_eq!(bench.octets(&ipfix(1, 1, &[set(257, &record(2))])), [2]);
    bench.flows(&ipfix(1, 2, &[set(2, &template(2, &[]))]));
    assert!(bench.flows(&ipfix(1, 2, &[set(257, &record(2))])).is_empty());
    let books = bench.of(ROUTER);
    assert_eq!((books.templates.get(), books.templates_withdrawn.get()), (1, 3), "that of options stays");
}

#[test]
fn a_template_that_was_not_repeated_for_more_than_a_day_is_not_believed() {
    let mut bench = Bench::new();
    bench.flows(&v9(1, 0, &[set(0, &template(256, &FIELDS))]));
    bench.later(24 * 3_600);
    assert_eq!(bench.octets(&v9(1, 1, &[set(256, &record(1))])), [1]);
    bench.later(2 * 3_600);
    assert!(bench.flows(&v9(1, 2, &[set(256, &record(1))])).is_empty());
    assert_eq!(bench.of(ROUTER).templates_expired.get(), 1);
}

#[test]
fn templates_of_one_source_domain_or_version_never_read_the_data_of_another() {
    let mut bench = Bench::new();
    bench.flows(&v9(1, 0, &[set(0, &template(256, &FIELDS))]));
    let octets = field(1, 4);
    bench.flows(&v9(2, 0, &[set(0, &template(256, &[octets]))]));
    bench.flows(&ipfix(1, 0, &[set(2, &template(256, &[octets, octets]))]));
    assert_eq!(bench.octets(&v9(1, 1, &[set(256, &record(9))])), [9]);
    assert_eq!(bench.octets(&v9(2, 1, &[set(256, &numbers(&[5]))])), [5]);
    assert_eq!(bench.octets(&ipfix(1, 1, &[set(256, &numbers(&[6, 0]))])), [6]);
    assert!(bench.flows_from(OTHER, &v9(1, 1, &[set(256, &record(9))])).is_empty());
}

#[test]
fn a_rate_comes_from_the_record() {
    let rate = |fields: &[Spec], values: &[u32]| {
        let mut bench = Bench::new();
        let flow = bench.ipfix_record(fields, &numbers(values))[0];
        (flow.sampling, bench.of(ROUTER).sampling().origin)
    };
    let octets = field(1, 4);
    assert_eq!(rate(&[octets, field(34, 4)], &[1, 512]), (512, RateOrigin::Record));
    assert_eq!(rate(&[octets, field(50, 4)], &[1, 512]).0, 512);
    assert_eq!(rate(&[octets, field(305, 4), field(306, 4)], &[1, 2, 998]).0, 500);
    assert_eq!(rate(&[octets, field(309, 4), field(310, 4)], &[1, 10, 1_000]).0, 100);
    assert_eq!(rate(&[octets, field(34, 4)], &[1, 0]), (0, RateOrigin::None), "0 says nothing");
    assert_eq!(rate(&[octets, field(34, 4)], &[1, u32::MAX]), (0, RateOrigin::None), "nonsense");
}

#[test]
fn a_rate_comes_from_options_of_the_stream() {
    let mut bench = Bench::new();
    let options = v9_options(512, &[field(1, 4)], &[field(34, 4), field(35, 1)]);
    let data = [&numbers(&[0, 1_000])[..], &[1]].concat();
    bench.flows(&v9(1, 0, &[set(1, &options), set(0, &template(256, &FIELDS)), set(512, &data)]));
    assert_eq!(bench.flows(&v9(1, 1, &[set(256, &record(1))]))[0].sampling, 1_000);
    let books = bench.of(ROUTER);
    assert_eq!((books.options_records.get(), books.sampling().origin), (1, RateOrigin::Options));
}

#[test]
fn each_sampler_has_its_own_rate() {
    let mut bench = Bench::new();
    let options = ipfix_options(512, 1, &[field(302, 4), field(309, 4), field(310, 4)]);
    let sampled = template(256, &[field(1, 4), field(302, 4)]);
    let data = numbers(&[1, 1, 100, 2, 1, 2_000]);
    let packet = ipfix(1, 0, &[set(3, &options), set(2, &sampled), set(512, &data)]);
    bench.flows(&packet);
    let flows = bench.flows(&ipfix(1, 2, &[set(256, &numbers(&[9, 1, 9, 2, 9, 0, 9, 3]))]));
    let rates: Vec<_> = flows.iter().map(|flow| flow.sampling).collect();
    assert_eq!(rates, [100, 2_000, 1, 0], "0 is no sampler: not sampled. 3 is not known");
}

#[test]
fn rates_of_nobody_are_refused_and_counted() {
    let mut bench = Bench::new();
    let options = v9_options(512, &[], &[field(34, 4)]);
    let data = numbers(&[100, 0, u32::MAX, 1 << 25]);
    bench.flows(&v9(1, 0, &[set(1, &options), set(0, &template(256, &FIELDS)), set(512, &data)]));
    assert_eq!(bench.flows(&v9(1, 1, &[set(256, &record(1))]))[0].sampling, 100, "and a scope of no length");
    assert_eq!(bench.of(ROUTER).nonsense_rates.get(), 2);
}

#[test]
fn names_of_interfaces_are_remembered() {
    let mut bench = Bench::new();
    bench.decoder.set_known(Arc::new(HashSet::from([ROUTER])));
    let options = v9_options(512, &[field(2, 4)], &[field(82, 8), field(83, 6)]);
    let data = [&numbers(&[7])[..], b"Gi0/1\0\0\0uplink"].concat();
    bench.flows(&v9(1, 0, &[set(1, &options), set(512, &data)]));
    let name = bench.of(ROUTER).interfaces()[&7].clone();
    assert_eq!((&*name.name, &*name.description), ("Gi0/1", "uplink"));
}

#[test]
fn values_of_variable_length_may_be_empty_or_long() {
    let mut bench = Bench::new();
    let fields =
        [field(8, 4), field(82, VARIABLE), field(1, 4), of_enterprise(9, 12_235, VARIABLE), field(7, 2)];
    let text = |length: usize| match u8::try_from(length) {
        Ok(short @ 0..=254) => [&[short][..], &vec![b'x'; length]].concat(),
        _ => [&[255][..], &(length as u16).to_be_bytes(), &vec![b'x'; length]].concat(),
    };
    let mut records = Vec::new();
    for (octets, [first, second]) in [(1_u32, [0, 0]), (2, [5, 300]), (3, [254, 0]), (4, [255, 1_000])] {
        records.extend([10, 0, 0, 1]);
        records.extend(text(first));
        records.extend(octets.to_be_bytes());
        records.extend(text(second));
        records.extend([0, 99]);
    }
    // Short values may be written in the long form.
    records.extend([10, 0, 0, 1, 255, 0, 1, b'x', 0, 0, 0, 5, 255, 0, 0, 0, 99]);
    let flows = bench.ipfix_record(&fields, &records);
    assert_eq!(flows.iter().map(|flow| flow.bytes).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert!(flows.iter().all(|flow| flow.src == Ip::v4(0x0a00_0001) && flow.src_port == 99));
}

#[test]
fn a_number_may_have_a_variable_length_too() {
    let fields = [field(1, VARIABLE), field(2, 2)];
    let flows = Bench::new().ipfix_record(&fields, &[2, 1, 0, 0, 3, 0, 0, 4, 4, 0, 0, 1, 0, 0, 5]);
    let counters: Vec<_> = flows.iter().map(|flow| (flow.bytes, flow.packets)).collect();
    assert_eq!(counters, [(256, 3), (0, 4), (256, 5)]);
}

#[test]
fn padding_and_zeros_behind_records_are_nothing() {
    let mut bench = Bench::new();
    let padded = [&record(1)[..], &[0; 3]].concat();
    let mut packet = v9(1, 0, &[set(0, &[&template(256, &FIELDS)[..], &[0; 2]].concat()), set(256, &padded)]);
    packet.extend([0; 60]);
    assert_eq!(bench.octets(&packet), [1]);
    assert!(Malformed::ALL.into_iter().all(|why| bench.malformed(why) == 0));
}

#[test]
fn a_set_that_is_longer_than_its_message_is_read_as_far_as_it_goes() {
    let mut bench = Bench::new();
    let mut packet = v9(1, 0, &[set(0, &template(256, &FIELDS)), set(256, &[record(1), record(2)].concat())]);
    packet.truncate(packet.len() - 3);
    assert_eq!(bench.octets(&packet), [1]);
    assert_eq!(bench.malformed(Malformed::SetLength), 1);
}

#[test]
fn numbers_may_be_short_or_long() {
    for (length, octets) in [(1_u16, 200_u64), (3, 0x01_0203), (5, 1 << 35), (8, u64::MAX)] {
        let bytes = &octets.to_be_bytes()[8 - usize::from(length)..];
        assert_eq!(Bench::new().ipfix_record(&[field(1, length)], bytes)[0].bytes, octets);
    }
    let flow = Bench::new().ipfix_record(&[field(10, 2), field(14, 4)], &[1, 0, 0xff, 0xff, 0xff, 0xfe])[0];
    assert_eq!((flow.input, flow.output), (256, 0xffff_fffe));
}

#[test]
fn octets_are_those_of_the_best_element() {
    let octets = |fields: &[u16]| {
        let specs: Vec<_> = fields.iter().map(|element| field(*element, 4)).collect();
        let values: Vec<_> = fields.iter().map(|element| u32::from(*element) * 10).collect();
        Bench::new().ipfix_record(&specs, &numbers(&values))[0].bytes
    };
    assert_eq!(octets(&[23, 85, 1]), 10);
    assert_eq!(octets(&[1, 23, 231]), 10);
    assert_eq!(octets(&[231, 85, 23]), 850);
    assert_eq!(octets(&[23, 231]), 230);
    assert_eq!(octets(&[231]), 2_310);
    assert_eq!(octets(&[312]), 3_120);
    assert_eq!(Bench::new().ipfix_record(&[field(1, 4), field(23, 4)], &numbers(&[0, 5]))[0].bytes, 5);
}

#[test]
fn the_other_direction_of_a_biflow_is_a_flow_of_its_own() {
    const REVERSE: u32 = 29_305;
    let mut fields = FIELDS.to_vec();
    fields.extend([of_enterprise(REVERSE, 1, 4), of_enterprise(REVERSE, 2, 4), field(61, 1)]);
    let data = [&record(1_000)[..], &numbers(&[70, 7]), &[0]].concat();
    let flows = Bench::new().ipfix_record(&fields, &data);
    let [there, back] = flows[..] else { panic!("{flows:?}") };
    assert_eq!((there.bytes, there.packets, there.input, there.output), (1_000, 2, 3, 4));
    assert_eq!((back.bytes, back.packets, back.input, back.output), (70, 7, 4, 3));
    assert_eq!((back.src, back.dst, back.src_port, back.dst_port), (there.dst, there.src, 80, 0));
    assert!(back.has.has(Has::SRC_PORT) && !back.has.has(Has::DST_PORT));
    let silent = [&record(1_000)[..], &numbers(&[0, 0]), &[0]].concat();
    assert_eq!(Bench::new().ipfix_record(&fields, &silent).len(), 1, "nobody answered");
}

#[test]
fn a_firewalls_events_have_the_octets_of_both_ends() {
    let fields = [field(8, 4), field(12, 4), field(231, 4), field(232, 4), field(233, 1)];
    let event = |event: u8| {
        let record = [&numbers(&[1, 2, 500, 600])[..], &[event]].concat();
        let flows = Bench::new().ipfix_record(&fields, &record);
        flows.iter().map(|flow| (flow.bytes, flow.event)).collect::<Vec<_>>()
    };
    assert_eq!(event(2), [(500, Event::Delete), (600, Event::Delete)]);
    assert_eq!(event(5), [(500, Event::Update), (600, Event::Update)]);
    assert_eq!(event(1), [(500, Event::NoTraffic), (600, Event::NoTraffic)]);
    let flows = Bench::new().ipfix_record(&[field(1, 4), field(233, 1)], &[0, 0, 0, 9, 1]);
    assert_eq!((flows[0].bytes, flows[0].event), (9, Event::None), "an ordinary flow that names an event");
}

#[test]
fn records_without_addresses_count() {
    let flow = Bench::new().ipfix_record(&[field(70, 3), field(1, 4)], &[0, 0, 16, 0, 0, 0, 9])[0];
    assert_eq!((flow.bytes, flow.src, flow.has), (9, Ip::NONE, Has::default()));
}

#[test]
fn a_piece_of_a_frame_tells_what_the_record_does_not() {
    let mut frame = vec![0; 12];
    frame.extend([8, 0, 0x45, 0, 5, 0, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend([0x30, 0x39, 0, 53, 0, 0, 0, 0]);
    let data = [&[frame.len() as u8][..], &frame, &[0, 0, 0, 7]].concat();
    let flow = Bench::new().ipfix_record(&[field(315, VARIABLE), field(10, 4)], &data)[0];
    assert_eq!((flow.src, flow.dst), (Ip::v4(0x0a00_0001), Ip::v4(0x0a00_0002)));
    assert_eq!((flow.bytes, flow.packets, flow.dst_port, flow.protocol, flow.input), (1_280, 1, 53, 17, 7));
    let fields = [field(312, 2), field(315, frame.len() as u16)];
    let flow = Bench::new().ipfix_record(&fields, &[&[5, 14][..], &frame].concat())[0];
    assert_eq!((flow.bytes, flow.packets, flow.dst_port), (1_294, 1, 53));
}

#[test]
fn addresses_of_both_kinds_may_stand_in_one_template() {
    let fields = [field(27, 16), field(8, 4), field(1, 4)];
    let six = [&[0x20][..], &[1; 15], &[0; 4], &[0, 0, 0, 1]].concat();
    let four = [&[0; 16][..], &[10, 0, 0, 1], &[0, 0, 0, 2]].concat();
    let flows = Bench::new().ipfix_record(&fields, &[six, four].concat());
    assert!(flows[0].src.to_addr().is_ipv6());
    assert_eq!(flows[1].src, Ip::v4(0x0a00_0001));
}

#[test]
fn exporters_behind_a_gateway_are_told_apart_by_how_they_call_themselves() {
    let mut bench = Bench::new();
    let fields = [field(1, 4), field(130, 4)];
    bench.ipfix_record(&fields, &numbers(&[1, 0x0a00_0001, 2, 0x0a00_0001, 3, 0x0a00_0002]));
    let runs: Vec<_> = bench.runs.iter().map(|(origin, flows)| (origin.reported, flows.len())).collect();
    assert_eq!(runs, [(Ip::v4(0x0a00_0001), 2), (Ip::v4(0x0a00_0002), 1)]);
    let options = ipfix_options(512, 1, &[field(144, 4), field(130, 4)]);
    bench.flows(&ipfix(
        2,
        0,
        &[set(3, &options), set(2, &template(256, &FIELDS)), set(512, &numbers(&[1, 77]))],
    ));
    bench.flows(&ipfix(2, 1, &[set(256, &record(1))]));
    assert_eq!(bench.runs[0].0.reported, Ip::v4(77), "or in options");
}

#[test]
fn times_of_flows_may_be_anything() {
    let times = |fields: [u16; 2], values: [u64; 2], length: u16| {
        let data: Vec<_> =
            values.iter().flat_map(|value| value.to_be_bytes()[8 - usize::from(length)..].to_vec()).collect();
        let specs = fields.map(|element| field(element, length));
        let packet = v9(1, 0, &[set(0, &template(256, &specs)), set(256, &data)]);
        let flow = Bench::new().flows(&packet)[0];
        (flow.start, flow.end)
    };
    let uptime = u64::from(UPTIME);
    assert_eq!(times([22, 21], [uptime - 9_000, uptime], 4), (EXPORT_MS - 9_000, EXPORT_MS));
    assert_eq!(times([22, 21], [uptime, uptime - 9_000], 4), (EXPORT_MS, EXPORT_MS - 9_000), "ends before");
    assert_eq!(times([150, 151], [1, u32::MAX.into()], 4), (1_000, 4_294_967_295_000), "1970, and 2106");
    assert_eq!(times([152, 153], [EXPORT_MS as u64, u64::MAX], 8), (EXPORT_MS, 0));
    assert_eq!(times([154, 157], [u64::MAX, 0], 8).1, 0);
}

#[test]
fn uptimes_in_ipfix_count_from_when_the_exporter_says_it_began() {
    let mut bench = Bench::new();
    let boot = (EXPORT_MS - 60_000).to_be_bytes();
    let flow =
        bench.ipfix_record(&[field(22, 4), field(160, 8)], &[&numbers(&[50_000])[..], &boot].concat())[0];
    assert_eq!(flow.start, EXPORT_MS - 10_000);
    let options = ipfix_options(512, 1, &[field(144, 4), field(160, 8)]);
    bench.flows(&ipfix(2, 0, &[set(3, &options), set(512, &[&numbers(&[1])[..], &boot].concat())]));
    let packet = ipfix(2, 1, &[set(2, &template(256, &[field(21, 4)])), set(256, &numbers(&[59_000]))]);
    assert_eq!(bench.flows(&packet)[0].end, EXPORT_MS - 1_000);
}

#[test]
fn a_direction_is_taken_where_it_is_given() {
    let flows = Bench::new().ipfix_record(&[field(1, 1), field(61, 1)], &[1, 0, 1, 1, 1, 9]);
    let directions: Vec<_> = flows.iter().map(|flow| flow.direction).collect();
    assert_eq!(directions, [Direction::Ingress, Direction::Egress, Direction::Unknown]);
}

#[test]
fn gaps_are_counted_in_the_units_of_each_version() {
    let mut bench = Bench::new();
    for n in (0..100).filter(|n| *n != 7) {
        bench.flows(&v5(n * 3, 3, 3, 0));
        bench.flows(&v9(
            1,
            n,
            &[set(0, &template(256, &FIELDS)), set(256, &[record(1), record(2)].concat())],
        ));
        bench.flows(&ipfix(
            1,
            n * 2,
            &[set(2, &template(256, &FIELDS)), set(256, &[record(1), record(2)].concat())],
        ));
    }
    let books = bench.of(ROUTER);
    let lost = [Version::V5, Version::V9, Version::Ipfix].map(|version| books.version(version).lost.get());
    assert_eq!(lost, [3, 1, 2]);
    assert_eq!(books.templates.get(), 2, "gaps cost no template");
}

#[test]
fn packets_of_other_protocols_and_cut_ones_cost_nothing() {
    let mut bench = Bench::new();
    for datagram in
        [&b""[..], &[0], &[0, 9], b"GET / HTTP/1.1\r\n", &[0xff; 1_400], &[0; 64], &v9(1, 0, &[])[..19]]
    {
        assert!(bench.flows(datagram).is_empty());
    }
    assert_eq!(bench.malformed(Malformed::Version), 5);
    assert_eq!(bench.malformed(Malformed::Header), 2);
}

#[test]
fn templates_that_cannot_be_are_refused() {
    let mut bench = Bench::new();
    let many = [&[1, 0, 0xff, 0xff][..], &[0, 1, 0, 4].repeat(16_000)].concat();
    bench.flows(&v9(1, 0, &[set(0, &many)]));
    assert_eq!(bench.malformed(Malformed::Template), 1, "65,535 fields");
    for (n, fields) in [(2, &[][..]), (3, &[field(1, 0)]), (4, &[field(1, 40_000), field(2, 40_000)])] {
        bench.flows(&v9(1, 0, &[set(0, &template(256, fields))]));
        assert_eq!(bench.malformed(Malformed::Template), n, "{fields:?}");
    }
    for id in 0..=255 {
        bench.flows(&v9(1, 0, &[set(0, &template(id, &FIELDS))]));
        bench.flows(&ipfix(1, 0, &[set(3, &ipfix_options(id, 1, &FIELDS))]));
    }
    assert_eq!(bench.of(ROUTER).templates.get(), 0);
    assert_eq!(bench.octets(&v9(1, 1, &[set(0, &template(256, &FIELDS)), set(256, &record(1))])), [1]);
}

#[test]
fn a_million_templates_of_one_exporter_take_little_memory_and_do_not_harm_those_of_others() {
    let mut bench = Bench::new();
    bench.decoder.set_known(Arc::new(HashSet::from([ROUTER])));
    bench.flows_from(OTHER, &v9(1, 0, &[set(0, &template(256, &FIELDS))]));
    for domain in 0..40 {
        for chunk in (256..=u16::MAX).collect::<Vec<_>>().chunks(1_000) {
            let all: Vec<_> = chunk.iter().flat_map(|id| template(*id, &FIELDS[..2])).collect();
            bench.flows(&v9(domain, 0, &[set(0, &all)]));
        }
    }
    let books = bench.of(ROUTER);
    assert!(books.templates_received.get() > 1_000_000);
    assert!(books.templates.get() < 10_000, "{}", books.templates.get());
    assert!(books.refused.get() > 900_000);
    assert_eq!(bench.flows_from(OTHER, &v9(1, 1, &[set(256, &record(1))])).len(), 1);
}

#[test]
fn a_hundred_thousand_spoofed_sources_do_not_drive_out_a_known_one() {
    let mut bench = Bench::new();
    bench.decoder.set_known(Arc::new(HashSet::from([ROUTER])));
    let learn = v9(1, 0, &[set(0, &template(256, &FIELDS))]);
    for source in 0..100_000 {
        bench.flows_from(Ip::v4(source), &learn);
    }
    assert_eq!(bench.books.list().len(), 4_096);
    assert_eq!(bench.books.refused.get(), 100_000 - 4_096);
    bench.flows(&learn);
    assert_eq!(bench.octets(&v9(1, 1, &[set(256, &record(1))])), [1], "it has come after all of them");
    bench.later(1_000);
    assert_eq!(bench.flows_from(OTHER, &v5(0, 1, 1, 0)).len(), 1, "the others have been silent for long");
    assert_eq!(bench.books.list().len(), 2);
    let mut out = MetricsText::default();
    bench.books.write_metrics(&mut out);
    assert!(
        out.as_str().contains("grafolean_netflow_packets_total{version=\"v9\"} 4098\n"),
        "sums keep what is gone"
    );
    assert!(
        out.as_str()
            .contains("grafolean_netflow_exporter_flows_total{exporter=\"192.0.2.1\",version=\"v9\"} 1\n")
    );
}

#[test]
fn limits_hold_for_streams_too() {
    let limits = |decoder: Decoder| {
        let mut limits = Limits::default();
        limits.streams_of_unknown = 2;
        decoder.with_limits(limits)
    };
    let mut bench = Bench::with(limits);
    for domain in 0..3 {
        bench.flows(&v9(domain, 0, &[set(0, &template(256, &FIELDS))]));
    }
    let books = bench.of(ROUTER);
    assert_eq!((books.templates.get(), books.refused.get()), (2, 1));
    bench.later(3_600);
    bench.flows(&v9(7, 0, &[set(0, &template(256, &FIELDS))]));
    assert_eq!(books.templates.get(), 2, "one that had been quiet gave its place");
}

#[test]
fn the_clock_of_an_exporter_is_compared_with_ours() {
    let mut bench = Bench::new();
    bench.later(3_600);
    for n in 0..100 {
        bench.flows(&v5(n, 1, 1, 0));
    }
    assert_eq!(bench.of(ROUTER).skew_ms(), Some(3_600_000));
}

#[test]
fn a_decoder_goes_on_where_another_ended() {
    let mut bench = Bench::new();
    bench.decoder.set_known(Arc::new(HashSet::from([ROUTER])));
    let options = v9_options(512, &[field(2, 4)], &[field(82, 4), field(34, 4)]);
    let data = [&numbers(&[3])[..], b"eth0", &numbers(&[100])].concat();
    let sets = [set(0, &template(256, &FIELDS)), set(1, &options), set(512, &data)];
    bench.flows(&v9(1, 41, &sets));
    let kept = bench.decoder.changes();
    assert!(bench.decoder.changes().is_empty(), "nothing is new");
    bench.flows(&v9(1, 42, &sets));
    assert_eq!(bench.decoder.changes().len(), 1, "only the sequence is");

    let kept = kept.into_iter().map(|(key, value)| (key, value.unwrap())).collect();
    let mut next = Bench::with(|decoder| decoder.with_kept(take_up(&kept, bench.now)));
    next.decoder.set_known(Arc::new(HashSet::from([ROUTER])));
    assert!(next.books.list().is_empty(), "nothing has come yet");
    let flow = next.flows(&v9(1, 44, &[set(256, &record(5))]))[0];
    assert_eq!((flow.bytes, flow.sampling), (5, 100));
    let books = next.of(ROUTER);
    assert_eq!(&*books.interfaces()[&3].name, "eth0");
    assert_eq!(next.decoder.changes().len(), 1, "the sequence: the others are kept already");
    for n in 45..100 {
        next.flows(&v9(1, n, &[set(256, &record(5))]));
    }
    assert_eq!(books.version(Version::V9).lost.get(), 2);
}

#[test]
fn a_template_that_several_decoders_took_up_is_counted_where_it_is_used() {
    let mut bench = Bench::new();
    bench.flows(&v9(1, 0, &[set(0, &[template(256, &FIELDS), template(257, &FIELDS)].concat())]));
    let kept = bench.decoder.changes().into_iter().filter_map(|(k, value)| Some((k, value?))).collect();
    let kept = take_up(&kept, bench.now);
    let mut one = Bench::with(|decoder| decoder.with_kept(Arc::clone(&kept)));
    let mut others = [(); 3].map(|()| Decoder::new(Arc::clone(&one.books)).with_kept(Arc::clone(&kept)));
    for decoder in &mut others {
        decoder.datagram(one.now, ROUTER, &v5(0, 1, 1, 0), &mut |_, _| {});
    }
    one.flows(&v5(0, 1, 1, 0));
    assert_eq!(one.of(ROUTER).templates.get(), 0);
    one.flows(&v9(1, 1, &[set(256, &record(5)), set(256, &record(6))]));
    assert_eq!(one.of(ROUTER).templates.get(), 1, "records were read with it");
    one.flows(&v9(1, 2, &[set(0, &template(257, &FIELDS))]));
    assert_eq!(one.of(ROUTER).templates.get(), 2, "it came again");
    one.later(26 * 3_600);
    one.flows(&v9(1, 3, &[]));
    assert_eq!(one.of(ROUTER).templates.get(), 0, "both are too old");
    let (now, books) = (one.now, one.of(ROUTER));
    others.iter_mut().for_each(|decoder| decoder.datagram(now, ROUTER, &v9(1, 4, &[]), &mut |_, _| {}));
    assert_eq!(books.templates.get(), 0, "what was never counted is not taken out either");
}

#[test]
fn what_was_counted_is_in_the_books_within_a_second_of_datagrams() {
    let books = Arc::new(Books::default());
    let mut decoder = Decoder::new(Arc::clone(&books));
    let packet = v5(0, 1, 1, 0);
    for n in 0..10 {
        let now = Timestamp::from_micros(i64::from(EXPORT) * 1_000_000 + n * 200_000);
        decoder.datagram(now, ROUTER, &packet, &mut |_, _| {});
    }
    let flows = || books.of(ROUTER).unwrap().version(Version::V5).flows.get();
    assert_eq!(flows(), 5);
    decoder.flush();
    assert_eq!(flows(), 10);
}

#[test]
fn what_is_withdrawn_is_not_kept_any_more() {
    let mut bench = Bench::new();
    bench.flows(&ipfix(1, 0, &[set(2, &template(256, &FIELDS))]));
    let (key, _) = bench.decoder.changes().remove(0);
    bench.flows(&ipfix(1, 0, &[set(2, &template(256, &[]))]));
    assert!(bench.decoder.changes().contains(&(key, None)));
}

#[test]
fn datagrams_of_sflow_are_counted_with_the_others() {
    let mut bench = Bench::new();
    // Version, agent's address, sub-agent, sequence, uptime, samples: one of an Ethernet frame, one of 512.
    let ethernet = [2, 16, 1_500, 0, 0, 0];
    let sample = [&[9, 3, 512, 5_120, 0, 3, 4, 1][..], &ethernet].concat();
    let samples = [&[1, sample.len() as u32 * 4][..], &sample].concat();
    for sequence in (0..100).filter(|sequence| *sequence != 50) {
        let header = [5, 1, 0x0a00_0007, 2, sequence, 60_000, 1];
        let flows = bench.flows(&numbers(&[&header[..], &samples].concat()));
        assert_eq!((flows[0].bytes, flows[0].sampling, flows[0].input), (1_500, 512, 3));
    }
    let (origin, _) = &bench.runs[0];
    assert_eq!((origin.reported, origin.domain, origin.version), (Ip::v4(0x0a00_0007), 2, Version::Sflow));
    let books = bench.of(ROUTER);
    let sflow = books.version(Version::Sflow);
    assert_eq!((sflow.flows.get(), sflow.octets.get(), sflow.lost.get()), (99, 99 * 1_500, 1));
    assert_eq!(books.sampling().origin, RateOrigin::Header);
}

/// Of which kinds something is kept of an exporter.
fn kinds(kept: &BTreeMap<Vec<u8>, Vec<u8>>, exporter: Ip) -> String {
    kept.keys().filter(|key| key[2..18] == exporter.octets()).map(|key| key[0] as char).collect()
}

#[test]
fn a_socket_that_never_hears_of_an_exporter_does_not_touch_what_another_keeps_of_it() {
    let known = Arc::new(HashSet::from([ROUTER]));
    let rate = v9_options(512, &[field(1, 4)], &[field(34, 4)]);
    let tell = |sequence| {
        let sets = [set(0, &template(256, &FIELDS)), set(1, &rate), set(512, &numbers(&[0, 1_000]))];
        v9(1, sequence, &sets)
    };
    let mut first = Bench::new();
    first.decoder.set_known(Arc::clone(&known));
    first.flows(&tell(0));
    let mut kept = BTreeMap::new();
    let keep = |decoder: &mut Decoder, kept: &mut BTreeMap<_, _>| {
        for (key, value) in decoder.changes() {
            match value {
                Some(value) => kept.insert(key, value),
                None => kept.remove(&key),
            };
        }
    };
    keep(&mut first.decoder, &mut kept);
    assert_eq!(kinds(&kept, ROUTER), "ostt");

    let books = Arc::new(Books::default());
    let shared = take_up(&kept, first.now);
    let mut shards: Vec<_> = (0..2)
        .map(|_| {
            let mut decoder = Decoder::new(Arc::clone(&books)).with_kept(Arc::clone(&shared));
            decoder.set_known(Arc::clone(&known));
            decoder
        })
        .collect();
    let mut now = first.now;
    for n in 0..170 {
        now = now.plus(Duration::from_secs(600));
        shards[0].datagram(now, ROUTER, &tell(1 + n), &mut |_, _| {});
        shards[1].datagram(now, OTHER, &v5(n, 1, 1, 0), &mut |_, _| {});
        for decoder in &mut shards {
            keep(decoder, &mut kept);
        }
    }
    assert_eq!(books.of(ROUTER).unwrap().templates.get(), 2);
    assert_eq!(kinds(&kept, ROUTER), "ostt", "28 hours later");

    let mut next = Bench::with(|decoder| decoder.with_kept(take_up(&kept, now)));
    next.now = now;
    assert_eq!(next.flows(&v9(1, 171, &[set(256, &record(1))]))[0].sampling, 1_000);
}

#[test]
fn an_exporter_that_has_moved_to_another_socket_keeps_what_is_known_of_it() {
    let books = Arc::new(Books::default());
    let mut shards: Vec<_> = (0..2).map(|_| Decoder::new(Arc::clone(&books))).collect();
    let learn = v9(1, 0, &[set(0, &template(256, &FIELDS))]);
    let mut now = Timestamp::from_secs(EXPORT.into());
    shards[0].datagram(now, ROUTER, &learn, &mut |_, _| {});
    let mut removed = 0;
    for _ in 0..30 {
        now = now.plus(Duration::from_secs(3_600));
        shards[1].datagram(now, ROUTER, &learn, &mut |_, _| {});
        shards[0].datagram(now, OTHER, &v5(0, 1, 1, 0), &mut |_, _| {});
        let changes = shards.iter_mut().flat_map(Decoder::changes);
        removed += changes.filter(|(_, value)| value.is_none()).count();
    }
    assert_eq!(removed, 0);
    assert_eq!(books.of(ROUTER).unwrap().templates.get(), 1, "the first has forgotten its own");
}

#[test]
fn known_exporters_are_taken_up_after_a_flood_of_others_which_leave_no_sequences() {
    let mut bench = Bench::new();
    bench.decoder.set_known(Arc::new(HashSet::from([ROUTER])));
    for source in 0..5_000 {
        bench.flows_from(Ip::v4(source), &v5(0, 1, 1, 0));
    }
    bench.flows(&v9(1, 0, &[set(0, &template(256, &FIELDS))]));
    let mut next = bench.restarted(&[ROUTER]);
    for source in 5_000..10_000 {
        next.flows_from(Ip::v4(source), &v5(0, 1, 1, 0));
    }
    assert_eq!(next.octets(&v9(1, 1, &[set(256, &record(1))])), [1]);
    let keys: Vec<_> =
        next.decoder.changes().into_iter().map(|(key, _)| key[2..18] == ROUTER.octets()).collect();
    assert_eq!(keys, [true], "the router's sequence, and nothing of the others");
}

#[test]
fn what_finds_no_room_stays_where_it_is_kept() {
    let mut bench = Bench::new();
    let many: Vec<_> = (256..300).flat_map(|id| template(id, &FIELDS)).collect();
    bench.flows(&v9(1, 0, &[set(0, &many)]));
    let kept = bench.decoder.changes().into_iter().map(|(key, value)| (key, value.unwrap())).collect();
    let mut next = Bench::with(|decoder| {
        let mut limits = Limits::default();
        limits.templates = 10;
        decoder.with_limits(limits).with_kept(take_up(&kept, bench.now))
    });
    next.flows(&v5(0, 1, 1, 0));
    assert!(next.decoder.changes().is_empty());
}

#[test]
fn what_is_kept_goes_when_its_stream_has_been_silent_for_more_than_a_day() {
    let mut bench = Bench::new();
    bench.decoder.set_known(Arc::new(HashSet::from([ROUTER])));
    let rate = v9_options(512, &[field(1, 4)], &[field(34, 4)]);
    bench.flows(&v9(1, 0, &[set(1, &rate), set(512, &numbers(&[0, 1_000]))]));
    let mut kept: BTreeMap<_, _> =
        bench.decoder.changes().into_iter().map(|(key, value)| (key, value.unwrap())).collect();
    for n in 1..60 {
        bench.later(1_800);
        bench.flows(&v9(1, n, &[]));
    }
    kept.extend(bench.decoder.changes().into_iter().filter_map(|(key, value)| Some((key, value?))));
    let too_old = |seconds: u64| {
        let now = bench.now.plus(Duration::from_secs(seconds));
        let (_, unusable) = Kept::read(kept.iter().map(|(key, value)| (&key[..], &value[..])), now);
        assert!(unusable.unreadable.is_empty());
        unusable.too_old.iter().map(|key| key[0] as char).collect::<String>()
    };
    assert_eq!(too_old(0), "t", "the rate was written long ago, but its stream lives");
    assert_eq!(too_old(26 * 3_600), "ost");
}

#[test]
fn an_exporter_that_an_entity_names_later_is_kept_from_then_on() {
    let mut bench = Bench::new();
    let rate = v9_options(512, &[field(1, 4)], &[field(34, 4)]);
    bench.flows(&v9(1, 0, &[set(1, &rate), set(512, &numbers(&[0, 1_000]))]));
    let kinds = |bench: &mut Bench| {
        let changes = bench.decoder.changes();
        changes.iter().map(|(key, value)| (key[0] as char, value.is_some())).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&mut bench), [('t', true)]);
    bench.decoder.set_known(Arc::new(HashSet::from([ROUTER])));
    assert_eq!(kinds(&mut bench), [('o', true), ('s', true)]);
    bench.decoder.set_known(Arc::default());
    assert_eq!(kinds(&mut bench), [('o', false), ('s', false)]);
}

/// A packet that names so many interfaces, each with as many bytes as are remembered.
fn names(domain: u32, first: u32, count: u32) -> Vec<u8> {
    let options = v9_options(512, &[field(1, 4)], &[field(10, 4), field(82, 64), field(83, 64)]);
    let data: Vec<_> =
        (first..first + count).flat_map(|index| [&numbers(&[0, index])[..], &[b'a'; 128]].concat()).collect();
    v9(domain, 0, &[set(1, &options), set(512, &data)])
}

#[test]
fn names_and_streams_have_bounds_and_those_of_strangers_narrow_ones() {
    let mut bench = Bench::new();
    bench.decoder.set_known(Arc::new(HashSet::from([ROUTER])));
    for domain in 0..80 {
        for first in (0..1_200).step_by(400) {
            bench.flows(&names(domain, domain * 1_200 + first, 400));
            bench.flows_from(OTHER, &names(domain, domain * 1_200 + first, 400));
        }
    }
    let (known, stranger) = (bench.of(ROUTER), bench.of(OTHER));
    assert_eq!((known.streams.get(), stranger.streams.get()), (64, 4));
    let remembered: usize =
        known.interfaces().values().map(|name| 2 * (name.name.len() + name.description.len())).sum();
    assert!((1 << 20..4 << 20).contains(&remembered), "{remembered} bytes of four million");
    assert!(stranger.interfaces().is_empty());
    let kept: usize =
        bench.decoder.changes().iter().map(|(_, value)| value.as_ref().map_or(0, Vec::len)).sum();
    assert!(kept < 4 << 20, "{kept}");
    bench.later(3_600);
    for domain in 100..164 {
        bench.flows(&names(domain, 0, 1));
    }
    assert_eq!(known.interfaces().len(), 1, "the streams that had the others gave their places");
    assert_eq!(bench.flows(&v9(163, 0, &[set(0, &template(256, &FIELDS)), set(256, &record(1))])).len(), 1);
}

#[test]
fn a_flood_of_streams_takes_no_more_than_the_room_of_strangers() {
    let mut limits = Limits::default();
    limits.bytes_of_unknown = 100_000;
    let mut bench = Bench::with(|decoder| decoder.with_limits(limits));
    for source in 0..1_000 {
        for engine in 0..64_u16 {
            let mut packet = v5(0, 1, 1, 0);
            packet[20..22].copy_from_slice(&engine.to_be_bytes());
            assert_eq!(bench.flows_from(Ip::v4(source), &packet).len(), 1, "flows need no stream");
        }
    }
    let streams: i64 = bench.books.list().iter().map(|books| books.streams.get()).sum();
    assert!((100..300).contains(&streams), "{streams}");
    assert!(bench.decoder.changes().is_empty());
}

#[test]
fn a_source_that_names_an_entitys_exporter_is_known_but_only_so_many_are() {
    let agent = Ip::v4(0x0a00_0007);
    let mut limits = Limits::default();
    limits.unknown_sources = 10;
    limits.known_by_name = 3;
    let mut bench = Bench::with(|decoder| decoder.with_limits(limits));
    bench.decoder.set_known(Arc::new(HashSet::from([agent])));
    let fields = [field(1, 4), field(130, 4)];
    let sets = [set(2, &template(300, &fields)), set(300, &numbers(&[9, 0x0a00_0007]))];
    let packet = ipfix(1, 0, &sets);
    bench.flows(&packet);
    assert!(bench.of(ROUTER).is_known());
    assert!(bench.decoder.changes().iter().any(|(key, _)| key[0] == b's'), "more than templates is kept");
    for source in 0..100 {
        bench.flows_from(Ip::v4(source), &packet);
    }
    let known = |bench: &Bench| bench.books.list().iter().filter(|books| books.is_known()).count();
    assert_eq!((known(&bench), bench.books.list().len()), (3, 13));
    bench.later(1_000);
    bench.flows_from(OTHER, &packet);
    assert!(bench.of(OTHER).is_known(), "the others have been silent");
    bench.decoder.set_known(Arc::default());
    assert_eq!(known(&bench), 0);
}

#[test]
fn metrics_show_the_exporters_of_entities_before_others() {
    let mut bench = Bench::new();
    bench.decoder.set_known(Arc::new(HashSet::from([ROUTER])));
    bench.flows(&v5(0, 1, 1, 0));
    for source in 1..=1_000 {
        bench.flows_from(Ip::v4(source), &v5(0, 1, 1, 0));
    }
    let mut out = MetricsText::default();
    bench.books.write_metrics(&mut out);
    let lines = |name: &str| out.as_str().lines().filter(|line| line.starts_with(name)).count();
    assert_eq!(lines("grafolean_netflow_exporter_flows_total"), 51);
    assert!(
        out.as_str()
            .contains("grafolean_netflow_exporter_flows_total{exporter=\"192.0.2.1\",version=\"v5\"} 1\n")
    );
    assert!(out.as_str().contains("grafolean_netflow_flows_total{version=\"v5\"} 1001\n"));
}

#[test]
fn a_rate_that_is_said_of_one_interface_is_that_of_its_flows_only() {
    let data = numbers(&[3, 10, 4, 1, 9, 1_000]);
    for options in [
        v9_options(512, &[field(2, 4)], &[field(34, 4)]),
        v9_options(512, &[], &[field(10, 4), field(34, 4)]),
        v9_options(512, &[], &[field(14, 4), field(50, 4)]),
    ] {
        let mut bench = Bench::new();
        bench.decoder.set_known(Arc::new(HashSet::from([ROUTER])));
        let fields = [field(10, 4), field(14, 4), field(61, 1), field(1, 4)];
        bench.flows(&v9(1, 0, &[set(0, &template(256, &fields)), set(1, &options), set(512, &data)]));
        let flow = |input: u32, output: u32, direction: u8| {
            [&numbers(&[input, output])[..], &[direction], &numbers(&[100])].concat()
        };
        let flows = [flow(3, 9, 0), flow(9, 3, 0), flow(9, 3, 1), flow(7, 9, 0), flow(7, 8, 0)].concat();
        let rates = |bench: &mut Bench| {
            let flows = bench.flows(&v9(1, 1, &[set(256, &flows)]));
            flows.iter().map(|flow| flow.sampling).collect::<Vec<_>>()
        };
        assert_eq!(rates(&mut bench), [10, 1_000, 10, 1_000, 0]);
        assert_eq!(rates(&mut bench.restarted(&[ROUTER])), [10, 1_000, 10, 1_000, 0]);
        let of_all =
            [set(1, &v9_options(513, &[field(1, 4)], &[field(34, 4)])), set(513, &numbers(&[0, 50]))];
        bench.flows(&v9(1, 2, &of_all));
        assert_eq!(rates(&mut bench), [10, 1_000, 10, 1_000, 50]);
    }
}

#[test]
fn statistics_of_several_exporters_do_not_give_their_mediator_a_name() {
    let reported = |options: Vec<u8>, data: &[u32]| {
        let mut bench = Bench::new();
        bench.decoder.set_known(Arc::new(HashSet::from([ROUTER])));
        let sets = [set(3, &options), set(2, &template(256, &FIELDS)), set(512, &numbers(data))];
        bench.flows(&ipfix(2, 0, &sets));
        let name = |bench: &mut Bench| {
            bench.flows(&ipfix(2, 1, &[set(256, &record(1))]));
            bench.runs[0].0.reported
        };
        (name(&mut bench), name(&mut bench.restarted(&[ROUTER])))
    };
    let of_others = ipfix_options(512, 1, &[field(130, 4), field(41, 4)]);
    assert_eq!(reported(of_others, &[77, 5]), (Ip::NONE, Ip::NONE), "whom it is of");
    let who = || ipfix_options(512, 1, &[field(144, 4), field(130, 4)]);
    assert_eq!(reported(who(), &[1, 77, 1, 77]), (Ip::v4(77), Ip::v4(77)));
    assert_eq!(reported(who(), &[1, 77, 2, 78]), (Ip::NONE, Ip::NONE));
}

#[test]
fn exporters_that_share_an_address_are_noticed_by_templates_that_turn_back_and_forth() {
    let packet = |fields: &[Spec]| v9(1, 0, &[set(0, &template(256, fields))]);
    let (one, other) = (packet(&FIELDS), packet(&FIELDS[..4]));
    let mut bench = Bench::new();
    for packet in [&one, &one, &other, &packet(&FIELDS[..3]), &packet(&FIELDS[..2]), &one, &other] {
        bench.flows(packet);
    }
    assert!(!bench.of(ROUTER).is_mixed(), "an exporter that is being configured");
    for seldom in [&one, &other, &one, &other, &one] {
        bench.later(3 * 3_600);
        bench.flows(seldom);
    }
    assert!(!bench.of(ROUTER).is_mixed());
    for packet in [&other, &one, &other, &one] {
        bench.later(1_800);
        bench.flows(packet);
    }
    assert!(bench.of(ROUTER).is_mixed());
}

#[test]
fn a_clock_that_is_set_makes_nothing_older() {
    const DAY: i64 = 86_400_000_000;
    let leap = |bench: &mut Bench, by: i64| bench.now = Timestamp::from_micros(bench.now.as_micros() + by);
    for by in [400 * DAY, -400 * DAY] {
        let mut bench = Bench::new();
        bench.flows(&v9(1, 0, &[set(0, &template(256, &FIELDS))]));
        let mut next = bench.restarted(&[]);
        leap(&mut bench, by);
        assert_eq!(bench.octets(&v9(1, 1, &[set(256, &record(1))])), [1]);
        let mut after = bench.restarted(&[]);
        assert_eq!(after.octets(&v9(1, 1, &[set(256, &record(1))])), [1], "it is kept with its new age");
        bench.later(26 * 3_600);
        assert!(bench.octets(&v9(1, 1, &[set(256, &record(1))])).is_empty(), "time passes as before");

        next.flows_from(OTHER, &v5(0, 1, 1, 0));
        leap(&mut next, by);
        next.flows_from(OTHER, &v5(1, 1, 1, 0));
        assert_eq!(next.octets(&v9(1, 1, &[set(256, &record(1))])), [1], "what was kept is no older either");
    }
}

#[test]
fn metrics_tell_who_said_the_sampling_rate() {
    let mut bench = Bench::new();
    bench.flows(&v5(0, 1, 1, 100));
    let mut out = MetricsText::default();
    bench.books.write_metrics(&mut out);
    let line = "grafolean_netflow_exporter_sampling_rate{exporter=\"192.0.2.1\",origin=\"header\"} 100\n";
    assert!(out.as_str().contains(line));
}
