//! OpenSSL's EVP interface: the system's library (feature `openssl`) or one built from source
//! (`openssl-vendored`). A key keeps one context per direction and sets a new IV for each message, as a
//! careful user would; mutexes make the contexts shareable.

use std::sync::{Mutex, PoisonError};

use openssl::cipher::{Cipher, CipherRef};
use openssl::cipher_ctx::CipherCtx;
use openssl::error::ErrorStack;

use super::{Engine, Residue, Shape};
use crate::aead::{Aead, Alg, Error, NONCE_LEN, Nonce, Tag};

/// The engine `openssl`.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenSsl;

impl Engine for OpenSsl {
    fn name(&self) -> &'static str {
        "openssl"
    }

    fn version(&self) -> String {
        openssl::version::version().into()
    }

    fn supports(&self, shape: Shape) -> bool {
        (1..=128).contains(&shape.iv_len) && (4..=16).contains(&shape.tag_len)
    }

    /// EVP releases the plaintext before it checks the tag.
    fn residue(&self) -> Residue {
        Residue::Plaintext
    }

    /// Some mask CPU features before OpenSSL selects its code; its configuration may select another provider,
    /// and the loader another library.
    fn variables(&self) -> &[&str] {
        &[
            "OPENSSL_ia32cap",
            "OPENSSL_armcap",
            "OPENSSL_ppccap",
            "OPENSSL_s390xcap",
            "OPENSSL_riscvcap",
            "OPENSSL_CONF*",
            "OPENSSL_MODULES",
            "OPENSSL_ENGINES",
            "LD_LIBRARY_PATH",
            "DYLD_LIBRARY_PATH",
        ]
    }

    fn key(&self, alg: Alg, bytes: &[u8]) -> Result<Box<dyn Aead>, Error> {
        if bytes.len() != alg.key_len() {
            return Err(Error::KeyLength);
        }
        let cipher = match alg {
            Alg::Aes128Gcm => Cipher::aes_128_gcm(),
            Alg::Aes192Gcm => Cipher::aes_192_gcm(),
            Alg::Aes256Gcm => Cipher::aes_256_gcm(),
        };
        Key::new(cipher, bytes).map(|key| Box::new(key) as Box<dyn Aead>).map_err(|_| Error::Unsupported)
    }
}

struct Key {
    sealing: Mutex<CipherCtx>,
    opening: Mutex<CipherCtx>,
}

impl Key {
    fn new(cipher: &CipherRef, bytes: &[u8]) -> Result<Self, ErrorStack> {
        let (mut sealing, mut opening) = (CipherCtx::new()?, CipherCtx::new()?);
        sealing.encrypt_init(Some(cipher), Some(bytes), None)?;
        opening.decrypt_init(Some(cipher), Some(bytes), None)?;
        Ok(Self { sealing: Mutex::new(sealing), opening: Mutex::new(opening) })
    }

    fn try_seal(&self, iv: &[u8], aad: &[u8], in_out: &mut [u8], tag: &mut Tag) -> Result<(), ErrorStack> {
        let mut ctx = self.sealing.lock().unwrap_or_else(PoisonError::into_inner);
        if ctx.iv_length() != iv.len() {
            ctx.set_iv_length(iv.len())?;
        }
        ctx.encrypt_init(None, None, Some(iv))?;
        feed(&mut ctx, aad, in_out)?;
        ctx.cipher_final(&mut [0; 16])?;
        ctx.tag(&mut tag.0)
    }

    fn try_open(&self, iv: &[u8], aad: &[u8], in_out: &mut [u8], tag: &[u8]) -> Result<(), ErrorStack> {
        let mut ctx = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if ctx.iv_length() != iv.len() {
            ctx.set_iv_length(iv.len())?;
        }
        ctx.decrypt_init(None, None, Some(iv))?;
        ctx.set_tag(tag)?;
        feed(&mut ctx, aad, in_out)?;
        ctx.cipher_final(&mut [0; 16]).map(drop)
    }
}

fn feed(ctx: &mut CipherCtx, aad: &[u8], in_out: &mut [u8]) -> Result<(), ErrorStack> {
    if !aad.is_empty() {
        ctx.cipher_update(aad, None)?;
    }
    if !in_out.is_empty() {
        ctx.cipher_update_inplace(in_out, in_out.len())?;
    }
    Ok(())
}

impl Aead for Key {
    fn seal(&self, nonce: &Nonce, aad: &[u8], in_out: &mut [u8], tag: &mut Tag) -> Result<(), Error> {
        self.seal_iv(nonce, aad, in_out, tag)
    }

    fn open(&self, nonce: &Nonce, aad: &[u8], in_out: &mut [u8], tag: &Tag) -> Result<(), Error> {
        self.try_open(nonce, aad, in_out, &tag.0).map_err(|_| Error::NotAuthentic)
    }

    fn seal_iv(&self, iv: &[u8], aad: &[u8], in_out: &mut [u8], tag: &mut Tag) -> Result<(), Error> {
        if iv.is_empty() {
            return Err(Error::IvLength);
        }
        self.try_seal(iv, aad, in_out, tag).map_err(|_| Error::Unsupported)
    }

    fn open_iv(&self, iv: &[u8], aad: &[u8], in_out: &mut [u8], tag: &[u8]) -> Result<(), Error> {
        if !(NONCE_LEN..=16).contains(&tag.len()) {
            return Err(Error::TagLength);
        }
        self.open_short_tag(iv, aad, in_out, tag)
    }

    fn open_short_tag(&self, iv: &[u8], aad: &[u8], in_out: &mut [u8], tag: &[u8]) -> Result<(), Error> {
        if iv.is_empty() {
            return Err(Error::IvLength);
        }
        self.try_open(iv, aad, in_out, tag).map_err(|_| Error::NotAuthentic)
    }
}
