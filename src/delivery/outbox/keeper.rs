//! The thread that owns the outbox file.
//!
//! It takes all commands that wait and puts their writes into one transaction: a commit costs as much for one
//! sample as for a thousand. Small runs of one account become one row.
//!
//! While the file cannot be written, samples stay on the shelf in memory and are delivered from there; what
//! was delivered meanwhile is remembered, and removed from the file as soon as it can be written again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use rusqlite::{Connection, params};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::parcel::{PARCEL_SAMPLES, Parcel, Seq};
use super::retention::{self, Trust};
use super::rows::DroppedRow;
use super::{Dropped, Rest, Settled, Shared, codec, memory, rows};
use crate::clock::Clock;
use crate::dir_lock::DirLock;
use crate::ids::AccountId;
use crate::sample::Sample;

/// Samples in one transaction: some 0.1 s of work, so that nobody waits longer for the thread.
const GROUP_SAMPLES: usize = 20_000;
/// Commands in one transaction.
const GROUP_COMMANDS: usize = 1_024;
/// Live samples that are kept in memory as well, to be sent without reading them back: some 10 MB.
const LIVE_COPIES: usize = 100_000;

/// What the thread is asked.
pub(crate) enum Command {
    Put {
        account: AccountId,
        samples: Vec<Sample>,
        ack: oneshot::Sender<()>,
    },
    Take {
        account: AccountId,
        max: usize,
        skip: HashSet<Seq>,
        reply: oneshot::Sender<Vec<Parcel>>,
    },
    Settle {
        account: AccountId,
        settled: Vec<Settled>,
        ack: oneshot::Sender<()>,
    },
    Sweep {
        ack: oneshot::Sender<()>,
    },
    Close {
        ack: oneshot::Sender<()>,
    },
    #[cfg(test)]
    Die,
    #[cfg(test)]
    Block(std::time::Duration),
    #[cfg(test)]
    SetMaxPages {
        pages: u32,
        ack: oneshot::Sender<()>,
    },
}

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keeping {
    pub(crate) age: Duration,
    pub(crate) bytes: u64,
    /// In memory, while the file cannot be written.
    pub(crate) samples: usize,
}

pub(crate) struct Keeper {
    connection: Connection,
    /// Held as long as the file is open.
    _lock: DirLock,
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    keeping: Keeping,
    next: u64,
    bytes: u64,
    /// Delivered, but still in the file: it could not be written.
    gone: HashSet<Seq>,
    /// How far each account's backlog was handed out; at its end it begins anew.
    cursors: HashMap<AccountId, u64>,
    trouble_since: Option<Instant>,
    trust: Trust,
}

/// The writes of one transaction.
#[derive(Default)]
struct Writes {
    parcels: Vec<(AccountId, Parcel)>,
    settled: Vec<(AccountId, Settled)>,
}

/// What a transaction did, for the books: they are changed when it is committed.
#[derive(Default)]
struct Done {
    added_bytes: u64,
    removed_bytes: u64,
    /// Rows that were dropped: parcel, account, samples.
    dropped: Vec<(Seq, AccountId, usize)>,
    /// Parcels to be settled that had been dropped before, while a courier held them.
    missing: HashSet<Seq>,
}

impl Done {
    fn drop(&mut self, rows: Vec<DroppedRow>) {
        for DroppedRow { seq, account, samples, bytes } in rows {
            self.removed_bytes += bytes;
            self.dropped.push((seq, account, samples));
        }
    }
}

impl Keeper {
    pub(crate) fn new(
        connection: Connection,
        lock: DirLock,
        shared: Arc<Shared>,
        clock: Arc<dyn Clock>,
        keeping: Keeping,
        next: u64,
        bytes: u64,
    ) -> Self {
        Self {
            connection,
            _lock: lock,
            shared,
            clock,
            keeping,
            next,
            bytes,
            gone: HashSet::new(),
            cursors: HashMap::new(),
            trouble_since: None,
            trust: Trust::default(),
        }
    }

