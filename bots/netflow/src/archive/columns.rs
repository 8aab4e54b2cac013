//! What a file has of each flow, and how a part of a file is written.

use std::io::Write;
use std::sync::Arc;

use grafoleancollector::Timestamp;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnPath, TypePtr};

use super::batch::{Batch, Run};
use crate::{Direction, Event, Flow, Has, Ip};

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
        optional int64 started (TIMESTAMP(MILLIS, true));
        optional int64 ended (TIMESTAMP(MILLIS, true));
        optional int32 input (INTEGER(32, false));
        optional int32 output (INTEGER(32, false));
        optional binary direction (STRING);
        optional binary event (STRING);
        required int32 tcp_flags (INTEGER(8, false));
        required int32 tos (INTEGER(8, false));
    }
";

/// Rows that go through the encoder at a time, so that what is written next to each other stays in the cache.
const CHUNK: usize = 8_192;
/// Addresses whose text is at hand.
const TEXTS: usize = 1 << 15;
/// Addresses are written once for each part of a file, and referred to by number, as long as they fit into this.
const DICTIONARY_BYTES: usize = 4 << 20;

/// How all files are written.
pub(super) fn properties() -> WriterProperties {
    let column = |name: &str| ColumnPath::from(name);
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .set_data_page_row_count_limit(usize::MAX)
        // A footer without an index of pages is complete by itself, so that it can be kept apart.
        .set_offset_index_disabled(true)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_created_by(concat!("grafolean-netflow-bot ", env!("CARGO_PKG_VERSION")).to_owned());
    // Lets a reader skip the parts that are too early or late for it.
    properties = properties.set_column_statistics_enabled(column("received"), EnabledStatistics::Chunk);
    for name in ["received", "started", "ended"] {
        properties = properties
            .set_column_dictionary_enabled(column(name), false)
            .set_column_encoding(column(name), Encoding::DELTA_BINARY_PACKED);
    }
    for name in ["bytes", "packets", "src_port"] {
        properties = properties
            .set_column_dictionary_enabled(column(name), false)
            .set_column_encoding(column(name), Encoding::BYTE_STREAM_SPLIT);
    }
    properties.build()
}

pub(super) fn schema() -> Result<TypePtr> {
    parse_message_type(SCHEMA).map(Arc::new)
}

/// Turns batches into parts of files.
pub(super) struct Columns {
    texts: Texts,
    version: [ByteArray; 5],
    ingress: ByteArray,
    egress: ByteArray,
    events: [ByteArray; 3],
}

impl Columns {
    pub(super) fn new() -> Self {
        Self {
            texts: Texts::new(),
            version: crate::Version::ALL.map(|version| text(version.name())),
            ingress: text("ingress"),
            egress: text("egress"),
            events: ["none", "delete", "update"].map(text),
        }
    }

    /// Writes all flows of a batch as the file's next part.
    pub(super) fn write<W: Write + Send>(
        &mut self,
        file: &mut SerializedFileWriter<W>,
        batch: &Batch,
    ) -> Result<()> {
        let mut group = Group { writer: file.next_row_group()?, batch };
        let Self { texts, version, ingress, egress, events } = self;
        group.of_origin::<Int64Type>(|run| Some(run.origin.received.as_millis()))?;
        group.of_origin::<ByteArrayType>(|run| texts.of(run.origin.source))?;
        group.of_origin::<ByteArrayType>(|run| texts.of(run.origin.reported))?;
        group.of_origin::<Int32Type>(|run| Some(run.origin.domain.cast_signed()))?;
        group.of_origin::<ByteArrayType>(|run| version.get(run.origin.version as usize).cloned())?;
        group.of_flow::<ByteArrayType>(|flow| texts.of(flow.src))?;
        group.of_flow::<ByteArrayType>(|flow| texts.of(flow.dst))?;
        group.of_flow::<Int32Type>(|flow| given(flow, Has::SRC_PORT, flow.src_port.into()))?;
        group.of_flow::<Int32Type>(|flow| given(flow, Has::DST_PORT, flow.dst_port.into()))?;
        group.of_flow::<Int32Type>(|flow| given(flow, Has::PROTOCOL, flow.protocol.into()))?;
        group.of_flow::<Int64Type>(|flow| Some(flow.bytes.cast_signed()))?;
        group.of_flow::<Int64Type>(|flow| Some(flow.packets.cast_signed()))?;
        group.of_flow::<Int32Type>(|flow| (flow.sampling != 0).then(|| flow.sampling.cast_signed()))?;
        group.of_flow::<Int64Type>(|flow| (flow.start != 0).then_some(flow.start))?;
        group.of_flow::<Int64Type>(|flow| (flow.end != 0).then_some(flow.end))?;
        group.of_flow::<Int32Type>(|flow| given(flow, Has::INPUT, flow.input.cast_signed()))?;
        group.of_flow::<Int32Type>(|flow| given(flow, Has::OUTPUT, flow.output.cast_signed()))?;
        group.of_flow::<ByteArrayType>(|flow| match flow.direction {
            Direction::Unknown => None,
            Direction::Ingress => Some(ingress.clone()),
            Direction::Egress => Some(egress.clone()),
        })?;
        group.of_flow::<ByteArrayType>(|flow| match flow.event {
            Event::None => None,
            Event::NoTraffic => Some(events[0].clone()),
            Event::Delete => Some(events[1].clone()),
            Event::Update => Some(events[2].clone()),
        })?;
        group.of_flow::<Int32Type>(|flow| Some(flow.tcp_flags.into()))?;
        group.of_flow::<Int32Type>(|flow| Some(flow.tos.into()))?;
        group.writer.close().map(drop)
    }
}

