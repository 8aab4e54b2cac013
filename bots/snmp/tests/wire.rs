//! The wire against a simulated agent that misbehaves, on loopback only.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "these are tests, helpers included"
)]

mod support;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use grafolean_snmp_bot::benching::Poller;
use grafolean_snmp_bot::wire::{Credential, Device, Tuning, Wire};
use grafolean_snmp_bot::{Agent as _, Oid, SnmpError, Value};
use support::agent::{Agent, Behaviour, Mib};
use support::ber::Var;
use tokio::time::Instant;

const TIMEOUT: Duration = Duration::from_millis(150);

fn oid(text: &str) -> Oid {
    text.parse().unwrap()
}

fn name() -> Oid {
    oid("1.3.6.1.2.1.1.5.0")
}

fn column(n: u32) -> Oid {
    oid("1.3.6.1.2.1.2.2.1").child(&[n])
}

fn patience(retries: u32) -> Tuning {
    let mut tuning = Tuning::default();
    tuning.timeout = Some(TIMEOUT.as_secs_f64());
    tuning.retries = Some(retries);
    tuning
}

fn v2c(retries: u32) -> Arc<Credential> {
    Arc::new(Credential::v2c("public").unwrap().tuned(&patience(retries)).unwrap())
}

fn v1(retries: u32) -> Arc<Credential> {
    Arc::new(Credential::v1("public").unwrap().tuned(&patience(retries)).unwrap())
}

/// A simulated device, asked with SNMPv2c.
struct Stage {
    agent: Agent,
    wire: Wire,
    address: Ipv4Addr,
}

impl Stage {
    fn new(behaviour: Behaviour) -> Self {
        Self::of(Mib::switch(24), behaviour)
    }

    fn of(mib: Mib, behaviour: Behaviour) -> Self {
        let (agent, address) = (Agent::start(mib), Ipv4Addr::new(127, 1, 2, 3));
        agent.behave(address, behaviour);
        Self { agent, wire: Wire::open().unwrap(), address }
    }

    fn target(&self) -> SocketAddr {
        self.agent.device(self.address)
    }

    fn device(&self, retries: u32) -> Device {
        self.wire.agent(self.target(), &v2c(retries))
    }
}

async fn sys_name(device: &Device) -> Result<Value, SnmpError> {
    let answer = device.get(&[name()]).await?;
    assert_eq!((answer.len(), &answer[0].0), (1, &name()));
    Ok(answer[0].1.clone())
}

fn switch() -> Value {
    Value::Bytes(b"switch".to_vec())
}

fn assert_timeout(result: Result<Value, SnmpError>) -> Option<String> {
    match result {
        Err(SnmpError::Timeout { hint, .. }) => hint,
        other => panic!("expected a timeout, got {other:?}"),
    }
}

#[tokio::test]
async fn objects_come_in_the_order_asked_and_what_is_not_there_is_nothing() {
    let stage = Stage::new(Behaviour::default());
    for credential in [v2c(0), v1(0)] {
        let device = stage.wire.agent(stage.target(), &credential);
        let wanted = [oid("1.3.6.1.9.9"), name(), oid("1.3.6.1.2.1.1.99.0"), oid("1.3.6.1.2.1.1.3.0")];
        let answer = device.get(&wanted).await.unwrap();
        assert_eq!(
            answer.iter().map(|answer| &answer.0).collect::<Vec<_>>(),
            wanted.iter().collect::<Vec<_>>()
        );
        let values: Vec<_> = answer.into_iter().map(|answer| answer.1).collect();
        assert_eq!(values, [Value::Nothing, switch(), Value::Nothing, Value::TimeTicks(123_456)]);
        let last = column(22).child(&[24]);
        let after = device.get_next(&[column(2), last.clone(), column(3).child(&[7])]).await.unwrap();
        let first = Value::Bytes(b"GigabitEthernet0/1".to_vec());
        let third = (column(3).child(&[8]), Value::Integer(1));
        assert_eq!(after, [(column(2).child(&[1]), first), (last, Value::Nothing), third]);
    }
}

