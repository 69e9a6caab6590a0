//! AES-CBC (SP 800-38A, 6.2) with the padding of PKCS#7 (RFC 5652, 6.3), from the crates `aes` and `cbc`.
//!
//! It authenticates nothing: most altered ciphertexts decrypt to other text. The padding is checked here, in
//! constant time, and a refusal says nothing more than that. Not here: the choice of the initialisation
//! vector.

use std::fmt;

use aes::{Aes128, Aes192, Aes256};
use cbc::cipher::array::Array;
use cbc::cipher::{
    Block, BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, KeyInit,
    consts::U16,
};
use cbc::{Decryptor, Encryptor};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq, ConstantTimeGreater};
use zeroize::Zeroize;

use super::{CipherMode, Error, Function, Primitive};

/// Length of a block, and of an initialisation vector, in bytes.
pub const BLOCK_LEN: usize = 16;

/// An initialisation vector.
pub type Iv = [u8; BLOCK_LEN];

/// This file's row in [`PRIMITIVES`](super::PRIMITIVES).
pub const PRIMITIVE: Primitive = Primitive {
    name: "aes-cbc-pkcs5",
    krate: "cbc",
    function: Function::CipherMode(CipherMode { encrypt, decrypt }),
    vectors: &["wycheproof/aes-cbc-pkcs5"],
};

/// An expanded AES key, wiped when dropped.
pub struct Key(Cipher);

enum Cipher {
    Aes128(Aes128),
    Aes192(Aes192),
    Aes256(Aes256),
}

impl Key {
    /// Expands a key of 16, 24 or 32 bytes.
    ///
    /// # Errors
    /// [`Error::KeyLength`].
    pub fn new(bytes: &[u8]) -> Result<Self, Error> {
        let refused = |_| Error::KeyLength(bytes.len());
        let cipher = match bytes.len() {
            24 => Cipher::Aes192(Aes192::new_from_slice(bytes).map_err(refused)?),
            32 => Cipher::Aes256(Aes256::new_from_slice(bytes).map_err(refused)?),
            _ => Cipher::Aes128(Aes128::new_from_slice(bytes).map_err(refused)?),
        };
        Ok(Self(cipher))
    }

    /// The length of the ciphertext of a text of `len` bytes: the next multiple of the block above it.
    pub const fn padded_len(len: usize) -> usize {
        len / BLOCK_LEN * BLOCK_LEN + BLOCK_LEN
    }

    /// Appends the ciphertext of `text` to `out`.
    pub fn encrypt(&self, iv: &Iv, text: &[u8], out: &mut Vec<u8>) {
        let (start, padded) = (out.len(), Self::padded_len(text.len()));
        out.reserve(padded);
        out.extend_from_slice(text);
        let padding = padded - text.len();
        out.resize(start + padded, u8::try_from(padding).expect("the padding is at most one block"));
        let (blocks, _) = Array::slice_as_chunks_mut(&mut out[start..]);
        match &self.0 {
            Cipher::Aes128(key) => encrypt_blocks(key, iv, blocks),
            Cipher::Aes192(key) => encrypt_blocks(key, iv, blocks),
            Cipher::Aes256(key) => encrypt_blocks(key, iv, blocks),
        }
    }

