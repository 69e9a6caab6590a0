//! The storage envelope: one sealed value, bound to its context by the AES-256-GCM tag.
//!
//! Follows elastickv's `internal/encryption` (commit d9a031d0); its storage and raft envelopes match byte for
//! byte. [`record`] is the codec, [`aad`] the additional authenticated data, [`nonce`] the deterministic
//! nonces, [`keystore`] the loaded data keys, [`cipher`] and [`batch`] the calls that use them, [`usage`] the
//! limits on a key's use, and [`wrap`] the encryption of one key under another. Not here: compression (the
//! flag bit is carried but never acted on), files, rotation.

pub mod aad;
pub mod batch;
pub mod cipher;
pub mod keystore;
pub mod nonce;
pub mod record;
pub mod usage;
#[cfg(any(feature = "ephemeral", feature = "log", feature = "snapshot", feature = "storage"))]
pub mod wrap;

pub use aad::{Aad, State, ValueHeader};
pub use batch::Unsealed;
pub use cipher::Cipher;
pub use keystore::{Keys, Keystore};
pub use nonce::{NonceSource, Nonces};
pub use record::{HEADER_LEN, Header, OVERHEAD, Record};
pub use usage::Usage;
#[cfg(any(feature = "ephemeral", feature = "log", feature = "snapshot", feature = "storage"))]
pub use wrap::{SecretKey, WrappingKey};

use crate::aead;

/// Why an envelope call was refused. Reveals nothing about secrets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The record is shorter than header and tag.
    #[error("the record is shorter than 34 bytes: it was truncated or is not an envelope; fetch it again")]
    EnvelopeShort,
    /// The version byte is not 1.
    #[error("the record has version {0}, but only 1 is supported: it is not an envelope, or it is newer")]
    EnvelopeVersion(u8),
    /// The cipher was created without a keystore.
    #[error("the cipher has no keystore: create it with one before sealing or opening")]
    NilKeystore,
    /// Key id 0 means "no key" and never identifies one.
    #[error("key id 0 is reserved: use an id of 1 or more")]
    ReservedKeyId,
    /// The nonce is not 12 bytes long.
    #[error("the nonce is not 12 bytes long: take it from the nonce source")]
    BadNonceSize,
    /// No key with this id is loaded.
    #[error("no key with id {0} is loaded: load it into the keystore, unless the record belongs elsewhere")]
    UnknownKeyId(u32),
    /// The tag does not match the key, nonce, AAD and ciphertext. No part of the message was released.
    #[error("not authentic: the record was altered, moved, or sealed under another key; do not retry")]
    Integrity,
    /// The data key is not 32 bytes long.
    #[error("the data key is not 32 bytes long: AES-256 needs exactly 32")]
    BadKeySize,
    /// A key with other bytes is already loaded under this id.
    #[error("key id {0} is already loaded with other bytes: use a new id, or delete the old key first")]
    KeyConflict(u32),
    /// Every write count of this epoch has been used.
    #[error("all 2^64 - 1 nonces of this epoch are used up: rotate the data key or raise the epoch")]
    WriteCountExhausted,
    /// Reserved bits of a value header are set.
    #[error("the value header has reserved bits set: it was altered, or a newer version wrote it")]
    EncryptedValueReservedState,
    /// The stored value is shorter than a value header.
    #[error("the value header is shorter than 9 bytes: the stored value was truncated")]
    ValueHeaderShort,
    /// The caller's buffer is too short for the result.
    #[error(
        "the buffer is too short: a record adds 34 bytes to its plaintext, a store key 8 to the user's key"
    )]
    BufferTooSmall,
    /// The engine refused: a limit of AES-GCM, or a shape that it does not support.
    #[error("the engine refused: {0}")]
    Aead(#[from] aead::Error),
}

impl Error {
    /// The name of this error in elastickv and its published vectors; `OTHER` if elastickv has no type for
    /// it.
    pub const fn spec_name(&self) -> &'static str {
        match self {
            Self::EnvelopeShort => "ErrEnvelopeShort",
            Self::EnvelopeVersion(_) => "ErrEnvelopeVersion",
            Self::NilKeystore => "ErrNilKeystore",
            Self::ReservedKeyId => "ErrReservedKeyID",
            Self::BadNonceSize => "ErrBadNonceSize",
            Self::UnknownKeyId(_) => "ErrUnknownKeyID",
            Self::Integrity => "ErrIntegrity",
            Self::BadKeySize => "ErrBadKeySize",
            Self::KeyConflict(_) => "ErrKeyConflict",
            Self::WriteCountExhausted => "ErrWriteCountExhausted",
            Self::EncryptedValueReservedState => "ErrEncryptedValueReservedState",
            Self::ValueHeaderShort | Self::BufferTooSmall | Self::Aead(_) => "OTHER",
        }
    }
}
