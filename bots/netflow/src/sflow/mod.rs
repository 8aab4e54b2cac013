//! sFlow v5: from a datagram to flows.
//!
//! Each sample of a packet is one [`Flow`] of one packet. Its bytes are the length of the sampled frame, link layer and
//! checksum included, as goflow2 and nfdump's sfcapd have it; where an agent sends the fields of the IP header in the
//! place of the header, those of the IP packet. A sample whose packet has no IP (ARP, a spanning tree) is a flow without
//! addresses, so that its bytes count.
//!
//! | interface in the sample | in the [`Flow`] |
//! |---|---|
//! | an index | that |
//! | 0x3fffffff, the device itself | 0, known by [`Flow::has`] |
//! | discarded | output 0, known by [`Flow::has`] |
//! | several (a flooded frame), or unknown | 0 |
//!
//! A sample taken at its output interface, of which its data source tells, is [`Direction::Egress`](crate::Direction::Egress); one at its input
//! interface [`Direction::Ingress`](crate::Direction::Ingress): so an agent that samples both ways counts no packet twice.
//!
//! All samples and records carry their lengths: what is unknown, or of no use here, is skipped.

mod record;
mod sample;

use std::fmt;

use crate::{Flow, Ip};

/// What a datagram says of itself, and what was in it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Header {
    /// The agent's address. [`Ip::NONE`]: it does not say.
    pub agent: Ip,
    /// Which of the agent's parts sent it. Each has its own sequence.
    pub sub_agent: u32,
    /// Counts the datagrams of the sub-agent.
    pub sequence: u32,
    /// How long the agent has been up, in milliseconds.
    pub uptime_ms: u32,
    /// Samples of packets, those without a flow too.
    pub flow_samples: u32,
    /// Samples of counters.
    pub counter_samples: u32,
    /// Samples of packets that were discarded: they are no traffic.
    pub discard_samples: u32,
    /// Samples of any other kind.
    pub unknown_samples: u32,
    /// Samples of packets that say nothing of the packet, not even its length.
    pub without_packet: u32,
    /// What is wrong with the datagram: the first of it. All that could be read is there all the same.
    pub trouble: Option<Malformed>,
}

/// What is wrong with a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Malformed {
    /// It is no sFlow v5.
    Version,
    /// The agent's address is of no known type.
    Agent,
    /// It ends in its header.
    Header,
    /// It ends before its samples do, or has fewer of them than it says.
    Samples,
    /// A sample ends before its records do, or has fewer of them than it says.
    Records,
    /// A record ends before its fields do.
    Fields,
    /// There is more in it than the samples that it says it has.
    Trailing,
}

impl Malformed {
    /// In one word, for metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Agent => "agent",
            Self::Header => "header",
            Self::Samples => "samples",
            Self::Records => "records",
            Self::Fields => "fields",
            Self::Trailing => "trailing",
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Version => "not version 5 of sFlow",
            Self::Agent => "an agent's address of unknown type",
            Self::Header => "the datagram ends in its header",
            Self::Samples => "the datagram ends before its samples do",
            Self::Records => "a sample ends before its records do",
            Self::Fields => "a record ends before its fields do",
            Self::Trailing => "more data than samples",
        })
    }
}

impl std::error::Error for Malformed {}

/// Padding at the end of a datagram is less than this.
const WORD: usize = 4;

/// Decodes a datagram; its flows are appended to `flows`. Nothing else is allocated.
///
/// Only a header that cannot be read is an error: what is wrong behind it is [`Header::trouble`], and costs no more
/// than the sample it is in.
///
/// ```
/// use grafolean_netflow_bot::sflow::{self, Malformed};
/// let mut flows = Vec::new();
/// // Version, agent's address, sub-agent, sequence, uptime, no samples.
/// let datagram: Vec<u8> = [5, 1, 0x0a00_0007, 2, 99, 60_000, 0].into_iter().flat_map(u32::to_be_bytes).collect();
/// let header = sflow::decode(&datagram, &mut flows)?;
/// assert_eq!((header.agent.to_string().as_str(), header.sub_agent, header.sequence), ("10.0.0.7", 2, 99));
/// assert_eq!(sflow::decode(&datagram[..20], &mut flows), Err(Malformed::Header));
/// # Ok::<(), Malformed>(())
/// ```
pub fn decode(datagram: &[u8], flows: &mut Vec<Flow>) -> Result<Header, Malformed> {
    let mut rest = Bytes(datagram);
    if rest.u32().ok_or(Malformed::Header)? != 5 {
        return Err(Malformed::Version);
    }
    let agent = match rest.u32().ok_or(Malformed::Header)? {
        0 => Ip::NONE,
        1 => Ip::v4(rest.u32().ok_or(Malformed::Header)?),
        2 => Ip::v6(rest.array().ok_or(Malformed::Header)?),
        _ => return Err(Malformed::Agent),
    };
    let [sub_agent, sequence, uptime_ms, samples] = rest.words().ok_or(Malformed::Header)?;
    let mut header = Header { agent, sub_agent, sequence, uptime_ms, ..Header::default() };
    for _ in 0..samples {
        let Some([format, length]) = rest.words() else {
            header.is_malformed(Malformed::Samples);
            break;
        };
        let (sample, is_whole) = rest.take(length);
        if !is_whole {
            header.is_malformed(Malformed::Samples);
        }
        sample::read(format, sample, &mut header, flows);
    }
    if rest.0.len() >= WORD {
        header.is_malformed(Malformed::Trailing);
    }
    Ok(header)
}

impl Header {
    /// The first reason stays.
    fn is_malformed(&mut self, why: Malformed) {
        self.trouble.get_or_insert(why);
    }
}

/// Bytes that are read from their beginning.
#[derive(Clone, Copy)]
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    #[inline]
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    #[inline]
    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// Some words, or none of them.
    #[inline]
    fn words<const N: usize>(&mut self) -> Option<[u32; N]> {
        let mut after = *self;
        let mut words = [0; N];
        for word in &mut words {
            *word = after.u32()?;
        }
        *self = after;
        Some(words)
    }

    /// So many bytes, or all that there are; and whether they were so many.
    #[inline]
    fn take(&mut self, length: u32) -> (Bytes<'a>, bool) {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        (Bytes(taken), taken.len() == length)
    }
}
