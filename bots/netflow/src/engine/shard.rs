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
use super::door::Door;
use super::keeper::{Change, Message, Received};
use super::spare::SpareSlices;
use crate::aggregate::Slice;
use crate::archive::Feed;
use crate::books::Books;
use crate::decode::Decoder;
use crate::flow::Ip;
use crate::receive::{Listener, Networks, RateLimit, Receiver};

/// How much time a slice covers: what a kill may cost, and how long a window may wait for its close.
pub(super) const SLICE: Duration = Duration::from_secs(5);
/// What a slice may take, before it is handed on early: a hundred thousand connections with their addresses, at both sides
/// of an interface. Much less, and traffic that repeats itself is added up again and again.
const SLICE_BYTES: usize = 24 << 20;
/// How long the socket is waited for before the time is looked at.
const WAIT: Duration = Duration::from_millis(100);

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
    pub(super) spare: Arc<SpareSlices>,
    pub(super) allow: Option<Networks>,
    pub(super) most_per_second: Option<NonZeroU32>,
    pub(super) archive: Option<Feed>,
}

/// Tells the keeper that nobody need wait for this shard any more, however it ends.
struct Leave {
    shard: usize,
    keeper: SyncSender<Message>,
}

impl Drop for Leave {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("a thread that receives flows has died, which is a bug: restart the bot");
        }
        // The keeper ends before us only when it has died.
        let _ = self.keeper.send(Message::Gone { shard: self.shard });
    }
}

/// What changes from turn to turn.
struct State {
    decoder: Decoder,
    slice: Slice,
    door: Door,
    /// None until the configuration is known.
    directives: Option<Arc<Directives>>,
    version: u64,
    rate: Option<RateLimit>,
    kernel_drops: u64,
    /// Changes of streams that the keeper had no room for.
    unsent: Vec<Change>,
    archive: Option<Feed>,
}

impl Shard {
    /// Works until it is told to stop.
    pub(super) fn run(mut self) {
        let _leave = Leave { shard: self.number, keeper: self.keeper.clone() };
        let mut receiver = Receiver::new(self.listener);
        let mut state = State {
            decoder: self.decoder,
            slice: Slice::new(self.clock.now(), SLICE_BYTES),
            door: Door::default(),
            directives: None,
            version: 0,
            rate: self.most_per_second.map(RateLimit::new),
            kernel_drops: 0,
            unsent: Vec::new(),
            archive: self.archive.take(),
        };
        let tools = Tools {
            number: self.number,
            books: self.books,
            control: self.control,
            counts: self.counts,
            keeper: self.keeper,
            spare: self.spare,
            allow: self.allow,
        };
        loop {
            let stopping = tools.control.stopping.load(Relaxed);
            tools.look_at_directives(&mut state);
            let now = self.clock.now();
            let early = stopping || state.slice.is_full();
            if let Some(until) = end_of_slice(state.slice.begin(), now, early)
                && tools.hand_over(&mut state, now, until, stopping).is_err()
            {
                tracing::error!("the thread that adds up flows has died, which is a bug: restart the bot");
                return;
            }
            if stopping {
                return;
            }
            tools.receive(&mut state, &mut receiver, now, wait(now));
        }
    }
}

/// What stays.
struct Tools {
    number: usize,
    books: Arc<Books>,
    control: Arc<Control>,
    counts: Arc<ShardCounts>,
    keeper: SyncSender<Message>,
    spare: Arc<SpareSlices>,
    allow: Option<Networks>,
}

/// The keeper has died.
struct NoKeeper;

impl Tools {
    fn look_at_directives(&self, state: &mut State) {
        if self.control.version() != state.version {
            let (version, directives) = self.control.directives();
            state.decoder.set_known(directives.known());
            (state.version, state.directives) = (version, Some(directives));
        }
    }

    /// Hands the slice to the keeper. It waits for it only at the end.
    fn hand_over(
        &self,
        state: &mut State,
        now: Timestamp,
        until: Timestamp,
        last: bool,
    ) -> Result<(), NoKeeper> {
        if let Some(archive) = &mut state.archive {
            archive.flush();
        }
        let mut streams = std::mem::take(&mut state.unsent);
        streams.extend(state.decoder.changes());
        let mut next = self.spare.take().unwrap_or_else(|| Slice::new(now, SLICE_BYTES));
        next.begin_anew(now);
        let slice = std::mem::replace(&mut state.slice, next);
        let strangers = state.door.take_seen();
        let received = Box::new(Received { shard: self.number, slice, until, streams, strangers });
        match self.keeper.try_send(Message::Received(received)) {
            Ok(()) => Ok(()),
            Err(TrySendError::Disconnected(_)) => Err(NoKeeper),
            Err(TrySendError::Full(message)) if last => self.keeper.send(message).map_err(|_| NoKeeper),
            Err(TrySendError::Full(message)) => {
                self.counts.late.inc();
                // It goes on in the slice that it has: its flows may count for the window before their own, but they
                // count.
                if let Message::Received(received) = message {
                    (state.slice, state.unsent) = (received.slice, received.streams);
                }
                Ok(())
            }
        }
    }

