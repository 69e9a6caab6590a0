//! The two files of a Raft member, `meta.bin` and `log.bin`, byte for byte those of the reference
//! (specification §4). All numbers are little-endian.
//!
//! ```text
//! meta.bin   magic | version 1 u16 | 0 u16 | term u64 | voted for u32
//!            | snapshot index u64 | snapshot term u64
//! log.bin    magic | version 1 u16 | 0 u16 | count u64 | (term u64 | length u32 | command) *
//! ```
//!
//! The reference truncates and rewrites them in place and never syncs them. Here they are replaced as a
//! whole, durably (rule `directory-sync`). They have no checksum, because the format has no room for one: an
//! altered term, vote, index or command is not noticed.

use std::path::Path;

use super::{Code, Damage, Error};
use crate::disk::{self, Disk, durable_write};

const META_MAGIC: [u8; 4] = *b"TMRK";
const LOG_MAGIC: [u8; 4] = *b"GLRK";
const VERSION: u16 = 1;
/// Length of magic, version and reserved field in bytes.
const HEADER_LEN: usize = 8;
/// Length of `meta.bin` in bytes.
pub const META_LEN: usize = 36;
/// Length of an entry of `log.bin` without its command, in bytes.
const ENTRY_LEN: usize = 12;

/// What a member must not forget: the content of `meta.bin`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Meta {
    /// The latest term that it has seen.
    pub term: u64,
    /// The member that it voted for in this term; 0 for none.
    pub voted_for: u32,
    /// The last entry that its snapshot covers.
    pub snapshot_index: u64,
    /// The term of that entry.
    pub snapshot_term: u64,
}

/// An entry of `log.bin`. Its `Debug` shows the length of the command only.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct LogEntry {
    /// The term in which it was proposed.
    pub term: u64,
    /// The command, see [`super::command`].
    pub command: Vec<u8>,
}

impl std::fmt::Debug for LogEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LogEntry {{ term {}, command {} B }}", self.term, self.command.len())
    }
}

fn header(magic: [u8; 4]) -> Vec<u8> {
    let mut out = Vec::from(magic);
    out.extend_from_slice(&u32::from(VERSION).to_le_bytes());
    out
}

/// Checks magic, version and the reserved field, and returns what follows.
fn body(bytes: &[u8], magic: [u8; 4]) -> Result<&[u8], Damage> {
    let damage = |code: Code, why| code.damage(0, why);
    let (header, body) = bytes
        .split_first_chunk::<HEADER_LEN>()
        .ok_or_else(|| damage(Code::TruncatedRecord, "the file ends inside its header"))?;
    if header[..4] != magic {
        return Err(damage(Code::InvalidMagic, "the file does not begin with its magic number"));
    }
    if header[4..6] != VERSION.to_le_bytes() {
        return Err(damage(Code::UnsupportedVersion, "the file's version is not 1"));
    }
    if header[6..] != [0; 2] {
        return Err(damage(Code::InvalidRecord, "the reserved field is not zero"));
    }
    Ok(body)
}

/// Takes a number from the front.
fn number<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (number, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*number)
}

impl Meta {
    /// The bytes of `meta.bin`.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = header(META_MAGIC);
        out.extend_from_slice(&self.term.to_le_bytes());
        out.extend_from_slice(&self.voted_for.to_le_bytes());
        out.extend_from_slice(&self.snapshot_index.to_le_bytes());
        out.extend_from_slice(&self.snapshot_term.to_le_bytes());
        out
    }

    /// Reads the bytes of `meta.bin`.
    ///
    /// # Errors
    /// [`Code::TruncatedRecord`], [`Code::InvalidMagic`], [`Code::UnsupportedVersion`], and
    /// [`Code::InvalidRecord`] for a reserved field that is not zero and for bytes left over.
    pub fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let mut rest = body(bytes, META_MAGIC)?;
        let read = (|| {
            Some(Self {
                term: u64::from_le_bytes(number(&mut rest)?),
                voted_for: u32::from_le_bytes(number(&mut rest)?),
                snapshot_index: u64::from_le_bytes(number(&mut rest)?),
                snapshot_term: u64::from_le_bytes(number(&mut rest)?),
            })
        })();
        let meta = read.ok_or(Code::TruncatedRecord.damage(0, "the file ends inside a field"))?;
        if !rest.is_empty() {
            return Err(Code::InvalidRecord.damage(0, "bytes are left over at the end of the file"));
        }
        Ok(meta)
    }

    /// Reads the file; `None` if there is none.
    ///
    /// # Errors
    /// Those of [`decode`](Self::decode), naming the file; [`Error::Disk`].
    pub fn read(disk: &dyn Disk, path: &Path) -> Result<Option<Self>, Error> {
        read(disk, path, Self::decode)
    }

    /// Replaces the file, durably.
    ///
    /// # Errors
    /// [`Error::Disk`]; the file then holds the old bytes or the new ones.
    pub fn write(&self, disk: &dyn Disk, path: &Path) -> Result<(), Error> {
        Ok(durable_write(disk, path, &self.encode())?)
    }
}

