//! Reading a table: every check in the reference's order, one key or all entries.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::block::entry_at;
use super::cache::Cache;
use super::index::Index;
use super::{
    Entry, FOOTER_LEN, FOOTER_MAGIC, FRAME_LEN, HEADER_LEN, HEADER_MAGIC, u32_at, u64_at, version_at,
};
use crate::disk::{Disk, OpenFile};
use crate::primitive::crc32c;
use crate::scheme::log::{Code, Damage, Error};

/// A table whose header, footer and index were checked.
pub struct Table {
    source: Source,
    size: u64,
    index: Index,
    index_range: Range<u64>,
    /// Tells it from other tables in a cache.
    number: u64,
    cache: Option<Arc<Cache>>,
    path: Option<PathBuf>,
}

enum Source {
    File(Box<dyn OpenFile>),
    Bytes(Vec<u8>),
}

/// What a table says about a key.
#[derive(Clone, PartialEq, Eq)]
pub enum Found {
    /// Its value.
    Value(Vec<u8>),
    /// It was removed.
    Tombstone,
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => write!(f, "Value({} B)", value.len()),
            Self::Tombstone => f.write_str("Tombstone"),
        }
    }
}

impl Table {
    /// Opens a table, exclusively, and checks its header, footer and index. Blocks are checked when they are
    /// read.
    ///
    /// # Errors
    /// [`Error::Disk`] if it cannot be opened, [`Error::Io`] if it cannot be read, [`Error::Integrity`]; each
    /// naming the file.
    pub fn open(disk: &dyn Disk, path: &Path) -> Result<Self, Error> {
        let file = disk.open(path).map_err(Error::disk("opening", path))?;
        let opened = file.size().map_err(Error::io("looking up the length of the table"));
        let opened = opened.and_then(|size| Self::check(Source::File(file), size));
        let table = opened.map_err(|error| error.in_file(path))?;
        Ok(Self { path: Some(path.into()), ..table })
    }

    /// A table in memory, with the same checks.
    ///
    /// # Errors
    /// [`Error::Integrity`].
    pub fn of_bytes(bytes: Vec<u8>) -> Result<Self, Error> {
        let size = bytes.len() as u64;
        Self::check(Source::Bytes(bytes), size)
    }

    /// The same table, which keeps the blocks of [`get`](Self::get) in a cache.
    pub fn with_cache(self, cache: Arc<Cache>) -> Self {
        Self { cache: Some(cache), ..self }
    }

