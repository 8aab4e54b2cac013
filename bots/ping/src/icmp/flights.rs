//! Which requests are under way, and which of them an answer belongs to.

use super::clock::{Moment, RttClock, round_trip};
use super::packet::Reason;
use grafoleancollector::Address;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::task::{Poll, Waker};
use std::time::Duration;

/// Requests that can be under way at once: one per 16-bit sequence number.
pub(crate) const CAPACITY: usize = 1 << 16;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered {
        rtt: Duration,
        clock: RttClock,
    },
    Unreachable {
        reason: Reason,
        from: IpAddr,
    },
    /// The answer came, but after the timeout. Said as soon as it is known.
    Late,
}

/// What an arriving packet turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Answered,
    Unreachable,
    Late,
    Duplicate,
    Foreign,
}

/// An arrived packet's claim to be about one of our requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim {
    pub(crate) sequence: u16,
    /// `None` when an error quotes too little of the request.
    pub(crate) nonce: Option<u64>,
    /// Where the request went: for a reply its sender, for an error the quoted destination.
    pub(crate) target: Address,
}

#[derive(Debug)]
pub(crate) struct Flights {
    /// By sequence number; what is known of each number's last request, so that an answer that comes after its end
    /// is recognised. Grows up to [`CAPACITY`] (some 3 MB), by as much as is used.
    last: Vec<Last>,
    waiting: HashMap<u16, Waiting>,
    /// The numbers that are not under way. The one that has been free the longest is used next, which keeps late
    /// answers recognisable as long as possible.
    free: VecDeque<u16>,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    nonce: u64,
    target: Address,
    fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Waiting,
    Answered,
    Unanswered,
}

#[derive(Debug)]
struct Waiting {
    sent: Moment,
    timeout: Duration,
    outcome: Option<Outcome>,
    waker: Option<Waker>,
}

impl Flights {
    pub(crate) fn new() -> Self {
        Self { last: Vec::new(), waiting: HashMap::new(), free: VecDeque::new() }
    }

    /// Takes a sequence number for a request, or `None` when all are under way.
    pub(crate) fn begin(&mut self, target: Address, nonce: u64, timeout: Duration) -> Option<u16> {
        let last = Last { nonce, target, fate: Fate::Waiting };
        // Numbers never used come first: they cannot be mistaken for anything.
        let sequence = match u16::try_from(self.last.len()) {
            Ok(sequence) => {
                self.last.push(last);
                sequence
            }
            Err(_) => {
                let sequence = self.free.pop_front()?;
                self.last[usize::from(sequence)] = last;
                sequence
            }
        };
        self.waiting.insert(sequence, Waiting { sent: Moment::now(), timeout, outcome: None, waker: None });
        Some(sequence)
    }

    /// Notes that the request is about to be sent: the timeout counts from now.
    pub(crate) fn launch(&mut self, sequence: u16) -> Moment {
        let now = Moment::now();
        if let Some(waiting) = self.waiting.get_mut(&sequence) {
            waiting.sent = now;
        }
        now
    }

    /// Judges an echo reply; an answered request's waiter is handed out, to be woken without any lock held.
    pub(crate) fn reply(
        &mut self,
        claim: Claim,
        arrived: Option<Duration>,
        now: Moment,
    ) -> (Verdict, Option<Waker>) {
        let Some(last) = self.matching(&claim).filter(|last| claim.nonce == Some(last.nonce)) else {
            return (Verdict::Foreign, None);
        };
        match last.fate {
            Fate::Answered => return (Verdict::Duplicate, None),
            Fate::Unanswered => return (Verdict::Late, None),
            Fate::Waiting => {}
        }
        let Some(waiting) = self.waiting.get_mut(&claim.sequence) else { return (Verdict::Late, None) };
        let (rtt, clock) = round_trip(waiting.sent, arrived, now);
        let (fate, outcome, verdict) = if rtt <= waiting.timeout {
            (Fate::Answered, Outcome::Answered { rtt, clock }, Verdict::Answered)
        } else {
            (Fate::Unanswered, Outcome::Late, Verdict::Late)
        };
        (verdict, self.settle(claim.sequence, fate, outcome))
    }

