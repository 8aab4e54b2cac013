//! What was heard of changes, and when that is worth a look at the jobs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::own_writes::OwnWrites;
use crate::backend::Change;
use crate::ids::UserId;
use crate::telemetry::{Counter, MetricsText};

/// A change seldom comes alone: a page saves a credential, then the device that uses it.
const SETTLES_AFTER: Duration = Duration::from_millis(200);
/// Between the beginnings of two looks.
const SHORTEST_GAP: Duration = Duration::from_secs(1);
/// The looks that follow changes take this share of the time at most: after one that took a second comes none for
/// ten.
const GAP_IN_LOOKS: u32 = 10;
/// So many looks may follow each other at the shortest gap: more than a person clicks in a row.
const LOOKS_IN_A_ROW: f64 = 10.0;
/// Then one more may come after each such time: whatever changes without an end is looked at this often.
const REFILLED_AFTER: Duration = Duration::from_secs(6);
/// Entities that are remembered by their ids; a change of more is a change of anything.
const MOST_ENTITIES: usize = 1_024;
/// How long the answers to our own writes are waited for, to know whose change it was that was heard.
const WAIT_FOR_ANSWERS: Duration = Duration::from_secs(1);

const ASK_AGAIN: Duration = Duration::from_millis(100);

/// What was heard since the last look. Bounded, whatever is told.
#[derive(Debug)]
pub(crate) struct Heard {
    state: Mutex<State>,
    woken: Notify,
    writes: Arc<OwnWrites>,
    heard: Counter,
    looks: Counter,
}

#[derive(Debug)]
struct State {
    user: UserId,
    /// When the first of it was heard.
    since: Option<Instant>,
    /// Entities, by account and id, and how often each changed: our own writes may be the reason.
    entities: HashMap<(u64, u64), u32>,
    /// Something else.
    anything: bool,
    /// While an answer is waited for.
    ask_again: Option<Instant>,
    last_look: Option<Instant>,
    gap: Duration,
    looks_left: f64,
    refilled: Instant,
}

impl Heard {
    /// Leaves out what `writes` did itself.
    pub(crate) fn new(writes: Arc<OwnWrites>) -> Self {
        let state = State {
            user: UserId::new(0),
            since: None,
            entities: HashMap::new(),
            anything: false,
            ask_again: None,
            last_look: None,
            gap: SHORTEST_GAP,
            looks_left: LOOKS_IN_A_ROW,
            refilled: Instant::now(),
        };
        let (heard, looks) = (Counter::default(), Counter::default());
        Self { state: Mutex::new(state), woken: Notify::new(), writes, heard, looks }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes of this bot itself, such as of what it may see, are of interest as well.
    pub(crate) fn of_user(&self, user: UserId) {
        self.state().user = user;
    }

    /// Takes up a change, if the jobs may depend on it.
    pub(crate) fn note(&self, change: &Change) {
        self.heard.inc();
        {
            let mut state = self.state();
            match subject(change, state.user) {
                None => return,
                Some(Subject::Entity(entity)) if state.entities.len() < MOST_ENTITIES => {
                    *state.entities.entry(entity).or_default() += 1;
                }
                Some(_) => state.anything = true,
            }
            state.since.get_or_insert_with(Instant::now);
        }
        if !matches!(change, Change::Of { .. }) {
            // Of what was written before, nothing more is told.
            self.writes.forget();
        }
        self.woken.notify_one();
    }

    /// Resolves when something was heard: [`next_look`](Self::next_look) is another now.
    pub(crate) async fn woken(&self) {
        self.woken.notified().await;
    }

    /// When a look is worth its cost, if anything was heard since the last.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        self.state().next_look(Instant::now())
    }

    /// Whether to look now. What our own writes changed is no reason.
    pub(crate) fn wants_look(&self) -> bool {
        let now = Instant::now();
        let mut state = self.state();
        if state.next_look(now).is_none_or(|moment| now < moment) {
            return false;
        }
        state.ask_again = None;
        if state.anything {
            return true;
        }
        state.entities.retain(|entity, changes| {
            while *changes > 0 && self.writes.did(*entity) {
                *changes -= 1;
            }
            *changes > 0
        });
        if state.entities.is_empty() {
            state.since = None;
            return false;
        }
        let waited = state.since.is_none_or(|since| now.duration_since(since) >= WAIT_FOR_ANSWERS);
        if waited || !self.writes.are_under_way() {
            return true;
        }
        state.ask_again = Some(now + ASK_AGAIN);
        false
    }

