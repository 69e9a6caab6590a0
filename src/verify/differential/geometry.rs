//! The shapes that the sweep tries, derived from the kernels' geometry: pairwise combinations, not the full
//! product.
//!
//! Message lengths up to [`EVERY_LEN`] are all tried under each key size. Beyond that, the sweep tries every
//! multiple of every batch size up to 64 KiB and its neighbours, each under one key size. These long cases
//! flip a bit in one of the three parts, the others in each of the three: three refusals of every long
//! message would double the sweep's time. Parameters that a part does not fix rotate at different rates along
//! the list: key size, AAD length, buffer offsets.

use crate::aead::Alg;

/// Every length up to this one is tried.
pub(super) const EVERY_LEN: usize = 2_100;
/// The longest message whose neighbours are tried.
const MAX_LEN: usize = 64 * 1024;
/// Bytes that some kernel processes in one batch. All are multiples of the first.
const BATCHES: [usize; 6] = [128, 256, 384, 512, 768, 1024];
/// Distances from a multiple.
const NEIGHBOURS: [isize; 9] = [-17, -16, -15, -1, 0, 1, 15, 16, 17];
/// Every AAD length below this one is tried.
const EVERY_AAD: usize = 34;
const LONG_AAD: [usize; 5] = [255, 256, 1_000, 4_096, 65 * 1024];
/// Offsets of a buffer from the start of a cache line.
pub(super) const OFFSETS: usize = 64;
/// Blocks to encrypt before the 32-bit counter wraps.
const BEFORE_WRAP: [u32; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 15, 16, 31, 32, 47, 63, 64];

/// The origin of a case's IV.
#[derive(Clone, Copy, Debug)]
pub(super) enum Iv {
    /// Drawn at random, with that length.
    Drawn(usize),
    /// Solved for, with 16 bytes: the counter wraps after that many blocks.
    Wraps(u32),
}

impl Iv {
    pub fn len(self) -> usize {
        match self {
            Self::Drawn(len) => len,
            Self::Wraps(_) => 16,
        }
    }
}

/// A case's shape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spec {
    /// The part of the sweep that it belongs to.
    pub part: &'static str,
    pub alg: Alg,
    pub iv: Iv,
    pub aad_len: usize,
    pub len: usize,
    /// The message's distance from a multiple of 64. `aad_offset` is the AAD's.
    pub offset: usize,
    pub aad_offset: usize,
    /// The parts in which a bit is flipped, one after the other; a part without bits is skipped.
    pub flips: &'static [Part],
}

/// A part in which a bit is flipped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Part {
    Ciphertext,
    Tag,
    Aad,
}

impl Part {
    /// Its name in a failure.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ciphertext => "ciphertext",
            Self::Tag => "tag",
            Self::Aad => "aad",
        }
    }
}

const EVERY_PART: [Part; 3] = [Part::Ciphertext, Part::Tag, Part::Aad];

impl Spec {
    /// Its name in reports.
    pub fn id(&self) -> String {
        let iv = match self.iv {
            Iv::Drawn(len) => format!("iv{len}"),
            Iv::Wraps(blocks) => format!("wrap{blocks}"),
        };
        let Self { part, alg, aad_len, len, offset, aad_offset, .. } = self;
        format!("{part}/{}-{iv}-aad{aad_len}@{aad_offset}-len{len}@{offset}", alg.name())
    }
}

/// Every case's shape, always in the same order.
pub(super) fn specs() -> Vec<Spec> {
    let mut list = List(Vec::new());
    for len in 0..=EVERY_LEN {
        for alg in Alg::ALL {
            list.add("length", |spec| (spec.len, spec.alg) = (len, alg));
        }
    }
    for ((times, len), i) in batch_lengths().zip(0..) {
        list.add("batch", |spec| {
            (spec.len, spec.alg) = (len, batch_alg(times));
            let part = (i + times / 3) % if spec.aad_len == 0 { 2 } else { 3 };
            spec.flips = &EVERY_PART[part..=part];
        });
    }
    for aad_len in (0..EVERY_AAD).chain(LONG_AAD) {
        for len in [0, 1, 16, 129, 256, 1_000] {
            list.add("aad", |spec| (spec.len, spec.aad_len) = (len, aad_len));
        }
    }
    for offset in 0..OFFSETS {
        for len in [1, 16, 130, 192, 1_100] {
            list.add("offset", |spec| (spec.len, spec.offset) = (len, offset));
        }
    }
    for alg in Alg::ALL {
        for blocks in BEFORE_WRAP {
            for len in [(blocks as usize + 2) * 16 + 5, 2_000] {
                list.add("wrap", |spec| (spec.alg, spec.iv, spec.len) = (alg, Iv::Wraps(blocks), len));
            }
        }
        for iv_len in (1..=64).chain([128, 257]) {
            list.add("iv", |spec| (spec.alg, spec.iv, spec.len) = (alg, Iv::Drawn(iv_len), 200));
        }
    }
    list.0
}

