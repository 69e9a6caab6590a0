//! The order in which a file is altered: all of its structure first, then its units as wholes, then its
//! payload in an order that spreads evenly, then the other bits of all bytes.
//!
//! A phase is a count and a function, so that a log of any size needs no list.

use std::sync::Arc;

use super::alter::Alteration;
use super::index::{self, Index};
use super::layout::{FRAME_EDGE, Layout, What};
use super::spans::Spans;

/// The bit of each byte that is flipped first.
const FIRST_MASK: u8 = 0x01;
/// The other bits.
const OTHER_MASKS: [u8; 7] = [0x80, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40];
/// Ways to alter a unit as a whole.
const UNIT_WAYS: usize = 11 + FORGERIES + FORGERIES_OF_BLOCK;
/// Fields forged in a unit, two ways each.
const FORGERIES: usize = 2 * 12;
/// Forgeries of a block of a table: its last byte, and its entry in the index.
const FORGERIES_OF_BLOCK: usize = 1 + index::WAYS;
/// The lengths of tails of zeros: shorter than a header, as long, and a page.
const TAILS: [usize; 5] = [1, 23, 24, 30, 4096];

/// What a phase alters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Aim {
    /// One bit of each byte of headers, footers, sizes, checksums and indexes.
    Structure,
    /// Units as wholes: cut, zeroed, swapped, copied, dropped, forged.
    Units,
    /// One bit of each byte of payload.
    Payload,
    /// The other seven bits of each byte.
    OtherBits,
}

impl Aim {
    /// Every aim, in order.
    pub const ALL: [Self; 4] = [Self::Structure, Self::Units, Self::Payload, Self::OtherBits];

    /// Its name in results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Structure => "structure",
            Self::Units => "units",
            Self::Payload => "payload",
            Self::OtherBits => "other bits",
        }
    }
}

/// The alterations of one file.
#[derive(Clone, Debug)]
pub struct Schedule {
    phases: Vec<Phase>,
}

/// Alterations of one file with one aim.
#[derive(Clone, Debug)]
pub struct Phase {
    /// What it alters.
    pub aim: Aim,
    spans: Spans,
    units: usize,
    index: Arc<Index>,
}

impl Schedule {
    /// The alterations of this file.
    pub fn of(layout: &Layout, bytes: &[u8]) -> Self {
        let [structure, payload] = layout.spans(bytes);
        let index = Arc::new(Index::of(layout, bytes));
        let phase = |aim, spans: &Spans, units| {
            let (spans, index) = (spans.clone(), Arc::clone(&index));
            Phase { aim, spans, units, index }
        };
        let (none, mut all) = (Spans::default(), Spans::default());
        all.push(0..bytes.len());
        Self {
            phases: vec![
                phase(Aim::Structure, &structure, 0),
                phase(Aim::Units, &none, layout.units.len()),
                phase(Aim::Payload, &payload, 0),
                phase(Aim::OtherBits, &all, 0),
            ],
        }
    }

    /// Its phases, in order.
    pub fn phases(&self) -> &[Phase] {
        &self.phases
    }
}

impl Phase {
    /// The number of alterations, some of which may come to nothing.
    pub fn len(&self) -> usize {
        match self.aim {
            Aim::Structure | Aim::Payload => self.spans.len(),
            Aim::Units => TAILS.len() + self.units * UNIT_WAYS,
            Aim::OtherBits => self.spans.len() * OTHER_MASKS.len(),
        }
    }

