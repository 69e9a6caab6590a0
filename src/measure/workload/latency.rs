//! `latency/seal`: dependent seals, each with a nonce taken from the tag of the one before.
//!
//! `seal` measures throughput, because a processor starts the next call before the last one ends. Here a call
//! cannot begin its key stream before the previous tag is ready, so the time is the latency of one call.
//! **For timing only.** A tag is not a nonce: tags under one key are unlikely to begin alike, but nothing
//! guarantees it, and a single repeated nonce reveals the authentication key. SP 800-38D (8.2) says how to
//! make nonces.
//!
//! Each call writes a ciphertext and a tag, under a nonce that no earlier pass used, to its own slot.

use std::hint::black_box;

use crate::aead::{NONCE_LEN, Nonce, Tag};
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::limit::roofline::{Overlap, Work};
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::compare::none_refused;
use crate::measure::workload::fixture::message::{MessageSpec, Messages};
use crate::measure::workload::kind::{Kind, Subject};
use crate::timing::Timed;

/// Seals a message under a nonce from the previous tag, so that no call begins before the last one ended.
pub(super) struct LatencySeal;

impl Kind for LatencySeal {
    fn name(&self) -> &'static str {
        "latency/seal"
    }

    fn subject(&self) -> Subject {
        Subject::Cipher
    }

    fn prepare(
        &self,
        workload: &Workload,
        engine: &'static dyn Engine,
        count: usize,
    ) -> Result<Box<dyn Timed>, Error> {
        seals(engine, &MessageSpec::of(workload), count)
    }

    fn slot_len(&self, workload: &Workload) -> Option<usize> {
        MessageSpec::slot_len(workload)
    }

    fn work(&self, workload: &Workload) -> Option<Work> {
        Some(Work::of_message(workload.needs(), workload.bytes, workload.aad, Overlap::Dependent))
    }
}

struct Chain {
    all: Messages,
    first: Nonce,
}

/// The nonce after a tag: the tag's first bytes, read where the engine wrote them.
fn nonce_of(tag: &Tag) -> &Nonce {
    const { assert!(NONCE_LEN <= crate::aead::TAG_LEN) };
    tag.0.first_chunk().expect("a tag is longer than a nonce")
}

/// `count` seals of messages, each after the one before.
fn seals(engine: &dyn Engine, shape: &MessageSpec, count: usize) -> Result<Box<dyn Timed>, Error> {
    let all = Messages::new(engine, shape, count)?;
    Ok(Box::new(Chain { first: all.nonces[0], all }))
}

impl Timed for Chain {
    fn reset(&mut self) {
        self.all.restore();
        self.first = self.all.nonces[0];
    }

    fn run(&mut self) {
        let all = &mut self.all;
        let mut nonce = &self.first;
        for (slot, tag) in all.arena.iter_mut().zip(&mut all.tags) {
            let done =
                all.key.seal(black_box(nonce), black_box(&all.aad), black_box(slot), black_box(&mut *tag));
            all.refused += usize::from(done.is_err());
            nonce = nonce_of(tag);
        }
        black_box(&all.tags);
    }

    fn count(&self) -> u64 {
        self.all.nonces.len() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        let all = &self.all;
        none_refused(all.refused)?;
        let mut nonce = self.first;
        for (i, slots) in all.arena.iter().zip(all.plain.iter()).enumerate() {
            nonce = *nonce_of(&all.compare(i, slots, &nonce)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aead::Alg;
    use crate::engine::find;
    use crate::measure::workload::testing::{self, Fault, of, pass};

    #[test]
    fn every_engine_seals_its_chain() {
        let lengths = [0, 1, 16, 100];
        let seen = testing::right_on_every_engine(&lengths, |engine, shape| seals(engine, shape, 5).unwrap());
        assert!(seen >= 12, "{seen}");
    }

    #[test]
    fn each_nonce_is_of_the_tag_before() {
        let key = find("sealmark").unwrap().key(Alg::Aes256Gcm, &[1; 32]).unwrap();
        let mut tags = [Tag::default(); 2];
        let mut nonce = [7; NONCE_LEN];
        for tag in &mut tags {
            key.seal(&nonce, b"", &mut [], tag).unwrap();
            nonce = *nonce_of(tag);
        }
        assert_eq!(nonce, tags[1].0[..12]);
        assert_ne!(tags[0].0, tags[1].0);
    }

    #[test]
    fn a_wrong_engine_is_caught() {
        let faults = [Fault::DoesNothing, Fault::FlipsTag, Fault::FlipsText, Fault::Refuses];
        testing::caught(&faults, |engine| seals(engine, &of(Alg::Aes256Gcm, 100), 3).unwrap());
    }

    #[test]
    fn a_chain_that_was_not_run_has_not_passed() {
        let mut batch = seals(find("sealmark").unwrap(), &of(Alg::Aes128Gcm, 64), 2).unwrap();
        batch.reset();
        assert!(batch.check().is_err_and(|why| why.contains("is not the reference's")));
        assert_eq!(pass(&mut *batch), Ok(()));
        batch.reset();
        assert!(
            batch.check().is_err_and(|why| why.contains("is not the reference's")),
            "what an earlier pass left does not count"
        );
    }
}
