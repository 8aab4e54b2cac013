//! What is kept of streams when the bot ends, in bytes.

use super::Decoder;
use super::stream::Stream;
use crate::flow::Ip;

/// Says that all that was kept of a stream may go.
pub(super) fn forget(_address: Ip, _stream: &Stream, _removed: &mut Vec<Vec<u8>>) {}

impl Decoder {}
