//! Records that hold a piece of the frame itself (IE 315).

use crate::flow::Flow;

/// Adds what the frame says and the record does not.
pub(super) fn describe(frame: &[u8], flow: &mut Flow) {
    if flow.bytes == 0 {
        flow.bytes = frame.len() as u64;
    }
}