#[tokio::test]
async fn rows_come_in_bulk() {
    let stage = Stage::new(Behaviour::default());
    let rows = stage.device(0).get_bulk(&[column(1), column(10)], 3).await.unwrap();
    let found: Vec<Oid> = rows.iter().map(|row| row.0.clone()).collect();
    let expected = (1..=3).flat_map(|row| [column(1).child(&[row]), column(10).child(&[row])]);
    assert_eq!(found, expected.collect::<Vec<_>>());
    assert_eq!(rows[3].1, Value::Counter32(246_913_578));
    let end = stage.device(0).get_bulk(&[column(22).child(&[23])], 10).await.unwrap();
    assert_eq!(end.last().unwrap().1, Value::Nothing);
    let first = stage.wire.agent(stage.target(), &v1(0));
    assert!(!first.has_bulk() && stage.device(0).has_bulk());
    assert!(first.get_bulk(&[column(1)], 3).await.is_err());
}

#[tokio::test]
async fn every_type_arrives_unharmed() {
    let vars = [
        (Var::Integer(i32::MIN), Value::Integer(i32::MIN.into())),
        (Var::Integer(-129), Value::Integer(-129)),
        (Var::Counter32(u32::MAX), Value::Counter32(u32::MAX)),
        (Var::Gauge(128), Value::Gauge(128)),
        (Var::TimeTicks(u32::MAX), Value::TimeTicks(u32::MAX)),
        (Var::Counter64(u64::MAX), Value::Counter64(u64::MAX)),
        (Var::Counter64((1 << 53) + 1), Value::Counter64((1 << 53) + 1)),
        (Var::Text(vec![0, 255, b'x']), Value::Bytes(vec![0, 255, b'x'])),
        (Var::Text(vec![b'x'; 1400]), Value::Bytes(vec![b'x'; 1400])),
        (Var::Object(vec![1, 3, 6, u32::MAX]), Value::Oid(Oid::new([1, 3, 6, u32::MAX]).into())),
        (Var::Address(Ipv4Addr::new(10, 1, 2, 3)), Value::Address(Ipv4Addr::new(10, 1, 2, 3))),
        (Var::Float(23.5), Value::Float(23.5)),
        (Var::Double(-0.1), Value::Float(-0.1)),
    ];
    let at = |n: usize| vec![1, 3, 6, 1, 4, 1, 9, n as u32];
    let mib = Mib::new(vars.iter().enumerate().map(|(n, (var, _))| (at(n), var.clone())));
    let stage = Stage::of(mib, Behaviour::default());
    let wanted: Vec<Oid> = (0..vars.len()).map(|n| Oid::new(at(n))).collect();
    let found = stage.device(0).get(&wanted).await.unwrap();
    for (found, (_, expected)) in found.iter().zip(&vars) {
        assert_eq!(found.1, *expected);
    }
}

#[tokio::test]
async fn a_silent_device_costs_its_tries_and_no_more() {
    let stage = Stage::new(Behaviour { silent: true, ..Behaviour::default() });
    for retries in [0, 2] {
        let (start, before) = (Instant::now(), stage.agent.requests());
        assert_eq!(assert_timeout(sys_name(&stage.device(retries)).await), None);
        let (took, tries) = (start.elapsed(), TIMEOUT * (retries + 1));
        assert!(took >= tries && took < tries + TIMEOUT, "{took:?}");
        assert_eq!(stage.agent.requests() - before, u64::from(retries + 1));
    }
    let stats = stage.wire.stats();
    assert_eq!((stats.requests, stats.retries, stats.timeouts, stats.answers), (2, 2, 2, 0));
}

#[tokio::test]
async fn a_lossy_network_is_overcome_by_further_tries() {
    let stage = Stage::new(Behaviour { loss: 0.3, ..Behaviour::default() });
    let device = stage.device(8);
    for _ in 0..30 {
        assert_eq!(sys_name(&device).await.unwrap(), switch());
    }
    let stats = stage.wire.stats();
    assert!(stats.retries > 0 && stats.answers == 30, "{stats:?}");
}

