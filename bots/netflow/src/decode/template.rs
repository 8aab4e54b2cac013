//! Templates as they come in packets.

/// The enterprise number of RFC 5103: elements of the other direction.
pub(super) const REVERSE: u32 = 29_305;
/// The length of a field whose length stands in each record.
pub(super) const VARIABLE: u16 = u16::MAX;
/// The enterprise number under which v9's scopes are kept apart from its elements. No enterprise has it.
pub(super) const SCOPE: u32 = u32::MAX;
/// Templates have ids from here on; those below are kinds of sets.
pub(super) const FIRST_ID: u16 = 256;

/// One field of a template.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Field {
    pub(super) enterprise: u32,
    pub(super) element: u16,
    pub(super) length: u16,
    /// Of what the other fields speak.
    pub(super) is_scope: bool,
}

/// In which form field specifiers are written. Of options, so many are scopes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Form {
    /// Four bytes each.
    V9 { scopes: u16 },
    /// Four bytes or, with an enterprise number, eight.
    Ipfix { scopes: u16 },
}

impl Form {
    const fn scopes(self) -> u16 {
        match self {
            Self::V9 { scopes } | Self::Ipfix { scopes } => scopes,
        }
    }
}

/// The fields of a template, read from its bytes.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    form: Form,
    seen: u16,
}

impl<'a> Fields<'a> {
    pub(super) const fn new(bytes: &'a [u8], form: Form) -> Self {
        Self { bytes, form, seen: 0 }
    }
}

impl Iterator for Fields<'_> {
    type Item = Field;

    fn next(&mut self) -> Option<Field> {
        let (head, mut rest) = self.bytes.split_first_chunk::<4>()?;
        let mut element = u16::from_be_bytes([head[0], head[1]]);
        let length = u16::from_be_bytes([head[2], head[3]]);
        let mut enterprise = 0;
        let is_scope = self.seen < self.form.scopes();
        match self.form {
            Form::Ipfix { .. } if element & 0x8000 != 0 => {
                let (number, after) = rest.split_first_chunk::<4>()?;
                enterprise = u32::from_be_bytes(*number);
                element &= 0x7fff;
                rest = after;
            }
            Form::V9 { .. } if is_scope => enterprise = SCOPE,
            _ => {}
        }
        self.bytes = rest;
        self.seen = self.seen.saturating_add(1);
        Some(Field { enterprise, element, length, is_scope })
    }
}

/// What a template set says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Entry<'a> {
    /// A template of flows (`scopes` is None) or of options.
    Template { id: u16, fields: &'a [u8], form: Form, options: bool },
    /// The template is not used any more; id 2 or 3: none of that kind is.
    Withdrawn { id: u16 },
    /// A template without any field, or with an id that no template may have: skipped.
    Unusable,
    /// The set ends before its template does.
    Cut,
}

/// What template sets there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    V9,
    V9Options,
    Ipfix,
    IpfixOptions,
}

/// Reads the templates of a set's body, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Entries<'a> {
    rest: &'a [u8],
    kind: Kind,
}

impl<'a> Entries<'a> {
    pub(super) const fn new(body: &'a [u8], kind: Kind) -> Self {
        Self { rest: body, kind }
    }

    fn u16(&self, at: usize) -> Option<u16> {
        self.rest.get(at..at + 2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// How many bytes `count` field specifiers of IPFIX have.
    fn ipfix_length(&self, header: usize, count: u16) -> Option<usize> {
        let mut at = header;
        for _ in 0..count {
            let long = self.u16(at)? & 0x8000 != 0;
            at += if long { 8 } else { 4 };
        }
        (at <= self.rest.len()).then_some(at - header)
    }

    fn read(&self) -> Option<(Entry<'a>, usize)> {
        let (id, count) = (self.u16(0)?, self.u16(2)?);
        let withdrawn = (Entry::Withdrawn { id }, 4);
        let (header, length, form, options) = match self.kind {
            Kind::V9 => (4, usize::from(count) * 4, Form::V9 { scopes: 0 }, false),
            Kind::V9Options => {
                let (scopes, options) = (count, self.u16(4)?);
                let length = usize::from(scopes) + usize::from(options);
                (6, length, Form::V9 { scopes: scopes / 4 }, true)
            }
            Kind::Ipfix if count == 0 => return Some(withdrawn),
            Kind::Ipfix => (4, self.ipfix_length(4, count)?, Form::Ipfix { scopes: 0 }, false),
            // A withdrawal has no count of scopes.
            Kind::IpfixOptions if count == 0 => return Some(withdrawn),
            Kind::IpfixOptions => {
                (6, self.ipfix_length(6, count)?, Form::Ipfix { scopes: self.u16(4)? }, true)
            }
        };
        let fields = self.rest.get(header..header + length)?;
        let usable = id >= FIRST_ID && length >= 4;
        let entry = if usable { Entry::Template { id, fields, form, options } } else { Entry::Unusable };
        Some((entry, header + length))
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        // What is left may be padding, which is zero.
        if self.rest.len() < 4 || self.u16(0) == Some(0) && self.rest.iter().all(|byte| *byte == 0) {
            self.rest = &[];
            return None;
        }
        let Some((entry, length)) = self.read() else {
            self.rest = &[];
            return Some(Entry::Cut);
        };
        self.rest = self.rest.get(length..).unwrap_or_default();
        Some(entry)
    }
}
