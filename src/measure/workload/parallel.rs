//! `parallel/seal`: seals on all cores at once.
//!
//! Every core seals its own messages in its own buffer; all share the bytes of one key, as a server's threads
//! do (`fixture::threads`). An operation is one message: its time is that of the pass divided by the messages
//! of all cores. Each call writes a ciphertext and a tag, under a nonce that no earlier pass used, to its own
//! slot.

use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::message::{MessageSpec, Messages};
use crate::measure::workload::fixture::threads::{Together, threads};
use crate::measure::workload::kind::{Kind, Subject};
use crate::timing::Timed;

/// Seals messages on all cores at once.
pub(super) struct ParallelSeal;

impl Kind for ParallelSeal {
    fn name(&self) -> &'static str {
        "parallel/seal"
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

    fn single_core(&self) -> bool {
        false
    }

    fn threads(&self) -> Option<u32> {
        Some(threads() as u32)
    }
}

/// The share of one core.
struct Seals(Messages);

/// `count` seals for each core.
fn seals(engine: &dyn Engine, shape: &MessageSpec, count: usize) -> Result<Box<dyn Timed>, Error> {
    Ok(Box::new(Together::new(|_| Ok(Seals(Messages::new(engine, shape, count)?)))?))
}

impl Timed for Seals {
    fn reset(&mut self) {
        self.0.restore();
    }

    fn run(&mut self) {
        self.0.seal();
    }

    fn count(&self) -> u64 {
        self.0.nonces.len() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        self.0.all_sealed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aead::Alg;
    use crate::engine::find;
    use crate::measure::workload::testing::{Broken, Fault, of, pass};
    use crate::timing;

    #[test]
    fn every_core_seals_its_share() {
        let threads = threads() as u64;
        assert_eq!(threads, timing::parallelism() as u64);
        let mut batch = seals(find("sealmark").unwrap(), &of(Alg::Aes256Gcm, 1000), 3).unwrap();
        assert_eq!(batch.count(), 3 * threads);
        assert!(batch.check().is_err_and(|why| why.contains("is not the reference's")), "not run yet");
        assert_eq!(pass(&mut *batch), Ok(()));
        batch.reset();
        batch.reset();
        batch.run();
        assert_eq!(batch.check(), Ok(()), "a pass that was made ready twice");
        batch.reset();
        drop(batch);
        let mut wrong = seals(Broken::with(Fault::FlipsTag), &of(Alg::Aes256Gcm, 100), 2).unwrap();
        assert!(pass(&mut *wrong).is_err_and(|why| why.contains("the tag of message")));
    }
}
