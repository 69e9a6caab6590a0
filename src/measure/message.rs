//! Batches that seal or open messages through [`Aead`], as the user of an engine would.
//!
//! `run` is `count` calls and nothing else: copies, nonces and keys are made before. A batch of opens holds
//! authentic messages only, sealed by another engine, so the path that refuses is never timed.
//! What the last timed run left is what `check` compares.

use std::hint::black_box;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::arena::{Slots, drawn_from};
use super::compare::{all_opened, none_refused, refused_as};
use super::reference::reference;
use super::{Batch, Error};
use crate::aead::{self, Aead, Alg, NONCE_LEN, Nonce, TAG_LEN, Tag};
use crate::engine::Engine;
use crate::timing::Pass;

/// What both directions need.
pub(super) struct Messages {
    pub key: Box<dyn Aead>,
    pub other: Box<dyn Aead>,
    pub aad: Vec<u8>,
    pub plain: Slots,
    pub arena: Slots,
    pub nonces: Vec<Nonce>,
    pub tags: Vec<Tag>,
    /// Calls, or messages of calls, that were refused in any pass.
    pub refused: usize,
}

impl Messages {
    /// `count` messages of `bytes` bytes, in the clear, each with its nonce; `seed` decides on key, nonces and content.
    pub fn new(
        engine: &dyn Engine,
        alg: Alg,
        bytes: usize,
        aad: usize,
        count: usize,
        seed: u64,
    ) -> Result<Self, Error> {
        let mut rng = ChaCha8Rng::seed_from_u64(drawn_from(bytes, seed));
        let mut key = vec![0; alg.key_len()];
        rng.fill_bytes(&mut key);
        let mut plain = Slots::new(count, bytes);
        for slot in plain.iter_mut() {
            rng.fill_bytes(slot);
        }
        let mut nonce = [0; NONCE_LEN];
        rng.fill_bytes(&mut nonce);
        let mut all = Self {
            key: engine.key(alg, &key).map_err(|e| Error::engine(engine, e))?,
            other: reference(engine, alg).key(alg, &key).map_err(|e| Error::engine(engine, e))?,
            aad: (0..aad).map(|i| i as u8).collect(),
            plain,
            arena: Slots::new(count, bytes),
            nonces: vec![nonce; count],
            tags: vec![Tag::default(); count],
            refused: 0,
        };
        all.restore(0);
        Ok(all)
    }

    /// Restores every message in the clear and gives each the next nonce of a counter that begins with `first`.
    pub fn restore(&mut self, first: u64) {
        self.arena.copy_from(&self.plain);
        for (nonce, number) in self.nonces.iter_mut().zip(first..) {
            nonce[NONCE_LEN - 8..].copy_from_slice(&number.to_be_bytes());
        }
    }

    /// Seals every message with the reference into the arena; returns it as it then is.
    pub fn seal_all(&mut self) -> Result<Slots, aead::Error> {
        let mut sealed = Slots::new(self.nonces.len(), self.arena.len());
        sealed.copy_from(&self.plain);
        for ((slot, nonce), tag) in sealed.iter_mut().zip(&self.nonces).zip(&mut self.tags) {
            self.other.seal(nonce, &self.aad, slot, tag)?;
        }
        self.arena.copy_from(&sealed);
        Ok(sealed)
    }

    /// Compares message `i` with what the reference makes of it under `nonce`, whose tag it returns.
    pub fn compare(&self, i: usize, (sealed, plain): (&[u8], &[u8]), nonce: &Nonce) -> Result<Tag, String> {
        let (mut expected, mut tag) = (plain.to_vec(), Tag::default());
        self.other
            .seal(nonce, &self.aad, &mut expected, &mut tag)
            .map_err(|e| format!("the reference refused message {i}: {e}"))?;
        if sealed != expected {
            return Err(format!("the ciphertext of message {i} is not the reference's"));
        }
        if self.tags[i].0 != tag.0 {
            return Err(format!("the tag of message {i} is not the reference's"));
        }
        Ok(tag)
    }

    /// Whether every message is sealed as the reference would, under its own nonce.
    pub fn all_sealed(&self) -> Result<(), String> {
        none_refused(self.refused)?;
        for (i, (slots, nonce)) in self.arena.iter().zip(self.plain.iter()).zip(&self.nonces).enumerate() {
            self.compare(i, slots, nonce)?;
        }
        Ok(())
    }

    /// Whether every message is what was sealed.
    pub fn all_opened(&self) -> Result<(), String> {
        none_refused(self.refused)?;
        all_opened("message", self.arena.iter(), self.plain.iter())
    }
}

struct Seals {
    all: Messages,
    next: u64,
}

/// `count` seals of messages of `bytes` bytes.
pub(super) fn seals(
    engine: &dyn Engine,
    alg: Alg,
    bytes: usize,
    aad: usize,
    count: usize,
    seed: u64,
) -> Result<Box<dyn Batch>, Error> {
    Ok(Box::new(Seals { all: Messages::new(engine, alg, bytes, aad, count, seed)?, next: 0 }))
}

impl Pass for Seals {
    fn reset(&mut self) {
        self.all.restore(self.next);
        self.next += self.count();
    }

