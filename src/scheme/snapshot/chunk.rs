//! The encryption of one chunk of the compatible stream (spec §1): AES-128-CBC, each chunk from the same
//! initialisation vector. It authenticates nothing.

use std::fmt;

use super::{Error, Material};
use crate::primitive::cbc::{Iv, Key};

/// The one reason why a chunk, or what the chunks add up to, is refused.
pub(super) const REFUSED: &str = "the chunks do not decrypt to the announced snapshot: they were altered or \
    cut short, or sealed under another key";

/// Encrypts and decrypts chunks.
pub struct ChunkCipher {
    key: Key,
    iv: Iv,
}

impl fmt::Debug for ChunkCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChunkCipher(..)")
    }
}

impl ChunkCipher {
    /// The cipher of this key and initialisation vector.
    pub fn new(material: &Material) -> Self {
        let key = Key::new(material.key()).expect("16 bytes are an AES key");
        Self { key, iv: *material.iv() }
    }

    /// Bytes of an encrypted chunk of `len` bytes of text.
    pub const fn encrypted_len(len: usize) -> usize {
        Key::padded_len(len)
    }

    /// Appends the encrypted chunk to `out`.
    pub fn encrypt(&self, text: &[u8], out: &mut Vec<u8>) {
        self.key.encrypt(&self.iv, text, out);
    }

    /// Decrypts a chunk in place and returns the length of its text.
    ///
    /// # Errors
    /// [`Error::Crypto`]; no text is left in `chunk`.
    pub fn decrypt(&self, chunk: &mut [u8]) -> Result<usize, Error> {
        self.key.decrypt(&self.iv, chunk).map_err(|_| Error::Crypto(REFUSED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cipher() -> ChunkCipher {
        ChunkCipher::new(&Material::parse(b"0123456789abcdef", b"fedcba9876543210").unwrap())
    }

    #[test]
    fn equal_chunks_have_equal_ciphertexts_and_debug_shows_no_key() {
        let (mut first, mut second) = (Vec::new(), Vec::new());
        cipher().encrypt(&[7; 40], &mut first);
        cipher().encrypt(&[7; 40], &mut second);
        assert_eq!(first, second);
        assert_eq!(first.len(), ChunkCipher::encrypted_len(40));
        assert_eq!(cipher().decrypt(&mut first).unwrap(), 40);
        assert_eq!(first[..40], [7; 40]);
        assert_eq!(format!("{:?}", cipher()), "ChunkCipher(..)");
    }

    #[test]
    fn a_flip_in_the_first_block_alters_and_one_in_the_padding_is_refused() {
        let mut chunk = Vec::new();
        cipher().encrypt(&[7; 40], &mut chunk);
        let mut first = chunk.clone();
        first[0] ^= 1;
        assert_eq!(cipher().decrypt(&mut first).unwrap(), 40, "nothing notices it");
        assert_ne!(first[..40], [7; 40]);
        // Byte 31 of the ciphertext decrypts into the last byte of the padding.
        chunk[31] ^= 1;
        let refused = cipher().decrypt(&mut chunk).unwrap_err();
        assert_eq!(refused.spec_name(), "Crypto");
        assert_eq!(chunk, [0; 48]);
    }

    /// The chance, counted: a flip in the last block gives a right padding once in about 256 times.
    #[test]
    fn a_flip_in_the_last_block_passes_about_once_in_256_times() {
        let (mut trials, mut passed) = (0, 0);
        for number in 0..100_u8 {
            let mut chunk = Vec::new();
            cipher().encrypt(&[number; 40], &mut chunk);
            for bit in 32 * 8..48 * 8 {
                let mut altered = chunk.clone();
                altered[bit / 8] ^= 1 << (bit % 8);
                trials += 1;
                passed += u32::from(cipher().decrypt(&mut altered).is_ok());
            }
        }
        assert!(trials == 12_800 && (25..=80).contains(&passed), "{passed} of {trials}");
    }
}
