//! What the reader of each kind of file gives, and whether that is what was written.

use std::sync::Arc;

use super::alter::Alteration;
use super::layout::{Kind, Layout, RECORD_HEADER};
use crate::scheme::log::Error;
use crate::scheme::log::raft_files::{LogEntry, Meta, decode_log};
use crate::scheme::log::table::{self, Entry, Table};
use crate::scheme::log::wal::{Operation, Reader, Record, Tail};

/// Why a reader refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Refusal {
    /// The specification's code.
    pub code: &'static str,
    /// The record, block or entry.
    pub index: Option<u64>,
}

/// What came of an alteration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Found {
    pub refusal: Option<Refusal>,
    /// Whether the reader gave something else than what was written, or less without refusing.
    pub drift: bool,
}

/// The refusal that an error is.
pub(super) fn refusal(error: &Error) -> Refusal {
    Refusal { code: error.code().spec_name(), index: Some(error.record_index()) }
}

/// A file as it was found, and what its reader gives.
#[derive(Debug)]
pub(super) struct Original {
    layout: Layout,
    content: Content,
}

/// The rows of a table in order; a tombstone has no value.
type Rows = Vec<(Vec<u8>, Option<Vec<u8>>)>;

enum Content {
    /// The layout says where the records are.
    Wal,
    Table {
        rows: Rows,
        /// Whether a lookup of each key gives its row.
        are_found: bool,
    },
    RaftMeta(Meta),
    RaftLog(Vec<LogEntry>),
}

/// Shows no content.
impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Wal => "Wal",
            Self::Table { .. } => "Table",
            Self::RaftMeta(_) => "RaftMeta",
            Self::RaftLog(_) => "RaftLog",
        })
    }
}

impl Original {
    /// Reads a file.
    pub fn read(kind: Kind, bytes: &[u8]) -> Result<Self, Refusal> {
        let content = || -> Result<Content, Error> {
            Ok(match kind {
                Kind::Wal => {
                    let mut reader = Reader::of_bytes(bytes, Tail::Strict);
                    while reader.next()?.is_some() {}
                    Content::Wal
                }
                Kind::Table => {
                    let mut rows = Rows::new();
                    let table = read_table(bytes, &mut |entry| rows.push(row(entry)))?;
                    let are_found = are_found(&table, &rows);
                    Content::Table { rows, are_found }
                }
                Kind::RaftMeta => Content::RaftMeta(Meta::decode(bytes)?),
                Kind::RaftLog => Content::RaftLog(decode_log(bytes)?),
            })
        };
        let content = content().map_err(|error| refusal(&error))?;
        // A reader accepts what its sizes do not describe: bytes between the blocks of a table.
        let unknown = Refusal { code: "UNKNOWN_LAYOUT", index: None };
        Ok(Self { layout: Layout::of(kind, bytes).ok_or(unknown)?, content })
    }

    /// Its parts.
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Reads the altered copy. Records of a WAL before the alteration are not read again: a log has no state
    /// but its place.
    pub fn judge(&self, original: &[u8], copy: &[u8], alteration: &Alteration) -> Found {
        let whole = match &self.content {
            Content::Wal => return self.judge_wal(original, copy, alteration),
            Content::Table { rows, are_found } => {
                return judge_table(rows, *are_found, |deliver| read_table(copy, deliver));
            }
            Content::RaftMeta(meta) => Meta::decode(copy).map(|found| found != *meta),
            Content::RaftLog(entries) => decode_log(copy).map(|found| found != *entries),
        };
        // These are decoded as wholes, and give nothing before a refusal.
        match whole {
            Ok(drift) => Found { refusal: None, drift },
            Err(damage) => Found { refusal: Some(refusal(&damage.into())), drift: false },
        }
    }