#[tokio::test]
async fn an_answer_within_a_later_try_counts_and_a_late_one_spoils_nothing() {
    let stage = Stage::new(Behaviour { delay: TIMEOUT * 3 / 2, ..Behaviour::default() });
    assert_eq!(sys_name(&stage.device(2)).await.unwrap(), switch());
    let device = stage.device(0);
    assert_timeout(sys_name(&device).await);
    stage.agent.behave(stage.address, Behaviour::default());
    for _ in 0..20 {
        assert_eq!(sys_name(&device).await.unwrap(), switch());
        tokio::time::sleep(TIMEOUT / 10).await;
    }
    let stats = stage.wire.stats();
    // The second answer to the first request came when it was over; the answer to the one given up came late.
    assert_eq!((stats.late, stats.unexpected), (1, 1), "{stats:?}");
}

#[tokio::test]
async fn duplicates_are_ignored() {
    let stage = Stage::new(Behaviour { duplicated: true, ..Behaviour::default() });
    let device = stage.device(0);
    for n in 1..20 {
        let rows = device.get_bulk(&[column(1)], n).await.unwrap();
        assert_eq!(rows.last().unwrap().1, Value::Integer(n.into()));
    }
    assert!(stage.wire.stats().unexpected >= 15, "{:?}", stage.wire.stats());
}

#[tokio::test]
async fn what_is_no_answer_is_waited_through() {
    for (behaviour, hint) in [
        (Behaviour { noise: true, ..Behaviour::default() }, None),
        (Behaviour { truncated: true, ..Behaviour::default() }, None),
        (Behaviour { wrong_id: true, ..Behaviour::default() }, None),
        (
            Behaviour { wrong_community: true, ..Behaviour::default() },
            Some("an answer has another community"),
        ),
        (Behaviour { no_bulk: true, ..Behaviour::default() }, None),
    ] {
        let bulk = behaviour.no_bulk;
        let stage = Stage::new(behaviour);
        let device = stage.device(1);
        let start = Instant::now();
        let result = match bulk {
            true => device.get_bulk(&[column(1)], 10).await.map(|_| Value::Nothing),
            false => sys_name(&device).await,
        };
        assert_eq!(assert_timeout(result).as_deref(), hint);
        assert!(start.elapsed() >= TIMEOUT * 2);
    }
}

#[tokio::test]
async fn an_answer_from_elsewhere_is_refused_with_a_hint_and_accepted_on_demand() {
    let other = Ipv4Addr::new(127, 9, 9, 9);
    let stage = Stage::new(Behaviour { from: Some(other), ..Behaviour::default() });
    let hint = assert_timeout(sys_name(&stage.device(0)).await).unwrap();
    assert!(hint.starts_with("answers come from address 127.9.9.9, not from 127.1.2.3"), "{hint}");
    assert_eq!(stage.wire.stats().foreign, 1);
    let mut tuning = patience(0);
    tuning.accept_any_source = Some(true);
    let credential = Credential::v2c("public").unwrap().tuned(&tuning).unwrap();
    let device = stage.wire.agent(stage.target(), &Arc::new(credential));
    assert_eq!(sys_name(&device).await.unwrap(), switch());
}

#[tokio::test]
async fn an_answer_too_big_is_said_so_and_a_limit_that_is_gone_is_forgotten() {
    let stage = Stage::new(Behaviour { too_big_above: Some(2), ..Behaviour::default() });
    let device = stage.device(0);
    let wanted: Vec<Oid> = (1..=3).map(|row| column(1).child(&[row])).collect();
    assert_eq!(device.get(&wanted).await, Err(SnmpError::TooBig));
    assert_eq!(device.get_next(&wanted).await, Err(SnmpError::TooBig));
    assert_eq!(device.get_bulk(&[column(1)], 3).await, Err(SnmpError::TooBig));
    assert_eq!(device.get_bulk(&[column(1)], 2).await.unwrap().len(), 2);

    let mut poller = Poller::new(&wanted, &[]);
    let mut requests_of_a_poll = async || {
        let before = stage.agent.requests();
        let polled = poller.poll(&device).await;
        assert_eq!(polled.problems, 0);
        stage.agent.requests() - before
    };
    requests_of_a_poll().await;
    for _ in 0..10 {
        assert_eq!(requests_of_a_poll().await, 2, "two objects, and one");
    }
    stage.agent.behave(stage.address, Behaviour::default());
    let mut polls = 0;
    while requests_of_a_poll().await > 1 {
        polls += 1;
        assert!(polls < 100);
    }

    stage.agent.behave(stage.address, Behaviour { too_big_above: Some(0), ..Behaviour::default() });
    assert_eq!(device.get(&wanted).await, Err(SnmpError::TooBig));
}

