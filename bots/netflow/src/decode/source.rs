//! What is remembered of one source of datagrams.

use std::sync::Arc;

use grafoleancollector::Timestamp;

use super::room::Share;
use super::stream::Stream;
use crate::books::ExporterBooks;
use crate::flow::Version;

/// One source.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) books: Arc<ExporterBooks>,
    pub(super) share: Share,
    pub(super) streams: Vec<Stream>,
    pub(super) last: Timestamp,
    /// Sixteen times the smoothed skew of its clock, in milliseconds.
    skew: Option<i64>,
    /// Whether it is in the list of those whose streams have changed.
    pub(super) is_changed: bool,
}

impl Source {
    pub(super) fn new(books: Arc<ExporterBooks>, share: Share, now: Timestamp) -> Self {
        Self { books, share, streams: Vec::new(), last: now, skew: None, is_changed: false }
    }

    pub(super) fn position(&self, version: Version, domain: u32) -> Option<usize> {
        self.streams.iter().position(|stream| stream.domain == domain && stream.version == version)
    }

    /// Follows the exporter's clock.
    pub(super) fn clock(&mut self, export: i64, received: Timestamp) -> i64 {
        let skew = received.as_millis().saturating_sub(export);
        let smoothed = match self.skew {
            // So many that a clock which is set is noticed within some packets.
            Some(smoothed) => smoothed + skew - smoothed / 16,
            None => skew.saturating_mul(16),
        };
        self.skew = Some(smoothed);
        self.books.set_skew_ms(smoothed / 16);
        smoothed / 16
    }
}

/// Since when anything waits in any of them.
pub(super) fn waiting_since(streams: &[Stream]) -> Option<Timestamp> {
    streams.iter().filter_map(Stream::waiting_since).min()
}
