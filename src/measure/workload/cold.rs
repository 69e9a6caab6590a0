//! `cold/seal`: seals whose keys and messages are in no cache near the core, as for a first call after other
//! work.
//!
//! Before each pass, a read of enough memory evicts everything else from the first two levels of cache. Every
//! call then has to fetch its key and its message. The engine's code is fetched by the first call of a pass
//! and stays cached for the others. Each call writes a ciphertext and a tag, under a nonce that no earlier
//! pass used, to its own slot.

use std::hint::black_box;

use crate::aead::Aead;
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::message::{MessageSpec, Messages};
use crate::measure::workload::kind::{Kind, Subject};
use crate::timing::Timed;

/// Bytes read: four times the second-level cache of today's large cores.
const EVICTED: usize = 8 * 1024 * 1024;
/// A cache line.
const LINE: usize = 64;

/// Seals a message with a key and a buffer that are at most in the last-level cache.
pub(super) struct ColdSeal;

impl Kind for ColdSeal {
    fn name(&self) -> &'static str {
        "cold/seal"
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

    fn default_count(&self, _: &Workload) -> usize {
        64
    }
}

struct Seals {
    all: Messages,
    keys: Vec<Box<dyn Aead>>,
    other: Vec<u8>,
}

/// `count` seals, each with a key object of its own.
fn seals(engine: &'static dyn Engine, shape: &MessageSpec, count: usize) -> Result<Box<dyn Timed>, Error> {
    let all = Messages::new(engine, shape, count)?;
    let key = || engine.key(shape.alg, &all.bytes).map_err(|e| Error::engine(engine, e));
    let keys = (0..count).map(|_| key()).collect::<Result<_, _>>()?;
    Ok(Box::new(Seals { all, keys, other: vec![1; EVICTED] }))
}

impl Timed for Seals {
    fn reset(&mut self) {
        self.all.restore();
        let mut sum = 0_u8;
        for line in self.other.chunks_mut(LINE) {
            sum = sum.wrapping_add(line[0]);
            line[0] = sum;
        }
        black_box(sum);
    }

    fn run(&mut self) {
        let all = &mut self.all;
        let slots = all.arena.iter_mut().zip(&all.nonces).zip(&mut all.tags);
        for (((slot, nonce), tag), key) in slots.zip(&self.keys) {
            let done = key.seal(black_box(nonce), black_box(&all.aad), black_box(slot), black_box(tag));
            all.refused += usize::from(done.is_err());
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
    fn cold_seals_are_right_and_wrong_ones_are_caught() {
        let mut batch = seals(find("sealmark").unwrap(), &of(Alg::Aes256Gcm, 100), 3).unwrap();
        assert!(batch.check().is_err_and(|why| why.contains("is not the reference's")), "not run yet");
        assert_eq!(pass(&mut *batch), Ok(()));
        let faults = [Fault::DoesNothing, Fault::FlipsTag, Fault::Refuses];
        testing::caught(&faults, |engine| seals(engine, &of(Alg::Aes256Gcm, 100), 2).unwrap());
    }
}
