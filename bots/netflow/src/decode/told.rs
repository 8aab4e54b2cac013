//! What an exporter's options have told of a stream.

use std::num::NonZeroU32;

use super::sampling::Sampling;
use super::stream::{Budget, Stream};
use crate::books::InterfaceName;
use crate::flow::Ip;

/// What a rate takes, with its place in the list.
const RATE_BYTES: usize = 32;

/// What the name of an interface takes, in the stream and in the books.
fn name_bytes(name: &InterfaceName) -> usize {
    2 * (size_of::<InterfaceName>() + 32 + name.name.len() + name.description.len())
}

/// Takes the room of one more rate, if there is any.
fn take_rate(bytes: &mut usize, budget: &mut Budget<'_>) -> bool {
    let fits = budget.take(RATE_BYTES);
    *bytes += if fits { RATE_BYTES } else { 0 };
    fits
}

/// How an exporter calls itself in its options.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) enum Name {
    #[default]
    None,
    One(Ip),
    /// They speak of several exporters: of none of them in particular.
    Several,
}

impl Name {
    /// Whether that is news.
    pub(super) fn hear(&mut self, name: Ip) -> bool {
        let before = *self;
        *self = match before {
            Self::None => Self::One(name),
            Self::One(known) if known == name => before,
            _ => Self::Several,
        };
        *self != before
    }

    pub(super) const fn ip(self) -> Ip {
        match self {
            Self::One(name) => name,
            Self::None | Self::Several => Ip::NONE,
        }
    }
}

impl Stream {
    /// A sampler has a rate. Whether that is news.
    pub(super) fn set_sampler(&mut self, id: u64, rate: NonZeroU32, budget: &mut Budget<'_>) -> bool {
        let bytes = &mut self.options_bytes;
        self.sampling.set_sampler(id, rate, || take_rate(bytes, budget))
    }

    /// An interface has a rate. Whether that is news.
    pub(super) fn set_interface(&mut self, index: u64, rate: NonZeroU32, budget: &mut Budget<'_>) -> bool {
        let bytes = &mut self.options_bytes;
        self.sampling.set_interface(index, rate, || take_rate(bytes, budget))
    }

    /// An interface has a name. Whether that is news.
    pub(super) fn name(&mut self, interface: u32, name: InterfaceName, budget: &mut Budget<'_>) -> bool {
        let before = self.names.get(&interface);
        if before == Some(&name) {
            return false;
        }
        let before = before.map(name_bytes);
        if before.is_none() && self.names.len() >= budget.limits.names_of(budget.share) {
            return false;
        }
        if !budget.take_spare(name_bytes(&name)) {
            return false;
        }
        self.options_bytes += name_bytes(&name);
        if let Some(bytes) = before {
            budget.give(bytes);
            self.options_bytes -= bytes;
        }
        budget.books.name_interface(interface, name.clone());
        self.names.insert(interface, name);
        true
    }

    /// Whether its options have told anything.
    pub(super) fn has_options(&self) -> bool {
        self.sampling != Sampling::default()
            || !self.exporter.ip().is_none()
            || self.boot.is_some()
            || !self.names.is_empty()
    }
}
