//! One socket and its requests under way: sending, and judging whatever comes back.

use super::clock::Moment;
use super::error::PingError;
use super::flights::{CAPACITY, Claim, Flights, Outcome, Verdict};
use super::packet::{self, Echo, HEADER_LEN, Layout, Message, NONCE_LEN, Reason};
use super::socket::{About, IcmpSocket, IpFamily, SocketKind};
use super::stats::{Counters, SocketStats};
use super::sys::{self, BATCH, Batch, Info, Queue};
use grafoleancollector::Address;
use socket2::{SockAddr, Socket};
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, Ready};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

/// Batches received before other tasks get their turn. A flood of foreign packets must not stop the process.
const BATCHES_IN_A_ROW: usize = 64;
/// Longest packet that is read whole: an error may quote a lot and append its own data (RFC 4884).
const LONGEST_ERROR: usize = 1536;
/// Headers that may come before the payload of a reply: IPv4 with all options, ICMP.
const REPLY_OVERHEAD: usize = 60 + HEADER_LEN;
/// Pauses between attempts while the send buffer or a device's queue is full; both empty within milliseconds.
const FULL_QUEUE_PAUSE: Duration = Duration::from_millis(2);
/// A device's queue that stays full this long is not busy but broken.
const FULL_QUEUE_PATIENCE: Duration = Duration::from_secs(5);
/// Errors of other requests that may surface in one send before it is believed that the error is our own.
const FOREIGN_SEND_ERRORS: usize = 8;

/// Locks are taken in the order of the fields, and never held across an await.
pub(crate) struct Family {
    fd: AsyncFd<Socket>,
    about: About,
    counters: Arc<Counters>,
    /// One permit per sequence number: who finds all under way waits here, first come first served.
    sequences: Semaphore,
    inbox: Mutex<Inbox>,
    /// The request that is being sent; all but its head is the same for all.
    outgoing: Mutex<Vec<u8>>,
    flights: Mutex<Flights>,
}

struct Inbox {
    batch: Batch,
    wakers: Vec<Waker>,
    /// The kernel's count of dropped packets when last seen.
    drops: u32,
    /// When the socket was last found empty.
    empty_at: Option<Instant>,
}

impl Family {
    pub(crate) fn new(
        IcmpSocket { socket, about }: IcmpSocket,
        payload: usize,
        counters: Arc<Counters>,
    ) -> io::Result<Self> {
        let mut packet = vec![0; HEADER_LEN + payload.max(NONCE_LEN)];
        // As ping(8) fills it: counting bytes show what was cut or changed on the way in a packet capture.
        packet.iter_mut().skip(HEADER_LEN).zip((0..=u8::MAX).cycle()).for_each(|(byte, n)| *byte = n);
        let inbox = Inbox {
            batch: Batch::new(LONGEST_ERROR.max(REPLY_OVERHEAD + packet.len())),
            wakers: Vec::with_capacity(BATCH),
            drops: 0,
            empty_at: None,
        };
        let interest = Interest::READABLE | Interest::ERROR;
        Ok(Self {
            fd: sys::watch(socket, interest)?,
            about,
            counters,
            sequences: Semaphore::new(CAPACITY),
            inbox: Mutex::new(inbox),
            outgoing: Mutex::new(packet),
            flights: Mutex::new(Flights::new()),
        })
    }

    pub(crate) fn stats(&self) -> SocketStats {
        let About { kind, receive_buffer, send_buffer, .. } = self.about;
        SocketStats { kind, receive_buffer, send_buffer }
    }

    pub(crate) fn waiting(&self) -> usize {
        locked(&self.flights).waiting()
    }

    pub(crate) fn sequences(&self) -> &Semaphore {
        &self.sequences
    }

