//! What was put and is not written yet. Without a file it stays here, and this is all that is remembered.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// What an entry takes beside its key and value: its place in the map, and two allocations.
const ENTRY_BYTES: u64 = 100;

type Entries = HashMap<Box<[u8]>, Option<Vec<u8>>>;

/// A change of one key. Without a value the key is removed.
#[derive(Debug)]
pub(super) struct Change {
    /// The table's number.
    pub(super) table: usize,
    pub(super) key: Box<[u8]>,
    pub(super) value: Option<Vec<u8>>,
}

impl Change {
    /// The memory that it takes.
    pub(super) fn bytes(&self) -> u64 {
        bytes(&self.key, self.value.as_deref())
    }
}

/// How much a table remembers.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Size {
    pub(super) keys: u64,
    /// Of keys and values.
    pub(super) bytes: u64,
}

/// A table, for the metrics.
pub(super) struct TableSize {
    pub(super) name: &'static str,
    pub(super) remembered: Size,
    /// Changes that wait for the file.
    pub(super) pending: u64,
}

/// Changes to all tables.
#[derive(Debug)]
pub(super) struct Waiting {
    tables: Vec<TableWaiting>,
    /// What all changes take, those being written included.
    bytes: u64,
    max_bytes: u64,
    /// Whether there is a file, from which removed keys have to be removed.
    has_file: bool,
}

#[derive(Debug)]
struct TableWaiting {
    name: &'static str,
    changes: Entries,
    in_file: Size,
}

/// There is no room for a change.
#[derive(Debug)]
pub(super) struct NoRoom;

impl Waiting {
    pub(super) const fn new(max_bytes: u64, has_file: bool) -> Self {
        Self { tables: Vec::new(), bytes: 0, max_bytes, has_file }
    }

    /// The number of the table with this name.
    pub(super) fn table(&mut self, name: &'static str) -> usize {
        let known = self.tables.iter().position(|table| table.name == name);
        known.unwrap_or_else(|| {
            self.tables.push(TableWaiting { name, changes: HashMap::new(), in_file: Size::default() });
            self.tables.len() - 1
        })
    }

    pub(super) fn name(&self, table: usize) -> &'static str {
        self.tables[table].name
    }

    /// Takes up a change; it replaces one that waits for the same key.
    pub(super) fn change(&mut self, table: usize, key: &[u8], value: Option<Vec<u8>>) -> Result<(), NoRoom> {
        let changes = &mut self.tables[table].changes;
        let before = changes.get(key).map_or(0, |old| bytes(key, old.as_deref()));
        let kept = value.is_some() || self.has_file;
        let after = if kept { bytes(key, value.as_deref()) } else { 0 };
        let total = self.bytes - before + after;
        if after > before && total > self.max_bytes {
            return Err(NoRoom);
        }
        self.bytes = total;
        if !kept {
            changes.remove(key);
        } else if let Some(old) = changes.get_mut(key) {
            *old = value;
        } else {
            changes.insert(key.into(), value);
        }
        Ok(())
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many changes wait, those being written not included.
    pub(super) fn count(&self) -> usize {
        self.tables.iter().map(|table| table.changes.len()).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tables.iter().all(|table| table.changes.is_empty())
    }

    /// Takes all changes out, to be written, those of one table side by side. Their bytes count until they are
    /// [`done`](Self::done) or [`put_back`](Self::put_back).
    pub(super) fn take(&mut self) -> Vec<Change> {
        let mut taken = Vec::with_capacity(self.count());
        for (table, waiting) in self.tables.iter_mut().enumerate() {
            // As many as now will come until the next time.
            let empty = HashMap::with_capacity(waiting.changes.len());
            let changes = std::mem::replace(&mut waiting.changes, empty);
            taken.extend(changes.into_iter().map(|(key, value)| Change { table, key, value }));
        }
        taken
    }

    /// Changes that were taken are written.
    pub(super) fn done(&mut self, changes: &[Change]) {
        let bytes: u64 = changes.iter().map(Change::bytes).sum();
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Changes that were taken could not be written. What has changed since stays as it is.
    pub(super) fn put_back(&mut self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            let bytes = change.bytes();
            let waiting = &mut self.tables[change.table].changes;
            match waiting.entry(change.key) {
                Entry::Occupied(_) => self.bytes -= bytes,
                Entry::Vacant(place) => drop(place.insert(change.value)),
            }
        }
    }

    /// There is no file any more: what waits here is all there is.
    pub(super) fn is_all_there_is(&mut self) {
        self.has_file = false;
        for table in &mut self.tables {
            table.in_file = Size::default();
            table.changes.retain(|_, value| value.is_some());
        }
        let all = self.tables.iter().flat_map(|table| &table.changes);
        self.bytes = all.map(|(key, value)| bytes(key, value.as_deref())).sum();
    }

    /// A copy of a table's changes.
    pub(super) fn changes(&self, table: usize) -> Entries {
        self.tables[table].changes.clone()
    }

    pub(super) fn set_size(&mut self, table: usize, size: Size) {
        self.tables[table].in_file = size;
    }

    pub(super) fn sizes(&self) -> impl Iterator<Item = TableSize> {
        self.tables.iter().map(|table| {
            let changes = table.changes.len() as u64;
            if self.has_file {
                return TableSize { name: table.name, remembered: table.in_file, pending: changes };
            }
            let bytes: usize =
                table.changes.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum();
            let remembered = Size { keys: changes, bytes: bytes as u64 };
            TableSize { name: table.name, remembered, pending: 0 }
        })
    }
}

fn bytes(key: &[u8], value: Option<&[u8]>) -> u64 {
    (key.len() + value.map_or(0, <[u8]>::len)) as u64 + ENTRY_BYTES
}
