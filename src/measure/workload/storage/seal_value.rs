//! `seal_value`: the storage scheme's whole write path around one record.
//!
//! A write checks the user key, asks the gate, takes a nonce, counts it, finds the key, composes key and AAD,
//! and seals with the value header in front. Each call writes a stored value that reads back as its own
//! message; a reset writes zeros.

use std::hint::black_box;

use crate::engine::Engine;
use crate::envelope::aad::pebble_key;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::compare::none_refused;
use crate::measure::workload::kind::{Kind, Subject};
use crate::measure::workload::storage::fixture::{COMMIT_TS, SUBJECT, USER_KEY, Values, slot_len};
use crate::scheme::storage::value::read;
use crate::scheme::storage::{Clear, Origin};
use crate::timing::Timed;

/// Writes a value.
pub(super) struct SealValue;

impl Kind for SealValue {
    fn name(&self) -> &'static str {
        "seal_value"
    }

    fn subject(&self) -> Subject {
        Subject::One(SUBJECT)
    }

    fn prepare(
        &self,
        workload: &Workload,
        engine: &'static dyn Engine,
        count: usize,
    ) -> Result<Box<dyn Timed>, Error> {
        seals(engine, workload.bytes, count)
    }

    fn slot_len(&self, workload: &Workload) -> Option<usize> {
        Some(slot_len(workload))
    }
}

struct Seals(Values);

/// `count` values of `bytes` bytes, written as a registered node writes them.
fn seals(engine: &'static dyn Engine, bytes: usize, count: usize) -> Result<Box<dyn Timed>, Error> {
    Ok(Box::new(Seals(Values::new(engine, bytes, count)?)))
}

impl Timed for Seals {
    fn reset(&mut self) {
        self.0.stored.iter_mut().for_each(|stored| stored.fill(0));
    }

    fn run(&mut self) {
        let all = &mut self.0;
        for (plain, stored) in all.plain.iter().zip(all.stored.iter_mut()) {
            let (plain, stored) = (black_box(plain), black_box(stored));
            let done = all.sealer.seal_into(black_box(USER_KEY), COMMIT_TS, 0, plain, Origin::Direct, stored);
            all.refused += usize::from(done.is_err());
        }
        black_box(&mut all.stored);
    }

    fn count(&self) -> u64 {
        self.0.count()
    }

    fn check(&mut self) -> Result<(), String> {
        none_refused(self.0.refused)?;
        let key = pebble_key(USER_KEY, COMMIT_TS);
        for (i, (stored, plain)) in self.0.stored.iter().zip(self.0.plain.iter()).enumerate() {
            match read(Some(&self.0.other), Clear::Refused, &key, stored) {
                Ok(value) if value.value == plain => {}
                Ok(_) => return Err(format!("value {i} reads as another")),
                Err(error) => return Err(format!("the reference does not read value {i}: {error}")),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::measure::workload::testing::{self, Fault};

    #[test]
    fn every_engine_writes_values() {
        let make = |engine, bytes, count| seals(engine, bytes, count).unwrap();
        let seen = testing::right_at_every_length(&[0, 1, 1000], 3, make);
        assert!(seen >= 3, "{seen}");
    }

    #[test]
    fn a_wrong_engine_and_what_was_not_run_are_caught() {
        let faults = [Fault::DoesNothing, Fault::FlipsText, Fault::Refuses];
        testing::caught(&faults, |engine| seals(engine, 100, 2).unwrap());
        let mut timed = seals(find("sealmark").unwrap(), 10, 3).unwrap();
        timed.reset();
        assert!(timed.check().is_err_and(|why| why.contains("the reference does not read value 0")));
    }
}
