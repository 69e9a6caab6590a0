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

use std::ops::Range;
use std::path::Path;

use zeroize::Zeroizing;

use super::chain::{self, Link, Place};
use super::error::Error;
use super::head::{self, NO_TAG};
use super::key::{FileId, FileKey, HEADER_LEN, Header, ID_LEN, LogKey};
use super::note::TableRef;
use super::replay::io;
use crate::disk::{Disk, NewFile, OpenFile};
use crate::envelope::NonceSource;
use crate::scheme::log::limit::exceeded;
use crate::scheme::log::table::{Entry, Found};

/// Bytes of text in a block, unless a single entry is longer.
pub const BLOCK_LEN: usize = 4096;
/// Bytes of an entry besides key and value.
pub(in crate::scheme::log) const ENTRY_LEN: usize = 9;
/// Bytes written at once.
const WRITE_LEN: usize = 256 * 1024;

const VALUE: u8 = 1;
const TOMBSTONE: u8 = 2;

/// Where a block lies, and the tag that it has.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Block {
    first_key: Vec<u8>,
    at: u64,
    len: u32,
    tag: Link,
}

/// What a table's frames are read from.
#[derive(Debug)]
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

/// An open table.
#[derive(Debug)]
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
        let bytes = head::read_file(of.disk, of.dir, FileId::table(table.number))?;
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
        let mut frame = source.read(&path, index_at..len)?;
        let text = open_frame(&key, file, place, tag, &mut frame)?;
        let blocks = decode_index(text, table);
        let malformed = || Error::Malformed { file: file.name(), frame: place.number };
        Ok(Self { file, path, key, source, blocks: blocks.ok_or_else(malformed)? })
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
        let after = self.blocks.partition_point(|block| &block.first_key[..] <= key);
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
        blocks.push(Block { first_key: first_key.to_vec(), at, len, tag: *tag });
        rest = more;
    }
    let ascends = blocks.windows(2).all(|pair| pair[0].first_key < pair[1].first_key);
    (ascends && blocks.len() == table.blocks as usize && end == table.index_at).then_some(blocks)
}

/// Writes a table and makes it durable, file and name.
pub(super) fn write<'e>(
    of: Of<'_>,
    number: u64,
    epoch: u32,
    nonces: &NonceSource,
    entries: impl IntoIterator<Item = Entry<'e>>,
) -> Result<TableRef, Error> {
    let file = FileId::table(number);
    let path = of.dir.join(file.name());
    let (header, key) = of.key.begin(of.log, file, epoch)?;
    super::remove_if_there(of.disk, &path)?;
    let mut writer = Writer {
        path: &path,
        out: of.disk.create(&path).map_err(io("creating", &path))?,
        file,
        key,
        nonces,
        place: Place::default(),
        buffer: header.bytes.to_vec(),
        block_at: None,
        written: 0,
        index: 0_u32.to_le_bytes().to_vec(),
        last_key: None,
    };
    for entry in entries {
        writer.add(&entry)?;
    }
    let table = writer.finish()?;
    of.disk.sync_dir(of.dir).map_err(io("syncing the folder", of.dir))?;
    Ok(table)
}

struct Writer<'a> {
    path: &'a Path,
    out: Box<dyn NewFile>,
    file: FileId,
    key: FileKey,
    nonces: &'a NonceSource,
    place: Place,
    /// Sealed frames that are not yet written, and the block that is being filled.
    buffer: Vec<u8>,
    /// Where that block's frame begins.
    block_at: Option<usize>,
    /// Bytes written to the file.
    written: u64,
    /// The text of the index, but for its count.
    index: Vec<u8>,
    last_key: Option<Vec<u8>>,
}

impl Writer<'_> {
    fn add(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        let value = entry.value.unwrap_or_default();
        if let Some(why) = exceeded(entry.key.len(), value.len(), 0) {
            return Err(Error::Refused(why));
        }
        if self.last_key.as_deref().is_some_and(|last| last >= entry.key) {
            return Err(Error::Refused("the keys of a table must ascend"));
        }
        let len = ENTRY_LEN + entry.key.len() + value.len();
        if self.block_at.is_some_and(|at| chain::text_len(self.buffer.len() - at) + len > BLOCK_LEN) {
            self.end_block()?;
        }
        if self.block_at.is_none() {
            let at = chain::begin(&mut self.buffer, len.max(BLOCK_LEN));
            self.block_at = Some(at);
            self.index.extend_from_slice(&(entry.key.len() as u32).to_le_bytes());
            self.index.extend_from_slice(entry.key);
        }
        let out = &mut self.buffer;
        out.push(if entry.value.is_some() { VALUE } else { TOMBSTONE });
        out.extend_from_slice(&(entry.key.len() as u32).to_le_bytes());
        out.extend_from_slice(&(value.len() as u32).to_le_bytes());
        out.extend_from_slice(entry.key);
        out.extend_from_slice(value);
        let last = self.last_key.get_or_insert_default();
        last.clear();
        last.extend_from_slice(entry.key);
        Ok(())
    }

    fn end_block(&mut self) -> Result<(), Error> {
        let Some(at) = self.block_at.take() else { return Ok(()) };
        self.place = chain::seal(&self.key, self.nonces, self.file, self.place, &mut self.buffer, at)?;
        let len = self.buffer.len() - at;
        self.index.extend_from_slice(&(self.written + at as u64).to_le_bytes());
        self.index.extend_from_slice(&(len as u32).to_le_bytes());
        self.index.extend_from_slice(&self.place.before);
        if self.buffer.len() >= WRITE_LEN { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), Error> {
        self.out.write_all(&self.buffer).map_err(io("writing", self.path))?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<TableRef, Error> {
        self.end_block()?;
        let too_long = |_| Error::Refused("a table has at most 2^32 - 1 blocks");
        let (blocks, last) = (u32::try_from(self.place.number).map_err(too_long)?, self.place.before);
        self.index[..4].copy_from_slice(&blocks.to_le_bytes());
        let at = chain::begin(&mut self.buffer, self.index.len());
        self.buffer.extend_from_slice(&self.index);
        let end = chain::seal(&self.key, self.nonces, self.file, self.place, &mut self.buffer, at)?;
        let index_at = self.written + at as u64;
        self.write()?;
        self.out.sync().map_err(io("syncing", self.path))?;
        Ok(TableRef { number: self.file.number, len: self.written, index_at, blocks, last, tag: end.before })
    }
}