    /// The alteration with this number; `None` where it would change nothing. Numbers near each other are
    /// far from each other in the file.
    pub fn nth(&self, layout: &Layout, bytes: &[u8], number: usize) -> Option<Alteration> {
        let place = |number| self.spans.nth(spread(number, self.spans.len()));
        match self.aim {
            Aim::Structure | Aim::Payload => Some(Alteration::flip(layout, bytes, place(number), FIRST_MASK)),
            Aim::OtherBits => {
                let (mask, number) = (number / self.spans.len(), number % self.spans.len());
                Some(Alteration::flip(layout, bytes, place(number), OTHER_MASKS[mask]))
            }
            Aim::Units => match number.checked_sub(TAILS.len()) {
                None => Some(Alteration::zero_tail(bytes, TAILS[number])),
                Some(number) => {
                    let (number, way) = (number / UNIT_WAYS, number % UNIT_WAYS);
                    let unit = spread(number, self.units);
                    match way.checked_sub(11 + FORGERIES) {
                        None => of_unit(layout, bytes, unit, way),
                        Some(way) => self.of_block(layout, bytes, unit, way),
                    }
                }
            },
        }
    }
}

impl Phase {
    /// Forges a block of a table in one of [`FORGERIES_OF_BLOCK`].
    fn of_block(&self, layout: &Layout, bytes: &[u8], unit: usize, way: usize) -> Option<Alteration> {
        let found = layout.units.get(unit).filter(|unit| unit.what == What::Block)?;
        match way.checked_sub(1) {
            // The last byte of its payload: part of a key or of a value, and of no size.
            None => {
                let last = found.range.end.checked_sub(FRAME_EDGE + 1)?;
                Alteration::forge(layout, bytes, unit, last, &[bytes[last] ^ 1])
            }
            // Before the first block is the header.
            Some(way) => self.index.forge(layout, bytes, unit.checked_sub(1)?, way),
        }
    }
}

/// Alters a unit as a whole in one of [`UNIT_WAYS`] that every unit has.
fn of_unit(layout: &Layout, bytes: &[u8], unit: usize, way: usize) -> Option<Alteration> {
    let range = layout.units[unit].range.clone();
    let fields = || layout.fields(bytes, unit);
    let payload = || fields().into_iter().find(|field| !field.structure).map(|field| field.range);
    match way {
        0 => Some(Alteration::cut(layout, bytes, range.start)),
        1 => Some(Alteration::cut(layout, bytes, range.start + 1)),
        2 => Some(Alteration::cut(layout, bytes, range.start + range.len() / 2)),
        3 => Some(Alteration::cut(layout, bytes, range.end - 1)),
        4 => Alteration::zero(layout, bytes, range),
        5 => Alteration::zero(layout, bytes, fields().first()?.range.clone()),
        6 => Alteration::zero(layout, bytes, payload()?),
        7 => like(layout, unit, unit + 1).and_then(|other| Alteration::swap(layout, bytes, unit, other)),
        8 => like(layout, unit, unit + (layout.units.len() - unit) / 2)
            .and_then(|other| Alteration::swap(layout, bytes, unit, other)),
        9 => Some(Alteration::copy(layout, bytes, unit)),
        10 => Some(Alteration::drop(layout, unit)),
        _ => {
            let (field, variant) = ((way - 11) / 2, (way - 11) % 2);
            let field = fields().get(field)?.clone();
            let mut new = bytes[field.range.clone()].to_vec();
            match variant {
                // One more, or less, in its lowest byte: a size, an operation, a letter.
                0 => *new.first_mut()? ^= 1,
                // The largest number: a size that no file can keep.
                _ if field.structure && new.len() <= 8 => new.fill(0xff),
                // The count or size in front of an index, or the kind of an entry.
                _ => new.iter_mut().take(4).for_each(|byte| *byte = 0xff),
            }
            let forged = Alteration::forge(layout, bytes, unit, field.range.start, &new)?;
            // An index begins with its count.
            let part = if field.name == "index" { "index count" } else { forged.part };
            Some(forged.of_part(part))
        }
    }
}

/// The unit at `other` if it lies behind `unit` and is of the same kind.
fn like(layout: &Layout, unit: usize, other: usize) -> Option<usize> {
    let found = layout.units.get(other)?;
    (other > unit && found.what == layout.units[unit].what).then_some(other)
}

