//! A backend with accounts to serve, and exporters that send NetFlow v5.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use grafoleancollector::testing::FakeBackend;
use serde_json::{Value, json};

use crate::program::{Program, Running, bot};

/// A window may have just begun, and takes a moment to be closed and delivered.
pub(crate) const A_WINDOW: Duration = Duration::from_secs(150);

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A backend, and its first account.
pub(crate) struct Scene {
    pub(crate) backend: FakeBackend,
    pub(crate) account: u64,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let backend = block_on(FakeBackend::start());
        backend.without_account_defaults();
        let account = backend.add_account("Main Street");
        Self { backend, account }
    }

    /// An entity that owns the flows from an address.
    pub(crate) fn exporter(&self, address: &str) -> u64 {
        self.exporter_with(address, json!({}))
    }

    /// The same with more details.
    pub(crate) fn exporter_with(&self, address: &str, details: Value) -> u64 {
        let credential = self.backend.add_credential(self.account, "netflow", json!({}));
        let sensor = self.backend.add_sensor(self.account, "netflow", None, json!({}));
        let mut device = self.backend.device(self.account, "an exporter").detail("ipv4", address);
        for (key, value) in details.as_object().unwrap() {
            device = device.detail(key, value.clone());
        }
        device.protocol("netflow", credential, &[sensor]).add()
    }

    /// The bot, about to be started for this backend at a free port.
    pub(crate) fn bot(&self, arguments: &[&str]) -> Program {
        bot(arguments).serving(&self.backend).env("NETFLOW_LISTEN", "127.0.0.1:0")
    }

    /// All stored values of the account, by path.
    pub(crate) fn values(&self) -> BTreeMap<String, Vec<(f64, f64)>> {
        self.backend.values(self.account)
    }

    /// The sum of the values at a path.
    pub(crate) fn sum(&self, path: &str) -> f64 {
        self.values().get(path).map_or(0.0, |values| values.iter().map(|(_, value)| value).sum())
    }
}

/// Where a bot receives flows.
pub(crate) fn receives_at(running: &Running) -> SocketAddr {
    let line = running.line("flows are received at ");
    line.rsplit("flows are received at ").next().unwrap().trim().parse().unwrap()
}

/// Waits until the bot goes by the configuration.
pub(crate) fn served(running: &Running) {
    running.until("jobs", || running.jobs()["jobs"].as_array().is_some_and(|jobs| !jobs.is_empty()));
    // A moment for the thread that receives to look.
    std::thread::sleep(Duration::from_millis(500));
}

/// An exporter of NetFlow v5.
pub(crate) struct Exporter {
    socket: UdpSocket,
    to: SocketAddr,
    sequence: u32,
}

/// A flow of NetFlow v5.
#[derive(Clone, Copy)]
pub(crate) struct V5 {
    pub(crate) from: Ipv4Addr,
    pub(crate) to: Ipv4Addr,
    pub(crate) bytes: u32,
    pub(crate) input: u16,
    pub(crate) output: u16,
    pub(crate) port: u16,
    pub(crate) protocol: u8,
}

impl Default for V5 {
    fn default() -> Self {
        Self {
            from: Ipv4Addr::new(10, 0, 0, 1),
            to: Ipv4Addr::new(10, 0, 0, 2),
            bytes: 1_000,
            input: 3,
            output: 4,
            port: 443,
            protocol: 6,
        }
    }
}

impl Exporter {
    /// One that sends from this address.
    pub(crate) fn new(from: &str, to: SocketAddr) -> Self {
        Self { socket: UdpSocket::bind((from, 0)).unwrap(), to, sequence: 0 }
    }

    /// Sends a packet of flows.
    pub(crate) fn send(&mut self, flows: &[V5]) {
        let mut packet = Vec::new();
        let number =
            |packet: &mut Vec<u8>, of: &[u32]| of.iter().for_each(|n| packet.extend(n.to_be_bytes()));
        packet.extend(5_u16.to_be_bytes());
        packet.extend((flows.len() as u16).to_be_bytes());
        number(&mut packet, &[3_600_000, 1_700_000_000, 0, self.sequence, 0]);
        for flow in flows {
            packet.extend(flow.from.octets());
            packet.extend(flow.to.octets());
            number(&mut packet, &[0]);
            packet.extend(flow.input.to_be_bytes());
            packet.extend(flow.output.to_be_bytes());
            number(&mut packet, &[1, flow.bytes, 3_500_000, 3_590_000]);
            packet.extend(40_000_u16.to_be_bytes());
            packet.extend(flow.port.to_be_bytes());
            packet.extend([0, 0x18, flow.protocol, 0]);
            number(&mut packet, &[0, 0]);
        }
        self.sequence += flows.len() as u32;
        self.socket.send_to(&packet, self.to).unwrap();
    }
}
