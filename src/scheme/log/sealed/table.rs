//! Sealed tables: sorted entries in sealed blocks, and a sealed index of them.
//!
//! ```text
//! file header (36) | block frame* | index frame
//! block:  kind u8 (1 value, 2 tombstone) | key_size u32 | value_size u32 | key | value, for each entry
//! index:  count u32 | for each block { first_key_size u32 | first_key | offset u64 | frame_size u32 | tag }
//! ```
//!
//! Integers are little-endian, as in the checked table. The frames form a chain of their own, whose end is
//! noted in the log ([`TableRef`]): a table is neither altered, nor replaced, nor missing without notice. A
//! block is opened when it is read, alone, because the index has the tag before it.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use zeroize::Zeroizing;

use super::chain::{self, Link, Place};
use super::error::Error;
use super::head::{self, NO_TAG};
use super::key::{FileId, FileKey, HEADER_LEN, Header, ID_LEN, LogKey};
use super::note::TableRef;
use super::replay::io;
use crate::disk::{Disk, OpenFile};
use crate::scheme::log::table::{Entry, Found};

/// Bytes of text in a block, unless a single entry is longer.
pub const BLOCK_LEN: usize = 4096;
/// Bytes of an entry besides key and value.
pub(in crate::scheme::log) const ENTRY_LEN: usize = 9;

pub(super) const VALUE: u8 = 1;
pub(super) const TOMBSTONE: u8 = 2;

/// Where a block lies, and the tag that it has.
struct Block {
    first_key: Zeroizing<Vec<u8>>,
    at: u64,
    len: u32,
    tag: Link,
}

/// What a table's frames are read from.
enum Source {
    File(Box<dyn OpenFile>),
    Memory(Vec<u8>),
}

impl Source {
    fn size(&self, path: &Path) -> Result<u64, Error> {
        match self {
            Self::File(file) => file.size().map_err(io("reading the length of", path)),
            Self::Memory(bytes) => Ok(bytes.len() as u64),
        }
    }

    /// The bytes in a range that lies in the file.
    fn read(&self, path: &Path, range: Range<u64>) -> Result<Vec<u8>, Error> {
        match self {
            Self::File(file) => {
                let mut bytes = vec![0; (range.end - range.start) as usize];
                file.read_at(range.start, &mut bytes).map_err(io("reading", path))?;
                Ok(bytes)
            }
            Self::Memory(bytes) => Ok(bytes[range.start as usize..range.end as usize].to_vec()),
        }
    }
}

/// An open table. Its keys are wiped when it is dropped, and its `Debug` does not show them.
pub struct Table {
    file: FileId,
    path: std::path::PathBuf,
    key: FileKey,
    source: Source,
    blocks: Vec<Block>,
}

/// The log that a table belongs to.
#[derive(Clone, Copy)]
pub(super) struct Of<'a> {
    pub disk: &'a dyn Disk,
    pub dir: &'a Path,
    pub key: &'a LogKey,
    pub log: &'a [u8; ID_LEN],
}

impl Table {
    /// Opens a table that the log has; reads its index. The file is open until the table is dropped.
    pub(super) fn open(of: Of<'_>, table: &TableRef) -> Result<Self, Error> {
        let file = FileId::table(table.number);
        let path = of.dir.join(file.name());
        let opened = of.disk.open(&path).map_err(|reason| match reason.kind() {
            std::io::ErrorKind::NotFound => Error::Missing(file.name()),
            _ => io("opening", &path)(reason),
        })?;
        Self::new(of, table, Source::File(opened))
    }

    /// The same from a copy in memory, which needs no lock on the file.
    pub(super) fn load(of: Of<'_>, table: &TableRef) -> Result<Self, Error> {
        let most = table.len.saturating_add(1);
        let bytes = head::read_start(of.disk, of.dir, FileId::table(table.number), most)?;
        Self::new(of, table, Source::Memory(bytes))
    }

    fn new(of: Of<'_>, table: &TableRef, source: Source) -> Result<Self, Error> {
        let file = FileId::table(table.number);
        let path = of.dir.join(file.name());
        let size = source.size(&path)?;
        let TableRef { len, index_at, blocks, last, tag, .. } = *table;
        if size != len || index_at < HEADER_LEN as u64 || index_at > len {
            return Err(Error::Length(file.name()));
        }
        let header = Header::decode(file, &source.read(&path, 0..HEADER_LEN as u64)?)?;
        let key = of.key.file_key(of.log, file, &header)?;
        let place = Place { number: blocks.into(), before: last };
        let mut frame = Zeroizing::new(source.read(&path, index_at..len)?);
        let text = open_frame(&key, file, place, tag, &mut frame)?;
        let blocks = decode_index(text, table);
        let malformed = || Error::Malformed { file: file.name(), frame: place.number };
        Ok(Self { file, path, key, source, blocks: blocks.ok_or_else(malformed)? })
    }

