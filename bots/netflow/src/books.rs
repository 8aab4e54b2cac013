//! What is counted of each exporter.
//!
//! Decoders write, and anybody reads: all numbers are atomics. An exporter is the address that datagrams come from.
//! What grows with each packet comes from the decoder's own plain numbers, within a second.

mod exporter;
mod pending;
mod show;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) use exporter::Said;
pub use exporter::{
    ExporterBooks, InterfaceName, Malformed, RateOrigin, SamplingRate, VersionBooks, Waiting,
};
use grafoleancollector::telemetry::Counter;
pub(crate) use pending::Pending;

use crate::flow::Ip;

/// The books of all exporters.
///
/// ```
/// use std::sync::Arc;
/// use grafolean_netflow_bot::books::Books;
/// use grafolean_netflow_bot::decode::Decoder;
/// use grafolean_netflow_bot::{Ip, Version};
/// use grafoleancollector::Timestamp;
///
/// let books = Arc::new(Books::default());
/// let mut decoder = Decoder::new(Arc::clone(&books));
/// let mut packet = [0; 24 + 48];
/// packet[1] = 5; // the version
/// packet[3] = 1; // one flow
/// decoder.datagram(Timestamp::from_secs(1_700_000_000), Ip::v4(1), &packet, &mut |_, flows| assert_eq!(flows.len(), 1));
/// decoder.flush();
/// let [exporter] = &books.list()[..] else { panic!() };
/// assert_eq!(exporter.version(Version::V5).flows.get(), 1);
/// ```
#[derive(Debug, Default)]
pub struct Books {
    exporters: Mutex<HashMap<Ip, Arc<ExporterBooks>>>,
    /// The sums of exporters that are not remembered any more.
    gone: ExporterBooks,
    /// Datagrams of sources for which there is no room.
    pub refused: Counter,
}

impl Books {
    /// The books of one exporter, for a decoder, which gives them back with [`Books::close`].
    pub(crate) fn open(&self, address: Ip) -> Arc<ExporterBooks> {
        let mut exporters = self.exporters.lock().unwrap_or_else(PoisonError::into_inner);
        let books = exporters.entry(address).or_insert_with(|| Arc::new(ExporterBooks::new(address)));
        books.opened();
        Arc::clone(books)
    }

    /// A decoder does not remember the exporter any more.
    pub(crate) fn close(&self, address: Ip) {
        let mut exporters = self.exporters.lock().unwrap_or_else(PoisonError::into_inner);
        if exporters.get(&address).is_some_and(|books| books.closed())
            && let Some(books) = exporters.remove(&address)
        {
            self.gone.add(&books);
        }
    }

    /// The books of one exporter.
    #[must_use]
    pub fn of(&self, address: Ip) -> Option<Arc<ExporterBooks>> {
        let exporters = self.exporters.lock().unwrap_or_else(PoisonError::into_inner);
        exporters.get(&address).map(Arc::clone)
    }

    /// All exporters that are remembered, by address.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<ExporterBooks>> {
        let exporters = self.exporters.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = exporters.values().map(Arc::clone).collect();
        drop(exporters);
        all.sort_unstable_by_key(|books| books.address());
        all
    }
}
