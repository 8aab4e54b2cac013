//! Whose flows, and how they are counted.

use std::num::NonZeroU32;

use crate::flow::{Event, Flow, Ip};

/// Whose values: an exporter by its address, or one domain of it where an entity asks for that.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ExporterKey {
    /// The exporter's address.
    pub address: Ip,
    /// Its observation domain, where domains are kept apart.
    pub domain: Option<u32>,
}

impl From<Ip> for ExporterKey {
    fn from(address: Ip) -> Self {
        Self { address, domain: None }
    }
}

/// Which events of a Cisco ASA carry the octets that count. Both tell of the same ones, so never both.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Nsel {
    /// Those of a connection that is over.
    #[default]
    Deletes,
    /// Those of a connection that goes on.
    Updates,
}

/// How the flows of an exporter are counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// Each packet stands for so many, whatever the exporter says.
    pub sampling: Option<NonZeroU32>,
    /// The same where the exporter says nothing.
    pub default_sampling: NonZeroU32,
    /// Which events of a firewall count.
    pub nsel: Nsel,
}

impl Default for Rules {
    fn default() -> Self {
        Self { sampling: None, default_sampling: NonZeroU32::MIN, nsel: Nsel::default() }
    }
}

impl Rules {
    /// By what the counters of `flow` are multiplied.
    ///
    /// ```
    /// use grafolean_netflow_bot::{Flow, aggregate::Rules};
    /// let mut rules = Rules::default();
    /// assert_eq!(rules.rate(&Flow { sampling: 100, ..Flow::default() }), 100);
    /// rules.sampling = std::num::NonZeroU32::new(512);
    /// assert_eq!(rules.rate(&Flow { sampling: 100, ..Flow::default() }), 512);
    /// ```
    #[must_use]
    #[inline]
    pub fn rate(&self, flow: &Flow) -> u32 {
        match (self.sampling, flow.sampling) {
            (Some(rate), _) => rate.get(),
            (None, 0) => self.default_sampling.get(),
            (None, said) => said,
        }
    }

    /// Whether the octets of `flow` count.
    #[must_use]
    #[inline]
    pub fn counts(&self, flow: &Flow) -> bool {
        match flow.event {
            Event::None => true,
            Event::NoTraffic => false,
            Event::Delete => self.nsel == Nsel::Deletes,
            Event::Update => self.nsel == Nsel::Updates,
        }
    }
}