    fn check(source: Source, size: u64) -> Result<Self, Error> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let damage = |code: Code, why| Error::from(code.damage(0, why));
        let mut buffer = Vec::new();
        if size < HEADER_LEN as u64 {
            return Err(damage(Code::TruncatedRecord, "the table ends inside its header"));
        }
        source.read(0, HEADER_LEN as u64, &mut buffer)?;
        if !buffer.starts_with(&HEADER_MAGIC) {
            return Err(damage(Code::InvalidMagic, "the table does not begin with its magic number"));
        }
        if !version_at(&buffer) {
            return Err(damage(Code::UnsupportedVersion, "the table's version is not 1"));
        }
        if size < (HEADER_LEN + FOOTER_LEN) as u64 {
            return Err(damage(Code::TruncatedRecord, "the table ends before its footer"));
        }
        let footer_at = size - FOOTER_LEN as u64;
        source.read(footer_at, FOOTER_LEN as u64, &mut buffer)?;
        if !buffer.starts_with(&FOOTER_MAGIC) {
            return Err(damage(Code::InvalidMagic, "the footer does not begin with its magic number"));
        }
        if !version_at(&buffer) {
            return Err(damage(Code::UnsupportedVersion, "the footer's version is not 1"));
        }
        let (covered, checksum) = buffer.split_at(FOOTER_LEN - 4);
        if crc32c::checksum(covered).to_le_bytes() != checksum {
            return Err(damage(Code::ChecksumMismatch, "the footer's checksum is wrong"));
        }
        let place = (u64_at(&buffer, 8), u32_at(&buffer, 16));
        let (index_at, frame_len) = (place.0.expect("in the footer"), place.1.expect("in the footer"));
        let end = index_at.saturating_add(frame_len.into());
        if !(HEADER_LEN as u64..footer_at).contains(&index_at) || end > footer_at {
            return Err(damage(Code::InvalidRecord, "the index lies outside of the table"));
        }
        source.read(index_at, frame_len.into(), &mut buffer)?;
        // The footer says how long the frame is, so it is too short before it is cut off.
        if buffer.len() < FRAME_LEN {
            return Err(damage(Code::InvalidRecord, "the index is shorter than a frame"));
        }
        let payload = payload_of(&buffer, frame_len, 0, "the index's checksum is wrong")?;
        let index = Index::parse(buffer[payload].to_vec())?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Ok(Self { source, size, index, index_range: index_at..end, number, cache: None, path: None })
    }

    /// What the table says about a key: `None` if nothing. It reads at most one block, up to the entry of
    /// that key, so it does not notice bytes after it that are no entries.
    ///
    /// # Errors
    /// [`Error::Integrity`] with the number of the block, [`Error::Io`].
    pub fn get(&self, key: &[u8]) -> Result<Option<Found>, Error> {
        let Some(block) = self.index.find(key) else { return Ok(None) };
        if let Some(payload) = self.cache.as_ref().and_then(|cache| cache.get((self.number, block))) {
            return self.named(find(&payload, key, block));
        }
        let mut buffer = Vec::new();
        let payload = self.named(self.block(block, &mut buffer))?;
        let found = self.named(find(&buffer[payload.clone()], key, block))?;
        if let Some(cache) = &self.cache {
            cache.put((self.number, block), Arc::new(buffer[payload].to_vec()));
        }
        Ok(found)
    }

    /// Passes every entry to `deliver`, in order.
    ///
    /// # Errors
    /// Those of [`Entries::next`] and of `deliver`. What was delivered before is sound.
    pub fn scan(&self, deliver: &mut dyn FnMut(Entry<'_>) -> Result<(), Error>) -> Result<(), Error> {
        let mut entries = self.entries();
        while let Some(entry) = entries.next()? {
            deliver(entry)?;
        }
        Ok(())
    }

    /// Every entry, in order.
    pub const fn entries(&self) -> Entries<'_> {
        Entries { table: self, block: 0, buffer: Vec::new(), payload: 0..0, at: 0 }
    }

    /// Number of blocks.
    pub const fn blocks(&self) -> usize {
        self.index.len()
    }

    /// Where the index says that a block's frame lies in the file, in bytes. A forged index may name any
    /// place; `None` for a block that there is not.
    pub fn block_range(&self, block: usize) -> Option<Range<u64>> {
        self.index.frame(block).map(|(offset, len)| offset..offset.saturating_add(len.into()))
    }

    /// Where the index frame lies in the file, in bytes.
    pub fn index_range(&self) -> Range<u64> {
        self.index_range.clone()
    }

    /// Length of the table in bytes.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Flips a bit of the file, as a medium that rots does.
    #[cfg(test)]
    pub(super) fn rot(&self, at: usize) {
        let Source::File(file) = &self.source else { panic!("only files rot") };
        let mut byte = [0];
        file.read_at(at as u64, &mut byte).unwrap();
        file.write_at(at as u64, &[byte[0] ^ 1]).unwrap();
    }

    fn named<T, E: Into<Error>>(&self, done: Result<T, E>) -> Result<T, Error> {
        done.map_err(|error| match &self.path {
            Some(path) => error.into().in_file(path),
            None => error.into(),
        })
    }

    /// Reads and verifies a block. Returns the place of its payload in the buffer.
    fn block(&self, block: usize, buffer: &mut Vec<u8>) -> Result<Range<usize>, Error> {
        let (offset, frame_len) = self.index.frame(block).expect("the index was asked for it");
        let left = self.size.saturating_sub(offset);
        // Never more than the file holds; and always the payload's length, whatever the index says.
        self.source.read(offset, u64::from(frame_len.max(4)).min(left), buffer)?;
        Ok(payload_of(buffer, frame_len, block as u64, "a block's checksum is wrong")?)
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Table");
        shown.field("path", &self.path).field("size", &self.size).field("blocks", &self.blocks());
        shown.finish_non_exhaustive()
    }
}

