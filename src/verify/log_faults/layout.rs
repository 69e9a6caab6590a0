//! Where the parts of a file of a log lie: its units (records, frames, headers) and the fields within them.
//!
//! Follows the offsets of sections 2, 3 and 4 of the specification, and not the scheme's decoders, so that a
//! mistake there shows as a difference here. Reads only files that their reader accepts: a damaged file has
//! no parts to damage further.

use std::ffi::OsStr;
use std::ops::Range;
use std::path::Path;

use super::spans::Spans;

/// The bytes of a WAL record before its payload, the last four its checksum.
pub(super) const RECORD_HEADER: usize = 24;
/// The offset of a record's checksum.
pub(super) const RECORD_CRC: usize = 20;
/// The bytes of a table's header.
pub(super) const TABLE_HEADER: usize = 16;
/// The bytes of a table's footer, the last four its checksum.
pub(super) const FOOTER: usize = 32;
/// The size before a frame's payload, and the checksum after it.
pub(super) const FRAME_EDGE: usize = 4;
/// The bytes of `meta.bin`, and of `log.bin` before its entries and of an entry before its payload.
const META: usize = 36;
const LOG_HEADER: usize = 16;
const ENTRY_HEADER: usize = 12;

/// What a file of a log holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// `<digits>.wal`: records.
    Wal,
    /// `<digits>.sst`: a table.
    Table,
    /// `meta.bin`: term and vote.
    RaftMeta,
    /// `log.bin`: the replicated log.
    RaftLog,
}

impl Kind {
    /// The kind of the file with this name, if the format knows it.
    pub fn of(name: &OsStr) -> Option<Self> {
        match name.to_str()? {
            "meta.bin" => return Some(Self::RaftMeta),
            "log.bin" => return Some(Self::RaftLog),
            _ => {}
        }
        let path = Path::new(name);
        let stem = path.file_stem()?.to_str()?;
        if stem.is_empty() || !stem.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        match path.extension()?.to_str()? {
            "wal" => Some(Self::Wal),
            "sst" => Some(Self::Table),
            _ => None,
        }
    }

    /// Its name in results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wal => "wal",
            Self::Table => "table",
            Self::RaftMeta => "raft meta",
            Self::RaftLog => "raft log",
        }
    }

    /// What its units are called.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Wal => "record",
            Self::Table => "frame",
            Self::RaftMeta => "file",
            Self::RaftLog => "entry",
        }
    }
}

/// What a unit is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum What {
    /// A record of a WAL.
    Record,
    /// The header of a table or of `log.bin`, or all of `meta.bin`.
    Header,
    /// A frame of data in a table.
    Block,
    /// The frame of a table's index.
    Index,
    /// The footer of a table.
    Footer,
    /// An entry of `log.bin`.
    Entry,
}

/// A run of bytes that belong together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unit {
    /// What it is.
    pub what: What,
    /// Where it lies in its file.
    pub range: Range<usize>,
}

/// A named run of bytes within a unit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Field {
    /// Its name in results.
    pub name: &'static str,
    /// Where it lies in the file.
    pub range: Range<usize>,
    /// Whether it is structure (a header, a size, a checksum, an index) and not payload.
    pub structure: bool,
}

/// The parts of one file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layout {
    /// What the file holds.
    pub kind: Kind,
    /// Its units, in order and without gaps.
    pub units: Vec<Unit>,
}

impl Layout {
    /// The parts of a file that its reader accepts; `None` where the sizes in it do not add up to its length.
    pub fn of(kind: Kind, bytes: &[u8]) -> Option<Self> {
        let units = match kind {
            Kind::Wal => records(bytes)?,
            Kind::Table => table(bytes)?,
            Kind::RaftMeta => {
                (bytes.len() == META).then(|| vec![Unit { what: What::Header, range: 0..META }])?
            }
            Kind::RaftLog => entries(bytes)?,
        };
        Some(Self { kind, units })
    }

    /// The unit that contains the byte at `at`.
    pub fn unit_at(&self, at: usize) -> Option<usize> {
        let after = self.units.partition_point(|unit| unit.range.end <= at);
        self.units.get(after).filter(|unit| unit.range.contains(&at)).map(|_| after)
    }