    fn judge_wal(&self, original: &[u8], copy: &[u8], alteration: &Alteration) -> Found {
        let units = &self.layout.units;
        let first = units.partition_point(|unit| unit.range.end <= alteration.start());
        let from = units.get(first).map_or(original.len(), |unit| unit.range.start).min(copy.len());
        let (old, new) = alteration.after();
        let mut reader = Reader::of_bytes(&copy[from..], Tail::Strict);
        let (mut next, mut drift) = (first, false);
        loop {
            // Once the reader is back in step behind the alteration, all that follows is as it was.
            let at = from + usize::try_from(reader.offset()).unwrap_or(usize::MAX);
            if let Some(place) = at.checked_sub(new).map(|beyond| old + beyond)
                && let Ok(unit) = units.binary_search_by_key(&place, |unit| unit.range.start)
            {
                return Found { refusal: None, drift: drift || unit != next };
            }
            match reader.next() {
                Ok(None) => return Found { refusal: None, drift: drift || next != units.len() },
                Ok(Some(found)) => {
                    let expected = units.get(next).and_then(|unit| record(&original[unit.range.clone()]));
                    let is_expected = expected.is_some_and(|expected| expected == found);
                    if !is_expected && self.is_repeated(original, next, &found) {
                        continue;
                    }
                    drift |= !is_expected;
                    next += 1;
                }
                Err(error) => {
                    let index = Some(error.record_index() + first as u64);
                    return Found { refusal: Some(Refusal { index, ..refusal(&error) }), drift };
                }
            }
        }
    }

    /// Whether a record repeats the request id of the one before it, so that the engine ignores it.
    fn is_repeated(&self, original: &[u8], next: usize, found: &Record<'_>) -> bool {
        let before = next.checked_sub(1).and_then(|before| self.layout.units.get(before));
        let before = before.and_then(|unit| record(&original[unit.range.clone()]));
        !found.request_id.is_empty() && before.is_some_and(|before| before.request_id == found.request_id)
    }
}

/// A record at a place that a reader has accepted.
fn record(unit: &[u8]) -> Option<Record<'_>> {
    let size = |at: usize| {
        let bytes: [u8; 4] = unit.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    let (key, rest) = unit.get(RECORD_HEADER..)?.split_at_checked(size(8)?)?;
    let (value, request_id) = rest.split_at_checked(size(12)?)?;
    Some(Record { op: Operation::from_byte(*unit.get(6)?)?, key, value, request_id })
}

