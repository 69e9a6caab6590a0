//! The sweep: generated cases, run in place on every engine and compared with two independent peers that
//! agree.
//!
//! If fewer than two peers offer a shape, or they disagree, the naive model decides. The same seed gives the
//! same cases; their number does not depend on the seed.

use std::sync::{Arc, OnceLock};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::aead_case::{Judged, differ, key, open, residue, seal, wrong};
use super::caught;
use super::model::Model;
use super::vectors::index;
use super::{Case, Check, Outcome, Set};
use crate::aead::{Aead, Error, TAG_LEN, Tag};
use crate::engine::{Engine, Shape, engines};

mod geometry;

use geometry::{Iv, OFFSETS, Part, Spec, specs};

/// The sweep's name in reports.
pub const NAME: &str = "differential";

/// The sweep for a seed; the number of cases is always the same.
pub fn set(seed: u64) -> Set {
    let declared = index::generated(NAME);
    let able =
        engines().into_iter().filter(|engine| engine.family() != "sealmark" && engine.available().is_ok());
    let peers: Arc<[_]> = able.collect();
    let cases = specs().into_iter().zip(0..).map(|(spec, stream)| {
        let check = Sweep { spec, seed, stream, peers: Arc::clone(&peers), reference: OnceLock::new() };
        Case { id: spec.id(), check: Box::new(check) }
    });
    Set {
        name: NAME.into(),
        source: format!(
            "generated from seed {seed}; judged by two peers, or by the model if they lack a shape"
        ),
        declared: declared.cases,
        must_run: declared.run,
        cases: cases.collect(),
        rulings: None,
        broken: Vec::new(),
    }
}

struct Sweep {
    spec: Spec,
    seed: u64,
    /// This case's stream of the generator.
    stream: u64,
    peers: Arc<[&'static dyn Engine]>,
    /// Computed by the first engine that needs it.
    reference: OnceLock<Reference>,
}

/// The required output of seal.
struct Reference {
    ciphertext: Vec<u8>,
    tag: [u8; TAG_LEN],
    /// The engines, or the model, that computed it.
    by: String,
}

/// The input of a case.
struct Input {
    key: Vec<u8>,
    iv: Vec<u8>,
    aad: Placed,
    message: Vec<u8>,
    /// Chooses the bits to flip.
    rng: ChaCha8Rng,
}

impl Check for Sweep {
    fn run(&self, engine: &'static dyn Engine) -> Outcome {
        if !engine.supports(self.shape()) {
            return Outcome::Unsupported;
        }
        let mut input = self.input();
        let reference = self.reference.get_or_init(|| self.reference(&input));
        self.judge(engine, &mut input, reference).err().unwrap_or(Outcome::Agree)
    }
}

impl Sweep {
    fn shape(&self) -> Shape {
        Shape { alg: self.spec.alg, iv_len: self.spec.iv.len(), tag_len: TAG_LEN }
    }

    fn input(&self) -> Input {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(self.stream);
        let mut draw = |len: usize| {
            let mut bytes = vec![0; len];
            rng.fill_bytes(&mut bytes);
            bytes
        };
        let key = draw(self.spec.alg.key_len());
        let iv = match self.spec.iv {
            Iv::Drawn(len) => draw(len),
            Iv::Wraps(blocks) => {
                let high: [u8; 16] = draw(16).try_into().expect("16 bytes were drawn");
                let low = u32::MAX - blocks;
                let j0 = u128::from_be_bytes(high) & !0xffff_ffff | u128::from(low);
                Model::new(&key).iv_for_j0(j0).to_vec()
            }
        };
        let aad = Placed::new(&draw(self.spec.aad_len), self.spec.aad_offset);
        let message = draw(self.spec.len);
        Input { key, iv, aad, message, rng }
    }

    /// The result that the first two peers agree on, or else the model's.
    fn reference(&self, input: &Input) -> Reference {
        let sealed = |engine: &'static dyn Engine| {
            let key = engine.key(self.spec.alg, &input.key).ok()?;
            let (mut ciphertext, mut tag) = (input.message.clone(), Tag::default());
            seal(&*key, &input.iv, input.aad.bytes(), &mut ciphertext, &mut tag).ok()?;
            Some((engine.name(), ciphertext, tag.0))
        };
        let able = self.peers.iter().filter(|peer| peer.supports(self.shape()));
        let mut answers = able.filter_map(|&peer| caught(|| sealed(peer)).ok().flatten());
        if let (Some((a, ciphertext, tag)), Some((b, other, other_tag))) = (answers.next(), answers.next())
            && ciphertext == other
            && tag == other_tag
        {
            return Reference { ciphertext, tag, by: format!("{a} and {b}") };
        }
        let (ciphertext, tag) = Model::new(&input.key).seal(&input.iv, input.aad.bytes(), &input.message);
        Reference { ciphertext, tag, by: "the model".into() }
    }

