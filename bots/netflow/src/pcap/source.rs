//! Where the bytes of a capture come from, and how many there were.

use std::io::{BufReader, Read};

use super::CaptureError;

/// More in one packet is damage: the largest snapshot length that tcpdump takes is 262,144.
pub(super) const MOST_PACKET: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Source<R> {
    name: String,
    reader: BufReader<R>,
    offset: u64,
    is_cut_short: bool,
}

impl<R: Read> Source<R> {
    pub(super) fn new(name: String, reader: R) -> Self {
        Self { name, reader: BufReader::with_capacity(1 << 16, reader), offset: 0, is_cut_short: false }
    }

    /// Some bytes. None: there are no more; fewer than these are none.
    pub(super) fn array<const N: usize>(&mut self) -> Result<Option<[u8; N]>, CaptureError> {
        let mut array = [0; N];
        let mut filled = 0;
        while filled < N {
            match self.reader.read(&mut array[filled..]) {
                Ok(0) => {
                    self.is_cut_short |= filled > 0;
                    return Ok(None);
                }
                Ok(read) => {
                    filled += read;
                    self.offset += read as u64;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.unreadable(error)),
            }
        }
        Ok(Some(array))
    }

    /// Some bytes of something that has begun. None: the capture ends in the middle of it.
    pub(super) fn more<const N: usize>(&mut self) -> Result<Option<[u8; N]>, CaptureError> {
        let array = self.array()?;
        self.is_cut_short |= array.is_none();
        Ok(array)
    }

    /// So many bytes into `buffer`, in the place of what was in it. It grows by what is there, not by what is announced.
    /// False: there are not so many.
    pub(super) fn fill(&mut self, buffer: &mut Vec<u8>, length: usize) -> Result<bool, CaptureError> {
        buffer.clear();
        let read = (&mut self.reader).take(length as u64).read_to_end(buffer);
        let read = read.map_err(|error| self.unreadable(error))?;
        self.offset += read as u64;
        self.is_cut_short |= read < length;
        Ok(read == length)
    }

    /// Passes over so many bytes. False: there are not so many.
    pub(super) fn skip(&mut self, length: u64) -> Result<bool, CaptureError> {
        let skipped = std::io::copy(&mut (&mut self.reader).take(length), &mut std::io::sink());
        let skipped = skipped.map_err(|error| self.unreadable(error))?;
        self.offset += skipped;
        self.is_cut_short |= skipped < length;
        Ok(skipped == length)
    }

    /// Bytes read.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// The end came in the middle of something.
    pub(super) const fn is_cut_short(&self) -> bool {
        self.is_cut_short
    }

    pub(super) fn damaged(&self, offset: u64, what: &'static str) -> CaptureError {
        CaptureError::Damaged { name: self.name.clone(), offset, what }
    }

    pub(super) fn no_capture(&self, hint: &'static str) -> CaptureError {
        CaptureError::NoCapture { name: self.name.clone(), hint }
    }

    fn unreadable(&self, source: std::io::Error) -> CaptureError {
        CaptureError::Read { name: self.name.clone(), offset: self.offset, source }
    }
}