/// Reads a table from its first row to its last.
fn read_table(bytes: &[u8], deliver: &mut dyn FnMut(Entry<'_>)) -> Result<Table, Error> {
    let table = Table::of_bytes(bytes.to_vec())?.with_cache(Arc::default());
    table.scan(&mut |entry| {
        deliver(entry);
        Ok(())
    })?;
    Ok(table)
}

fn row(entry: Entry<'_>) -> (Vec<u8>, Option<Vec<u8>>) {
    (entry.key.to_vec(), entry.value.map(<[u8]>::to_vec))
}

/// Whether a lookup of each key gives its row: a scan does not use the keys of the index.
fn are_found(table: &Table, rows: &Rows) -> bool {
    rows.iter().all(|(key, value)| match (table.get(key), value) {
        (Ok(Some(table::Found::Value(found))), Some(value)) => found == *value,
        (Ok(Some(table::Found::Tombstone)), None) => true,
        _ => false,
    })
}

/// What a reader says of an altered table, all of whose rows these were.
fn judge_table(
    original: &Rows,
    were_found: bool,
    read: impl FnOnce(&mut dyn FnMut(Entry<'_>)) -> Result<Table, Error>,
) -> Found {
    let mut rows = Rows::new();
    match read(&mut |entry| rows.push(row(entry))) {
        Ok(table) => {
            let drift = rows != *original || are_found(&table, original) != were_found;
            Found { refusal: None, drift }
        }
        // What it had delivered before may be something else than what was written.
        Err(error) => Found { refusal: Some(refusal(&error)), drift: !original.starts_with(&rows) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheme::log::Code;
    use crate::verify::log_faults::layout::What;
    use crate::verify::log_faults::testing::{self, record as encoded};

    fn judged(bytes: &[u8], alteration: impl Fn(&Layout) -> Alteration) -> Found {
        let original = Original::read(Kind::Wal, bytes).unwrap();
        let alteration = alteration(original.layout());
        let mut copy = bytes.to_vec();
        alteration.apply(&mut copy);
        original.judge(bytes, &copy, &alteration)
    }

    #[test]
    fn a_refusal_counts_its_record_from_the_start_of_the_file() {
        let wal = testing::wal();
        let found = judged(&wal, |layout| {
            Alteration::flip(layout, &wal, layout.units[2].range.start + RECORD_HEADER, 0x10)
        });
        let expected = Refusal { code: "CHECKSUM_MISMATCH", index: Some(2) };
        assert_eq!(found, Found { refusal: Some(expected), drift: false });
    }

    #[test]
    fn a_record_that_is_read_before_the_refusal_counts_if_it_is_another() {
        let wal = testing::wal();
        // One byte less of the request id: a right record, and then a byte that begins none.
        let found = judged(&wal, |layout| {
            let unit = layout.units[0].range.clone();
            let len = wal[unit.start + 16] - 1;
            let mut forged = Alteration::forge(layout, &wal, 0, unit.start + 16, &[len]).unwrap();
            forged.part = "request id size";
            forged
        });
        // The checksum covers the byte that is now outside, so the record itself is refused.
        assert_eq!(found.refusal.map(|refused| refused.index), Some(Some(0)));
        assert!(!found.drift);
    }

    #[test]
    fn a_repeat_is_ignored_only_if_it_has_a_request_id() {
        let wal = testing::wal();
        let repeated = judged(&wal, |layout| Alteration::copy(layout, &wal, 1));
        assert_eq!(repeated, Found { refusal: None, drift: false });
        let nameless = [encoded(1, b"k", b"v", b""), encoded(1, b"l", b"w", b"")].concat();
        let repeated = judged(&nameless, |layout| Alteration::copy(layout, &nameless, 0));
        assert_eq!(repeated, Found { refusal: None, drift: true });
    }

    #[test]
    fn a_log_that_repeats_a_request_itself_is_judged_like_any_other() {
        let wal = vec![encoded(1, b"k", b"v", b"id"); 3].concat();
        for unit in 0..3 {
            let flipped = judged(&wal, |layout| {
                Alteration::flip(layout, &wal, layout.units[unit].range.start + RECORD_HEADER, 1)
            });
            let expected = Refusal { code: "CHECKSUM_MISMATCH", index: Some(unit as u64) };
            assert_eq!(flipped, Found { refusal: Some(expected), drift: false });
        }
    }

    #[test]
    fn every_flip_of_a_log_gives_the_code_that_a_reader_of_the_whole_file_gives() {
        let wal = testing::wal();
        let original = Original::read(Kind::Wal, &wal).unwrap();
        for at in 0..wal.len() {
            for bit in 0..8 {
                let alteration = Alteration::flip(original.layout(), &wal, at, 1 << bit);
                let mut copy = wal.clone();
                alteration.apply(&mut copy);
                let mut reader = Reader::of_bytes(&copy, Tail::Strict);
                let whole = loop {
                    match reader.next() {
                        Ok(Some(_)) => {}
                        Ok(None) => break None,
                        Err(error) => break Some(refusal(&error)),
                    }
                };
                assert_eq!(original.judge(&wal, &copy, &alteration).refusal, whole, "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn a_table_that_is_refused_after_other_rows_were_given_is_refused_late() {
        let (_, bytes) = testing::files().remove(1);
        let Content::Table { rows, are_found } = Original::read(Kind::Table, &bytes).unwrap().content else {
            panic!("it is a table")
        };
        assert!(are_found && rows.len() == 5);
        let expected = Some(Refusal { code: "CHECKSUM_MISMATCH", index: Some(2) });
        for (value, drift) in [(&b"value of a"[..], false), (b"another", true)] {
            // A reader that delivers a row, and only then notices damage.
            let found = judge_table(&rows, true, |deliver| {
                deliver(Entry { key: b"a", value: Some(value) });
                Err(Code::ChecksumMismatch.damage(2, "planted").into())
            });
            assert_eq!(found, Found { refusal: expected, drift });
        }
    }

    #[test]
    fn a_table_whose_index_leads_to_the_wrong_block_is_not_the_same_although_a_scan_is() {
        let (kind, bytes) = testing::files().remove(1);
        let original = Original::read(kind, &bytes).unwrap();
        let layout = original.layout();
        let index = layout.units.iter().position(|unit| unit.what == What::Index).unwrap();
        // Its frame's length and its count, then the size of the first key, the key, and where its block is.
        let second = layout.units[index].range.start + 8 + 4 + 1 + 12 + 4;
        let found = |key: &[u8]| {
            let forged = Alteration::forge(layout, &bytes, index, second, key).unwrap();
            forged.with(&mut bytes.clone(), |copy| original.judge(&bytes, copy, &forged))
        };
        assert_eq!(bytes[second], b'c');
        assert_eq!(found(b"d"), Found { refusal: None, drift: true }, "c is looked for before its block");
        let refused = found(b"e").refusal.unwrap();
        assert_eq!((refused.code, refused.index), ("INVALID_RECORD", Some(2)));
    }
}
