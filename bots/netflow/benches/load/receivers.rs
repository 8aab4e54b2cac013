//! What is measured: a process of its own on a core of its own.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::UdpSocket;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use grafolean_netflow_bot::books::Books;
use grafolean_netflow_bot::decode::Decoder;
use grafolean_netflow_bot::receive::{ListenOptions, Listener, Receiver};
use grafoleancollector::testing::FakeBackend;
use grafoleancollector::{Clock, SystemClock};
use tokio::time::Instant;

use crate::datagrams::{self, Form};
use crate::traffic::Traffic;
use crate::{MEASURED_CORE, bot_process, machine};

/// The argument with which this program is asked to receive.
pub(crate) const ARGUMENT: &str = "receiver";
const PROGRAM: &str = env!("CARGO_BIN_EXE_grafolean-netflow-bot");
/// A window ends a minute after it began at the latest, and is delivered within seconds.
const DELIVERY: Duration = Duration::from_secs(90);
/// A process that used less than this in a fifth of a second has nothing to do any more.
const IDLE: f64 = 0.025;

pub(crate) trait Target {
    fn port(&self) -> u16;
    fn process(&self) -> u32;
    /// The bytes of all flows that it has received; none where it does not say.
    fn bytes(&mut self) -> Option<u64>;

    /// The bytes that have come through to the backend, as soon as all these have; none where there is no backend.
    fn delivered(&self, _all: u64) -> Option<u64> {
        None
    }

    fn cpu(&self) -> f64 {
        machine::cpu_of(self.process())
    }

    fn peak_megabytes(&self) -> f64 {
        machine::peak_megabytes_of(self.process())
    }

    /// Waits until it has taken what is there.
    fn settle(&self) {
        for _ in 0..25 {
            let before = self.cpu();
            std::thread::sleep(Duration::from_millis(200));
            if self.cpu() - before < IDLE {
                return;
            }
        }
    }
}

fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port()
}

/// Our receiver and decoder, and nothing else.
pub(crate) struct Ours {
    child: Child,
    port: u16,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Ours {
    pub(crate) fn start() -> Self {
        let mut child = machine::on(MEASURED_CORE, || {
            Command::new(std::env::current_exe().expect("a path"))
                .args(["--bench", ARGUMENT])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("this program once more")
        });
        let to = child.stdin.take().expect("it is piped");
        let mut from = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        from.read_line(&mut line).expect("the port");
        Self { child, port: line.trim().parse().expect("a port"), to, from }
    }
}

impl Target for Ours {
    fn port(&self) -> u16 {
        self.port
    }

    fn process(&self) -> u32 {
        self.child.id()
    }

    fn bytes(&mut self) -> Option<u64> {
        self.to.write_all(b"\n").ok()?;
        let mut line = String::new();
        self.from.read_line(&mut line).ok()?;
        line.trim().parse().ok()
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Is the receiver, until it is killed: says its port, and the sum of bytes whenever a line comes.
pub(crate) fn serve() {
    let address = "127.0.0.1:0".parse().expect("an address");
    let listener = Listener::bind(address, &ListenOptions::default()).expect("a socket");
    println!("{}", listener.local_addr().port());
    let asked = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let asks = Arc::clone(&asked);
    std::thread::spawn(move || {
        for _ in std::io::stdin().lines() {
            asks.store(true, std::sync::atomic::Ordering::Relaxed);
        }
        std::process::exit(0);
    });
    let mut receiver = Receiver::new(listener);
    let mut decoder = Decoder::new(Arc::new(Books::default()));
    let mut bytes = 0;
    loop {
        let now = SystemClock.now();
        let mut each = |source, datagram: &[u8]| {
            decoder.datagram(now, source, datagram, &mut |_, flows| {
                bytes += flows.iter().map(|flow| flow.bytes).sum::<u64>();
            });
        };
        receiver.receive(Duration::from_millis(100), &mut each).expect("receiving");
        decoder.flush();
        if asked.swap(false, std::sync::atomic::Ordering::Relaxed) {
            println!("{bytes}");
        }
    }
}

/// nfcapd, writing files without compression, as it does unless it is told otherwise.
pub(crate) struct Nfcapd {
    child: Child,
    port: u16,
    directory: tempfile::TempDir,
}

impl Nfcapd {
    pub(crate) fn start() -> Option<Self> {
        let directory = tempfile::tempdir().expect("a directory");
        let port = free_port();
        let child = machine::on(MEASURED_CORE, || {
            Command::new("nfcapd")
                .args(["-b", "127.0.0.1", "-p", &port.to_string(), "-B", "4194304", "-w"])
                .arg(directory.path())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
        });
        let Ok(child) = child else {
            println!("nfcapd is not installed");
            return None;
        };
        std::thread::sleep(Duration::from_millis(500));
        Some(Self { child, port, directory })
    }
}

impl Target for Nfcapd {
    fn port(&self) -> u16 {
        self.port
    }

    fn process(&self) -> u32 {
        self.child.id()
    }

    /// Stops it, as it writes only then.
    fn bytes(&mut self) -> Option<u64> {
        let process = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).ok()?);
        nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGTERM).ok()?;
        let _ = self.child.wait();
        let about = Command::new("nfdump").arg("-R").arg(self.directory.path()).arg("-I").output().ok()?;
        let text = String::from_utf8_lossy(&about.stdout).into_owned();
        text.lines().find_map(|line| line.strip_prefix("Bytes:")?.trim().parse().ok())
    }
}