    fn run(&mut self) {
        let all = &mut self.all;
        for ((slot, nonce), tag) in all.arena.iter_mut().zip(&all.nonces).zip(&mut all.tags) {
            let done = all.key.seal(black_box(nonce), black_box(&all.aad), black_box(slot), black_box(tag));
            all.refused += usize::from(done.is_err());
        }
        black_box(&all.tags);
    }

    fn count(&self) -> u64 {
        self.all.nonces.len() as u64
    }
}

impl Batch for Seals {
    fn check(&mut self) -> Result<(), String> {
        self.all.all_sealed()
    }
}

struct Opens {
    all: Messages,
    sealed: Slots,
}

/// `count` opens of authentic messages of `bytes` bytes.
pub(super) fn opens(
    engine: &dyn Engine,
    alg: Alg,
    bytes: usize,
    aad: usize,
    count: usize,
    seed: u64,
) -> Result<Box<dyn Batch>, Error> {
    let mut all = Messages::new(engine, alg, bytes, aad, count, seed)?;
    let sealed = all.seal_all().map_err(|e| Error::engine(engine, e))?;
    Ok(Box::new(Opens { all, sealed }))
}

impl Pass for Opens {
    fn reset(&mut self) {
        self.all.arena.copy_from(&self.sealed);
    }

    fn run(&mut self) {
        let all = &mut self.all;
        for ((slot, nonce), tag) in all.arena.iter_mut().zip(&all.nonces).zip(&all.tags) {
            let done = all.key.open(black_box(nonce), black_box(&all.aad), black_box(slot), black_box(tag));
            all.refused += usize::from(done.is_err());
        }
        black_box(&mut all.arena);
    }

    fn count(&self) -> u64 {
        self.all.nonces.len() as u64
    }
}

impl Batch for Opens {
    fn check(&mut self) -> Result<(), String> {
        self.all.all_opened()
    }

    fn refuse_forgery(&mut self) -> Result<(), String> {
        let first = self.sealed.iter().zip(&self.all.nonces).zip(&self.all.tags).next();
        let Some(((sealed, nonce), tag)) = first else { return Ok(()) };
        let mut forged = *tag;
        forged.0[TAG_LEN - 1] ^= 1;
        let opened = self.all.key.open(nonce, &self.all.aad, &mut sealed.to_vec(), &forged);
        refused_as("message", opened, &aead::Error::NotAuthentic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::engines;
    use crate::measure::testing::{Broken, Fault, pass};

    #[test]
    fn every_engine_seals_and_opens_its_batches() {
        let mut seen = 0;
        for engine in engines().into_iter().filter(|e| e.available().is_ok()) {
            for alg in Alg::ALL.into_iter().filter(|&a| engine.supports(crate::engine::Shape::usual(a))) {
                for bytes in [0, 1, 16, 100, 4096] {
                    for make in [seals, opens] {
                        let mut batch = make(engine, alg, bytes, 6, 5, 0).unwrap();
                        assert_eq!(batch.count(), 5);
                        for _ in 0..3 {
                            assert_eq!(pass(&mut *batch), Ok(()), "{} {}", engine.name(), alg.name());
                        }
                        seen += 1;
                    }
                }
            }
        }
        assert!(seen >= 30, "{seen}");
    }

    #[test]
    fn a_wrong_engine_is_caught() {
        for fault in [Fault::DoesNothing, Fault::FlipsTag, Fault::FlipsText, Fault::Refuses] {
            let mut batch = seals(Broken::with(fault), Alg::Aes256Gcm, 100, 6, 3, 0).unwrap();
            assert!(pass(&mut *batch).is_err(), "{fault:?}");
        }
        for fault in [Fault::DoesNothing, Fault::FlipsText, Fault::Refuses] {
            let mut batch = opens(Broken::with(fault), Alg::Aes256Gcm, 100, 6, 3, 0).unwrap();
            assert!(pass(&mut *batch).is_err(), "{fault:?}");
        }
    }

    #[test]
    fn an_engine_that_opens_a_forged_message_is_caught() {
        let open = |engine, alg, bytes| opens(engine, alg, bytes, 6, 2, 0).unwrap().refuse_forgery();
        let accepts = Broken::with(Fault::AcceptsAnything);
        for engine in engines().into_iter().filter(|e| e.available().is_ok()) {
            assert_eq!(open(engine, Alg::Aes256Gcm, 100), Ok(()), "{}", engine.name());
        }
        for (alg, bytes) in [(Alg::Aes128Gcm, 0), (Alg::Aes192Gcm, 1), (Alg::Aes256Gcm, 100)] {
            assert_eq!(pass(&mut *opens(accepts, alg, bytes, 6, 2, 0).unwrap()), Ok(()), "else it is right");
            assert!(open(accepts, alg, bytes).is_err_and(|why| why.contains("is opened")));
        }
    }

    #[test]
    fn a_batch_that_was_not_run_has_not_passed() {
        for make in [seals, opens] {
            let mut batch =
                make(crate::engine::find("sealmark").unwrap(), Alg::Aes128Gcm, 64, 6, 2, 0).unwrap();
            batch.reset();
            assert!(batch.check().is_err());
        }
    }
}