    /// Sends a request. The caller holds a permit of [`sequences`](Self::sequences).
    pub(crate) async fn send(&self, target: Address, timeout: Duration) -> Result<Flight<'_>, PingError> {
        let nonce = fastrand::u64(..);
        let begun = locked(&self.flights).begin(target, nonce, timeout);
        let sequence = begun.ok_or_else(|| PingError::Send(ErrorKind::ResourceBusy.into()))?;
        let mut flight = Flight { family: self, sequence, timeout, deadline: Instant::now() };
        let address = SockAddr::from(target.socket_addr(0));
        let first_attempt = flight.deadline;
        loop {
            match self.send_now(sequence, nonce, &address) {
                Ok(sent) => {
                    self.counters.sent.add(1);
                    flight.deadline = sent.monotonic + timeout;
                    return Ok(flight);
                }
                // Not by waiting for writability: with an error queue, the first ICMP error makes epoll report the
                // socket as closed for writing, which tokio takes as ready for ever, and the wait would spin.
                Err(error) if is_full(&error, first_attempt.elapsed()) => sleep(FULL_QUEUE_PAUSE).await,
                Err(error) => return Err(self.failed_send(error)),
            }
        }
    }

    fn failed_send(&self, error: io::Error) -> PingError {
        let error = PingError::from_send(error);
        match error {
            PingError::Unreachable { .. } => self.counters.unreachable.add(1),
            _ => self.counters.send_errors.add(1),
        }
        error
    }

    fn send_now(&self, sequence: u16, nonce: u64, to: &SockAddr) -> io::Result<Moment> {
        let About { family, id, .. } = self.about;
        let mut packet = locked(&self.outgoing);
        match family {
            IpFamily::V4 => packet::encode_v4(id, sequence, nonce, &mut packet),
            IpFamily::V6 => packet::encode_v6(id, sequence, nonce, &mut packet),
        }
        let mut attempts = 0;
        loop {
            let sent = locked(&self.flights).launch(sequence);
            match self.fd.get_ref().send_to(&packet, to) {
                Ok(_) => return Ok(sent),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // With an error queue, the kernel also fails the next call on the socket with an ICMP error that
                // some earlier request got, and forgets it: only an error that stays is about this request.
                Err(error) if attempts < FOREIGN_SEND_ERRORS && is_about_a_target(&error) => attempts += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Receives until the family is dropped.
    pub(crate) async fn keep_receiving(self: Arc<Self>) {
        loop {
            // An error here means that the runtime is shutting down.
            let Ok(mut ready) = self.fd.ready(Interest::READABLE | Interest::ERROR).await else { return };
            if self.receive() {
                ready.clear_ready_matching(Ready::READABLE | Ready::ERROR);
            } else {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Receives what is there; false when there may be more.
    fn receive(&self) -> bool {
        let mut inbox = locked(&self.inbox);
        let started = Instant::now();
        let mut empty = self.receive_from(Queue::Packets, &mut inbox);
        if self.about.kind == SocketKind::Datagram {
            empty &= self.receive_from(Queue::Errors, &mut inbox);
        }
        if empty {
            inbox.empty_at = Some(started);
        }
        empty
    }

    fn receive_from(&self, queue: Queue, inbox: &mut Inbox) -> bool {
        let mut failed = false;
        for _ in 0..BATCHES_IN_A_ROW {
            match inbox.batch.receive(self.fd.as_fd(), queue) {
                Ok(received) => {
                    failed = false;
                    self.judge(inbox, queue);
                    // Each is woken without a lock that it would have to wait for.
                    for waker in inbox.wakers.drain(..) {
                        waker.wake();
                    }
                    if received < BATCH {
                        return true;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                // Interrupted, or an ICMP error that is also on the error queue: reading it has cleared it.
                Err(_) => failed = true,
            }
        }
        // An error that will not go away must not be retried at full speed: then the next arrival wakes us.
        failed
    }

    fn judge(&self, inbox: &mut Inbox, queue: Queue) {
        let counters = &self.counters;
        // After the packets were read, so that it is later than all their timestamps.
        let now = Moment::now();
        let mut flights = locked(&self.flights);
        for (info, bytes) in inbox.batch.packets() {
            if let Some(drops) = info.drops {
                counters.kernel_drops.add(drops.wrapping_sub(inbox.drops).into());
                inbox.drops = drops;
            }
            let judged = match queue {
                Queue::Packets => self.judge_packet(&mut flights, info, bytes, now),
                Queue::Errors => self.judge_error(&mut flights, info, bytes),
            };
            let Some((verdict, waker)) = judged else { continue };
            match verdict {
                Verdict::Answered => counters.answered.add(1),
                Verdict::Unreachable => counters.unreachable.add(1),
                Verdict::Late => counters.late.add(1),
                Verdict::Duplicate => counters.duplicate.add(1),
                Verdict::Foreign => counters.foreign.add(1),
            }
            inbox.wakers.extend(waker);
        }
    }

    fn judge_packet(
        &self,
        flights: &mut Flights,
        info: &Info,
        bytes: &[u8],
        now: Moment,
    ) -> Option<(Verdict, Option<Waker>)> {
        let (Some(from), false, Ok(message)) =
            (info.address, info.truncated, packet::parse(self.about.layout(), bytes))
        else {
            self.counters.malformed.add(1);
            return None;
        };
        match message {
            Message::Reply(reply) => Some(match self.claim(reply, from.into()) {
                Some(claim) => flights.reply(claim, info.arrived, now),
                None => (Verdict::Foreign, None),
            }),
            Message::Unreachable { reason, destination, request } => {
                Some(match self.claim(request, destination.into()) {
                    Some(claim) => flights.unreachable(claim, reason, from.ip()),
                    None => (Verdict::Foreign, None),
                })
            }
            Message::Other => None,
        }
    }

    fn judge_error(
        &self,
        flights: &mut Flights,
        info: &Info,
        bytes: &[u8],
    ) -> Option<(Verdict, Option<Waker>)> {
        // Without an ICMP error it is this host's own complaint, which the send has already reported.
        let (error, target) = (info.error?, info.address?);
        let layout = self.about.layout();
        let reason = match layout {
            Layout::Ipv6 => Reason::from_v6(error.kind, error.code),
            Layout::Ipv4Raw | Layout::Ipv4Datagram => Reason::from_v4(error.kind, error.code),
        };
        let claim = self.claim(packet::parse_request(layout, bytes)?, target.into())?;
        Some(flights.unreachable(claim, reason, error.from))
    }

    fn claim(&self, echo: Echo<'_>, target: Address) -> Option<Claim> {
        (echo.id == self.about.id).then(|| Claim { sequence: echo.sequence, nonce: echo.nonce(), target })
    }

    /// Makes sure that what arrived before `deadline` has been judged. When this process got no CPU for a while,
    /// timers fire before the socket is read, and answers that came in time would be taken for lost.
    fn catch_up(&self, deadline: Instant) {
        let caught_up = locked(&self.inbox).empty_at.is_some_and(|at| at >= deadline);
        if !caught_up {
            self.receive();
        }
    }
}

/// Whether a send failed for lack of room only, which time will bring.
fn is_full(error: &io::Error, since: Duration) -> bool {
    match error.raw_os_error() {
        Some(libc::EAGAIN) => true,
        Some(libc::ENOBUFS) => since < FULL_QUEUE_PATIENCE,
        _ => false,
    }
}

fn is_about_a_target(error: &io::Error) -> bool {
    let about_the_socket = [libc::EAGAIN, libc::ENOBUFS, libc::ENOMEM, libc::EBADF, libc::EINVAL];
    error.raw_os_error().is_some_and(|code| !about_the_socket.contains(&code))
}

/// A poisoned lock is used on: what it guards is valid between any two statements.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request that has a sequence number; dropping it gives the number back.
pub(crate) struct Flight<'a> {
    family: &'a Family,
    sequence: u16,
    timeout: Duration,
    deadline: Instant,
}

impl Flight<'_> {
    /// Waits for the end of the request.
    pub(crate) async fn outcome(&self) -> Result<Outcome, PingError> {
        let outcome = poll_fn(|cx| locked(&self.family.flights).poll(self.sequence, cx.waker()));
        let outcome = match tokio::time::timeout_at(self.deadline, outcome).await {
            Ok(outcome) => outcome,
            Err(_) => {
                self.family.catch_up(self.deadline);
                locked(&self.family.flights).outcome(self.sequence)
            }
        };
        outcome.filter(|outcome| *outcome != Outcome::Late).ok_or_else(|| {
            self.family.counters.timed_out.add(1);
            PingError::TimedOut(self.timeout)
        })
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        locked(&self.family.flights).end(self.sequence);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_buffer_is_waited_for_and_a_full_device_too_but_not_for_ever() {
        let [again, no_buffers, refused] =
            [libc::EAGAIN, libc::ENOBUFS, libc::EHOSTUNREACH].map(io::Error::from_raw_os_error);
        for since in [Duration::ZERO, 2 * FULL_QUEUE_PATIENCE] {
            assert!(is_full(&again, since));
            assert_eq!(is_full(&no_buffers, since), since.is_zero());
            assert!(!is_full(&refused, since));
        }
    }

    #[test]
    fn only_errors_that_a_router_can_cause_may_be_anothers() {
        assert!(is_about_a_target(&io::Error::from_raw_os_error(libc::EHOSTUNREACH)));
        assert!(!is_about_a_target(&io::Error::from_raw_os_error(libc::ENOBUFS)));
    }
}
