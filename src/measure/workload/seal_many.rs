//! `seal_many`: records sealed by the envelope in batches.
//!
//! The timed pass includes building the list of messages to seal: it borrows the buffers, and a writer builds
//! it for every batch. Each seal writes a record, under the next nonce, that opens to its own message; a
//! reset writes zeros.

use std::hint::black_box;

use crate::engine::Engine;
use crate::envelope::Unsealed;
use crate::measure::Error;
use crate::measure::limit::roofline::{Overlap, Work};
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::record::{self, AAD, KEY_ID, Records};
use crate::measure::workload::kind::{Kind, Subject};
use crate::timing::Timed;

/// Seals one record of a batch.
pub(super) struct SealMany;

impl Kind for SealMany {
    fn name(&self) -> &'static str {
        "seal_many"
    }

    fn subject(&self) -> Subject {
        Subject::One("record")
    }

    fn prepare(
        &self,
        workload: &Workload,
        engine: &'static dyn Engine,
        count: usize,
    ) -> Result<Box<dyn Timed>, Error> {
        seals_many(engine, workload.bytes, workload.batch, count, workload.seed)
    }

    fn slot_len(&self, workload: &Workload) -> Option<usize> {
        Some(record::slot_len(workload))
    }

    fn work(&self, workload: &Workload) -> Option<Work> {
        Some(record::work(workload, Overlap::Batched))
    }
}

struct SealsMany {
    all: Records,
    batch: usize,
}

/// `count` records sealed around messages of `bytes` bytes, `batch` per call.
fn seals_many(
    engine: &'static dyn Engine,
    bytes: usize,
    batch: usize,
    count: usize,
    seed: u64,
) -> Result<Box<dyn Timed>, Error> {
    Ok(Box::new(SealsMany { all: Records::new(engine, bytes, count, seed)?, batch }))
}

impl Timed for SealsMany {
    fn reset(&mut self) {
        self.all.wipe();
    }

    fn run(&mut self) {
        let all = &mut self.all;
        let mut slots = all.plain.iter().zip(all.records.iter_mut());
        loop {
            let mut messages = Vec::with_capacity(self.batch);
            let next = slots.by_ref().take(self.batch);
            messages.extend(next.map(|(plaintext, out)| Unsealed { flag: 0, aad: AAD, plaintext, out }));
            if messages.is_empty() {
                break;
            }
            let done = all.cipher.seal_many(KEY_ID, &all.nonces, black_box(&mut messages));
            all.refused += usize::from(done.is_err());
        }
        drop(slots);
        black_box(&mut all.records);
    }

    fn count(&self) -> u64 {
        self.all.count()
    }

    fn check(&mut self) -> Result<(), String> {
        self.all.all_sealed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::measure::workload::testing::{self, Fault};

    #[test]
    fn every_engine_seals_records_three_at_once_and_what_is_left() {
        let make = |engine, bytes, count| seals_many(engine, bytes, 3, count, 0).unwrap();
        let seen = testing::right_at_every_length(&[0, 1, 64, 1000], 4, make);
        assert!(seen >= 4, "{seen}");
    }

    #[test]
    fn a_wrong_engine_is_caught() {
        let faults = [Fault::DoesNothing, Fault::FlipsText, Fault::FlipsTag, Fault::Refuses];
        testing::caught(&faults, |engine| seals_many(engine, 100, 3, 2, 0).unwrap());
    }

    #[test]
    fn what_was_not_run_has_not_passed() {
        let mut timed = seals_many(find("sealmark").unwrap(), 10, 3, 3, 0).unwrap();
        timed.reset();
        assert!(timed.check().is_err_and(|why| why.contains("begin with the header")));
    }
}
