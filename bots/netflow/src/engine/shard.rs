//! The thread behind a socket: from datagrams to slices. Nothing that it does waits for anybody.

use std::num::NonZeroU32;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use grafoleancollector::telemetry::Counter;
use grafoleancollector::{Clock, Timestamp};

use super::control::Control;
use super::directives::Directives;
use super::keeper::{Message, Received};
use crate::aggregate::Slice;
use crate::archive::Feed;
use crate::books::Books;
use crate::decode::Decoder;
use crate::flow::Ip;
use crate::receive::{Listener, Networks, RateLimit, Receiver};

/// How much time a slice covers: what a kill may cost, and how long a window may wait for its close.
pub(super) const SLICE: Duration = Duration::from_secs(5);
/// What a slice may take, before it is handed on early.
const SLICE_BYTES: usize = 24 << 20;
/// How long the socket is waited for before the time is looked at.
const WAIT: Duration = Duration::from_millis(100);
/// A clock that is set back by more than this begins a new slice; by less, the slice goes on until its end.
const JUMP: Duration = Duration::from_secs(60);

/// What is counted of a shard.
#[derive(Debug, Default)]
pub(crate) struct ShardCounts {
    /// Datagrams from outside the networks that may send.
    pub(crate) not_allowed: Counter,
    /// Datagrams above the rate that one exporter may send.
    pub(crate) above_rate: Counter,
    /// Slices that had to wait for the keeper.
    pub(crate) late: Counter,
    /// Datagrams that the kernel dropped.
    pub(crate) kernel_drops: Counter,
    /// Errors of the socket.
    pub(crate) socket_errors: Counter,
    /// Datagrams that the decoder could not stand.
    pub(crate) panics: Counter,
}

pub(super) struct Shard {
    pub(super) number: usize,
    pub(super) listener: Listener,
    pub(super) decoder: Decoder,
    pub(super) books: Arc<Books>,
    pub(super) control: Arc<Control>,
    pub(super) counts: Arc<ShardCounts>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) keeper: SyncSender<Message>,
    pub(super) allow: Option<Networks>,
    pub(super) most_per_second: Option<NonZeroU32>,
    pub(super) archive: Option<Feed>,
}

impl Shard {
    /// Works until it is told to stop.
    pub(super) fn run(self) {
        let Self {
            number,
            listener,
            mut decoder,
            books,
            control,
            counts,
            clock,
            keeper,
            allow,
            most_per_second,
            mut archive,
        } = self;
        let mut receiver = Receiver::new(listener);
        let mut directives = Arc::new(Directives::default());
        let mut version = 0;
        let mut rate = most_per_second.map(RateLimit::new);
        let mut slice = Slice::new(clock.now(), SLICE_BYTES);
        let mut kernel_drops = receiver.dropped_by_kernel();
        let mut unsent = Vec::new();
        loop {
            let stopping = control.stopping.load(Relaxed);
            if control.version() != version {
                (version, directives) = control.directives();
                decoder.set_known(directives.known());
            }
            let now = clock.now();
            if let Some(until) = end_of_slice(slice.begin(), now, stopping || slice.is_full()) {
                if let Some(archive) = &mut archive {
                    archive.flush();
                }
                let mut streams = std::mem::take(&mut unsent);
                streams.extend(decoder.changes());
                let full = std::mem::replace(&mut slice, Slice::new(now, SLICE_BYTES));
                let message =
                    Message::Received(Box::new(Received { shard: number, slice: full, until, streams }));
                match keeper.try_send(message) {
                    Ok(()) => {}
                    // It goes on in the slice that it has: its flows may count for the window before their own, but they
                    // count.
                    Err(TrySendError::Full(Message::Received(received))) if !stopping => {
                        counts.late.inc();
                        slice = received.slice;
                        unsent = received.streams;
                    }
                    Err(TrySendError::Full(message)) => drop(keeper.send(message)),
                    Err(TrySendError::Disconnected(_)) => return,
                }
            }
            if stopping {
                // The keeper may be gone before us only when it has died, and said so.
                let _ = keeper.send(Message::Gone { shard: number });
                return;
            }
            let mut each = |source: Ip, datagram: &[u8]| {
                if allow.as_ref().is_some_and(|allow| !allow.contains(source)) {
                    return counts.not_allowed.inc();
                }
                if rate.as_mut().is_some_and(|rate| !rate.allows(source, now)) {
                    return counts.above_rate.inc();
                }
                decoder.datagram(now, source, datagram, &mut |origin, flows| {
                    let (exporter, rules) = directives.exporter(origin);
                    slice.add(&exporter, rules, flows);
                    if let Some(archive) = &mut archive {
                        archive.offer(origin, flows);
                    }
                });
            };
            match catch_unwind(AssertUnwindSafe(|| receiver.receive(WAIT, &mut each))) {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => {
                    counts.socket_errors.inc();
                    if let Some(more) = control.errors.say() {
                        tracing::warn!(
                            "cannot receive at {}: {error}{more}",
                            receiver.listener().local_addr()
                        );
                    }
                    std::thread::sleep(WAIT);
                }
                Err(_) => {
                    counts.panics.inc();
                    if let Some(more) = control.errors.say() {
                        tracing::error!(
                            "a datagram could not be decoded, which is a bug: templates and the last flows of all \
                             exporters at {} are forgotten{more}",
                            receiver.listener().local_addr()
                        );
                    }
                    // Whatever it was in the middle of.
                    decoder = Decoder::new(Arc::clone(&books));
                    decoder.set_known(directives.known());
                    slice = Slice::new(now, SLICE_BYTES);
                }
            }
            decoder.tick(now);
            decoder.flush();
            let dropped = receiver.dropped_by_kernel();
            counts.kernel_drops.add(dropped - kernel_drops);
            kernel_drops = dropped;
        }
    }
}

/// Whether a slice is over, and up to when everything is in it then.
fn end_of_slice(begin: Timestamp, now: Timestamp, early: bool) -> Option<Timestamp> {
    let step = i64::try_from(SLICE.as_micros()).unwrap_or(i64::MAX);
    let grid = |moment: Timestamp| moment.as_micros().div_euclid(step);
    let is_over = early || grid(now) > grid(begin) || begin.since(now) > JUMP;
    is_over.then(|| Timestamp::from_micros(grid(now).saturating_mul(step)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_micros(millis * 1_000)
    }

    #[test]
    fn slices_end_on_the_grid_so_that_none_straddles_a_minute() {
        assert_eq!(end_of_slice(at(61_200), at(64_999), false), None);
        assert_eq!(end_of_slice(at(61_200), at(65_000), false), Some(at(65_000)));
        assert_eq!(end_of_slice(at(55_000), at(60_050), false), Some(at(60_000)));
        assert_eq!(end_of_slice(at(55_000), at(3_600_001), false), Some(at(3_600_000)));
    }

    #[test]
    fn a_clock_that_is_set_back_a_little_changes_nothing_and_far_begins_anew() {
        assert_eq!(end_of_slice(at(100_000), at(99_000), false), None);
        assert_eq!(end_of_slice(at(100_000), at(12_000), false), Some(at(10_000)));
    }

    #[test]
    fn a_slice_that_ends_early_says_nothing_of_the_time_that_is_not_over() {
        assert_eq!(end_of_slice(at(61_200), at(62_000), true), Some(at(60_000)));
    }
}
