//! The traits of the crate `aead` 0.6, so that code written for RustCrypto's ciphers can use these kernels
//! (feature `aead-traits`). There is one type per key size, because the traits encode the key length in the
//! type.
//!
//! ```
//! use aead::{AeadInOut, KeyInit};
//! use sealmark::aead::traits::Aes256Gcm;
//!
//! let cipher = Aes256Gcm::new(&[7; 32].into());
//! let mut message = *b"attack at dawn";
//! let tag = cipher.encrypt_inout_detached(&[1; 12].into(), b"header", message.as_mut_slice().into())?;
//! cipher.decrypt_inout_detached(&[1; 12].into(), b"header", message.as_mut_slice().into(), &tag)?;
//! assert_eq!(&message, b"attack at dawn");
//! # Ok::<(), aead::Error>(())
//! ```
//!
//! If input and output are separate buffers, the message is copied first, because the kernels work in place.
//! A message that is not authentic leaves zeros in the output. Not here: other nonce and tag lengths.

use ::aead::array::Array;
use ::aead::consts::{U12, U16, U24, U32};
use ::aead::inout::InOutBuf;
use ::aead::{AeadCore, AeadInOut, Error, KeyInit, KeySizeUser, TagPosition};

use super::gcm::check_lengths;
use super::{Alg, Key, Tag};

macro_rules! cipher {
    ($name:ident, $key_size:ty, $bits:literal) => {
        #[doc = concat!("AES-", $bits, "-GCM with 96-bit nonces and 128-bit tags, on the fastest backend \
            here.")]
        #[derive(Debug)]
        pub struct $name(Key);

        impl KeySizeUser for $name {
            type KeySize = $key_size;
        }

        impl KeyInit for $name {
            fn new(key: &::aead::Key<Self>) -> Self {
                Self(Key::new(Alg::$name, key).expect("the type fixes the key's length"))
            }
        }

        impl AeadCore for $name {
            type NonceSize = U12;
            type TagSize = U16;
            const TAG_POSITION: TagPosition = TagPosition::Postfix;
        }

        impl AeadInOut for $name {
            fn encrypt_inout_detached(
                &self,
                nonce: &::aead::Nonce<Self>,
                associated_data: &[u8],
                buffer: InOutBuf<'_, '_, u8>,
            ) -> Result<::aead::Tag<Self>, Error> {
                // Checked before the copy, so that a refused message never reaches the output in the clear.
                check_lengths(associated_data, buffer.get_in()).map_err(|_| Error)?;
                let (out, mut tag) = (buffer.into_out_with_copied_in(), Tag::default());
                self.0.seal(&nonce.0, associated_data, out, &mut tag).map_err(|_| Error)?;
                Ok(Array(tag.0))
            }

            fn decrypt_inout_detached(
                &self,
                nonce: &::aead::Nonce<Self>,
                associated_data: &[u8],
                buffer: InOutBuf<'_, '_, u8>,
                tag: &::aead::Tag<Self>,
            ) -> Result<(), Error> {
                check_lengths(associated_data, buffer.get_in()).map_err(|_| Error)?;
                let out = buffer.into_out_with_copied_in();
                self.0.open(&nonce.0, associated_data, out, &Tag(tag.0)).map_err(|_| Error)
            }
        }
    };
}

cipher!(Aes128Gcm, U16, "128");
cipher!(Aes192Gcm, U24, "192");
cipher!(Aes256Gcm, U32, "256");
