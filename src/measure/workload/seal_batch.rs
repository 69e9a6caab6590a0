//! `seal_batch`: messages sealed in batches, through `seal_batch`.
//!
//! A pass starts and ends with the same arrays of messages, nonces and tags as a pass of single calls, so the
//! two compare directly. The timed pass includes building the list of [`Message`](crate::aead::Message)s that
//! borrow these arrays, and copying the tags out of it, because every caller pays for that too. It costs 2 to
//! 3 ns per message: a quarter of the fastest engine's time at 16 bytes and 5 % at 256. A timing without it
//! would flatter the batch by that much.
//!
//! Each seal writes a ciphertext and a tag, under a nonce that no earlier pass used, to its own slot.

use std::hint::black_box;

use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::limit::roofline::{Overlap, Work};
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::message::{MessageSpec, Messages, at_once};
use crate::measure::workload::kind::{Kind, Subject};
use crate::timing::Timed;

/// Seals one message of a batch.
pub(super) struct SealBatch;

impl Kind for SealBatch {
    fn name(&self) -> &'static str {
        "seal_batch"
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
        seals(engine, &MessageSpec::of(workload), workload.batch, count)
    }

    fn slot_len(&self, workload: &Workload) -> Option<usize> {
        MessageSpec::slot_len(workload)
    }

    fn work(&self, workload: &Workload) -> Option<Work> {
        Some(Work::of_message(workload.needs(), workload.bytes, workload.aad, Overlap::Batched))
    }
}

struct Seals {
    all: Messages,
    batch: usize,
}

/// `count` seals of messages, `batch` per call.
fn seals(
    engine: &dyn Engine,
    shape: &MessageSpec,
    batch: usize,
    count: usize,
) -> Result<Box<dyn Timed>, Error> {
    Ok(Box::new(Seals { all: Messages::new(engine, shape, count)?, batch }))
}

impl Timed for Seals {
    fn reset(&mut self) {
        self.all.restore();
    }

    fn run(&mut self) {
        let all = &mut self.all;
        let mut slots = all.arena.iter_mut().zip(&all.nonces);
        for tags in all.tags.chunks_mut(self.batch) {
            let mut messages = at_once(&mut slots, tags, &all.aad);
            let done = all.key.seal_batch(black_box(&mut messages));
            all.refused += usize::from(done.is_err());
            for (tag, message) in tags.iter_mut().zip(&messages) {
                *tag = message.tag;
            }
        }
        black_box(&all.tags);
    }

    fn count(&self) -> u64 {
        self.all.nonces.len() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        self.all.all_sealed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aead::Alg;
    use crate::engine::find;
    use crate::measure::workload::testing::{self, Fault, of, pass};

    #[test]
    fn every_engine_seals_its_batches() {
        let mut seen = 0;
        for (bytes, batch, count) in [(0, 3, 7), (1, 1, 2), (16, 64, 64), (100, 5, 10), (1024, 9, 4)] {
            seen += testing::right_on_every_engine(&[bytes], |engine, shape| {
                let made = seals(engine, shape, batch, count).unwrap();
                assert_eq!(made.count(), count as u64);
                made
            });
        }
        assert!(seen >= 15, "{seen}");
    }

    #[test]
    fn a_wrong_engine_is_caught() {
        let faults = [Fault::DoesNothing, Fault::FlipsTag, Fault::FlipsText, Fault::Refuses];
        testing::caught(&faults, |engine| seals(engine, &of(Alg::Aes256Gcm, 100), 2, 3).unwrap());
    }

    #[test]
    fn what_was_not_run_has_not_passed() {
        let mut batch = seals(find("sealmark").unwrap(), &of(Alg::Aes128Gcm, 0), 2, 3).unwrap();
        batch.reset();
        assert!(batch.check().is_err_and(|why| why.contains("the tag of message 0")));
        assert_eq!(pass(&mut *batch), Ok(()));
        batch.reset();
        assert!(
            batch.check().is_err_and(|why| why.contains("is not the reference's")),
            "what an earlier pass left does not count"
        );
    }
}
