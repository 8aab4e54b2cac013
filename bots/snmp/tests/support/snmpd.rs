//! net-snmp's snmpd, on loopback only.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use grafolean_snmp_bot::wire::{Credential, Wire};
use grafolean_snmp_bot::{Agent as _, Oid};
use tempfile::TempDir;

/// One that runs. It is killed when dropped.
pub struct Snmpd {
    process: Child,
    program: &'static str,
    directory: TempDir,
    pub address: SocketAddr,
}

impl Drop for Snmpd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Snmpd {
    /// On a free port, when it answers to the community `public`. None when it is not installed: then the test is
    /// skipped, by name, or fails where `CI` is true.
    pub async fn start(test: &str, config: &str) -> Option<Self> {
        let program = ["/usr/sbin/snmpd", "/usr/local/sbin/snmpd", "/usr/bin/snmpd"];
        let Some(program) = program.into_iter().find(|path| Path::new(path).exists()) else {
            #[allow(clippy::disallowed_methods, reason = "a test has no settings to look this up in")]
            let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(!ci, "{test} needs snmpd");
            eprintln!("skipped: {test}: snmpd is not installed (scripts/install-peers)");
            return None;
        };
        let directory = TempDir::new().unwrap();
        let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        std::fs::write(directory.path().join("snmpd.conf"), config).unwrap();
        let snmpd = Self { process: spawn(program, directory.path(), address), program, directory, address };
        snmpd.wait().await;
        Some(snmpd)
    }

    /// From now on nobody is at its port.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again after it was killed, with what it remembers.
    pub async fn start_again(&mut self) {
        self.process = spawn(self.program, self.directory.path(), self.address);
        self.wait().await;
    }

    async fn wait(&self) {
        let (wire, credential) = (Wire::open().unwrap(), Arc::new(Credential::v2c("public").unwrap()));
        let sys_name: Oid = "1.3.6.1.2.1.1.5.0".parse().unwrap();
        for _ in 0..100 {
            if wire.agent(self.address, &credential).get(std::slice::from_ref(&sys_name)).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let log = std::fs::read_to_string(self.directory.path().join("log"));
        panic!("snmpd does not answer: {log:?}");
    }
}

fn spawn(program: &str, directory: &Path, address: SocketAddr) -> Child {
    let log = std::fs::File::options().create(true).append(true).open(directory.join("log")).unwrap();
    Command::new(program)
        .args(["-f", "-Lo", "-C", "-c"])
        .arg(directory.join("snmpd.conf"))
        .arg(format!("udp:{address}"))
        .env("SNMP_PERSISTENT_DIR", directory.join("persistent"))
        .env("MIBS", "")
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}