    /// The fields of a unit, in order and without gaps.
    pub fn fields(&self, bytes: &[u8], unit: usize) -> Vec<Field> {
        let Unit { what, range } = &self.units[unit];
        let size = |at| size_at(bytes, range.start + at).unwrap_or(0);
        let frame = range.len().saturating_sub(2 * FRAME_EDGE);
        let tail = match (what, self.kind) {
            (What::Record, _) => {
                vec![("key", size(8), false), ("value", size(12), false), ("request id", size(16), false)]
            }
            (What::Block, _) => {
                vec![("block size", 4, true), ("block", frame, false), ("block checksum", 4, true)]
            }
            (What::Index, _) => {
                vec![("index size", 4, true), ("index", frame, true), ("index checksum", 4, true)]
            }
            (What::Entry, _) => {
                let payload = range.len().saturating_sub(ENTRY_HEADER);
                vec![("entry term", 8, true), ("entry size", 4, true), ("entry", payload, false)]
            }
            (What::Header | What::Footer, _) => Vec::new(),
        };
        let head: &[(&'static str, usize)] = match (what, self.kind) {
            (What::Record, _) => RECORD,
            (What::Footer, _) => TABLE_END,
            (What::Header, Kind::Table) => TABLE_BEGIN,
            (What::Header, Kind::RaftMeta) => META_FIELDS,
            (What::Header, _) => LOG_BEGIN,
            _ => &[],
        };
        let head = head.iter().map(|&(name, len)| (name, len, true));
        fields(range.clone(), head.chain(tail))
    }

    /// The name of the field that contains the byte at `at`.
    pub fn name_at(&self, bytes: &[u8], at: usize) -> &'static str {
        let Some(unit) = self.unit_at(at) else { return "end" };
        let inside = self.fields(bytes, unit).into_iter().find(|field| field.range.contains(&at));
        inside.map_or("", |field| field.name)
    }

    /// The structure of the file, then its payload, each as one list of runs of bytes.
    pub fn spans(&self, bytes: &[u8]) -> [Spans; 2] {
        let mut spans = [Spans::default(), Spans::default()];
        for unit in 0..self.units.len() {
            for field in self.fields(bytes, unit) {
                spans[usize::from(!field.structure)].push(field.range);
            }
        }
        spans
    }
}

const RECORD: &[(&str, usize)] = &[
    ("magic", 4),
    ("version", 2),
    ("op", 1),
    ("reserved", 1),
    ("key size", 4),
    ("value size", 4),
    ("request id size", 4),
    ("checksum", 4),
];
const TABLE_BEGIN: &[(&str, usize)] = &[
    ("header magic", 4),
    ("header version", 2),
    ("header reserved", 2),
    ("header block size", 4),
    ("header reserved", 4),
];
const TABLE_END: &[(&str, usize)] = &[
    ("footer magic", 4),
    ("footer version", 2),
    ("footer reserved", 2),
    ("footer index offset", 8),
    ("footer index size", 4),
    ("footer reserved", 8),
    ("footer checksum", 4),
];
const META_FIELDS: &[(&str, usize)] = &[
    ("magic", 4),
    ("version", 2),
    ("reserved", 2),
    ("term", 8),
    ("voted for", 4),
    ("snapshot index", 8),
    ("snapshot term", 8),
];
const LOG_BEGIN: &[(&str, usize)] = &[("magic", 4), ("version", 2), ("reserved", 2), ("count", 8)];

