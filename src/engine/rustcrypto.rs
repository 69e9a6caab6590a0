//! RustCrypto's `aes-gcm`: portable Rust that uses AES-NI or ARMv8 intrinsics if it detects them at run time,
//! unless it was built with `--cfg aes_backend="soft" --cfg polyval_backend="soft"`.

use aes_gcm::aead::array::ArraySize;
use aes_gcm::aead::consts::{U1, U8, U12, U16, U32, U64, U128};
use aes_gcm::aes::cipher::{BlockCipherEncrypt, BlockSizeUser};
use aes_gcm::aes::{Aes128, Aes192, Aes256};
use aes_gcm::{AeadInOut, AesGcm, KeyInit, Nonce as Iv};

use zeroize::Zeroizing;

use super::{Engine, Residue, Shape, version_of};
use crate::aead::{Aead, Alg, Error, Nonce, Tag};

/// The engine `rustcrypto`.
#[derive(Clone, Copy, Debug)]
pub(super) struct RustCrypto;

impl Engine for RustCrypto {
    fn name(&self) -> &'static str {
        "rustcrypto"
    }

    fn version(&self) -> String {
        let soft = match (cfg!(aes_backend = "soft"), cfg!(polyval_backend = "soft")) {
            (true, true) => ", soft",
            (true, false) => ", soft AES",
            (false, true) => ", soft GHASH",
            (false, false) => "",
        };
        version_of("aes-gcm", &["aes", "ctr", "ghash", "polyval"]) + soft
    }

    /// In `aes-gcm` the IV length is a type parameter; these lengths are instantiated here.
    fn supports(&self, shape: Shape) -> bool {
        matches!(shape.iv_len, 1 | 8 | 12 | 16 | 32 | 64 | 128) && shape.tag_len == 16
    }

    /// It checks the tag before it decrypts.
    fn residue(&self) -> Residue {
        Residue::Ciphertext
    }

    fn key(&self, alg: Alg, bytes: &[u8]) -> Result<Box<dyn Aead>, Error> {
        Ok(match alg {
            Alg::Aes128Gcm => Box::new(Key::<Aes128>::new(bytes)?),
            Alg::Aes192Gcm => Box::new(Key::<Aes192>::new(bytes)?),
            Alg::Aes256Gcm => Box::new(Key::<Aes256>::new(bytes)?),
        })
    }
}

struct Key<C> {
    usual: AesGcm<C, U12>,
    /// The key's bytes, then zeros. A call with an unusual IV length expands the key again, so that other
    /// users do not pay for it.
    bytes: Zeroizing<[u8; 32]>,
}

/// The bounds that `aes-gcm` places on a block cipher.
trait Cipher: BlockSizeUser<BlockSize = U16> + BlockCipherEncrypt + KeyInit + Send + Sync {}

impl Cipher for Aes128 {}
impl Cipher for Aes192 {}
impl Cipher for Aes256 {}

impl<C: Cipher> Key<C> {
    fn new(bytes: &[u8]) -> Result<Self, Error> {
        let cipher = C::new_from_slice(bytes).map_err(|_| Error::KeyLength)?;
        let mut kept = Zeroizing::new([0; 32]);
        kept[..bytes.len()].copy_from_slice(bytes);
        Ok(Self { usual: AesGcm::from(cipher), bytes: kept })
    }

    fn expand<N: ArraySize>(&self) -> Result<AesGcm<C, N>, Error> {
        let cipher = C::new_from_slice(&self.bytes[..C::key_size()]).map_err(|_| Error::KeyLength)?;
        Ok(AesGcm::from(cipher))
    }

    fn seal_with<N: ArraySize>(
        &self,
        iv: &[u8],
        aad: &[u8],
        in_out: &mut [u8],
        tag: &mut Tag,
    ) -> Result<(), Error> {
        let iv = <&Iv<N>>::try_from(iv).map_err(|_| Error::Unsupported)?;
        let key = self.expand::<N>()?;
        let made = key.encrypt_inout_detached(iv, aad, in_out.into()).map_err(|_| Error::MessageTooLong)?;
        tag.0.copy_from_slice(&made);
        Ok(())
    }