fn text(text: &str) -> ByteArray {
    ByteArray::from(text)
}

fn given(flow: &Flow, field: Has, value: i32) -> Option<i32> {
    flow.has.has(field).then_some(value)
}

/// A part of a file: each call writes the next column.
struct Group<'a, W: Write + Send> {
    writer: SerializedRowGroupWriter<'a, W>,
    batch: &'a Batch,
}

impl<W: Write + Send> Group<'_, W> {
    fn of_flow<T: DataType>(&mut self, mut value: impl FnMut(&Flow) -> Option<T::T>) -> Result<()> {
        let batch = self.batch;
        self.column::<T>(batch.flows.iter().map(|flow| value(flow)))
    }

    fn of_origin<T: DataType>(&mut self, mut value: impl FnMut(&Run) -> Option<T::T>) -> Result<()> {
        let batch = self.batch;
        self.column::<T>(batch.runs.iter().flat_map(|run| std::iter::repeat_n(value(run), run.flows)))
    }

    fn column<T: DataType>(&mut self, mut rows: impl Iterator<Item = Option<T::T>>) -> Result<()> {
        let mut column =
            self.writer.next_column()?.ok_or_else(|| ParquetError::General("no such column".to_owned()))?;
        let writer = column.typed::<T>();
        let optional = writer.get_descriptor().max_def_level() > 0;
        let mut values = Vec::with_capacity(CHUNK);
        let mut levels = Vec::with_capacity(if optional { CHUNK } else { 0 });
        loop {
            values.clear();
            levels.clear();
            let mut rows_taken = 0;
            for row in rows.by_ref().take(CHUNK) {
                rows_taken += 1;
                if optional {
                    levels.push(i16::from(row.is_some()));
                }
                values.extend(row);
            }
            if rows_taken == 0 {
                break;
            }
            writer.write_batch(&values, optional.then_some(&levels[..]), None)?;
        }
        column.close()
    }
}

/// The text of addresses that were seen lately: each has one place, and is forgotten when another comes there.
struct Texts(Box<[(Ip, ByteArray)]>);

impl Texts {
    fn new() -> Self {
        Self(vec![(Ip::NONE, ByteArray::default()); TEXTS].into_boxed_slice())
    }

    fn of(&mut self, address: Ip) -> Option<ByteArray> {
        if address.is_none() {
            return None;
        }
        // Fibonacci hashing: the upper bits of the product depend on all bits.
        let mixed = (address.low ^ address.high.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let slot = self.0.get_mut(usize::try_from(mixed >> (64 - TEXTS.ilog2())).unwrap_or(0))?;
        if slot.0 != address {
            *slot = (address, text(&address.to_string()));
        }
        Some(slot.1.clone())
    }
}

/// When the oldest flow of a batch was received.
pub(super) fn first_received(batch: &Batch) -> Option<Timestamp> {
    batch.runs.first().map(|run| run.origin.received)
}
