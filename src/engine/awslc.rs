//! `aws-lc-rs`: AWS-LC, with AVX-512 kernels where the CPU has them.

use aws_lc_rs::aead::{self, Aad, LessSafeKey, UnboundKey};

use super::{Engine, version_of};
use crate::aead::{Aead, Alg, Error, Nonce, Tag};

/// The engine `aws-lc`.
#[derive(Clone, Copy, Debug)]
pub(super) struct AwsLc;

impl Engine for AwsLc {
    fn name(&self) -> &'static str {
        "aws-lc"
    }

    fn version(&self) -> String {
        version_of("aws-lc-rs", &["aws-lc-sys"])
    }

    /// These mask CPU features before AWS-LC selects its code.
    fn variables(&self) -> &[&str] {
        &["OPENSSL_ia32cap", "OPENSSL_armcap", "OPENSSL_ppccap"]
    }

    fn key(&self, alg: Alg, bytes: &[u8]) -> Result<Box<dyn Aead>, Error> {
        let algorithm = match alg {
            Alg::Aes128Gcm => &aead::AES_128_GCM,
            Alg::Aes192Gcm => &aead::AES_192_GCM,
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
            .open_in_place_separate_tag(nonce, Aad::from(aad), &tag.0, in_out)
            .map(drop)
            .map_err(|_| Error::NotAuthentic)
    }
}
