//! Batches of messages whose tags are forged: what a refusal costs.
//!
//! A harness that times `open` on anything but authentic messages times this. So it has a name of its own.

use std::hint::black_box;

use super::arena::Slots;
use super::message::{Messages, Messaging};
use super::{Batch, Error};
use crate::aead::{self, TAG_LEN};
use crate::engine::Engine;
use crate::timing::Pass;

struct Rejects {
    all: Messages,
    forged: Slots,
    refused: usize,
}

/// `count` messages, each with a flipped bit in its tag.
pub(super) fn rejects(engine: &dyn Engine, shape: &Messaging, count: usize) -> Result<Box<dyn Batch>, Error> {
    let mut all = Messages::new(engine, shape, count)?;
    let forged = all.seal_all().map_err(|e| Error::engine(engine, e))?;
    for tag in &mut all.tags {
        tag.0[TAG_LEN - 1] ^= 1;
    }
    Ok(Box::new(Rejects { all, forged, refused: 0 }))
}

impl Pass for Rejects {
    fn reset(&mut self) {
        self.all.arena.copy_from(&self.forged);
        self.refused = 0;
    }

    fn run(&mut self) {
        let all = &mut self.all;
        for ((slot, nonce), tag) in all.arena.iter_mut().zip(&all.nonces).zip(&all.tags) {
            let done = all.key.open(black_box(nonce), black_box(&all.aad), black_box(slot), black_box(tag));
            self.refused += usize::from(done == Err(aead::Error::NotAuthentic));
        }
        black_box(&mut all.arena);
    }

    fn count(&self) -> u64 {
        self.all.nonces.len() as u64
    }
}

impl Batch for Rejects {
    fn check(&mut self) -> Result<(), String> {
        match self.all.nonces.len() - self.refused {
            0 => {}
            n => return Err(format!("{n} messages with a forged tag were not refused as such")),
        }
        // An empty message has no plaintext to leave.
        let left = self.all.arena.iter().zip(self.all.plain.iter());
        match left.into_iter().position(|(left, plain)| !plain.is_empty() && left == plain) {
            None => Ok(()),
            Some(i) => Err(format!("refusing message {i} left its plaintext")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aead::Alg;
    use crate::engine::engines;
    use crate::measure::testing::{Broken, Fault, of, pass};

    #[test]
    fn every_engine_refuses_its_batches() {
        let mut seen = 0;
        for engine in engines().into_iter().filter(|e| e.available().is_ok()) {
            for bytes in [0, 16, 1000] {
                let mut batch = rejects(engine, &of(Alg::Aes256Gcm, bytes), 3).unwrap();
                assert!(batch.check().is_err(), "not run yet");
                assert_eq!(pass(&mut *batch), Ok(()), "{} {bytes}", engine.name());
                seen += 1;
            }
        }
        assert!(seen >= 6, "{seen}");
    }

    #[test]
    fn an_engine_that_opens_a_forged_message_is_caught() {
        let mut batch = rejects(Broken::with(Fault::AcceptsAnything), &of(Alg::Aes256Gcm, 100), 2).unwrap();
        assert!(pass(&mut *batch).is_err_and(|why| why.contains("not refused")));
    }
}