/// The bytes of `log.bin`.
///
/// # Errors
/// [`Code::InvalidRecord`] with the number of an entry whose command has more than 4 GiB.
pub fn encode_log(entries: &[LogEntry]) -> Result<Vec<u8>, Damage> {
    let mut out = header(LOG_MAGIC);
    out.extend_from_slice(&(entries.len() as u64).to_le_bytes());
    for (at, entry) in (0..).zip(entries) {
        let len = u32::try_from(entry.command.len());
        let len =
            len.map_err(|_| Code::InvalidRecord.damage(at, "the command is too long for its length"))?;
        out.extend_from_slice(&entry.term.to_le_bytes());
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&entry.command);
    }
    Ok(out)
}

/// Reads the bytes of `log.bin`. The count is believed only as far as there is room for that many entries
/// (rule `bounded-count`).
///
/// # Errors
/// Those of [`Meta::decode`]; a truncation names the number of the entry.
pub fn decode_log(bytes: &[u8]) -> Result<Vec<LogEntry>, Damage> {
    let mut rest = body(bytes, LOG_MAGIC)?;
    let truncated = |entry| Code::TruncatedRecord.damage(entry, "the file ends inside an entry");
    let count = u64::from_le_bytes(number(&mut rest).ok_or_else(|| truncated(0))?);
    let room = rest.len() / ENTRY_LEN;
    let mut entries = Vec::with_capacity(usize::try_from(count).map_or(room, |count| count.min(room)));
    for at in 0..count {
        let term = u64::from_le_bytes(number(&mut rest).ok_or_else(|| truncated(at))?);
        let len = u32::from_le_bytes(number(&mut rest).ok_or_else(|| truncated(at))?);
        let (command, after) = rest.split_at_checked(len as usize).ok_or_else(|| truncated(at))?;
        entries.push(LogEntry { term, command: command.into() });
        rest = after;
    }
    if !rest.is_empty() {
        return Err(Code::InvalidRecord.damage(count, "bytes are left over after the last entry"));
    }
    Ok(entries)
}

/// Reads `log.bin`; `None` if there is none.
///
/// # Errors
/// Those of [`decode_log`], naming the file; [`Error::Disk`].
pub fn read_log(disk: &dyn Disk, path: &Path) -> Result<Option<Vec<LogEntry>>, Error> {
    read(disk, path, decode_log)
}

/// Replaces `log.bin`, durably.
///
/// # Errors
/// Those of [`encode_log`]; [`Error::Disk`], and the file then holds the old bytes or the new ones.
pub fn write_log(disk: &dyn Disk, path: &Path, entries: &[LogEntry]) -> Result<(), Error> {
    Ok(durable_write(disk, path, &encode_log(entries)?)?)
}

