//! What to look for: the words of a key in every form that a process may hold, and those of its record, which
//! the master key unwraps.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::hint::black_box;

use sealmark::aead::{Aead, Alg, NONCE_LEN};
use sealmark::engine::Engine;
use sealmark::scheme::ephemeral::Record;
use sealmark::verify;

/// Bytes of a word.
pub const WORD: usize = 8;
/// Bytes of the longest run of words.
pub const LONGEST: usize = 8 * WORD;
/// Bits that a run must say.
const ENOUGH: u32 = 32;

/// What a word is a part of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// The key.
    Key,
    /// A round key of FIPS 197 after the first two, which are the key.
    RoundKey,
    /// H.
    H,
    /// The backend's own layout of the round keys and of H, where it differs.
    Layout,
    /// The wrapped key and its tag, as they are stored.
    Record,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "key",
            Self::RoundKey => "round key",
            Self::H => "H",
            Self::Layout => "layout",
            Self::Record => "record",
        })
    }
}

/// A word, and what follows it in the image of a key.
struct Needle {
    rest: Vec<u8>,
    kind: Kind,
}

/// The words of some keys and records, in both byte orders. A word that says little alone, such as one of a
/// bitsliced key, is looked for together with its neighbours.
pub struct Needles {
    known: HashMap<u64, Vec<Needle>>,
    /// Whether any word has these two lowest bytes.
    filter: Vec<bool>,
}

impl Needles {
    pub fn of(engine: &dyn Engine, keys: &[[u8; 32]], records: &[Record]) -> Self {
        let (mut known, mut seen) = (HashMap::<u64, Vec<Needle>>::new(), BTreeSet::new());
        let image_of = |key: &[u8; 32]| image_of(engine, key);
        // What does not depend on the key: lengths, pointers.
        let common: Vec<BTreeSet<Vec<u8>>> =
            [[1; 32], [2; 32]].iter().map(|key| runs(&image_of(key)).collect()).collect();
        let mut parts = Vec::new();
        for key in keys {
            let (round_keys, h) = verify::expanded(key);
            parts.extend([
                (Kind::Key, key.to_vec()),
                (Kind::RoundKey, round_keys.concat()),
                (Kind::H, h.to_vec()),
                (Kind::Layout, image_of(key)),
            ]);
        }
        parts.extend(records.iter().map(|record| (Kind::Record, record.0[NONCE_LEN..].to_vec())));
        for (kind, bytes) in parts {
            for run in runs(&bytes).filter(|run| !common.iter().all(|common| common.contains(run))) {
                let swapped = run.iter().rev().copied().collect();
                for run in [run, swapped] {
                    if seen.insert(run.clone()) {
                        let (first, rest) = run.split_first_chunk().expect("a run has a word");
                        let needle = Needle { rest: rest.to_vec(), kind };
                        known.entry(u64::from_le_bytes(*first)).or_default().push(needle);
                    }
                }
            }
        }
        let mut filter = vec![false; 1 << 16];
        known.keys().for_each(|word| filter[(word & 0xffff) as usize] = true);
        Self { known, filter }
    }

    /// The number of words to look for.
    pub fn count(&self) -> usize {
        self.known.values().map(Vec::len).sum()
    }

    /// The words in these bytes, at every offset.
    pub fn find<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = (usize, Kind)> + 'a {
        bytes.windows(WORD).enumerate().filter_map(move |(at, window)| {
            let word = u64::from_le_bytes(window.try_into().expect("a window has 8 bytes"));
            let known = if self.filter[(word & 0xffff) as usize] { self.known.get(&word) } else { None };
            let follows = |needle: &&Needle| bytes[at + WORD..].starts_with(&needle.rest);
            known.and_then(|needles| needles.iter().find(follows)).map(|needle| (at, needle.kind))
        })
    }
}

/// For each word of an image, the shortest run of words from there that no other memory holds by chance.
fn runs(image: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    let words = image.as_chunks::<WORD>().0;
    (0..words.len()).filter(|first| bits(words[*first]) > 0).filter_map(|first| {
        let mut sum = 0;
        let last = words[first..].iter().take(LONGEST / WORD).position(|word| {
            sum += bits(*word);
            sum >= ENOUGH
        })?;
        Some(words[first..=first + last].concat())
    })
}

/// How much a word of an image says, in bits: little if all its bytes are 00 or ff, as in a bitsliced key, or
/// if its bits are sparse, as in a spread-out element.
fn bits(word: [u8; WORD]) -> u32 {
    let set = u64::from_le_bytes(word).count_ones();
    match set {
        0 | 64 => 0,
        _ if word.iter().all(|byte| matches!(byte, 0 | 0xff)) => 8,
        21..=43 => 64,
        _ => 12,
    }
}

/// The bytes of an expanded key that depend on nothing but the key. Padding holds what lay there before, so
/// the key is expanded over two different paints, and a word that differs becomes zeros.
fn image_of(engine: &dyn Engine, key: &[u8; 32]) -> Vec<u8> {
    let expand = || engine.key(Alg::Aes256Gcm, key).expect("32 bytes are a key");
    let len = size_of_val(&*expand());
    let [mut image, other] = [0x5a, 0xa5].map(|paint| {
        // The allocator hands out the block that was freed last.
        drop(black_box(vec![paint; len]));
        paint_stack(paint);
        image(&*expand())
    });
    for (word, other) in image.chunks_mut(WORD).zip(other.chunks(WORD)) {
        if word != other {
            word.fill(0);
        }
    }
    image
}

/// Fills the stack below the caller.
#[inline(never)]
fn paint_stack(paint: u8) {
    black_box(&[paint; 64 * 1024]);
}

/// The bytes of the object that holds an expanded key.
#[expect(unsafe_code, reason = "the object is opaque; its bytes are what a search must look for")]
fn image(key: &dyn Aead) -> Vec<u8> {
    let start = std::ptr::from_ref(key).cast::<u8>();
    // SAFETY: every offset lies inside the object, which outlives the reads; a volatile read takes padding as
    // it is.
    (0..size_of_val(key)).map(|i| unsafe { start.add(i).read_volatile() }).collect()
}
