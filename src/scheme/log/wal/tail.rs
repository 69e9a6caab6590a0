//! What to do with a log whose last record is incomplete (rule `truncate-tail`).
//!
//! A crash in mid-append leaves a beginning of the last write, or zeros in its place. The reference then
//! never opens the log again. [`Tail::Truncate`] drops such a tail, and nothing else: not a record whose
//! checksum is wrong, wherever it stands, and not a tail that only looks incomplete because one of its sizes
//! was altered.

use super::{COVERED_LEN, HEADER_LEN, Header, MAGIC, record_checksum};

/// What to do with an incomplete final record.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Tail {
    /// Refuse the log, as the reference does.
    #[default]
    Strict,
    /// Drop it: no write of it was ever acknowledged.
    Truncate,
}

/// Whether the rest of a log, from the first record that cannot be read, is what a crash leaves of the last
/// write: a beginning of it, or only zeros. `rest` reaches to the end of the log.
pub(super) fn is_torn(rest: &[u8]) -> bool {
    if rest.iter().all(|byte| *byte == 0) {
        return true;
    }
    let begun = rest.len().min(MAGIC.len());
    if rest[..begun] != MAGIC[..begun] {
        return false;
    }
    let Some((header, payload)) = rest.split_first_chunk() else { return true };
    match Header::parse(header) {
        Ok(parsed) => parsed.payload_len() > payload.len() && !misses_a_record(header, &parsed, rest),
        Err(_) => false,
    }
}

/// Whether a tail that ends inside its first record hides a complete one: with one size put right, that
/// record would end with the log; or whole records that end with the log follow in it. Then not a crash but
/// an altered size makes it look incomplete, and dropping it would drop acknowledged records.
fn misses_a_record(header: &[u8; HEADER_LEN], parsed: &Header, rest: &[u8]) -> bool {
    let payload = &rest[HEADER_LEN..];
    let missing = parsed.payload_len() - payload.len();
    let sizes = [parsed.key_len, parsed.value_len, parsed.request_id_len];
    let repaired = sizes.iter().zip([8, 12, 16]).any(|(size, at)| {
        let Some(size) = size.checked_sub(missing) else { return false };
        let mut header = *header;
        header[at..at + 4].copy_from_slice(&(size as u32).to_le_bytes());
        let (covered, _) = header.split_first_chunk::<COVERED_LEN>().expect("20 of 24 bytes");
        record_checksum(covered, payload) == parsed.checksum
    });
    repaired || ends_in_records(rest)
}

/// Whether one whole record or several, the last of which ends with these bytes, start somewhere after the
/// first byte. From the end to the beginning: a record counts if it ends where the bytes do or where one that
/// counts starts, so few checksums are computed.
fn ends_in_records(bytes: &[u8]) -> bool {
    let mut ends = vec![bytes.len()];
    for start in (1..bytes.len()).rev().filter(|start| bytes[*start..].starts_with(&MAGIC)) {
        let Some((header, payload)) = bytes[start..].split_first_chunk() else { continue };
        let Ok(parsed) = Header::parse(header) else { continue };
        let Some(payload) = payload.get(..parsed.payload_len()) else { continue };
        let (covered, _) = header.split_first_chunk().expect("20 of 24 bytes");
        let end = start + HEADER_LEN + payload.len();
        if ends.contains(&end) && record_checksum(covered, payload) == parsed.checksum {
            ends.push(start);
        }
    }
    ends.len() > 1
}
