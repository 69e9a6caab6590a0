//! AES-GCM kernels, one for each kind of CPU, behind one trait.
//!
//! Applications use [`Key`]. The code follows NIST SP 800-38D (GCM) and FIPS 197 (AES). The algorithm is
//! written once over `Lanes`; each file in `arch/` supplies the few vector operations of one kind of CPU and
//! a row in [`BACKENDS`]. The CPU's features are checked once, when a key is created; holding the key proves
//! that the instructions exist. [`how`] explains how a kernel works and what each part of it gains. Not here:
//! GMAC as a call of its own, GCM-SIV, streaming over several calls.

#![expect(unsafe_code, reason = "floor 2: vector instructions, and memory reached through pointers")]

mod api;
mod arch;
#[cfg_attr(
    not(target_arch = "x86_64"),
    expect(dead_code, reason = "backends with many lanes are x86-64 only")
)]
mod batch;
mod block;
mod bulk;
mod edge;
mod gcm;
mod interleave;
mod kernel;
mod key;
mod lanes;
mod pass;
mod probe;
mod round_cache;
#[cfg(feature = "aead-traits")]
pub mod traits;

pub mod how {
    #![doc = include_str!("how.md")]
}

pub use api::Key;
pub use arch::BACKENDS;
pub use probe::{Probe, Probed};
use zeroize::optimization_barrier;

/// Bytes in a tag, before any truncation.
pub const TAG_LEN: usize = 16;
/// Bytes in the nonce of every call except the `_iv` ones.
pub const NONCE_LEN: usize = 12;
/// The longest message in bytes: 2^39 - 256 bits (SP 800-38D, 5.2.1.1).
pub const MAX_MESSAGE_LEN: u64 = (1 << 36) - 32;
/// The longest additional data in bytes: 2^64 - 1 bits, rounded down (SP 800-38D, 5.2.1.1).
pub const MAX_AAD_LEN: u64 = (1 << 61) - 1;
/// The longest IV in bytes: 2^64 - 1 bits, rounded down (SP 800-38D, 5.2.1.1).
pub const MAX_IV_LEN: u64 = (1 << 61) - 1;

/// The 96-bit nonce. Never use a nonce twice under one key.
pub type Nonce = [u8; NONCE_LEN];

/// A 128-bit tag, aligned so that a kernel stores it with one instruction.
#[derive(Clone, Copy, Default, Debug)]
#[repr(C, align(16))]
pub struct Tag(pub [u8; TAG_LEN]);

impl From<[u8; TAG_LEN]> for Tag {
    fn from(bytes: [u8; TAG_LEN]) -> Self {
        Self(bytes)
    }
}

/// The algorithms: AES-GCM with each key size of FIPS 197.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Alg {
    /// AES-GCM under a 16-byte key.
    Aes128Gcm,
    /// AES-GCM under a 24-byte key.
    Aes192Gcm,
    /// AES-GCM under a 32-byte key.
    Aes256Gcm,
}

impl Alg {
    /// Every algorithm, by key size.
    pub const ALL: [Self; 3] = [Self::Aes128Gcm, Self::Aes192Gcm, Self::Aes256Gcm];

    /// The key's length in bytes: 16, 24 or 32.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes128Gcm => 16,
            Self::Aes192Gcm => 24,
            Self::Aes256Gcm => 32,
        }
    }

    /// The name used in workloads and result files, such as `aes-256-gcm`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes128Gcm => "aes-128-gcm",
            Self::Aes192Gcm => "aes-192-gcm",
            Self::Aes256Gcm => "aes-256-gcm",
        }
    }

    /// The algorithm whose keys have `len` bytes.
    pub fn from_key_len(len: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|alg| alg.key_len() == len)
    }

    /// The algorithm with this [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alg| alg.name() == name)
    }
}

