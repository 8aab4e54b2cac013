//! What is kept of streams when the bot ends, in bytes.
//!
//! A key is a kind, a version, an address, a domain and, of a template, its id; a value begins with the number of its
//! form. Nothing is believed of what is read: another version of the bot may have written it, or a bad disk.

use std::num::NonZeroU32;

use grafoleancollector::Timestamp;

use super::Decoder;
use super::learnt::Template;
use super::sequence::Sequence;
use super::stream::{Budget, Stream};
use super::template::{FIRST_ID, Form};
use super::told::Name;
use crate::books::{ExporterBooks, InterfaceName};
use crate::flow::{Ip, Version};

/// The form of all values.
const FORM: u8 = 1;

const TEMPLATE: u8 = b't';
const OPTIONS: u8 = b'o';
const SEQUENCE: u8 = b's';

/// Keys of streams that are gone and were not asked for: those beyond stay, and go another time.
const MOST_REMOVED: usize = 1 << 16;

/// Something kept: its key, and its value, or None when it is to be removed.
type Change = (Vec<u8>, Option<Vec<u8>>);

fn key(kind: u8, address: Ip, stream: &Stream, template: Option<u16>) -> Vec<u8> {
    let mut key = vec![kind, stream.version as u8];
    key.extend(address.octets());
    key.extend(stream.domain.to_be_bytes());
    key.extend(template.into_iter().flat_map(u16::to_be_bytes));
    key
}

/// An entity names the exporter, or does not any more: what is kept of a known one's stream, and not of another's.
pub(super) fn set_known(address: Ip, stream: &mut Stream, is_known: bool, removed: &mut Vec<Vec<u8>>) {
    if is_known {
        stream.options_changed |= stream.has_options();
        stream.sequence_changed |= stream.sequence.next.is_some();
    } else {
        removed.extend([OPTIONS, SEQUENCE].map(|kind| key(kind, address, stream, None)));
    }
}

/// Says that all that was kept of a stream may go, unless another decoder hears the same exporter.
pub(super) fn forget(books: &ExporterBooks, stream: &Stream, removed: &mut Vec<Vec<u8>>) {
    if books.is_shared() {
        return;
    }
    let address = books.address();
    let templates = stream.templates().iter().map(|(id, _)| *id).chain(stream.removed.iter().copied());
    let templates = templates.map(|id| key(TEMPLATE, address, stream, Some(id)));
    let others = [OPTIONS, SEQUENCE].map(|kind| key(kind, address, stream, None));
    removed.extend(templates.chain(others).take(MOST_REMOVED.saturating_sub(removed.len())));
}

impl Decoder {
    /// What has changed since the last call and is to be kept: keys, with their values or None when they are to be
    /// removed.
    pub fn changes(&mut self) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let mut changes: Vec<Change> = self.removed.drain(..).map(|key| (key, None)).collect();
        for address in self.changed.drain(..) {
            let place = self.sources.place(address);
            let Some(source) = place.and_then(|place| self.sources.get_mut(place)) else { continue };
            source.is_changed = false;
            for stream in &mut source.streams {
                stream_changes(address, source.share.is_known, stream, &mut changes);
            }
        }
        changes
    }
}

/// Of what something was kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Key {
    /// Options come first: they tell who the exporter is.
    kind: u8,
    pub(super) version: Version,
    pub(super) address: Ip,
    pub(super) domain: u32,
    id: u16,
}

impl Key {
    pub(super) fn read(key: &[u8]) -> Option<Self> {
        let mut key = Reader(key);
        let kind = key.u8()?;
        let version = key.u8().and_then(|version| Version::ALL.get(usize::from(version)).copied())?;
        let address = key.array().map(Ip::v6)?;
        let domain = key.u32()?;
        let id = if kind == TEMPLATE { key.u16().filter(|id| *id >= FIRST_ID)? } else { 0 };
        key.0.is_empty().then_some(Self { kind, version, address, domain, id })
    }

    /// What was kept, and from when it is.
    pub(super) fn part(&self, value: &[u8]) -> Option<(Timestamp, Part)> {
        let mut value = Reader(value);
        if value.u8()? != FORM {
            return None;
        }
        let last = Timestamp::from_micros(value.i64()?);
        let part = match self.kind {
            TEMPLATE => Part::Template(self.id, Box::new(template(value, last)?)),
            OPTIONS => Part::Options(Options::read(value)?),
            SEQUENCE => Part::Sequence(Sequence::from_next(value.u32().filter(|_| value.0.is_empty())?)),
            _ => return None,
        };
        Some((last, part))
    }
}

/// What may be kept of a stream.
pub(super) enum Part {
    Template(u16, Box<Template>),
    Options(Options),
    Sequence(Sequence),
}

