//! Traffic as a router sees it: some hosts have most of it, most flows are small.

use grafolean_netflow_bot::{Flow, Has, Ip};

/// Hosts that take part.
const HOSTS: f64 = 20_000.0;
/// Interfaces of each router.
pub(crate) const INTERFACES: u32 = 24;
/// Ports that are offered, the first ones most.
const SERVICES: [(u16, u8); 12] = [
    (443, 6),
    (53, 17),
    (443, 17),
    (80, 6),
    (22, 6),
    (123, 17),
    (3_306, 6),
    (25, 6),
    (8_080, 6),
    (5_060, 17),
    (993, 6),
    (161, 17),
];

/// The same flows in every run.
pub(crate) struct Traffic {
    state: u64,
    /// The exporter's clock, in milliseconds since the epoch.
    pub(crate) now: i64,
}

impl Traffic {
    pub(crate) fn new(seed: u64, now: i64) -> Self {
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, now }
    }

    /// splitmix64
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to 1.
    fn share(&mut self) -> f64 {
        (self.random() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.random() % limit
    }

    /// A host: the one of rank r has a share of traffic as 1/r.
    fn host(&mut self) -> u32 {
        let rank = HOSTS.powf(self.share()) as u32;
        0x0a00_0000 + rank.wrapping_mul(2_654_435_761) % (1 << 24)
    }

    pub(crate) fn flow(&mut self) -> Flow {
        let service = (SERVICES.len() as f64).powf(self.share()) as usize - 1;
        let (port, protocol) = SERVICES[service.min(SERVICES.len() - 1)];
        // A Pareto distribution: half of all flows have one or two packets, a few have thousands.
        let packets = (self.share().max(1e-6).powf(-0.9) as u64).clamp(1, 200_000);
        let bytes = match packets {
            1..=2 => packets * (40 + self.below(60)),
            _ => packets * (60 + self.below(1_400)),
        };
        // Flows are exported some time after their end, short ones after the inactive timeout.
        let end = self.now - 15_000 - self.below(2_000) as i64;
        let duration = if packets == 1 { 0 } else { self.below(packets.min(600) * 100) as i64 };
        let client = 32_768 + self.below(28_232) as u16;
        let answer = self.below(2) == 0;
        let (src_port, dst_port) = if answer { (port, client) } else { (client, port) };
        let all = [Has::PROTOCOL, Has::SRC_PORT, Has::DST_PORT, Has::INPUT, Has::OUTPUT];
        let has = all.into_iter().fold(Has::default(), Has::with);
        Flow {
            src: Ip::v4(self.host()),
            dst: Ip::v4(self.host()),
            bytes,
            packets,
            start: end - duration,
            end,
            input: 1 + self.below(INTERFACES.into()) as u32,
            output: 1 + self.below(INTERFACES.into()) as u32,
            src_port,
            dst_port,
            protocol,
            tcp_flags: if protocol == 6 { [0x1b, 0x1f, 0x02, 0x1b][self.below(4) as usize] } else { 0 },
            tos: if self.below(10) == 0 { 0xb8 } else { 0 },
            has,
            ..Flow::default()
        }
    }
}
