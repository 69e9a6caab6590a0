//! Wraps one 32-byte key under another with AES-256-GCM: nonce (12 bytes, random), ciphertext (32), tag (16).
//!
//! The wrap binds the caller's AAD. An empty AAD binds nothing, so two wrapped keys can be swapped
//! undetected. Random nonces allow at most 2^32 wraps under one key (SP 800-38D, 8.3): use a wrapping key for
//! keys, not messages. Not here: the source of the wrapping key (`disk::read_key_file` reads one) and the
//! purpose of the wrapped key.

use std::fmt;
use std::ops::{Deref, DerefMut};

use zeroize::{Zeroize, Zeroizing};

use crate::aead::{self, Aead, Alg, NONCE_LEN, Nonce, TAG_LEN, Tag};
use crate::engine::{self, Engine};

/// Bytes of either key.
pub const KEY_LEN: usize = 32;
/// Bytes of a wrapped key.
pub const WRAPPED_LEN: usize = NONCE_LEN + KEY_LEN + TAG_LEN;

/// Why a key could not be wrapped or unwrapped. Reveals nothing about secrets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The wrapped key is not 60 bytes long, was wrapped under another key or with another AAD, or was
    /// altered.
    #[error(
        "the wrapped key does not open: it was wrapped under another key or for another use, or it is damaged"
    )]
    Unwrap,
    /// The system's random source failed.
    #[error("the system's random source failed: {0}; try again once it works")]
    Random(getrandom::Error),
    /// The engine refused.
    #[error("the engine refused: {0}")]
    Aead(#[from] aead::Error),
}

/// A plaintext key, wiped when dropped. The default is zeros, to be filled in.
///
/// It stays in one place on the heap. Moving it moves only the pointer, so a growing vector of keys leaves no
/// copies of them in the memory that it frees.
#[derive(Clone, Default)]
pub struct SecretKey(Box<Zeroizing<[u8; KEY_LEN]>>);

impl SecretKey {
    /// A key from the system's random source.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn random() -> Result<Self, Error> {
        let mut key = Self::default();
        getrandom::fill(&mut key[..]).map_err(Error::Random)?;
        Ok(key)
    }
}

impl Deref for SecretKey {
    type Target = [u8; KEY_LEN];

    fn deref(&self) -> &[u8; KEY_LEN] {
        &self.0
    }
}

impl DerefMut for SecretKey {
    fn deref_mut(&mut self) -> &mut [u8; KEY_LEN] {
        &mut self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// A key that wraps and unwraps keys, and does nothing else.
pub struct WrappingKey(Box<dyn Aead>);

impl WrappingKey {
    /// A wrapping key from these bytes, using the backend chosen for this CPU.
    ///
    /// # Errors
    /// [`Error::Aead`] if the key cannot be created on this CPU.
    pub fn new(key: &[u8; KEY_LEN]) -> Result<Self, Error> {
        Self::with_engine(engine::find("sealmark").expect("the engine `sealmark` always exists"), key)
    }

    /// A wrapping key from these bytes, using this engine.
    ///
    /// # Errors
    /// [`Error::Aead`] if the engine cannot create the key.
    pub fn with_engine(engine: &dyn Engine, key: &[u8; KEY_LEN]) -> Result<Self, Error> {
        Ok(Self(engine.key(Alg::Aes256Gcm, key)?))
    }

    /// Wraps a key under a random nonce, bound to `aad`.
    ///
    /// # Errors
    /// [`Error::Random`]; [`Error::Aead`] if the engine refuses.
    pub fn wrap(&self, aad: &[u8], key: &[u8; KEY_LEN]) -> Result<[u8; WRAPPED_LEN], Error> {
        let mut nonce = Nonce::default();
        getrandom::fill(&mut nonce).map_err(Error::Random)?;
        self.wrap_with(&nonce, aad, key)
    }

    /// Wraps a key under a nonce chosen by the caller, for published vectors. Using a nonce twice reveals the
    /// XOR of the two keys and permits forgeries.
    ///
    /// # Errors
    /// [`Error::Aead`] if the engine refuses.
    pub fn wrap_with(
        &self,
        nonce: &Nonce,
        aad: &[u8],
        key: &[u8; KEY_LEN],
    ) -> Result<[u8; WRAPPED_LEN], Error> {
        let mut wrapped = [0; WRAPPED_LEN];
        let (head, body) = wrapped.split_at_mut(NONCE_LEN);
        let (in_out, end) = body.split_at_mut(KEY_LEN);
        head.copy_from_slice(nonce);
        in_out.copy_from_slice(key);
        let mut tag = Tag::default();
        if let Err(error) = self.0.seal(nonce, aad, in_out, &mut tag) {
            in_out.zeroize();
            return Err(error.into());
        }
        end.copy_from_slice(&tag.0);
        Ok(wrapped)
    }

    /// Unwraps a key that was wrapped with this `aad`.
    ///
    /// # Errors
    /// [`Error::Unwrap`] in every case: wrong length, wrong wrapping key, wrong AAD or an altered byte.
    pub fn unwrap(&self, aad: &[u8], wrapped: &[u8]) -> Result<SecretKey, Error> {
        let wrapped: &[u8; WRAPPED_LEN] = wrapped.try_into().map_err(|_| Error::Unwrap)?;
        let (nonce, body) = wrapped.split_first_chunk::<NONCE_LEN>().ok_or(Error::Unwrap)?;
        let (ciphertext, tag) = body.split_last_chunk::<TAG_LEN>().ok_or(Error::Unwrap)?;
        let mut key = SecretKey::default();
        key.copy_from_slice(ciphertext);
        // A refused open may leave anything in `key`, which is wiped when dropped.
        self.0.open(nonce, aad, &mut key[..], &Tag(*tag)).map_err(|_| Error::Unwrap)?;
        Ok(key)
    }
}

impl fmt::Debug for WrappingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WrappingKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; KEY_LEN] = [7; KEY_LEN];

