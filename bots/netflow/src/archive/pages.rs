//! A column of a part of a file, as bytes: a page of values, and where those are numbers of others, a page of these
//! before it.
//!
//! The parquet crate writes columns too, but looks up, counts and copies each value by itself, and packs numbers at as few
//! bits as possible, of which the compression makes nothing. Here a page is filled at once, and numbers over 255 have
//! whole bytes. What the bytes mean: <https://parquet.apache.org/docs/file-format/data-pages/encodings/>.

#![expect(
    clippy::cast_possible_truncation,
    reason = "lower bytes are what is written, and lengths are those of a part of a file"
)]

use std::io::Write;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriteSpec, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::writer::{SerializedPageWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use zstd::bulk::Compressor;

/// How all columns are compressed.
pub(super) fn compression() -> Compression {
    Compression::ZSTD(ZstdLevel::default())
}

/// Turns values into columns.
pub(super) struct Pages {
    compressor: Compressor<'static>,
    /// Of the column that is written: for each row whether it has a value, and those that there are.
    present: Vec<bool>,
    values: Vec<u64>,
    page: Vec<u8>,
}

impl Pages {
    pub(super) fn new() -> std::io::Result<Self> {
        let compressor = Compressor::new(ZstdLevel::default().compression_level())?;
        Ok(Self { compressor, present: Vec::new(), values: Vec::new(), page: Vec::new() })
    }

    /// Takes the values of all rows.
    pub(super) fn fill(&mut self, rows: impl Iterator<Item = Option<u64>>) {
        self.present.clear();
        self.values.clear();
        let (least, _) = rows.size_hint();
        self.present.reserve(least);
        self.values.reserve(least);
        for row in rows {
            self.present.push(row.is_some());
            self.values.extend(row);
        }
    }

    /// Writes them as integers of so many bytes.
    pub(super) fn integers<W: Write + Send>(
        &mut self,
        group: &mut SerializedRowGroupWriter<'_, W>,
        column: &ColumnDescPtr,
        width: u32,
    ) -> Result<()> {
        self.levels(column);
        // One byte of all values after the other: what the compression needs to see that most are small.
        for byte in 0..width {
            self.page.extend(self.values.iter().map(|value| (value >> (8 * byte)) as u8));
        }
        self.append(group, column, None, Encoding::BYTE_STREAM_SPLIT)
    }

    /// What rows have a value, and these values.
    pub(super) fn filled(&mut self) -> (&[bool], &mut [u64]) {
        (&self.present, &mut self.values)
    }

    /// Writes them as numbers of so many other values, which are there in full.
    pub(super) fn numbered<W: Write + Send>(
        &mut self,
        group: &mut SerializedRowGroupWriter<'_, W>,
        column: &ColumnDescPtr,
        dictionary: &[u8],
        count: usize,
    ) -> Result<()> {
        self.levels(column);
        let bits = match count {
            0..=1 => 1,
            2..=0x100 => (count - 1).ilog2() + 1,
            _ => ((count - 1).ilog2() + 1).next_multiple_of(8),
        };
        self.page.push(bits as u8);
        // "Bit-packed", eight at a time, the last ones with zeros.
        varint(&mut self.page, (self.values.len().div_ceil(8) as u64) << 1 | 1);
        for eight in self.values.chunks(8) {
            if bits <= 8 {
                let all = eight.iter().rev().fold(0, |all, value| all << bits | value);
                // The last ones have their zeros above them.
                self.page.extend_from_slice(&all.to_le_bytes()[..bits as usize]);
            } else {
                let padding = std::iter::repeat_n(&0, 8 - eight.len());
                for value in eight.iter().chain(padding) {
                    self.page.extend_from_slice(&value.to_le_bytes()[..bits as usize / 8]);
                }
            }
        }
        let count = u32::try_from(count).map_err(|_| ParquetError::General("too many values".to_owned()))?;
        self.append(group, column, Some((dictionary, count)), Encoding::RLE_DICTIONARY)
    }

    /// Begins the page with which rows have a value, if there may be some without.
    fn levels(&mut self, column: &ColumnDescPtr) {
        self.page.clear();
        if column.max_def_level() == 0 {
            return;
        }
        self.page.extend([0; 4]);
        let rows = self.present.len();
        if self.values.is_empty() || self.values.len() == rows {
            varint(&mut self.page, (rows as u64) << 1);
            self.page.push(u8::from(!self.values.is_empty()));
        } else {
            varint(&mut self.page, (rows.div_ceil(8) as u64) << 1 | 1);
            let bits =
                |eight: &[bool]| eight.iter().rev().fold(0, |bits, present| bits << 1 | u8::from(*present));
            self.page.extend(self.present.chunks(8).map(bits));
        }
        let length = (self.page.len() - 4) as u32;
        self.page[..4].copy_from_slice(&length.to_le_bytes());
    }

    /// Compresses the pages and appends them to the file.
    fn append<W: Write + Send>(
        &mut self,
        group: &mut SerializedRowGroupWriter<'_, W>,
        column: &ColumnDescPtr,
        dictionary: Option<(&[u8], u32)>,
        encoding: Encoding,
    ) -> Result<()> {
        let mut chunk = TrackedWrite::new(Vec::new());
        let mut writer = SerializedPageWriter::new(&mut chunk);
        let mut pages = Vec::with_capacity(2);
        if let Some((values, count)) = dictionary {
            let buf = self.compressor.compress(values)?.into();
            let page =
                Page::DictionaryPage { buf, num_values: count, encoding: Encoding::PLAIN, is_sorted: false };
            pages.push(writer.write_page(CompressedPage::new(page, values.len()))?);
        }
        let rows = self.present.len();
        let page = Page::DataPage {
            buf: self.compressor.compress(&self.page)?.into(),
            num_values: u32::try_from(rows).map_err(|_| ParquetError::General("too many rows".to_owned()))?,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let data = writer.write_page(CompressedPage::new(page, self.page.len()))?;
        let offset = data.offset as i64;
        let has_dictionary = !pages.is_empty();
        pages.push(data);
        let sum = |of: fn(&PageWriteSpec) -> usize| pages.iter().map(of).sum::<usize>() as i64;
        let mut encodings = vec![Encoding::RLE, encoding];
        encodings.extend(has_dictionary.then_some(Encoding::PLAIN));
        let metadata = ColumnChunkMetaData::builder(column.clone())
            .set_compression(compression())
            .set_encodings(encodings)
            .set_total_compressed_size(sum(|page| page.compressed_size))
            .set_total_uncompressed_size(sum(|page| page.uncompressed_size))
            .set_num_values(rows as i64)
            .set_data_page_offset(offset)
            .set_dictionary_page_offset(has_dictionary.then_some(0))
            .build()?;
        let chunk = Bytes::from(chunk.into_inner()?);
        let close = ColumnCloseResult {
            bytes_written: chunk.len() as u64,
            rows_written: rows as u64,
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        group.append_column(&chunk, close)
    }
}

/// Seven bits in each byte, the lowest first; the eighth says that there are more.
fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Texts as a dictionary has them.
pub(super) fn plain_texts(texts: impl Iterator<Item = impl AsRef<str>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for text in texts {
        let text = text.as_ref().as_bytes();
        bytes.extend((text.len() as u32).to_le_bytes());
        bytes.extend(text);
    }
    bytes
}
