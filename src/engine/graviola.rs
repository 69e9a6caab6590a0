//! `graviola`: Rust intrinsics and verified assembly. It panics on a CPU without the features it needs, so
//! this engine checks for them first.

use graviola::aead::AesGcm;

use super::{Engine, Shape, version_of};
use crate::aead::{Aead, Alg, Error, Nonce, Tag};

/// The engine `graviola`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Graviola;

impl Engine for Graviola {
    fn name(&self) -> &'static str {
        "graviola"
    }

    fn version(&self) -> String {
        version_of("graviola", &[])
    }

    fn available(&self) -> Result<(), String> {
        #[cfg(target_arch = "x86_64")]
        macro_rules! missing {
            ($($feature:tt)+) => {
                [$(($feature, std::arch::is_x86_feature_detected!($feature))),+]
            };
        }
        #[cfg(target_arch = "x86_64")]
        let needs = missing!("aes" "pclmulqdq" "bmi1" "adx" "avx" "avx2");
        #[cfg(target_arch = "aarch64")]
        let needs = [
            ("neon", std::arch::is_aarch64_feature_detected!("neon")),
            ("aes", std::arch::is_aarch64_feature_detected!("aes")),
            ("pmull", std::arch::is_aarch64_feature_detected!("pmull")),
            ("sha2", std::arch::is_aarch64_feature_detected!("sha2")),
        ];
        let missing: Vec<_> = needs.iter().filter(|(_, has)| !has).map(|(name, _)| *name).collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(format!("graviola needs features that this CPU lacks: {}", missing.join(", ")))
        }
    }

    /// It has no AES-192 and accepts only 96-bit nonces.
    fn supports(&self, shape: Shape) -> bool {
        shape == Shape::usual(shape.alg) && shape.alg != Alg::Aes192Gcm
    }

    /// A debug build of graviola reads these, one per CPU feature.
    fn variables(&self) -> &[&str] {
        if cfg!(debug_assertions) { &["GRAVIOLA_CPU_DISABLE_*"] } else { &[] }
    }

    fn key(&self, alg: Alg, bytes: &[u8]) -> Result<Box<dyn Aead>, Error> {
        if alg == Alg::Aes192Gcm {
            return Err(Error::Unsupported);
        }
        if bytes.len() != alg.key_len() {
            return Err(Error::KeyLength);
        }
        self.available().map_err(|_| Error::CpuLacksFeature)?;
        Ok(Box::new(Key(AesGcm::new(bytes))))
    }
}

struct Key(AesGcm);

impl Aead for Key {
    fn seal(&self, nonce: &Nonce, aad: &[u8], in_out: &mut [u8], tag: &mut Tag) -> Result<(), Error> {
        self.0.encrypt(nonce, aad, in_out, &mut tag.0);
        Ok(())
    }

    fn open(&self, nonce: &Nonce, aad: &[u8], in_out: &mut [u8], tag: &Tag) -> Result<(), Error> {
        self.0.decrypt(nonce, aad, in_out, &tag.0).map_err(|_| Error::NotAuthentic)
    }
}