#[tokio::test]
async fn an_error_names_the_object() {
    let bad = column(1).child(&[3]);
    let stage = Stage::new(Behaviour { gen_err: Some(bad.arcs().to_vec()), ..Behaviour::default() });
    for credential in [v1(0), v2c(0)] {
        let device = stage.wire.agent(stage.target(), &credential);
        // The one that is not there comes first: SNMPv1 then asks twice.
        let wanted = [oid("1.3.6.1.9.9"), name(), bad.clone()];
        let error = device.get(&wanted).await.unwrap_err();
        assert_eq!(error, SnmpError::Agent { status: "genErr".into(), index: Some(3) });
        assert_eq!(error.to_string(), "the agent answers genErr for object 3");
    }
}

#[tokio::test]
async fn an_answer_without_bindings_is_an_error_not_a_loop() {
    let stage = Stage::new(Behaviour { empty: true, ..Behaviour::default() });
    let device = stage.device(0);
    for result in [
        device.get(&[name()]).await,
        device.get_next(&[name()]).await,
        device.get_bulk(&[column(1)], 10).await,
    ] {
        assert!(matches!(result, Err(SnmpError::Agent { .. })), "{result:?}");
    }
}

#[tokio::test]
async fn bulk_answers_may_be_short_looping_or_unordered() {
    let stage = Stage::new(Behaviour { short_bulk: Some(3), ..Behaviour::default() });
    assert_eq!(stage.device(0).get_bulk(&[column(1)], 10).await.unwrap().len(), 3);
    for behaviour in [
        Behaviour { looping: true, ..Behaviour::default() },
        Behaviour { unordered: true, ..Behaviour::default() },
    ] {
        stage.agent.behave(stage.address, behaviour);
        let rows = stage.device(0).get_bulk(&[column(1)], 12).await.unwrap();
        assert!(rows.len() == 12 && !rows.is_sorted_by(|one, other| one.0 < other.0), "{rows:?}");
    }
}

#[tokio::test]
async fn a_table_of_a_million_rows_can_be_asked() {
    let row = |n: u32| (vec![1, 3, 6, 1, 4, 1, 9, 1, n], Var::Live(Arc::new(Var::Address)));
    let stage = Stage::of(
        Mib::After(Box::new(move |after| {
            let n = if *after < row(1).0[..] { 1 } else { after.last()? + 1 };
            (n <= 1_000_000).then(|| row(n))
        })),
        Behaviour::default(),
    );
    let column = oid("1.3.6.1.4.1.9.1");
    let last = stage.device(0).get_bulk(&[column.child(&[999_998])], 10).await.unwrap();
    let expected = Value::Address(stage.address);
    let end = (column.child(&[1_000_000]), Value::Nothing);
    assert_eq!(last[..2], [(column.child(&[999_999]), expected.clone()), (end.0.clone(), expected)]);
    assert_eq!(last[2], end);
    let many = stage.device(0).get_bulk(&[column], 10_000).await.unwrap();
    assert!(many.len() > 1000, "{}", many.len());
}

