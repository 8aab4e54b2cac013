//! Captures: the UDP datagrams of a pcap or pcapng file.
//!
//! | file | its one idea |
//! |---|---|
//! | `classic` | pcap: a header, then packets |
//! | `blocks` | pcapng: sections, interfaces, packets |
//! | `source` | where the bytes come from, and how many there were |
//! | `link` | the link types that are known |
//!
//! Read one packet at a time: a capture may be larger than the memory, or a pipe that never ends.

mod blocks;
mod classic;
mod link;
mod source;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use grafoleancollector::Timestamp;
use thiserror::Error;

use crate::Ip;
use crate::packet::{Fragment, IpHeader, ip_within, u16_at};
use source::Source;

/// A capture that is read.
///
/// ```no_run
/// use grafolean_netflow_bot::pcap::Capture;
/// let mut capture = Capture::open("flows.pcap".as_ref())?;
/// while let Some(datagram) = capture.datagram()? {
///     println!("{}: {} bytes to port {}", datagram.source, datagram.payload.len(), datagram.destination_port);
/// }
/// println!("{}", capture.seen());
/// # Ok::<(), grafolean_netflow_bot::pcap::CaptureError>(())
/// ```
#[derive(Debug)]
pub struct Capture<R> {
    source: Source<R>,
    form: Form,
    seen: Seen,
    packet: Vec<u8>,
    /// Of the packet before, for those that have none.
    time: Timestamp,
}

#[derive(Debug)]
enum Form {
    Classic(classic::Classic),
    Blocks(blocks::Blocks),
}

/// A packet as it stands in a capture: its bytes are in the buffer.
struct Captured {
    link: u16,
    /// As it was on the wire.
    length: u32,
    time: Option<Timestamp>,
}

/// A UDP datagram of a capture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Datagram<'a> {
    /// When it was captured. Where the capture does not say: as the one before.
    pub time: Timestamp,
    /// Who sent it.
    pub source: Ip,
    /// From which port.
    pub source_port: u16,
    /// To whom.
    pub destination: Ip,
    /// To which port.
    pub destination_port: u16,
    /// What it says.
    pub payload: &'a [u8],
}

/// What was in a capture so far.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Seen {
    /// All packets, those below too.
    pub packets: u64,
    /// UDP datagrams that were handed over.
    pub datagrams: u64,
    /// Fragments: they are not put together.
    pub fragments: u64,
    /// Datagrams that are not whole: captured with a short snapshot length, or with a length that lies.
    pub truncated: u64,
    /// Packets of other protocols than UDP.
    pub others: u64,
    /// Packets of a link type that is not known, and the last such type.
    pub unknown_link: u64,
    /// The last link type that is not known.
    pub unknown_link_type: u16,
    /// The capture ends in the middle of a packet: it was copied, or is written, while it was read.
    pub is_cut_short: bool,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { packets, datagrams, .. } = self;
        write!(f, "{packets} packets, {datagrams} UDP datagrams")?;
        let skipped = [
            (self.others, "of other protocols"),
            (self.fragments, "fragments (set the exporter to smaller datagrams)"),
            (self.truncated, "truncated (capture with -s 0)"),
        ];
        for (count, what) in skipped.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, ", {count} {what}")?;
        }
        if self.unknown_link > 0 {
            write!(f, ", {} of link type {}, which is not known", self.unknown_link, self.unknown_link_type)?;
        }
        if self.is_cut_short {
            f.write_str(", and the capture ends in the middle of a packet")?;
        }
        Ok(())
    }
}

/// Why a capture cannot be read, or not further.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// It cannot be opened.
    #[error("{name}: cannot be opened")]
    Open {
        /// The file.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// It cannot be read.
    #[error("{name}: cannot be read at byte {offset}")]
    Read {
        /// The file.
        name: String,
        /// Where.
        offset: u64,
        /// Why.
        source: io::Error,
    },
    /// It is no capture.
    #[error("{name}: neither pcap nor pcapng{hint}")]
    NoCapture {
        /// The file.
        name: String,
        /// What it seems to be.
        hint: &'static str,
    },
    /// It is not as such a file must be.
    #[error("{name}: damaged at byte {offset}: {what}")]
    Damaged {
        /// The file.
        name: String,
        /// Where.
        offset: u64,
        /// What.
        what: &'static str,
    },
}

