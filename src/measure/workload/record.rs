//! Batches of records.
//!
//! Sealing a record is what a writer does: take a nonce, find the key, compose the AAD, write header, ciphertext
//! and tag. Opening one is what a reader does, of authentic records sealed with another engine.
//!
//! What a pass leaves is compared whole: each record is there, under the next nonce, and holds its own message; each
//! message is there where the ciphertext was, and its call said so.

use std::hint::black_box;
use std::sync::Arc;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::aead::{Alg, Nonce, TAG_LEN};
use crate::engine::Engine;
use crate::envelope::{
    self, Aad, Cipher, HEADER_LEN, Header, Keystore, NonceSource, OVERHEAD, State, Unsealed, ValueHeader,
};
use crate::measure::workload::arena::{Slots, drawn_from};
use crate::measure::workload::compare::{all_opened, none_refused, refused_as};
use crate::measure::workload::reference::reference;
use crate::measure::{Batch, Error};
use crate::timing::Pass;

const KEY_ID: u32 = 7;
const NODE: u16 = 1;
const EPOCH: u16 = 1;
const DEK_LEN: usize = Alg::Aes256Gcm.key_len();
/// The header of a stored value that a record follows.
const VALUE_HEADER: ValueHeader = ValueHeader { tombstone: false, state: State::Encrypted, expire_at: 0 };
/// That header, and a store key: 16 bytes and a timestamp.
pub(in crate::measure) const AAD: Aad<'static> =
    Aad::Storage { value_header: &VALUE_HEADER.encode(), pebble_key: &[0x6b; 24] };

/// Bytes of it, composed: version, flag, key id, value header, key.
pub(in crate::measure) const AAD_LEN: usize = 6 + 9 + 24;

fn cipher(engine: &'static dyn Engine, seed: u64) -> Result<Cipher, envelope::Error> {
    let mut dek = [0x42; DEK_LEN];
    dek[..8].copy_from_slice(&(0x4242_4242_4242_4242 ^ seed).to_be_bytes());
    let keystore = Keystore::new(engine);
    keystore.set(KEY_ID, &dek)?;
    Cipher::new(Some(Arc::new(keystore)))
}

fn header(nonce: Nonce) -> Header {
    Header { flag: 0, key_id: KEY_ID, nonce }
}

struct Records {
    cipher: Cipher,
    other: Cipher,
    nonces: NonceSource,
    /// Nonces that were issued before the pass.
    before: u64,
    plain: Slots,
    records: Slots,
    refused: usize,
}

impl Records {
    fn new(engine: &'static dyn Engine, bytes: usize, count: usize, seed: u64) -> Result<Self, Error> {
        let mut rng = ChaCha8Rng::seed_from_u64(drawn_from(bytes, seed));
        let mut plain = Slots::new(count, bytes);
        plain.iter_mut().for_each(|slot| rng.fill_bytes(slot));
        Ok(Self {
            cipher: cipher(engine, seed)?,
            other: cipher(reference(engine, Alg::Aes256Gcm), seed)?,
            nonces: NonceSource::new(NODE, EPOCH),
            before: 0,
            plain,
            records: Slots::new(count, bytes + OVERHEAD),
            refused: 0,
        })
    }

    fn wipe(&mut self) {
        self.before = self.nonces.issued();
        self.records.iter_mut().for_each(|record| record.fill(0));
    }

    fn count(&self) -> u64 {
        self.plain.iter().count() as u64
    }

    /// Whether every record has the next nonce, and the reference opens it to its message.
    fn all_sealed(&self) -> Result<(), String> {
        none_refused(self.refused)?;
        let nonces = NonceSource::after(NODE, EPOCH, self.before);
        for (i, (record, plain)) in self.records.iter().zip(self.plain.iter()).enumerate() {
            let nonce = nonces.next().map_err(|e| e.to_string())?;
            if record[..HEADER_LEN] != header(nonce).encode() {
                return Err(format!("record {i} does not begin with the header under the next nonce"));
            }
            let mut record = record.to_vec();
            match self.other.open_in_place(&mut record, &AAD) {
                Ok(opened) if opened == plain => {}
                Ok(_) => return Err(format!("record {i} holds another message")),
                Err(e) => return Err(format!("the reference does not open record {i}: {e}")),
            }
        }
        Ok(())
    }
}

struct Seals(Records);

/// `count` records sealed around messages of `bytes` bytes.
pub(in crate::measure) fn seals(
    engine: &'static dyn Engine,
    bytes: usize,
    count: usize,
    seed: u64,
) -> Result<Box<dyn Batch>, Error> {
    Ok(Box::new(Seals(Records::new(engine, bytes, count, seed)?)))
}

impl Pass for Seals {
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

    fn count(&self) -> u64 {
        self.0.count()
    }
}

impl Batch for Seals {
    fn check(&mut self) -> Result<(), String> {
        self.0.all_sealed()
    }
}