/// Named fields of these lengths, one after the other, without the empty ones.
fn fields(unit: Range<usize>, names: impl IntoIterator<Item = (&'static str, usize, bool)>) -> Vec<Field> {
    let mut at = unit.start;
    let mut found = Vec::new();
    for (name, len, structure) in names {
        let end = at.saturating_add(len).min(unit.end);
        if end > at {
            found.push(Field { name, range: at..end, structure });
        }
        at = end;
    }
    found
}

fn size_at(bytes: &[u8], at: usize) -> Option<usize> {
    let four: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
    usize::try_from(u32::from_le_bytes(four)).ok()
}

fn long_at(bytes: &[u8], at: usize) -> Option<usize> {
    let eight: [u8; 8] = bytes.get(at..at.checked_add(8)?)?.try_into().ok()?;
    usize::try_from(u64::from_le_bytes(eight)).ok()
}

fn records(bytes: &[u8]) -> Option<Vec<Unit>> {
    let (mut at, mut units) = (0, Vec::new());
    while at < bytes.len() {
        let mut end = at + RECORD_HEADER;
        for size in [8, 12, 16] {
            end = end.checked_add(size_at(bytes, at + size)?)?;
        }
        units.push(Unit { what: What::Record, range: at..end });
        at = end;
    }
    (at == bytes.len()).then_some(units)
}

fn table(bytes: &[u8]) -> Option<Vec<Unit>> {
    let footer = bytes.len().checked_sub(FOOTER).filter(|at| *at >= TABLE_HEADER)?;
    let index = long_at(bytes, footer + 8)?;
    let index_end = index.checked_add(size_at(bytes, footer + 16)?)?;
    let mut units = vec![Unit { what: What::Header, range: 0..TABLE_HEADER }];
    let mut at = TABLE_HEADER;
    while at < index {
        let end = at.checked_add(size_at(bytes, at)?)?.checked_add(2 * FRAME_EDGE)?;
        units.push(Unit { what: What::Block, range: at..end });
        at = end;
    }
    if at != index || index_end != footer {
        return None;
    }
    units.push(Unit { what: What::Index, range: index..footer });
    units.push(Unit { what: What::Footer, range: footer..bytes.len() });
    Some(units)
}

fn entries(bytes: &[u8]) -> Option<Vec<Unit>> {
    let mut units = vec![Unit { what: What::Header, range: 0..LOG_HEADER }];
    let mut at = LOG_HEADER;
    while at < bytes.len() {
        let end = at.checked_add(ENTRY_HEADER)?.checked_add(size_at(bytes, at + 8)?)?;
        units.push(Unit { what: What::Entry, range: at..end });
        at = end;
    }
    (at == bytes.len()).then_some(units)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::log_faults::testing;

    #[test]
    fn a_file_is_known_by_its_name_alone() {
        let of = |name: &str| Kind::of(OsStr::new(name));
        assert_eq!(of("000001.wal"), Some(Kind::Wal));
        assert_eq!(of("7.sst"), Some(Kind::Table));
        assert_eq!([of("meta.bin"), of("log.bin")], [Some(Kind::RaftMeta), Some(Kind::RaftLog)]);
        for other in ["", ".wal", "a.wal", "1.wal.tmp", "request-ids", "1", "LOG.BIN"] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn the_fields_of_a_file_cover_it_without_gaps_or_overlaps() {
        for (kind, bytes) in testing::files() {
            let layout = Layout::of(kind, &bytes).unwrap_or_else(|| panic!("{kind:?} has parts"));
            let mut at = 0;
            for unit in 0..layout.units.len() {
                for field in layout.fields(&bytes, unit) {
                    assert_eq!(field.range.start, at, "{kind:?}: {}", field.name);
                    assert!(!field.name.is_empty() && !field.range.is_empty());
                    assert_eq!(layout.name_at(&bytes, field.range.start), field.name);
                    at = field.range.end;
                }
            }
            assert_eq!(at, bytes.len(), "{kind:?}");
            let spans = layout.spans(&bytes);
            let mut all: Vec<usize> =
                spans.iter().flat_map(|spans| (0..spans.len()).map(|n| spans.nth(n))).collect();
            all.sort_unstable();
            assert_eq!(all, (0..bytes.len()).collect::<Vec<_>>(), "{kind:?}");
            assert_eq!(layout.name_at(&bytes, bytes.len()), "end");
        }
    }

    #[test]
    fn a_file_whose_sizes_do_not_add_up_has_no_layout() {
        for (kind, bytes) in testing::files() {
            for len in [1, bytes.len() - 1] {
                assert_eq!(Layout::of(kind, &bytes[..len]), None, "{kind:?} cut to {len}");
            }
        }
        let mut record = testing::files().remove(0).1;
        record[8..20].fill(0xff);
        assert_eq!(Layout::of(Kind::Wal, &record), None);
    }
}