    fn open_with<N: ArraySize>(
        &self,
        iv: &[u8],
        aad: &[u8],
        in_out: &mut [u8],
        tag: &[u8],
    ) -> Result<(), Error> {
        let iv = <&Iv<N>>::try_from(iv).map_err(|_| Error::Unsupported)?;
        let tag = tag.try_into().map_err(|_| Error::Unsupported)?;
        let key = self.expand::<N>()?;
        key.decrypt_inout_detached(iv, aad, in_out.into(), tag).map_err(|_| Error::NotAuthentic)
    }
}

impl<C: Cipher> Aead for Key<C> {
    fn seal(&self, nonce: &Nonce, aad: &[u8], in_out: &mut [u8], tag: &mut Tag) -> Result<(), Error> {
        let made = self
            .usual
            .encrypt_inout_detached(nonce.into(), aad, in_out.into())
            .map_err(|_| Error::MessageTooLong)?;
        tag.0.copy_from_slice(&made);
        Ok(())
    }

    fn open(&self, nonce: &Nonce, aad: &[u8], in_out: &mut [u8], tag: &Tag) -> Result<(), Error> {
        self.usual
            .decrypt_inout_detached(nonce.into(), aad, in_out.into(), (&tag.0).into())
            .map_err(|_| Error::NotAuthentic)
    }

    fn seal_iv(&self, iv: &[u8], aad: &[u8], in_out: &mut [u8], tag: &mut Tag) -> Result<(), Error> {
        match iv.len() {
            1 => self.seal_with::<U1>(iv, aad, in_out, tag),
            8 => self.seal_with::<U8>(iv, aad, in_out, tag),
            12 => self.seal_with::<U12>(iv, aad, in_out, tag),
            16 => self.seal_with::<U16>(iv, aad, in_out, tag),
            32 => self.seal_with::<U32>(iv, aad, in_out, tag),
            64 => self.seal_with::<U64>(iv, aad, in_out, tag),
            128 => self.seal_with::<U128>(iv, aad, in_out, tag),
            _ => Err(Error::Unsupported),
        }
    }

    fn open_iv(&self, iv: &[u8], aad: &[u8], in_out: &mut [u8], tag: &[u8]) -> Result<(), Error> {
        match iv.len() {
            1 => self.open_with::<U1>(iv, aad, in_out, tag),
            8 => self.open_with::<U8>(iv, aad, in_out, tag),
            12 => self.open_with::<U12>(iv, aad, in_out, tag),
            16 => self.open_with::<U16>(iv, aad, in_out, tag),
            32 => self.open_with::<U32>(iv, aad, in_out, tag),
            64 => self.open_with::<U64>(iv, aad, in_out, tag),
            128 => self.open_with::<U128>(iv, aad, in_out, tag),
            _ => Err(Error::Unsupported),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_keeps_one_schedule() {
        let usual = size_of::<AesGcm<Aes256, U12>>();
        assert!(size_of::<Key<Aes256>>() <= usual + 32 + align_of::<Key<Aes256>>());
    }

    #[test]
    fn every_iv_length_makes_the_same_key() {
        let mut seen = 0;
        for alg in Alg::ALL {
            let key = RustCrypto.key(alg, &vec![7; alg.key_len()]).unwrap();
            let own = super::super::find("sealmark").unwrap().key(alg, &vec![7; alg.key_len()]).unwrap();
            for len in [1, 8, 12, 16, 32, 64, 128] {
                let iv = vec![9; len];
                let (mut text, mut tag) = ([3; 50], Tag::default());
                key.seal_iv(&iv, b"header", &mut text, &mut tag).unwrap();
                let (mut expected, mut expected_tag) = ([3; 50], Tag::default());
                own.seal_iv(&iv, b"header", &mut expected, &mut expected_tag).unwrap();
                assert_eq!((text, tag.0), (expected, expected_tag.0), "{} {len}", alg.name());
                key.open_iv(&iv, b"header", &mut text, &tag.0).unwrap();
                assert_eq!(text, [3; 50]);
                tag.0[0] ^= 1;
                assert_eq!(key.open_iv(&iv, b"header", &mut expected, &tag.0), Err(Error::NotAuthentic));
                seen += 1;
            }
        }
        assert_eq!(seen, 21);
    }
}