    /// Receives for a moment.
    fn receive(&self, state: &mut State, receiver: &mut Receiver, now: Timestamp, wait: Duration) {
        let State { decoder, slice, door, directives, rate, archive, .. } = state;
        let none = Directives::default();
        let known = directives.as_deref();
        let rules = known.unwrap_or(&none);
        let mut each = |source: Ip, datagram: &[u8]| {
            if self.allow.as_ref().is_some_and(|allow| !allow.contains(source)) {
                return self.counts.not_allowed.inc();
            }
            if rate.as_mut().is_some_and(|rate| !rate.allows(source, now)) {
                return self.counts.above_rate.inc();
            }
            decoder.datagram(now, source, datagram, &mut |origin, flows| {
                let (exporter, rules) = rules.exporter(origin);
                if door.lets_in(&exporter, known) {
                    slice.add(&exporter, rules, flows);
                    if let Some(archive) = archive {
                        archive.offer(origin, flows);
                    }
                }
            });
        };
        let address = receiver.listener().local_addr();
        match catch_unwind(AssertUnwindSafe(|| receiver.receive(wait, &mut each))) {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                self.counts.socket_errors.inc();
                if let Some(more) = self.control.errors.say() {
                    tracing::warn!("cannot receive at {address}: {error}{more}");
                }
                std::thread::sleep(WAIT);
            }
            Err(_) => {
                self.counts.panics.inc();
                if let Some(more) = self.control.errors.say() {
                    tracing::error!(
                        "a datagram could not be decoded, which is a bug: templates and the last flows of all exporters \
                         at {address} are forgotten{more}"
                    );
                }
                // Whatever it was in the middle of.
                state.decoder = Decoder::new(Arc::clone(&self.books));
                state.slice = Slice::new(now, SLICE_BYTES);
                state.version = 0;
            }
        }
        state.decoder.tick(now);
        state.decoder.flush();
        let dropped = receiver.dropped_by_kernel();
        self.counts.kernel_drops.add(dropped - state.kernel_drops);
        state.kernel_drops = dropped;
    }
}

/// How long to wait for datagrams: not over the end of a slice, so that what comes after it is in the next one.
fn wait(now: Timestamp) -> Duration {
    const SHORTEST: Duration = Duration::from_millis(1);
    let step = i64::try_from(SLICE.as_micros()).unwrap_or(i64::MAX);
    let left = step - now.as_micros().rem_euclid(step);
    Duration::from_micros(left.unsigned_abs()).clamp(SHORTEST, WAIT)
}

/// Whether a slice is over, and up to when everything is in it then.
fn end_of_slice(begin: Timestamp, now: Timestamp, early: bool) -> Option<Timestamp> {
    let step = i64::try_from(SLICE.as_micros()).unwrap_or(i64::MAX);
    let grid = |moment: Timestamp| moment.as_micros().div_euclid(step);
    // A clock that was set back ends a slice as well: what it has must not wait until the old time comes again.
    let is_over = early || grid(now) != grid(begin);
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
    fn nobody_waits_over_the_end_of_a_slice() {
        assert_eq!(wait(at(61_200)), WAIT);
        assert_eq!(wait(at(64_970)), Duration::from_millis(30));
        assert_eq!(wait(Timestamp::from_micros(64_999_999)), Duration::from_millis(1));
        assert_eq!(wait(at(65_000)), WAIT);
    }

    #[test]
    fn a_clock_that_is_set_back_ends_a_slice() {
        assert_eq!(end_of_slice(at(101_000), at(100_500), false), None);
        assert_eq!(end_of_slice(at(100_000), at(99_000), false), Some(at(95_000)));
        assert_eq!(end_of_slice(at(100_000), at(12_000), false), Some(at(10_000)));
    }

    #[test]
    fn a_slice_that_ends_early_says_nothing_of_the_time_that_is_not_over() {
        assert_eq!(end_of_slice(at(61_200), at(62_000), true), Some(at(60_000)));
    }
}
