//! Large JSON, written straight into bytes and handed on in pieces.

use bytes::Bytes;
use serde::Serialize;

/// The size of a piece: large enough to cost nothing, small enough to be moved about.
const PIECE: usize = 256 << 10;

/// JSON that grows.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    done: Vec<Bytes>,
    open: Vec<u8>,
}

impl Pieces {
    /// Adds what is JSON already.
    pub(crate) fn raw(&mut self, json: &str) {
        self.open.extend_from_slice(json.as_bytes());
    }

    pub(crate) fn number(&mut self, number: i64) {
        self.value(&number);
    }

    /// Adds `null` for nothing.
    pub(crate) fn value<T: Serialize + ?Sized>(&mut self, value: &T) {
        // Texts and numbers become JSON without fail.
        let _ = serde_json::to_writer(&mut self.open, value);
    }

    /// To be called between two records.
    pub(crate) fn rest(&mut self) {
        if self.open.len() >= PIECE {
            self.done.push(Bytes::from(std::mem::take(&mut self.open)));
            self.open = Vec::with_capacity(PIECE + 4_096);
        }
    }

    pub(crate) fn finish(mut self) -> Vec<Bytes> {
        if !self.open.is_empty() {
            self.done.push(Bytes::from(self.open));
        }
        self.done
    }
}
