//! `open_value`: the storage scheme's whole read path around one record.
//!
//! This is what a reader does with an authentic value; it allocates the result. Each call leaves the message
//! that it read; a reset drops it.

use std::hint::black_box;

use crate::aead::Alg;
use crate::engine::Engine;
use crate::envelope::aad::pebble_key;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::compare::{all_opened, forged, none_refused, refused_as};
use crate::measure::workload::fixture::reference::reference;
use crate::measure::workload::kind::{Kind, Subject};
use crate::measure::workload::storage::fixture::{
    COMMIT_TS, SUBJECT, USER_KEY, VALUE_KEY_ID, Values, slot_len,
};
use crate::scheme::storage::value::read;
use crate::scheme::storage::{Clear, Form};
use crate::timing::Timed;

/// Reads an authentic value.
pub(super) struct OpenValue;

impl Kind for OpenValue {
    fn name(&self) -> &'static str {
        "open_value"
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
        opens(engine, workload.bytes, count)
    }

    fn slot_len(&self, workload: &Workload) -> Option<usize> {
        Some(slot_len(workload))
    }

    fn opens(&self) -> bool {
        true
    }
}

struct Opens {
    all: Values,
    key: Vec<u8>,
    read: Vec<Vec<u8>>,
}

/// `count` authentic values of `bytes` bytes, read.
fn opens(engine: &'static dyn Engine, bytes: usize, count: usize) -> Result<Box<dyn Timed>, Error> {
    let mut all = Values::new(engine, bytes, count)?;
    let writer = Values::new(reference(engine, Alg::Aes256Gcm), bytes, 1)?.sealer;
    for (plain, stored) in all.plain.iter().zip(all.stored.iter_mut()) {
        let form = Form::Sealed(std::num::NonZeroU32::new(VALUE_KEY_ID).expect("it is not 0"));
        let sealed = writer.seal_as(form, USER_KEY, COMMIT_TS, 0, plain, stored);
        all.refused += usize::from(sealed.is_err());
    }
    Ok(Box::new(Opens { all, key: pebble_key(USER_KEY, COMMIT_TS), read: Vec::with_capacity(count) }))
}

impl Timed for Opens {
    fn reset(&mut self) {
        self.read.clear();
    }

    fn run(&mut self) {
        let cipher = self.all.sealer.cipher();
        for stored in self.all.stored.iter() {
            match read(Some(black_box(cipher)), Clear::Refused, black_box(&self.key), black_box(stored)) {
                Ok(value) => self.read.push(value.value),
                Err(_) => self.all.refused += 1,
            }
        }
        black_box(&mut self.read);
    }

    fn count(&self) -> u64 {
        self.all.count()
    }

    fn check(&mut self) -> Result<(), String> {
        none_refused(self.all.refused)?;
        if self.read.len() as u64 != self.all.count() {
            return Err(format!("{} values were read", self.read.len()));
        }
        all_opened("value", self.read.iter().map(Vec::as_slice), self.all.plain.iter())
    }

    fn refuse_forgery(&mut self) -> Result<(), String> {
        let Some(stored) = self.all.stored.iter().next().and_then(forged) else { return Ok(()) };
        let opened = read(Some(self.all.sealer.cipher()), Clear::Refused, &self.key, &stored);
        refused_as("value", opened.map(drop).map_err(|error| error.spec_name()), &"ErrEncryptedReadIntegrity")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::measure::workload::testing::{self, Broken, Fault};

    #[test]
    fn every_engine_reads_values() {
        let make = |engine, bytes, count| opens(engine, bytes, count).unwrap();
        let seen = testing::right_at_every_length(&[0, 1, 1000], 3, make);
        assert!(seen >= 3, "{seen}");
    }

    #[test]
    fn a_wrong_engine_and_what_was_not_run_are_caught() {
        let faults = [Fault::DoesNothing, Fault::FlipsText, Fault::Refuses];
        testing::caught(&faults, |engine| opens(engine, 100, 2).unwrap());
        let mut timed = opens(find("sealmark").unwrap(), 10, 3).unwrap();
        timed.reset();
        assert!(timed.check().is_err_and(|why| why.contains("0 values were read")));
    }

    #[test]
    fn an_engine_that_opens_forged_values_is_caught() {
        let open = |engine| opens(engine, 100, 2).unwrap().refuse_forgery();
        assert_eq!(open(find("sealmark").unwrap()), Ok(()));
        assert!(open(Broken::with(Fault::AcceptsAnything)).is_err_and(|why| why.contains("is opened")));
    }
}
