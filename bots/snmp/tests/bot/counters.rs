//! Counters of devices that count as devices do: on, over, back, and anew.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use grafoleancollector::State;
use grafoleancollector::testing::RecordKind;
use tokio::time::{Instant, sleep};

use crate::log;
use crate::stage::{IF_DESCR, IF_IN_OCTETS, SYS_UP_TIME, Stage, live, objects, until};
use crate::support::agent::{Behaviour, Mib};
use crate::support::ber::Var;

/// What a device shows so many milliseconds after the test began: its uptime, if it has one, and its counter.
type Shown = (Option<u32>, Var);

/// A device with one interface.
fn device(shown: impl Fn(u32) -> Shown + Send + Sync + 'static) -> Mib {
    let (began, shown) = (Instant::now(), Arc::new(shown));
    let now = move || u32::try_from(began.elapsed().as_millis()).unwrap();
    let (for_uptime, for_counter) = (Arc::clone(&shown), shown);
    let uptime = for_uptime(0).0.map(|_| {
        let uptime = live(move || Var::TimeTicks(for_uptime(now()).0.unwrap_or_default()));
        (SYS_UP_TIME, uptime)
    });
    let counter = live(move || for_counter(now()).1);
    let rows = [("1.3.6.1.2.1.2.2.1.2.7", Var::text("lo")), ("1.3.6.1.2.1.2.2.1.10.7", counter)];
    objects(uptime.into_iter().chain(rows))
}

/// Moments in the life of a device that has long been up, in hundredths of a second.
fn up(ms: u32) -> Option<u32> {
    Some(10_000_000 + ms / 10)
}

/// When something happens to a device.
const EVENT: u32 = 2_700;