/// Why a call was refused. Reveals nothing about secrets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The tag does not match the key, nonce, AAD and ciphertext. No part of the message was released.
    #[error("not authentic: the tag does not match the key, nonce, AAD and ciphertext")]
    NotAuthentic,
    /// The key does not have the algorithm's length.
    #[error("wrong key length: AES-128, AES-192 and AES-256 take 16, 24 and 32 bytes")]
    KeyLength,
    /// The IV is empty or longer than [`MAX_IV_LEN`] (SP 800-38D, 5.2.1.1).
    #[error("wrong IV length: use 1 to 2^61 - 1 bytes (SP 800-38D, 5.2.1.1)")]
    IvLength,
    /// The tag is not 12 to 16 bytes long (SP 800-38D, 5.2.1.2).
    #[error("wrong tag length: use 12 to 16 bytes (SP 800-38D, 5.2.1.2)")]
    TagLength,
    /// The message is longer than [`MAX_MESSAGE_LEN`] (SP 800-38D, 5.2.1.1).
    #[error("message too long: at most 2^36 - 32 bytes under one nonce (SP 800-38D, 5.2.1.1)")]
    MessageTooLong,
    /// The additional data is longer than [`MAX_AAD_LEN`] (SP 800-38D, 5.2.1.1).
    #[error("additional data too long: at most 2^61 - 1 bytes (SP 800-38D, 5.2.1.1)")]
    AadTooLong,
    /// This CPU lacks an instruction that the backend or engine uses.
    #[error("this CPU lacks an instruction that the backend needs")]
    CpuLacksFeature,
    /// The engine or backend does not support this key size, IV length, tag length or probe.
    #[error("the engine does not support this key size, IV length or tag length")]
    Unsupported,
}

/// Authenticated encryption under one key: in place, with a detached tag, without allocation.
///
/// Any number of threads may share one object. The key remains usable after a refused `open`.
pub trait Aead: Send + Sync {
    /// Encrypts `in_out` in place and writes the tag over it and `aad`.
    ///
    /// # Errors
    /// [`Error::MessageTooLong`], [`Error::AadTooLong`]; `in_out` is then untouched.
    fn seal(&self, nonce: &Nonce, aad: &[u8], in_out: &mut [u8], tag: &mut Tag) -> Result<(), Error>;

    /// Checks `tag` over the ciphertext `in_out` and `aad`, and decrypts in place.
    ///
    /// # Errors
    /// [`Error::NotAuthentic`]: our kernels then leave zeros in `in_out`; a peer's engine declares what it
    /// leaves. [`Error::MessageTooLong`], [`Error::AadTooLong`]: `in_out` is untouched.
    fn open(&self, nonce: &Nonce, aad: &[u8], in_out: &mut [u8], tag: &Tag) -> Result<(), Error>;

    /// Whether a refused `open` leaves zeros in the place of the message, as our kernels do: whoever promises
    /// that need not wipe it again. The default is no.
    fn wipes_refused(&self) -> bool {
        false
    }

    /// Like [`seal`](Self::seal), with an IV of any length that SP 800-38D allows (7.1: J0 comes from GHASH
    /// unless the IV has 96 bits).
    ///
    /// # Errors
    /// As for `seal`; [`Error::IvLength`] for an empty IV; [`Error::Unsupported`] if the engine has no such
    /// call.
    fn seal_iv(&self, iv: &[u8], aad: &[u8], in_out: &mut [u8], tag: &mut Tag) -> Result<(), Error> {
        let nonce = iv.try_into().map_err(|_| Error::Unsupported)?;
        self.seal(nonce, aad, in_out, tag)
    }

    /// Like [`open`](Self::open), with an IV of any length and a tag of 12 to 16 bytes.
    ///
    /// # Errors
    /// As for `open`; [`Error::IvLength`], [`Error::TagLength`]; [`Error::Unsupported`] if the engine has no
    /// such call.
    fn open_iv(&self, iv: &[u8], aad: &[u8], in_out: &mut [u8], tag: &[u8]) -> Result<(), Error> {
        let nonce = iv.try_into().map_err(|_| Error::Unsupported)?;
        let tag: [u8; TAG_LEN] = tag.try_into().map_err(|_| Error::Unsupported)?;
        self.open(nonce, aad, in_out, &Tag(tag))
    }

    /// For verification only: `open_iv` with the 4- and 8-byte tags that some published vectors use. Such a
    /// tag does not protect a message (SP 800-38D, appendix C); no scheme calls this.
    ///
    /// # Errors
    /// As for `open_iv`; [`Error::Unsupported`] if the engine has no such call.
    #[doc(hidden)]
    fn open_short_tag(&self, iv: &[u8], aad: &[u8], in_out: &mut [u8], tag: &[u8]) -> Result<(), Error> {
        self.open_iv(iv, aad, in_out, tag)
    }

