//! What the configuration says of exporters: whose flows are whose, and how they are read.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::aggregate::{ExporterKey, Nsel, Rules};
use crate::flow::{Ip, Origin};

/// The form of the bytes.
const FORM: u8 = 1;
/// An exporter with its rules: address, flags, domain, and both rates.
const ENTRY: usize = 16 + 1 + 3 * 4;

/// What the configuration says of exporters.
#[derive(Default, Debug)]
pub(crate) struct Directives {
    rules: HashMap<ExporterKey, Rules>,
    /// Addresses of which some domains are an entity's own.
    split: HashSet<Ip>,
    known: Arc<HashSet<Ip>>,
    plain: Rules,
    /// There may be entities that nobody has heard of yet.
    incomplete: bool,
}

impl Directives {
    /// From the exporters that entities name, with the rules of each. Of two entities the first has the say.
    pub(crate) fn new(named: impl IntoIterator<Item = (ExporterKey, Rules)>) -> Self {
        let mut rules = HashMap::new();
        for (exporter, rule) in named {
            rules.entry(exporter).or_insert(rule);
        }
        let split = rules.keys().filter(|key| key.domain.is_some()).map(|key| key.address).collect();
        let known = Arc::new(rules.keys().map(|key| key.address).collect());
        Self { rules, split, known, plain: Rules::default(), incomplete: false }
    }

    /// Not all accounts could be read: there may be other entities.
    pub(crate) const fn incomplete(mut self) -> Self {
        self.incomplete = true;
        self
    }

    /// Whether an exporter that no entity owns may be somebody's all the same.
    pub(crate) const fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    /// As bytes, to be remembered: flows may come before the backend has said anything.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1 + self.rules.len() * ENTRY);
        bytes.push(FORM);
        // Sorted, so that the same directives are the same bytes.
        let sorted: BTreeMap<_, _> = self.rules.iter().collect();
        for (ExporterKey { address, domain }, Rules { sampling, default_sampling, nsel }) in sorted {
            bytes.extend(address.octets());
            bytes.push(u8::from(domain.is_some()) | u8::from(*nsel == Nsel::Updates) << 1);
            bytes.extend(domain.unwrap_or_default().to_be_bytes());
            bytes.extend(sampling.map_or(0, NonZeroU32::get).to_be_bytes());
            bytes.extend(default_sampling.get().to_be_bytes());
        }
        bytes
    }

    /// None where the bytes are not ours.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (&FORM, entries) = bytes.split_first()? else { return None };
        let (entries, []) = entries.as_chunks::<ENTRY>() else { return None };
        let named = entries.iter().map(|entry| {
            let (address, rest) = entry.split_first_chunk()?;
            let (flags, numbers) = rest.split_first()?;
            let numbers: [[u8; 4]; 3] = numbers.as_chunks().0.try_into().ok()?;
            let [domain, sampling, default] = numbers.map(u32::from_be_bytes);
            let key = ExporterKey { address: Ip::v6(*address), domain: (flags & 1 == 1).then_some(domain) };
            let nsel = if flags & 2 == 2 { Nsel::Updates } else { Nsel::Deletes };
            let default_sampling = NonZeroU32::new(default)?;
            Some((key, Rules { sampling: NonZeroU32::new(sampling), default_sampling, nsel }))
        });
        Some(Self::new(named.collect::<Option<Vec<_>>>()?))
    }

    /// The addresses that entities name.
    pub(crate) fn known(&self) -> Arc<HashSet<Ip>> {
        Arc::clone(&self.known)
    }

    /// Whether some entity owns the flows of an exporter.
    pub(crate) fn is_owned(&self, exporter: &ExporterKey) -> bool {
        self.rules.contains_key(exporter) || self.split.contains(&exporter.address)
    }

    /// Whose flows these are, and how they are read.
    ///
    /// An exporter behind address translation is recognised by the address that its packets name, if an entity has
    /// that; else it is who the packets come from. One that no entity has is who it says it is.
    pub(crate) fn exporter(&self, origin: &Origin) -> (ExporterKey, &Rules) {
        let Origin { source, reported, domain, .. } = *origin;
        let address = match reported {
            named if !is_name(named) => source,
            named if self.known.contains(&named) => named,
            _ if self.known.contains(&source) => source,
            named => named,
        };
        if self.split.contains(&address) {
            let own = ExporterKey { address, domain: Some(domain) };
            if let Some(rules) = self.rules.get(&own) {
                return (own, rules);
            }
        }
        let whole = ExporterKey { address, domain: None };
        (whole, self.rules.get(&whole).unwrap_or(&self.plain))
    }
}