/// All these count 1,000 a second, give or take what a loaded machine adds.
fn devices() -> Vec<(&'static str, Mib)> {
    let c32 = Var::Counter32;
    vec![
        ("counts on", device(move |ms| (up(ms), c32(5_000_000 + ms)))),
        ("wraps", device(move |ms| (up(ms), c32(0_u32.wrapping_sub(EVENT).wrapping_add(ms))))),
        (
            "uptime wraps",
            device(move |ms| (Some((0_u32).wrapping_sub(EVENT / 10).wrapping_add(ms / 10)), c32(ms))),
        ),
        ("beyond 2^53", device(|ms| (up(ms), Var::Counter64(u64::MAX - 3_600_000 + u64::from(ms))))),
        (
            "Counter64 goes back",
            device(|ms| (up(ms), Var::Counter64(if ms < EVENT { 1 << 40 } else { 0 } + u64::from(ms)))),
        ),
        (
            "Counter32 goes back",
            device(move |ms| (up(ms), c32(if ms < EVENT { 3_000_000_000 } else { 0 } + ms))),
        ),
        (
            "restarts with less",
            device(move |ms| {
                if ms < EVENT {
                    (up(ms), c32(50_000 + ms))
                } else {
                    (Some((ms - EVENT) / 10), c32(ms - EVENT))
                }
            }),
        ),
        (
            "restarts with more",
            device(move |ms| {
                if ms < EVENT { (up(ms), c32(ms)) } else { (Some((ms - EVENT) / 10), c32(400_000_000 + ms)) }
            }),
        ),
        ("uptime stands still", device(move |ms| (Some(4_711), c32(7 + ms)))),
        ("no uptime", device(move |ms| (None, c32(7 + ms)))),
        (
            "no uptime, goes back",
            device(move |ms| (None, c32(if ms < EVENT { 4_000_000_000 } else { 0 } + ms))),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_counter_gives_its_rate_or_nothing_whatever_happens_to_its_device() {
    let (names, mibs): (Vec<_>, Vec<_>) = devices().into_iter().unzip();
    let mibs: Vec<Arc<Mib>> = mibs.into_iter().map(Arc::new).collect();
    let stage =
        Stage::with_devices(move |address: Ipv4Addr| mibs[usize::from(address.octets()[3])].clone()).await;
    let sensors = [
        stage.sensor(1, &[IF_DESCR, IF_IN_OCTETS], "$2", "walked.{$1}"),
        stage.sensor(1, &["=1.3.6.1.2.1.2.2.1.10.7"], "$1 * 8", "got"),
    ];
    let entities: Vec<u64> = (0..names.len() as u8).map(|n| stage.device([127, 6, 0, n], &sensors)).collect();
    let running = stage.start(|bot| bot.with_stats(true));
    for entity in &entities {
        stage.wait_for(*entity, "poll.ok", 6).await;
    }
    running.stop().await;
    for (name, entity) in names.iter().zip(entities) {
        let values = stage.values(entity);
        let polls = values["poll.ok"].len();
        for (tail, factor) in [("walked.lo", 1.0), ("got", 8.0)] {
            let rates = &values[tail];
            // Without a rate are the first poll, one within half a second of another, and the one after an event.
            assert!(rates.len() < polls && rates.len() + 3 >= polls, "{name}: {rates:?} in {polls} polls");
            let sane = |rate: f64| (50.0..20_000.0).contains(&(rate / factor));
            assert!(rates.iter().all(|(_, rate)| sane(*rate)), "{name}: {rates:?}");
        }
        let lost = polls - values["got"].len();
        let no_event =
            ["counts on", "wraps", "uptime wraps", "beyond 2^53", "uptime stands still", "no uptime"];
        assert!(
            lost <= if no_event.contains(name) { 2 } else { 3 },
            "{name}: {lost} of {polls} polls without a rate"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sensors_of_different_intervals_have_averages_of_their_own() {
    // Ever faster, so that an average over two polls is far from one over the last.
    let reads = AtomicU32::new(0);
    let stage = Stage::new(objects([(
        "1.3.6.1.4.1.9.1.0",
        live(move || Var::Counter64(1_000 << (2 * reads.fetch_add(1, Relaxed).min(20)))),
    )]))
    .await;
    let counter = "=1.3.6.1.4.1.9.1.0";
    let often = stage.sensor(1, &[counter], "$1", "often");
    let seldom = stage.sensor(2, &[counter], "$1", "seldom");
    let also = stage.sensor(2, &[counter, counter], "$1 + $2", "twice");
    let entity = stage.device([127, 0, 0, 1], &[often, seldom, also]);
    let running = stage.start(|bot| bot.with_stats(true));
    stage.wait_for(entity, "seldom", 3).await;
    running.stop().await;
    let values = stage.values(entity);
    // One poll serves both: as many polls as values of the sensor that is read more often, and one without a rate.
    let (often, seldom, polls) = (&values["often"], &values["seldom"], &values["poll.ok"]);
    assert!(polls.len() - often.len() <= 2, "{values:?}");
    for pair in seldom.windows(2) {
        let [(from, _), (to, average)] = pair else { continue };
        let mut growth = 0.0;
        for step in often.windows(2).filter(|step| step[0].0 >= *from && step[1].0 <= *to) {
            growth += step[1].1 * (step[1].0 - step[0].0);
        }
        let ratio = average * (to - from) / growth;
        assert!((0.7..1.4).contains(&ratio), "{ratio}: {values:?}");
    }
    for ((at, one), (also_at, two)) in seldom.iter().zip(&values["twice"]) {
        // Numbers may lose their last bit on the way through JSON.
        assert!(
            at == also_at && (2.0 * one / two - 1.0).abs() < 1e-12,
            "{one} and {two} at {at} and {also_at}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entity_that_gets_another_address_is_not_compared_with_the_device_before() {
    let began = Instant::now();
    let now = move || u32::try_from(began.elapsed().as_millis()).unwrap();
    // Both have been up for the same time.
    let stage = Stage::with_devices(move |address: Ipv4Addr| {
        let more = if address.octets()[3] == 1 { 0 } else { 1 << 40 };
        Arc::new(objects([
            (SYS_UP_TIME, live(move || Var::TimeTicks(up(now()).unwrap()))),
            ("1.3.6.1.4.1.9.1.0", live(move || Var::Counter64(more + u64::from(now())))),
        ]))
    })
    .await;
    let sensor = stage.sensor(1, &["=1.3.6.1.4.1.9.1.0"], "$1", "rate");
    let entity = stage.device([127, 6, 1, 1], &[sensor]);
    let asked = stage.behave([127, 6, 1, 2], Behaviour::default());
    let running = stage.start(|bot| bot);
    stage.wait_for(entity, "rate", 2).await;
    stage.backend.edit(stage.account, RecordKind::Entities, entity, |record| {
        record["details"]["ipv4"] = "127.6.1.2".into();
    });
    until("three polls of the other", || (asked.load(Relaxed) >= 3).then_some(())).await;
    let rates = stage.at(entity, "rate").len();
    stage.wait_for(entity, "rate", rates + 1).await;
    running.stop().await;
    let rates = stage.at(entity, "rate");
    assert!(rates.iter().all(|(_, rate)| (50.0..20_000.0).contains(rate)), "{rates:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_beyond_the_limit_have_no_rates_and_that_is_counted() {
    let (stage, entity) = counting("1.3.6.1.4.1.9.1.0").await;
    let also = stage.sensor(1, &["=1.3.6.1.4.1.9.1.0"], "$1", "also");
    let other = stage.device([127, 0, 0, 2], &[also]);
    let running = stage.start(|bot| bot.with_max_counters(1).with_stats(true));
    stage.wait_for(entity, "poll.ok", 4).await;
    stage.wait_for(other, "poll.ok", 4).await;
    let page = stage.page("/metrics").await;
    running.stop().await;
    let count = |name: &str| -> f64 {
        let line = page.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name} in {page}")).trim().parse().unwrap()
    };
    let with_rates = [stage.at(entity, "rate").len(), stage.at(other, "also").len()];
    assert!(with_rates.contains(&0) && with_rates.iter().sum::<usize>() > 0, "{with_rates:?}");
    assert!(count("grafolean_snmp_counters ") <= 1.0);
    let dropped = count("grafolean_snmp_counters_dropped_total ");
    assert!(dropped >= 3.0);
    assert!(count("grafolean_snmp_rates_discarded_total{reason=\"no_room\"} ") >= 3.0);
    assert!(count("grafolean_snmp_rates_discarded_total{reason=\"first\"} ") >= 1.0);
    assert!(count("grafolean_snmp_rows_total{result=\"no_rate\"} ") > dropped - 1.0);
    assert!(count("grafolean_snmp_rows_total{result=\"value\"} ") >= 1.0);
    assert_eq!(log::lines("raise SNMP_MAX_COUNTERS").len(), 1);
}

/// Counts 1,000 a second.
async fn counting(name_of_counter: &'static str) -> (Stage, u64) {
    let began = Instant::now();
    let now = move || u32::try_from(began.elapsed().as_millis()).unwrap();
    let uptime = live(move || Var::TimeTicks(10_000_000 + now() / 10));
    let counter = live(move || Var::Counter32(now()));
    let stage = Stage::new(objects([(SYS_UP_TIME, uptime), (name_of_counter, counter)])).await;
    let sensor = stage.sensor(1, &[&format!("={name_of_counter}")], "$1", "rate");
    let entity = stage.device([127, 0, 0, 1], &[sensor]);
    (stage, entity)
}

/// A life of the bot with this folder, until there is another rate. Says whether its first poll told one.
async fn first_poll_tells_a_rate(stage: &Stage, entity: u64, directory: &Path) -> bool {
    let (rates, polls) = (stage.at(entity, "rate").len(), stage.at(entity, "poll.ok").len());
    let running = stage.start_in(directory, |bot| bot.with_stats(true));
    stage.wait_for(entity, "rate", rates + 1).await;
    running.stop().await;
    let (rates, polls) = (stage.at(entity, "rate"), stage.at(entity, "poll.ok").split_off(polls));
    assert!(rates.iter().all(|(_, rate)| (100.0..10_000.0).contains(rate)), "{rates:?}");
    // So that the next life does not begin too soon to tell a rate.
    sleep(Duration::from_millis(600)).await;
    rates.iter().any(|(at, _)| *at == polls[0].0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_bot_tells_the_rate_at_its_first_poll() {
    let (stage, entity) = counting("1.3.6.1.4.1.9.1.0").await;
    let directory = tempfile::tempdir().unwrap();
    assert!(!first_poll_tells_a_rate(&stage, entity, directory.path()).await);
    for _ in 0..2 {
        assert!(first_poll_tells_a_rate(&stage, entity, directory.path()).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_cannot_be_read_costs_one_rate_and_no_more() {
    let (stage, entity) = counting("1.3.6.1.4.1.9.1.0").await;
    let directory = tempfile::tempdir().unwrap();
    let change = async |change: fn(&[u8]) -> Vec<u8>| {
        let state = State::sqlite(directory.path(), &stage.backend.url()).unwrap();
        let table = state.table("snmp-counters");
        let stored = table.load().await;
        assert_eq!(stored.len(), 1);
        table.remove(&stored[0].0);
        table.put(&change(&stored[0].0), change(&stored[0].1));
        state.close().await;
    };
    let first_poll = async || first_poll_tells_a_rate(&stage, entity, directory.path()).await;
    assert!(!first_poll().await);
    // A file that is none of ours.
    std::fs::write(directory.path().join("state.sqlite"), vec![0x5a; 100_000]).unwrap();
    assert!(!first_poll().await);
    // From a version to come.
    change(|bytes| [&[9], &bytes[1..]].concat()).await;
    assert!(!first_poll().await);
    // It is not kept beside what is written now.
    change(<[u8]>::to_vec).await;
    assert!(first_poll().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_poll_that_took_long_does_not_set_the_clock_of_the_bot_back() {
    let (stage, entity) = counting("1.3.6.1.4.1.9.1.0").await;
    let directory = tempfile::tempdir().unwrap();
    stage.backend.edit(stage.account, RecordKind::Credentials, stage.credential, |record| {
        record["details"]["retries"] = 9.into();
    });
    let heard = stage.behave([127, 0, 0, 1], Behaviour { silent: true, ..Behaviour::default() });
    let listen_at_last = async {
        until("the third try", || (heard.load(Relaxed) >= 3).then_some(())).await;
        stage.behave([127, 0, 0, 1], Behaviour::default());
    };
    tokio::join!(first_poll_tells_a_rate(&stage, entity, directory.path()), listen_at_last);
    let known = stage.at(entity, "rate").len();
    assert!(first_poll_tells_a_rate(&stage, entity, directory.path()).await);
    // 1,000 a second, over a second or two; with two seconds too many it would be half of that.
    let rate = stage.at(entity, "rate")[known].1;
    assert!((700.0..1_300.0).contains(&rate), "{rate}");
}
