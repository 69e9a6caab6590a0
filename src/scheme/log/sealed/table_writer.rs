//! Writing a sealed table. Every buffer that holds entries or keys in the clear is wiped when it is dropped,
//! whether the table was finished or not.

use std::path::Path;

use zeroize::Zeroizing;

use super::chain::{self, Place};
use super::error::Error;
use super::key::{FileId, FileKey};
use super::note::TableRef;
use super::replay::io;
use super::table::{BLOCK_LEN, ENTRY_LEN, Of, TOMBSTONE, VALUE};
use crate::aead::TAG_LEN;
use crate::disk::NewFile;
use crate::envelope::NonceSource;
use crate::scheme::log::limit::{MAX_KEY_LEN, exceeded};
use crate::scheme::log::table::Entry;

/// Bytes of a block in the index, besides its first key.
const INDEX_ENTRY_LEN: usize = 4 + 8 + 4 + TAG_LEN;
/// Bytes written at once.
const WRITE_LEN: usize = 256 * 1024;

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
        buffer: Zeroizing::new(header.bytes.to_vec()),
        block_at: None,
        written: 0,
        index: Zeroizing::new(0_u32.to_le_bytes().to_vec()),
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
    buffer: Zeroizing<Vec<u8>>,
    /// Where that block's frame begins.
    block_at: Option<usize>,
    /// Bytes written to the file.
    written: u64,
    /// The text of the index, but for its count.
    index: Zeroizing<Vec<u8>>,
    last_key: Option<Zeroizing<Vec<u8>>>,
}

impl Writer<'_> {
    fn add(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        let value = entry.value.unwrap_or_default();
        if let Some(why) = exceeded(entry.key.len(), value.len(), 0) {
            return Err(Error::Refused(why));
        }
        if self.last_key.as_ref().is_some_and(|last| last.as_slice() >= entry.key) {
            return Err(Error::Refused("the keys of a table must ascend"));
        }
        let len = ENTRY_LEN + entry.key.len() + value.len();
        if self.block_at.is_some_and(|at| chain::text_len(self.buffer.len() - at) + len > BLOCK_LEN) {
            self.end_block()?;
        }
        if self.block_at.is_none() {
            let at = chain::begin(&mut self.buffer, len.max(BLOCK_LEN));
            self.block_at = Some(at);
            make_room(&mut self.index, INDEX_ENTRY_LEN + entry.key.len());
            self.index.extend_from_slice(&(entry.key.len() as u32).to_le_bytes());
            self.index.extend_from_slice(entry.key);
        }
        let out = &mut self.buffer;
        out.push(if entry.value.is_some() { VALUE } else { TOMBSTONE });
        out.extend_from_slice(&(entry.key.len() as u32).to_le_bytes());
        out.extend_from_slice(&(value.len() as u32).to_le_bytes());
        out.extend_from_slice(entry.key);
        out.extend_from_slice(value);
        // With room for every key: a vector that grows leaves its old bytes behind.
        let last = self.last_key.get_or_insert_with(|| Zeroizing::new(Vec::with_capacity(MAX_KEY_LEN)));
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

/// Makes room for so many more bytes. A vector that has to move is wiped in its old place.
fn make_room(bytes: &mut Zeroizing<Vec<u8>>, more: usize) {
    let len = bytes.len() + more;
    if len > bytes.capacity() {
        let mut roomier = Zeroizing::new(Vec::with_capacity(len.max(2 * bytes.capacity())));
        roomier.extend_from_slice(bytes);
        *bytes = roomier;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_with_room_keeps_its_bytes_and_does_not_move_for_the_next() {
        let mut bytes = Zeroizing::new(b"abcd".to_vec());
        for more in [1, 100, 5_000] {
            make_room(&mut bytes, more);
            assert!(bytes.capacity() >= bytes.len() + more);
            let place = bytes.as_ptr();
            bytes.extend(std::iter::repeat_n(7, more));
            assert_eq!((bytes.as_ptr(), &bytes[..4]), (place, &b"abcd"[..]));
        }
    }
}
