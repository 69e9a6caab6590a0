//! Replaying a log: every check in the reference's order, and records that are slices of what was read.
//!
//! A log in memory is not copied at all. A log in a file is read into one buffer, which stays small enough
//! for the CPU's cache; a record that does not fit makes the buffer grow to that record's length, which its
//! limits bound before anything is allocated.

use super::{COVERED_LEN, HEADER_LEN, Header, MAX_BATCH_LEN, Record, Tail, tail};
use crate::disk::OpenFile;
use crate::primitive::crc32c::TwoParts;
use crate::scheme::log::{Code, Damage, Error};

/// Length of the buffer in bytes: reading pays a system call for this many.
const BUFFER_LEN: usize = 256 * 1024;

/// A log being replayed. Each record borrows the reader, so that the next call ends its life.
#[derive(Debug)]
pub struct Reader<'a> {
    source: Source<'a>,
    tail: Tail,
    checksums: TwoParts,
    index: u64,
    offset: u64,
    torn: u64,
}

#[derive(Debug)]
enum Source<'a> {
    /// The bytes that are still to be read.
    Bytes(&'a [u8]),
    File(Window<'a>),
}

/// A part of a file, in memory.
struct Window<'a> {
    file: &'a dyn OpenFile,
    /// The file's length in bytes when reading began.
    size: u64,
    /// Where in the file the bytes after `end` stand.
    next: u64,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl std::fmt::Debug for Window<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Window").field("size", &self.size).field("next", &self.next).finish_non_exhaustive()
    }
}

impl<'a> Reader<'a> {
    /// Replays a log in memory.
    pub fn of_bytes(bytes: &'a [u8], tail: Tail) -> Self {
        Self::new(Source::Bytes(bytes), tail)
    }

    /// Replays a log in an open file, up to the length that it has now.
    ///
    /// # Errors
    /// [`Error::Io`] if the file does not say its length.
    pub fn of_file(file: &'a dyn OpenFile, tail: Tail) -> Result<Self, Error> {
        let size = file.size().map_err(Error::io("looking up the length of the log"))?;
        let window = Window { file, size, next: 0, buffer: Vec::new(), start: 0, end: 0 };
        Ok(Self::new(Source::File(window), tail))
    }

    fn new(source: Source<'a>, tail: Tail) -> Self {
        Self { source, tail, checksums: TwoParts::new(), index: 0, offset: 0, torn: 0 }
    }