#[tokio::test]
async fn a_closed_port_is_known_after_the_tries_of_one_request() {
    let wire = Wire::open().unwrap();
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let stage = Stage::new(Behaviour::default());
    for retries in [0, 0, 3] {
        let start = Instant::now();
        let error = sys_name(&wire.agent(closed, &v2c(retries))).await.unwrap_err();
        let SnmpError::Unreachable(why) = &error else { panic!("{error:?}") };
        assert!(why.starts_with(&format!("port {} is closed", closed.port())), "{why}");
        assert!(start.elapsed() >= TIMEOUT * retries, "somebody may listen again");
        // What befell one device is no other's.
        assert_eq!(sys_name(&wire.agent(stage.target(), &v2c(0))).await.unwrap(), switch());
    }
    let stats = wire.stats();
    assert_eq!((stats.refused, stats.retries, stats.timeouts), (3, 3, 0));
}

#[tokio::test]
async fn an_agent_that_is_away_for_a_moment_costs_no_answer() {
    let stage = Stage::new(Behaviour::default());
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let device = stage.wire.agent(closed, &v2c(10));
    let asked = tokio::spawn(async move { sys_name(&device).await });
    while stage.wire.stats().retries < 2 {
        tokio::time::sleep(TIMEOUT / 10).await;
    }
    // Back it is: here, it forwards to the simulated one.
    let (front, back) = (tokio::net::UdpSocket::bind(closed), tokio::net::UdpSocket::bind("127.0.0.1:0"));
    let (front, back) = (front.await.unwrap(), back.await.unwrap());
    let mut datagram = [0; 1500];
    let (size, from) = front.recv_from(&mut datagram).await.unwrap();
    back.send_to(&datagram[..size], stage.target()).await.unwrap();
    let size = back.recv(&mut datagram).await.unwrap();
    front.send_to(&datagram[..size], from).await.unwrap();
    assert_eq!(asked.await.unwrap().unwrap(), switch());
    assert_eq!(stage.wire.stats().refused, 0);
}

#[tokio::test]
async fn what_an_earlier_request_met_with_explains_no_later_silence() {
    let other = Ipv4Addr::new(127, 9, 9, 9);
    for behaviour in [
        Behaviour { from: Some(other), ..Behaviour::default() },
        Behaviour { wrong_community: true, ..Behaviour::default() },
    ] {
        let stage = Stage::new(behaviour);
        let device = stage.device(0);
        assert!(assert_timeout(sys_name(&device).await).is_some());
        stage.agent.behave(stage.address, Behaviour { silent: true, ..Behaviour::default() });
        assert_eq!(assert_timeout(sys_name(&device).await), None);
    }
}

#[tokio::test]
async fn ipv6_is_served_too() {
    let wire = Wire::open().unwrap();
    let Ok(socket) = UdpSocket::bind("[::1]:0") else { return };
    let closed = socket.local_addr().unwrap();
    drop(socket);
    let result = sys_name(&wire.agent(closed, &v2c(0))).await;
    assert!(matches!(result, Err(SnmpError::Unreachable(_))), "{result:?}");
}

#[tokio::test]
async fn a_mapped_address_is_asked_over_ipv4() {
    let stage = Stage::new(Behaviour::default());
    let mapped = SocketAddr::new(stage.address.to_ipv6_mapped().into(), stage.target().port());
    let device = stage.wire.agent(mapped, &v2c(0));
    assert_eq!(device.target(), stage.target());
    assert_eq!(sys_name(&device).await.unwrap(), switch());
}

#[tokio::test]
async fn dead_devices_do_not_delay_the_living() {
    let stage = Stage::new(Behaviour::default());
    let mut tuning = patience(0);
    tuning.timeout = Some(2.0);
    let credential = Arc::new(Credential::v2c("public").unwrap().tuned(&tuning).unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..500u32 {
        let address = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 3, 0, 0)) + n);
        if n % 2 == 0 {
            stage.agent.behave(address, Behaviour { silent: true, ..Behaviour::default() });
        }
        let device = stage.wire.agent(stage.agent.device(address), &credential);
        tasks.spawn(async move {
            let start = Instant::now();
            (n, sys_name(&device).await, start.elapsed())
        });
    }
    let mut answered = 0;
    while let Some(done) = tasks.join_next().await {
        let (n, result, took) = done.unwrap();
        if n % 2 == 0 {
            assert_timeout(result);
        } else {
            assert_eq!(result.unwrap(), switch());
            assert!(took < Duration::from_secs(2), "{took:?}");
            answered += 1;
        }
    }
    assert_eq!(answered, 250);
}

