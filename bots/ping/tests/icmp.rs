//! The ICMP engine on real sockets, on loopback only.
//!
//! Most tests run on a thread with a network namespace of its own, where echo requests can go unanswered, routes can
//! refuse, and unprivileged sockets can be allowed. That takes root: without it those tests are skipped, by name, or
//! fail where `CI` is set.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "these are tests, helpers included")]

use grafolean_ping_bot::icmp::packet::checksum;
use grafolean_ping_bot::icmp::{
    OpenError, PingError, PingStats, Pinger, PingerOptions, Reason, RttClock, SocketKind,
};
use grafoleancollector::Address;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::future::poll_fn;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::process::Command;
use std::task::Poll;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const LOCALHOST6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
const SECOND: Duration = Duration::from_secs(1);
const BOTH: [SocketKind; 2] = [SocketKind::Raw, SocketKind::Datagram];

/// Runs a test in a network namespace of its own that has a loopback interface and allows unprivileged sockets.
fn in_namespace<F: Future<Output = ()>>(name: &str, test: impl FnOnce() -> F + Send) {
    std::thread::scope(|scope| {
        let result = scope.spawn(|| {
            let ready = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).map_err(|e| e.to_string());
            if let Err(why) = ready.and_then(|()| ip("link set lo up")) {
                #[allow(clippy::disallowed_methods, reason = "a test has no settings to look this up in")]
                let ci = std::env::var_os("CI").is_some();
                assert!(!ci, "{name} needs root and the ip command: {why}");
                eprintln!("skipped: {name}: it needs root and the ip command: {why}");
                return;
            }
            sysctl("ping_group_range", "0 2147483647");
            // One thread only: the others would be in the namespace of their birth.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(test());
        });
        if let Err(panic) = result.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

fn ip(arguments: &str) -> Result<(), String> {
    let status = Command::new("ip").args(arguments.split(' ')).status().map_err(|error| error.to_string())?;
    status.success().then_some(()).ok_or_else(|| format!("ip {arguments}: {status}"))
}

fn sysctl(name: &str, value: &str) {
    std::fs::write(format!("/proc/sys/net/ipv4/{name}"), value).unwrap();
}

/// From now on nobody answers.
fn silence() {
    sysctl("icmp_echo_ignore_all", "1");
}

fn open(kind: SocketKind) -> Pinger {
    Pinger::open(PingerOptions::default().socket_kind(kind)).unwrap()
}

/// Waits until the counters are as expected: what is received is counted soon, not at once.
async fn until(pinger: &Pinger, expected: impl Fn(&PingStats) -> bool) {
    let start = Instant::now();
    while !expected(&pinger.stats()) {
        assert!(start.elapsed() < 5 * SECOND, "{:?}", pinger.stats());
        sleep(Duration::from_millis(2)).await;
    }
}

/// Listens to the requests of a pinger, and answers them as it likes.
struct Forger {
    ears: Socket,
}

impl Forger {
    fn new() -> Self {
        let ears = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).unwrap();
        ears.set_nonblocking(true).unwrap();
        Self { ears }
    }

    /// The next echo request, without its IP header.
    async fn request(&self) -> Vec<u8> {
        let start = Instant::now();
        loop {
            let mut buffer = [0; 2048];
            match (&self.ears).read(&mut buffer) {
                Ok(len) if buffer[20] == 8 => return buffer[20..len].to_vec(),
                Ok(_) => {}
                Err(_) => {
                    assert!(start.elapsed() < 5 * SECOND, "no request was sent");
                    sleep(Duration::from_millis(1)).await;
                }
            }
        }
    }

    /// Sends an ICMP packet from 127.0.0.1, or another loopback address.
    fn send(&self, mut icmp: Vec<u8>, from: Ipv4Addr) {
        icmp[2..4].fill(0);
        let sum = checksum(&icmp).to_be_bytes();
        icmp[2..4].copy_from_slice(&sum);
        self.send_as_it_is(&icmp, from);
    }

    fn send_as_it_is(&self, icmp: &[u8], from: Ipv4Addr) {
        let mouth = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).unwrap();
        mouth.bind(&SockAddr::from(SocketAddr::from((from, 0)))).unwrap();
        mouth.send_to(icmp, &SockAddr::from(SocketAddr::from((LOCALHOST, 0)))).unwrap();
    }
}

