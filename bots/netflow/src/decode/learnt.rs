//! A template that is known, with what its records are read by.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use grafoleancollector::Timestamp;

use super::plan::Plan;
use super::stream::{TEMPLATE_LIFE, later, seconds};
use super::template::{Field, Fields, Form};

/// What a plan and what belongs to it takes of memory, besides the fields themselves.
const TEMPLATE_BYTES: usize = size_of::<Template>() + 64;

/// What records of a template are for.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "most are plans, and all are boxed")]
pub(super) enum Purpose {
    Flows(Plan),
    Options(Arc<[Field]>),
}

/// One template.
#[derive(Debug)]
pub(super) struct Template {
    /// The field specifiers as they came.
    pub(super) fields: Box<[u8]>,
    pub(super) form: Form,
    pub(super) purpose: Purpose,
    /// When it came last.
    pub(super) refreshed: Timestamp,
    /// The time that is in what was kept of it.
    pub(super) kept: Option<Timestamp>,
    pub(super) is_changed: bool,
    /// The digest of the definition that it has replaced.
    pub(super) former: u64,
    /// Whether it is in the exporter's books: several decoders take up what was kept, and one of them uses it.
    pub(super) is_counted: bool,
}

impl Template {
    /// None where its records would have no bytes, or too many.
    pub(super) fn new(fields: &[u8], form: Form, options: bool, now: Timestamp) -> Option<Self> {
        let plan = Plan::new(Fields::new(fields, form))?;
        let purpose = if options {
            Purpose::Options(Fields::new(fields, form).collect())
        } else {
            Purpose::Flows(plan)
        };
        let fields = fields.into();
        Some(Self {
            fields,
            form,
            purpose,
            refreshed: now,
            kept: None,
            is_changed: true,
            former: 0,
            is_counted: true,
        })
    }

    pub(super) fn is_options(&self) -> bool {
        matches!(self.purpose, Purpose::Options(_))
    }

    pub(super) fn is(&self, fields: &[u8], form: Form, options: bool) -> bool {
        self.form == form && self.is_options() == options && *self.fields == *fields
    }

    pub(super) fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.fields, self.form, self.is_options()).hash(&mut hasher);
        hasher.finish()
    }

    pub(super) fn bytes(&self) -> usize {
        let more = match &self.purpose {
            Purpose::Flows(plan) => plan.walk.len() * 64,
            Purpose::Options(fields) => size_of_val(&**fields),
        };
        TEMPLATE_BYTES + self.fields.len() + more
    }

    pub(super) fn leap(&mut self, by: i64) {
        self.refreshed = later(self.refreshed, by);
    }

    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        seconds(now, self.refreshed) > TEMPLATE_LIFE
    }
}
