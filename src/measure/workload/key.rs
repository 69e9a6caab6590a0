//! `key`: key setup: the schedule, the powers of H, the allocation, and the drop.
//!
//! Each operation makes one key and drops one: the key that the previous pass stored in the same place. A
//! pass therefore leaves every key that it made, and `check` compares them all. The key bytes are new in
//! every pass, so a key left over from an earlier pass does not match. If each operation dropped the key of
//! the operation before it, only the last key of a pass would be left to compare.

use std::hint::black_box;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::aead::{Aead, Alg, Tag};
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::arena::content_seed;
use crate::measure::workload::fixture::reference::reference;
use crate::measure::workload::kind::{Kind, Subject};
use crate::timing::Timed;

/// Makes a key object, and drops one of the previous pass.
pub(super) struct MakeKey;

impl Kind for MakeKey {
    fn name(&self) -> &'static str {
        "key"
    }

    fn subject(&self) -> Subject {
        Subject::Cipher
    }

    fn prepare(
        &self,
        workload: &Workload,
        engine: &'static dyn Engine,
        count: usize,
    ) -> Result<Box<dyn Timed>, Error> {
        keys(engine, workload.needs(), count, workload.seed)
    }

    fn default_count(&self, _: &Workload) -> usize {
        64
    }
}

struct Keys {
    engine: &'static dyn Engine,
    alg: Alg,
    bytes: Vec<Vec<u8>>,
    made: Vec<Option<Box<dyn Aead>>>,
    /// The number of prepared passes.
    passes: u64,
}

/// `count` keys, each from different bytes.
fn keys(engine: &'static dyn Engine, alg: Alg, count: usize, seed: u64) -> Result<Box<dyn Timed>, Error> {
    let mut rng = ChaCha8Rng::seed_from_u64(content_seed(count, seed));
    let mut bytes = vec![vec![0; alg.key_len()]; count];
    for key in &mut bytes {
        rng.fill_bytes(key);
    }
    let made = bytes.iter().map(|_| None).collect();
    Ok(Box::new(Keys { engine, alg, bytes, made, passes: 0 }))
}

/// Gives each key unique bytes, which begin with its pass and its place.
pub(in crate::measure) fn renew(keys: &mut [Vec<u8>], pass: u64) {
    for (place, bytes) in (0_u32..).zip(keys) {
        bytes[..8].copy_from_slice(&pass.to_be_bytes());
        bytes[8..12].copy_from_slice(&place.to_be_bytes());
    }
}

impl Timed for Keys {
    fn reset(&mut self) {
        self.passes += 1;
        renew(&mut self.bytes, self.passes);
    }

    fn run(&mut self) {
        for (bytes, made) in self.bytes.iter().zip(&mut self.made) {
            // The key that was here is dropped now, as part of the operation.
            *made = black_box(self.engine.key(self.alg, black_box(bytes))).ok();
        }
    }

    fn count(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        let reference = reference(self.engine, self.alg);
        let sealed = |key: &dyn Aead| {
            let (mut text, mut tag) = ([0x5a; 64], Tag::default());
            key.seal(&[9; 12], b"header", &mut text, &mut tag).map_err(|e| e.to_string())?;
            Ok::<_, String>((text, tag.0))
        };
        for (i, (bytes, made)) in self.bytes.iter().zip(&self.made).enumerate() {
            let made = made.as_ref().ok_or_else(|| format!("key {i} was refused, or never made"))?;
            let other = reference.key(self.alg, bytes).map_err(|e| e.to_string())?;
            if sealed(&**made)? != sealed(&*other)? {
                return Err(format!("key {i} seals as another key would"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::measure::workload::testing::{Broken, Fault};

    #[test]
    fn every_key_is_made_and_right() {
        let mut batch = keys(find("sealmark").unwrap(), Alg::Aes192Gcm, 7, 0).unwrap();
        assert_eq!(batch.count(), 7);
        assert!(batch.check().is_err_and(|why| why.contains("never made")), "no key was made yet");
        for _ in 0..2 {
            batch.reset();
            assert!(
                batch.check().is_err_and(|why| why.starts_with("key 0 ")),
                "a key of an earlier pass does not count"
            );
            batch.run();
            assert_eq!(batch.check(), Ok(()));
        }
    }

    #[test]
    fn an_engine_whose_keys_are_wrong_is_caught() {
        let mut batch = keys(Broken::with(Fault::FlipsTag), Alg::Aes256Gcm, 2, 0).unwrap();
        batch.reset();
        batch.run();
        assert!(batch.check().is_err_and(|why| why.contains("as another key")));
    }
}
