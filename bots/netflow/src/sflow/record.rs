//! The records of a sample: each describes the sampled packet in its own way.

use super::Bytes;
use crate::packet::{IpHeader, Link, ip_within};
use crate::{Flow, Has, Ip};

const RAW_HEADER: u32 = 1;
const ETHERNET: u32 = 2;
const IPV4: u32 = 3;
const IPV6: u32 = 4;

/// What is known of a packet so far.
#[derive(Default)]
pub(super) struct Packet {
    flow: Flow,
    /// Whether its length is known.
    is_there: bool,
}

impl Packet {
    /// Adds what a record says. None where it ends too early; what could be read of it counts.
    ///
    /// Of several records of a packet, that with the header itself is the best, whatever their order.
    pub(super) fn describe(&mut self, format: u32, mut record: Bytes<'_>) -> Option<()> {
        match format {
            RAW_HEADER => {
                let [protocol, length, _stripped, header] = record.words()?;
                self.flow.bytes = length.into();
                self.is_there = true;
                let (header, is_whole) = record.take(header);
                let link = match protocol {
                    1 => Some(Link::Ethernet),
                    7 | 14 => Some(Link::Ppp),
                    11 | 12 => Some(Link::Ip),
                    13 => Some(Link::Mpls),
                    _ => None,
                };
                if let Some(ip) = link.and_then(|link| ip_within(link, header.0)).and_then(IpHeader::read) {
                    self.take_header(&ip);
                }
                is_whole.then_some(())
            }
            ETHERNET => {
                self.is_long(record.u32()?);
                Some(())
            }
            IPV4 => {
                let [length, protocol] = record.words()?;
                let [src, dst] = record.words()?;
                self.is_long(length);
                self.take_fields(Ip::v4(src), Ip::v4(dst), protocol, record.words()?);
                Some(())
            }
            IPV6 => {
                let [length, protocol] = record.words()?;
                let (src, dst) = (record.array()?, record.array()?);
                self.is_long(length);
                self.take_fields(Ip::v6(src), Ip::v6(dst), protocol, record.words()?);
                Some(())
            }
            // Switch, router, gateway, tunnels, and all that vendors add: nothing of it is counted here.
            _ => Some(()),
        }
    }

    /// The flow, if anything is known of the packet.
    pub(super) fn flow(self) -> Option<Flow> {
        self.is_there.then_some(Flow { packets: 1, ..self.flow })
    }

    fn is_long(&mut self, length: u32) {
        if !self.is_there {
            self.flow.bytes = length.into();
            self.is_there = true;
        }
    }

    fn take_header(&mut self, ip: &IpHeader<'_>) {
        let mut has = Has::default();
        if ip.protocol.is_some() {
            has = has.with(Has::PROTOCOL);
        }
        let ports = ip.ports();
        if ports.is_some() {
            has = has.with(Has::SRC_PORT).with(Has::DST_PORT);
        }
        let (src_port, dst_port) = ports.unwrap_or_default();
        self.flow = Flow {
            src: ip.src,
            dst: ip.dst,
            src_port,
            dst_port,
            protocol: ip.protocol.unwrap_or_default(),
            tcp_flags: ip.tcp_flags().unwrap_or_default(),
            tos: ip.tos,
            has,
            ..self.flow
        };
    }

    #[expect(clippy::cast_possible_truncation, reason = "words whose low bits are the field")]
    fn take_fields(&mut self, src: Ip, dst: Ip, protocol: u32, rest: [u32; 4]) {
        // The header itself has said it already.
        if self.flow.has.has(Has::PROTOCOL) {
            return;
        }
        let [src_port, dst_port, tcp_flags, tos] = rest;
        let protocol = protocol as u8;
        let mut has = Has::PROTOCOL;
        if matches!(protocol, 6 | 17 | 33 | 132 | 136) {
            has = has.with(Has::SRC_PORT).with(Has::DST_PORT);
        }
        self.flow = Flow {
            src,
            dst,
            src_port: src_port as u16,
            dst_port: dst_port as u16,
            protocol,
            tcp_flags: tcp_flags as u8,
            tos: tos as u8,
            has,
            ..self.flow
        };
    }
}
