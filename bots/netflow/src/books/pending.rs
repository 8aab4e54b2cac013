//! What one decoder has counted, and not yet added to an exporter's books.

use super::ExporterBooks;
use crate::flow::Version;

/// Plain numbers of what is counted for each packet: several decoders may write in the same books, and an atomic
/// addition costs as much as a flow.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Pending {
    pub(crate) packets: u64,
    pub(crate) datagram_bytes: u64,
    pub(crate) flows: u64,
    pub(crate) octets: u64,
    pub(crate) arrived: u64,
    pub(crate) long_flows: u64,
}

impl ExporterBooks {
    /// Adds what was counted of packets of one version.
    pub(crate) fn settle(&self, version: Version, pending: &mut Pending) {
        let of_version = self.version(version);
        let Pending { packets, datagram_bytes, flows, octets, arrived, long_flows } = std::mem::take(pending);
        for (counter, more) in [
            (&of_version.packets, packets),
            (&of_version.datagram_bytes, datagram_bytes),
            (&of_version.flows, flows),
            (&of_version.octets, octets),
            (&of_version.arrived, arrived),
            (&self.long_flows, long_flows),
        ] {
            if more > 0 {
                counter.add(more);
            }
        }
    }
}
