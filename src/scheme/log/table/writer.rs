//! Writing a table, entry by entry.
//!
//! A block is closed once the next entry would make its payload longer than the target (128 bytes at least),
//! so an entry longer than that has a block of its own. The header holds the target as it was given.

use std::path::Path;

use super::{DEFAULT_BLOCK_LEN, Entry, FOOTER_MAGIC, HEADER_MAGIC, MIN_BLOCK_LEN, VERSION};
use crate::disk::{Disk, Replacement};
use crate::primitive::crc32c;
use crate::scheme::log::{Code, Damage, Error, limit};

/// A table that is being written. Its bytes go to a function, part by part.
pub struct Writer<'o> {
    out: &'o mut dyn FnMut(&[u8]) -> Result<(), Error>,
    limit: usize,
    /// The current frame: four bytes for the length, and the payload so far.
    frame: Vec<u8>,
    /// The first key of the current block, and then the latest key: one behind the other.
    first_key: Vec<u8>,
    last_key: Option<Vec<u8>>,
    /// The index frame: four bytes for the length, four for the count, and the entries so far.
    index: Vec<u8>,
    done: Summary,
}

/// What was written.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Summary {
    /// Number of entries.
    pub entries: u64,
    /// Number of blocks.
    pub blocks: u32,
    /// Length of the table in bytes.
    pub size: u64,
}

fn invalid(why: &'static str) -> Damage {
    Code::InvalidRecord.damage(0, why)
}

impl<'o> Writer<'o> {
    /// Begins a table with blocks of about this many bytes.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(target: u32, out: &'o mut dyn FnMut(&[u8]) -> Result<(), Error>) -> Result<Self, Error> {
        let mut header = Vec::from(HEADER_MAGIC);
        header.extend_from_slice(&u32::from(VERSION).to_le_bytes());
        header.extend_from_slice(&target.to_le_bytes());
        header.extend_from_slice(&[0; 4]);
        out(&header)?;
        Ok(Self {
            out,
            limit: target.max(MIN_BLOCK_LEN) as usize,
            frame: vec![0; 4],
            first_key: Vec::new(),
            last_key: None,
            index: vec![0; 8],
            done: Summary { size: header.len() as u64, ..Summary::default() },
        })
    }

    /// Adds an entry. Its key is greater than all before. The reference does not look at the order.
    ///
    /// # Errors
    /// [`Error::Integrity`] with the code `INVALID_RECORD` if the key is not greater, or key or value is over
    /// its limit, or the table gets too long for its index; those of `out`.
    pub fn add(&mut self, entry: Entry<'_>) -> Result<(), Error> {
        if let Some(why) = limit::exceeded(entry.key.len(), entry.value.map_or(0, <[u8]>::len), 0) {
            return Err(invalid(why).into());
        }
        if self.last_key.as_ref().is_some_and(|last| **last >= *entry.key) {
            return Err(invalid("the keys of a table must ascend").into());
        }
        let len = self.frame.len() - 4;
        if len > 0 && len + entry.encoded_len() > self.limit {
            self.close_block()?;
        }
        if self.frame.len() == 4 {
            self.first_key.clear();
            self.first_key.extend_from_slice(entry.key);
        }
        entry.encode(&mut self.frame);
        let last = self.last_key.get_or_insert_default();
        last.clear();
        last.extend_from_slice(entry.key);
        self.done.entries += 1;
        Ok(())
    }

    /// Writes the rest.
    ///
    /// # Errors
    /// Those of [`add`](Self::add).
    pub fn finish(mut self) -> Result<Summary, Error> {
        if self.frame.len() > 4 {
            self.close_block()?;
        }
        let offset = self.done.size;
        let mut index = std::mem::take(&mut self.index);
        index[4..8].copy_from_slice(&self.done.blocks.to_le_bytes());
        let frame_len = self.write_frame(&mut index)?;
        let mut footer = Vec::from(FOOTER_MAGIC);
        footer.extend_from_slice(&u32::from(VERSION).to_le_bytes());
        footer.extend_from_slice(&offset.to_le_bytes());
        footer.extend_from_slice(&frame_len.to_le_bytes());
        footer.extend_from_slice(&[0; 8]);
        footer.extend_from_slice(&crc32c::checksum(&footer).to_le_bytes());
        (self.out)(&footer)?;
        self.done.size += footer.len() as u64;
        Ok(self.done)
    }

    fn close_block(&mut self) -> Result<(), Error> {
        let offset = self.done.size;
        let mut frame = std::mem::take(&mut self.frame);
        let frame_len = self.write_frame(&mut frame)?;
        frame.truncate(4);
        self.frame = frame;
        self.index.extend_from_slice(&(self.first_key.len() as u32).to_le_bytes());
        self.index.extend_from_slice(&self.first_key);
        self.index.extend_from_slice(&offset.to_le_bytes());
        self.index.extend_from_slice(&frame_len.to_le_bytes());
        // One block less than the count can tell. Each has 16 bytes in the index, so this bounds its length
        // too.
        if u32::try_from(self.index.len() + 4).is_err() {
            return Err(invalid("the table has too many blocks for its index").into());
        }
        self.done.blocks += 1;
        Ok(())
    }

    /// Writes four free bytes with a payload behind them as a frame, and returns the frame's length in bytes.
    fn write_frame(&mut self, frame: &mut Vec<u8>) -> Result<u32, Error> {
        let too_long = || Error::from(invalid("the block is too long for its frame"));
        let frame_len = u32::try_from(frame.len() + 4).map_err(|_| too_long())?;
        frame[..4].copy_from_slice(&(frame_len - 8).to_le_bytes());
        let checksum = crc32c::checksum(&frame[4..]);
        frame.extend_from_slice(&checksum.to_le_bytes());
        (self.out)(frame)?;
        self.done.size += frame.len() as u64;
        Ok(frame_len)
    }
}

impl std::fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("done", &self.done).finish_non_exhaustive()
    }
}

/// The bytes of a table with these entries.
///
/// # Errors
/// Those of [`Writer::add`].
pub fn encode<'e>(target: u32, entries: impl IntoIterator<Item = Entry<'e>>) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let mut out = |part: &[u8]| {
        bytes.extend_from_slice(part);
        Ok(())
    };
    let mut writer = Writer::new(target, &mut out)?;
    entries.into_iter().try_for_each(|entry| writer.add(entry))?;
    writer.finish()?;
    Ok(bytes)
}

/// Writes a table with these entries to a file. After a power cut at any moment there is the whole table or
/// none (rule `directory-sync`; the reference syncs neither file nor folder).
///
/// # Errors
/// Those of [`Writer::add`] and [`Error::Disk`]; then there is no table, unless the folder could not be
/// synced.
pub fn write<'e>(
    disk: &dyn Disk,
    path: &Path,
    target: u32,
    entries: impl IntoIterator<Item = Entry<'e>>,
) -> Result<Summary, Error> {
    let mut file = Replacement::begin(disk, path)?;
    let mut parts = Vec::new();
    let mut out = |part: &[u8]| {
        parts.extend_from_slice(part);
        if parts.len() >= FLUSH_LEN {
            file.write_all(&parts)?;
            parts.clear();
        }
        Ok(())
    };
    let mut writer = Writer::new(target, &mut out)?;
    entries.into_iter().try_for_each(|entry| writer.add(entry))?;
    let done = writer.finish()?;
    file.write_all(&parts)?;
    file.commit()?;
    Ok(done)
}

/// Bytes that are gathered for one write to the file.
const FLUSH_LEN: usize = 64 * DEFAULT_BLOCK_LEN as usize;
