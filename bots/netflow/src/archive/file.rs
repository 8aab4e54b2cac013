//! A file that is being written.
//!
//! A Parquet file ends with a footer that says where everything is, and cannot be read without it. So that a bot that
//! is killed does not lose an hour, the footer for what is there so far is kept beside the file, every few seconds.
//! The next life only has to put the two together.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::file::metadata::{FileMetaData, ParquetMetaData, ParquetMetaDataWriter};
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::SchemaDescriptor;

use super::batch::Batch;
use super::columns::{self, Columns};

/// How a file is called as long as it has no end.
pub(super) const PART: &str = "part";
/// How the end is called that it would have.
pub(super) const FOOTER: &str = "footer";

/// Opens a file that is not there yet.
pub(super) type Open = fn(&Path) -> io::Result<File>;

/// A file without an end.
pub(super) struct OpenFile {
    path: PathBuf,
    writer: SerializedFileWriter<File>,
    parts: usize,
    /// Rows, and those of them that a kill would not cost.
    rows: u64,
    saved: u64,
}

impl OpenFile {
    /// Begins the file that will have this name when it is complete.
    pub(super) fn create(path: PathBuf, open: Open) -> io::Result<Self> {
        let file = open(&with(&path, PART))?;
        let schema = columns::schema().map_err(io::Error::from)?;
        let writer = SerializedFileWriter::new(file, schema, Arc::new(columns::properties()))?;
        Ok(Self { path, writer, parts: 0, rows: 0, saved: 0 })
    }

    pub(super) fn bytes(&self) -> u64 {
        self.writer.bytes_written() as u64
    }

    pub(super) fn parts(&self) -> usize {
        self.parts
    }

    pub(super) fn has_unsaved(&self) -> bool {
        self.saved < self.rows
    }

    /// Appends all flows of a batch.
    pub(super) fn write(&mut self, columns: &mut Columns, batch: &Batch) -> io::Result<()> {
        columns.write(&mut self.writer, batch)?;
        self.parts += 1;
        self.rows += batch.flows.len() as u64;
        Ok(())
    }

    /// From here on a kill does not cost what was written so far. Returns for how many rows that is new.
    pub(super) fn save(&mut self) -> io::Result<u64> {
        self.writer.flush()?;
        // Otherwise the footer might survive a power cut, and what it speaks of not.
        self.writer.inner().sync_data()?;
        let parts = self.writer.flushed_row_groups().to_vec();
        let rows = parts.iter().map(parquet::file::metadata::RowGroupMetaData::num_rows).sum();
        let created_by = Some(self.writer.properties().created_by().to_owned());
        let schema = Arc::new(SchemaDescriptor::new(columns::schema()?));
        let about = ParquetMetaData::new(FileMetaData::new(1, rows, created_by, None, schema, None), parts);
        let mut footer = self.bytes().to_le_bytes().to_vec();
        ParquetMetaDataWriter::new(&mut footer, &about).finish()?;
        let fresh = with(&self.path, "footer-new");
        fs::write(&fresh, footer)?;
        fs::rename(fresh, with(&self.path, FOOTER))?;
        let new = self.rows - self.saved;
        self.saved = self.rows;
        Ok(new)
    }

    /// Gives the file its end and its name. Returns how many rows were not saved before.
    pub(super) fn finish(mut self) -> Result<u64, (io::Error, u64)> {
        let new = self.rows - self.saved;
        let mut end = || {
            self.writer.finish()?;
            self.writer.inner().sync_data()?;
            fs::rename(with(&self.path, PART), &self.path)?;
            remove(&with(&self.path, FOOTER))
        };
        match end() {
            Ok(()) => Ok(new),
            Err(error) => Err((error, self.abandon())),
        }
    }

    /// Lets go of what was not saved, and returns how many rows that were.
    pub(super) fn abandon(self) -> u64 {
        let lost = self.rows - self.saved;
        let part = with(&self.path, PART);
        drop(self.writer);
        if let Err(error) = recover(&part) {
            let part = part.display();
            tracing::warn!("{part} is left for later, as its end cannot be written: {error}");
        }
        lost
    }
}

/// Opens a file that must not be there yet.
pub(super) fn create_new(path: &Path) -> io::Result<File> {
    File::options().write(true).create_new(true).open(path)
}

/// Puts a file that a former life did not finish together with its end. Returns how many rows it has: with none there
/// is no file any more.
pub(super) fn recover(part: &Path) -> io::Result<u64> {
    let path = part.with_extension("");
    let saved = match fs::read(with(&path, FOOTER)) {
        Ok(saved) => saved,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    let rows = match saved.split_first_chunk() {
        Some((length, footer)) => complete(part, u64::from_le_bytes(*length), footer)?,
        None => 0,
    };
    if rows > 0 {
        fs::rename(part, &path)?;
    } else {
        remove(part)?;
    }
    remove(&with(&path, FOOTER))?;
    Ok(rows)
}

fn complete(part: &Path, length: u64, footer: &[u8]) -> io::Result<u64> {
    let mut file = File::options().read(true).write(true).open(part)?;
    if file.metadata()?.len() < length {
        return Ok(0);
    }
    // What was written after the footer goes first: on a full disk that makes room for it.
    file.set_len(length)?;
    file.seek(SeekFrom::Start(length))?;
    file.write_all(footer)?;
    file.sync_data()?;
    let rows = SerializedFileReader::new(file).map(|file| file.metadata().file_metadata().num_rows());
    Ok(rows.ok().and_then(|rows| u64::try_from(rows).ok()).unwrap_or(0))
}

/// Its name with one more ending.
pub(super) fn with(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".");
    name.push(ending);
    name.into()
}

/// That it was gone already is as good.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