    /// Seals independent messages under this key.
    ///
    /// # Errors
    /// As for [`seal`](Self::seal), if any message is too long; some of the messages may then be sealed.
    fn seal_batch(&self, messages: &mut [Message<'_>]) -> Result<(), Error> {
        for m in messages {
            self.seal(&m.nonce, m.aad, m.in_out, &mut m.tag)?;
        }
        Ok(())
    }

    /// Opens independent messages under this key and writes a verdict for each into `verdicts`.
    ///
    /// # Panics
    /// If `verdicts` and `messages` differ in length.
    fn open_batch(&self, messages: &mut [Message<'_>], verdicts: &mut [Result<(), Error>]) {
        assert_eq!(messages.len(), verdicts.len(), "one verdict for each message");
        for (m, verdict) in messages.iter_mut().zip(verdicts) {
            *verdict = self.open(&m.nonce, m.aad, m.in_out, &m.tag);
        }
    }
}

/// One message of a batch.
#[derive(Debug)]
pub struct Message<'a> {
    /// Its own nonce.
    pub nonce: Nonce,
    /// Its own additional data.
    pub aad: &'a [u8],
    /// Sealed or opened in place.
    pub in_out: &'a mut [u8],
    /// Written when sealing, read when opening.
    pub tag: Tag,
}

/// A row of [`BACKENDS`]: our kernel for one kind of CPU.
#[derive(Clone, Copy)]
pub struct Backend {
    /// Its short name; the engine is called `sealmark/NAME`.
    pub name: &'static str,
    /// The CPU features that it needs; its `#[target_feature]` attributes use the same list.
    pub features: &'static [&'static str],
    /// Blocks of 16 bytes in one of its vectors.
    pub blocks: usize,
    /// The registers that its AES and carry-less multiply instructions use: `xmm`, `ymm`, `zmm` or `v`;
    /// `None` if it uses no such instructions.
    pub width: Option<&'static str>,
    detect: fn() -> bool,
    make: fn(Alg, &[u8]) -> Box<dyn Aead>,
    probe: Option<fn(Probe, u64) -> Probed>,
}

impl Backend {
    /// Whether this CPU has all the [`features`](Self::features).
    pub fn available(&self) -> bool {
        (self.detect)()
    }

    /// Expands a key for exactly this backend: to force a backend, name it.
    ///
    /// # Errors
    /// [`Error::KeyLength`]; [`Error::CpuLacksFeature`].
    pub fn key(&self, alg: Alg, bytes: &[u8]) -> Result<Box<dyn Aead>, Error> {
        if bytes.len() != alg.key_len() {
            return Err(Error::KeyLength);
        }
        if !self.available() {
            return Err(Error::CpuLacksFeature);
        }
        Ok((self.make)(alg, bytes))
    }

    /// Whether it uses AES and carry-less multiply instructions, whose limits [`probe`](Self::probe) can
    /// measure; `portable` does not.
    pub fn has_probes(&self) -> bool {
        self.probe.is_some()
    }

    /// Runs `turns` iterations of a probe's loop, for the caller to time, and returns the number of
    /// operations.
    ///
    /// # Errors
    /// [`Error::CpuLacksFeature`]; [`Error::Unsupported`] for a backend without [probes](Self::has_probes).
    pub fn probe(&self, probe: Probe, turns: u64) -> Result<Probed, Error> {
        if !self.available() {
            return Err(Error::CpuLacksFeature);
        }
        self.probe.map(|run| run(probe, turns)).ok_or(Error::Unsupported)
    }

    /// The fastest backend that this CPU can run: the last available row of [`BACKENDS`].
    pub fn choose() -> &'static Self {
        BACKENDS.iter().rev().find(|b| b.available()).expect("the portable backend runs on every CPU")
    }
}

impl core::fmt::Debug for Backend {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Backend").field("name", &self.name).field("features", &self.features).finish()
    }
}

/// Expands a key for this CPU's fastest backend: like [`Key::new`], for callers that accept any engine's key.
///
/// # Errors
/// [`Error::KeyLength`].
pub fn key(alg: Alg, bytes: &[u8]) -> Result<Box<dyn Aead>, Error> {
    Backend::choose().key(alg, bytes)
}

/// Overwrites plaintext, such as that of a refused open, in whole vectors. Byte by byte, as `zeroize` does
/// it, a refusal would take longer than an open.
pub(crate) fn wipe(in_out: &mut [u8]) {
    in_out.fill(0);
    // The compiler must take the zeros for read, or it could leave them out.
    optimization_barrier(in_out);
}
