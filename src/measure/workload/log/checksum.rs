//! `checksum`: the CRC-32C of a buffer, alone: the speed that a replay of the checked log is compared with.
//!
//! Each operation stores the checksum of its own buffer; a reset zeros all. A bit-by-bit computation with the
//! polynomial checks them.

use std::hint::black_box;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::arena::{Slots, content_seed, stride};
use crate::measure::workload::kind::{Kind, Scope, Subject};
use crate::primitive::crc32c;
use crate::timing::Timed;

/// Computes checksums.
pub(super) struct Checksum;

impl Kind for Checksum {
    fn name(&self) -> &'static str {
        "checksum"
    }

    fn subject(&self) -> Subject {
        Subject::One("log")
    }

    fn prepare(
        &self,
        workload: &Workload,
        _: &'static dyn Engine,
        count: usize,
    ) -> Result<Box<dyn Timed>, Error> {
        Ok(Box::new(checksums(workload, count)))
    }

    fn scope(&self) -> Scope {
        Scope::CipherFree
    }

    fn slot_len(&self, workload: &Workload) -> Option<usize> {
        Some(stride(workload.bytes))
    }
}

struct Checksums {
    arena: Slots,
    sums: Vec<u32>,
}

fn checksums(workload: &Workload, count: usize) -> Checksums {
    let mut arena = Slots::new(count, workload.bytes);
    let mut rng = ChaCha8Rng::seed_from_u64(content_seed(workload.bytes, workload.seed));
    arena.iter_mut().for_each(|slot| rng.fill_bytes(slot));
    Checksums { arena, sums: vec![0; count] }
}

/// The checksum, one bit at a time.
fn bit_by_bit(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = sum >> 1 ^ if sum & 1 == 1 { POLYNOMIAL } else { 0 };
        }
    }
    !sum
}

impl Timed for Checksums {
    fn reset(&mut self) {
        self.sums.fill(0);
    }

    fn run(&mut self) {
        for (slot, sum) in black_box(&self.arena).iter().zip(&mut self.sums) {
            *sum = crc32c::checksum(slot);
        }
        black_box(&self.sums);
    }

    fn count(&self) -> u64 {
        self.sums.len() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        match self.arena.iter().zip(&self.sums).position(|(slot, sum)| bit_by_bit(slot) != *sum) {
            None => Ok(()),
            Some(i) => Err(format!("checksum {i} is wrong")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::workload::catalog;
    use crate::measure::workload::testing::{pass, removed};

    #[test]
    fn the_check_value_is_the_published_one() {
        assert_eq!(bit_by_bit(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn checksums_of_any_length_are_right_and_work_that_was_not_done_is_found() {
        let workload = catalog::find("checksum/log/4096").unwrap().clone();
        for bytes in [1, 17, 4096] {
            let mut timed = checksums(&Workload { bytes, ..workload.clone() }, 4);
            assert!(timed.check().is_err_and(|why| why.contains("checksum 0")), "not run yet");
            assert_eq!(pass(&mut timed), Ok(()), "{bytes}");
            for left in removed(&timed.sums.clone(), &0) {
                timed.sums = left;
                assert!(timed.check().is_err());
            }
        }
    }
}