/// The reply that a well-behaved host would give.
fn answer_to(request: &[u8]) -> Vec<u8> {
    let mut reply = request.to_vec();
    reply[0] = 0;
    reply
}

/// What a router says that cannot deliver the request to this address.
fn error_about(request: &[u8], to: Ipv4Addr) -> Vec<u8> {
    let mut error = vec![3, 1, 0, 0, 0, 0, 0, 0];
    let mut quote = vec![0; 20];
    quote[0] = 0x45;
    quote[3] = 84;
    quote[8] = 64;
    quote[9] = 1;
    quote[12..16].copy_from_slice(&Ipv4Addr::LOCALHOST.octets());
    quote[16..20].copy_from_slice(&to.octets());
    let sum = checksum(&quote).to_be_bytes();
    quote[10..12].copy_from_slice(&sum);
    error.extend(quote);
    error.extend(request);
    error
}

fn spawn_ping(
    pinger: &Pinger,
    target: impl Into<Address>,
    timeout: Duration,
) -> tokio::task::JoinHandle<Result<Duration, PingError>> {
    let (pinger, target) = (pinger.clone(), target.into());
    tokio::spawn(async move { pinger.ping(target, timeout).await.map(|reply| reply.rtt) })
}

#[test]
fn both_families_answer_on_both_kinds_of_socket() {
    in_namespace("both_families_answer_on_both_kinds_of_socket", || async {
        for kind in BOTH {
            let pinger = open(kind);
            for target in [LOCALHOST, LOCALHOST6] {
                let reply = pinger.ping(target, SECOND).await.unwrap();
                assert!(reply.rtt > Duration::ZERO && reply.rtt < SECOND, "{reply:?}");
                assert_eq!(reply.clock, RttClock::Kernel);
            }
            let stats = pinger.stats();
            assert_eq!((stats.sent, stats.answered, stats.waiting), (2, 2, 0));
            assert_eq!([stats.ipv4, stats.ipv6].map(|socket| socket.unwrap().kind), [kind; 2]);
            assert!(stats.ipv4.unwrap().receive_buffer >= 4 << 20, "{stats:?}");
        }
    });
}

#[test]
fn the_unprivileged_kind_is_preferred_and_the_raw_kind_is_the_way_out() {
    in_namespace("the_unprivileged_kind_is_preferred_and_the_raw_kind_is_the_way_out", || async {
        let kind = || Pinger::open(PingerOptions::default()).unwrap().stats().ipv4.unwrap().kind;
        assert_eq!(kind(), SocketKind::Datagram);
        sysctl("ping_group_range", "1 0");
        assert_eq!(kind(), SocketKind::Raw);
    });
}

/// Run by the next test, in a process without `CAP_NET_RAW`.
#[test]
#[ignore = "only right where no ICMP socket is allowed"]
fn without_permission() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(async { Pinger::open(PingerOptions::default()) }).unwrap_err();
    assert!(matches!(error, OpenError::Permission(_)), "{error:?}");
    assert!(error.to_string().contains("setcap cap_net_raw+ep /"), "{error}");
}

