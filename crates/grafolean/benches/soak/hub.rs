//! The hub as a process, which is killed and started again in the same place.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep};

const PROGRAM: &str = env!("CARGO_BIN_EXE_grafolean");
/// A hub that is not there after this will not come.
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct Hub {
    child: Child,
    address: SocketAddr,
    directory: PathBuf,
    setup: String,
}

impl Hub {
    pub(crate) async fn start(directory: &Path) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
        let (child, setup) = spawn(directory, free);
        let hub = Self { child, address: free, directory: directory.to_owned(), setup };
        hub.ready().await;
        hub
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the one-time link ends with.
    pub(crate) fn setup_token(&self) -> &str {
        &self.setup
    }

    pub(crate) async fn kill_and_start_again(&mut self) {
        self.child.kill().expect("the hub runs");
        self.child.wait().expect("the hub ends");
        (self.child, _) = spawn(&self.directory, self.address);
        self.ready().await;
    }

    async fn ready(&self) {
        let began = Instant::now();
        let url = format!("http://{}/api/status/info", self.address);
        let client = reqwest::Client::new();
        while !client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
            assert!(began.elapsed() < LIMIT, "the hub does not answer");
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn memory_mb(&self) -> f64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the hub runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") / 1024.0
    }

    pub(crate) fn file_mb(&self) -> f64 {
        let files = std::fs::read_dir(&self.directory).expect("the data directory").flatten();
        files.filter_map(|file| file.metadata().ok()).map(|file| file.len() as f64).sum::<f64>() / 1e6
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts it; gives the token of the one-time link too, where it prints one.
fn spawn(directory: &Path, address: SocketAddr) -> (Child, String) {
    let mut child = Command::new(PROGRAM)
        .args(["hub", "--listen", &address.to_string(), "--data-dir"])
        .arg(directory)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the hub");
    let (found, setup) = std::sync::mpsc::channel();
    let output = BufReader::new(child.stdout.take().expect("it is piped"));
    std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            if let Some((_, token)) = line.split_once("/#/setup/") {
                let _ = found.send(token.trim().to_owned());
            }
        }
    });
    (child, setup.recv_timeout(Duration::from_secs(5)).unwrap_or_default())
}
