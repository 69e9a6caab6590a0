//! `amortised`: seals with regular rekeying: the cost per message when a key seals only a few messages.
//!
//! Each call writes a ciphertext and a tag, under a nonce that no earlier pass used, to its own slot. Each
//! key has bytes of its own, new in every pass, so that its messages prove that it was made.

use std::hint::black_box;

use crate::aead::Aead;
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::compare::none_refused;
use crate::measure::workload::fixture::message::{MessageSpec, Messages};
use crate::measure::workload::fixture::reference::reference;
use crate::measure::workload::key::renew;
use crate::measure::workload::kind::{Kind, Subject};
use crate::timing::Timed;

/// Makes a key for every `batch` messages and seals them: one operation is a message with its share of the
/// key.
pub(super) struct Amortised;

impl Kind for Amortised {
    fn name(&self) -> &'static str {
        "amortised"
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
}

struct Seals {
    engine: &'static dyn Engine,
    shape: MessageSpec,
    all: Messages,
    per_key: usize,
    /// The bytes of each key.
    keys: Vec<Vec<u8>>,
    /// The number of prepared passes.
    passes: u64,
    /// The key in use. It is dropped in the pass that needs the next one.
    key: Option<Box<dyn Aead>>,
}

/// `count` seals of messages, with a key made for every `per_key` of them.
fn seals(
    engine: &'static dyn Engine,
    shape: &MessageSpec,
    per_key: usize,
    count: usize,
) -> Result<Box<dyn Timed>, Error> {
    let (all, per_key) = (Messages::new(engine, shape, count)?, per_key.max(1));
    let keys = vec![all.bytes.clone(); count.div_ceil(per_key)];
    Ok(Box::new(Seals { engine, shape: *shape, all, per_key, keys, passes: 0, key: None }))
}

impl Timed for Seals {
    fn reset(&mut self) {
        self.all.restore();
        self.passes += 1;
        renew(&mut self.keys, self.passes);
    }

    fn run(&mut self) {
        let all = &mut self.all;
        let mut keys = self.keys.iter();
        let slots = all.arena.iter_mut().zip(&all.nonces).zip(&mut all.tags);
        for (i, ((slot, nonce), tag)) in slots.enumerate() {
            if i % self.per_key == 0 {
                let bytes = keys.next();
                self.key = bytes.and_then(|bytes| self.engine.key(self.shape.alg, black_box(bytes)).ok());
            }
            let done = self
                .key
                .as_ref()
                .map(|key| key.seal(black_box(nonce), black_box(&all.aad), black_box(slot), black_box(tag)));
            all.refused += usize::from(!matches!(done, Some(Ok(()))));
        }
        black_box(&all.tags);
    }

    fn count(&self) -> u64 {
        self.all.nonces.len() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        let all = &self.all;
        none_refused(all.refused)?;
        let mut messages = all.arena.iter().zip(all.plain.iter()).zip(&all.nonces).enumerate();
        for bytes in &self.keys {
            let other = reference(self.engine, self.shape.alg).key(self.shape.alg, bytes);
            let other = other.map_err(|e| format!("the reference refused a key: {e}"))?;
            for (i, (slots, nonce)) in messages.by_ref().take(self.per_key) {
                all.compare_with(&*other, i, slots, nonce)?;
            }
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
    fn keys_are_made_as_often_as_asked_and_seal_right() {
        for (per_key, count) in [(1, 3), (2, 5), (10, 3)] {
            let mut batch =
                seals(find("sealmark").unwrap(), &of(Alg::Aes256Gcm, 100), per_key, count).unwrap();
            assert!(batch.check().is_err_and(|why| why.contains("is not the reference's")), "not run yet");
            assert_eq!(pass(&mut *batch), Ok(()));
            assert_eq!(batch.count(), count as u64);
        }
    }

    #[test]
    fn a_wrong_engine_is_caught() {
        let faults = [Fault::DoesNothing, Fault::FlipsTag, Fault::FlipsText, Fault::Refuses];
        testing::caught(&faults, |engine| seals(engine, &of(Alg::Aes256Gcm, 100), 2, 3).unwrap());
    }
}
