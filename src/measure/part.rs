//! Batches of the parts of a record that are no cipher: header, AAD, and a copy of the message.
//!
//! With the nonce, the key lookup and the bare AEAD they are what sealing a record is made of.

use std::hint::black_box;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Batch;
use super::arena::Slots;
use super::envelope::AAD;
use crate::envelope::{HEADER_LEN, Header};
use crate::timing::Pass;

/// The key ids that headers and AADs name: so many, from 1.
struct Parts<const LEN: usize> {
    count: u32,
    write: fn(u32, &mut [u8; LEN]),
    written: Vec<[u8; LEN]>,
}

impl<const LEN: usize> Parts<LEN> {
    fn batch(count: usize, write: fn(u32, &mut [u8; LEN])) -> Box<dyn Batch> {
        Box::new(Self { count: count as u32, write, written: vec![[0; LEN]; count] })
    }
}

/// `count` headers, each written to its place.
pub(super) fn headers(count: usize) -> Box<dyn Batch> {
    Parts::<HEADER_LEN>::batch(count, |key_id, to| *to = Header { flag: 0, key_id, nonce: [7; 12] }.encode())
}

/// `count` storage AADs, each composed on the stack; their last bytes are what a pass leaves.
pub(super) fn aads(count: usize) -> Box<dyn Batch> {
    Parts::<4>::batch(count, |key_id, to| {
        black_box(&AAD).compose(0, key_id, |bytes| to.copy_from_slice(&black_box(bytes)[2..6]));
    })
}

impl<const LEN: usize> Pass for Parts<LEN> {
    fn reset(&mut self) {
        self.written.fill([0; LEN]);
    }

    fn run(&mut self) {
        for (key_id, to) in (1..=self.count).zip(&mut self.written) {
            (self.write)(black_box(key_id), to);
        }
        black_box(&self.written);
    }

    fn count(&self) -> u64 {
        u64::from(self.count)
    }
}

impl<const LEN: usize> Batch for Parts<LEN> {
    fn check(&mut self) -> Result<(), String> {
        // Both have the key id, big-endian: the header behind version and flag, the other nothing else.
        let at = if LEN == HEADER_LEN { 2 } else { 0 };
        for (key_id, written) in (1..=self.count).zip(&self.written) {
            if written[at..at + 4] != key_id.to_be_bytes() {
                return Err(format!("part {key_id} does not carry its key id"));
            }
        }
        Ok(())
    }
}

struct Copies {
    plain: Slots,
    copied: Slots,
}

/// `count` copies of messages of `bytes` bytes.
pub(super) fn copies(bytes: usize, count: usize) -> Box<dyn Batch> {
    let mut rng = ChaCha8Rng::seed_from_u64(bytes as u64);
    let mut plain = Slots::new(count, bytes);
    plain.iter_mut().for_each(|slot| rng.fill_bytes(slot));
    Box::new(Copies { plain, copied: Slots::new(count, bytes) })
}

impl Pass for Copies {
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
}

impl Batch for Copies {
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
    use crate::measure::testing::pass;

    #[test]
    fn parts_are_written_and_what_was_not_run_has_not_passed() {
        for mut batch in [headers(5), aads(5), copies(100, 5)] {
            assert_eq!(batch.count(), 5);
            batch.reset();
            assert!(batch.check().is_err());
            assert_eq!(pass(&mut *batch), Ok(()));
        }
    }
}
