//! What the load programs share: simulated devices in a process of their own, the peer, and how busy the machine is.

#![allow(dead_code, reason = "each program uses a part of it")]

pub(crate) mod agent_process;
#[path = "../../../../benches/support/mod.rs"]
pub(crate) mod common;
pub(crate) mod exporter;
pub(crate) mod machine;
#[path = "../../tests/support/mod.rs"]
pub(crate) mod simulated;

use std::net::Ipv4Addr;

use grafolean_snmp_bot::Oid;

/// Where what is measured runs; all that it needs from others runs on the other core.
pub(crate) const MEASURED_CORE: usize = 0;
pub(crate) const OTHER_CORE: usize = 1;

/// 127.1.0.1 and following.
pub(crate) fn addresses(devices: usize) -> Vec<Ipv4Addr> {
    (0..devices).map(|n| Ipv4Addr::new(127, 1, (n / 250) as u8, (n % 250 + 1) as u8)).collect()
}

/// The system group without its table, and three objects more.
pub(crate) fn ten_scalars() -> Vec<Oid> {
    let system = (1..=7).map(|arc| vec![1, 3, 6, 1, 2, 1, 1, arc, 0]);
    let others = [[2, 1, 0], [4, 1, 0], [4, 2, 0]].map(|tail| [&[1, 3, 6, 1, 2, 1][..], &tail].concat());
    system.chain(others).map(Oid::new).collect()
}

pub(crate) fn if_table() -> Oid {
    Oid::new([1, 3, 6, 1, 2, 1, 2, 2])
}

/// Some or all of the 22 columns of the ifTable.
pub(crate) fn if_columns(columns: impl IntoIterator<Item = u32>) -> Vec<Oid> {
    columns.into_iter().map(|column| if_table().child(&[1, column])).collect()
}
