//! What a file has of each flow, and how a part of a file is written.

use std::io::Write;
use std::sync::Arc;

use grafoleancollector::Timestamp;
use parquet::basic::Encoding;
use parquet::data_type::Int64Type;
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnDescPtr, ColumnPath, TypePtr};

use super::batch::{Batch, Run};
use super::dictionary::Dictionary;
use super::pages::{Pages, compression, plain_texts};
use crate::{Direction, Event, Flow, Has, Ip, Version};

/// The columns, in their order. [The module's page](crate::archive) says what they mean.
pub(super) const SCHEMA: &str = "
    message flow {
        required int64 received (TIMESTAMP(MILLIS, true));
        required binary exporter (STRING);
        optional binary reported (STRING);
        required int32 domain (INTEGER(32, false));
        required binary version (STRING);
        optional binary src (STRING);
        optional binary dst (STRING);
        optional int32 src_port (INTEGER(16, false));
        optional int32 dst_port (INTEGER(16, false));
        optional int32 protocol (INTEGER(8, false));
        required int64 bytes (INTEGER(64, false));
        required int64 packets (INTEGER(64, false));
        optional int32 sampling (INTEGER(32, false));
        optional int64 ended (TIMESTAMP(MILLIS, true));
        optional int64 duration_ms (INTEGER(64, true));
        optional int32 input (INTEGER(32, false));
        optional int32 output (INTEGER(32, false));
        optional binary direction (STRING);
        optional binary event (STRING);
        required int32 tcp_flags (INTEGER(8, false));
        required int32 tos (INTEGER(8, false));
    }
";

const DIRECTIONS: [&str; 2] = ["ingress", "egress"];
const EVENTS: [&str; 3] = ["none", "delete", "update"];

/// How all files are written; what is said of values holds for the times only.
pub(super) fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(compression())
        .set_data_page_row_count_limit(usize::MAX)
        // A footer without an index of pages is complete by itself, so that it can be kept apart.
        .set_offset_index_disabled(true)
        .set_statistics_enabled(EnabledStatistics::None)
        // Lets a reader skip the parts that are too early or late for it.
        .set_column_statistics_enabled(ColumnPath::from("received"), EnabledStatistics::Chunk)
        .set_dictionary_enabled(false)
        .set_encoding(Encoding::DELTA_BINARY_PACKED)
        .set_created_by(concat!("grafolean-netflow-bot ", env!("CARGO_PKG_VERSION")).to_owned())
        .build()
}

pub(super) fn schema() -> Result<TypePtr> {
    parse_message_type(SCHEMA).map(Arc::new)
}

/// Turns batches into parts of files.
pub(super) struct Columns {
    pages: Pages,
    addresses: Dictionary<Ip>,
    bytes: Dictionary<u8>,
}

impl Columns {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self { pages: Pages::new()?, addresses: Dictionary::new(), bytes: Dictionary::new() })
    }

    /// Writes all flows of a batch as the file's next part.
    pub(super) fn write<W: Write + Send>(
        &mut self,
        file: &mut SerializedFileWriter<W>,
        batch: &Batch,
    ) -> Result<()> {
        let descriptions = file.schema_descr().columns().to_vec();
        let columns = descriptions.into_iter();
        let mut group = Group { writer: file.next_row_group()?, columns, batch, to: self };
        group.times(each_run(batch, |run| Some(run.origin.received.as_millis())))?;
        group.addresses_of_origin(|run| run.origin.source)?;
        group.addresses_of_origin(|run| run.origin.reported)?;
        group.numbers_of_origin(|run| run.origin.domain)?;
        group.versions()?;
        group.addresses(|flow| flow.src)?;
        group.addresses(|flow| flow.dst)?;
        group.numbers(|flow| given(flow, Has::SRC_PORT, flow.src_port.into()))?;
        group.numbers(|flow| given(flow, Has::DST_PORT, flow.dst_port.into()))?;
        group.bytes(|flow| flow.has.has(Has::PROTOCOL).then_some(flow.protocol))?;
        group.long_numbers(|flow| Some(flow.bytes))?;
        group.long_numbers(|flow| Some(flow.packets))?;
        group.numbers(|flow| (flow.sampling != 0).then_some(flow.sampling))?;
        group.times(batch.flows.iter().map(|flow| (flow.end != 0).then_some(flow.end)))?;
        group.long_numbers(|flow| duration(flow).map(i64::cast_unsigned))?;
        group.numbers(|flow| given(flow, Has::INPUT, flow.input))?;
        group.numbers(|flow| given(flow, Has::OUTPUT, flow.output))?;
        group.words(&DIRECTIONS, |flow| match flow.direction {
            Direction::Unknown => None,
            Direction::Ingress => Some(0),
            Direction::Egress => Some(1),
        })?;
        group.words(&EVENTS, |flow| match flow.event {
            Event::None => None,
            Event::NoTraffic => Some(0),
            Event::Delete => Some(1),
            Event::Update => Some(2),
        })?;
        group.bytes(|flow| Some(flow.tcp_flags))?;
        group.bytes(|flow| Some(flow.tos))?;
        group.writer.close().map(drop)
    }
}