struct SealsMany {
    all: Records,
    batch: usize,
}

/// `count` records sealed around messages of `bytes` bytes, `batch` at once. The list of what to seal is made within
/// the timed pass: it borrows the buffers, and a writer makes it for every batch.
pub(in crate::measure) fn seals_many(
    engine: &'static dyn Engine,
    bytes: usize,
    batch: usize,
    count: usize,
    seed: u64,
) -> Result<Box<dyn Batch>, Error> {
    Ok(Box::new(SealsMany { all: Records::new(engine, bytes, count, seed)?, batch }))
}

impl Pass for SealsMany {
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
}

impl Batch for SealsMany {
    fn check(&mut self) -> Result<(), String> {
        self.all.all_sealed()
    }
}

struct Opens {
    all: Records,
    sealed: Slots,
    opened: Vec<bool>,
}

/// `count` authentic records of messages of `bytes` bytes, opened where they lie.
pub(in crate::measure) fn opens(
    engine: &'static dyn Engine,
    bytes: usize,
    count: usize,
    seed: u64,
) -> Result<Box<dyn Batch>, Error> {
    let all = Records::new(engine, bytes, count, seed)?;
    let mut sealed = Slots::new(count, bytes + OVERHEAD);
    for (plain, record) in all.plain.iter().zip(sealed.iter_mut()) {
        all.other.seal_into(&header(all.nonces.next()?), &AAD, plain, record)?;
    }
    Ok(Box::new(Opens { all, sealed, opened: vec![false; count] }))
}

impl Pass for Opens {
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

    fn count(&self) -> u64 {
        self.all.count()
    }
}

impl Batch for Opens {
    fn check(&mut self) -> Result<(), String> {
        if let Some(i) = self.opened.iter().position(|opened| !opened) {
            return Err(format!("record {i} was refused, or never opened"));
        }
        let bodies = self.all.records.iter().map(|record| &record[HEADER_LEN..record.len() - TAG_LEN]);
        all_opened("record", bodies, self.all.plain.iter())
    }

    fn refuse_forgery(&mut self) -> Result<(), String> {
        let Some(mut record) = self.sealed.iter().next().map(<[u8]>::to_vec) else { return Ok(()) };
        if let Some(last) = record.last_mut() {
            *last ^= 1;
        }
        let opened = self.all.cipher.open_in_place(&mut record, &AAD).map(|_| ());
        refused_as("record", opened, &envelope::Error::Integrity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{engines, find};
    use crate::measure::workload::testing::{Broken, Fault, pass};

    /// Three at once, and what is left.
    fn many(
        engine: &'static dyn Engine,
        bytes: usize,
        count: usize,
        seed: u64,
    ) -> Result<Box<dyn Batch>, Error> {
        seals_many(engine, bytes, 3, count, seed)
    }

    #[test]
    fn every_engine_seals_and_opens_records() {
        let mut seen = 0;
        for engine in engines().into_iter().filter(|e| e.available().is_ok()) {
            for bytes in [0, 1, 64, 1000] {
                for make in [seals, opens, many] {
                    let mut batch = make(engine, bytes, 4, 0).unwrap();
                    assert_eq!(batch.count(), 4);
                    assert_eq!(pass(&mut *batch), Ok(()), "{} {bytes}", engine.name());
                    assert_eq!(pass(&mut *batch), Ok(()), "{} {bytes}, again", engine.name());
                    seen += 1;
                }
            }
        }
        assert!(seen >= 8, "{seen}");
    }

    #[test]
    fn records_are_bound_to_the_header_of_an_encrypted_value() {
        let Aad::Storage { value_header, .. } = AAD else { panic!("{AAD:?}") };
        assert_eq!(value_header, &[2, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_wrong_engine_is_caught_by_its_records() {
        for fault in [Fault::DoesNothing, Fault::FlipsText, Fault::FlipsTag, Fault::Refuses] {
            for make in [seals, many] {
                assert!(pass(&mut *make(Broken::with(fault), 100, 2, 0).unwrap()).is_err(), "{fault:?}");
            }
        }
        for fault in [Fault::DoesNothing, Fault::FlipsText, Fault::Refuses] {
            assert!(pass(&mut *opens(Broken::with(fault), 100, 2, 0).unwrap()).is_err(), "{fault:?}");
        }
    }

    #[test]
    fn an_engine_that_opens_forged_records_is_caught() {
        let open = |engine| opens(engine, 100, 2, 0).unwrap().refuse_forgery();
        assert_eq!(open(find("sealmark").unwrap()), Ok(()));
        assert!(open(Broken::with(Fault::AcceptsAnything)).is_err_and(|why| why.contains("is opened")));
    }

    #[test]
    fn what_was_not_run_has_not_passed() {
        let engine = find("sealmark").unwrap();
        for make in [seals, opens, many] {
            let mut batch = make(engine, 10, 3, 0).unwrap();
            batch.reset();
            assert!(batch.check().is_err());
        }
    }
}