    pub(crate) fn run(mut self, mut queue: mpsc::Receiver<Command>) {
        while let Some(first) = queue.blocking_recv() {
            let (mut commands, mut writes, mut acks) = (1, Writes::default(), Vec::new());
            let mut reads = Vec::new();
            let mut open_parcels = HashMap::new();
            let mut samples_in_group = 0;
            let mut next = Some(first);
            while let Some(command) = next {
                match command {
                    Command::Put { account, samples, ack } => {
                        samples_in_group += samples.len();
                        self.gather(&mut writes, &mut open_parcels, account, samples);
                        acks.push(ack);
                    }
                    Command::Settle { account, settled, ack } => {
                        writes.settled.extend(settled.into_iter().map(|item| (account, item)));
                        acks.push(ack);
                    }
                    other => reads.push(other),
                }
                let full = commands >= GROUP_COMMANDS || samples_in_group >= GROUP_SAMPLES;
                next = if full { None } else { queue.try_recv().ok() };
                commands += 1;
            }
            self.write(writes);
            for ack in acks {
                let _ = ack.send(());
            }
            for read in reads {
                if let Some(closed) = self.perform(read) {
                    drop(self);
                    let _ = closed.send(());
                    return;
                }
            }
        }
    }

    /// Puts samples into the parcel of their account that is being filled.
    fn gather(
        &mut self,
        writes: &mut Writes,
        open: &mut HashMap<AccountId, usize>,
        account: AccountId,
        mut samples: Vec<Sample>,
    ) {
        if let Some((_, last)) = open.get(&account).and_then(|at| writes.parcels.get_mut(*at))
            && last.samples.len() + samples.len() <= PARCEL_SAMPLES
        {
            last.samples.append(&mut samples);
            return;
        }
        while !samples.is_empty() {
            let rest = samples.split_off(samples.len().min(PARCEL_SAMPLES));
            open.insert(account, writes.parcels.len());
            writes.parcels.push((account, Parcel { seq: Seq(self.next), samples }));
            self.next += 1;
            samples = rest;
        }
    }

    /// Everything that is no plain write. Returns whom to tell that the file is closed.
    fn perform(&mut self, command: Command) -> Option<oneshot::Sender<()>> {
        match command {
            Command::Put { .. } | Command::Settle { .. } => {}
            Command::Take { account, max, skip, reply } => {
                let _ = reply.send(self.take(account, max, &skip));
            }
            Command::Sweep { ack } => {
                self.sweep();
                let _ = ack.send(());
            }
            Command::Close { ack } => {
                self.write_down_what_is_only_in_memory();
                return Some(ack);
            }
            #[cfg(test)]
            Command::Die => panic!("a bug"),
            #[cfg(test)]
            Command::Block(time) => std::thread::sleep(time),
            #[cfg(test)]
            Command::SetMaxPages { pages, ack } => {
                let _ = self.connection.pragma_update(None, "max_page_count", pages);
                let _ = ack.send(());
            }
        }
        None
    }

    /// Writes, or keeps in memory what cannot be written.
    fn write(&mut self, writes: Writes) {
        let (in_memory, on_disk): (Vec<_>, Vec<_>) =
            writes.settled.into_iter().partition(|(_, settled)| settled.seq.only_in_memory());
        if !in_memory.is_empty() {
            let mut shelf = self.shared.shelf();
            for (account, settled) in in_memory {
                memory::put_back(&mut shelf, account, settled);
            }
        }
        let changes = on_disk.iter().any(|(_, settled)| !matches!(settled.rest, Rest::Unchanged(_)));
        if writes.parcels.is_empty() && !changes {
            return;
        }
        let parcels = writes.parcels;
        match self.transact(&parcels, &on_disk) {
            Ok(done) => {
                self.gone.clear();
                let mut shelf = self.shared.shelf();
                for (account, settled) in on_disk {
                    if done.missing.contains(&settled.seq) {
                        continue;
                    }
                    let left = match settled.rest {
                        Rest::Nothing => 0,
                        Rest::Unchanged(rest) | Rest::Changed(rest) => rest.len(),
                    };
                    shelf.settled(account, settled.had - left);
                }
                for (account, parcel) in parcels {
                    shelf.add_copy(account, parcel, LIVE_COPIES);
                }
                drop(shelf);
                self.note(&done, Dropped::Size);
                if let Some(since) = self.trouble_since.take() {
                    *self.shared.trouble() = None;
                    let held = self.shared.shelf().only_here();
                    tracing::info!(after = ?since.elapsed(), held, "the outbox file can be written again");
                }
                self.write_down_what_is_only_in_memory();
            }
            Err(error) => {
                self.in_trouble(&error);
                let mut shelf = self.shared.shelf();
                for (account, settled) in on_disk {
                    // A changed rest is not written: the whole parcel is sent again then, which is harmless.
                    if matches!(settled.rest, Rest::Nothing) {
                        shelf.settled(account, settled.had);
                        self.gone.insert(settled.seq);
                    }
                }
                for (account, parcel) in parcels {
                    shelf.add(account, parcel.samples);
                }
                let dropped = shelf.trim(self.keeping.samples);
                drop(shelf);
                self.shared.dropped(Dropped::Overflow, dropped);
            }
        }
    }

