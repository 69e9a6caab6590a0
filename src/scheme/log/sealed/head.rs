//! The head file: how far the log was durable when a group was last synced.
//!
//! ```text
//! file header (36) | one frame at place 0: version u8 = 1 | log id (16) | number u64 | frames u64 |
//!                                          tag (16) | generation u64
//! ```
//!
//! A head names the last durable frame's tag, and with it the whole chain up to there. It is replaced as a
//! whole, so that a power cut leaves it old or new. [`Head`] is its public part, which a caller may keep
//! elsewhere and give to [`Log::open`](super::Log::open).

use std::path::{Path, PathBuf};

use super::chain::{self, FRAME_OVERHEAD, Link, Place};
use super::error::Error;
use super::key::{FileId, FileKey, HEADER_LEN, Header, ID_LEN, LogKey};
use crate::disk::{self, Disk, durable_write};
use crate::envelope::NonceSource;

/// Bytes of [`Head::to_bytes`].
pub const HEAD_LEN: usize = ID_LEN + 8 + 8 + 16;
const VERSION: u8 = 1;
const TEXT_LEN: usize = 1 + HEAD_LEN + 8;
/// Bytes of the file.
const FILE_LEN: usize = HEADER_LEN + FRAME_OVERHEAD + TEXT_LEN;

/// How far a log is durable. It reveals nothing, but whoever can alter a kept head decides which old state
/// of the log is accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// The log's random id.
    pub log: [u8; ID_LEN],
    /// Rises with every head of the log; the first is 1.
    pub number: u64,
    /// Frames up to the last durable one: records, and the log's own notes.
    pub frames: u64,
    /// The last durable frame's tag.
    pub tag: [u8; 16],
}

impl Head {
    /// Its bytes, to be kept elsewhere.
    pub fn to_bytes(&self) -> [u8; HEAD_LEN] {
        let mut bytes = [0; HEAD_LEN];
        bytes[..16].copy_from_slice(&self.log);
        bytes[16..24].copy_from_slice(&self.number.to_be_bytes());
        bytes[24..32].copy_from_slice(&self.frames.to_be_bytes());
        bytes[32..].copy_from_slice(&self.tag);
        bytes
    }

    /// The head with these bytes.
    pub fn from_bytes(bytes: &[u8; HEAD_LEN]) -> Self {
        let mut head = Self { log: [0; ID_LEN], number: 0, frames: 0, tag: [0; 16] };
        head.log.copy_from_slice(&bytes[..16]);
        head.tag.copy_from_slice(&bytes[32..]);
        let number =
            |at: usize| bytes[at..at + 8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        (head.number, head.frames) = (number(16), number(24));
        head
    }

    /// The place after its last frame.
    pub(super) const fn place(&self) -> Place {
        Place { number: self.frames, before: self.tag }
    }
}

/// What the head file holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stored {
    pub head: Head,
    /// The newest WAL.
    pub generation: u64,
    /// The run that wrote it.
    pub epoch: u32,
}

/// Reads the head file of a folder.
///
/// # Errors
/// [`Error::Missing`], [`Error::Magic`], [`Error::Truncated`], [`Error::NotAuthentic`], [`Error::Malformed`],
/// [`Error::Disk`], [`Error::Engine`].
pub(super) fn read(disk: &dyn Disk, dir: &Path, key: &LogKey) -> Result<Stored, Error> {
    let file = FileId::HEAD;
    let bytes = read_start(disk, dir, file, FILE_LEN as u64 + 1)?;
    let header = Header::decode(file, &bytes)?;
    let key = key.file_key(&[0; ID_LEN], file, &header)?;
    let mut frame = bytes;
    let frame = &mut frame[HEADER_LEN..];
    let cut = || Error::Truncated { file: file.name(), frame: 0 };
    let extent = chain::extent(frame, file, Place::default())?.ok_or_else(cut)?;
    if extent.end != frame.len() {
        return Err(Error::NotAuthentic { file: file.name(), frame: 0 });
    }
    let text = chain::open(&key, file, Place::default(), frame)?.text;
    let malformed = || Error::Malformed { file: file.name(), frame: 0 };
    let text: &[u8; TEXT_LEN] = text.try_into().map_err(|_| malformed())?;
    let ([VERSION], rest) = text.split_first_chunk().expect("a version is shorter than the text") else {
        return Err(malformed());
    };
    let (head, generation) = rest.split_first_chunk().expect("a head is shorter than the text");
    let generation = generation.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    Ok(Stored { head: Head::from_bytes(head), generation, epoch: header.epoch })
}

