//! The entries of a table's index, and forgeries of them under a right checksum.
//!
//! Follows section 3 of the specification: a count, then for each block the size of its first key, that key,
//! the offset of its frame and the frame's length. Reads only indexes that their reader accepts.

use std::ops::Range;

use super::alter::Alteration;
use super::layout::{FRAME_EDGE, Layout, What};

/// Ways to forge the entry of a block.
pub(super) const WAYS: usize = 8;
/// The bytes of the size of a key.
const SIZE: usize = 4;
/// The bytes of an offset, and of the frame's length after it.
const OFFSET: usize = 8;
const PLACE: usize = 12;

/// Where the entries of an index lie in their file.
#[derive(Clone, Default, Debug)]
pub(super) struct Index {
    /// The place of the index among the units.
    unit: usize,
    /// The first key of each block. Its size lies before it, and the place of the block behind it.
    keys: Vec<Range<usize>>,
}

impl Index {
    /// The index of a table; without entries in a file of another kind.
    pub fn of(layout: &Layout, bytes: &[u8]) -> Self {
        let Some(unit) = layout.units.iter().position(|unit| unit.what == What::Index) else {
            return Self::default();
        };
        let range = layout.units[unit].range.clone();
        let end = range.end - FRAME_EDGE;
        let (mut at, mut keys) = (range.start + FRAME_EDGE + SIZE, Vec::new());
        while let Some(size) = bytes[..end].get(at..).and_then(<[u8]>::first_chunk) {
            let Some(key_end) = (at + SIZE).checked_add(u32::from_le_bytes(*size) as usize) else { break };
            let Some(next) = key_end.checked_add(PLACE).filter(|next| *next <= end) else { break };
            keys.push(at + SIZE..key_end);
            at = next;
        }
        Self { unit, keys }
    }

    /// Forges the entry of the block with this number in one of [`WAYS`]; `None` where that changes nothing.
    pub fn forge(&self, layout: &Layout, bytes: &[u8], block: usize, way: usize) -> Option<Alteration> {
        let key = self.keys.get(block)?.clone();
        let flipped = |range: Range<usize>| {
            let mut new = bytes[range].to_vec();
            if let Some(first) = new.first_mut() {
                *first ^= 1;
            }
            new
        };
        let size = key.start - SIZE..key.start;
        let offset = key.end..key.end + OFFSET;
        let frame = offset.end..key.end + PLACE;
        let (part, at, new) = match way {
            0 => ("index key size", size.start, flipped(size)),
            1 => ("index key size", size.start, vec![0xff; SIZE]),
            2 => ("index key", key.start, flipped(key)),
            3 => ("index offset", offset.start, flipped(offset)),
            4 => ("index offset", offset.start, vec![0xff; OFFSET]),
            5 => ("index frame size", frame.start, flipped(frame)),
            6 => ("index frame size", frame.start, vec![0xff; PLACE - OFFSET]),
            // The place of the next block: a frame that is really there.
            _ => {
                let next = self.keys.get(block + 1)?.end;
                ("index place", offset.start, bytes[next..next + PLACE].to_vec())
            }
        };
        let forged = Alteration::forge(layout, bytes, self.unit, at, &new)?;
        Some(forged.of_part(part))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::verify::log_faults::testing;

    #[test]
    fn every_field_of_every_entry_is_forged() {
        let (kind, bytes) = testing::files().remove(1);
        let layout = Layout::of(kind, &bytes).unwrap();
        let index = Index::of(&layout, &bytes);
        assert_eq!(index.keys.iter().map(|key| &bytes[key.clone()]).collect::<Vec<_>>(), [b"a", b"c", b"e"]);
        let all = (0..4 * WAYS).map(|number| (number / WAYS, number % WAYS));
        let found: Vec<(usize, Alteration)> =
            all.filter_map(|(block, way)| Some((block, index.forge(&layout, &bytes, block, way)?))).collect();
        for block in 0..3 {
            let parts: BTreeSet<&str> =
                found.iter().filter(|found| found.0 == block).map(|found| found.1.part).collect();
            let mut expected =
                vec!["index frame size", "index key", "index key size", "index offset", "index place"];
            expected.truncate(if block == 2 { 4 } else { 5 });
            assert_eq!(parts.into_iter().collect::<Vec<_>>(), expected, "the last has none after it");
        }
        assert!(found.iter().all(|(block, _)| *block < 3), "there are three entries");
    }

    #[test]
    fn a_file_of_another_kind_has_no_index() {
        for (kind, bytes) in testing::files().into_iter().filter(|file| file.0.name() != "table") {
            let layout = Layout::of(kind, &bytes).unwrap();
            assert_eq!(Index::of(&layout, &bytes).forge(&layout, &bytes, 0, 0), None);
        }
    }
}
