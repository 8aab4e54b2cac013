//! From the fields of a record to a flow.

use grafolean_netflow_bot::{Direction, Event, Has, Ip};

use crate::bench::{Bench, EXPORT_MS, numbers};
use crate::packets::{
    FIELDS, UPTIME, VARIABLE, field, ipfix, ipfix_options, of_enterprise, record, set, template, v9,
};

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
