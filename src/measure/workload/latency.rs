//! Batches of seals that wait for each other: each takes its nonce from the tag of the one before.
//!
//! A processor works on the next call before the last one ends, so `seal` times how often a call can end. Here a
//! call cannot begin its key stream before the tag is there, and what is timed is how long one takes.
//! **For timing only.** A tag is no nonce: that no two of a key begin alike is likely and not guaranteed, and one
//! repeated nonce gives the key of the tags away. SP 800-38D (8.2) says how nonces are made.

use std::hint::black_box;

use crate::aead::{NONCE_LEN, Nonce, Tag};
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::workload::fixture::compare::none_refused;
use crate::measure::workload::fixture::message::{Messages, Messaging};
use crate::timing::Timed;

struct Chain {
    all: Messages,
    first: Nonce,
}

/// The nonce that follows a tag: its first bytes, read where the engine wrote them.
fn nonce_of(tag: &Tag) -> &Nonce {
    const { assert!(NONCE_LEN <= crate::aead::TAG_LEN) };
    tag.0.first_chunk().expect("a tag is longer than a nonce")
}

/// `count` seals of messages, each after the one before.
pub(in crate::measure) fn seals(
    engine: &dyn Engine,
    shape: &Messaging,
    count: usize,
) -> Result<Box<dyn Timed>, Error> {
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
    use crate::engine::{Shape, engines, find};
    use crate::measure::workload::testing::{Broken, Fault, of, pass};

    #[test]
    fn every_engine_seals_its_chain() {
        let mut seen = 0;
        for engine in engines().into_iter().filter(|e| e.available().is_ok()) {
            for alg in Alg::ALL.into_iter().filter(|&a| engine.supports(Shape::usual(a))) {
                for bytes in [0, 1, 16, 100] {
                    let mut batch = seals(engine, &of(alg, bytes), 5).unwrap();
                    assert_eq!(batch.count(), 5);
                    for _ in 0..3 {
                        assert_eq!(pass(&mut *batch), Ok(()), "{} {} {bytes}", engine.name(), alg.name());
                    }
                    seen += 1;
                }
            }
        }
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
        for fault in [Fault::DoesNothing, Fault::FlipsTag, Fault::FlipsText, Fault::Refuses] {
            let mut batch = seals(Broken::with(fault), &of(Alg::Aes256Gcm, 100), 3).unwrap();
            assert!(pass(&mut *batch).is_err(), "{fault:?}");
        }
    }

    #[test]
    fn a_chain_that_was_not_run_has_not_passed() {
        let mut batch = seals(find("sealmark").unwrap(), &of(Alg::Aes128Gcm, 64), 2).unwrap();
        batch.reset();
        assert!(batch.check().is_err());
        assert_eq!(pass(&mut *batch), Ok(()));
        batch.reset();
        assert!(batch.check().is_err(), "what an earlier pass left does not count");
    }
}
