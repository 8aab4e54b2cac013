//! From datagrams to what is shown of them.

use std::io::{self, Write};
use std::sync::Arc;

use grafoleancollector::Timestamp;

use super::json;
use super::traffic::{Meter, Traffic};
use crate::Ip;
use crate::books::Books;
use crate::decode::{Decoder, Limits};

/// Decodes what it hears. Flows are measured, or written as JSON.
pub(super) struct Ear {
    pub(super) books: Arc<Books>,
    decoder: Decoder,
    meter: Meter,
    is_json: bool,
    /// Flows that may still be taken.
    room: u64,
    pub(super) heard: Heard,
}

/// What was heard.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Heard {
    pub(super) datagrams: u64,
    pub(super) flows: u64,
}

impl Ear {
    pub(super) fn new(is_json: bool, count: Option<u64>) -> Self {
        let books = Arc::new(Books::default());
        let decoder = Decoder::new(Arc::clone(&books)).with_limits(Limits::of_few());
        let room = count.unwrap_or(u64::MAX);
        Self { books, decoder, meter: Meter::default(), is_json, room, heard: Heard::default() }
    }

    /// Hears one datagram.
    pub(super) fn hear(
        &mut self,
        received: Timestamp,
        source: Ip,
        datagram: &[u8],
        out: &mut impl Write,
    ) -> io::Result<()> {
        let Self { decoder, meter, heard, room, is_json, .. } = self;
        heard.datagrams += 1;
        let mut written = Ok(());
        decoder.datagram(received, source, datagram, &mut |origin, flows| {
            let taken = usize::try_from(*room).unwrap_or(usize::MAX).min(flows.len());
            let flows = flows.get(..taken).unwrap_or_default();
            *room -= flows.len() as u64;
            heard.flows += flows.len() as u64;
            if !*is_json {
                meter.add(origin, flows);
            } else if written.is_ok() {
                written = flows.iter().try_for_each(|flow| json::write(out, origin, flow));
            }
        });
        decoder.flush();
        written
    }

    /// Whether as many flows as were asked for have come.
    pub(super) const fn has_enough(&self) -> bool {
        self.room == 0
    }

    /// What was in the flows since the last call.
    pub(super) fn take_traffic(&mut self) -> Traffic {
        self.meter.take()
    }
}