    /// Decrypts in place and returns the length of the text at the start of `in_out`.
    ///
    /// # Errors
    /// [`Error::Ciphertext`] if `in_out` is empty or not whole blocks: it is then unchanged; or if the
    /// padding is wrong: it then holds zeros.
    pub fn decrypt(&self, iv: &Iv, in_out: &mut [u8]) -> Result<usize, Error> {
        let (blocks, rest) = Array::slice_as_chunks_mut(in_out);
        if blocks.is_empty() || !rest.is_empty() {
            return Err(Error::Ciphertext);
        }
        match &self.0 {
            Cipher::Aes128(key) => decrypt_blocks(key, iv, blocks),
            Cipher::Aes192(key) => decrypt_blocks(key, iv, blocks),
            Cipher::Aes256(key) => decrypt_blocks(key, iv, blocks),
        }
        let last = in_out.last_chunk().expect("there is a block");
        match text_in(last) {
            Some(len) => Ok(in_out.len() - BLOCK_LEN + len),
            None => {
                in_out.zeroize();
                Err(Error::Ciphertext)
            }
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

fn encrypt_blocks<C: BlockCipherEncrypt<BlockSize = U16>>(key: &C, iv: &Iv, blocks: &mut [Block<C>]) {
    Encryptor::inner_iv_init(key, &Array::from(*iv)).encrypt_blocks(blocks);
}

fn decrypt_blocks<C: BlockCipherDecrypt<BlockSize = U16>>(key: &C, iv: &Iv, blocks: &mut [Block<C>]) {
    Decryptor::inner_iv_init(key, &Array::from(*iv)).decrypt_blocks(blocks);
}

/// The number of bytes before the padding of the last block, if the padding is right. The time depends on
/// that one answer only.
fn text_in(last: &[u8; BLOCK_LEN]) -> Option<usize> {
    const LEN: u8 = 16;
    let padding = last[BLOCK_LEN - 1];
    let mut right = !padding.ct_eq(&0) & !padding.ct_gt(&LEN);
    for (i, byte) in last.iter().enumerate() {
        let from_end = LEN - u8::try_from(i).expect("a block has 16 bytes");
        let is_text = from_end.ct_gt(&padding);
        right &= Choice::conditional_select(&byte.ct_eq(&padding), &Choice::from(1), is_text);
    }
    bool::from(right).then(|| BLOCK_LEN - usize::from(padding))
}

/// [`Key::encrypt`] in one call, for published vectors.
fn encrypt(key: &[u8], iv: &Iv, text: &[u8]) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    Key::new(key)?.encrypt(iv, text, &mut out);
    Ok(out)
}

/// [`Key::decrypt`] in one call, for published vectors.
fn decrypt(key: &[u8], iv: &Iv, ciphertext: &[u8]) -> Result<Vec<u8>, Error> {
    let mut in_out = ciphertext.to_vec();
    let len = Key::new(key)?.decrypt(iv, &mut in_out)?;
    in_out.truncate(len);
    Ok(in_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_blocks_of_sp_800_38a_are_reproduced() {
        let key: [u8; 16] = hex::decode("2b7e151628aed2a6abf7158809cf4f3c").unwrap().try_into().unwrap();
        let iv: Iv = std::array::from_fn(|i| i as u8);
        let text = hex::decode("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51").unwrap();
        let expected = "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2";
        let sealed = encrypt(&key, &iv, &text).unwrap();
        assert_eq!(hex::encode(&sealed[..32]), expected);
        assert_eq!(sealed.len(), 48, "whole blocks grow by a block of padding");
        assert_eq!(decrypt(&key, &iv, &sealed).unwrap(), text);
    }

    #[test]
    fn every_length_returns_under_every_key_size_and_is_appended() {
        for key_len in [16, 24, 32] {
            let key = Key::new(&vec![7; key_len]).unwrap();
            for len in 0..=100 {
                let text: Vec<u8> = (0..len as u8).collect();
                let mut out = b"before".to_vec();
                key.encrypt(&[1; 16], &text, &mut out);
                assert_eq!((out.len(), &out[..6]), (6 + Key::padded_len(len), &b"before"[..]));
                let opened = key.decrypt(&[1; 16], &mut out[6..]).unwrap();
                assert_eq!(out[6..6 + opened], text, "{len}");
            }
        }
    }

    #[test]
    fn every_last_block_is_judged_as_the_definition_says() {
        // Each last byte, with the padding whole, with its first byte wrong, and with its second-last wrong.
        for padding in 0..=255_u8 {
            let mut block = [0xee; BLOCK_LEN];
            let whole = (1..=16).contains(&padding);
            let first = BLOCK_LEN - usize::from(padding).min(BLOCK_LEN);
            block[first..].fill(padding);
            block[BLOCK_LEN - 1] = padding;
            assert_eq!(text_in(&block), whole.then_some(first), "{padding}");
            if whole && padding > 1 {
                for at in [first, BLOCK_LEN - 2] {
                    let mut wrong = block;
                    wrong[at] ^= 0x80;
                    assert_eq!(text_in(&wrong), None, "{padding}, byte {at}");
                }
            }
        }
    }

    #[test]
    fn a_refused_padding_leaves_zeros_and_a_wrong_length_changes_nothing() {
        let key = Key::new(&[7; 16]).unwrap();
        let mut sealed = Vec::new();
        key.encrypt(&[1; 16], &[5; 16], &mut sealed);
        sealed[15] ^= 1;
        assert_eq!(key.decrypt(&[1; 16], &mut sealed), Err(Error::Ciphertext));
        assert_eq!(sealed, [0; 32]);
        for len in [0, 1, 15, 17] {
            let mut short = vec![9; len];
            assert_eq!(key.decrypt(&[1; 16], &mut short), Err(Error::Ciphertext), "{len}");
            assert_eq!(short, vec![9; len]);
        }
    }

    #[test]
    fn another_key_length_is_refused_and_debug_shows_no_key() {
        for len in [0, 15, 17, 31, 33] {
            assert_eq!(Key::new(&vec![7; len]).unwrap_err(), Error::KeyLength(len));
        }
        assert_eq!(format!("{:?}", Key::new(&[7; 16]).unwrap()), "Key(..)");
    }
}