    /// The same table, its blocks opened with another key object of the same bytes.
    pub(super) fn by(mut self, key: &LogKey, log: &[u8; ID_LEN]) -> Result<Self, Error> {
        let header = Header::decode(self.file, &self.source.read(&self.path, 0..HEADER_LEN as u64)?)?;
        self.key = key.file_key(log, self.file, &header)?;
        Ok(self)
    }

    /// The number of blocks.
    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// The frame of a block, opened: the text lies inside.
    fn block(&self, number: usize) -> Result<Zeroizing<Vec<u8>>, Error> {
        let Block { at, len, tag, .. } = self.blocks[number];
        let before = number.checked_sub(1).map_or(NO_TAG, |before| self.blocks[before].tag);
        let place = Place { number: number as u64, before };
        let mut frame = Zeroizing::new(self.source.read(&self.path, at..at + u64::from(len))?);
        open_frame(&self.key, self.file, place, tag, &mut frame)?;
        Ok(frame)
    }

    fn malformed(&self, block: usize) -> Error {
        Error::Malformed { file: self.file.name(), frame: block as u64 }
    }

    /// What the table has under a key; `None` if it does not have the key.
    ///
    /// # Errors
    /// [`Error::NotAuthentic`], [`Error::Truncated`], [`Error::Malformed`], [`Error::Disk`],
    /// [`Error::Engine`].
    pub fn get(&self, key: &[u8]) -> Result<Option<Found>, Error> {
        let after = self.blocks.partition_point(|block| block.first_key.as_slice() <= key);
        let Some(number) = after.checked_sub(1) else { return Ok(None) };
        let frame = self.block(number)?;
        let mut rest = chain::text(&frame);
        while !rest.is_empty() {
            let (entry, more) = next_entry(rest).ok_or_else(|| self.malformed(number))?;
            if entry.key == key {
                return Ok(Some(entry.value.map_or(Found::Tombstone, |value| Found::Value(value.to_vec()))));
            }
            rest = more;
        }
        Ok(None)
    }

    /// Gives every entry to `each`, in order.
    ///
    /// # Errors
    /// As [`get`](Self::get); the entries of earlier blocks have been given.
    pub fn scan(&self, each: &mut dyn FnMut(&Entry<'_>)) -> Result<(), Error> {
        for number in 0..self.blocks.len() {
            let frame = self.block(number)?;
            let mut rest = chain::text(&frame);
            while !rest.is_empty() {
                let (entry, more) = next_entry(rest).ok_or_else(|| self.malformed(number))?;
                each(&entry);
                rest = more;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("file", &self.file)
            .field("path", &self.path)
            .field("blocks", &self.blocks.len())
            .finish_non_exhaustive()
    }
}

/// Opens a frame that fills these bytes and has this tag.
fn open_frame<'a>(
    key: &FileKey,
    file: FileId,
    place: Place,
    tag: Link,
    frame: &'a mut [u8],
) -> Result<&'a [u8], Error> {
    let not_authentic = || Error::NotAuthentic { file: file.name(), frame: place.number };
    let extent = chain::extent(frame, file, place)?.ok_or_else(not_authentic)?;
    if extent.end != frame.len() || frame.last_chunk() != Some(&tag) {
        return Err(not_authentic());
    }
    Ok(chain::open(key, file, place, frame)?.text)
}

fn next_entry(bytes: &[u8]) -> Option<(Entry<'_>, &[u8])> {
    let (&kind, rest) = bytes.split_first()?;
    let (key_size, rest) = rest.split_first_chunk()?;
    let (value_size, rest) = rest.split_first_chunk()?;
    let (key, rest) = rest.split_at_checked(u32::from_le_bytes(*key_size) as usize)?;
    let (value, rest) = rest.split_at_checked(u32::from_le_bytes(*value_size) as usize)?;
    let value = match kind {
        VALUE => Some(value),
        TOMBSTONE if value.is_empty() => None,
        _ => return None,
    };
    Some((Entry { key, value }, rest))
}

/// The blocks that an index lists, if they are as many as noted and fill the file up to the index.
fn decode_index(text: &[u8], table: &TableRef) -> Option<Vec<Block>> {
    let (count, mut rest) = text.split_first_chunk()?;
    if u32::from_le_bytes(*count) != table.blocks {
        return None;
    }
    let (mut blocks, mut end) = (Vec::new(), HEADER_LEN as u64);
    while !rest.is_empty() {
        let (key_size, more) = rest.split_first_chunk()?;
        let (first_key, more) = more.split_at_checked(u32::from_le_bytes(*key_size) as usize)?;
        let (at, more) = more.split_first_chunk()?;
        let (len, more) = more.split_first_chunk()?;
        let (tag, more) = more.split_first_chunk()?;
        let (at, len) = (u64::from_le_bytes(*at), u32::from_le_bytes(*len));
        if at != end {
            return None;
        }
        end += u64::from(len);
        blocks.push(Block { first_key: Zeroizing::new(first_key.to_vec()), at, len, tag: *tag });
        rest = more;
    }
    let ascends = blocks.windows(2).all(|pair| *pair[0].first_key < *pair[1].first_key);
    (ascends && blocks.len() == table.blocks as usize && end == table.index_at).then_some(blocks)
}
