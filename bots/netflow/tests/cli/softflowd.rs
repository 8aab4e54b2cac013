//! A real exporter of real traffic: softflowd.

use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::program::skip;
use crate::scene::{A_WINDOW, Scene, receives_at};

/// softflowd at the loopback interface.
struct Softflowd {
    child: Child,
    control: std::path::PathBuf,
    _directory: tempfile::TempDir,
}

impl Softflowd {
    /// Exports in this version what goes to or from a port. None where it is not installed or not allowed.
    fn start(test: &str, version: &str, to: SocketAddr, port: u16) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let control = directory.path().join("control");
        let mut command = Command::new("softflowd");
        command.args(["-d", "-i", "lo", "-v", version, "-n", &to.to_string()]);
        command.args(["-t", "general=2s", "-t", "udp=2s", "-t", "maxlife=5s", "-t", "expint=1s"]);
        command.arg("-c").arg(&control).arg("-p").arg(directory.path().join("pid"));
        command.arg(format!("udp and port {port}"));
        let started = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let Ok(mut child) = started else {
            skip(test, "softflowd is not installed");
            return None;
        };
        std::thread::sleep(Duration::from_millis(500));
        if child.try_wait().unwrap().is_some() {
            skip(test, "softflowd may not look at the loopback interface: it needs root");
            return None;
        }
        Some(Self { child, control, _directory: directory })
    }

    fn ask(&self, what: &str) -> String {
        let answer = Command::new("softflowctl").arg("-c").arg(&self.control).arg(what).output().unwrap();
        assert!(answer.status.success(), "{answer:?}");
        String::from_utf8_lossy(&answer.stdout).into_owned()
    }

    /// How many packets it has looked at.
    fn processed(&self) -> u64 {
        let statistics = self.ask("statistics");
        let line = statistics.lines().find_map(|line| line.strip_prefix("Packets processed: "));
        line.and_then(|count| count.trim().parse().ok()).unwrap_or_default()
    }
}

impl Drop for Softflowd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The story of a user who saw no data for 12 hours: an exporter, an entity, and the value within two minutes.
fn story(test: &str, version: &str, from: &str) {
    let scene = Scene::new();
    let entity = scene.exporter("127.0.0.1");
    let running = scene.bot(&[]).start();
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = receiver.local_addr().unwrap();
    let Some(softflowd) = Softflowd::start(test, version, receives_at(&running), to.port()) else { return };
    let sender = UdpSocket::bind((from, 0)).unwrap();
    // Its capture library hands packets over only when it has some hundred kilobytes of them.
    running.until("that softflowd sees the traffic", || {
        (0..500).for_each(|_| drop(sender.send_to(&[7; 972], to)));
        std::thread::sleep(Duration::from_millis(50));
        softflowd.processed() > 0
    });
    std::thread::sleep(Duration::from_secs(1));
    let processed = softflowd.processed();
    softflowd.ask("expire-all");
    // With v9 and IPFIX it says of all that goes over the loopback interface that it is egress; with v5 nothing says so,
    // and egress is derived.
    let path = format!("netflow.1min.egress.entity.{entity}");
    // 972 bytes, 8 of UDP and 20 of IP.
    let bytes = processed as f64 * 1_000.0;
    running.within(A_WINDOW, "the values", || scene.sum(&path) >= bytes);
    for tail in [
        String::new(),
        ".topip.127%2e0%2e0%2e1".to_owned(),
        format!(".topconn.{}.127%2e0%2e0%2e1", from.replace('.', "%2e")),
        format!(".topdstports.{}", to.port()),
        ".topprotocol.UDP".to_owned(),
    ] {
        assert_eq!(scene.sum(&format!("{path}{tail}")), bytes, "{tail}: {:?}", scene.values());
    }
    running.terminated().with(0);
}

pub(crate) fn what_softflowd_exports_arrives_in_the_backend_in_each_version() {
    let test = "what_softflowd_exports_arrives_in_the_backend_in_each_version";
    std::thread::scope(|scope| {
        for (version, from) in [("5", "127.71.0.5"), ("9", "127.71.0.9"), ("10", "127.71.0.10")] {
            scope.spawn(move || story(test, version, from));
        }
    });
}
