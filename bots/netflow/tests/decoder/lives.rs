//! What a decoder knows goes on in the next life, and on other sockets.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use grafolean_netflow_bot::books::Books;
use grafolean_netflow_bot::decode::{Decoder, Kept, Limits};
use grafolean_netflow_bot::{Ip, Version};
use grafoleancollector::Timestamp;

use crate::bench::{Bench, OTHER, ROUTER, numbers, take_up};
use crate::packets::{EXPORT, FIELDS, field, ipfix, record, set, template, v5, v9, v9_options};

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
fn what_is_withdrawn_is_not_kept_any_more() {
    let mut bench = Bench::new();
    bench.flows(&ipfix(1, 0, &[set(2, &template(256, &FIELDS))]));
    let (key, _) = bench.decoder.changes().remove(0);
    bench.flows(&ipfix(1, 0, &[set(2, &template(256, &[]))]));
    assert!(bench.decoder.changes().contains(&(key, None)));
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
