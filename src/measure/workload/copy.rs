//! `record/copy` and `frame/copy`: copying the message of a record, or of a tunnel's frame, from one buffer
//! to another.
//!
//! Each operation writes the message to its own slot; a reset writes zeros.

use std::hint::black_box;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::arena::Slots;
use crate::measure::workload::fixture::record;
use crate::measure::workload::kind::{Kind, Scope, Subject};
use crate::timing::Timed;

/// Copies the message of a record or a frame.
pub(super) struct CopyMessage(pub &'static str);

impl Kind for CopyMessage {
    fn name(&self) -> &'static str {
        "copy"
    }

    fn subject(&self) -> Subject {
        Subject::Part(self.0)
    }

    fn prepare(
        &self,
        workload: &Workload,
        _: &'static dyn Engine,
        count: usize,
    ) -> Result<Box<dyn Timed>, Error> {
        Ok(copies(workload.bytes, count))
    }

    fn scope(&self) -> Scope {
        Scope::CipherFree
    }

    fn slot_len(&self, workload: &Workload) -> Option<usize> {
        Some(record::slot_len(workload))
    }
}

struct Copies {
    plain: Slots,
    copied: Slots,
}

/// `count` copies, each of a message of `bytes` bytes.
fn copies(bytes: usize, count: usize) -> Box<dyn Timed> {
    let mut rng = ChaCha8Rng::seed_from_u64(bytes as u64);
    let mut plain = Slots::new(count, bytes);
    plain.iter_mut().for_each(|slot| rng.fill_bytes(slot));
    Box::new(Copies { plain, copied: Slots::new(count, bytes) })
}

impl Timed for Copies {
    fn reset(&mut self) {
        self.copied.iter_mut().for_each(|slot| slot.fill(0));
    }

    fn run(&mut self) {
        for (to, from) in self.copied.iter_mut().zip(self.plain.iter()) {
            black_box(to).copy_from_slice(black_box(from));
        }
        black_box(&mut self.copied);
    }

    fn count(&self) -> u64 {
        self.plain.iter().count() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        match self.copied.iter().zip(self.plain.iter()).position(|(copied, plain)| copied != plain) {
            None => Ok(()),
            Some(i) => Err(format!("message {i} was not copied")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::workload::testing::{pass, removed};

    #[test]
    fn messages_are_copied_and_what_was_not_run_has_not_passed() {
        let mut timed = copies(100, 5);
        assert_eq!(timed.count(), 5);
        timed.reset();
        assert!(timed.check().is_err_and(|why| why.contains("was not copied")));
        assert_eq!(pass(&mut *timed), Ok(()));
    }

    #[test]
    fn removed_work_shows_in_what_is_left() {
        for len in [64, 1024] {
            let messages: Vec<Vec<u8>> = (1..=4).map(|i| vec![i; len]).collect();
            let mut copies = Copies { plain: Slots::new(4, len), copied: Slots::new(4, len) };
            copies.plain.iter_mut().zip(&messages).for_each(|(slot, message)| slot.copy_from_slice(message));
            assert_eq!(pass(&mut copies), Ok(()));
            for left in removed(&messages, &vec![0; len]) {
                copies.copied.iter_mut().zip(&left).for_each(|(slot, left)| slot.copy_from_slice(left));
                assert!(copies.check().is_err_and(|why| why.contains("was not copied")));
            }
        }
    }
}