    /// The next record, checked in this order: the end of the log, 24 bytes for the header, magic, version,
    /// operation, limits, the payload's length, the checksum. `None` at the end, also for a tail that
    /// [`Tail::Truncate`] drops. After an error, the next call gives the same error.
    ///
    /// # Errors
    /// [`Error::Integrity`] with the reference's code and [`index`](Self::index); [`Error::Io`].
    #[expect(
        clippy::should_implement_trait,
        reason = "a record borrows the reader, which an iterator's item cannot"
    )]
    #[inline]
    pub fn next(&mut self) -> Result<Option<Record<'_>>, Error> {
        // Bytes in memory outlive this call, so their record needs no second look at the source.
        if let Source::Bytes(bytes) = &mut self.source
            && let Some(parsed) = sound(bytes, &mut self.checksums)
        {
            let (taken, rest) = bytes.split_at(HEADER_LEN + parsed.payload_len());
            *bytes = rest;
            self.index += 1;
            self.offset += taken.len() as u64;
            return Ok(Some(parsed.record(&taken[HEADER_LEN..])));
        }
        self.next_of_any()
    }

    /// The same for every source, and for a record that is not sound.
    fn next_of_any(&mut self) -> Result<Option<Record<'_>>, Error> {
        let parsed = match sound(self.source.held(), &mut self.checksums) {
            Some(parsed) => parsed,
            None => match self.checked()? {
                Some(parsed) => parsed,
                None => return Ok(None),
            },
        };
        let len = HEADER_LEN + parsed.payload_len();
        self.index += 1;
        self.offset += len as u64;
        Ok(Some(parsed.record(&self.source.take(len)[HEADER_LEN..])))
    }

    /// The next record's header. Reads on if the record is not available, and makes the checks one by one.
    #[cold]
    fn checked(&mut self) -> Result<Option<Header>, Error> {
        let held = self.source.fetch(HEADER_LEN)?;
        let Some(header) = self.source.held().first_chunk::<HEADER_LEN>() else {
            return self.incomplete(held, "the log ends inside a record's header");
        };
        let parsed = match Header::parse(header) {
            Ok(parsed) => parsed,
            Err((code, why)) => return self.unreadable(code, why),
        };
        let held = self.source.fetch(HEADER_LEN + parsed.payload_len())?;
        if held < HEADER_LEN + parsed.payload_len() {
            return self.incomplete(held, "the log ends inside a record's payload");
        }
        match sound(self.source.held(), &mut self.checksums) {
            Some(parsed) => Ok(Some(parsed)),
            None => Err(self.damage(Code::ChecksumMismatch, "the record's checksum is wrong").into()),
        }
    }

    /// How many records were delivered: the number, counted from 0, of the next one.
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// Where in the log the next record starts, in bytes. Once [`next`](Self::next) has given `None`: where
    /// the next record is to be written.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// How many bytes at the end of the log [`Tail::Truncate`] dropped. It is known once
    /// [`next`](Self::next) has given `None`.
    pub const fn torn(&self) -> u64 {
        self.torn
    }

    fn damage(&self, code: Code, why: &'static str) -> Damage {
        code.damage(self.index, why)
    }

    /// The log ends, and `held` bytes are left: none, or too few for a record.
    fn incomplete(&mut self, held: usize, why: &'static str) -> Result<Option<Header>, Error> {
        if held == 0 {
            return Ok(None);
        }
        self.torn = 0;
        if self.tail == Tail::Truncate && tail::is_torn(self.source.held()) {
            self.torn = held as u64;
            return Ok(None);
        }
        Err(self.damage(Code::TruncatedRecord, why).into())
    }

    /// A header has a wrong field. Zeros up to the end of the log, no more than one write may leave, are an
    /// incomplete record too.
    fn unreadable(&mut self, code: Code, why: &'static str) -> Result<Option<Header>, Error> {
        let left = self.source.left();
        if self.tail == Tail::Truncate && self.source.held()[0] == 0 && left <= MAX_BATCH_LEN as u64 {
            let held = self.source.fetch(left as usize)?;
            if tail::is_torn(&self.source.held()[..held]) {
                self.torn = left;
                return Ok(None);
            }
        }
        Err(self.damage(code, why).into())
    }
}

/// The header of the record that these bytes begin with, if all of it is there and passes every check: nearly
/// always.
#[inline(always)]
fn sound(bytes: &[u8], checksums: &mut TwoParts) -> Option<Header> {
    let parsed = Header::sound(bytes.first_chunk()?)?;
    let record = bytes.get(..HEADER_LEN + parsed.payload_len())?;
    let checksum = checksums.checksum(&record[..COVERED_LEN], &record[HEADER_LEN..]);
    (checksum == parsed.checksum).then_some(parsed)
}

impl Source<'_> {
    /// Makes this many bytes available, or all that are left. Returns how many there are: those asked for or
    /// more, unless the log ends.
    fn fetch(&mut self, len: usize) -> Result<usize, Error> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.len()),
            Self::File(window) if window.end - window.start >= len => Ok(window.end - window.start),
            Self::File(window) => window.fill(len),
        }
    }

    /// The bytes that are available.
    #[inline]
    fn held(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::File(window) => &window.buffer[window.start..window.end],
        }
    }

    /// The first of the available bytes, which are then no longer available.
    #[inline]
    fn take(&mut self, len: usize) -> &[u8] {
        match self {
            Self::Bytes(bytes) => {
                let (taken, rest) = bytes.split_at(len);
                *bytes = rest;
                taken
            }
            Self::File(window) => {
                window.start += len;
                &window.buffer[window.start - len..window.start]
            }
        }
    }

    /// How many bytes are left up to the end of the log, available or not.
    fn left(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(window) => (window.end - window.start) as u64 + (window.size - window.next),
        }
    }
}

impl Window<'_> {
    fn fill(&mut self, len: usize) -> Result<usize, Error> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let left = usize::try_from(self.size - self.next).unwrap_or(usize::MAX);
        // A small log, or a long record that the file cannot hold, needs no more than what is there.
        let wanted = len.max(BUFFER_LEN).min(self.end.saturating_add(left));
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        let free = &mut self.buffer[self.end..];
        let count = free.len().min(left);
        self.file.read_at(self.next, &mut free[..count]).map_err(Error::io("reading the log"))?;
        self.next += count as u64;
        self.end += count;
        Ok(self.end)
    }
}
