//! `seal/record`: sealing a record as a writer does: take a nonce, find the key, compose the AAD, write
//! header, ciphertext and tag.
//!
//! Each call writes a record under the next nonce, and each record opens to its own message; a reset writes
//! zeros.

use std::hint::black_box;

use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::limit::roofline::{Overlap, Work};
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::record::{self, AAD, Records, header};
use crate::measure::workload::kind::{Kind, Subject};
use crate::timing::Timed;

/// Seals a record.
pub(super) struct SealRecord;

impl Kind for SealRecord {
    fn name(&self) -> &'static str {
        "seal"
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
        seals(engine, workload.bytes, count, workload.seed)
    }

    fn slot_len(&self, workload: &Workload) -> Option<usize> {
        Some(record::slot_len(workload))
    }

    fn work(&self, workload: &Workload) -> Option<Work> {
        Some(record::work(workload, Overlap::Independent))
    }
}

struct Seals(Records);

/// `count` records sealed around messages of `bytes` bytes.
fn seals(
    engine: &'static dyn Engine,
    bytes: usize,
    count: usize,
    seed: u64,
) -> Result<Box<dyn Timed>, Error> {
    Ok(Box::new(Seals(Records::new(engine, bytes, count, seed)?)))
}

impl Timed for Seals {
    fn reset(&mut self) {
        self.0.wipe();
    }

    fn run(&mut self) {
        let all = &mut self.0;
        for (plain, record) in all.plain.iter().zip(all.records.iter_mut()) {
            let done = all.nonces.next().and_then(|nonce| {
                all.cipher.seal_into(&header(nonce), black_box(&AAD), black_box(plain), black_box(record))
            });
            all.refused += usize::from(done.is_err());
        }
        black_box(&mut all.records);
    }

    fn move_to(&mut self, offset: usize) -> bool {
        self.0.move_to(offset);
        true
    }

    fn count(&self) -> u64 {
        self.0.count()
    }

    fn check(&mut self) -> Result<(), String> {
        self.0.all_sealed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::measure::workload::testing::{self, Fault};

    #[test]
    fn every_engine_seals_records() {
        let make = |engine, bytes, count| seals(engine, bytes, count, 0).unwrap();
        let seen = testing::right_at_every_length(&[0, 1, 64, 1000], 4, make);
        assert!(seen >= 4, "{seen}");
    }

    #[test]
    fn a_wrong_engine_is_caught() {
        let faults = [Fault::DoesNothing, Fault::FlipsText, Fault::FlipsTag, Fault::Refuses];
        testing::caught(&faults, |engine| seals(engine, 100, 2, 0).unwrap());
    }

    #[test]
    fn what_was_not_run_has_not_passed() {
        let mut timed = seals(find("sealmark").unwrap(), 10, 3, 0).unwrap();
        timed.reset();
        assert!(timed.check().is_err_and(|why| why.contains("begin with the header")));
    }
}
