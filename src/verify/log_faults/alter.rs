//! Alterations of a file, done to a copy and undone again.

use std::ops::Range;

use super::layout::{FOOTER, FRAME_EDGE, Kind, Layout, RECORD_CRC, RECORD_HEADER, What};
use crate::primitive::crc32c::checksum as crc32c;

/// How a file is altered: the columns of the results.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Fault {
    /// One bit is flipped.
    Flip,
    /// The file ends earlier.
    Cut,
    /// A run of bytes becomes zeros.
    Zero,
    /// Zeros follow the end.
    ZeroTail,
    /// Two units trade places.
    Swap,
    /// A unit appears twice in a row.
    Copy,
    /// A unit is missing.
    Drop,
    /// A field is altered, and the checksum over it is made right.
    Forge,
    /// Two files trade names.
    SwapFiles,
    /// A file also appears under the next free name.
    CopyFile,
    /// A file is missing.
    DropFile,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 11] = [
        Self::Flip,
        Self::Cut,
        Self::Zero,
        Self::ZeroTail,
        Self::Swap,
        Self::Copy,
        Self::Drop,
        Self::Forge,
        Self::SwapFiles,
        Self::CopyFile,
        Self::DropFile,
    ];

    /// Its name in results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flip => "flip",
            Self::Cut => "cut",
            Self::Zero => "zero",
            Self::ZeroTail => "zero-tail",
            Self::Swap => "swap",
            Self::Copy => "copy",
            Self::Drop => "drop",
            Self::Forge => "forge",
            Self::SwapFiles => "swap-files",
            Self::CopyFile => "copy-file",
            Self::DropFile => "drop-file",
        }
    }
}

/// One alteration of one file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alteration {
    /// How.
    pub fault: Fault,
    /// Where it begins.
    pub at: usize,
    /// The name of the part that it hits.
    pub part: &'static str,
    /// The runs of bytes that are replaced, from the back to the front, none overlapping another.
    edits: Vec<Edit>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Edit {
    range: Range<usize>,
    bytes: Vec<u8>,
}

impl Alteration {
    fn new(fault: Fault, at: usize, part: &'static str, edits: Vec<Edit>) -> Self {
        Self { fault, at, part, edits }
    }

    /// Flips the bits of a mask.
    pub fn flip(layout: &Layout, bytes: &[u8], at: usize, mask: u8) -> Self {
        let edit = Edit { range: at..at + 1, bytes: vec![bytes[at] ^ mask] };
        Self::new(Fault::Flip, at, layout.name_at(bytes, at), vec![edit])
    }

    /// Ends the file at `len`, which is less than its length.
    pub fn cut(layout: &Layout, bytes: &[u8], len: usize) -> Self {
        let starts = layout.unit_at(len).is_some_and(|unit| layout.units[unit].range.start == len);
        let part = match layout.unit_at(len) {
            _ if starts => "between units",
            Some(unit) => inside(layout.units[unit].what),
            None => "end",
        };
        Self::new(Fault::Cut, len, part, vec![Edit { range: len..bytes.len(), bytes: Vec::new() }])
    }

    /// Fills a run with zeros; `None` where it holds nothing else.
    pub fn zero(layout: &Layout, bytes: &[u8], range: Range<usize>) -> Option<Self> {
        bytes[range.clone()].iter().any(|byte| *byte != 0).then(|| {
            let edit = Edit { range: range.clone(), bytes: vec![0; range.len()] };
            Self::new(Fault::Zero, range.start, layout.name_at(bytes, range.start), vec![edit])
        })
    }

    /// Adds zeros at the end.
    pub fn zero_tail(bytes: &[u8], count: usize) -> Self {
        let end = bytes.len();
        Self::new(Fault::ZeroTail, end, "end", vec![Edit { range: end..end, bytes: vec![0; count] }])
    }