#[test]
fn without_permission_the_error_says_what_to_allow() {
    in_namespace("without_permission_the_error_says_what_to_allow", || async {
        sysctl("ping_group_range", "1 0");
        let output = Command::new("setpriv")
            .args(["--bounding-set=-net_raw", "--inh-caps=-net_raw"])
            .arg(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "without_permission"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
    });
}

#[test]
fn outside_a_runtime_there_is_an_error_and_no_panic() {
    assert!(matches!(Pinger::open(PingerOptions::default()), Err(OpenError::NoRuntime)));
}

#[test]
fn ten_thousand_addresses_answer_and_none_is_lost() {
    in_namespace("ten_thousand_addresses_answer_and_none_is_lost", || async {
        for kind in BOTH {
            let options = PingerOptions::default().socket_kind(kind).packets_per_second(20_000);
            let pinger = Pinger::open(options).unwrap();
            let address = |n: u32| Ipv4Addr::from(0x7f14_0001 + n);
            let pings: Vec<_> = (0..10_000).map(|n| spawn_ping(&pinger, address(n), SECOND)).collect();
            for ping in pings {
                ping.await.unwrap().unwrap();
            }
            let stats = pinger.stats();
            assert_eq!((stats.answered, stats.kernel_drops, stats.foreign), (10_000, 0, 0), "{stats:?}");
        }
    });
}

#[test]
fn silence_times_out_after_the_timeout() {
    in_namespace("silence_times_out_after_the_timeout", || async {
        silence();
        for kind in BOTH {
            let pinger = open(kind);
            let start = Instant::now();
            let error = pinger.ping(LOCALHOST, SECOND / 5).await.unwrap_err();
            let took = start.elapsed();
            assert_eq!(error.to_string(), "no answer within 0.2 s");
            assert!((200..400).contains(&took.as_millis()), "{took:?}");
            assert_eq!((pinger.stats().timed_out, pinger.stats().waiting), (1, 0));
        }
    });
}

#[test]
fn the_wait_for_the_pacer_does_not_count_as_waiting_for_the_answer() {
    in_namespace("the_wait_for_the_pacer_does_not_count_as_waiting_for_the_answer", || async {
        let pinger = Pinger::open(PingerOptions::default().packets_per_second(10).burst(1)).unwrap();
        let start = Instant::now();
        let pings: Vec<_> = (0..5).map(|_| spawn_ping(&pinger, LOCALHOST, SECOND / 20)).collect();
        for ping in pings {
            ping.await.unwrap().unwrap();
        }
        assert!(start.elapsed() >= SECOND * 2 / 5, "{:?}", start.elapsed());
    });
}

#[test]
fn a_late_answer_is_counted_and_not_taken_for_the_next() {
    in_namespace("a_late_answer_is_counted_and_not_taken_for_the_next", || async {
        silence();
        for kind in BOTH {
            let (pinger, forger) = (open(kind), Forger::new());
            let first = spawn_ping(&pinger, LOCALHOST, SECOND / 20);
            let request = forger.request().await;
            assert!(matches!(first.await.unwrap(), Err(PingError::TimedOut(_))));
            let second = spawn_ping(&pinger, LOCALHOST, SECOND / 5);
            forger.request().await;
            forger.send(answer_to(&request), Ipv4Addr::LOCALHOST);
            assert!(matches!(second.await.unwrap(), Err(PingError::TimedOut(_))));
            let stats = pinger.stats();
            assert_eq!((stats.late, stats.answered, stats.timed_out), (1, 0, 2), "{stats:?}");
        }
    });
}

#[test]
fn duplicate_foreign_and_malformed_packets_are_counted_and_answer_nothing() {
    in_namespace("duplicate_foreign_and_malformed_packets_are_counted_and_answer_nothing", || async {
        silence();
        for kind in BOTH {
            let (pinger, forger) = (open(kind), Forger::new());
            let ping = spawn_ping(&pinger, LOCALHOST, 5 * SECOND);
            let request = forger.request().await;

            let mut wrong_nonce = answer_to(&request);
            wrong_nonce[8] ^= 1;
            let mut wrong_sequence = answer_to(&request);
            wrong_sequence[7] ^= 1;
            forger.send(wrong_nonce, Ipv4Addr::LOCALHOST);
            forger.send(wrong_sequence, Ipv4Addr::LOCALHOST);
            forger.send(answer_to(&request), Ipv4Addr::new(127, 0, 0, 9));
            until(&pinger, |stats| stats.foreign == 3).await;
            if kind == SocketKind::Raw {
                // The kernel itself keeps these two from an unprivileged socket.
                let mut wrong_id = answer_to(&request);
                wrong_id[5] ^= 1;
                forger.send(wrong_id, Ipv4Addr::LOCALHOST);
                let mut wrong_checksum = answer_to(&request);
                wrong_checksum[2] ^= 1;
                forger.send_as_it_is(&wrong_checksum, Ipv4Addr::LOCALHOST);
                until(&pinger, |stats| (stats.foreign, stats.malformed) == (4, 1)).await;
            }
            assert_eq!((pinger.stats().waiting, pinger.stats().answered), (1, 0));

            forger.send(answer_to(&request), Ipv4Addr::LOCALHOST);
            ping.await.unwrap().unwrap();
            forger.send(answer_to(&request), Ipv4Addr::LOCALHOST);
            until(&pinger, |stats| (stats.answered, stats.duplicate) == (1, 1)).await;
        }
    });
}

#[test]
fn two_pings_to_one_address_each_get_their_own_answer() {
    in_namespace("two_pings_to_one_address_each_get_their_own_answer", || async {
        silence();
        for kind in BOTH {
            let (pinger, forger) = (open(kind), Forger::new());
            let first = spawn_ping(&pinger, LOCALHOST, SECOND / 2);
            forger.request().await;
            let second = spawn_ping(&pinger, LOCALHOST, SECOND / 2);
            let request = forger.request().await;
            forger.send(answer_to(&request), Ipv4Addr::LOCALHOST);
            second.await.unwrap().unwrap();
            assert!(matches!(first.await.unwrap(), Err(PingError::TimedOut(_))));
        }
    });
}

#[test]
fn a_dropped_ping_frees_its_number_and_its_answer_is_late() {
    in_namespace("a_dropped_ping_frees_its_number_and_its_answer_is_late", || async {
        silence();
        let (pinger, forger) = (open(SocketKind::Raw), Forger::new());
        let ping = spawn_ping(&pinger, LOCALHOST, 60 * SECOND);
        let request = forger.request().await;
        assert_eq!(pinger.stats().waiting, 1);
        ping.abort();
        until(&pinger, |stats| stats.waiting == 0).await;
        forger.send(answer_to(&request), Ipv4Addr::LOCALHOST);
        until(&pinger, |stats| stats.late == 1).await;
    });
}

#[test]
fn when_all_numbers_are_under_way_the_next_ping_waits_for_one() {
    in_namespace("when_all_numbers_are_under_way_the_next_ping_waits_for_one", || async {
        silence();
        let pinger = Pinger::open(PingerOptions::default().packets_per_second(1_000_000)).unwrap();
        let pings: Vec<_> = (0..65_546).map(|_| spawn_ping(&pinger, LOCALHOST, 600 * SECOND)).collect();
        let start = Instant::now();
        while pinger.stats().sent < 65_536 {
            assert!(start.elapsed() < 60 * SECOND, "{:?}", pinger.stats());
            sleep(Duration::from_millis(20)).await;
        }
        sleep(Duration::from_millis(100)).await;
        assert_eq!(pinger.stats().sent, 65_536);
        pings[..4].iter().for_each(tokio::task::JoinHandle::abort);
        until(&pinger, |stats| stats.sent == 65_540).await;
        assert_eq!(pinger.stats().waiting, 65_536);
    });
}

#[test]
fn this_hosts_own_refusal_is_told_at_once_and_typed() {
    in_namespace("this_hosts_own_refusal_is_told_at_once_and_typed", || async {
        ip("route add unreachable 10.1.0.0/16").unwrap();
        ip("route add prohibit 10.2.0.0/16").unwrap();
        ip("-6 route add unreachable 2001:db8::/32").unwrap();
        for kind in BOTH {
            let pinger = open(kind);
            for (target, expected) in [
                ("10.1.0.1", Reason::Host),
                ("10.2.0.1", Reason::Prohibited),
                ("10.3.0.1", Reason::Network),
                ("2001:db8::1", Reason::Host),
                ("2001:db9::1", Reason::Network),
            ] {
                let error = pinger.ping(target.parse::<Address>().unwrap(), 60 * SECOND).await.unwrap_err();
                let PingError::Unreachable { reason, from: None } = error else {
                    panic!("{target}: {error:?}")
                };
                assert_eq!(reason, expected, "{target}");
            }
            assert_eq!((pinger.stats().unreachable, pinger.stats().sent), (5, 0));
        }
    });
}

#[test]
fn a_routers_error_ends_its_ping_at_once_and_no_other() {
    in_namespace("a_routers_error_ends_its_ping_at_once_and_no_other", || async {
        let router = Ipv4Addr::new(127, 9, 9, 9);
        let far = Ipv4Addr::new(127, 0, 0, 7);
        for kind in BOTH {
            silence();
            let (pinger, forger) = (open(kind), Forger::new());
            let ping = spawn_ping(&pinger, far, 60 * SECOND);
            let request = forger.request().await;
            let mut wrong = request.clone();
            wrong[8] ^= 1;
            forger.send(error_about(&wrong, far), router);
            until(&pinger, |stats| stats.foreign == 1).await;
            forger.send(error_about(&request, far), router);
            // Without giving the receiver a turn: the kernel would now fail the next send with this error.
            sysctl("icmp_echo_ignore_all", "0");
            pinger.ping(LOCALHOST, SECOND).await.unwrap();
            let error = ping.await.unwrap().unwrap_err();
            assert_eq!(error.to_string(), "host unreachable, says 127.9.9.9");
            assert_eq!(pinger.stats().unreachable, 1);
        }
    });
}

#[test]
fn an_answer_that_came_while_this_process_had_no_cpu_is_not_lost() {
    in_namespace("an_answer_that_came_while_this_process_had_no_cpu_is_not_lost", || async {
        for kind in BOTH {
            let pinger = open(kind);
            // Not spawned: this task is polled before the receiver, so that it sees its timer fire first.
            let mut ping = pin!(pinger.ping(LOCALHOST, SECOND / 50));
            while pinger.stats().sent == 0 {
                assert!(poll_fn(|cx| Poll::Ready(ping.as_mut().poll(cx))).await.is_pending());
                if pinger.stats().sent == 0 {
                    tokio::task::yield_now().await;
                }
            }
            std::thread::sleep(SECOND / 5);
            let reply = ping.await.unwrap();
            assert!(reply.rtt < SECOND / 50, "{reply:?}");
        }
    });
}

#[test]
fn what_the_kernel_drops_is_counted() {
    in_namespace("what_the_kernel_drops_is_counted", || async {
        let options = PingerOptions::default().socket_kind(SocketKind::Raw).receive_buffer(4096);
        let (pinger, forger) = (Pinger::open(options).unwrap(), Forger::new());
        // More than fits, without the receiver getting a turn.
        for _ in 0..100 {
            forger.send(vec![0; 64], Ipv4Addr::LOCALHOST);
        }
        until(&pinger, |stats| stats.foreign > 0).await;
        pinger.ping(LOCALHOST, SECOND).await.unwrap();
        let stats = pinger.stats();
        assert_eq!(stats.foreign + stats.kernel_drops, 100, "{stats:?}");
    });
}

#[test]
fn a_host_without_ipv6_pings_ipv4_and_says_why_not_ipv6() {
    in_namespace("a_host_without_ipv6_pings_ipv4_and_says_why_not_ipv6", || async {
        std::fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1").unwrap();
        let pinger = open(SocketKind::Raw);
        pinger.ping(LOCALHOST, SECOND).await.unwrap();
        let error = pinger.ping(LOCALHOST6, SECOND).await.unwrap_err();
        assert!(matches!(error, PingError::Unreachable { reason: Reason::Network, .. }), "{error:?}");
    });
}

#[test]
fn an_interface_can_be_named_for_a_link_local_address() {
    in_namespace("an_interface_can_be_named_for_a_link_local_address", || async {
        ip("-6 addr add fe80::1/64 dev lo nodad").unwrap();
        for kind in BOTH {
            let pinger = open(kind);
            let target: Address = "fe80::1%lo".parse().unwrap();
            let start = Instant::now();
            // The kernel brings a new address into use a moment later; until then it swallows requests to it.
            while let Err(error) = pinger.ping(target, SECOND / 10).await {
                assert!(start.elapsed() < 5 * SECOND, "{error}");
            }
        }
    });
}

#[test]
fn the_receivers_stop_with_the_last_clone() {
    in_namespace("the_receivers_stop_with_the_last_clone", || async {
        let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
        let before = tasks();
        let pinger = open(SocketKind::Raw);
        let clone = pinger.clone();
        drop(pinger);
        clone.ping(LOCALHOST, SECOND).await.unwrap();
        assert_eq!(tasks(), before + 2);
        drop(clone);
        tokio::task::yield_now().await;
        assert_eq!(tasks(), before);
    });
}
