//! `ring`: assembly from an older BoringSSL, with a Rust interface.

use ring::aead::{self, Aad, LessSafeKey, UnboundKey};

use super::{Engine, Shape, version_of};
use crate::aead::{Aead, Alg, Error, Nonce, Tag};

/// The engine `ring`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ring;

impl Engine for Ring {
    fn name(&self) -> &'static str {
        "ring"
    }

    fn version(&self) -> String {
        version_of("ring", &[])
    }

    /// It has no AES-192 and accepts only 96-bit nonces.
    fn supports(&self, shape: Shape) -> bool {
        shape == Shape::usual(shape.alg) && shape.alg != Alg::Aes192Gcm
    }

    fn key(&self, alg: Alg, bytes: &[u8]) -> Result<Box<dyn Aead>, Error> {
        let algorithm = match alg {
            Alg::Aes128Gcm => &aead::AES_128_GCM,
            Alg::Aes192Gcm => return Err(Error::Unsupported),
            Alg::Aes256Gcm => &aead::AES_256_GCM,
        };
        let key = UnboundKey::new(algorithm, bytes).map_err(|_| Error::KeyLength)?;
        Ok(Box::new(Key(LessSafeKey::new(key))))
    }
}

struct Key(LessSafeKey);

impl Aead for Key {
    fn seal(&self, nonce: &Nonce, aad: &[u8], in_out: &mut [u8], tag: &mut Tag) -> Result<(), Error> {
        let nonce = aead::Nonce::assume_unique_for_key(*nonce);
        let made = self
            .0
            .seal_in_place_separate_tag(nonce, Aad::from(aad), in_out)
            .map_err(|_| Error::MessageTooLong)?;
        tag.0.copy_from_slice(made.as_ref());
        Ok(())
    }

    fn open(&self, nonce: &Nonce, aad: &[u8], in_out: &mut [u8], tag: &Tag) -> Result<(), Error> {
        let nonce = aead::Nonce::assume_unique_for_key(*nonce);
        self.0
            .open_in_place_separate_tag(nonce, Aad::from(aad), tag.0.into(), in_out, 0..)
            .map(drop)
            .map_err(|_| Error::NotAuthentic)
    }
}