    /// Exchanges two units, the first before the second; `None` where they are alike.
    pub fn swap(layout: &Layout, bytes: &[u8], first: usize, second: usize) -> Option<Self> {
        let [a, b] = [first, second].map(|unit| layout.units[unit].range.clone());
        (bytes[a.clone()] != bytes[b.clone()]).then(|| {
            let edits = vec![
                Edit { range: b.clone(), bytes: bytes[a.clone()].to_vec() },
                Edit { range: a.clone(), bytes: bytes[b].to_vec() },
            ];
            Self::new(Fault::Swap, a.start, whole(layout.units[first].what), edits)
        })
    }

    /// Repeats a unit.
    pub fn copy(layout: &Layout, bytes: &[u8], unit: usize) -> Self {
        let unit = &layout.units[unit];
        let edit = Edit { range: unit.range.end..unit.range.end, bytes: bytes[unit.range.clone()].to_vec() };
        Self::new(Fault::Copy, unit.range.end, whole(unit.what), vec![edit])
    }

    /// Removes a unit.
    pub fn drop(layout: &Layout, unit: usize) -> Self {
        let unit = &layout.units[unit];
        let edit = Edit { range: unit.range.clone(), bytes: Vec::new() };
        Self::new(Fault::Drop, unit.range.start, whole(unit.what), vec![edit])
    }

    /// Puts `new` at the start of a field and corrects the checksum that covers it; `None` where nothing
    /// changes, or where no checksum covers the field.
    pub fn forge(layout: &Layout, bytes: &[u8], unit: usize, at: usize, new: &[u8]) -> Option<Self> {
        let found = &layout.units[unit];
        let range = at..at.checked_add(new.len()).filter(|end| *end <= found.range.end)?;
        if bytes[range.clone()] == *new {
            return None;
        }
        let mut altered = bytes[found.range.clone()].to_vec();
        altered[at - found.range.start..][..new.len()].copy_from_slice(new);
        let sum = checksum(layout.kind, found.what, &altered)?;
        if sum.0.contains(&(at - found.range.start)) {
            return None;
        }
        altered[sum.0].copy_from_slice(&sum.1.to_le_bytes());
        let part = layout.name_at(bytes, at);
        Some(Self::new(Fault::Forge, at, part, vec![Edit { range: found.range.clone(), bytes: altered }]))
    }

    /// The same, hitting a part with a narrower name.
    pub fn of_part(self, part: &'static str) -> Self {
        Self { part, ..self }
    }

    /// Does something with the altered copy, which is then as before.
    pub fn with<T>(&self, copy: &mut Vec<u8>, act: impl FnOnce(&[u8]) -> T) -> T {
        if self.fault == Fault::Cut {
            // Nothing moves: what is cut off may be long.
            return act(&copy[..self.at]);
        }
        let undo = self.apply(copy);
        let result = act(copy);
        undo.restore(copy);
        result
    }

    /// Alters the copy, and returns what undoes it.
    pub fn apply(&self, copy: &mut Vec<u8>) -> Undo {
        let mut undo = Vec::new();
        for edit in &self.edits {
            let range = edit.range.start..edit.range.start + edit.bytes.len();
            let old = if edit.range.len() == edit.bytes.len() {
                let old = copy[range.clone()].to_vec();
                copy[range.clone()].copy_from_slice(&edit.bytes);
                old
            } else {
                copy.splice(edit.range.clone(), edit.bytes.iter().copied()).collect()
            };
            undo.push(Edit { range, bytes: old });
        }
        // What was altered last is restored first.
        undo.reverse();
        Undo(Self { fault: self.fault, at: self.at, part: self.part, edits: undo })
    }

    /// Where the bytes after the alteration begin, in the original and in the altered copy, which are equal
    /// from there on.
    pub fn after(&self) -> (usize, usize) {
        let old = self.edits.iter().map(|edit| edit.range.end).max().unwrap_or(self.at);
        let [gone, new] = self
            .edits
            .iter()
            .fold([0, 0], |[gone, new], edit| [gone + edit.range.len(), new + edit.bytes.len()]);
        (old, old + new - gone)
    }

