//! What a snapshot's payload does not say: what its request ids were used for. A format of ours, checksummed.
//!
//! ```text
//! history   "smhist01" | count u32, {id size u32, id, 1, existed u8, content 32 | id size u32, id, 0}…
//!                      | count u32, {key size u32, key}… | crc32c of all of it u32
//! install   "sminst01" | payload size u32, payload | history size u32, history | crc32c of all of it u32
//! ```
//!
//! The history file is written when a snapshot is installed (rule `durable-request-ids`). Its keys are those
//! of the snapshot's rows: with them, and the log since then, a later start recomputes whether a write found
//! its key, which is the original result that a retry is owed. In a history that is handed to another member
//! there are no keys: they are those of the payload. The install file is the redo record of an installation
//! (rule `atomic-install`).

use super::super::limit::{MAX_KEY_LEN, MAX_REQUEST_ID_LEN};
use super::super::{Code, Damage};
use super::Done;
use super::cursor::{Cursor, put_field, put_len};
use crate::primitive::crc32c;

const HISTORY: &[u8; 8] = b"smhist01";
const INSTALL: &[u8; 8] = b"sminst01";

/// Request ids with what they were used for, and the keys that were there before the log begins.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct History<'a> {
    pub ids: Vec<(&'a [u8], Option<Done>)>,
    pub keys: Vec<&'a [u8]>,
}

impl<'a> History<'a> {
    pub fn encode(&self) -> Result<Vec<u8>, Damage> {
        let mut out = HISTORY.to_vec();
        put_len(&mut out, self.ids.len())?;
        for (id, done) in &self.ids {
            put_field(&mut out, id)?;
            out.push(u8::from(done.is_some()));
            if let Some(done) = done {
                out.push(u8::from(done.existed));
                out.extend_from_slice(&done.content);
            }
        }
        put_len(&mut out, self.keys.len())?;
        for key in &self.keys {
            put_field(&mut out, key)?;
        }
        Ok(close(out))
    }

    pub fn decode(bytes: &'a [u8]) -> Result<Self, Damage> {
        let mut cursor = Cursor::new(open(bytes, HISTORY, "it is no history of request ids")?);
        let count = cursor.count(5)?;
        let mut ids = Vec::with_capacity(count);
        for _ in 0..count {
            let id = cursor.field(MAX_REQUEST_ID_LEN)?;
            let done = match flag(&mut cursor)? {
                false => None,
                true => Some(Done { existed: flag(&mut cursor)?, content: cursor.array()? }),
            };
            ids.push((id, done));
            cursor.index += 1;
        }
        let count = cursor.count(4)?;
        let mut keys = Vec::with_capacity(count);
        for _ in 0..count {
            keys.push(cursor.field(MAX_KEY_LEN)?);
            cursor.index += 1;
        }
        cursor.end()?;
        Ok(Self { ids, keys })
    }
}

fn flag(cursor: &mut Cursor<'_>) -> Result<bool, Damage> {
    match cursor.array()? {
        [0] => Ok(false),
        [1] => Ok(true),
        [_] => Err(cursor.damage(Code::InvalidRecord, "a flag is neither 0 nor 1")),
    }
}

/// A snapshot that is being installed.
pub(super) struct Install<'a> {
    pub payload: &'a [u8],
    pub history: &'a [u8],
}

impl<'a> Install<'a> {
    pub fn encode(&self) -> Result<Vec<u8>, Damage> {
        let mut out = Vec::with_capacity(20 + self.payload.len() + self.history.len());
        out.extend_from_slice(INSTALL);
        put_field(&mut out, self.payload)?;
        put_field(&mut out, self.history)?;
        Ok(close(out))
    }

    pub fn decode(bytes: &'a [u8]) -> Result<Self, Damage> {
        let mut cursor = Cursor::new(open(bytes, INSTALL, "it is no snapshot that is being installed")?);
        let (payload, history) = (cursor.field(usize::MAX)?, cursor.field(usize::MAX)?);
        cursor.end()?;
        Ok(Self { payload, history })
    }
}

/// Appends the checksum.
fn close(mut out: Vec<u8>) -> Vec<u8> {
    let checksum = crc32c::checksum(&out);
    out.extend_from_slice(&checksum.to_le_bytes());
    out
}

/// What lies between the magic and the checksum.
fn open<'a>(bytes: &'a [u8], magic: &[u8; 8], why: &'static str) -> Result<&'a [u8], Damage> {
    let (body, checksum) =
        bytes.split_last_chunk().ok_or_else(|| Code::TruncatedRecord.damage(0, "it is cut short"))?;
    let rest = body.strip_prefix(magic).ok_or_else(|| Code::InvalidMagic.damage(0, why))?;
    if crc32c::checksum(body) != u32::from_le_bytes(*checksum) {
        return Err(Code::ChecksumMismatch.damage(0, "its checksum does not match"));
    }
    Ok(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history() -> Vec<u8> {
        let done = Done { content: [7; 32], existed: true };
        History { ids: vec![(b"r1", Some(done)), (b"r2", None)], keys: vec![b"", b"k"] }.encode().unwrap()
    }

    #[test]
    fn a_history_and_an_installation_are_read_back() {
        let bytes = history();
        assert!(History::decode(&bytes).unwrap().encode().unwrap() == bytes);
        let install = Install { payload: b"payload", history: &bytes }.encode().unwrap();
        let read = Install::decode(&install).unwrap();
        assert_eq!((read.payload, read.history), (&b"payload"[..], &bytes[..]));
    }

    #[test]
    fn every_flip_and_every_cut_is_refused() {
        let install = Install { payload: b"p", history: b"h" }.encode().unwrap();
        let damaged = |bytes: &[u8], whole: usize| {
            let code = match whole {
                0 => History::decode(bytes).err().unwrap().code,
                _ => Install::decode(bytes).err().unwrap().code,
            };
            assert!(
                matches!(code, Code::TruncatedRecord | Code::InvalidMagic | Code::ChecksumMismatch),
                "{code:?}"
            );
        };
        for (whole, bytes) in [history(), install].into_iter().enumerate() {
            for at in 0..bytes.len() {
                damaged(&bytes[..at], whole);
                for mask in [1, 0x80] {
                    let mut flipped = bytes.clone();
                    flipped[at] ^= mask;
                    damaged(&flipped, whole);
                }
            }
        }
    }

    #[test]
    fn a_forged_history_with_a_right_checksum_is_refused_by_name() {
        let body = |tail: &[u8]| close([&HISTORY[..], tail].concat());
        for (bytes, why) in [
            (body(&[0xff; 4]), "it has fewer entries than it says"),
            (body(&[1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]), "a flag is neither 0 nor 1"),
            (body(&[0; 9]), "bytes follow its end"),
            (body(&[0, 0, 0, 0, 1, 0, 0, 0, 1, 4, 0, 0]), "a field is over its limit"),
        ] {
            let damage = History::decode(&bytes).err().unwrap();
            assert_eq!((damage.code, damage.why), (Code::InvalidRecord, why));
        }
    }
}