#[tokio::test]
async fn sessions_are_shared_by_equal_credentials_and_bounded() {
    let stage = Stage::new(Behaviour::default());
    let wire = Wire::with_capacity(10).unwrap();
    for n in 0..100u8 {
        let target = stage.agent.device(Ipv4Addr::new(127, 4, 0, n));
        for _ in 0..3 {
            assert_eq!(sys_name(&wire.agent(target, &v2c(0))).await.unwrap(), switch());
        }
        assert!(wire.stats().sessions <= 10);
    }
    assert_eq!(stage.agent.requests(), 300);
}

#[tokio::test]
async fn a_cancelled_request_leaves_nothing_behind() {
    let stage = Stage::new(Behaviour { delay: TIMEOUT / 3, ..Behaviour::default() });
    let device = stage.device(0);
    assert!(tokio::time::timeout(TIMEOUT / 10, sys_name(&device)).await.is_err());
    assert_eq!(sys_name(&device).await.unwrap(), switch());
    assert_eq!(stage.wire.stats().late, 1);
}

#[tokio::test]
async fn no_error_shows_a_community() {
    let stage = Stage::new(Behaviour::default());
    let secret = Arc::new(Credential::v2c("hunt\0er2").unwrap().tuned(&patience(0)).unwrap());
    let device = stage.wire.agent(stage.target(), &secret);
    let error = sys_name(&device).await.unwrap_err();
    let invalid = device.get(&[Oid::new([9, 99])]).await.unwrap_err();
    let shown = format!("{error} {error:?} {invalid} {invalid:?} {secret:?} {device:?} {:?}", stage.wire);
    assert!(!shown.contains("hunt"), "{shown}");
    assert!(matches!(invalid, SnmpError::Transport(_)), "{invalid:?}");
}

/// Every answer is damaged in some way: nothing may panic, hang, or take longer than its time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_answers_are_survived() {
    let seed = AtomicU64::new(0x2545_f491_4f6c_dd1d);
    let change = move |datagram: &mut Vec<u8>| {
        let random = || {
            let mut x = seed.load(Relaxed);
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            seed.store(x, Relaxed);
            x as usize
        };
        for _ in 0..1 + random() % 4 {
            let at = random() % datagram.len();
            match random() % 5 {
                0 => datagram[at] = random() as u8,
                1 => datagram[at] ^= 1 << (random() % 8),
                2 => datagram.truncate(at.max(1)),
                3 => datagram.insert(at, random() as u8),
                _ => drop(datagram.remove(at)),
            }
            if datagram.is_empty() {
                datagram.push(0x30);
            }
        }
    };
    let stage = Stage::new(Behaviour { change: Some(Arc::new(change)), ..Behaviour::default() });
    let mut tuning = patience(0);
    tuning.timeout = Some(0.02);
    let credential = Arc::new(Credential::v2c("public").unwrap().tuned(&tuning).unwrap());
    let end = Instant::now() + Duration::from_secs(3);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..64u8 {
        let device = stage.wire.agent(stage.target(), &credential);
        tasks.spawn(async move {
            let mut count = 0;
            while Instant::now() < end {
                let wanted = [name(), column(2).child(&[3]), column(10).child(&[n.into()])];
                tokio::time::timeout(TIMEOUT * 10, async {
                    let _ = device.get(&wanted).await;
                    let _ = device.get_bulk(&[column(2), column(6)], 5).await;
                })
                .await
                .unwrap();
                count += 2;
            }
            count
        });
    }
    let requests: u64 = tasks.join_all().await.into_iter().sum();
    let stats = stage.wire.stats();
    assert!(requests > 1000 && stats.answers > 0 && stats.malformed > 0, "{requests} {stats:?}");
    stage.agent.behave(stage.address, Behaviour::default());
    assert_eq!(sys_name(&stage.device(0)).await.unwrap(), switch());
}
