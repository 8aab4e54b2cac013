//! A store as bytes: what a killed bot finds again, and what long windows are between their hours.

use grafoleancollector::Timestamp;

use super::bytes::{Reader, put, put_ip};
use super::cut::Sizes;
use super::hash::Key;
use super::report_codec::{put_exporter_key, put_totals, take_connection, take_exporter_key, take_totals};
use super::store::{Sides, Store, Way};
use super::table::{Entry, Table};

/// The first byte. Others are from another version, and not read.
pub(super) const VERSION: u8 = 1;
const SENDS_EGRESS: u8 = 1;
const DERIVES: u8 = 2;

/// What entries take when they are written, as a rule; with IPv6 it is more.
const WRITTEN: Sizes = Sizes { ip: 13, connection: 18, port: 9, protocol: 8 };
/// What bounds the first guess is multiplied by until what is written is small enough.
const TRIES: usize = 4;

/// A store with its place in time, as it is kept.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) begin: Timestamp,
    /// The number of the last slice that is in it.
    pub(super) covers: u64,
    pub(super) store: Store,
}

impl Kept {
    /// As bytes. Cuts the store's lists until they take at most `room`; sums are written in any case.
    pub(super) fn encode(&mut self, room: usize) -> Vec<u8> {
        let mut entries = room;
        for _ in 0..TRIES {
            self.store.cut(WRITTEN, entries);
            let out = self.written();
            if out.len() <= room {
                return out;
            }
            // By as much as it was too large, and a little.
            entries = entries / 8 * 7 * (room / 16) / (out.len() / 16 + 1);
        }
        self.store.cut(WRITTEN, 0);
        self.written()
    }

    /// All of it as bytes.
    pub(super) fn written(&self) -> Vec<u8> {
        let store = &self.store;
        let mut out = vec![VERSION];
        out.extend(self.begin.as_micros().to_le_bytes());
        put(&mut out, self.covers);
        put(&mut out, store.exporters().len() as u64);
        for exporter in store.exporters() {
            put_exporter_key(&mut out, &exporter.key);
            put(&mut out, exporter.sampling.into());
            out.push(u8::from(exporter.sends_egress) * SENDS_EGRESS + u8::from(exporter.derives) * DERIVES);
        }
        put(&mut out, store.lanes().len() as u64);
        for lane in store.lanes() {
            put(&mut out, lane.exporter.into());
            out.push(lane.way as u8);
            put(&mut out, lane.interface.map_or(0, |index| u64::from(index) + 1));
            put_totals(&mut out, lane.totals);
        }
        put(&mut out, store.wires().len() as u64);
        for wire in store.wires() {
            put(&mut out, wire.exporter.into());
            out.push(wire.sides as u8);
        }
        put_table(&mut out, &store.ips, put_ip);
        put_table(&mut out, &store.protocols, |out, protocol| out.push(protocol));
        put_table(&mut out, &store.connections, |out, (src, dst)| {
            put_ip(out, src);
            put_ip(out, dst);
        });
        put_table(&mut out, &store.ports, |out, port| put(out, port.into()));
        out
    }

    /// From bytes, with `budget` for what comes later; `None` if they are damaged, or from another version.
    pub(super) fn decode(bytes: &[u8], budget: usize) -> Option<Self> {
        let mut from = Reader(bytes.strip_prefix(&[VERSION])?);
        let begin = Timestamp::from_micros(i64::from_le_bytes(from.array()?));
        let covers = from.u64()?;
        let mut store = Store::new(budget);
        for number in 0..from.len(7)? {
            let exporter = store.exporter(&take_exporter_key(&mut from)?)?;
            if exporter as usize != number {
                return None;
            }
            let exporter = store.exporter_mut(exporter);
            exporter.sampling = from.u32()?;
            let flags = from.byte()?;
            exporter.sends_egress = flags & SENDS_EGRESS != 0;
            exporter.derives = flags & DERIVES != 0;
        }
        for number in 0..from.len(6)? {
            let exporter = from.u32().filter(|exporter| (*exporter as usize) < store.exporters().len())?;
            let way = *Way::ALL.get(usize::from(from.byte()?))?;
            let interface = match from.u64()? {
                0 => None,
                more => Some(u32::try_from(more - 1).ok()?),
            };
            let totals = take_totals(&mut from)?;
            let lane = store.lane(exporter, way, interface);
            if lane as usize != number {
                return None;
            }
            store.lane_mut(lane).totals = totals;
        }
        for number in 0..from.len(2)? {
            let exporter = from.u32().filter(|exporter| (*exporter as usize) < store.exporters().len())?;
            let sides = *Sides::ALL.get(usize::from(from.byte()?))?;
            if store.wire(exporter, sides) as usize != number {
                return None;
            }
        }
        take_table(&mut from, &mut store.ips, Reader::ip)?;
        take_table(&mut from, &mut store.protocols, Reader::byte)?;
        take_table(&mut from, &mut store.connections, take_connection)?;
        take_table(&mut from, &mut store.ports, |from| u16::try_from(from.u64()?).ok())?;
        from.is_done().then_some(Self { begin, covers, store })
    }
}

/// Group by group: how many entries, the floor, the entries.
fn put_table<K: Key>(out: &mut Vec<u8>, table: &Table<K>, put_key: impl Fn(&mut Vec<u8>, K)) {
    let grouped = table.grouped();
    for (group, book) in (0_u32..).zip(table.books()) {
        put(out, book.entries.into());
        put(out, book.floor);
        for place in grouped.of(group) {
            let entry = table.entry(*place);
            put_key(out, entry.key);
            put(out, entry.bytes);
            put(out, entry.packets);
            put(out, entry.discount.to_bits().into());
        }
    }
}

fn take_table<'a, K: Key>(
    from: &mut Reader<'a>,
    table: &mut Table<K>,
    take_key: impl Fn(&mut Reader<'a>) -> Option<K>,
) -> Option<()> {
    for group in 0..u32::try_from(table.books().len()).ok()? {
        let entries = from.len(4)?;
        let floor = from.u64()?;
        // They may come in the order of their hashes: all of them at one end of an index without room for them.
        table.reserve(entries);
        for _ in 0..entries {
            let key = take_key(from)?;
            let (bytes, packets) = (from.u64()?, from.u64()?);
            let discount = f32::from_bits(from.u32()?);
            if discount.is_nan() || discount < 0.0 {
                return None;
            }
            table.put(Entry { bytes, packets, key, group, discount });
        }
        table.set_floor(group, floor);
    }
    Some(())
}