    /// Judges an ICMP error.
    pub(crate) fn unreachable(
        &mut self,
        claim: Claim,
        reason: Reason,
        from: IpAddr,
    ) -> (Verdict, Option<Waker>) {
        let Some(last) =
            self.matching(&claim).filter(|last| claim.nonce.is_none_or(|nonce| nonce == last.nonce))
        else {
            return (Verdict::Foreign, None);
        };
        match last.fate {
            Fate::Answered => (Verdict::Duplicate, None),
            Fate::Unanswered => (Verdict::Late, None),
            Fate::Waiting => {
                let outcome = Outcome::Unreachable { reason, from };
                (Verdict::Unreachable, self.settle(claim.sequence, Fate::Unanswered, outcome))
            }
        }
    }

    fn matching(&self, claim: &Claim) -> Option<Last> {
        let last = *self.last.get(usize::from(claim.sequence))?;
        answers(claim.target, last.target).then_some(last)
    }

    fn settle(&mut self, sequence: u16, fate: Fate, outcome: Outcome) -> Option<Waker> {
        self.last[usize::from(sequence)].fate = fate;
        let waiting = self.waiting.get_mut(&sequence)?;
        waiting.outcome = Some(outcome);
        waiting.waker.take()
    }

    /// The outcome of a request, or a promise to wake `waker` when it is there.
    pub(crate) fn poll(&mut self, sequence: u16, waker: &Waker) -> Poll<Option<Outcome>> {
        match self.waiting.get_mut(&sequence) {
            // Not under way: there will never be an outcome.
            None => Poll::Ready(None),
            Some(waiting) => match waiting.outcome {
                Some(outcome) => Poll::Ready(Some(outcome)),
                None => {
                    match &mut waiting.waker {
                        Some(old) => old.clone_from(waker),
                        none => *none = Some(waker.clone()),
                    }
                    Poll::Pending
                }
            },
        }
    }

    /// The outcome of a request, if it is known.
    pub(crate) fn outcome(&self, sequence: u16) -> Option<Outcome> {
        self.waiting.get(&sequence)?.outcome
    }

