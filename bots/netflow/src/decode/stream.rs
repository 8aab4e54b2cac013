//! What is remembered of one stream: an exporter's packets of one version and observation domain.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use grafoleancollector::Timestamp;

use super::learnt::Template;
use super::plan::BEFORE;
use super::room::{Limits, Room, Share};
use super::sampling::Sampling;
use super::sequence::Sequence;
use super::template::Form;
use super::times::Times;
use super::told::Name;
use crate::books::{ExporterBooks, InterfaceName};
use crate::flow::Version;

/// A template that has not been repeated for so many seconds is not believed any more. Cisco's routers repeat them
/// after a day, if they are told to repeat them as rarely as they can.
pub(super) const TEMPLATE_LIFE: i64 = 25 * 3_600;

/// When there is no room for another template or stream, one takes it that has been quiet for so many seconds.
pub(super) const QUIET: i64 = QUIET_SECONDS as i64;
const QUIET_SECONDS: u64 = 30 * 60;

/// So often within so many seconds a template turns back only where several exporters share an address. Many repeat
/// their templates each half hour.
const MOST_TURNS: u8 = 3;
const TURNS_WITHIN: i64 = 2 * 3_600;

/// Data sets wait so many seconds for their template. Most exporters repeat theirs within half an hour.
pub(super) const PATIENCE: i64 = 31 * 60;

/// What a stream takes of memory, besides what it remembers.
pub(super) const STREAM_BYTES: usize = size_of::<Stream>() + 64;

/// Seconds from one moment to another; below zero when it is before it.
pub(super) fn seconds(now: Timestamp, then: Timestamp) -> i64 {
    now.as_micros().saturating_sub(then.as_micros()) / 1_000_000
}

/// A moment, so many microseconds later.
pub(super) fn later(moment: Timestamp, micros: i64) -> Timestamp {
    Timestamp::from_micros(moment.as_micros().saturating_add(micros))
}

/// A data set that came before its template.
#[derive(Debug)]
pub(super) struct WaitingSet {
    pub(super) template: u16,
    pub(super) received: Timestamp,
    pub(super) times: Times,
    /// Its records, with eight bytes before them.
    pub(super) data: Box<[u8]>,
}

/// What has become of a template.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Learnt {
    New,
    Changed,
    Same,
    /// Its records cannot be read.
    Unusable,
    NoRoom,
}

/// The memory of a source and of all, while one of its streams is at work.
pub(super) struct Budget<'a> {
    pub(super) share: &'a mut Share,
    pub(super) room: &'a mut Room,
    pub(super) limits: &'a Limits,
    pub(super) books: &'a ExporterBooks,
}

impl Budget<'_> {
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        self.share.take(bytes, self.room, self.limits)
    }

    /// The same for what flows can be read without: half of the room is not for it.
    pub(super) fn take_spare(&mut self, bytes: usize) -> bool {
        self.share.bytes + bytes <= self.limits.bytes_per_source / 2
            && self.room.all + bytes <= self.limits.bytes / 2
            && self.take(bytes)
    }

    pub(super) fn give(&mut self, bytes: usize) {
        self.share.give(bytes, self.room);
    }
}

/// One stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) version: Version,
    pub(super) domain: u32,
    /// Sorted by id.
    templates: Vec<(u16, Box<Template>)>,
    pub(super) waiting: VecDeque<WaitingSet>,
    waiting_bytes: usize,
    /// What its rates and names take.
    pub(super) options_bytes: usize,
    pub(super) sampling: Sampling,
    pub(super) names: BTreeMap<u32, InterfaceName>,
    pub(super) exporter: Name,
    /// When it began, in milliseconds since the epoch, where its packets do not say.
    pub(super) boot: Option<i64>,
    pub(super) sequence: Sequence,
    pub(super) last: Timestamp,
    /// How often, and since when, a template turned back to the definition that it had before.
    turns: Option<(Timestamp, u8)>,
    /// There is no room for more templates before: so that a flood of them costs little time.
    full_until: Option<Timestamp>,
    /// What is to be kept anew.
    pub(super) options_changed: bool,
    pub(super) sequence_changed: bool,
    pub(super) templates_changed: bool,
    /// Templates that are to be removed from what is kept.
    pub(super) removed: Vec<u16>,
}