    /// The first byte that may differ from the original.
    pub fn start(&self) -> usize {
        self.edits.iter().map(|edit| edit.range.start).min().unwrap_or(self.at)
    }
}

/// What undoes an alteration.
#[derive(Debug)]
pub struct Undo(Alteration);

impl Undo {
    /// Restores the copy.
    pub fn restore(self, copy: &mut Vec<u8>) {
        self.0.apply(copy);
    }
}

const fn whole(what: What) -> &'static str {
    match what {
        What::Record => "record",
        What::Header => "header",
        What::Block => "block",
        What::Index => "index",
        What::Footer => "footer",
        What::Entry => "entry",
    }
}

const fn inside(what: What) -> &'static str {
    match what {
        What::Record => "inside a record",
        What::Header => "inside the header",
        What::Block => "inside a block",
        What::Index => "inside the index",
        What::Footer => "inside the footer",
        What::Entry => "inside an entry",
    }
}

/// Where a unit keeps its checksum, and what that should be.
fn checksum(kind: Kind, what: What, unit: &[u8]) -> Option<(Range<usize>, u32)> {
    match (kind, what) {
        (Kind::Wal, What::Record) if unit.len() >= RECORD_HEADER => {
            let covered = [&unit[..RECORD_CRC], &unit[RECORD_HEADER..]].concat();
            Some((RECORD_CRC..RECORD_HEADER, crc32c(&covered)))
        }
        (Kind::Table, What::Block | What::Index) if unit.len() >= 2 * FRAME_EDGE => {
            let end = unit.len() - FRAME_EDGE;
            Some((end..unit.len(), crc32c(&unit[FRAME_EDGE..end])))
        }
        (Kind::Table, What::Footer) if unit.len() == FOOTER => {
            Some((FOOTER - 4..FOOTER, crc32c(&unit[..FOOTER - 4])))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::log_faults::schedule::Schedule;
    use crate::verify::log_faults::testing;

    #[test]
    fn every_alteration_changes_the_copy_and_its_undoing_restores_it() {
        for (kind, bytes) in testing::files() {
            let layout = Layout::of(kind, &bytes).unwrap();
            let schedule = Schedule::of(&layout, &bytes);
            let (mut copy, mut tried) = (bytes.clone(), 0);
            for phase in schedule.phases() {
                for number in 0..phase.len() {
                    let Some(alteration) = phase.nth(&layout, &bytes, number) else { continue };
                    let undo = alteration.apply(&mut copy);
                    assert_ne!(copy, bytes, "{alteration:?} alters nothing");
                    assert_eq!(copy[..alteration.start()], bytes[..alteration.start()]);
                    let (old, new) = alteration.after();
                    assert_eq!(copy[new..], bytes[old..], "{alteration:?}");
                    let altered = copy.clone();
                    undo.restore(&mut copy);
                    assert_eq!(copy, bytes, "{alteration:?} is not undone");
                    assert!(alteration.with(&mut copy, |seen| seen == altered), "{alteration:?}");
                    assert_eq!(copy, bytes, "{alteration:?} is not undone");
                    tried += 1;
                }
            }
            assert!(tried > bytes.len(), "{kind:?}: {tried}");
        }
    }

    #[test]
    fn a_forged_record_has_a_right_checksum() {
        let (kind, bytes) = testing::files().remove(0);
        let layout = Layout::of(kind, &bytes).unwrap();
        let mut copy = bytes.clone();
        let forged = Alteration::forge(&layout, &bytes, 0, 7, &[1]).unwrap();
        assert_eq!((forged.part, forged.fault), ("reserved", Fault::Forge));
        forged.apply(&mut copy);
        let record = &copy[layout.units[0].range.clone()];
        let (place, sum) = checksum(kind, What::Record, record).unwrap();
        assert_eq!(record[place], sum.to_le_bytes());
        assert_eq!(Alteration::forge(&layout, &bytes, 0, 7, &[bytes[7]]), None, "it alters nothing");
        assert_eq!(Alteration::forge(&layout, &bytes, 0, 20, &[9]), None, "the checksum itself");
    }
}