    fn wrapping(byte: u8) -> WrappingKey {
        WrappingKey::new(&[byte; KEY_LEN]).unwrap()
    }

    #[test]
    fn a_wrap_opens_only_under_its_key_and_aad_and_no_two_are_alike() {
        let wrapped = [0; 2].map(|_| wrapping(9).wrap(b"round 1", &KEY).unwrap());
        assert_ne!(wrapped[0], wrapped[1]);
        for wrapped in &wrapped {
            assert_eq!(*wrapping(9).unwrap(b"round 1", wrapped).unwrap(), KEY);
            assert_eq!(wrapping(9).unwrap(b"round 2", wrapped).err(), Some(Error::Unwrap));
            assert_eq!(wrapping(9).unwrap(b"", wrapped).err(), Some(Error::Unwrap));
            assert_eq!(wrapping(8).unwrap(b"round 1", wrapped).err(), Some(Error::Unwrap));
        }
    }

    #[test]
    fn every_altered_byte_and_every_other_length_is_refused() {
        let wrapped = wrapping(9).wrap(b"", &KEY).unwrap();
        for at in 0..WRAPPED_LEN {
            let mut altered = wrapped;
            altered[at] ^= 1;
            assert_eq!(wrapping(9).unwrap(b"", &altered).err(), Some(Error::Unwrap), "{at}");
            assert_eq!(wrapping(9).unwrap(b"", &wrapped[..at]).err(), Some(Error::Unwrap), "{at}");
        }
        let longer = [&wrapped[..], &[0]].concat();
        assert_eq!(wrapping(9).unwrap(b"", &longer).err(), Some(Error::Unwrap));
    }

    #[test]
    fn a_wrap_under_a_given_nonce_is_nonce_ciphertext_and_tag() {
        let nonce = [3; NONCE_LEN];
        let wrapped = wrapping(9).wrap_with(&nonce, b"aad", &KEY).unwrap();
        let aead = engine::find("sealmark").unwrap().key(Alg::Aes256Gcm, &[9; KEY_LEN]).unwrap();
        let (mut body, mut tag) = (KEY, Tag::default());
        aead.seal(&nonce, b"aad", &mut body, &mut tag).unwrap();
        assert_eq!(wrapped[..], [&nonce[..], &body, &tag.0].concat());
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", wrapping(9)), "WrappingKey(..)");
        assert_eq!(format!("{:?}", SecretKey::random().unwrap()), "SecretKey(..)");
    }
}
