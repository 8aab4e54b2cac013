//! A row of the journal: what one commit put.
//!
//! ```text
//! format | of each value: path since the last one, time since the last one, the value's eight bytes | checksum
//! ```

use super::{Damage, put_signed, seal, take_byte, take_float, take_signed, unseal};

const FORMAT: u8 = 1;

/// A value in the journal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) struct Entry {
    pub(in super::super) path: i64,
    pub(in super::super) time: i64,
    pub(in super::super) value: f64,
}

/// Rows are made value by value, and can be taken back to where they were.
#[derive(Debug, Default)]
pub(in super::super) struct Row {
    bytes: Vec<u8>,
    path: i64,
    time: i64,
}

/// Where a row was.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Mark {
    bytes: usize,
    path: i64,
    time: i64,
}

impl Row {
    pub(in super::super) fn push(&mut self, entry: Entry) {
        if self.bytes.is_empty() {
            self.bytes.push(FORMAT);
        }
        put_signed(&mut self.bytes, entry.path.wrapping_sub(self.path));
        put_signed(&mut self.bytes, entry.time.wrapping_sub(self.time));
        self.bytes.extend_from_slice(&entry.value.to_le_bytes());
        (self.path, self.time) = (entry.path, entry.time);
    }

    pub(in super::super) fn mark(&self) -> Mark {
        Mark { bytes: self.bytes.len(), path: self.path, time: self.time }
    }

    pub(in super::super) fn back_to(&mut self, mark: Mark) {
        self.bytes.truncate(mark.bytes);
        (self.path, self.time) = (mark.path, mark.time);
    }

    /// The bytes, when there is a value in it; it is empty afterwards.
    pub(in super::super) fn take(&mut self) -> Option<Vec<u8>> {
        let Self { mut bytes, .. } = std::mem::take(self);
        if bytes.is_empty() {
            return None;
        }
        seal(&mut bytes);
        Some(bytes)
    }
}

pub(in super::super) fn decode(bytes: &[u8], mut each: impl FnMut(Entry)) -> Result<(), Damage> {
    let mut rest = unseal(bytes)?;
    if take_byte(&mut rest)? != FORMAT {
        return Err(Damage::Format);
    }
    let (mut path, mut time) = (0_i64, 0_i64);
    while !rest.is_empty() {
        path = path.wrapping_add(take_signed(&mut rest)?);
        time = time.wrapping_add(take_signed(&mut rest)?);
        each(Entry { path, time, value: take_float(&mut rest)? });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(bytes: &[u8]) -> Result<Vec<Entry>, Damage> {
        let mut entries = Vec::new();
        decode(bytes, |entry| entries.push(entry))?;
        Ok(entries)
    }

    fn any_entry() -> impl Strategy<Value = Entry> {
        (any::<i64>(), any::<i64>(), -1e300..1e300).prop_map(|(path, time, value)| Entry {
            path,
            time,
            value,
        })
    }

    #[test]
    fn an_empty_row_is_not_written() {
        let mut row = Row::default();
        let mark = row.mark();
        row.push(Entry { path: 1, time: 2, value: 3.0 });
        row.back_to(mark);
        assert_eq!(row.take(), None);
    }

    proptest! {
        #[test]
        fn entries_come_back_but_for_those_that_were_taken_back(
            before in prop::collection::vec(any_entry(), 0..20),
            taken_back in prop::collection::vec(any_entry(), 0..20),
            after in prop::collection::vec(any_entry(), 1..20),
        ) {
            let mut row = Row::default();
            before.iter().for_each(|entry| row.push(*entry));
            let mark = row.mark();
            taken_back.iter().for_each(|entry| row.push(*entry));
            row.back_to(mark);
            after.iter().for_each(|entry| row.push(*entry));
            let bytes = row.take().unwrap();
            prop_assert_eq!(decoded(&bytes).unwrap(), [before, after].concat());
            prop_assert_eq!(row.take(), None);
        }

        #[test]
        fn damaged_bytes_are_an_error(
            entries in prop::collection::vec(any_entry(), 1..20),
            at in any::<prop::sample::Index>(),
            flip in 1_u8..=255,
        ) {
            let mut row = Row::default();
            entries.iter().for_each(|entry| row.push(*entry));
            let mut bytes = row.take().unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            prop_assert!(decoded(&bytes).is_err());
            bytes.truncate(at);
            prop_assert!(decoded(&bytes).is_err());
            seal(&mut bytes);
            let _ = decoded(&bytes);
        }
    }
}
