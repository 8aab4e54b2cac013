//! The lists of records that an account has.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde_json::Value;

/// The kinds of records that an account has lists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RecordKind {
    /// Devices and interfaces.
    Entities,
    /// How devices are opened.
    Credentials,
    /// What is measured.
    Sensors,
}

impl RecordKind {
    /// As paths name them.
    pub(crate) const fn plural(self) -> &'static str {
        match self {
            Self::Entities => "entities",
            Self::Credentials => "credentials",
            Self::Sensors => "sensors",
        }
    }
}

/// The records of one kind, each as its JSON text: that takes a tenth of the memory of parsed JSON.
#[derive(Debug, Default)]
pub(crate) struct List {
    records: Vec<Record>,
    listing: Option<Arc<Listing>>,
}

#[derive(Debug)]
struct Record {
    /// A record that was broken on purpose may have none.
    id: Option<u64>,
    json: String,
}

impl Record {
    fn new(value: &Value) -> Self {
        Self { id: value.get("id").and_then(Value::as_u64), json: value.to_string() }
    }
}

impl List {
    pub(crate) fn push(&mut self, value: &Value) {
        self.listing = None;
        self.records.push(Record::new(value));
    }

    pub(crate) fn get(&self, id: u64) -> Option<&str> {
        self.records.iter().find(|r| r.id == Some(id)).map(|r| r.json.as_str())
    }

    pub(crate) fn replace(&mut self, id: u64, value: &Value) -> bool {
        let found = self.records.iter_mut().find(|r| r.id == Some(id));
        found.map(|record| *record = Record::new(value)).inspect(|()| self.listing = None).is_some()
    }

    pub(crate) fn remove(&mut self, id: u64) -> bool {
        let before = self.records.len();
        self.records.retain(|r| r.id != Some(id));
        self.listing = None;
        self.records.len() != before
    }

    pub(crate) fn listing(&mut self) -> Arc<Listing> {
        let records = &self.records;
        let listing = self.listing.get_or_insert_with(|| {
            let mut plain =
                String::with_capacity(16 + records.iter().map(|r| r.json.len() + 1).sum::<usize>());
            plain.push_str("{\"list\":[");
            for (i, record) in records.iter().enumerate() {
                plain.push_str(if i == 0 { "" } else { "," });
                plain.push_str(&record.json);
            }
            plain.push_str("]}");
            Arc::new(Listing { plain: Bytes::from(plain), gzip: OnceLock::new() })
        });
        Arc::clone(listing)
    }
}

/// A list's serialised form, and its compressed form once somebody asked for it.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) plain: Bytes,
    pub(crate) gzip: OnceLock<Bytes>,
}