    /// A look begins, for whatever reason: it will see all that was heard before.
    pub(crate) fn look_begins(&self) {
        let mut state = self.state();
        if state.since.take().is_some() {
            self.looks.inc();
            state.refill(Instant::now());
            state.looks_left -= 1.0;
        }
        // What we did ourselves is told by now: the next change of the same entity is somebody else's.
        for (entity, changes) in state.entities.drain() {
            let _ours = (0..changes).take_while(|_| self.writes.did(entity)).count();
        }
        state.anything = false;
        state.ask_again = None;
        state.last_look = Some(Instant::now());
        state.gap = SHORTEST_GAP;
    }

    /// A look is over, and took so long.
    pub(crate) fn look_ended(&self, took: Duration) {
        self.state().gap = (took * GAP_IN_LOOKS).max(SHORTEST_GAP);
    }

    pub(crate) fn write(&self, out: &mut MetricsText) {
        out.counter("grafolean_changes_heard_total", "Changes that the backend told.", &self.heard);
        let help = "Looks at the configuration that followed a change, instead of the interval.";
        out.counter("grafolean_refreshes_after_changes_total", help, &self.looks);
    }
}

impl State {
    fn next_look(&mut self, now: Instant) -> Option<Instant> {
        let settled = self.since? + SETTLES_AFTER;
        self.refill(now);
        let refilled = now + REFILLED_AFTER.mul_f64((1.0 - self.looks_left).max(0.0));
        let rested = self.last_look.map(|last| last + self.gap);
        [rested, self.ask_again, Some(refilled)].into_iter().flatten().max().max(Some(settled))
    }

    /// Counts how many looks may be made again by now.
    fn refill(&mut self, now: Instant) {
        let passed = now.duration_since(self.refilled).div_duration_f64(REFILLED_AFTER);
        self.looks_left = (self.looks_left + passed).min(LOOKS_IN_A_ROW);
        self.refilled = now;
    }
}

enum Subject {
    Entity((u64, u64)),
    Anything,
}

