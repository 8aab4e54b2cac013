//! nfcapd, on loopback only, and nfdump to read what it wrote.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// One that receives. It is killed when dropped.
pub(crate) struct Nfcapd {
    process: Child,
    port: u16,
    directory: TempDir,
}

struct Socket {
    /// Bytes that have not been read.
    waiting: u64,
    inode: u64,
}

impl Drop for Nfcapd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Nfcapd {
    /// None when it is not installed: then the test is skipped, by name, or fails where `CI` is true.
    pub(crate) fn start(test: &str) -> Option<Self> {
        // Between finding a free port and taking it, somebody else may have taken it: then nfcapd ends.
        for _ in 0..10 {
            let directory = tempfile::tempdir().unwrap();
            let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let process = Command::new("nfcapd")
                .args(["-b", "127.0.0.1", "-p", &port.to_string(), "-w"])
                .arg(directory.path())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn();
            let Ok(process) = process else {
                #[allow(clippy::disallowed_methods, reason = "a test has no settings to look this up in")]
                let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
                assert!(!ci, "{test} needs nfcapd: it is not installed (scripts/install-peers)");
                eprintln!("skipped: {test}: nfcapd is not installed (scripts/install-peers)");
                return None;
            };
            let mut nfcapd = Self { process, port, directory };
            if nfcapd.listens() {
                return Some(nfcapd);
            }
        }
        panic!("{test}: nfcapd found no port");
    }

    /// Waits until the socket at its port is its own. False when it has ended instead.
    fn listens(&mut self) -> bool {
        let fds = format!("/proc/{}/fd", self.process.id());
        for _ in 0..60_000 {
            if self.process.try_wait().unwrap().is_some() {
                return false;
            }
            let own = self.socket().is_some_and(|socket| {
                let name = format!("socket:[{}]", socket.inode);
                let mut links = std::fs::read_dir(&fds).into_iter().flatten().flatten();
                links.any(|link| std::fs::read_link(link.path()).is_ok_and(|to| to == Path::new(&name)))
            });
            if own {
                return true;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("nfcapd: not within a minute: it listens");
    }

    /// Sends from these addresses, never more than its socket has room for.
    pub(crate) fn send(&self, datagrams: &[(IpAddr, Vec<u8>)]) {
        let mut sockets: Vec<(IpAddr, UdpSocket)> = Vec::new();
        for some in datagrams.chunks(16) {
            for (from, datagram) in some {
                let known = sockets.iter().position(|(address, _)| address == from);
                let at = known.unwrap_or_else(|| {
                    sockets.push((*from, UdpSocket::bind((*from, 0)).unwrap()));
                    sockets.len() - 1
                });
                sockets[at].1.send_to(datagram, ("127.0.0.1", self.port)).unwrap();
            }
            self.until("it has read", |waiting| waiting == 0);
        }
    }

    /// Waits for what holds of the bytes in its socket.
    fn until(&self, what: &str, condition: impl Fn(u64) -> bool) {
        for _ in 0..60_000 {
            if self.socket().is_some_and(|socket| condition(socket.waiting)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("nfcapd: not within a minute: {what}");
    }

    /// What the kernel knows of the socket at its port, as long as it is bound.
    fn socket(&self) -> Option<Socket> {
        let local = format!(":{:04X}", self.port);
        let sockets = std::fs::read_to_string("/proc/net/udp").unwrap();
        sockets.lines().find_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            columns.get(1).filter(|address| address.ends_with(&local))?;
            let waiting = columns.get(4)?.split_once(':')?.1;
            let inode = columns.get(9)?.parse().ok()?;
            Some(Socket { waiting: u64::from_str_radix(waiting, 16).ok()?, inode })
        })
    }

    /// Ends it, as it writes only then.
    pub(crate) fn finish(mut self) -> Files {
        let killed = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status().unwrap();
        assert!(killed.success());
        for _ in 0..6_000 {
            if self.process.try_wait().unwrap().is_some() {
                return Files(std::mem::replace(&mut self.directory, tempfile::tempdir().unwrap()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("nfcapd does not end");
    }
}

/// What it wrote.
pub(crate) struct Files(TempDir);

impl Files {
    pub(crate) fn nfdump(&self, arguments: &[&str]) -> String {
        let run = Command::new("nfdump").arg("-R").arg(self.0.path()).args(arguments).output().unwrap();
        assert!(run.status.success(), "{run:?}");
        String::from_utf8_lossy(&run.stdout).into_owned()
    }

    /// Flows, bytes and packets.
    pub(crate) fn sums(&self) -> [u64; 3] {
        let about = self.nfdump(&["-I"]);
        ["Flows: ", "Bytes: ", "Packets: "].map(|name| {
            let line = about.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|number| number.trim().parse().ok()).unwrap_or_else(|| panic!("{name}{about}"))
        })
    }

    /// Sends the flows again, in this version.
    pub(crate) fn replay(&self, version: &str, to: SocketAddr) {
        let mut files = std::fs::read_dir(self.0.path()).unwrap().map(|file| file.unwrap().path());
        let written = |path: &Path| path.extension().is_some_and(|time| time.len() == 12);
        let file = files.find(|path| written(path)).unwrap();
        let run = Command::new("nfreplay")
            .args(["-v", version, "-H", &to.ip().to_string(), "-p", &to.port().to_string(), "-r"])
            .arg(file)
            .output()
            .unwrap();
        assert!(run.status.success(), "{run:?}");
    }
}