/// A permutation of the numbers below `of` whose beginnings spread evenly: steps of the golden ratio.
fn spread(number: usize, of: usize) -> usize {
    if of < 3 {
        return number;
    }
    let mut step = (of as f64 * 0.618_033_988_75) as usize;
    step = step.clamp(1, of - 1);
    while gcd(step, of) != 1 {
        step -= 1;
    }
    (number as u128 * step as u128 % of as u128) as usize
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::verify::log_faults::alter::Fault;
    use crate::verify::log_faults::layout::{Kind, What};
    use crate::verify::log_faults::testing;

    #[test]
    fn spreading_is_a_permutation_and_its_beginning_is_everywhere() {
        for of in [1, 2, 3, 4, 7, 100, 4_096, 10_007] {
            let all: BTreeSet<_> = (0..of).map(|number| spread(number, of)).collect();
            assert_eq!(all.len(), of, "{of}");
            assert_eq!(all.last(), Some(&(of - 1)));
        }
        let quarters: BTreeSet<_> = (0..8).map(|number| spread(number, 10_000) / 2_500).collect();
        assert_eq!(quarters.len(), 4);
    }

    #[test]
    fn the_phases_of_a_file_flip_every_byte_and_use_every_fault() {
        for (kind, bytes) in testing::files() {
            let layout = Layout::of(kind, &bytes).unwrap();
            let schedule = Schedule::of(&layout, &bytes);
            let (mut flipped, mut faults) = (BTreeSet::new(), BTreeSet::new());
            for phase in schedule.phases() {
                for number in 0..phase.len() {
                    let Some(found) = phase.nth(&layout, &bytes, number) else { continue };
                    faults.insert(found.fault);
                    if found.fault == Fault::Flip && phase.aim != Aim::OtherBits {
                        assert!(flipped.insert(found.at), "{} is flipped twice", found.at);
                    }
                }
            }
            assert_eq!(flipped.len(), bytes.len(), "{kind:?}");
            let mut expected =
                vec![Fault::Flip, Fault::Cut, Fault::Zero, Fault::ZeroTail, Fault::Copy, Fault::Drop];
            expected.extend((kind != Kind::RaftMeta).then_some(Fault::Swap));
            expected.extend(matches!(kind, Kind::Wal | Kind::Table).then_some(Fault::Forge));
            expected.sort_unstable();
            assert_eq!(faults.into_iter().collect::<Vec<_>>(), expected, "{kind:?}");
        }
    }

    #[test]
    fn units_are_only_swapped_with_their_like() {
        let (kind, bytes) = testing::files().remove(1);
        let layout = Layout::of(kind, &bytes).unwrap();
        assert_eq!(layout.units[0].what, What::Header);
        assert_eq!(like(&layout, 0, 1), None);
        assert_eq!(like(&layout, 1, 2), Some(2));
        assert_eq!(like(&layout, 2, 2), None);
    }

    #[test]
    fn the_forgeries_reach_every_field_under_a_checksum() {
        let forged = |kind: usize| -> BTreeSet<&str> {
            let (kind, bytes) = testing::files().remove(kind);
            let layout = Layout::of(kind, &bytes).unwrap();
            let schedule = Schedule::of(&layout, &bytes);
            let units = schedule.phases().iter().find(|phase| phase.aim == Aim::Units).unwrap();
            let all = (0..units.len()).filter_map(|number| units.nth(&layout, &bytes, number));
            all.filter(|found| found.fault == Fault::Forge).map(|found| found.part).collect()
        };
        let wal = "key,key size,magic,op,request id,request id size,reserved,value,value size,version";
        let table = "block,block size,footer index offset,footer index size,footer magic,footer reserved,\
                     footer version,index count,index frame size,index key,index key size,index offset,\
                     index place,index size";
        assert_eq!([0, 1].map(|kind| forged(kind).into_iter().collect::<Vec<_>>().join(",")), [wal, table]);
    }
}
