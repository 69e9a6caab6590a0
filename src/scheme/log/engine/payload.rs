//! The snapshot payload (spec §4): the live rows and the request ids. It has no checksum of its own.
//!
//! Little-endian: magic, version `u16`, count `u32`, then key size, value size, key and value of each row in
//! key order; count `u32`, then size and bytes of each request id in order; nothing after that. Counts are
//! bounded by the bytes that follow before anything is allocated for them (rule `bounded-count`). Stricter
//! than the reference: rows must ascend, because a table is written from them, and fields have the limits of
//! the log.

use super::super::limit::{MAX_KEY_LEN, MAX_REQUEST_ID_LEN, MAX_VALUE_LEN};
use super::super::{Code, Damage};
use super::cursor::{Cursor, put_field, put_len};

const MAGIC: u32 = 0x4b56_5353;
const VERSION: u16 = 1;

/// A payload's rows and request ids.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Payload<'a> {
    pub rows: Vec<(&'a [u8], &'a [u8])>,
    pub ids: Vec<&'a [u8]>,
}

impl<'a> Payload<'a> {
    pub fn encode(&self) -> Result<Vec<u8>, Damage> {
        let rows: usize = self.rows.iter().map(|(key, value)| 8 + key.len() + value.len()).sum();
        let ids: usize = self.ids.iter().map(|id| 4 + id.len()).sum();
        let mut out = Vec::with_capacity(14 + rows + ids);
        out.extend_from_slice(&MAGIC.to_le_bytes());
        out.extend_from_slice(&VERSION.to_le_bytes());
        put_len(&mut out, self.rows.len())?;
        for (key, value) in &self.rows {
            put_len(&mut out, key.len())?;
            put_len(&mut out, value.len())?;
            out.extend_from_slice(key);
            out.extend_from_slice(value);
        }
        put_len(&mut out, self.ids.len())?;
        for id in &self.ids {
            put_field(&mut out, id)?;
        }
        Ok(out)
    }

    /// Damage names the row by its number, and a request id by the number of rows plus its own.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Damage> {
        let mut cursor = Cursor::new(bytes);
        if u32::from_le_bytes(cursor.array()?) != MAGIC {
            return Err(Code::InvalidMagic.damage(0, "it is no snapshot payload"));
        }
        if cursor.u16()? != VERSION {
            return Err(Code::UnsupportedVersion.damage(0, "the snapshot payload has another version"));
        }
        let count = cursor.count(8)?;
        let mut rows: Vec<(&[u8], &[u8])> = Vec::with_capacity(count);
        for _ in 0..count {
            let (key_len, value_len) = (cursor.len_within(MAX_KEY_LEN)?, cursor.len_within(MAX_VALUE_LEN)?);
            let row = (cursor.take(key_len)?, cursor.take(value_len)?);
            if rows.last().is_some_and(|(key, _)| *key >= row.0) {
                return Err(cursor.damage(Code::InvalidRecord, "the rows are not in key order"));
            }
            rows.push(row);
            cursor.index += 1;
        }
        let count = cursor.count(4)?;
        let mut ids = Vec::with_capacity(count);
        for _ in 0..count {
            ids.push(cursor.field(MAX_REQUEST_ID_LEN)?);
            cursor.index += 1;
        }
        cursor.end()?;
        Ok(Self { rows, ids })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload() -> Vec<u8> {
        let rows: Vec<(&[u8], &[u8])> = vec![(b"", b"empty"), (b"k", b""), (b"kk", b"v")];
        Payload { rows, ids: vec![b"r1", b"r2"] }.encode().unwrap()
    }

    fn refusal(bytes: &[u8]) -> (Code, u64, &'static str) {
        let damage = Payload::decode(bytes).err().unwrap();
        (damage.code, damage.record_index, damage.why)
    }

    #[test]
    fn a_payload_is_read_back_and_every_cut_of_it_is_refused() {
        let bytes = payload();
        assert!(Payload::decode(&bytes).unwrap().encode().unwrap() == bytes);
        for cut in 0..bytes.len() {
            let (code, ..) = refusal(&bytes[..cut]);
            // A count that promises more than there is.
            assert!(matches!(code, Code::TruncatedRecord | Code::InvalidRecord), "{cut}: {code:?}");
        }
        let longer = [&bytes[..], b"\0"].concat();
        assert_eq!(refusal(&longer), (Code::InvalidRecord, 5, "bytes follow its end"));
    }

    #[test]
    fn forged_headers_counts_and_orders_are_refused_by_name() {
        let altered = |at: usize, with: &[u8]| {
            let mut bytes = payload();
            bytes[at..at + with.len()].copy_from_slice(with);
            refusal(&bytes)
        };
        assert_eq!(altered(0, b"x").0, Code::InvalidMagic);
        assert_eq!(altered(4, b"\x02").0, Code::UnsupportedVersion);
        let few = "it has fewer entries than it says";
        assert_eq!(altered(6, &[0xff; 4]), (Code::InvalidRecord, 0, few));
        assert_eq!(
            altered(10, &1025_u32.to_le_bytes()),
            (Code::InvalidRecord, 0, "a field is over its limit")
        );
        // The second key after the first: "k" becomes "l", which is above "kk".
        let second = 10 + 8 + 5 + 8;
        assert_eq!(altered(second, b"l"), (Code::InvalidRecord, 2, "the rows are not in key order"));
        let ids = second + 1 + 8 + 3;
        assert_eq!(altered(ids, &[0xff; 4]), (Code::InvalidRecord, 3, few));
        assert_eq!(altered(ids + 4, &4097_u32.to_le_bytes()).2, "a field is over its limit");
    }
}
