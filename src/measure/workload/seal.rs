//! `seal`: messages sealed one by one through [`Aead`](crate::aead::Aead), as the user of an engine would.
//!
//! A pass is `count` calls and nothing else. Each writes a ciphertext and a tag, under a nonce that no
//! earlier pass used, to its own slot; a reset restores the message there, beside a tag for another nonce.

use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::limit::roofline::{Overlap, Work};
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::message::{MessageSpec, Messages};
use crate::measure::workload::kind::{Kind, Subject};
use crate::timing::Timed;

/// Seals a message.
pub(super) struct Seal;

impl Kind for Seal {
    fn name(&self) -> &'static str {
        "seal"
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
        Some(Work::of_message(workload.needs(), workload.bytes, workload.aad, Overlap::Independent))
    }
}

struct Seals {
    all: Messages,
}

/// `count` seals of messages.
fn seals(engine: &dyn Engine, shape: &MessageSpec, count: usize) -> Result<Box<dyn Timed>, Error> {
    Ok(Box::new(Seals { all: Messages::new(engine, shape, count)? }))
}

impl Timed for Seals {
    fn reset(&mut self) {
        self.all.restore();
    }

    fn run(&mut self) {
        self.all.seal();
    }

    fn move_to(&mut self, offset: usize) -> bool {
        self.all.arena.move_to(offset);
        true
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
    fn every_engine_seals_its_messages() {
        let lengths = [0, 1, 16, 100, 4096];
        let seen = testing::right_on_every_engine(&lengths, |engine, shape| seals(engine, shape, 5).unwrap());
        assert!(seen >= 15, "{seen}");
    }

    #[test]
    fn a_wrong_engine_is_caught() {
        let faults = [Fault::DoesNothing, Fault::FlipsTag, Fault::FlipsText, Fault::Refuses];
        testing::caught(&faults, |engine| seals(engine, &of(Alg::Aes256Gcm, 100), 3).unwrap());
    }

    #[test]
    fn what_was_not_run_has_not_passed() {
        let mut seals = seals(find("sealmark").unwrap(), &of(Alg::Aes128Gcm, 64), 2).unwrap();
        seals.reset();
        assert!(seals.check().is_err_and(|why| why.contains("is not the reference's")));
        assert_eq!(pass(&mut *seals), Ok(()));
    }
}