impl Capture<Box<dyn Read>> {
    /// Opens a file; `-` is standard input.
    ///
    /// # Errors
    /// It is not there, or no capture.
    pub fn open(path: &Path) -> Result<Self, CaptureError> {
        let name = path.display().to_string();
        if path.as_os_str() == "-" {
            return Self::new("standard input", Box::new(io::stdin().lock()));
        }
        match File::open(path) {
            Ok(file) => Self::new(name, Box::new(file)),
            Err(source) => Err(CaptureError::Open { name, source }),
        }
    }
}

impl<R: Read> Capture<R> {
    /// Reads the header of a capture; `name` is for errors.
    ///
    /// # Errors
    /// It is no capture, or cannot be read.
    pub fn new(name: impl Into<String>, reader: R) -> Result<Self, CaptureError> {
        let mut source = Source::new(name.into(), reader);
        let magic: [u8; 4] = source.array()?.ok_or_else(|| source.no_capture(" (it is too short)"))?;
        let form = match magic {
            blocks::SECTION => Form::Blocks(blocks::Blocks::open(&mut source)?),
            _ => Form::Classic(classic::Classic::open(magic, &mut source)?),
        };
        let (seen, packet, time) = (Seen::default(), Vec::new(), Timestamp::from_micros(0));
        Ok(Self { source, form, seen, packet, time })
    }

    /// The next UDP datagram. None: there are no more.
    ///
    /// # Errors
    /// The capture is damaged, or cannot be read further.
    pub fn datagram(&mut self) -> Result<Option<Datagram<'_>>, CaptureError> {
        loop {
            let packet = &mut self.packet;
            let captured = match &mut self.form {
                Form::Classic(classic) => classic.packet(&mut self.source, packet)?,
                Form::Blocks(blocks) => blocks.packet(&mut self.source, packet)?,
            };
            let Some(captured) = captured else {
                self.seen.is_cut_short = self.source.is_cut_short();
                return Ok(None);
            };
            self.seen.packets += 1;
            self.time = captured.time.unwrap_or(self.time);
            if let Some(place) = place(&captured, &self.packet, &mut self.seen) {
                self.seen.datagrams += 1;
                let payload = self.packet.get(place.payload.clone()).unwrap_or_default();
                return Ok(Some(place.datagram(self.time, payload)));
            }
        }
    }

    /// What was in it so far.
    #[must_use]
    pub const fn seen(&self) -> &Seen {
        &self.seen
    }
}

/// Where in a packet its datagram is.
struct Place {
    source: (Ip, u16),
    destination: (Ip, u16),
    payload: std::ops::Range<usize>,
}

impl Place {
    fn datagram<'a>(&self, time: Timestamp, payload: &'a [u8]) -> Datagram<'a> {
        let ((source, source_port), (destination, destination_port)) = (self.source, self.destination);
        Datagram { time, source, source_port, destination, destination_port, payload }
    }
}

/// Looks for a UDP datagram; what is none is counted.
fn place(captured: &Captured, packet: &[u8], seen: &mut Seen) -> Option<Place> {
    const UDP: u8 = 17;
    const UDP_HEADER: usize = 8;
    let is_short = u32::try_from(packet.len()).is_ok_and(|length| length < captured.length);
    let Some((link, headers)) = link::known(captured.link, packet) else {
        (seen.unknown_link, seen.unknown_link_type) = (seen.unknown_link + 1, captured.link);
        return None;
    };
    let ip = packet.get(headers..).and_then(|rest| ip_within(link, rest)).and_then(IpHeader::read);
    let Some(ip) = ip else {
        // Its headers may be behind the end.
        *(if is_short { &mut seen.truncated } else { &mut seen.others }) += 1;
        return None;
    };
    if ip.protocol != Some(UDP) {
        seen.others += 1;
        return None;
    }
    if ip.fragment != Fragment::Whole {
        seen.fragments += 1;
        return None;
    }
    // A length of 0: all there is, in a jumbo packet.
    let length = match u16_at(ip.payload, 4).map(usize::from) {
        Some(0) if !ip.is_cut => ip.payload.len(),
        Some(length) if (UDP_HEADER..=ip.payload.len()).contains(&length) => length,
        _ => {
            seen.truncated += 1;
            return None;
        }
    };
    let (source_port, destination_port) = ip.ports()?;
    // The payload is a part of the packet: its place is the distance of the two beginnings.
    let begin = ip.payload.as_ptr().addr() - packet.as_ptr().addr();
    Some(Place {
        source: (ip.src, source_port),
        destination: (ip.dst, destination_port),
        payload: begin + UDP_HEADER..begin + length,
    })
}