/// Reads a whole file of the folder; a file that is not there is [`Error::Missing`].
pub(super) fn read_file(disk: &dyn Disk, dir: &Path, file: FileId) -> Result<Vec<u8>, Error> {
    disk::read(disk, &dir.join(file.name())).map_err(|error| missing(file, error))
}

/// Reads a file of the folder, and no more of it than this many bytes: whoever can write to the folder may
/// have made it as long as they like. With one byte more than the file may have, a wrong length shows.
pub(super) fn read_start(disk: &dyn Disk, dir: &Path, file: FileId, most: u64) -> Result<Vec<u8>, Error> {
    let path = dir.join(file.name());
    let read = disk.read_start(&path, most);
    read.map_err(|reason| missing(file, disk::Error::Io { doing: "reading", path, reason }))
}

fn missing(file: FileId, error: disk::Error) -> Error {
    if error.is_not_found() { Error::Missing(file.name()) } else { error.into() }
}

/// Writes the heads of one run. The header, and so the key, is the same for all of them.
#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    header: Header,
    key: FileKey,
    /// Reused for every head.
    buffer: Vec<u8>,
}

impl Writer {
    /// # Errors
    /// [`Error::Random`], [`Error::Engine`].
    pub fn new(dir: &Path, key: &LogKey, epoch: u32) -> Result<Self, Error> {
        let (header, key) = key.begin(&[0; ID_LEN], FileId::HEAD, epoch)?;
        Ok(Self { path: dir.join(FileId::HEAD.name()), header, key, buffer: Vec::new() })
    }

    /// Replaces the head file; it is durable afterwards.
    ///
    /// # Errors
    /// [`Error::Disk`]: the file then holds the old head or the new one. [`Error::NoncesUsedUp`],
    /// [`Error::Engine`].
    pub fn write(
        &mut self,
        disk: &dyn Disk,
        nonces: &NonceSource,
        head: &Head,
        generation: u64,
    ) -> Result<(), Error> {
        let buffer = &mut self.buffer;
        buffer.clear();
        buffer.extend_from_slice(&self.header.bytes);
        let at = chain::begin(buffer, TEXT_LEN);
        buffer.push(VERSION);
        buffer.extend_from_slice(&head.to_bytes());
        buffer.extend_from_slice(&generation.to_be_bytes());
        chain::seal(&self.key, nonces, FileId::HEAD, Place::default(), buffer, at)?;
        Ok(durable_write(disk, &self.path, buffer)?)
    }
}

/// The tag before a table's first frame, and before a log's.
pub(super) const NO_TAG: Link = [0; 16];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Recorder;
    use crate::scheme::log::sealed::testing::{DIR, key};

    #[test]
    fn a_head_reads_back_and_any_other_byte_or_length_is_refused() {
        let disk = Recorder::with_dir(DIR);
        let (dir, nonces) = (Path::new(DIR), NonceSource::new(0, 3));
        let head = Head { log: [1; 16], number: 2, frames: 3, tag: [4; 16] };
        assert_eq!(Head::from_bytes(&head.to_bytes()), head);
        assert_eq!(read(&disk, dir, &key()).unwrap_err().spec_name(), "MISSING_FILE");
        let mut writer = Writer::new(dir, &key(), 3).unwrap();
        writer.write(&disk, &nonces, &Head { number: 1, ..head }, 4).unwrap();
        writer.write(&disk, &nonces, &head, 5).unwrap();
        assert_eq!(read(&disk, dir, &key()).unwrap(), Stored { head, generation: 5, epoch: 3 });

        let path = dir.join("head");
        let bytes = disk.read(&path).unwrap();
        let refused = |bytes: &[u8]| {
            let disk = Recorder::with_files(DIR, [(path.clone(), bytes.to_vec())]);
            read(&disk, dir, &key()).unwrap_err().spec_name()
        };
        for at in 0..bytes.len() * 8 {
            let mut altered = bytes.clone();
            altered[at / 8] ^= 1 << (at % 8);
            let expected: &[_] = match at / 8 {
                0..8 => &["INVALID_MAGIC"],
                8..36 => &["NOT_AUTHENTIC"],
                36..40 => &["NOT_AUTHENTIC", "TRUNCATED_RECORD"],
                _ => &["NOT_AUTHENTIC"],
            };
            assert!(expected.contains(&refused(&altered)), "bit {at}: {}", refused(&altered));
        }
        for len in 0..bytes.len() {
            assert_eq!(refused(&bytes[..len]), "TRUNCATED_RECORD", "{len}");
        }
        assert_eq!(refused(&[&bytes[..], &[0]].concat()), "NOT_AUTHENTIC");
    }
}