struct List(Vec<Spec>);

impl List {
    /// Appends a case; everything that `set` does not set rotates.
    fn add(&mut self, part: &'static str, set: impl FnOnce(&mut Spec)) {
        let i = self.0.len();
        let mut spec = Spec {
            part,
            alg: Alg::ALL[i % 3],
            iv: Iv::Drawn(12),
            aad_len: i % EVERY_AAD,
            len: 0,
            offset: (i + i / OFFSETS) % OFFSETS,
            aad_offset: i / 7 % OFFSETS,
            flips: &EVERY_PART,
        };
        set(&mut spec);
        self.0.push(spec);
    }
}

/// Multiples of the batch sizes and their neighbours, past [`EVERY_LEN`]: how often the multiple contains the
/// smallest batch size, and the length. All lengths differ, because 128 is more than twice the longest step.
fn batch_lengths() -> impl Iterator<Item = (usize, usize)> {
    let multiples = (1..=MAX_LEN / BATCHES[0]).map(|times| (times, times * BATCHES[0]));
    let stepped = multiples.flat_map(|(times, multiple)| {
        NEIGHBOURS.iter().filter_map(move |step| Some((times, multiple.checked_add_signed(*step)?)))
    });
    stepped.filter(|(_, len)| *len > EVERY_LEN)
}

/// The key size for a multiple and its neighbours: all three alternate along the multiples of each batch
/// size, including 6 * 128.
fn batch_alg(times: usize) -> Alg {
    Alg::ALL[(times + times / 6) % 3]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::verify::vectors::index;

    fn all<T: Ord>(of: impl Fn(&Spec) -> T) -> BTreeSet<T> {
        specs().iter().map(of).collect()
    }

    #[test]
    fn the_geometry_has_the_declared_count() {
        let declared = index::generated(super::super::NAME).cases;
        assert_eq!(specs().len() as u64, declared);
        assert_eq!(all(Spec::id).len() as u64, declared, "every case has its own name");
    }

    #[test]
    fn lengths_offsets_and_aad_are_all_tried() {
        let lengths = all(|spec| (spec.len, spec.alg));
        for len in 0..=EVERY_LEN {
            assert!(Alg::ALL.iter().all(|alg| lengths.contains(&(len, *alg))), "{len}");
        }
        let lengths = all(|spec| spec.len);
        for len in [2_175, 4_096, 4_097, 8_191, 16_384, 32_785, 65_519, 65_535, 65_536, 65_553] {
            assert!(lengths.contains(&len), "{len}");
        }
        assert_eq!(all(|spec| spec.offset).len(), 64);
        assert_eq!(all(|spec| spec.aad_offset).len(), 64);
        assert_eq!(all(|spec| spec.aad_len).len(), EVERY_AAD + LONG_AAD.len());
        assert_eq!(all(|spec| spec.iv.len()).len(), 66);
    }

    #[test]
    fn every_multiple_of_every_batch_size_and_its_neighbours_are_tried_up_to_64_kib() {
        let lengths = all(|spec| spec.len);
        let mut tried = BTreeSet::new();
        for batch in BATCHES {
            assert_eq!(batch % BATCHES[0], 0, "{batch}");
            for times in 1..=65_536 / batch {
                for step in [-17, -16, -15, -1, 0, 1, 15, 16, 17] {
                    let len = (times * batch).checked_add_signed(step).unwrap();
                    assert!(lengths.contains(&len), "{times} * {batch} {step:+}");
                    tried.insert(len);
                }
            }
        }
        assert_eq!(tried.len(), 4_608);
    }

    #[test]
    fn every_step_from_the_multiples_of_a_batch_size_meets_every_key_size_and_every_flip() {
        let specs = specs();
        for batch in BATCHES {
            for step in NEIGHBOURS {
                let at = |len: usize| len.checked_add_signed(-step).is_some_and(|l| l.is_multiple_of(batch));
                let of = || specs.iter().filter(|s| s.part == "batch" && at(s.len));
                assert_eq!(of().map(|s| s.alg).collect::<BTreeSet<_>>().len(), 3, "{batch} {step:+}");
                assert_eq!(of().map(|s| s.flips[0]).collect::<BTreeSet<_>>().len(), 3, "{batch} {step:+}");
                assert!(of().all(|s| s.flips.len() == 1 && (s.flips[0] != Part::Aad || s.aad_len > 0)));
            }
        }
    }

    #[test]
    fn every_pair_of_key_size_aad_length_and_offset_is_tried() {
        let short = |spec: &Spec| spec.aad_len.min(EVERY_AAD);
        assert_eq!(all(|spec| (spec.alg, spec.offset)).len(), 3 * OFFSETS);
        assert!(all(|spec| (spec.alg, short(spec))).len() >= 3 * EVERY_AAD);
        assert!(all(|spec| (short(spec), spec.offset)).len() >= EVERY_AAD * OFFSETS);
    }
}
