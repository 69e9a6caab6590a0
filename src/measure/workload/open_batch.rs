//! `open_batch`: authentic messages opened in batches, through `open_batch`.
//!
//! A pass starts and ends with the same arrays of messages, nonces and tags as a pass of single calls, so the
//! two compare directly. The timed pass includes building the list of [`Message`](crate::aead::Message)s that
//! borrow these arrays, and copying the tags out of it, because every caller pays for that too. It costs 2 to
//! 3 ns per message: a quarter of the fastest engine's time at 16 bytes and 5 % at 256. A timing without it
//! would flatter the batch by that much.
//!
//! Each open leaves the message in its own slot and a verdict; a reset restores the ciphertext and clears the
//! verdict.

use std::hint::black_box;

use crate::aead::{self, TAG_LEN};
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::limit::roofline::{Overlap, Work};
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::arena::Slots;
use crate::measure::workload::fixture::compare::{none_not_opened, refused_as};
use crate::measure::workload::fixture::message::{MessageSpec, Messages, NOT_YET, Verdict, at_once};
use crate::measure::workload::kind::{Kind, Subject};
use crate::timing::Timed;

/// Opens one message of a batch.
pub(super) struct OpenBatch;

impl Kind for OpenBatch {
    fn name(&self) -> &'static str {
        "open_batch"
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
        opens(engine, &MessageSpec::of(workload), workload.batch, count)
    }

    fn slot_len(&self, workload: &Workload) -> Option<usize> {
        MessageSpec::slot_len(workload)
    }

    fn work(&self, workload: &Workload) -> Option<Work> {
        Some(Work::of_message(workload.needs(), workload.bytes, workload.aad, Overlap::Batched))
    }

    fn opens(&self) -> bool {
        true
    }
}

struct Opens {
    all: Messages,
    batch: usize,
    sealed: Slots,
    verdicts: Vec<Verdict>,
}

/// `count` opens of authentic messages, `batch` per call.
fn opens(
    engine: &dyn Engine,
    shape: &MessageSpec,
    batch: usize,
    count: usize,
) -> Result<Box<dyn Timed>, Error> {
    let mut all = Messages::new(engine, shape, count)?;
    let sealed = all.seal_all().map_err(|e| Error::engine(engine, e))?;
    Ok(Box::new(Opens { all, batch, sealed, verdicts: vec![NOT_YET; count] }))
}

impl Timed for Opens {
    fn reset(&mut self) {
        self.all.arena.copy_from(&self.sealed);
        self.verdicts.fill(NOT_YET);
    }

    fn run(&mut self) {
        let all = &mut self.all;
        let mut slots = all.arena.iter_mut().zip(&all.nonces);
        for (tags, verdicts) in all.tags.chunks(self.batch).zip(self.verdicts.chunks_mut(self.batch)) {
            let mut messages = at_once(&mut slots, tags, &all.aad);
            all.key.open_batch(black_box(&mut messages), black_box(verdicts));
        }
        black_box(&self.verdicts);
    }

    fn count(&self) -> u64 {
        self.all.nonces.len() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        none_not_opened(&self.verdicts)?;
        self.all.all_opened()
    }

    /// Only the message in the middle of a batch must be refused.
    fn refuse_forgery(&mut self) -> Result<(), String> {
        let all = &self.all;
        let middle = self.batch / 2;
        let (sealed, plain): (Vec<_>, Vec<_>) = self.sealed.iter().zip(all.plain.iter()).unzip();
        // Messages repeat where there are fewer than a batch holds.
        let places: Vec<_> = (0..sealed.len()).cycle().take(self.batch).collect();
        let mut texts: Vec<_> = places.iter().map(|&i| sealed[i].to_vec()).collect();
        let mut tags: Vec<_> = places.iter().map(|&i| all.tags[i]).collect();
        tags[middle].0[TAG_LEN - 1] ^= 1;
        let mut verdicts = vec![NOT_YET; self.batch];
        let mut slots = texts.iter_mut().zip(&places).map(|(text, &i)| (&mut text[..], &all.nonces[i]));
        all.key.open_batch(&mut at_once(&mut slots, &tags, &all.aad), &mut verdicts);

        refused_as("message", verdicts[middle], &aead::Error::NotAuthentic)?;
        for (n, (verdict, text)) in verdicts.iter().zip(&texts).enumerate().filter(|(n, _)| *n != middle) {
            verdict.map_err(|e| format!("message {n} is refused beside a forged one: {e}"))?;
            if text != plain[places[n]] {
                return Err(format!("message {n} does not open to what was sealed, beside a forged one"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aead::Alg;
    use crate::engine::double::FaultyEngine;
    use crate::engine::find;
    use crate::measure::workload::testing::{self, Broken, Fault, of, pass};

    #[test]
    fn every_engine_opens_its_batches() {
        let mut seen = 0;
        for (bytes, batch, count) in [(0, 3, 7), (1, 1, 2), (16, 64, 64), (100, 5, 10), (1024, 9, 4)] {
            seen += testing::right_on_every_engine(&[bytes], |engine, shape| {
                let made = opens(engine, shape, batch, count).unwrap();
                assert_eq!(made.count(), count as u64);
                made
            });
        }
        assert!(seen >= 15, "{seen}");
    }

    #[test]
    fn a_wrong_engine_is_caught() {
        let faults = [Fault::DoesNothing, Fault::FlipsText, Fault::Refuses];
        testing::caught(&faults, |engine| opens(engine, &of(Alg::Aes256Gcm, 100), 2, 3).unwrap());
    }

    #[test]
    fn what_was_not_run_has_not_passed() {
        let mut batch = opens(find("sealmark").unwrap(), &of(Alg::Aes128Gcm, 0), 2, 3).unwrap();
        batch.reset();
        assert!(batch.check().is_err_and(|why| why.contains("never opened")));
        assert_eq!(pass(&mut *batch), Ok(()));
        batch.reset();
        assert!(
            batch.check().is_err_and(|why| why.contains("never opened")),
            "what an earlier pass left does not count"
        );
    }

    #[test]
    fn an_engine_that_opens_a_forged_message_is_caught() {
        let mut batch = opens(Broken::with(Fault::AcceptsAnything), &of(Alg::Aes256Gcm, 100), 8, 3).unwrap();
        assert_eq!(pass(&mut *batch), Ok(()), "else it is right");
        assert!(batch.refuse_forgery().is_err_and(|why| why.contains("forged tag is opened")));
    }

    /// Correct, except that its batches succeed or fail as a whole.
    static ALL_OR_NOTHING: FaultyEngine =
        FaultyEngine::new("broken/all-or-nothing").with_verdicts(|verdicts| {
            if verdicts.iter().any(Result::is_err) {
                verdicts.fill(Err(aead::Error::NotAuthentic));
            }
        });

    #[test]
    fn an_engine_that_refuses_the_others_with_the_forged_one_is_caught() {
        let mut batch = opens(&ALL_OR_NOTHING, &of(Alg::Aes256Gcm, 16), 8, 8).unwrap();
        assert_eq!(pass(&mut *batch), Ok(()), "else it is right");
        assert!(batch.refuse_forgery().is_err_and(|why| why.contains("beside a forged one")));
    }
}