impl Drop for Nfcapd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The whole bot, and a backend for it in this process.
pub(crate) struct Bot {
    bot: bot_process::Bot,
    port: u16,
    backend: FakeBackend,
    account: u64,
    _runtime: tokio::runtime::Runtime,
}

impl Bot {
    /// With an entity for each of these exporters.
    pub(crate) fn start() -> Self {
        Self::with_exporters(&(11..=18).map(|n| format!("127.0.0.{n}")).collect::<Vec<_>>())
    }

    pub(crate) fn with_exporters(addresses: &[String]) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let backend = runtime.block_on(FakeBackend::start());
        backend.without_account_defaults();
        let account = backend.add_account("Network");
        let credential = backend.add_credential(account, "netflow", serde_json::json!({}));
        let sensor = backend.add_sensor(account, "netflow", Some(60), serde_json::json!({}));
        for address in addresses {
            let device = backend.device(account, address).detail("ipv4", address.clone());
            device.protocol("netflow", credential, &[sensor]).add();
        }
        let port = free_port();
        let listen = format!("127.0.0.1:{port}");
        let bot = machine::on(MEASURED_CORE, || {
            bot_process::Bot::start_with(PROGRAM, &backend, &[("NETFLOW_LISTEN", listen.as_str())])
        });
        std::thread::sleep(Duration::from_secs(3));
        Self { bot, port, backend, account, _runtime: runtime }
    }

    pub(crate) fn process(&self) -> &bot_process::Bot {
        &self.bot
    }
}

impl Target for Bot {
    fn port(&self) -> u16 {
        self.port
    }

    fn process(&self) -> u32 {
        self.bot.id()
    }

    fn bytes(&mut self) -> Option<u64> {
        Some(self.bot.metrics().sum("grafolean_netflow_octets_total") as u64)
    }

    fn delivered(&self, all: u64) -> Option<u64> {
        let began = Instant::now();
        loop {
            let values = self.backend.values(self.account);
            let windows = values.get("netflow.1min.ingress").into_iter().flatten();
            let delivered = windows.map(|(_, bytes)| *bytes as u64).sum();
            if delivered >= all || began.elapsed() > DELIVERY {
                return Some(delivered);
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}

/// How long the Python package needs for the same datagrams, without any network.
pub(crate) fn python(form: Form) {
    const CODE: &str = "
import sys, time, netflow
def read():
    data = sys.stdin.buffer.read()
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at:at + 4], 'big')
        yield data[at + 4:at + 4 + size]
        at += 4 + size
all = list(read())
templates = {'netflow': [], 'ipfix': []} if False else {'netflow': {}, 'ipfix': {}}
flows = 0
begin = time.process_time()
for datagram in all:
    flows += len(netflow.parse_packet(datagram, templates).flows)
print(flows, (time.process_time() - begin) / flows * 1e6)
";
    let mut traffic = Traffic::new(7, SystemClock.now().as_millis());
    let mut all = vec![datagrams::templates((traffic.now / 1_000) as u32, 1, 1)];
    if form == Form::V5 {
        all.clear();
    }
    for _ in 0..4_096 {
        let flows: Vec<_> = (0..form.flows()).map(|_| traffic.flow()).collect();
        all.push(match form {
            Form::V5 => datagrams::v5(&mut traffic, 1, &flows),
            Form::V9 => datagrams::v9(&mut traffic, 1, datagrams::TEMPLATE, &flows),
        });
    }
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let child = machine::on(MEASURED_CORE, || {
        Command::new(python)
            .args(["-c", CODE])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
    });
    let Ok(mut child) = child else { return println!("there is no Python") };
    let mut stdin = child.stdin.take().expect("it is piped");
    for datagram in all {
        // It may be gone already, when it lacks the package.
        let _ = stdin.write_all(&(datagram.bytes.len() as u32).to_be_bytes());
        let _ = stdin.write_all(&datagram.bytes);
    }
    drop(stdin);
    let mut said = String::new();
    let _ = child.stdout.take().expect("it is piped").read_to_string(&mut said);
    let _ = child.wait();
    let mut line = String::new();
    match said.split_once(' ').and_then(|(flows, cost)| Some((flows, cost.trim().parse::<f64>().ok()?))) {
        Some((flows, cost)) => {
            write!(line, "| Python netflow, parsing {flows} flows alone | | | {cost:.2} | | |")
                .expect("a String");
        }
        None => line.push_str("Python has no package netflow"),
    }
    println!("{line}");
}
