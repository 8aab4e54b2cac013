//! tcpdump, on loopback only.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// One that captures. It is killed when dropped.
pub(crate) struct Tcpdump {
    process: Child,
    directory: TempDir,
}

impl Drop for Tcpdump {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Tcpdump {
    /// Captures so many datagrams to a port. None when it is not installed, or may not capture: then the test is
    /// skipped, by name, or fails where `CI` is true.
    pub(crate) fn start(test: &str, device: &str, port: u16, packets: usize) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let process = Command::new("tcpdump")
            .args(["-i", device, "-s", "0", "-U", "-Z", "root", "-c", &packets.to_string(), "-w"])
            .arg(directory.path().join("capture"))
            .args(["udp", "and", "dst", "port", &port.to_string()])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let why = match process {
            Ok(process) => {
                let mut tcpdump = Self { process, directory };
                match tcpdump.listens() {
                    Ok(()) => return Some(tcpdump),
                    Err(why) => why,
                }
            }
            Err(_) => "it is not installed (scripts/install-peers)".to_owned(),
        };
        #[allow(clippy::disallowed_methods, reason = "a test has no settings to look this up in")]
        let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!ci, "{test} needs tcpdump: {why}");
        eprintln!("skipped: {test}: tcpdump: {why}");
        None
    }

    /// It says so as soon as it does.
    fn listens(&mut self) -> Result<(), String> {
        let mut said = Vec::new();
        let stderr = self.process.stderr.as_mut().unwrap();
        let mut byte = [0];
        while stderr.read(&mut byte).unwrap() > 0 {
            said.extend(byte);
            if byte == *b"\n" && String::from_utf8_lossy(&said).contains("listening on") {
                return Ok(());
            }
        }
        Err(String::from_utf8_lossy(&said).trim().to_owned())
    }

    /// The capture, as soon as it has all of its packets.
    pub(crate) fn finish(&mut self) -> PathBuf {
        for _ in 0..1_200 {
            if self.process.try_wait().unwrap().is_some() {
                return self.directory.path().join("capture");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("tcpdump has not seen all packets");
    }
}