impl Stream {
    pub(super) fn new(version: Version, domain: u32, now: Timestamp) -> Self {
        Self {
            version,
            domain,
            templates: Vec::new(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            options_bytes: 0,
            sampling: Sampling::default(),
            names: BTreeMap::new(),
            exporter: Name::None,
            boot: None,
            sequence: Sequence::default(),
            last: now,
            turns: None,
            full_until: None,
            options_changed: false,
            sequence_changed: false,
            templates_changed: false,
            removed: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn template(&self, id: u16) -> Option<&Template> {
        let at = self.templates.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        Some(&self.templates[at].1)
    }

    pub(super) fn templates(&self) -> &[(u16, Box<Template>)] {
        &self.templates
    }

    pub(super) fn templates_mut(&mut self) -> &mut [(u16, Box<Template>)] {
        &mut self.templates
    }

    /// A template came.
    pub(super) fn learn(
        &mut self,
        id: u16,
        (fields, form, options): (&[u8], Form, bool),
        now: Timestamp,
        budget: &mut Budget<'_>,
    ) -> Learnt {
        let found = self.templates.binary_search_by_key(&id, |(id, _)| *id);
        if let Ok(at) = found
            && self.templates[at].1.is(fields, form, options)
        {
            self.templates[at].1.refreshed = now;
            self.use_at(at, budget.books);
            // What is kept need not be written each time: it is enough that it is young when it is read.
            if self.templates[at].1.kept.is_some_and(|kept| seconds(now, kept) > TEMPLATE_LIFE / 8) {
                self.templates[at].1.is_changed = true;
                self.templates_changed = true;
            }
            return Learnt::Same;
        }
        if found.is_err() && self.full_until.is_some_and(|until| now < until) {
            return Learnt::NoRoom;
        }
        let Some(mut template) = Template::new(fields, form, options, now) else { return Learnt::Unusable };
        let learnt = if let Ok(at) = found {
            let old = &self.templates[at].1;
            template.former = old.digest();
            if old.former == template.digest() {
                self.turned_back(now, budget.books);
            }
            self.forget_at(at, budget);
            Learnt::Changed
        } else {
            Learnt::New
        };
        if self.put(id, template, budget) { learnt } else { Learnt::NoRoom }
    }

    /// A template has again the definition that it had before the last one. No exporter does so again and again: there
    /// are two.
    fn turned_back(&mut self, now: Timestamp, books: &ExporterBooks) {
        if self.turns.is_none_or(|(since, _)| seconds(now, since) > TURNS_WITHIN) {
            self.turns = Some((now, 0));
        }
        if let Some((_, turns)) = &mut self.turns {
            *turns = turns.saturating_add(1);
            if *turns >= MOST_TURNS {
                books.set_mixed();
            }
        }
    }

    /// Whether there was room.
    pub(super) fn put(&mut self, id: u16, template: Template, budget: &mut Budget<'_>) -> bool {
        if self.templates.len() >= budget.limits.templates {
            let oldest = self.templates.iter().enumerate().min_by_key(|(_, (_, old))| old.refreshed);
            match oldest {
                Some((at, (_, old))) if seconds(template.refreshed, old.refreshed) > QUIET => {
                    self.forget_at(at, budget);
                }
                _ => {
                    self.full_until =
                        oldest.map(|(_, (_, old))| old.refreshed.plus(Duration::from_secs(QUIET_SECONDS)));
                    return false;
                }
            }
        }
        let Err(at) = self.templates.binary_search_by_key(&id, |(id, _)| *id) else { return false };
        if !budget.take(template.bytes()) {
            return false;
        }
        self.templates_changed |= template.is_changed;
        budget.books.templates.add(template.is_counted.into());
        self.templates.insert(at, (id, Box::new(template)));
        true
    }

    /// Records are read with a template, if there is one.
    #[inline]
    pub(super) fn use_template(&mut self, id: u16, books: &ExporterBooks) {
        if let Ok(at) = self.templates.binary_search_by_key(&id, |(id, _)| *id) {
            self.use_at(at, books);
        }
    }

    fn use_at(&mut self, at: usize, books: &ExporterBooks) {
        if !std::mem::replace(&mut self.templates[at].1.is_counted, true) {
            books.templates.add(1);
        }
    }

    fn forget_at(&mut self, at: usize, budget: &mut Budget<'_>) {
        let (id, template) = self.templates.remove(at);
        self.full_until = None;
        budget.give(template.bytes());
        budget.books.templates.add(-i64::from(template.is_counted));
        // At most so many as there are ids, and only until they are told.
        if !self.removed.contains(&id) {
            self.removed.push(id);
        }
        self.templates_changed = true;
    }

    /// Forgets templates. Returns how many.
    pub(super) fn forget(
        &mut self,
        mut which: impl FnMut(u16, &Template) -> bool,
        budget: &mut Budget<'_>,
    ) -> u64 {
        let mut forgotten = 0;
        for at in (0..self.templates.len()).rev() {
            let (id, template) = &self.templates[at];
            if which(*id, template) {
                self.forget_at(at, budget);
                forgotten += 1;
            }
        }
        forgotten
    }

    /// Keeps a data set until its template comes; when there is no room, the oldest go.
    pub(super) fn wait(
        &mut self,
        template: u16,
        received: Timestamp,
        times: Times,
        records: &[u8],
        budget: &mut Budget<'_>,
    ) {
        let bytes = BEFORE + records.len() + size_of::<WaitingSet>();
        let fits = |stream: &Self| {
            stream.waiting.len() < budget.limits.waiting_sets
                && stream.waiting_bytes + bytes <= budget.limits.waiting_bytes
        };
        let mut dropped = 0;
        while !fits(self) && !self.waiting.is_empty() {
            dropped += u64::from(self.drop_oldest(budget.share, budget.room));
        }
        let waits = fits(self) && budget.take(bytes);
        budget.books.waiting.sets.add(i64::from(waits) - i64::try_from(dropped).unwrap_or(0));
        budget.books.waiting.dropped.add(dropped + u64::from(!waits));
        if waits {
            let mut data = Vec::with_capacity(BEFORE + records.len());
            data.extend_from_slice(&[0; BEFORE]);
            data.extend_from_slice(records);
            self.waiting_bytes += bytes;
            self.waiting.push_back(WaitingSet { template, received, times, data: data.into() });
        }
    }

    fn drop_oldest(&mut self, share: &mut Share, room: &mut Room) -> bool {
        let Some(set) = self.waiting.pop_front() else { return false };
        self.gave_up(&set, share, room);
        true
    }

    fn gave_up(&mut self, set: &WaitingSet, share: &mut Share, room: &mut Room) {
        let bytes = set.data.len() + size_of::<WaitingSet>();
        self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes);
        share.give(bytes, room);
    }

    /// Takes the first set that waited for that template.
    pub(super) fn waited(&mut self, template: u16, budget: &mut Budget<'_>) -> Option<WaitingSet> {
        let at = self.waiting.iter().position(|set| set.template == template)?;
        let set = self.waiting.remove(at)?;
        self.gave_up(&set, budget.share, budget.room);
        budget.books.waiting.sets.add(-1);
        Some(set)
    }

    /// Gives up what is too old.
    pub(super) fn expire(&mut self, now: Timestamp, budget: &mut Budget<'_>) {
        let removed = self.removed.len();
        let expired = self.forget(|_, template| template.is_expired(now), budget);
        // Another decoder, which has the exporter's datagrams now, may use it.
        if budget.books.is_shared() {
            self.removed.truncate(removed);
        }
        budget.books.templates_expired.add(expired);
        while self.waiting.front().is_some_and(|set| seconds(now, set.received) > PATIENCE) {
            self.drop_oldest(budget.share, budget.room);
            budget.books.waiting.sets.add(-1);
            budget.books.waiting.dropped.inc();
        }
    }

    /// The clock has leapt by so many microseconds: nothing is older for that.
    pub(super) fn leap(&mut self, by: i64) {
        self.last = later(self.last, by);
        self.full_until = self.full_until.map(|until| later(until, by));
        for (_, template) in &mut self.templates {
            template.leap(by);
            template.is_changed = true;
            self.templates_changed = true;
        }
    }

    /// Whether anything is to be kept anew.
    pub(super) fn is_changed(&self) -> bool {
        self.options_changed || self.sequence_changed || self.templates_changed
    }

    /// Since when anything waits.
    pub(super) fn waiting_since(&self) -> Option<Timestamp> {
        self.waiting.front().map(|set| set.received)
    }

    /// It is not followed any more: takes all that it has out of the books.
    pub(super) fn close(&mut self, budget: &mut Budget<'_>) {
        self.forget(|_, _| true, budget);
        budget.books.streams.add(-1);
        budget.give(STREAM_BYTES + std::mem::take(&mut self.options_bytes));
        budget.books.forget_interfaces(self.names.keys());
        while self.drop_oldest(budget.share, budget.room) {
            budget.books.waiting.sets.add(-1);
            budget.books.waiting.dropped.inc();
        }
    }
}