/// Negative where an exporter says that a flow ended before it began.
fn duration(flow: &Flow) -> Option<i64> {
    (flow.start != 0 && flow.end != 0).then(|| flow.end.saturating_sub(flow.start))
}

fn given(flow: &Flow, field: Has, value: u32) -> Option<u32> {
    flow.has.has(field).then_some(value)
}

/// A part of a file: each call writes the next column.
struct Group<'a, W: Write + Send> {
    writer: SerializedRowGroupWriter<'a, W>,
    columns: std::vec::IntoIter<ColumnDescPtr>,
    batch: &'a Batch,
    to: &'a mut Columns,
}

impl<W: Write + Send> Group<'_, W> {
    /// Times, of which the crate writes the differences.
    fn times(&mut self, rows: impl Iterator<Item = Option<i64>>) -> Result<()> {
        self.to.pages.fill(rows.map(|time| time.map(i64::cast_unsigned)));
        let (present, values) = self.to.pages.filled();
        let values: Vec<i64> = values.iter().map(|value| value.cast_signed()).collect();
        let optional = self.columns.next().ok_or_else(no_such_column)?.max_def_level() > 0;
        let levels = optional.then(|| present.iter().map(|present| (*present).into()).collect::<Vec<i16>>());
        let mut column = self.writer.next_column()?.ok_or_else(no_such_column)?;
        column.typed::<Int64Type>().write_batch(&values, levels.as_deref(), None)?;
        column.close()
    }

    fn column(&mut self) -> Result<ColumnDescPtr> {
        self.columns.next().ok_or_else(no_such_column)
    }

    fn numbers(&mut self, mut value: impl FnMut(&Flow) -> Option<u32>) -> Result<()> {
        self.to.pages.fill(self.batch.flows.iter().map(|flow| value(flow).map(u64::from)));
        let column = self.column()?;
        self.to.pages.integers(&mut self.writer, &column, 4)
    }

    fn long_numbers(&mut self, value: impl FnMut(&Flow) -> Option<u64>) -> Result<()> {
        self.to.pages.fill(self.batch.flows.iter().map(value));
        let column = self.column()?;
        self.to.pages.integers(&mut self.writer, &column, 8)
    }

    fn numbers_of_origin(&mut self, mut value: impl FnMut(&Run) -> u32) -> Result<()> {
        self.to.pages.fill(each_run(self.batch, |run| Some(value(run).into())));
        let column = self.column()?;
        self.to.pages.integers(&mut self.writer, &column, 4)
    }

    /// One of a few words.
    fn words(&mut self, words: &[&str], number: impl FnMut(&Flow) -> Option<u64>) -> Result<()> {
        self.to.pages.fill(self.batch.flows.iter().map(number));
        self.numbered(&plain_texts(words.iter()), words.len())
    }

    fn versions(&mut self) -> Result<()> {
        self.to.pages.fill(each_run(self.batch, |run| Some(run.origin.version as u64)));
        let names = Version::ALL.iter().map(|version| version.name());
        self.numbered(&plain_texts(names), Version::ALL.len())
    }

    fn bytes(&mut self, mut value: impl FnMut(&Flow) -> Option<u8>) -> Result<()> {
        let Columns { pages, bytes, .. } = &mut *self.to;
        bytes.clear();
        pages.fill(self.batch.flows.iter().map(|flow| value(flow).map(|value| bytes.number(value))));
        let plain: Vec<u8> =
            bytes.values().iter().flat_map(|value| u32::from(*value).to_le_bytes()).collect();
        let count = bytes.values().len();
        self.numbered(&plain, count)
    }

    fn addresses(&mut self, address: impl FnMut(&Flow) -> Ip) -> Result<()> {
        self.write_addresses(self.batch.flows.iter().map(address))
    }

    fn addresses_of_origin(&mut self, address: impl FnMut(&Run) -> Ip) -> Result<()> {
        self.write_addresses(each_run(self.batch, address))
    }

    fn write_addresses(&mut self, rows: impl Iterator<Item = Ip>) -> Result<()> {
        let Columns { pages, addresses, .. } = &mut *self.to;
        addresses.clear();
        pages.fill(rows.map(|address| (!address.is_none()).then(|| addresses.number(address))));
        addresses.by_frequency(pages.filled().1);
        let plain = plain_texts(addresses.values().iter().map(Ip::to_string));
        let count = addresses.values().len();
        self.numbered(&plain, count)
    }

    fn numbered(&mut self, dictionary: &[u8], count: usize) -> Result<()> {
        let column = self.column()?;
        self.to.pages.numbered(&mut self.writer, &column, dictionary, count)
    }
}

fn no_such_column() -> ParquetError {
    ParquetError::General("no such column".to_owned())
}

/// What holds for all flows of a run, for each of them.
fn each_run<T: Clone>(batch: &Batch, mut value: impl FnMut(&Run) -> T) -> impl Iterator<Item = T> {
    batch.runs.iter().flat_map(move |run| std::iter::repeat_n(value(run), run.flows))
}

/// When the oldest flow of a batch was received.
pub(super) fn first_received(batch: &Batch) -> Option<Timestamp> {
    batch.runs.first().map(|run| run.origin.received)
}
