//! The commands of the replicated log (specification §5): a version byte, the operation, and then request id,
//! key and value, each behind its length. Numbers are big-endian here, unlike on disk.
//!
//! A committed command that does not decode halts the member that was to apply it (rule
//! `halt-on-undecodable`), as its caller ensures; the reference skips it in silence.

use super::limit;
use super::wal::{Operation, Record};
use super::{Code, Damage};

/// The only version.
pub const VERSION: u8 = 1;

/// Appends a command to `out`.
///
/// # Errors
/// [`Code::InvalidRecord`] if key, value or request id is over its limit; `out` is then unchanged.
pub fn encode(record: &Record<'_>, out: &mut Vec<u8>) -> Result<(), Damage> {
    let Record { op, key, value, request_id } = record;
    if let Some(why) = limit::exceeded(key.len(), value.len(), request_id.len()) {
        return Err(Code::InvalidRecord.damage(0, why));
    }
    out.extend_from_slice(&[VERSION, *op as u8]);
    for part in [request_id, key, value] {
        out.extend_from_slice(&(part.len() as u32).to_be_bytes());
        out.extend_from_slice(part);
    }
    Ok(())
}

/// Reads a command, which must be all of these bytes.
///
/// # Errors
/// [`Code::TruncatedRecord`], [`Code::UnsupportedVersion`], [`Code::InvalidOperation`],
/// [`Code::InvalidRecord`] for a part over its limit and for bytes left over.
pub fn decode(bytes: &[u8]) -> Result<Record<'_>, Damage> {
    let damage = |code: Code, why| code.damage(0, why);
    let truncated = || damage(Code::TruncatedRecord, "the command ends inside a field");
    let (&[version, op], mut rest) = bytes.split_first_chunk().ok_or_else(truncated)?;
    if version != VERSION {
        return Err(damage(Code::UnsupportedVersion, "the command's version is not 1"));
    }
    let Some(op) = Operation::from_byte(op) else {
        return Err(damage(Code::InvalidOperation, "the command's operation is neither put nor delete"));
    };
    let mut part = || {
        let (len, after) = rest.split_first_chunk().ok_or_else(truncated)?;
        let (part, after) =
            after.split_at_checked(u32::from_be_bytes(*len) as usize).ok_or_else(truncated)?;
        rest = after;
        Ok(part)
    };
    let (request_id, key, value) = (part()?, part()?, part()?);
    if !rest.is_empty() {
        return Err(damage(Code::InvalidRecord, "bytes are left over after the command"));
    }
    match limit::exceeded(key.len(), value.len(), request_id.len()) {
        Some(why) => Err(damage(Code::InvalidRecord, why)),
        None => Ok(Record { op, key, value, request_id }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(record: &Record<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        encode(record, &mut out).unwrap();
        out
    }

    #[test]
    fn a_command_decodes_to_what_was_encoded() {
        let long = [7; limit::MAX_REQUEST_ID_LEN];
        for record in [
            Record::put(b"key", b"value", b"id"),
            Record::put(b"", b"", b""),
            Record::delete(b"key", b"id"),
            Record { op: Operation::Delete, key: b"k", value: b"v", request_id: &long },
        ] {
            assert_eq!(decode(&bytes(&record)), Ok(record));
        }
        assert_eq!(bytes(&Record::put(b"k", b"vw", b"M")), b"\x01\x01\0\0\0\x01M\0\0\0\x01k\0\0\0\x02vw");
    }

    #[test]
    fn every_truncation_is_refused_as_one() {
        let whole = bytes(&Record::put(b"key", b"value", b"id"));
        for len in 0..whole.len() {
            assert_eq!(decode(&whole[..len]).unwrap_err().code, Code::TruncatedRecord, "{len}");
        }
    }

    #[test]
    fn a_wrong_byte_is_refused_for_its_reason() {
        let whole = bytes(&Record::put(b"key", b"value", b"id"));
        let with = |at: usize, byte: u8| {
            let mut bytes = whole.clone();
            bytes[at] = byte;
            decode(&bytes).unwrap_err().code
        };
        assert_eq!((with(0, 0), with(0, 2)), (Code::UnsupportedVersion, Code::UnsupportedVersion));
        assert_eq!((with(1, 0), with(1, 3)), (Code::InvalidOperation, Code::InvalidOperation));
        assert_eq!(with(2, 0xff), Code::TruncatedRecord, "a length of almost 4 GiB");
        assert_eq!(with(whole.len() - 6, 4), Code::InvalidRecord, "a value one byte shorter");
        let longer = [&whole[..], b"x"].concat();
        assert_eq!(decode(&longer).unwrap_err().why, "bytes are left over after the command");
    }

    #[test]
    fn a_part_over_its_limit_is_neither_encoded_nor_decoded() {
        let long = vec![b'x'; limit::MAX_VALUE_LEN + 1];
        for (key, value, id, why) in [
            (&long[..1_025], &b""[..], &b"i"[..], "the key is longer than 1,024 bytes"),
            (b"k", &long, b"i", "the value is longer than 1,048,576 bytes"),
            (b"k", b"", &long[..4_097], "the request id is longer than 4,096 bytes"),
        ] {
            let record = Record::put(key, value, id);
            let mut out = vec![9];
            assert_eq!(encode(&record, &mut out), Err(Code::InvalidRecord.damage(0, why)));
            assert_eq!(out, [9]);
            let mut forged = vec![1, 1];
            for part in [id, key, value] {
                forged.extend_from_slice(&(part.len() as u32).to_be_bytes());
                forged.extend_from_slice(part);
            }
            assert_eq!(decode(&forged), Err(Code::InvalidRecord.damage(0, why)));
        }
    }
}