impl Source {
    /// Fills the buffer with this many bytes at this offset, which the source has.
    fn read(&self, at: u64, len: u64, buffer: &mut Vec<u8>) -> Result<(), Error> {
        let short = || Code::TruncatedRecord.damage(0, "the table is shorter than it was when it was opened");
        let len = usize::try_from(len).map_err(|_| short())?;
        buffer.resize(len, 0);
        match self {
            _ if len == 0 => {}
            Self::Bytes(bytes) => {
                let rest = usize::try_from(at).ok().and_then(|at| bytes.get(at..));
                buffer.copy_from_slice(rest.and_then(|rest| rest.get(..len)).ok_or_else(short)?);
            }
            Self::File(file) => file.read_at(at, buffer).map_err(Error::io("reading the table"))?,
        }
        Ok(())
    }
}

/// The place of the payload in a frame that was read as far as the file has it, with the reference's checks
/// in its order.
fn payload_of(
    frame: &[u8],
    frame_len: u32,
    number: u64,
    mismatch: &'static str,
) -> Result<Range<usize>, Damage> {
    let truncated = || Code::TruncatedRecord.damage(number, "the table ends inside a frame");
    let len = u32_at(frame, 0).ok_or_else(truncated)?;
    if u64::from(len) + FRAME_LEN as u64 != u64::from(frame_len) {
        return Err(Code::InvalidRecord.damage(number, "a frame does not have the length that it says"));
    }
    let payload = 4..4 + len as usize;
    let checksum = u32_at(frame, payload.end).ok_or_else(truncated)?;
    if crc32c::checksum(&frame[payload.clone()]) != checksum {
        return Err(Code::ChecksumMismatch.damage(number, mismatch));
    }
    Ok(payload)
}

fn find(payload: &[u8], key: &[u8], block: usize) -> Result<Option<Found>, Damage> {
    let mut at = 0;
    while let Some((entry, next)) = entry_at(payload, at, block)? {
        if entry.key == key {
            return Ok(Some(entry.value.map_or(Found::Tombstone, |value| Found::Value(value.into()))));
        }
        at = next;
    }
    Ok(None)
}

/// The entries of a table, read block by block. Each entry borrows the reader.
#[derive(Debug)]
pub struct Entries<'a> {
    table: &'a Table,
    /// The block that is read next.
    block: usize,
    buffer: Vec<u8>,
    /// The payload of the block before it: a place in the buffer.
    payload: Range<usize>,
    at: usize,
}

impl Entries<'_> {
    /// The next entry.
    ///
    /// # Errors
    /// [`Error::Integrity`] with the number of the block, [`Error::Io`]. The rest of the table is then not
    /// read.
    #[expect(
        clippy::should_implement_trait,
        reason = "an entry borrows the reader, which an iterator's item cannot"
    )]
    pub fn next(&mut self) -> Result<Option<Entry<'_>>, Error> {
        while self.at >= self.payload.len() {
            if self.block >= self.table.blocks() {
                return Ok(None);
            }
            (self.payload, self.at) = (0..0, 0);
            self.payload = self.table.named(self.table.block(self.block, &mut self.buffer))?;
            self.block += 1;
        }
        let payload = &self.buffer[self.payload.clone()];
        let Some((entry, next)) = self.table.named(entry_at(payload, self.at, self.block - 1))? else {
            return Ok(None);
        };
        self.at = next;
        Ok(Some(entry))
    }
}