/// Whether an exporter may be known by this address: many agents were never told theirs, and name 0.0.0.0 or 127.0.0.1.
fn is_name(address: Ip) -> bool {
    let is_local = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    let ip = address.to_addr();
    !(address.is_none() || ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() || is_local(ip))
}

#[cfg(test)]
mod tests {
    use grafoleancollector::Timestamp;

    use super::*;
    use crate::flow::Version;

    const ROUTER: Ip = Ip::v4(0x0a00_0001);
    const BRIDGE: Ip = Ip::v4(0xac11_0001);
    const OTHER: Ip = Ip::v4(0x0a00_0002);

    fn key(address: Ip, domain: Option<u32>) -> ExporterKey {
        ExporterKey { address, domain }
    }

    fn origin(source: Ip, reported: Ip, domain: u32) -> Origin {
        Origin { source, reported, domain, version: Version::Ipfix, received: Timestamp::from_secs(0) }
    }

    fn owner(directives: &Directives, source: Ip, reported: Ip, domain: u32) -> ExporterKey {
        directives.exporter(&origin(source, reported, domain)).0
    }

    #[test]
    fn an_exporter_is_who_sends_unless_an_entity_knows_the_address_that_it_names() {
        let directives = Directives::new([(key(ROUTER, None), Rules::default())]);
        assert_eq!(owner(&directives, ROUTER, Ip::NONE, 0), key(ROUTER, None));
        assert_eq!(owner(&directives, BRIDGE, ROUTER, 0), key(ROUTER, None));
        assert_eq!(owner(&directives, ROUTER, OTHER, 0), key(ROUTER, None));
        assert_eq!(owner(&directives, BRIDGE, OTHER, 0), key(OTHER, None));
        assert_eq!(owner(&directives, BRIDGE, Ip::NONE, 0), key(BRIDGE, None));
    }

    #[test]
    fn an_agent_that_was_never_told_its_address_is_who_sends() {
        for unset in ["0.0.0.0", "127.0.0.1", "::1", "169.254.3.4", "224.0.0.1", "fe80::1", "255.255.255.255"]
        {
            let named = Ip::from(unset.parse::<IpAddr>().unwrap());
            assert_eq!(owner(&Directives::default(), ROUTER, named, 0), key(ROUTER, None), "{unset}");
        }
    }

    #[test]
    fn several_entities_may_share_an_address_each_with_its_domain() {
        let rules = Rules { sampling: NonZeroU32::new(7), ..Rules::default() };
        let named = [(key(BRIDGE, Some(5)), rules), (key(BRIDGE, None), Rules::default())];
        let directives = Directives::new(named);
        assert_eq!(owner(&directives, BRIDGE, Ip::NONE, 5), key(BRIDGE, Some(5)));
        assert_eq!(directives.exporter(&origin(BRIDGE, Ip::NONE, 5)).1.sampling, NonZeroU32::new(7));
        assert_eq!(owner(&directives, BRIDGE, Ip::NONE, 6), key(BRIDGE, None));
        assert_eq!(directives.exporter(&origin(BRIDGE, Ip::NONE, 6)).1, &Rules::default());
    }

    #[test]
    fn directives_go_there_and_back_and_other_bytes_are_none() {
        let rules = Rules { sampling: NonZeroU32::new(7), nsel: Nsel::Updates, ..Rules::default() };
        let rates = Rules { default_sampling: NonZeroU32::new(9).unwrap(), ..Rules::default() };
        let directives = Directives::new([(key(BRIDGE, Some(5)), rules), (key(OTHER, None), rates)]);
        let bytes = directives.encode();
        let back = Directives::decode(&bytes).unwrap();
        assert_eq!(
            (&back.rules, &back.split, &back.known),
            (&directives.rules, &directives.split, &directives.known)
        );
        for length in (0..bytes.len()).filter(|length| length % ENTRY != 1) {
            assert!(Directives::decode(&bytes[..length]).is_none(), "{length}");
        }
        assert!(Directives::decode(&[2]).is_none());
        assert!(Directives::decode(&[&[FORM][..], &[0; ENTRY]].concat()).is_none(), "a rate of 0");
    }
}