    fn transact(
        &self,
        parcels: &[(AccountId, Parcel)],
        settled: &[(AccountId, Settled)],
    ) -> rusqlite::Result<Done> {
        let mut done = Done::default();
        let tx = self.connection.unchecked_transaction()?;
        for seq in &self.gone {
            done.removed_bytes += rows::delete(&tx, *seq)?.unwrap_or(0);
        }
        for (_, item) in settled {
            let bytes = match &item.rest {
                Rest::Nothing => rows::delete(&tx, item.seq)?,
                Rest::Unchanged(_) => continue,
                Rest::Changed(rest) => {
                    let bytes = rows::length(&tx, item.seq)?;
                    if bytes.is_some() {
                        done.added_bytes += rows::store(&tx, None, item.seq, rest)?;
                    }
                    bytes
                }
            };
            match bytes {
                Some(bytes) => done.removed_bytes += bytes,
                None => drop(done.missing.insert(item.seq)),
            }
        }
        for (account, parcel) in parcels {
            done.added_bytes += rows::store(&tx, Some(*account), parcel.seq, &parcel.samples)?;
        }
        let too_many =
            (self.bytes + done.added_bytes).saturating_sub(done.removed_bytes + self.keeping.bytes);
        if too_many > 0 {
            let mut freed = 0;
            done.drop(rows::drop_oldest(&tx, |bytes, _| {
                freed += bytes;
                freed < too_many + bytes
            })?);
        }
        tx.commit()?;
        Ok(done)
    }

    /// Enters a committed transaction into the books.
    fn note(&mut self, done: &Done, why: Dropped) {
        self.bytes = (self.bytes + done.added_bytes).saturating_sub(done.removed_bytes);
        self.shared.disk_bytes.set(i64::try_from(self.bytes).unwrap_or(i64::MAX));
        let sql = "SELECT oldest FROM parcel ORDER BY seq LIMIT 1";
        let oldest = self.connection.prepare_cached(sql).and_then(|mut s| s.query_row([], |row| row.get(0)));
        self.shared.disk_oldest.store(oldest.unwrap_or(i64::MAX), Relaxed);
        if done.dropped.is_empty() {
            return;
        }
        let mut samples = 0;
        let mut shelf = self.shared.shelf();
        for (seq, account, count) in &done.dropped {
            if !self.gone.remove(seq) {
                shelf.forget_copy(*account, *seq);
                shelf.settled(*account, *count);
                samples += count;
            }
        }
        drop(shelf);
        self.shared.dropped(why, samples);
    }

    fn in_trouble(&mut self, error: &rusqlite::Error) {
        if self.trouble_since.is_none() {
            self.trouble_since = Some(Instant::now());
            let file = self.connection.path().unwrap_or_default();
            tracing::error!(
                file,
                "the outbox file cannot be written: samples are held in memory until it can: {error}"
            );
        }
        *self.shared.trouble() = Some(error.to_string());
    }

