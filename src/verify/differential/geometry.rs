//! Which shapes the sweep tries: drawn from the kernels' geometry, pairwise and not as a full product.
//!
//! Message lengths up to [`EVERY_LEN`] are all tried under each key size; beyond, multiples of the batch sizes
//! and their neighbours. Key size, AAD length and buffer offset rotate at different paces along the list.

use std::collections::BTreeSet;

use crate::aead::Alg;

/// How many cases the sweep has, whatever the seed.
pub(in crate::verify) const DECLARED: u64 = 7_948;

/// Every length up to this one is tried.
pub(super) const EVERY_LEN: usize = 2_100;
/// The longest message whose neighbourhood is tried.
const MAX_LEN: usize = 64 * 1024;
/// Bytes that a kernel of one kind or another takes at a time.
const BATCHES: [usize; 5] = [128, 256, 512, 768, 1024];
/// Steps away from a multiple.
const NEIGHBOURS: [isize; 9] = [-17, -16, -15, -1, 0, 1, 15, 16, 17];
/// Every AAD length below this one is tried.
const EVERY_AAD: usize = 34;
const LONG_AAD: [usize; 5] = [255, 256, 1_000, 4_096, 65 * 1024];
/// Offsets of a buffer from a cache line's start.
pub(super) const OFFSETS: usize = 64;
/// Blocks that are encrypted before the 32-bit counter wraps.
const BEFORE_WRAP: [u32; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 15, 16, 31, 32, 47, 63, 64];

/// How a case comes by its IV.
#[derive(Clone, Copy, Debug)]
pub(super) enum Iv {
    /// Drawn, of that length.
    Drawn(usize),
    /// Solved, of 16 bytes: the counter wraps after that many blocks.
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
    /// Which part of the sweep it belongs to.
    pub part: &'static str,
    pub alg: Alg,
    pub iv: Iv,
    pub aad_len: usize,
    pub len: usize,
    /// The message's and the AAD's distance from an address that is a multiple of 64.
    pub offset: usize,
    pub aad_offset: usize,
}

impl Spec {
    /// The name that it is reported under.
    pub fn id(&self) -> String {
        let iv = match self.iv {
            Iv::Drawn(len) => format!("iv{len}"),
            Iv::Wraps(blocks) => format!("wrap{blocks}"),
        };
        let Self { part, alg, aad_len, len, offset, aad_offset, .. } = self;
        format!("{part}/{}-{iv}-aad{aad_len}@{aad_offset}-len{len}@{offset}", alg.name())
    }
}

/// Every case's shape, in the same order each time.
pub(super) fn specs() -> Vec<Spec> {
    let mut list = List(Vec::new());
    for len in 0..=EVERY_LEN {
        for alg in Alg::ALL {
            list.add("length", |spec| (spec.len, spec.alg) = (len, alg));
        }
    }
    for len in batch_lengths() {
        list.add("batch", |spec| spec.len = len);
    }
    for aad_len in (0..EVERY_AAD).chain(LONG_AAD) {
        for len in [0, 1, 16, 129, 1_000] {
            list.add("aad", |spec| (spec.len, spec.aad_len) = (len, aad_len));
        }
    }
    for offset in 0..OFFSETS {
        for len in [1, 16, 130, 1_100] {
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
    /// Appends a case: what `set` leaves alone rotates.
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
        };
        set(&mut spec);
        self.0.push(spec);
    }
}

/// Neighbours of multiples past [`EVERY_LEN`]: of each batch size the first 32 multiples, then powers of two
/// and those next to them, and the last below 64 KiB.
fn batch_lengths() -> BTreeSet<usize> {
    let mut lengths = BTreeSet::new();
    for batch in BATCHES {
        let last = MAX_LEN / batch;
        for times in 1..=last {
            let near_power =
                [times - 1, times, times + 1].iter().any(|n| n.is_power_of_two()) || times == last;
            if times <= 32 || near_power {
                lengths
                    .extend(NEIGHBOURS.iter().filter_map(|step| (times * batch).checked_add_signed(*step)));
            }
        }
    }
    lengths.split_off(&(EVERY_LEN + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all<T: Ord>(of: impl Fn(&Spec) -> T) -> BTreeSet<T> {
        specs().iter().map(of).collect()
    }

    #[test]
    fn the_declared_count_is_what_the_geometry_gives() {
        assert_eq!(specs().len() as u64, DECLARED);
        assert_eq!(all(Spec::id).len() as u64, DECLARED, "every case has its own name");
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
    fn every_pair_of_key_size_aad_length_and_offset_is_tried() {
        let short = |spec: &Spec| spec.aad_len.min(EVERY_AAD);
        assert_eq!(all(|spec| (spec.alg, spec.offset)).len(), 3 * OFFSETS);
        assert!(all(|spec| (spec.alg, short(spec))).len() >= 3 * EVERY_AAD);
        assert!(all(|spec| (short(spec), spec.offset)).len() >= EVERY_AAD * OFFSETS);
    }
}