/// Of exporters that no entity names, which anybody may invent, nothing but templates is kept.
fn stream_changes(address: Ip, is_known: bool, stream: &mut Stream, changes: &mut Vec<Change>) {
    if std::mem::take(&mut stream.templates_changed) {
        for id in std::mem::take(&mut stream.removed) {
            if stream.template(id).is_none() {
                changes.push((key(TEMPLATE, address, stream, Some(id)), None));
            }
        }
        let mut keys = Vec::new();
        for (id, template) in stream.templates_mut() {
            if std::mem::take(&mut template.is_changed) {
                template.kept = Some(template.refreshed);
                keys.push((*id, template_value(template)));
            }
        }
        changes.extend(
            keys.into_iter().map(|(id, value)| (key(TEMPLATE, address, stream, Some(id)), Some(value))),
        );
    }
    let options_changed = std::mem::take(&mut stream.options_changed);
    let sequence_changed = std::mem::take(&mut stream.sequence_changed);
    if !is_known {
        return;
    }
    if options_changed {
        changes.push((key(OPTIONS, address, stream, None), Some(Options::value(stream))));
    }
    if sequence_changed {
        let value = stream.sequence.next.map(|next| {
            let mut value = begin(stream.last);
            value.extend(next.to_be_bytes());
            value
        });
        changes.push((key(SEQUENCE, address, stream, None), value));
    }
}

fn begin(last: Timestamp) -> Vec<u8> {
    let mut value = vec![FORM];
    value.extend(last.as_micros().to_be_bytes());
    value
}

fn template_value(template: &Template) -> Vec<u8> {
    let mut value = begin(template.refreshed);
    let (is_ipfix, scopes) = match template.form {
        Form::V9 { scopes } => (false, scopes),
        Form::Ipfix { scopes } => (true, scopes),
    };
    value.extend([u8::from(template.is_options()), u8::from(is_ipfix)]);
    value.extend(scopes.to_be_bytes());
    value.extend_from_slice(&template.fields);
    value
}

fn template(mut value: Reader<'_>, refreshed: Timestamp) -> Option<Template> {
    let (options, form) = (value.u8()? == 1, value.u8()?);
    let scopes = value.u16()?;
    let form = if form == 1 { Form::Ipfix { scopes } } else { Form::V9 { scopes } };
    let mut template = Template::new(value.0, form, options, refreshed)?;
    (template.kept, template.is_changed, template.is_counted) = (Some(refreshed), false, false);
    Some(template)
}

/// What an exporter has told in options.
#[derive(Default)]
pub(super) struct Options {
    stream: Option<NonZeroU32>,
    samplers: Vec<(u64, NonZeroU32)>,
    interfaces: Vec<(u64, NonZeroU32)>,
    exporter: Ip,
    boot: Option<i64>,
    names: Vec<(u32, InterfaceName)>,
}

impl Options {
    #[expect(clippy::cast_possible_truncation, reason = "there are far fewer")]
    fn value(stream: &Stream) -> Vec<u8> {
        let mut value = begin(stream.last);
        value.extend(stream.sampling.stream.map_or(0, NonZeroU32::get).to_be_bytes());
        value.extend(stream.exporter.ip().octets());
        value.extend(stream.boot.unwrap_or(i64::MIN).to_be_bytes());
        for rates in [&stream.sampling.samplers, &stream.sampling.interfaces] {
            value.extend((rates.all().len() as u16).to_be_bytes());
            for (id, rate) in rates.all() {
                value.extend(id.to_be_bytes());
                value.extend(rate.get().to_be_bytes());
            }
        }
        value.extend((stream.names.len() as u16).to_be_bytes());
        for (index, InterfaceName { name, description }) in &stream.names {
            value.extend(index.to_be_bytes());
            for text in [name, description] {
                value.push(text.len() as u8);
                value.extend(text.bytes());
            }
        }
        value
    }

    fn read(mut value: Reader<'_>) -> Option<Self> {
        let stream = NonZeroU32::new(value.u32()?);
        let exporter = value.array().map(Ip::v6)?;
        let boot = Some(value.i64()?).filter(|boot| *boot != i64::MIN);
        let mut options = Self { stream, exporter, boot, ..Self::default() };
        for rates in [&mut options.samplers, &mut options.interfaces] {
            for _ in 0..value.u16()? {
                rates.push((value.u64()?, NonZeroU32::new(value.u32()?)?));
            }
        }
        for _ in 0..value.u16()? {
            let index = value.u32()?;
            let name = InterfaceName { name: value.text()?, description: value.text()? };
            options.names.push((index, name));
        }
        value.0.is_empty().then_some(options)
    }

    pub(super) fn put(self, stream: &mut Stream, budget: &mut Budget<'_>) {
        if let Some(rate) = self.stream {
            stream.sampling.set_stream(rate);
        }
        for (id, rate) in self.samplers {
            stream.set_sampler(id, rate, budget);
        }
        for (index, rate) in self.interfaces {
            stream.set_interface(index, rate, budget);
        }
        if !self.exporter.is_none() {
            stream.exporter = Name::One(self.exporter);
        }
        stream.boot = self.boot;
        for (interface, name) in self.names {
            stream.name(interface, name, budget);
        }
    }
}

/// Reads bytes from their beginning.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }

    fn text(&mut self) -> Option<Box<str>> {
        let length = usize::from(self.u8()?);
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok().map(Into::into)
    }
}
