//! Records that hold a piece of the frame itself (IE 315).

use crate::flow::{Flow, Has};
use crate::packet::{IpHeader, Link, ip_within, u16_at};

/// Adds what the frame says and the record does not.
pub(super) fn describe(frame: &[u8], flow: &mut Flow) {
    let Some(packet) = ip_within(Link::Ethernet, frame) else { return };
    let Some(ip) = IpHeader::read(packet) else { return };
    if flow.bytes == 0 {
        let length = match ip.src.to_addr() {
            std::net::IpAddr::V4(_) => u16_at(packet, 2).map(u64::from),
            std::net::IpAddr::V6(_) => u16_at(packet, 4).map(|payload| u64::from(payload) + 40),
        };
        flow.bytes = length.unwrap_or_default();
    }
    if flow.src.is_none() && flow.dst.is_none() {
        (flow.src, flow.dst, flow.tos) = (ip.src, ip.dst, ip.tos);
        if let Some(protocol) = ip.protocol {
            flow.protocol = protocol;
            flow.has = flow.has.with(Has::PROTOCOL);
        }
        if let Some((src, dst)) = ip.ports() {
            (flow.src_port, flow.dst_port) = (src, dst);
            flow.has = flow.has.with(Has::SRC_PORT).with(Has::DST_PORT);
        }
        flow.tcp_flags = ip.tcp_flags().unwrap_or(flow.tcp_flags);
    }
}
