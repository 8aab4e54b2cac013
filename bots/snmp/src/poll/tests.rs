use super::*;
use crate::poll::scripted::{Kind, Request, Scripted, TIMEOUT, gen_err, oid, silence};

const UP_TIME: &str = "1.3.6.1.2.1.1.3.0";

fn get_of(text: &str) -> Source {
    Source { oid: oid(text), fetch: FetchMethod::Get }
}

fn walk_of(text: &str) -> Source {
    Source { oid: oid(text), fetch: FetchMethod::Walk }
}

/// A device with an uptime, two scalars and a table of two columns.
fn device() -> Scripted {
    Scripted::table(2, 24)
        .and(UP_TIME, Value::TimeTicks(5_000))
        .and("1.3.8.1.0", Value::Counter32(7))
        .and("1.3.8.2.0", Value::Gauge(8))
}

fn wanted() -> Wanted {
    Wanted::of(&[get_of("1.3.8.1.0"), get_of("1.3.8.2.0"), walk_of("1.3.9.1.1"), walk_of("1.3.9.1.2")])
}

async fn poll_once(agent: &Scripted, wanted: &Wanted, manners: &mut Manners) -> Polled {
    poll(agent, wanted, manners, &options()).await
}

fn options() -> PollOptions {
    PollOptions::until(Instant::now() + Duration::from_secs(50))
}

#[test]
fn each_object_is_wanted_once_however_many_sensors_use_it() {
    let sensors = [get_of("1.3.1"), walk_of("1.3.1"), get_of("1.3.1"), walk_of("1.3.1"), walk_of("1.3.2")];
    let wanted = Wanted::of(&sensors);
    assert_eq!(wanted.scalars, [oid("1.3.1")]);
    assert_eq!(wanted.columns, [oid("1.3.1"), oid("1.3.2")]);
}

#[tokio::test(start_paused = true)]
async fn a_poll_of_scalars_and_a_table_takes_two_requests_and_one_round_trip() {
    let agent = device();
    let polled = poll_once(&agent, &wanted(), &mut Manners::default()).await;
    assert_eq!(polled.stats.duration, Duration::from_millis(20));
    assert_eq!((polled.stats.requests, polled.stats.values), (2, 3 + 48));
    assert_eq!(polled.uptime.unwrap().ticks, 5_000);
    assert_eq!(polled.problems, []);
    assert_eq!(polled.scalars[&oid("1.3.8.2.0")].value, Value::Gauge(8));
    assert_eq!(polled.columns[&oid("1.3.9.1.2")].rows.len(), 24);
}

#[tokio::test(start_paused = true)]
async fn the_uptime_rides_along_only_where_counters_may_occur() {
    let (agent, mut manners) = (device(), Manners::default());
    let gauges = Wanted::of(&[walk_of("1.3.9.1.1")]);
    assert!(poll_once(&agent, &gauges, &mut manners).await.uptime.is_some(), "it may be a counter");
    agent.new_requests();
    assert!(poll_once(&agent, &gauges, &mut manners).await.uptime.is_none(), "it was none");
    assert_eq!(agent.new_requests().len(), 1);

    poll_once(&agent, &wanted(), &mut manners).await;
    agent.new_requests();
    assert!(poll_once(&agent, &wanted(), &mut manners).await.uptime.is_some());
    let get = &agent.new_requests()[0];
    assert_eq!(get.oids, [oid(UP_TIME), oid("1.3.8.1.0"), oid("1.3.8.2.0")]);
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_named_and_spoils_nothing_else() {
    let agent = device().scripted(|_, request: &Request, honest| {
        let place = |text| request.oids.iter().position(|at| at.starts_with(&oid(text)));
        match place("1.3.8.1").or(place("1.3.9.1.2")) {
            Some(at) => Err(gen_err(Some(at + 1))),
            None => honest,
        }
    });
    let polled = poll_once(&agent, &wanted(), &mut Manners::default()).await;
    let problems: Vec<String> = polled.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "cannot get 1.3.8.1.0: the agent answers genErr for object 2",
            "cannot walk 1.3.9.1.2: the agent answers genErr for object 1",
        ]
    );
    assert_eq!(polled.scalars[&oid("1.3.8.2.0")].value, Value::Gauge(8));
    assert!(polled.columns[&oid("1.3.9.1.1")].is_complete());
    assert_eq!(polled.gone, None);
}

