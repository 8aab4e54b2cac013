//! Delivers one account's samples: live ones first, the backlog at a bounded rate, one request at a time.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use super::backoff::Backoff;
use super::batch::{self, BATCH_SAMPLES, Fate, Load};
use super::books::Aside;
use super::outbox::parcel::Seq;
use super::triage::{self, Judgement, Kind, Refusal, Setback, Unsent};
use super::ward::Ward;
use super::{Core, Status};
use crate::ids::AccountId;
use crate::sample::Sample;

/// Live samples are gathered this long before the next request: five small requests a second at most, and
/// nobody sees the difference in a chart.
const GATHER: Duration = Duration::from_millis(200);
/// How often a stopped account is tried: a person who granted a permission sees the effect within a minute.
const PROBE: Duration = Duration::from_secs(60);
/// When all that is left to do cannot be done now, it is looked at again after this.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// Attempts in a row that may fail in a drain, and the longest wait between them: then there is no hope, and
/// what is on disk waits there for the next start. What is only in memory would be lost: for it, attempts go on.
const DRAIN_ATTEMPTS: u32 = 2;
const DRAIN_WAIT: Duration = Duration::from_secs(5);
/// The longest wait in a drain when samples would be lost: a grace of ten seconds holds several attempts.
const DRAIN_PAUSE: Duration = Duration::from_secs(2);

pub(crate) struct Courier {
    account: AccountId,
    core: Arc<Core>,
    bell: Arc<Notify>,
    /// Tells when the token became good again since the last request was sent.
    good_tokens: watch::Receiver<u64>,
    backoff: Backoff,
    /// Samples in a request: halved when requests fail that may be too large, doubled when one is stored.
    limit: usize,
    /// Nothing is sent before this, after a setback.
    pause: Option<Instant>,
    /// Since when nothing goes through, and why.
    setback: Option<(Instant, Judgement)>,
    ward: Ward,
    /// Stored requests.
    successes: u64,
    refused_in_a_row: u32,
    live_sent: Option<Instant>,
    /// The backlog holds nothing that could be sent before this.
    backlog_blocked: Option<Instant>,
    /// The drain that was noticed, and attempts that failed in it.
    drain: (u64, u32),
}

impl Courier {
    pub(crate) fn new(account: AccountId, core: Arc<Core>) -> Self {
        let bell = core.outbox.bell(account);
        let good_tokens = core.good_tokens.subscribe();
        Self {
            account,
            core,
            bell,
            good_tokens,
            backoff: Backoff::new(),
            limit: BATCH_SAMPLES,
            pause: None,
            setback: None,
            ward: Ward::default(),
            successes: 0,
            refused_in_a_row: 0,
            live_sent: None,
            backlog_blocked: None,
            drain: (0, 0),
        }
    }

    /// Delivers until it is told to stop. It is not dropped in the middle then: what it has in its hands may
    /// be nowhere else, and goes back into the outbox.
    pub(crate) async fn run(mut self) {
        // After a panic, what the courier knows may be half a truth, but never costs a sample: those are in
        // the outbox.
        while let Err(panic) = AssertUnwindSafe(self.work()).catch_unwind().await {
            self.suffer(&Setback::panicked(&*panic));
            self.core.changed();
        }
    }

    async fn work(&mut self) {
        loop {
            self.wait_out_the_pause().await;
            let Some(load) = self.next_load().await else { return };
            let setback = self.deliver(load).await;
            if let Some(setback) = setback {
                self.suffer(&setback);
            }
            self.core.changed();
        }
    }

    /// Sleeps until the next attempt is due. A drain that begins, or a token that is good again, ends it.
    async fn wait_out_the_pause(&mut self) {
        while let Some(until) = self.pause {
            if self.drain_began() || until <= Instant::now() || self.core.is_stopping() {
                self.pause = None;
                return;
            }
            let token = matches!(self.setback, Some((_, Judgement::Stopped(Refusal::Token))));
            tokio::select! {
                () = self.core.stopping() => {}
                () = sleep_until(until) => {}
                () = self.bell.notified() => {}
                _ = self.good_tokens.changed(), if token => self.pause = None,
            }
        }
    }

    /// Whether a drain began since the last look: then everything is tried once, at once.
    fn drain_began(&mut self) -> bool {
        let drain = self.core.drain();
        if drain == self.drain.0 {
            return false;
        }
        self.drain = (drain, 0);
        self.backlog_blocked = None;
        self.ward.try_all();
        drain != 0
    }