fn read<T>(disk: &dyn Disk, path: &Path, decode: fn(&[u8]) -> Result<T, Damage>) -> Result<Option<T>, Error> {
    match disk::read(disk, path) {
        Err(error) if error.is_not_found() => Ok(None),
        bytes => decode(&bytes?).map(Some).map_err(|damage| Error::from(damage).in_file(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Fault, Recorder};

    const META: Meta = Meta { term: 0x0102, voted_for: 3, snapshot_index: 4, snapshot_term: 5 };

    fn entries() -> Vec<LogEntry> {
        [(7, &b"abc"[..]), (8, b""), (9, b"0123456789")]
            .map(|(term, command)| LogEntry { term, command: command.into() })
            .into()
    }

    #[test]
    fn files_decode_to_what_was_encoded() {
        let bytes = META.encode();
        assert_eq!(bytes.len(), META_LEN);
        assert_eq!(bytes[..18], *b"TMRK\x01\0\0\0\x02\x01\0\0\0\0\0\0\x03\0");
        assert_eq!(Meta::decode(&bytes), Ok(META));
        let log = encode_log(&entries()).unwrap();
        assert_eq!(log[..16], *b"GLRK\x01\0\0\0\x03\0\0\0\0\0\0\0");
        assert_eq!(decode_log(&log), Ok(entries()));
        assert_eq!(decode_log(&encode_log(&[]).unwrap()), Ok(Vec::new()));
    }

    #[test]
    fn every_truncation_is_refused_as_one_and_so_is_a_byte_more() {
        let (meta, log) = (META.encode(), encode_log(&entries()).unwrap());
        for len in 0..meta.len() {
            assert_eq!(Meta::decode(&meta[..len]).unwrap_err().code, Code::TruncatedRecord, "{len}");
        }
        let entry_of = |len: usize| [31, 43].iter().filter(|end| len >= **end).count() as u64;
        for len in 0..log.len() {
            let damage = decode_log(&log[..len]).unwrap_err();
            assert_eq!((damage.code, damage.record_index), (Code::TruncatedRecord, entry_of(len)), "{len}");
        }
        assert_eq!(Meta::decode(&[&meta[..], b"x"].concat()).unwrap_err().code, Code::InvalidRecord);
        assert_eq!(decode_log(&[&log[..], b"x"].concat()).unwrap_err().code, Code::InvalidRecord);
    }

    #[test]
    fn a_flip_in_the_header_is_refused_for_its_reason() {
        for bit in 0..HEADER_LEN * 8 {
            let expected = [Code::InvalidMagic, Code::UnsupportedVersion, Code::InvalidRecord];
            let expected = expected[(bit / 8).saturating_sub(2) / 2];
            let flipped = |mut bytes: Vec<u8>| {
                bytes[bit / 8] ^= 1 << (bit % 8);
                bytes
            };
            assert_eq!(Meta::decode(&flipped(META.encode())).unwrap_err().code, expected, "{bit}");
            let log = flipped(encode_log(&entries()).unwrap());
            assert_eq!(decode_log(&log).unwrap_err().code, expected, "{bit}");
        }
    }

    #[test]
    fn a_forged_count_reserves_no_memory_that_the_file_has_no_room_for() {
        let mut log = encode_log(&entries()).unwrap();
        log[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
        let damage = decode_log(&log).unwrap_err();
        assert_eq!((damage.code, damage.record_index), (Code::TruncatedRecord, 3));
    }

    #[test]
    fn a_power_cut_at_any_step_leaves_the_old_files_or_the_new() {
        let (meta, log) = (Path::new("/raft/meta.bin"), Path::new("/raft/log.bin"));
        let new = Meta { term: 9, ..META };
        let mut states = 0;
        for cut in 0..12 {
            let disk = Recorder::with_dir("/raft");
            assert_eq!(Meta::read(&disk, meta).unwrap(), None);
            META.write(&disk, meta).unwrap();
            write_log(&disk, log, &[]).unwrap();
            disk.plan(disk.steps().len() + cut, Fault::Power);
            let done = new.write(&disk, meta).and_then(|()| write_log(&disk, log, &entries()));
            assert_eq!(done.unwrap_err().code(), Code::IoError);
            for left in disk.after_power_loss() {
                let found = Meta::read(&left, meta).unwrap().unwrap();
                assert!(found == new || found == META && cut < 6, "{cut}: {found:?}");
                let found = read_log(&left, log).unwrap().unwrap();
                assert!(found == entries() || found.is_empty(), "{cut}: {found:?}");
                states += 1;
            }
        }
        assert!(states >= 20, "{states} states");
    }

    #[test]
    fn damage_names_the_file() {
        let path = Path::new("/raft/meta.bin");
        let disk = Recorder::with_files("/raft", [(path.to_owned(), b"TMRK\x02\0\0\0".to_vec())]);
        let refused = Meta::read(&disk, path).unwrap_err();
        assert!(refused.to_string().starts_with("/raft/meta.bin: integrity_code=UNSUPPORTED_VERSION "));
    }
}