/// What a change is about, if the jobs of the bot `user` may depend on it.
fn subject(change: &Change, user: UserId) -> Option<Subject> {
    let (topic, id) = match change {
        Change::Of { topic, id } => (&**topic, *id),
        // Nobody knows what changed.
        _ => return Some(Subject::Anything),
    };
    let ours = id.is_none_or(|id| id == user.get());
    let segments: Vec<&str> = topic.split('/').take(4).collect();
    match (&*segments, id) {
        (["accounts", account, "entities"], Some(id)) => {
            account.parse().ok().map(|account| Subject::Entity((account, id)))
        }
        (["accounts"] | ["profile"] | ["accounts", _, "entities" | "credentials" | "sensors"], _) => {
            Some(Subject::Anything)
        }
        // What we may see, or who we are.
        (["bots"] | ["accounts", _, "bots"], _) if ours => Some(Subject::Anything),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{AccountId, EntityId};

    const MILLI: Duration = Duration::from_millis(1);

    fn of(topic: &str, id: u64) -> Change {
        Change::Of { topic: topic.into(), id: Some(id) }
    }

    fn heard() -> Heard {
        let heard = Heard::new(Arc::default());
        heard.of_user(UserId::new(7));
        heard
    }

    /// Lets time pass as the loop does, and looks whenever it is time to; gives the moments.
    async fn looks(heard: &Heard, during: Duration, mut each: impl FnMut(Duration)) -> Vec<Duration> {
        let began = Instant::now();
        let mut looks = Vec::new();
        while began.elapsed() < during {
            each(began.elapsed());
            if heard.wants_look() {
                heard.look_begins();
                looks.push(began.elapsed());
                heard.look_ended(Duration::from_millis(5));
            }
            tokio::time::advance(10 * MILLI).await;
        }
        looks
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_of_changes_makes_one_look_within_a_second() {
        let heard = heard();
        assert!(looks(&heard, Duration::from_secs(5), |_| {}).await.is_empty());
        let burst = looks(&heard, Duration::from_secs(5), |at| {
            if at < 150 * MILLI {
                heard.note(&of("accounts/1/sensors", 3));
            }
        });
        assert_eq!(burst.await, [SETTLES_AFTER]);
    }

    #[tokio::test(start_paused = true)]
    async fn changes_without_an_end_are_looked_at_each_second_at_first_and_each_six_later() {
        let heard = heard();
        let all = looks(&heard, Duration::from_secs(120), |_| heard.note(&Change::Lost)).await;
        assert!(all[1] - all[0] >= SHORTEST_GAP && all[1] - all[0] < 2 * SHORTEST_GAP, "{all:?}");
        assert!((27..=32).contains(&all.len()), "{} looks: {all:?}", all.len());
        let last = all[all.len() - 1] - all[all.len() - 2];
        assert!(last + 100 * MILLI >= REFILLED_AFTER, "{all:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_takes_long_is_not_made_again_at_once() {
        let heard = heard();
        heard.look_begins();
        heard.look_ended(Duration::from_secs(3));
        let looks = looks(&heard, Duration::from_secs(40), |_| heard.note(&Change::Lost)).await;
        assert!(looks[0] >= Duration::from_secs(29), "{looks:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn our_own_writes_are_no_reason_to_look_but_those_of_others_are() {
        let writes = Arc::<OwnWrites>::default();
        let heard = Heard::new(writes.clone());
        let write = |entity| writes.done(AccountId::new(1), EntityId::new(entity));
        // The answer comes after the change was told, or before.
        let under_way = writes.begin();
        let none = looks(&heard, Duration::from_secs(3), |at| {
            if at == Duration::ZERO {
                heard.note(&of("accounts/1/entities", 5));
            }
            if at == 500 * MILLI {
                write(5);
                write(6);
            }
            if at == 900 * MILLI {
                heard.note(&of("accounts/1/entities", 6));
            }
        });
        assert_eq!(none.await, []);
        drop(under_way);
        let one = looks(&heard, Duration::from_secs(3), |at| {
            if at == Duration::ZERO {
                heard.note(&of("accounts/1/entities", 6));
            }
        });
        assert_eq!(one.await.len(), 1, "it was written once, and changed twice");
        let under_way = writes.begin();
        heard.note(&of("accounts/2/entities", 8));
        assert_eq!(
            looks(&heard, Duration::from_secs(3), |_| {}).await.len(),
            1,
            "no answer says it was ours"
        );
        drop(under_way);
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_of_ours_that_a_look_has_seen_already_hid_the_next_change_of_somebody_else() {
        let writes = Arc::<OwnWrites>::default();
        let heard = Heard::new(writes.clone());
        for other in [of("accounts/1/sensors", 3), Change::Lost, Change::Began] {
            writes.done(AccountId::new(1), EntityId::new(5));
            heard.note(&of("accounts/1/entities", 5));
            heard.note(&other);
            assert_eq!(looks(&heard, Duration::from_secs(3), |_| {}).await.len(), 1);
            heard.note(&of("accounts/1/entities", 5));
            assert_eq!(looks(&heard, Duration::from_secs(3), |_| {}).await.len(), 1, "after {other:?}");
            // One that was not told, as nobody listened.
            writes.done(AccountId::new(1), EntityId::new(6));
            heard.note(&Change::Began);
            assert_eq!(looks(&heard, Duration::from_secs(3), |_| {}).await.len(), 1);
            heard.note(&of("accounts/1/entities", 6));
            assert_eq!(looks(&heard, Duration::from_secs(3), |_| {}).await.len(), 1, "after {other:?}");
            tokio::time::advance(10 * REFILLED_AFTER).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_jobs_do_not_depend_on_is_not_heard() {
        let heard = heard();
        for change in [
            of("accounts/1/paths", 1),
            of("accounts/1/problems", 7),
            of("accounts/1/bots", 8),
            of("bots", 8),
            of("persons", 7),
            of("accounts/1", 1),
            of("accounts/x/entities", 1),
            of("accounts/1/entities/5", 5),
            of("", 7),
        ] {
            heard.note(&change);
            assert_eq!(heard.next_look(), None, "{change:?}");
        }
        for change in [
            of("accounts", 1),
            of("accounts/1/bots", 7),
            of("bots", 7),
            of("profile", 7),
            of("accounts/1/entities", 5),
            of("accounts/1/credentials", 5),
            of("accounts/1/sensors", 5),
            Change::Began,
            Change::Lost,
        ] {
            heard.note(&change);
            assert!(heard.next_look().is_some(), "{change:?}");
            heard.look_begins();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn however_many_entities_change_few_are_remembered() {
        let heard = heard();
        (0..1_000_000).for_each(|id| heard.note(&of("accounts/1/entities", id)));
        assert!(heard.state().entities.len() <= MOST_ENTITIES);
        tokio::time::advance(SETTLES_AFTER).await;
        assert!(heard.wants_look());
    }
}
