//! One entity's share of a window, where several exporters are the entity's.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Deref;

use crate::aggregate::{Count, InterfaceReport, Side};

/// One side of an entity: that of its only exporter, nearly always.
pub(super) struct Merged<'a>(Cow<'a, Side>);

impl<'a> Merged<'a> {
    /// None where there are no sides.
    pub(super) fn of(mut sides: impl Iterator<Item = &'a Side>) -> Option<Self> {
        let mut merged = Self(Cow::Borrowed(sides.next()?));
        for side in sides {
            merged.0.to_mut().add(side);
        }
        Some(merged)
    }
}

impl Deref for Merged<'_> {
    type Target = Side;
    fn deref(&self) -> &Side {
        &self.0
    }
}

impl Side {
    /// Lists are cut to more than what is delivered, so that what is big in the sum is nearly always in both.
    fn add(&mut self, other: &Self) {
        self.totals.add(other.totals);
        self.error = self.error.saturating_add(other.error);
        add(&mut self.ips, &other.ips);
        add(&mut self.protocols, &other.protocols);
        add(&mut self.connections, &other.connections);
        add(&mut self.ports, &other.ports);
        for (index, interface) in &other.interfaces {
            match self.interfaces.iter_mut().find(|(own, _)| own == index) {
                Some((_, own)) => own.add(interface),
                None => self.interfaces.push((*index, interface.clone())),
            }
        }
    }
}

impl InterfaceReport {
    fn add(&mut self, other: &Self) {
        self.totals.add(other.totals);
        add(&mut self.ips, &other.ips);
        add(&mut self.protocols, &other.protocols);
    }
}

fn add<K: Copy + Eq + Hash + Ord>(to: &mut Vec<(K, Count)>, from: &[(K, Count)]) {
    let mut sums: HashMap<K, Count> = to.drain(..).collect();
    for (key, Count { bytes, packets }) in from {
        let sum = sums.entry(*key).or_default();
        sum.bytes = sum.bytes.saturating_add(*bytes);
        sum.packets = sum.packets.saturating_add(*packets);
    }
    to.extend(sums);
    to.sort_unstable_by(|(a, left), (b, right)| right.bytes.cmp(&left.bytes).then(a.cmp(b)));
}
