//! Batches that make keys: the schedule, the powers of H, the allocation, and dropping it all again.

use std::hint::black_box;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::arena::drawn_from;
use super::reference::reference;
use super::{Batch, Error};
use crate::aead::{Aead, Alg, Tag};
use crate::engine::Engine;
use crate::timing::Pass;

struct Keys {
    engine: &'static dyn Engine,
    alg: Alg,
    bytes: Vec<Vec<u8>>,
    last: Option<Box<dyn Aead>>,
    refused: usize,
}

/// `count` keys made from as many different strings of bytes.
pub(super) fn keys(
    engine: &'static dyn Engine,
    alg: Alg,
    count: usize,
    seed: u64,
) -> Result<Box<dyn Batch>, Error> {
    let mut rng = ChaCha8Rng::seed_from_u64(drawn_from(count, seed));
    let mut bytes = vec![vec![0; alg.key_len()]; count];
    for key in &mut bytes {
        rng.fill_bytes(key);
    }
    Ok(Box::new(Keys { engine, alg, bytes, last: None, refused: 0 }))
}

impl Pass for Keys {
    fn reset(&mut self) {
        self.last = None;
    }

    fn run(&mut self) {
        for bytes in &self.bytes {
            match black_box(self.engine.key(self.alg, black_box(bytes))) {
                // The key before is dropped here, within the operation.
                Ok(key) => self.last = Some(key),
                Err(_) => self.refused += 1,
            }
        }
    }

    fn count(&self) -> u64 {
        self.bytes.len() as u64
    }
}

impl Batch for Keys {
    fn check(&mut self) -> Result<(), String> {
        if self.refused > 0 {
            return Err(format!("{} keys were refused", self.refused));
        }
        let (Some(key), Some(bytes)) = (&self.last, self.bytes.last()) else {
            return Err("no key was made".into());
        };
        let other = reference(self.engine, self.alg).key(self.alg, bytes).map_err(|e| e.to_string())?;
        let sealed = |key: &dyn Aead| {
            let (mut text, mut tag) = ([0x5a; 1000], Tag::default());
            key.seal(&[9; 12], b"header", &mut text, &mut tag).map_err(|e| e.to_string())?;
            Ok::<_, String>((text, tag.0))
        };
        if sealed(&**key)? == sealed(&*other)? {
            Ok(())
        } else {
            Err("the last key seals as another key would".into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::measure::testing::{Broken, Fault};

    #[test]
    fn keys_are_made_and_the_last_one_is_right() {
        let mut batch = keys(find("sealmark").unwrap(), Alg::Aes192Gcm, 7, 0).unwrap();
        assert_eq!(batch.count(), 7);
        assert!(batch.check().is_err(), "no key was made yet");
        batch.reset();
        batch.run();
        assert_eq!(batch.check(), Ok(()));
    }

    #[test]
    fn an_engine_whose_keys_are_wrong_is_caught() {
        let mut batch = keys(Broken::with(Fault::FlipsTag), Alg::Aes256Gcm, 2, 0).unwrap();
        batch.reset();
        batch.run();
        assert!(batch.check().is_err());
    }
}