    fn judge(&self, engine: &dyn Engine, input: &mut Input, reference: &Reference) -> Judged {
        let key = key(engine, self.spec.alg, &input.key)?;
        let (iv, aad, by) = (input.iv.clone(), input.aad.bytes(), &reference.by);
        let mut placed = Placed::new(&input.message, self.spec.offset);
        let mut tag = Tag::default();
        seal(&*key, &iv, aad, placed.bytes_mut(), &mut tag)
            .map_err(|e| wrong(format!("seal refused: {e}")))?;
        if placed.bytes() != reference.ciphertext {
            let what = format!("against {by}, the ciphertext");
            return Err(wrong(differ(&what, placed.bytes(), &reference.ciphertext)));
        }
        if tag.0 != reference.tag {
            return Err(wrong(differ(&format!("against {by}, the tag"), &tag.0, &reference.tag)));
        }
        placed.unspilt("seal")?;
        self.flips(engine, &*key, input, reference)?;
        open(&*key, &iv, input.aad.bytes(), placed.bytes_mut(), &tag.0)
            .map_err(|e| wrong(format!("open refused its own sealed message: {e}")))?;
        if placed.bytes() != input.message {
            return Err(wrong(differ("open: the message", placed.bytes(), &input.message)));
        }
        placed.unspilt("open")
    }

    /// Flips one randomly drawn bit in each part that the case names, unless the part is empty.
    fn flips(&self, engine: &dyn Engine, key: &dyn Aead, input: &mut Input, reference: &Reference) -> Judged {
        for part in self.spec.flips {
            let (mut ciphertext, mut tag, mut aad) =
                (reference.ciphertext.clone(), reference.tag, input.aad.bytes().to_vec());
            let mut plaintext = input.message.clone();
            let target = match part {
                Part::Ciphertext => &mut ciphertext[..],
                Part::Tag => &mut tag[..],
                Part::Aad => &mut aad[..],
            };
            if target.is_empty() {
                continue;
            }
            let bit = input.rng.next_u64() % (target.len() as u64 * 8);
            let (byte, mask) = ((bit / 8) as usize, 1 << (bit % 8));
            target[byte] ^= mask;
            if *part == Part::Ciphertext {
                plaintext[byte] ^= mask;
            }
            let mut placed = Placed::new(&ciphertext, self.spec.offset);
            let flipped =
                |what: String| wrong(format!("with bit {bit} of the {} flipped, {what}", part.name()));
            match open(key, &input.iv, &aad, placed.bytes_mut(), &tag) {
                Err(Error::NotAuthentic) => {}
                Ok(()) => return Err(flipped("open accepted it".into())),
                Err(e) => return Err(flipped(format!("open refused for another reason: {e}"))),
            }
            residue(engine, &ciphertext, placed.bytes(), || plaintext)?;
            placed.unspilt("a refused open")?;
        }
        Ok(())
    }
}

/// Bytes at a chosen distance from a multiple of 64, between two margins that must not change.
struct Placed {
    buffer: Vec<u8>,
    start: usize,
    len: usize,
}

const MARGIN: usize = OFFSETS;
const MARGIN_BYTE: u8 = 0xa5;

impl Placed {
    fn new(bytes: &[u8], offset: usize) -> Self {
        let mut buffer = vec![MARGIN_BYTE; 2 * OFFSETS + bytes.len() + 2 * MARGIN];
        let start = MARGIN + (buffer[MARGIN..].as_ptr().align_offset(OFFSETS) + offset) % OFFSETS;
        buffer[start..start + bytes.len()].copy_from_slice(bytes);
        Self { buffer, start, len: bytes.len() }
    }

    fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.start + self.len]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[self.start..self.start + self.len]
    }

    /// Checks that nothing was written outside the bytes.
    fn unspilt(&self, call: &str) -> Judged {
        let (before, after) = (&self.buffer[..self.start], &self.buffer[self.start + self.len..]);
        if before.iter().chain(after).all(|&b| b == MARGIN_BYTE) {
            return Ok(());
        }
        Err(wrong(format!("{call} wrote outside the buffer")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep(spec: Spec, stream: u64) -> Sweep {
        Sweep { spec, seed: 1, stream, peers: Arc::new([]), reference: OnceLock::new() }
    }

    #[test]
    fn bytes_are_placed_at_every_offset_and_spilling_is_noticed() {
        for offset in 0..OFFSETS {
            let mut placed = Placed::new(b"seventeen bytes..", offset);
            assert_eq!(placed.bytes().as_ptr().align_offset(OFFSETS), (OFFSETS - offset) % OFFSETS);
            assert_eq!(placed.bytes(), b"seventeen bytes..");
            assert!(placed.unspilt("nothing").is_ok());
            placed.buffer[placed.start + placed.len] ^= 1;
            let spilt = Outcome::Wrong { what: "something wrote outside the buffer".into() };
            assert_eq!(placed.unspilt("something"), Err(spilt));
        }
    }

    #[test]
    fn a_counter_close_to_its_end_wraps_within_the_message() {
        let specs = specs();
        let mut seen = 0;
        for (spec, stream) in specs.iter().zip(0..) {
            if let Iv::Wraps(blocks) = spec.iv {
                let input = sweep(*spec, stream).input();
                assert_eq!(Model::new(&input.key).j0(&input.iv) as u32, u32::MAX - blocks);
                assert!(spec.len > (blocks as usize + 1) * 16);
                seen += 1;
            }
        }
        assert_eq!(seen, 96);
    }

    #[test]
    fn the_seed_decides_the_bytes_and_nothing_else() {
        let (a, b) = (set(1), set(2));
        assert_eq!(a.cases.len() as u64, a.declared);
        assert!(a.cases.iter().zip(&b.cases).all(|(a, b)| a.id == b.id));
        let spec = specs()[40];
        assert_eq!(sweep(spec, 40).input().key, sweep(spec, 40).input().key);
        assert_ne!(sweep(spec, 40).input().key, Sweep { seed: 2, ..sweep(spec, 40) }.input().key);
        assert_ne!(sweep(spec, 40).input().key, sweep(spec, 41).input().key);
    }
}