#[tokio::test(start_paused = true)]
async fn a_dead_device_is_left_after_the_tries_of_one_request() {
    let agent = device().scripted(|_, _, _| Err(silence()));
    let polled = poll_once(&agent, &wanted(), &mut Manners::default()).await;
    assert_eq!(polled.stats.duration, TIMEOUT);
    assert_eq!(polled.gone, Some(silence()));
    assert!(!polled.stats.answered);
    assert_eq!(polled.problems.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_credential_is_said_once_per_object_and_tried_once() {
    let agent = device().scripted(|_, _, _| Err(SnmpError::Credential("key too short".into())));
    let polled = poll_once(&agent, &wanted(), &mut Manners::default()).await;
    assert!(polled.stats.requests <= 2);
    assert_eq!(polled.gone, Some(SnmpError::Credential("key too short".into())));
}

#[tokio::test(start_paused = true)]
async fn a_slow_device_gives_what_it_can_until_its_time_is_up() {
    let slow = SnmpError::Timeout { after: Duration::from_secs(40), hint: None };
    let agent = device().scripted(move |_, request: &Request, honest| match request.kind {
        Kind::Get => honest,
        _ => Err(slow.clone()),
    });
    let polled = poll_once(&agent, &wanted(), &mut Manners::default()).await;
    assert_eq!(polled.stats.duration, Duration::from_secs(50));
    assert_eq!(polled.scalars.len(), 3);
    assert!(polled.problems.iter().all(|problem| problem.fetch == FetchMethod::Walk));
    assert_eq!(polled.problems[0].why, "the time for this poll was up");
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_is_ended_ends_at_once_with_what_it_has_read() {
    let (agent, wanted) = (Scripted::table(1, 1_000), Wanted::of(&[walk_of("1.3.9.1.1")]));
    let (options, mut manners) = (options(), Manners::default());
    let end = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        options.ending.now();
    };
    let (polled, ()) = tokio::join!(poll(&agent, &wanted, &mut manners, &options), end);
    assert_eq!(polled.stats.duration, Duration::from_millis(50));
    assert_eq!(polled.columns[&oid("1.3.9.1.1")].rows.len(), 50);
    assert_eq!(polled.problems[0].why, "the time for this poll was up");
}

#[tokio::test(start_paused = true)]
async fn a_device_that_loses_requests_gets_one_at_a_time_for_a_while() {
    let mut manners = Manners::default();
    let lossy = device().scripted(|n, _, honest| if n == 1 { Err(silence()) } else { honest });
    assert_eq!(poll_once(&lossy, &wanted(), &mut manners).await.problems, []);
    let agent = device();
    let stats = poll_once(&agent, &wanted(), &mut manners).await.stats;
    assert_eq!(stats.duration.as_millis(), 20 * u128::from(stats.requests));
    for _ in 0..100 {
        poll_once(&agent, &wanted(), &mut manners).await;
    }
    assert_eq!(poll_once(&agent, &wanted(), &mut manners).await.stats.duration, Duration::from_millis(20));
}

#[tokio::test(start_paused = true)]
async fn a_restart_in_the_middle_of_a_long_poll_is_noticed() {
    let restarting = |later| {
        device().scripted(move |n, request: &Request, honest| match request.kind {
            Kind::Get if n > 1 => Ok(vec![(oid(UP_TIME), Value::TimeTicks(later))]),
            Kind::Get => honest,
            _ if n == 1 => Err(silence()),
            _ => honest,
        })
    };
    let polled = poll_once(&restarting(100), &wanted(), &mut Manners::default()).await;
    assert!(polled.restarted);
    assert_eq!(polled.uptime.unwrap().ticks, 100);
    let polled = poll_once(&restarting(5_300), &wanted(), &mut Manners::default()).await;
    assert!(!polled.restarted);
    assert_eq!(polled.uptime.unwrap().ticks, 5_000);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_sensors_on_one_entity_share_their_requests() {
    let (columns, rows) = (50, 10);
    let agent = Scripted::table(columns, rows).and(UP_TIME, Value::TimeTicks(5_000));
    let cell = |n: u32| format!("1.3.9.1.{}.{}", n % columns + 1, n / columns % rows + 1);
    let sources: Vec<Source> = (0..10_000)
        .map(|n| if n % 2 == 0 { get_of(&cell(n)) } else { walk_of(&format!("1.3.9.1.{}", n % columns + 1)) })
        .collect();
    let polled = poll_once(&agent, &Wanted::of(&sources), &mut Manners::default()).await;
    assert_eq!(polled.problems, []);
    assert_eq!((polled.scalars.len(), polled.columns.len()), (251, 25));
    assert!(polled.stats.requests < 40, "{}", polled.stats.requests);
}
