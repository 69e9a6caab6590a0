//! `reject`: the cost of refusing messages with forged tags.
//!
//! A harness that times `open` on anything but authentic messages measures this, so it has a name of its own.
//!
//! Each call leaves its verdict, and in the buffer whatever its engine declares to leave after a refusal. If
//! an engine leaves the ciphertext unchanged, the verdict is the only evidence. That it examines tags at all
//! shows when it opens the same messages with their real tags.

use std::hint::black_box;

use crate::aead::{self, TAG_LEN};
use crate::engine::{Engine, Residue};
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::arena::Slots;
use crate::measure::workload::fixture::compare::none_not_opened;
use crate::measure::workload::fixture::message::{MessageSpec, Messages, NOT_YET, Verdict};
use crate::measure::workload::kind::{Kind, Subject};
use crate::timing::Timed;

/// Refuses a message with a forged tag.
pub(super) struct Reject;

impl Kind for Reject {
    fn name(&self) -> &'static str {
        "reject"
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
        rejects(engine, &MessageSpec::of(workload), count)
    }

    fn slot_len(&self, workload: &Workload) -> Option<usize> {
        MessageSpec::slot_len(workload)
    }

    fn opens(&self) -> bool {
        true
    }
}

struct Rejects {
    all: Messages,
    residue: Residue,
    forged: Slots,
    verdicts: Vec<Verdict>,
}

const REFUSED: Verdict = Err(aead::Error::NotAuthentic);

/// `count` messages, each with a flipped bit in its tag.
fn rejects(engine: &dyn Engine, shape: &MessageSpec, count: usize) -> Result<Box<dyn Timed>, Error> {
    let mut all = Messages::new(engine, shape, count)?;
    let forged = all.seal_all().map_err(|e| Error::engine(engine, e))?;
    for tag in &mut all.tags {
        tag.0[TAG_LEN - 1] ^= 1;
    }
    Ok(Box::new(Rejects { all, residue: engine.residue(), forged, verdicts: vec![NOT_YET; count] }))
}

impl Timed for Rejects {
    fn reset(&mut self) {
        self.all.arena.copy_from(&self.forged);
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

    fn check(&mut self) -> Result<(), String> {
        if let Some(i) = self.verdicts.iter().position(|verdict| *verdict != REFUSED) {
            return Err(format!("message {i}, whose tag is forged, was not refused as such"));
        }
        for (i, ((left, plain), forged)) in
            self.all.arena.iter().zip(self.all.plain.iter()).zip(self.forged.iter()).enumerate()
        {
            let as_declared = match self.residue {
                Residue::Zeros => left.iter().all(|byte| *byte == 0),
                Residue::Ciphertext => left == forged,
                Residue::Plaintext => left == plain,
            };
            if !as_declared {
                return Err(format!("refusing message {i} did not leave what the engine declares"));
            }
        }
        Ok(())
    }

    /// Here every timed message is forged, so this check makes sure that authentic ones are accepted.
    fn refuse_forgery(&mut self) -> Result<(), String> {
        let all = &self.all;
        let mut verdicts = Vec::new();
        for ((forged, nonce), tag) in self.forged.iter().zip(&all.nonces).zip(&all.tags) {
            let mut own = *tag;
            own.0[TAG_LEN - 1] ^= 1;
            verdicts.push(all.key.open(nonce, &all.aad, &mut forged.to_vec(), &own));
        }
        none_not_opened(&verdicts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aead::Alg;
    use crate::engine::engines;
    use crate::measure::workload::testing::{Broken, Fault, of, pass};

    #[test]
    fn every_engine_refuses_its_batches() {
        let mut seen = 0;
        for engine in engines().into_iter().filter(|e| e.available().is_ok()) {
            for bytes in [0, 16, 1000] {
                let mut batch = rejects(engine, &of(Alg::Aes256Gcm, bytes), 3).unwrap();
                assert!(batch.check().is_err_and(|why| why.contains("was not refused")), "not run yet");
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
