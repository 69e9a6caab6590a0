//! `open/record`: opening a record as a reader does: find its key, compose the AAD, open in place.
//!
//! The records are authentic and were sealed with another engine. Each call leaves the message in its own
//! slot and a verdict; a reset restores the record and clears the verdict.

use std::hint::black_box;

use crate::aead::TAG_LEN;
use crate::engine::Engine;
use crate::envelope::{self, HEADER_LEN, OVERHEAD};
use crate::measure::Error;
use crate::measure::limit::roofline::{Overlap, Work};
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::arena::Slots;
use crate::measure::workload::fixture::compare::{all_opened, forged, refused_as};
use crate::measure::workload::fixture::record::{self, AAD, Records, header};
use crate::measure::workload::kind::{Kind, Subject};
use crate::timing::Timed;

/// Opens an authentic record.
pub(super) struct OpenRecord;

impl Kind for OpenRecord {
    fn name(&self) -> &'static str {
        "open"
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
        opens(engine, workload.bytes, count, workload.seed)
    }

    fn slot_len(&self, workload: &Workload) -> Option<usize> {
        Some(record::len_of(workload))
    }

    fn work(&self, workload: &Workload) -> Option<Work> {
        Some(record::work(workload, Overlap::Independent))
    }

    fn opens(&self) -> bool {
        true
    }
}

struct Opens {
    all: Records,
    sealed: Slots,
    opened: Vec<bool>,
}

/// `count` authentic records of messages of `bytes` bytes, opened in place.
fn opens(
    engine: &'static dyn Engine,
    bytes: usize,
    count: usize,
    seed: u64,
) -> Result<Box<dyn Timed>, Error> {
    let all = Records::new(engine, bytes, count, seed)?;
    let mut sealed = Slots::new(count, bytes + OVERHEAD);
    for (plain, record) in all.plain.iter().zip(sealed.iter_mut()) {
        all.other.seal_into(&header(all.nonces.next()?), &AAD, plain, record)?;
    }
    Ok(Box::new(Opens { all, sealed, opened: vec![false; count] }))
}

impl Timed for Opens {
    fn reset(&mut self) {
        self.all.records.copy_from(&self.sealed);
        self.opened.fill(false);
    }

    fn run(&mut self) {
        let all = &mut self.all;
        for (record, opened) in all.records.iter_mut().zip(&mut self.opened) {
            *opened = all.cipher.open_in_place(black_box(record), black_box(&AAD)).is_ok();
        }
        black_box(&mut all.records);
        black_box(&self.opened);
    }

    fn move_to(&mut self, offset: usize) -> bool {
        self.all.records.move_to(offset);
        true
    }

    fn count(&self) -> u64 {
        self.all.count()
    }

    fn check(&mut self) -> Result<(), String> {
        if let Some(i) = self.opened.iter().position(|opened| !opened) {
            return Err(format!("record {i} was refused, or never opened"));
        }
        let bodies = self.all.records.iter().map(|record| &record[HEADER_LEN..record.len() - TAG_LEN]);
        all_opened("record", bodies, self.all.plain.iter())
    }

    fn refuse_forgery(&mut self) -> Result<(), String> {
        let Some(mut record) = self.sealed.iter().next().and_then(forged) else { return Ok(()) };
        let opened = self.all.cipher.open_in_place(&mut record, &AAD).map(|_| ());
        refused_as("record", opened, &envelope::Error::Integrity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::measure::workload::testing::{self, Broken, Fault};

    #[test]
    fn every_engine_opens_records() {
        let make = |engine, bytes, count| opens(engine, bytes, count, 0).unwrap();
        let seen = testing::right_at_every_length(&[0, 1, 64, 1000], 4, make);
        assert!(seen >= 4, "{seen}");
    }

    #[test]
    fn a_wrong_engine_is_caught() {
        let faults = [Fault::DoesNothing, Fault::FlipsText, Fault::Refuses];
        testing::caught(&faults, |engine| opens(engine, 100, 2, 0).unwrap());
    }

    #[test]
    fn an_engine_that_opens_forged_records_is_caught() {
        let open = |engine| opens(engine, 100, 2, 0).unwrap().refuse_forgery();
        assert_eq!(open(find("sealmark").unwrap()), Ok(()));
        assert!(open(Broken::with(Fault::AcceptsAnything)).is_err_and(|why| why.contains("is opened")));
    }

    #[test]
    fn what_was_not_run_has_not_passed() {
        let mut timed = opens(find("sealmark").unwrap(), 10, 3, 0).unwrap();
        timed.reset();
        assert!(timed.check().is_err_and(|why| why.contains("never opened")));
    }
}
