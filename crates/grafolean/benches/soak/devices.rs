//! Devices on loopback: addresses that are pinged, an agent for all of them, and routers that send flows.

use std::net::{Ipv4Addr, UdpSocket};

use crate::simulated::agent::{Agent, Mib};

/// Every so many devices, one is a router that sends flows.
const ROUTER_EVERY: u32 = 250;
/// Flows in a datagram.
const FLOWS: u32 = 10;

pub(crate) struct Devices {
    count: u32,
    agent: Agent,
    netflow_port: u16,
    routers: Vec<Router>,
}

struct Router {
    socket: UdpSocket,
    sequence: u32,
}

impl Devices {
    pub(crate) fn start(count: u32) -> Self {
        let netflow_port =
            UdpSocket::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let mut devices =
            Self { count, agent: Agent::start(Mib::switch(2)), netflow_port, routers: Vec::new() };
        let routers = (0..count).filter(|&n| devices.is_router(n)).map(|n| {
            let socket = UdpSocket::bind((devices.address(n), 0)).expect("a router's socket");
            socket.connect(("127.0.0.1", netflow_port)).expect("an address");
            Router { socket, sequence: 0 }
        });
        devices.routers = routers.collect();
        devices
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    pub(crate) fn address(&self, n: u32) -> Ipv4Addr {
        Ipv4Addr::new(127, 1 + (n / 62_500) as u8, (n / 250 % 250) as u8, (n % 250 + 1) as u8)
    }

    pub(crate) fn is_router(&self, n: u32) -> bool {
        n.is_multiple_of(ROUTER_EVERY)
    }

    pub(crate) fn snmp_port(&self) -> u16 {
        self.agent.device(Ipv4Addr::LOCALHOST).port()
    }

    pub(crate) fn netflow_port(&self) -> u16 {
        self.netflow_port
    }

    /// A datagram from each router.
    pub(crate) fn send_flows(&mut self) {
        for router in &mut self.routers {
            // Nobody may listen yet.
            let _ = router.socket.send(&datagram(router.sequence));
            router.sequence += FLOWS;
        }
    }
}

/// NetFlow v5.
fn datagram(sequence: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(24 + 48 * FLOWS as usize);
    bytes.extend([0, 5]);
    bytes.extend((FLOWS as u16).to_be_bytes());
    bytes.extend([0; 12]);
    bytes.extend(sequence.to_be_bytes());
    bytes.extend([0; 4]);
    for n in 0..FLOWS {
        bytes.extend([10, 0, 0, n as u8, 10, 0, 1, n as u8, 0, 0, 0, 0]);
        bytes.extend([0, 1, 0, 2]);
        bytes.extend(10_u32.to_be_bytes());
        bytes.extend((1_000 * (n + 1)).to_be_bytes());
        bytes.extend([0; 8]);
        bytes.extend([0x80, 0, 1, 0xbb, 0, 0, 6, 0]);
        bytes.extend([0; 8]);
    }
    bytes
}
