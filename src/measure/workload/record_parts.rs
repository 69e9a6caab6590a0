//! Batches of the parts of a record that are no cipher: header, AAD, and a copy of the message.
//!
//! With the nonce, the key lookup and the bare AEAD they are what sealing a record is made of.

use std::hint::black_box;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::envelope::record::{HEADER_LEN, Header, VERSION};
use crate::measure::workload::fixture::arena::Slots;
use crate::measure::workload::fixture::record::AAD;
use crate::timing::Timed;

/// Parts that carry key ids: 1 and up.
struct Parts<const LEN: usize> {
    count: u32,
    write: fn(u32, &mut [u8; LEN]),
    written: Vec<[u8; LEN]>,
    /// What the part of a key id is, written by other means.
    right: fn(u32) -> [u8; LEN],
}

impl<const LEN: usize> Parts<LEN> {
    fn batch(count: usize, write: fn(u32, &mut [u8; LEN]), right: fn(u32) -> [u8; LEN]) -> Box<dyn Timed> {
        Box::new(Self { count: count as u32, write, written: vec![[0; LEN]; count], right })
    }
}

/// The nonce of every header.
const NONCE: [u8; 12] = [7; 12];

/// A header: version, flag, key id, nonce.
fn right_header(key_id: u32) -> [u8; HEADER_LEN] {
    let mut bytes = [0; HEADER_LEN];
    bytes[0] = VERSION;
    bytes[2..6].copy_from_slice(&key_id.to_be_bytes());
    bytes[6..].copy_from_slice(&NONCE);
    bytes
}

/// `count` headers, each written to its place.
pub(in crate::measure) fn headers(count: usize) -> Box<dyn Timed> {
    let write = |key_id, to: &mut _| *to = Header { flag: 0, key_id, nonce: NONCE }.encode();
    Parts::<HEADER_LEN>::batch(count, write, right_header)
}

/// `count` storage AADs, each composed on the stack, of which a pass leaves the key id. Leaving the whole would time a
/// copy as long as the composing.
pub(in crate::measure) fn aads(count: usize) -> Box<dyn Timed> {
    Parts::<4>::batch(count, composed, u32::to_be_bytes)
}

fn composed(key_id: u32, to: &mut [u8; 4]) {
    black_box(&AAD).compose(0, key_id, |bytes| to.copy_from_slice(&black_box(bytes)[2..6]));
}

impl<const LEN: usize> Timed for Parts<LEN> {
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

    fn check(&mut self) -> Result<(), String> {
        for (key_id, written) in (1..=self.count).zip(&self.written) {
            if *written != (self.right)(key_id) {
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
pub(in crate::measure) fn copies(bytes: usize, count: usize) -> Box<dyn Timed> {
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
    fn parts_are_written_and_what_was_not_run_has_not_passed() {
        for mut batch in [headers(5), aads(5), copies(100, 5)] {
            assert_eq!(batch.count(), 5);
            batch.reset();
            assert!(batch.check().is_err());
            assert_eq!(pass(&mut *batch), Ok(()));
        }
    }

    #[test]
    fn removed_work_shows_in_what_is_left() {
        let write = |key_id, to: &mut _| *to = Header { flag: 0, key_id, nonce: NONCE }.encode();
        let written = vec![[0; HEADER_LEN]; 4];
        let mut headers = Parts { count: 4, write, written, right: right_header };
        let mut aads = Parts { count: 4, write: composed, written: vec![[0; 4]; 4], right: u32::to_be_bytes };
        assert_eq!((pass(&mut headers), pass(&mut aads)), (Ok(()), Ok(())));
        for left in removed(&headers.written.clone(), &[0; HEADER_LEN]) {
            headers.written = left;
            assert!(headers.check().is_err_and(|why| why.contains("key id")), "{:?}", headers.written);
        }
        for left in removed(&aads.written.clone(), &[0; 4]) {
            aads.written = left;
            assert!(aads.check().is_err_and(|why| why.contains("key id")), "{:?}", aads.written);
        }
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