    /// After trouble: what was held in memory becomes as safe as the rest.
    fn write_down_what_is_only_in_memory(&mut self) {
        loop {
            let mut parcels = Vec::new();
            let mut samples = 0;
            while samples < GROUP_SAMPLES
                && let Some((account, parcel)) = self.shared.shelf().pop_oldest()
            {
                samples += parcel.samples.len();
                parcels.push((account, Parcel { seq: Seq(self.next), samples: parcel.samples }));
                self.next += 1;
            }
            if parcels.is_empty() {
                return;
            }
            match self.transact(&parcels, &[]) {
                Ok(done) => {
                    self.gone.clear();
                    self.note(&done, Dropped::Size);
                    let mut shelf = self.shared.shelf();
                    for (account, _) in parcels {
                        shelf.bell(account).notify_one();
                    }
                }
                Err(error) => {
                    self.in_trouble(&error);
                    let mut shelf = self.shared.shelf();
                    for (account, parcel) in parcels {
                        let seq = shelf.fresh();
                        shelf.put_back(account, Parcel { seq, samples: parcel.samples });
                    }
                    return;
                }
            }
        }
    }

    /// Reads parcels of the backlog: first those in memory only, then those in the file.
    fn take(&mut self, account: AccountId, max: usize, skip: &HashSet<Seq>) -> Vec<Parcel> {
        let (taken, end) = {
            let mut shelf = self.shared.shelf();
            let taken = shelf.take_backlog(account, max, skip);
            (taken, shelf.first_copy(account).map_or(i64::MAX as u64, |seq| seq.0))
        };
        if !taken.is_empty() {
            return taken;
        }
        let begin = self.cursors.get(&account).copied().unwrap_or(0);
        for begin in if begin > 0 { vec![begin, 0] } else { vec![0] } {
            match self.read(account, begin, end, max, skip) {
                Ok(taken) => {
                    self.cursors.insert(account, taken.last().map_or(0, |parcel| parcel.seq.0));
                    if !taken.is_empty() {
                        return taken;
                    }
                }
                Err(error) => {
                    tracing::error!("cannot read the outbox file: {error}");
                    return Vec::new();
                }
            }
        }
        Vec::new()
    }

    fn read(
        &mut self,
        account: AccountId,
        begin: u64,
        end: u64,
        max: usize,
        skip: &HashSet<Seq>,
    ) -> rusqlite::Result<Vec<Parcel>> {
        let (mut taken, mut damaged) = (Vec::new(), Vec::new());
        {
            let sql = "SELECT seq, samples, blob FROM parcel
                       WHERE account = ?1 AND seq > ?2 AND seq < ?3 ORDER BY seq";
            let mut statement = self.connection.prepare_cached(sql)?;
            let mut rows = statement.query(params![account.get(), begin, end])?;
            let mut samples = 0;
            while let Some(row) = rows.next()? {
                let seq = Seq(row.get(0)?);
                let count: usize = row.get(1)?;
                if skip.contains(&seq) || self.gone.contains(&seq) {
                    continue;
                }
                if samples > 0 && samples + count > max {
                    break;
                }
                match codec::decode(row.get_ref(2)?.as_blob().unwrap_or_default()) {
                    Ok(found) if found.len() == count => {
                        samples += count;
                        taken.push(Parcel { seq, samples: found });
                    }
                    Ok(_) => damaged.push((seq, count, codec::DecodeError::Damaged)),
                    Err(error) => damaged.push((seq, count, error)),
                }
            }
        }
        for (seq, count, error) in damaged {
            tracing::error!(%account, samples = count, "a parcel in the outbox file is set aside: {error}");
            self.shared.damaged.add(count as u64);
            let rest = Rest::Nothing;
            self.write(Writes {
                settled: vec![(account, Settled { seq, had: count, rest })],
                ..Writes::default()
            });
        }
        Ok(taken)
    }

    /// Due every minute.
    fn sweep(&mut self) {
        self.write_down_what_is_only_in_memory();
        if let Err(error) = self.drop_what_is_too_old().and_then(|()| retention::shrink(&self.connection)) {
            self.in_trouble(&error);
        }
    }

    fn drop_what_is_too_old(&mut self) -> rusqlite::Result<()> {
        let now = self.clock.now();
        if !self.trust.in_clock(now, Instant::now()) {
            return Ok(());
        }
        let limit = now.minus(self.keeping.age).as_micros();
        let mut done = Done::default();
        let tx = self.connection.unchecked_transaction()?;
        done.drop(rows::drop_oldest(&tx, |_, newest| newest < limit)?);
        tx.commit()?;
        if !done.dropped.is_empty() {
            self.note(&done, Dropped::Age);
        }
        Ok(())
    }
}