    /// Gives the sequence number back, however the request ended.
    pub(crate) fn end(&mut self, sequence: u16) {
        if self.waiting.remove(&sequence).is_some() {
            let last = &mut self.last[usize::from(sequence)];
            if last.fate == Fate::Waiting {
                last.fate = Fate::Unanswered;
            }
            self.free.push_back(sequence);
        }
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

/// Whether an answer from `sender` can be `target`'s.
///
/// The kernel names the interface of link-local senders only, and a target need not name one.
fn answers(sender: Address, target: Address) -> bool {
    let one_is_open = sender.scope_id().is_none() || target.scope_id().is_none();
    sender.ip() == target.ip() && (one_is_open || sender.scope_id() == target.scope_id())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    const SECOND: Duration = Duration::from_secs(1);

    fn target(n: u8) -> Address {
        Ipv4Addr::new(127, 0, 0, n).into()
    }

    fn claim(sequence: u16, nonce: u64, n: u8) -> Claim {
        Claim { sequence, nonce: Some(nonce), target: target(n) }
    }

    /// A request to target 1 with nonce 7, and the verdict on a reply to it.
    struct One {
        flights: Flights,
        sequence: u16,
    }

    impl One {
        fn new() -> Self {
            let mut flights = Flights::new();
            let sequence = flights.begin(target(1), 7, SECOND).unwrap();
            flights.launch(sequence);
            Self { flights, sequence }
        }

        fn reply(&mut self, nonce: u64, n: u8) -> Verdict {
            self.flights.reply(claim(self.sequence, nonce, n), None, Moment::now()).0
        }
    }

    #[test]
    fn the_first_answer_counts_and_all_others_are_duplicates() {
        let mut one = One::new();
        assert_eq!(one.reply(7, 1), Verdict::Answered);
        assert_eq!(one.reply(7, 1), Verdict::Duplicate);
        assert!(matches!(one.flights.outcome(one.sequence), Some(Outcome::Answered { .. })));
        one.flights.end(one.sequence);
        assert_eq!(one.reply(7, 1), Verdict::Duplicate);
    }

    #[test]
    fn a_wrong_nonce_address_or_sequence_is_foreign() {
        let mut one = One::new();
        assert_eq!(one.reply(8, 1), Verdict::Foreign);
        assert_eq!(one.reply(7, 2), Verdict::Foreign);
        let other = claim(one.sequence.wrapping_add(1), 7, 1);
        assert_eq!(one.flights.reply(other, None, Moment::now()).0, Verdict::Foreign);
        assert_eq!(one.flights.outcome(one.sequence), None);
    }

    #[test]
    fn a_link_local_answer_must_come_through_the_targets_interface() {
        let [bare, one, two] =
            ["fe80::1", "fe80::1%1", "fe80::1%2"].map(|text| text.parse::<Address>().unwrap());
        assert!(answers(one, one) && answers(two, bare) && answers(bare, two));
        assert!(!answers(two, one));
    }

    #[test]
    fn an_answer_after_the_end_is_late() {
        let mut one = One::new();
        one.flights.end(one.sequence);
        assert_eq!(one.reply(7, 1), Verdict::Late);
        assert_eq!(one.flights.waiting(), 0);
    }

    #[test]
    fn an_answer_after_the_timeout_is_late_even_while_its_ping_still_waits() {
        let mut one = One::new();
        let mut now = Moment::now();
        now.real += 2 * SECOND;
        now.monotonic += 2 * SECOND;
        let stamp = Some(now.real);
        assert_eq!(one.flights.reply(claim(one.sequence, 7, 1), stamp, now).0, Verdict::Late);
        assert_eq!(one.flights.outcome(one.sequence), Some(Outcome::Late));
    }

    #[test]
    fn an_answer_that_came_in_time_counts_even_if_read_after_the_timeout() {
        let mut one = One::new();
        let mut now = Moment::now();
        let stamp = Some(now.real);
        now.real += 2 * SECOND;
        now.monotonic += 2 * SECOND;
        assert_eq!(one.flights.reply(claim(one.sequence, 7, 1), stamp, now).0, Verdict::Answered);
    }

    #[test]
    fn an_error_ends_a_ping_unless_it_quotes_another_request() {
        let mut one = One::new();
        let from = IpAddr::from([10, 0, 0, 1]);
        let wrong = claim(one.sequence, 8, 1);
        assert_eq!(one.flights.unreachable(wrong, Reason::Host, from).0, Verdict::Foreign);
        let short = Claim { nonce: None, ..wrong };
        assert_eq!(one.flights.unreachable(short, Reason::Host, from).0, Verdict::Unreachable);
        assert_eq!(
            one.flights.outcome(one.sequence),
            Some(Outcome::Unreachable { reason: Reason::Host, from })
        );
        assert_eq!(one.flights.unreachable(short, Reason::Host, from).0, Verdict::Late);
    }

    #[test]
    fn all_sequence_numbers_can_be_under_way_and_the_longest_free_is_reused_first() {
        let mut flights = Flights::new();
        for n in 0..=u16::MAX {
            assert_eq!(flights.begin(target(1), 1, SECOND), Some(n));
        }
        assert_eq!(flights.begin(target(1), 1, SECOND), None);
        for n in [500, 3, 77] {
            flights.end(n);
        }
        for n in [500, 3, 77] {
            assert_eq!(flights.begin(target(1), 1, SECOND), Some(n));
        }
        assert_eq!(flights.waiting(), CAPACITY);
    }

    proptest! {
        /// Whatever arrives in whatever order: a request is answered by its own nonce and address only, and once.
        #[test]
        fn no_answer_is_ever_taken_for_another(
            steps in proptest::collection::vec((0u8..4, 0u16..4, 0u64..4, 1u8..3), 0..200),
        ) {
            let mut flights = Flights::new();
            let mut open: HashMap<u16, (u64, u8, bool)> = HashMap::new();
            for (step, sequence, nonce, n) in steps {
                match step {
                    0 => {
                        let sequence = flights.begin(target(n), nonce, SECOND).unwrap();
                        prop_assert!(open.insert(sequence, (nonce, n, false)).is_none());
                    }
                    1 => {
                        flights.end(sequence);
                        open.remove(&sequence);
                    }
                    _ => {
                        let verdict = flights.reply(claim(sequence, nonce, n), None, Moment::now()).0;
                        let ours = open.get_mut(&sequence).filter(|it| (it.0, it.1) == (nonce, n));
                        let expect = ours.as_ref().is_some_and(|it| !it.2);
                        prop_assert_eq!(verdict == Verdict::Answered, expect);
                        if let Some(it) = ours {
                            it.2 = true;
                        }
                    }
                }
                prop_assert_eq!(flights.waiting(), open.len());
            }
        }
    }
}