    /// Waits for something to deliver; `None` when delivery stops.
    async fn next_load(&mut self) -> Option<Load> {
        while !self.core.is_stopping() {
            self.drain_began();
            let draining = self.drain.0 != 0;
            let now = Instant::now();
            let level = self.core.outbox.level(self.account);
            if level.waiting == 0 {
                self.nothing_waits();
            }
            let mut wake = None;
            if level.live > 0 {
                let ripe = self.live_sent.map_or(now, |sent| sent + GATHER);
                if draining || now >= ripe || level.live >= BATCH_SAMPLES {
                    let parcels = self.core.outbox.take_live(self.account, self.limit);
                    if !parcels.is_empty() {
                        self.live_sent = Some(now);
                        return Some(self.unpack(parcels));
                    }
                } else {
                    wake = Some(ripe);
                }
            }
            if level.waiting > level.live {
                let rate = if draining { None } else { Some(self.core.pace.due()) };
                let due = rate.max(self.backlog_blocked).unwrap_or(now);
                if now >= due {
                    if let Some(load) = self.backlog(draining).await {
                        return Some(load);
                    }
                    let due = self.ward.next_due(now);
                    self.backlog_blocked = Some(due.unwrap_or(now + LOOK_AGAIN).min(now + LOOK_AGAIN));
                    continue;
                }
                wake = Some(wake.map_or(due, |wake: Instant| wake.min(due)));
            }
            if draining {
                self.core.drained(self.account, self.drain.0);
            }
            self.core.changed();
            let wake = async {
                match wake {
                    Some(wake) => sleep_until(wake).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.core.stopping() => {}
                () = wake => {}
                () = self.bell.notified() => {}
            }
        }
        None
    }

    async fn backlog(&mut self, draining: bool) -> Option<Load> {
        let skip = self.ward.skip(self.successes);
        let parcels = self.core.outbox.take_backlog(self.account, self.limit, skip).await;
        if parcels.is_empty() {
            return None;
        }
        if !draining {
            self.core.pace.spend(parcels.iter().map(|parcel| parcel.samples.len()).sum());
        }
        Some(self.unpack(parcels))
    }

    fn unpack(&self, parcels: Vec<super::outbox::parcel::Parcel>) -> Load {
        let (load, duplicates) = Load::new(parcels);
        for sample in duplicates {
            let words = "another value at the same path and time was sent".to_owned();
            self.core.books.set_aside(self.account, &sample, Aside::Duplicate, words);
        }
        load
    }

    /// Sends a load in batches, as far as it goes, and tells the outbox what became of it.
    async fn deliver(&mut self, mut load: Load) -> Option<Setback> {
        let before = self.successes;
        let all = 0..load.samples.len();
        let mut setback = None;
        let mut from = 0;
        while from < all.end && setback.is_none() && !self.core.is_stopping() {
            let limit = self.limit.min(self.ward.limit(load.seqs(all.clone())));
            let to = from + batch::cut(&load.samples[from..], limit, self.core.options.mode);
            let mut row = self.refused_in_a_row;
            let sent =
                AssertUnwindSafe(triage::send(self, &mut load, from..to, &mut row)).catch_unwind().await;
            self.refused_in_a_row = row;
            // The load lives on, and goes back into the outbox.
            setback = sent.unwrap_or_else(|panic| Err(Setback::panicked(&*panic))).err();
            from = to;
        }
        if let Some(setback) = &mut setback {
            self.blame(&load, setback);
        }
        self.judge_refused(&mut load, before, setback.as_ref());
        let settled = load.settle();
        for item in settled.iter().filter(|item| matches!(item.rest, super::outbox::Rest::Nothing)) {
            self.ward.forget(item.seq);
        }
        self.core.outbox.settle(self.account, settled).await;
        if self.successes > before {
            self.backlog_blocked = None;
        }
        setback
    }

    /// Sets aside what was refused, if the backend accepted something in the same load or since it refused the
    /// same before: otherwise the backend may refuse everything, and it is kept.
    fn judge_refused(&mut self, load: &mut Load, before: u64, setback: Option<&Setback>) {
        let refuses_all = matches!(
            setback.map(|setback| &setback.judgement),
            Some(Judgement::Trouble { kind: Kind::RefusesAll, .. })
        );
        for (at, words) in std::mem::take(&mut load.refused) {
            let seqs: Vec<Seq> = load.seqs(at..at + 1).collect();
            let known = self.ward.was_refused_before(&seqs, self.successes);
            if known || (self.successes > before && !refuses_all) {
                load.fates[at] = Fate::SetAside;
                self.core.books.set_aside(self.account, &load.samples[at], Aside::Refused, words);
                continue;
            }
            if let Some(unsaid) = self.core.books.kept.say() {
                let (account, path) = (self.account, load.samples[at].path.as_str());
                tracing::warn!(%account, path,
                    "a sample was refused, and nothing was accepted since: it is kept until the backend accepts \
                     another one: {words}{unsaid}");
            }
            self.ward.suspect(&seqs, self.successes);
        }
    }

    /// Finds out whether a failure is that of some parcels alone. Then the courier goes on, and they are tried later.
    fn blame(&mut self, load: &Load, setback: &mut Setback) {
        let Judgement::Trouble { smaller: true, .. } = setback.judgement else { return };
        setback.local = self.ward.blame(load, setback.range.clone(), self.successes);
        if setback.local {
            tracing::debug!(account = %self.account, "a parcel fails where others pass: {}", setback.words);
        }
    }

    /// After a setback: what waits is backlog now, and nothing is sent for a while.
    fn suffer(&mut self, setback: &Setback) {
        let now = Instant::now();
        self.backlog_blocked = None;
        if setback.local {
            return;
        }
        let (wait, over) = match &setback.judgement {
            Judgement::Trouble { retry_after, smaller, .. } => {
                if *smaller {
                    self.limit = (self.limit / 2).max(1);
                }
                let mut wait = self.backoff.next(*retry_after);
                self.drain.1 += 1;
                let hopeless = self.drain.1 >= DRAIN_ATTEMPTS || wait > DRAIN_WAIT;
                let would_be_lost = self.core.outbox.is_only_in_memory(self.account);
                if self.drain.0 != 0 && would_be_lost && retry_after.is_none() {
                    wait = wait.min(DRAIN_PAUSE);
                }
                (wait, hopeless && !would_be_lost)
            }
            Judgement::Stopped(_) | Judgement::Samples => (PROBE, true),
        };
        self.core.outbox.demote(self.account);
        self.pause = Some(now + wait);
        let before = self.setback.as_ref();
        let since = before.map_or(now, |(since, _)| *since);
        if before.is_none_or(|(_, judgement)| !alike(judgement, &setback.judgement)) {
            self.say(setback);
        }
        self.setback = Some((since, setback.judgement.clone()));
        let wall = self.core.clock.now().minus(now.duration_since(since));
        let why = setback.to_string();
        self.core.set_status(
            self.account,
            match setback.judgement {
                Judgement::Stopped(stop) => {
                    let why = format!("{}: {why}", stop.words(self.account, self.core.options.mode));
                    Status::Stopped { since: wall, stop, why }
                }
                _ => Status::BackingOff { since: wall, why },
            },
        );
        if over && self.drain.0 != 0 {
            self.core.drained(self.account, self.drain.0);
        }
    }

    /// What was in the way, if anything, was dropped or set aside: nothing is in the way any more.
    fn nothing_waits(&mut self) {
        self.ward.forget_all();
        if self.setback.take().is_some() {
            self.backoff.reset();
            self.core.set_status(self.account, Status::Delivering);
        }
    }

    fn say(&self, setback: &Setback) {
        let (account, waiting) = (self.account, self.core.outbox.level(self.account).waiting);
        match setback.judgement {
            // Said once for all accounts.
            Judgement::Stopped(Refusal::Token) if !self.core.say_bad_token() => {}
            Judgement::Stopped(stop) => {
                let words = stop.words(account, self.core.options.mode);
                tracing::error!(%account, waiting,
                    "delivery stops, samples are kept, and it is tried every minute: {words}: {setback}");
            }
            Judgement::Trouble { kind: Kind::Panicked, .. } => tracing::error!(%account, waiting,
                "samples are kept, and delivered after a pause: {setback}"),
            _ => tracing::warn!(%account, waiting,
                "samples cannot be delivered; they are kept and tried again: {setback}"),
        }
    }

    /// A request was stored.
    fn succeed(&mut self, samples: usize) {
        self.successes += 1;
        self.ward.succeed();
        self.limit = (self.limit * 2).min(BATCH_SAMPLES);
        self.drain.1 = 0;
        self.core.books.requests_stored.inc();
        self.core.books.stored.add(samples as u64);
        if let Some((since, judgement)) = self.setback.take() {
            self.backoff.reset();
            let waiting = self.core.outbox.level(self.account).waiting;
            let after = since.elapsed();
            tracing::info!(account = %self.account, after = %format_args!("{after:.1?}"), waiting,
                "samples are delivered again");
            if judgement == Judgement::Stopped(Refusal::Token) {
                self.core.token_is_good();
            }
            self.core.set_status(self.account, Status::Delivering);
        }
    }
}

impl triage::Sender for Courier {
    async fn send(&mut self, samples: &[Sample]) -> Result<(), Unsent> {
        let request = async {
            let _permit = self.core.requests.acquire().await;
            self.good_tokens.mark_unchanged();
            self.core.api.store(self.account, samples).await
        };
        let result = tokio::select! {
            biased;
            result = request => result,
            () = self.core.stopping() => return Err(Unsent::Stopping),
        };
        match &result {
            Ok(()) => self.succeed(samples.len()),
            Err(_) => self.core.books.requests_failed.inc(),
        }
        Ok(result?)
    }
}

/// Whether two setbacks are the same to a person.
fn alike(a: &Judgement, b: &Judgement) -> bool {
    match (a, b) {
        (Judgement::Trouble { kind: a, .. }, Judgement::Trouble { kind: b, .. }) => a == b,
        _ => a == b,
    }
}
