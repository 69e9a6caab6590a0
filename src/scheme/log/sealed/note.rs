//! The text of a frame: a record, or a note of the log itself. Integers are little-endian, as in the checked
//! log.
//!
//! ```text
//! all:            head u64 (the number of the head that was durable when the frame was composed) | kind u8
//! 1 put, 2 delete:   key_size u32 | request_id_size u32 | key | request_id | value (the rest)
//! 3 start:           nothing more; the first frame of each WAL
//! 4 table added:     number u64 | length u64 | index_at u64 | blocks u32 | last block's tag | index's tag
//! 5 table removed:   number u64
//! ```
//!
//! The head's number proves that this head existed, so that an older head shows. Tables are noted in the
//! chain, so that none can be removed, replaced or brought back.

use super::chain::Link;
use crate::scheme::log::wal::{Operation, Record};

/// Bytes before what a kind adds.
pub(in crate::scheme::log) const PREFIX_LEN: usize = 9;
/// Bytes of a record's text besides key, value and request id.
pub(in crate::scheme::log) const RECORD_LEN: usize = PREFIX_LEN + 8;
pub(super) const TABLE_LEN: usize = PREFIX_LEN + 8 + 8 + 8 + 4 + 16 + 16;

const START: u8 = 3;
const ADDED: u8 = 4;
const REMOVED: u8 = 5;

/// A table, as the log notes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableRef {
    /// Its number, which is never used again.
    pub number: u64,
    /// The length of its file in bytes.
    pub len: u64,
    /// Where its index begins in the file.
    pub(super) index_at: u64,
    /// Its blocks.
    pub blocks: u32,
    /// The last block's tag, before the index.
    pub(super) last: Link,
    /// The index's tag.
    pub(super) tag: Link,
}

/// A frame's text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Note<'a> {
    Record(Record<'a>),
    Start,
    Added(TableRef),
    Removed(u64),
}

impl<'a> Note<'a> {
    /// Bytes of its text.
    pub fn len(&self) -> usize {
        match self {
            Self::Record(record) => {
                RECORD_LEN + record.key.len() + record.value.len() + record.request_id.len()
            }
            Self::Start => PREFIX_LEN,
            Self::Added(_) => TABLE_LEN,
            Self::Removed(_) => PREFIX_LEN + 8,
        }
    }

    /// Appends its text. The sizes of a record are within their limits.
    #[inline]
    pub fn encode(&self, head: u64, out: &mut Vec<u8>) {
        let kind = match self {
            Self::Record(record) => record.op as u8,
            Self::Start => START,
            Self::Added(_) => ADDED,
            Self::Removed(_) => REMOVED,
        };
        out.extend_from_slice(&head.to_le_bytes());
        out.push(kind);
        match self {
            Self::Record(record) => {
                out.extend_from_slice(&(record.key.len() as u32).to_le_bytes());
                out.extend_from_slice(&(record.request_id.len() as u32).to_le_bytes());
                out.extend_from_slice(record.key);
                out.extend_from_slice(record.request_id);
                out.extend_from_slice(record.value);
            }
            Self::Start => {}
            Self::Added(table) => {
                out.extend_from_slice(&table.number.to_le_bytes());
                out.extend_from_slice(&table.len.to_le_bytes());
                out.extend_from_slice(&table.index_at.to_le_bytes());
                out.extend_from_slice(&table.blocks.to_le_bytes());
                out.extend_from_slice(&table.last);
                out.extend_from_slice(&table.tag);
            }
            Self::Removed(number) => out.extend_from_slice(&number.to_le_bytes()),
        }
    }

    /// The number of the head, and the note; `None` if no writer writes such a text.
    #[inline]
    pub fn decode(text: &'a [u8]) -> Option<(u64, Self)> {
        let (head, rest) = take_u64(text)?;
        let (&kind, rest) = rest.split_first()?;
        let note = match kind {
            START => rest.is_empty().then_some(Self::Start),
            ADDED => table(rest).map(Self::Added),
            REMOVED => {
                take_u64(rest).filter(|(_, rest)| rest.is_empty()).map(|(number, _)| Self::Removed(number))
            }
            _ => record(Operation::from_byte(kind)?, rest).map(Self::Record),
        };
        note.map(|note| (head, note))
    }
}

fn take_u64(bytes: &[u8]) -> Option<(u64, &[u8])> {
    bytes.split_first_chunk().map(|(number, rest)| (u64::from_le_bytes(*number), rest))
}

fn take_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    bytes.split_first_chunk().map(|(number, rest)| (u32::from_le_bytes(*number), rest))
}

fn record(op: Operation, rest: &[u8]) -> Option<Record<'_>> {
    let (key_size, rest) = take_u32(rest)?;
    let (request_id_size, rest) = take_u32(rest)?;
    let (key, rest) = rest.split_at_checked(key_size as usize)?;
    let (request_id, value) = rest.split_at_checked(request_id_size as usize)?;
    Some(Record { op, key, value, request_id })
}

fn table(rest: &[u8]) -> Option<TableRef> {
    let (number, rest) = take_u64(rest)?;
    let (len, rest) = take_u64(rest)?;
    let (index_at, rest) = take_u64(rest)?;
    let (blocks, rest) = take_u32(rest)?;
    let (last, rest) = rest.split_first_chunk()?;
    let tag = rest.try_into().ok()?;
    Some(TableRef { number, len, index_at, blocks, last: *last, tag })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_note_reads_back_and_no_other_length_or_kind_is_read() {
        let table = TableRef { number: 1, len: 2, index_at: 3, blocks: 4, last: [5; 16], tag: [6; 16] };
        let record = Record { op: Operation::Delete, key: b"key", value: b"", request_id: b"id" };
        let notes = [
            Note::Record(Record { op: Operation::Put, key: b"", value: b"value", request_id: b"id" }),
            Note::Record(record),
            Note::Start,
            Note::Added(table),
            Note::Removed(9),
        ];
        for note in notes {
            let mut text = Vec::new();
            note.encode(7, &mut text);
            assert_eq!((text.len(), Note::decode(&text)), (note.len(), Some((7, note))));
            if let Note::Record(record) = note {
                let least = RECORD_LEN + record.key.len() + record.request_id.len();
                (0..least).for_each(|len| assert_eq!(Note::decode(&text[..len]), None, "{len}"));
            } else {
                (0..text.len()).for_each(|len| assert_eq!(Note::decode(&text[..len]), None, "{len}"));
                text.push(0);
                assert_eq!(Note::decode(&text), None);
            }
        }
        for kind in [0, 6, 255] {
            assert_eq!(Note::decode(&[0, 0, 0, 0, 0, 0, 0, 0, kind]), None);
        }
    }
}
