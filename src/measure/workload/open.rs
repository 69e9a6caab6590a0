//! `open`: authentic messages opened one by one through [`Aead`](crate::aead::Aead).
//!
//! Another engine sealed them, so the refusal path is never timed. Each call leaves the message in its own
//! slot and a verdict; a reset restores the ciphertext and clears the verdict.

use std::hint::black_box;

use crate::aead::{self, TAG_LEN};
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::limit::roofline::{Overlap, Work};
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::arena::Slots;
use crate::measure::workload::fixture::compare::{none_not_opened, refused_as};
use crate::measure::workload::fixture::message::{MessageSpec, Messages, NOT_YET, Verdict};
use crate::measure::workload::kind::{Kind, Subject};
use crate::timing::Timed;

/// Opens an authentic message.
pub(super) struct Open;

impl Kind for Open {
    fn name(&self) -> &'static str {
        "open"
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
        opens(engine, &MessageSpec::of(workload), count)
    }

    fn slot_len(&self, workload: &Workload) -> Option<usize> {
        MessageSpec::slot_len(workload)
    }

    fn work(&self, workload: &Workload) -> Option<Work> {
        Some(Work::of_message(workload.needs(), workload.bytes, workload.aad, Overlap::Independent))
    }

    fn opens(&self) -> bool {
        true
    }
}

struct Opens {
    all: Messages,
    sealed: Slots,
    verdicts: Vec<Verdict>,
}

/// `count` opens of authentic messages.
fn opens(engine: &dyn Engine, shape: &MessageSpec, count: usize) -> Result<Box<dyn Timed>, Error> {
    let mut all = Messages::new(engine, shape, count)?;
    let sealed = all.seal_all().map_err(|e| Error::engine(engine, e))?;
    Ok(Box::new(Opens { all, sealed, verdicts: vec![NOT_YET; count] }))
}

impl Timed for Opens {
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

    fn move_to(&mut self, offset: usize) -> bool {
        self.all.arena.move_to(offset);
        true
    }

    fn count(&self) -> u64 {
        self.all.nonces.len() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        none_not_opened(&self.verdicts)?;
        self.all.all_opened()
    }

    /// Forges the tag of every message. For an empty message nothing else shows whether it was examined.
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
    use crate::aead::Alg;
    use crate::engine::{engines, find};
    use crate::measure::workload::testing::{self, Broken, Fault, of, pass};

    #[test]
    fn every_engine_opens_its_messages() {
        let lengths = [0, 1, 16, 100, 4096];
        let seen = testing::right_on_every_engine(&lengths, |engine, shape| opens(engine, shape, 5).unwrap());
        assert!(seen >= 15, "{seen}");
    }

    #[test]
    fn a_wrong_engine_is_caught() {
        let faults = [Fault::DoesNothing, Fault::FlipsText, Fault::Refuses];
        testing::caught(&faults, |engine| opens(engine, &of(Alg::Aes256Gcm, 100), 3).unwrap());
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
    fn what_was_not_run_has_not_passed() {
        for offset in [0, 1] {
            let shape = MessageSpec { offset, ..of(Alg::Aes128Gcm, 64) };
            let mut opens = opens(find("sealmark").unwrap(), &shape, 2).unwrap();
            opens.reset();
            assert!(opens.check().is_err_and(|why| why.contains("never opened")));
            assert_eq!(pass(&mut *opens), Ok(()));
        }
    }
}
