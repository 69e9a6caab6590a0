//! Batches that seal or open messages through [`Aead`], as the user of an engine would.
//!
//! `run` is `count` calls and nothing else: copies, nonces and keys are made before. A batch of opens holds
//! authentic messages only, sealed by another engine, so the path that refuses is never timed.
//!
//! What the last timed run left is what `check` compares, and each call leaves something that nothing else leaves: a
//! seal its ciphertext and its tag under a nonce that no earlier pass used; an open its plaintext over the ciphertext
//! that `reset` put there, and its verdict.

use std::hint::black_box;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::aead::{self, Aead, Alg, NONCE_LEN, Nonce, TAG_LEN, Tag};
use crate::engine::Engine;
use crate::measure::workload::arena::{Slots, drawn_from};
use crate::measure::workload::compare::{all_opened, none_not_opened, none_refused, refused_as};
use crate::measure::workload::reference::reference;
use crate::measure::{Batch, Error};
use crate::timing::Pass;

/// The messages of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::measure) struct Messaging {
    pub alg: Alg,
    /// Bytes of each.
    pub bytes: usize,
    /// Bytes of additional data.
    pub aad: usize,
    /// Bytes from the beginning of a cache line to that of a message.
    pub offset: usize,
    /// Decides on key, nonces and content.
    pub seed: u64,
}

/// What both directions need.
pub(in crate::measure) struct Messages {
    pub key: Box<dyn Aead>,
    pub other: Box<dyn Aead>,
    /// The key's bytes.
    pub bytes: Vec<u8>,
    pub aad: Vec<u8>,
    pub plain: Slots,
    pub arena: Slots,
    pub nonces: Vec<Nonce>,
    pub tags: Vec<Tag>,
    /// What the next nonce counts.
    next: u64,
    /// Calls, or messages of calls, that were refused in any pass.
    pub refused: usize,
}

impl Messages {
    /// `count` messages, in the clear, each with its nonce.
    pub fn new(engine: &dyn Engine, shape: &Messaging, count: usize) -> Result<Self, Error> {
        let &Messaging { alg, bytes, aad, offset, seed } = shape;
        let mut rng = ChaCha8Rng::seed_from_u64(drawn_from(bytes, seed));
        let mut key = vec![0; alg.key_len()];
        rng.fill_bytes(&mut key);
        let mut plain = Slots::at(offset, count, bytes);
        for slot in plain.iter_mut() {
            rng.fill_bytes(slot);
        }
        let mut nonce = [0; NONCE_LEN];
        rng.fill_bytes(&mut nonce);
        let mut all = Self {
            key: engine.key(alg, &key).map_err(|e| Error::engine(engine, e))?,
            other: reference(engine, alg).key(alg, &key).map_err(|e| Error::engine(engine, e))?,
            bytes: key,
            aad: (0..aad).map(|i| i as u8).collect(),
            plain,
            arena: Slots::at(offset, count, bytes),
            nonces: vec![nonce; count],
            tags: vec![Tag::default(); count],
            next: 0,
            refused: 0,
        };
        all.restore();
        Ok(all)
    }

    /// Restores every message in the clear and gives each the next nonce: none comes twice under the key.
    pub fn restore(&mut self) {
        self.arena.copy_from(&self.plain);
        for nonce in &mut self.nonces {
            nonce[NONCE_LEN - 8..].copy_from_slice(&self.next.to_be_bytes());
            self.next += 1;
        }
    }

    /// Seals every message in place.
    #[inline]
    pub fn seal(&mut self) {
        for ((slot, nonce), tag) in self.arena.iter_mut().zip(&self.nonces).zip(&mut self.tags) {
            let done = self.key.seal(black_box(nonce), black_box(&self.aad), black_box(slot), black_box(tag));
            self.refused += usize::from(done.is_err());
        }
        black_box(&self.tags);
    }

    /// Seals every message with the reference into the arena; returns it as it then is.
    pub fn seal_all(&mut self) -> Result<Slots, aead::Error> {
        let mut sealed = self.plain.copied();
        for ((slot, nonce), tag) in sealed.iter_mut().zip(&self.nonces).zip(&mut self.tags) {
            self.other.seal(nonce, &self.aad, slot, tag)?;
        }
        self.arena.copy_from(&sealed);
        Ok(sealed)
    }

    /// Compares message `i` with what the reference makes of it under `nonce`, whose tag it returns.
    pub fn compare(&self, i: usize, slots: (&[u8], &[u8]), nonce: &Nonce) -> Result<Tag, String> {
        self.compare_with(&*self.other, i, slots, nonce)
    }

    /// Compares message `i` with what that key of the reference makes of it under `nonce`, whose tag it returns.
    pub fn compare_with(
        &self,
        other: &dyn Aead,
        i: usize,
        (sealed, plain): (&[u8], &[u8]),
        nonce: &Nonce,
    ) -> Result<Tag, String> {
        let (mut expected, mut tag) = (plain.to_vec(), Tag::default());
        other
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
}

/// `count` seals of messages.
pub(in crate::measure) fn seals(
    engine: &dyn Engine,
    shape: &Messaging,
    count: usize,
) -> Result<Box<dyn Batch>, Error> {
    Ok(Box::new(Seals { all: Messages::new(engine, shape, count)? }))
}

impl Pass for Seals {
    fn reset(&mut self) {
        self.all.restore();
    }

