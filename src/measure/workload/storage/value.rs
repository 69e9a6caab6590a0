//! Batches of stored values: the storage scheme's whole write path and read path around one record.
//!
//! Writing checks the user key, asks the gate, takes a nonce, counts it, finds the key, composes key and AAD, and seals
//! with the value header before it. Reading is what a reader does with an authentic value; it allocates its result.

use std::hint::black_box;
use std::sync::Arc;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::aead::Alg;
use crate::engine::Engine;
use crate::envelope::aad::pebble_key;
use crate::envelope::{Cipher, Keystore, NonceSource};
use crate::measure::Error;
use crate::measure::workload::fixture::arena::Slots;
use crate::measure::workload::fixture::compare::{all_opened, none_refused, refused_as};
use crate::measure::workload::fixture::reference::reference;
use crate::scheme::storage::SEALED_OVERHEAD;
use crate::scheme::storage::value::read;
use crate::scheme::storage::{Budget, Clear, Form, Origin, Sealer, Sidecar, StateCache};
use crate::timing::Timed;

const KEY_ID: u32 = 7;
const USER_KEY: &[u8; 16] = b"user/0123456789a";
const COMMIT_TS: u64 = 1 << 40;

fn cipher(engine: &'static dyn Engine) -> Result<Cipher, Error> {
    let keystore = Keystore::new(engine);
    keystore.set(KEY_ID, &[0x42; 32])?;
    Ok(Arc::new(keystore).into())
}

struct Values {
    sealer: Sealer,
    other: Cipher,
    plain: Slots,
    stored: Slots,
    refused: usize,
}

impl Values {
    fn new(engine: &'static dyn Engine, bytes: usize, count: usize) -> Result<Self, Error> {
        let mut rng = ChaCha8Rng::seed_from_u64(bytes as u64);
        let mut plain = Slots::new(count, bytes);
        plain.iter_mut().for_each(|slot| rng.fill_bytes(slot));
        let cache = Arc::new(StateCache::of(&Sidecar {
            active_storage: KEY_ID,
            storage_envelope_active: true,
            ..Sidecar::default()
        }));
        let nonces = Arc::new(NonceSource::new(1, 1));
        Ok(Self {
            sealer: Sealer::new(cipher(engine)?, nonces, cache, Arc::<Budget>::default()),
            other: cipher(reference(engine, Alg::Aes256Gcm))?,
            plain,
            stored: Slots::new(count, bytes + SEALED_OVERHEAD),
            refused: 0,
        })
    }

    fn count(&self) -> u64 {
        self.plain.iter().count() as u64
    }
}

struct Seals(Values);

/// `count` values of `bytes` bytes, written as a registered node writes them.
pub(in crate::measure) fn seals(
    engine: &'static dyn Engine,
    bytes: usize,
    count: usize,
) -> Result<Box<dyn Timed>, Error> {
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

struct Opens {
    all: Values,
    key: Vec<u8>,
    read: Vec<Vec<u8>>,
}

/// `count` authentic values of `bytes` bytes, read.
pub(in crate::measure) fn opens(
    engine: &'static dyn Engine,
    bytes: usize,
    count: usize,
) -> Result<Box<dyn Timed>, Error> {
    let mut all = Values::new(engine, bytes, count)?;
    let writer = Values::new(reference(engine, Alg::Aes256Gcm), bytes, 1)?.sealer;
    for (plain, stored) in all.plain.iter().zip(all.stored.iter_mut()) {
        let form = Form::Sealed(std::num::NonZeroU32::new(KEY_ID).expect("it is not 0"));
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
        let Some(mut stored) = self.all.stored.iter().next().map(<[u8]>::to_vec) else { return Ok(()) };
        if let Some(last) = stored.last_mut() {
            *last ^= 1;
        }
        let opened = read(Some(self.all.sealer.cipher()), Clear::Refused, &self.key, &stored);
        refused_as("value", opened.map(drop).map_err(|error| error.spec_name()), &"ErrEncryptedReadIntegrity")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{engines, find};
    use crate::measure::workload::testing::{Broken, Fault, pass};

    #[test]
    fn every_engine_writes_and_reads_values() {
        let mut seen = 0;
        for engine in engines().into_iter().filter(|e| e.available().is_ok()) {
            for (bytes, make) in
                [0, 1, 1000].into_iter().flat_map(|bytes| [(bytes, seals as Make), (bytes, opens)])
            {
                let mut batch = make(engine, bytes, 3).unwrap();
                assert_eq!(batch.count(), 3);
                assert_eq!(pass(&mut *batch), Ok(()), "{} {bytes}", engine.name());
                assert_eq!(pass(&mut *batch), Ok(()), "{} {bytes}, again", engine.name());
                seen += 1;
            }
        }
        assert!(seen >= 6, "{seen}");
    }

    type Make = fn(&'static dyn Engine, usize, usize) -> Result<Box<dyn Timed>, Error>;

    #[test]
    fn a_wrong_engine_and_what_was_not_run_are_caught() {
        for fault in [Fault::DoesNothing, Fault::FlipsText, Fault::Refuses] {
            for make in [seals as Make, opens] {
                assert!(pass(&mut *make(Broken::with(fault), 100, 2).unwrap()).is_err(), "{fault:?}");
            }
        }
        for make in [seals as Make, opens] {
            let mut batch = make(find("sealmark").unwrap(), 10, 3).unwrap();
            batch.reset();
            assert!(batch.check().is_err());
        }
        let open = |engine| opens(engine, 100, 2).unwrap().refuse_forgery();
        assert_eq!(open(find("sealmark").unwrap()), Ok(()));
        assert!(open(Broken::with(Fault::AcceptsAnything)).is_err_and(|why| why.contains("is opened")));
    }
}
