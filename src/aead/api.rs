//! The key type for applications, with its own `seal` and `open`, so that no trait needs to be imported.

use super::{Aead, Alg, Backend, Error, Message, Nonce, Tag};

/// A key, expanded for this CPU's fastest backend.
///
/// ```
/// use sealmark::aead::{Alg, Key, Tag};
///
/// let key = Key::new(Alg::Aes256Gcm, &[7; 32])?;
/// let (mut message, mut tag) = (*b"attack at dawn", Tag::default());
/// key.seal(&[1; 12], b"header", &mut message, &mut tag)?;
/// key.open(&[1; 12], b"header", &mut message, &tag)?;
/// assert_eq!(&message, b"attack at dawn");
/// # Ok::<(), sealmark::aead::Error>(())
/// ```
///
/// For batches and other IV lengths use the trait [`Aead`]. The round keys are wiped on drop.
pub struct Key {
    alg: Alg,
    key: Box<dyn Aead>,
}

impl Key {
    /// Expands a key of the algorithm's length.
    ///
    /// # Errors
    /// [`Error::KeyLength`].
    pub fn new(alg: Alg, bytes: &[u8]) -> Result<Self, Error> {
        Self::on(Backend::choose(), alg, bytes)
    }

    /// Expands a key for exactly this backend.
    ///
    /// # Errors
    /// [`Error::KeyLength`]; [`Error::CpuLacksFeature`].
    pub fn on(backend: &Backend, alg: Alg, bytes: &[u8]) -> Result<Self, Error> {
        Ok(Self { alg, key: backend.key(alg, bytes)? })
    }

    /// The algorithm.
    pub fn alg(&self) -> Alg {
        self.alg
    }

    /// Encrypts `in_out` in place and writes the tag over it and `aad`. Never use a nonce twice under one
    /// key.
    ///
    /// # Errors
    /// [`Error::MessageTooLong`], [`Error::AadTooLong`]; `in_out` is then untouched.
    #[inline]
    pub fn seal(&self, nonce: &Nonce, aad: &[u8], in_out: &mut [u8], tag: &mut Tag) -> Result<(), Error> {
        self.key.seal(nonce, aad, in_out, tag)
    }

    /// Checks `tag` over the ciphertext `in_out` and `aad`, and decrypts in place.
    ///
    /// # Errors
    /// [`Error::NotAuthentic`]: `in_out` then holds zeros. [`Error::MessageTooLong`], [`Error::AadTooLong`]:
    /// it is untouched.
    #[inline]
    pub fn open(&self, nonce: &Nonce, aad: &[u8], in_out: &mut [u8], tag: &Tag) -> Result<(), Error> {
        self.key.open(nonce, aad, in_out, tag)
    }
}

/// Shows the algorithm and nothing of the key.
impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Key").field("alg", &self.alg).finish_non_exhaustive()
    }
}

impl Aead for Key {
    fn seal(&self, nonce: &Nonce, aad: &[u8], in_out: &mut [u8], tag: &mut Tag) -> Result<(), Error> {
        self.key.seal(nonce, aad, in_out, tag)
    }

    fn open(&self, nonce: &Nonce, aad: &[u8], in_out: &mut [u8], tag: &Tag) -> Result<(), Error> {
        self.key.open(nonce, aad, in_out, tag)
    }

    fn wipes_refused(&self) -> bool {
        self.key.wipes_refused()
    }

    fn seal_iv(&self, iv: &[u8], aad: &[u8], in_out: &mut [u8], tag: &mut Tag) -> Result<(), Error> {
        self.key.seal_iv(iv, aad, in_out, tag)
    }

    fn open_iv(&self, iv: &[u8], aad: &[u8], in_out: &mut [u8], tag: &[u8]) -> Result<(), Error> {
        self.key.open_iv(iv, aad, in_out, tag)
    }

    fn open_short_tag(&self, iv: &[u8], aad: &[u8], in_out: &mut [u8], tag: &[u8]) -> Result<(), Error> {
        self.key.open_short_tag(iv, aad, in_out, tag)
    }

    fn seal_batch(&self, messages: &mut [Message<'_>]) -> Result<(), Error> {
        self.key.seal_batch(messages)
    }

    fn open_batch(&self, messages: &mut [Message<'_>], verdicts: &mut [Result<(), Error>]) {
        self.key.open_batch(messages, verdicts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aead::BACKENDS;

    #[test]
    fn every_backend_opens_what_a_key_seals_and_refuses_altered_messages() {
        for alg in Alg::ALL {
            let bytes = vec![7; alg.key_len()];
            let key = Key::new(alg, &bytes).unwrap();
            assert_eq!(key.alg(), alg);
            let (mut sealed, mut tag) = ([5; 100], Tag::default());
            key.seal(&[1; 12], b"header", &mut sealed, &mut tag).unwrap();
            for backend in BACKENDS.iter().filter(|backend| backend.available()) {
                let other = Key::on(backend, alg, &bytes).unwrap();
                let mut opened = sealed;
                other.open(&[1; 12], b"header", &mut opened, &tag).unwrap();
                assert_eq!(opened, [5; 100], "{}", backend.name);
                let mut forged = sealed;
                assert_eq!(other.open(&[1; 12], b"Header", &mut forged, &tag), Err(Error::NotAuthentic));
                assert_eq!(forged, [0; 100], "{}", backend.name);
            }
        }
    }

    #[test]
    fn a_key_of_another_length_is_refused() {
        for len in [0, 15, 17, 24, 32, 33] {
            assert_eq!(Key::new(Alg::Aes128Gcm, &vec![1; len]).map(drop), Err(Error::KeyLength), "{len}");
        }
    }

    #[test]
    fn a_key_is_not_printed() {
        let key = Key::new(Alg::Aes128Gcm, &[0x41; 16]).unwrap();
        assert_eq!(format!("{key:?}"), "Key { alg: Aes128Gcm, .. }");
    }

    #[test]
    fn a_key_forwards_every_call_of_the_trait() {
        let (key, inner) = (Key::new(Alg::Aes256Gcm, &[3; 32]), super::super::key(Alg::Aes256Gcm, &[3; 32]));
        let (key, inner): (Box<dyn Aead>, _) = (Box::new(key.unwrap()), inner.unwrap());
        let (mut a, mut b, mut tag_a, mut tag_b) = ([9; 40], [9; 40], Tag::default(), Tag::default());
        key.seal_iv(&[2; 16], b"aad", &mut a, &mut tag_a).unwrap();
        inner.seal_iv(&[2; 16], b"aad", &mut b, &mut tag_b).unwrap();
        assert_eq!((a, tag_a.0), (b, tag_b.0));
        key.open_iv(&[2; 16], b"aad", &mut a, &tag_a.0[..12]).unwrap();
        assert_eq!(key.open_iv(&[2; 16], b"aad", &mut b.clone(), &tag_b.0[..4]), Err(Error::TagLength));
        key.open_short_tag(&[2; 16], b"aad", &mut b, &tag_b.0[..4]).unwrap();
        assert_eq!((a, b), ([9; 40], [9; 40]));
        let mut batch = [Message { nonce: [1; 12], aad: b"", in_out: &mut a, tag: Tag::default() }];
        key.seal_batch(&mut batch).unwrap();
        let mut verdicts = [Err(Error::NotAuthentic)];
        inner.open_batch(&mut batch, &mut verdicts);
        assert_eq!(verdicts, [Ok(())]);
        key.seal_batch(&mut batch).unwrap();
        key.open_batch(&mut batch, &mut verdicts);
        assert_eq!((verdicts, a), ([Ok(())], [9; 40]));
    }
}