    fn run(&mut self) {
        self.all.seal();
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

/// What an engine says of a message that it is to open.
pub(in crate::measure) type Verdict = Result<(), aead::Error>;
/// What no engine says of a message: it was not opened yet.
pub(in crate::measure) const NOT_YET: Verdict = Err(aead::Error::Unsupported);

struct Opens {
    all: Messages,
    sealed: Slots,
    verdicts: Vec<Verdict>,
}

/// `count` opens of authentic messages.
pub(in crate::measure) fn opens(
    engine: &dyn Engine,
    shape: &Messaging,
    count: usize,
) -> Result<Box<dyn Batch>, Error> {
    let mut all = Messages::new(engine, shape, count)?;
    let sealed = all.seal_all().map_err(|e| Error::engine(engine, e))?;
    Ok(Box::new(Opens { all, sealed, verdicts: vec![NOT_YET; count] }))
}

impl Pass for Opens {
    fn reset(&mut self) {
        self.all.arena.copy_from(&self.sealed);
        self.verdicts.fill(NOT_YET);
    }

    fn run(&mut self) {
        let all = &mut self.all;
        let calls = all.arena.iter_mut().zip(&all.nonces).zip(&all.tags).zip(&mut self.verdicts);
        for (((slot, nonce), tag), verdict) in calls {
            *verdict = all.key.open(black_box(nonce), black_box(&all.aad), black_box(slot), black_box(tag));
        }
        black_box(&mut all.arena);
        black_box(&self.verdicts);
    }

    fn count(&self) -> u64 {
        self.all.nonces.len() as u64
    }
}

impl Batch for Opens {
    fn check(&mut self) -> Result<(), String> {
        none_not_opened(&self.verdicts)?;
        self.all.all_opened()
    }

    /// Every message with a forged tag: an empty one leaves nothing else that shows whether it was looked at.
    fn refuse_forgery(&mut self) -> Result<(), String> {
        let all = &self.all;
        for ((sealed, nonce), tag) in self.sealed.iter().zip(&all.nonces).zip(&all.tags) {
            let mut forged = *tag;
            forged.0[TAG_LEN - 1] ^= 1;
            let opened = all.key.open(nonce, &all.aad, &mut sealed.to_vec(), &forged);
            refused_as("message", opened, &aead::Error::NotAuthentic)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::engines;
    use crate::measure::workload::testing::{Broken, Fault, of, pass};

    #[test]
    fn every_engine_seals_and_opens_its_batches() {
        let mut seen = 0;
        for engine in engines().into_iter().filter(|e| e.available().is_ok()) {
            for alg in Alg::ALL.into_iter().filter(|&a| engine.supports(crate::engine::Shape::usual(a))) {
                for bytes in [0, 1, 16, 100, 4096] {
                    for make in [seals, opens] {
                        let mut batch = make(engine, &of(alg, bytes), 5).unwrap();
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
            let mut batch = seals(Broken::with(fault), &of(Alg::Aes256Gcm, 100), 3).unwrap();
            assert!(pass(&mut *batch).is_err(), "{fault:?}");
        }
        for fault in [Fault::DoesNothing, Fault::FlipsText, Fault::Refuses] {
            let mut batch = opens(Broken::with(fault), &of(Alg::Aes256Gcm, 100), 3).unwrap();
            assert!(pass(&mut *batch).is_err(), "{fault:?}");
        }
    }

    #[test]
    fn an_engine_that_opens_a_forged_message_is_caught() {
        let open = |engine, alg, bytes| opens(engine, &of(alg, bytes), 2).unwrap().refuse_forgery();
        let accepts = Broken::with(Fault::AcceptsAnything);
        for engine in engines().into_iter().filter(|e| e.available().is_ok()) {
            assert_eq!(open(engine, Alg::Aes256Gcm, 100), Ok(()), "{}", engine.name());
        }
        for (alg, bytes) in [(Alg::Aes128Gcm, 0), (Alg::Aes192Gcm, 1), (Alg::Aes256Gcm, 100)] {
            assert_eq!(pass(&mut *opens(accepts, &of(alg, bytes), 2).unwrap()), Ok(()), "else it is right");
            assert!(open(accepts, alg, bytes).is_err_and(|why| why.contains("is opened")));
        }
    }

    #[test]
    fn messages_lie_where_they_are_asked_to() {
        for offset in [0, 1, 63] {
            let shape = Messaging { offset, ..of(Alg::Aes256Gcm, 100) };
            let all = Messages::new(crate::engine::find("sealmark").unwrap(), &shape, 3).unwrap();
            assert_eq!(all.arena.iter().count(), 3);
            for slot in all.arena.iter() {
                assert_eq!((slot.as_ptr() as usize % 64, slot.len()), (offset, 100));
            }
            let mut batch = opens(crate::engine::find("sealmark").unwrap(), &shape, 3).unwrap();
            assert_eq!(pass(&mut *batch), Ok(()));
        }
    }

    #[test]
    fn a_batch_that_was_not_run_has_not_passed() {
        for make in [seals, opens] {
            let mut batch =
                make(crate::engine::find("sealmark").unwrap(), &of(Alg::Aes128Gcm, 64), 2).unwrap();
            batch.reset();
            assert!(batch.check().is_err());
        }
    }
}
