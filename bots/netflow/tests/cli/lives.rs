//! The bot is killed, stopped, started again; the backend is away.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::Ipv4Addr;
use std::time::Duration;

use grafoleancollector::{Clock as _, SystemClock, Timestamp};
use nix::sys::signal::Signal::SIGKILL;

use crate::program::Running;
use crate::scene::{A_WINDOW, Exporter, Scene, V5, receives_at};

/// What a kill may cost: ten seconds, says the README; a slice takes five, and the state is written each second.
const FORGOTTEN: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_millis(200);
/// Of each packet, so that a sum tells how many came.
const BYTES: f64 = 1_000.0;

/// An exporter's packets, each from an address of its own inside, through the lives of a bot.
struct Lives {
    scene: Scene,
    directory: tempfile::TempDir,
    exporter: &'static str,
    path: String,
    /// When each packet was sent, and when the bot that received it was killed.
    sent: Vec<(Timestamp, Timestamp)>,
}

/// The address inside that the packet with this number came from.
fn inside(packet: usize) -> Ipv4Addr {
    Ipv4Addr::from(0x0a01_0000 + packet as u32)
}

impl Lives {
    fn new(exporter: &'static str) -> Self {
        let scene = Scene::new();
        let entity = scene.exporter(exporter);
        let path = format!("netflow.1min.ingress.entity.{entity}");
        Self { scene, directory: tempfile::tempdir().unwrap(), exporter, path, sent: Vec::new() }
    }

    fn start(&self) -> Running {
        // Nothing gives way in the lists: every packet is to be found.
        self.scene.bot(&[]).env("DATA_DIR", self.directory.path()).env("TOP_N", "500").start()
    }

    /// A life in which packets come to its last moment.
    fn live_until(&mut self, end: Timestamp) {
        let running = self.start();
        let mut exporter = Exporter::new(self.exporter, receives_at(&running));
        let first = self.sent.len();
        while SystemClock.now() < end {
            exporter.send(&[V5 { from: inside(self.sent.len()), ..V5::default() }]);
            self.sent.push((SystemClock.now(), end));
            std::thread::sleep(EVERY.min(end.since(SystemClock.now())));
        }
        let killed = SystemClock.now();
        running.signal(SIGKILL);
        self.sent[first..].iter_mut().for_each(|(_, end)| *end = killed);
        assert_eq!(running.ended().signal, Some(SIGKILL as i32));
    }

    /// A last life, until all windows that packets were sent in are delivered; and what has to be so then.
    fn are_remembered(self) {
        let running = self.start();
        Exporter::new(self.exporter, receives_at(&running)).send(&[V5::default()]);
        let of = |address: Ipv4Addr| {
            let address = address.to_string().replace('.', "%2e");
            self.scene.sum(&format!("{}.topip.{address}", self.path))
        };
        // No window is delivered before those that ended before it.
        running.within(A_WINDOW, "the last window", || of(V5::default().from) > 0.0);
        // Whatever else there is to deliver, it delivers now.
        running.terminated().with(0);
        let there: Vec<_> = (0..self.sent.len()).map(|packet| of(inside(packet))).collect();
        for (packet, (bytes, (sent, killed))) in there.iter().zip(&self.sent).enumerate() {
            let lived = killed.since(*sent);
            assert!([0.0, BYTES].contains(bytes), "{bytes} of a packet of {BYTES}, {lived:?} before a kill");
            assert!(*bytes > 0.0 || lived < FORGOTTEN, "a packet is missing, {lived:?} before a kill");
            let missing_before = packet > 0 && there[packet - 1] == 0.0 && self.sent[packet - 1].1 == *killed;
            assert!(*bytes == 0.0 || !missing_before, "the packet before one that is there is missing");
        }
        let all: f64 = there.iter().sum();
        assert_eq!(self.scene.sum(&self.path), all + BYTES, "{:?}", self.scene.values()[&self.path]);
    }
}

/// Any moment so close to this one.
fn around(moment: Timestamp, within: Duration) -> Timestamp {
    let random = RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64;
    moment.minus(within).plus(within.mul_f64(2.0 * random))
}

fn next_minute() -> Timestamp {
    let minute = MINUTE.as_micros() as i64;
    Timestamp::from_micros((SystemClock.now().as_micros() / minute + 1) * minute)
}

/// Three bots side by side.
fn side_by_side(exporters: [&'static str; 3], live: impl Fn(&mut Lives) + Sync) {
    std::thread::scope(|scope| {
        for exporter in exporters {
            let live = &live;
            scope.spawn(move || {
                let mut lives = Lives::new(exporter);
                live(&mut lives);
                lives.are_remembered();
            });
        }
    });
}

pub(crate) fn a_kill_within_a_window_costs_what_was_received_in_the_last_ten_seconds_at_most() {
    side_by_side(["127.41.0.1", "127.41.0.2", "127.41.0.3"], |lives| {
        let until = SystemClock.now().plus(MINUTE);
        while SystemClock.now() < until {
            lives.live_until(around(SystemClock.now().plus(Duration::from_secs(15)), Duration::from_secs(5)));
        }
    });
}

pub(crate) fn a_kill_while_a_window_is_closed_and_delivered_neither_skips_it_nor_counts_anything_twice() {
    side_by_side(["127.44.0.1", "127.44.0.2", "127.44.0.3"], |lives| {
        for _ in 0..2 {
            let end = next_minute();
            let within = Duration::from_secs(3);
            // Twice around one end: in the second life the window waits for its delivery, or is under way.
            for _ in 0..2 {
                lives.live_until(around(end, within).max(SystemClock.now().plus(Duration::from_millis(500))));
            }
            std::thread::sleep(end.plus(within).since(SystemClock.now()));
        }
    });
}

pub(crate) fn a_stop_within_a_window_costs_nothing() {
    let scene = Scene::new();
    let entity = scene.exporter("127.42.0.1");
    let directory = tempfile::tempdir().unwrap();
    let path = format!("netflow.1min.ingress.entity.{entity}");
    for _ in 0..3 {
        let running = scene.bot(&[]).env("DATA_DIR", directory.path()).start();
        Exporter::new("127.42.0.1", receives_at(&running)).send(&[V5::default()]);
        running.until("the flow", || {
            let metrics = running.health("/metrics").1;
            metrics
                .lines()
                .any(|line| line.starts_with("grafolean_netflow_flows_total{") && line.ends_with(" 1"))
        });
        running.terminated().with(0);
    }
    let running = scene.bot(&[]).env("DATA_DIR", directory.path()).start();
    running.within(A_WINDOW, "all of it", || scene.sum(&path) >= 3_000.0);
    assert_eq!(scene.sum(&path), 3_000.0);
}

pub(crate) fn flows_are_received_and_kept_while_the_backend_is_not_ready() {
    let scene = Scene::new();
    let entity = scene.exporter("127.43.0.1");
    scene.backend.set_migration_needed(true);
    let running = scene.bot(&[]).start();
    Exporter::new("127.43.0.1", receives_at(&running)).send(&[V5::default()]);
    running.line("waiting for the backend");
    // Until the window has ended that nobody asked for yet.
    std::thread::sleep(Duration::from_secs(62));
    scene.backend.set_migration_needed(false);
    let path = format!("netflow.1min.ingress.entity.{entity}");
    running.within(A_WINDOW, "the window", || scene.sum(&path) > 0.0);
    assert_eq!(scene.sum(&path), 1_000.0);
}
