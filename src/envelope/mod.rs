//! The storage envelope: one sealed value, and what its AES-256-GCM tag binds it to.
//!
//! Follows elastickv's `internal/encryption` (commit d9a031d0), its storage and raft envelopes byte for byte:
//! [`record`] is the codec, [`aad`] what is authenticated beside it, [`nonce`] the deterministic nonces,
//! [`keystore`] the loaded data keys, [`cipher`] and [`batch`] the calls that use them all, [`usage`] how
//! long a key lasts, [`wrap`] one key under another. Not here: compression (the flag bit is carried, never
//! acted on), files, rotation.

pub mod aad;
pub mod batch;
pub mod cipher;
pub mod keystore;
pub mod nonce;
pub mod record;
pub mod usage;
#[cfg(feature = "storage")]
pub mod wrap;

pub use aad::{Aad, State, ValueHeader};
pub use batch::Unsealed;
pub use cipher::Cipher;
pub use keystore::{Keys, Keystore};
pub use nonce::{NonceSource, Nonces};
pub use record::{HEADER_LEN, Header, OVERHEAD, Record};
pub use usage::Usage;
#[cfg(feature = "storage")]
pub use wrap::{SecretKey, WrappingKey};

use crate::aead;

/// Why an envelope call was refused. Says nothing about secrets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Fewer bytes than a record's header and tag.
    #[error("the record is shorter than 34 bytes: it was cut, or is not an envelope; fetch it again")]
    EnvelopeShort,
    /// The version byte is not 1.
    #[error("the record has version {0} and only 1 is known: it is not an envelope, or of a newer writer")]
    EnvelopeVersion(u8),
    /// The cipher was made without a keystore.
    #[error("the cipher has no keystore: make it with one before it seals or opens")]
    NilKeystore,
    /// Key id 0 means "no key" and never names one.
    #[error("key id 0 is reserved: name a key by an id from 1 on")]
    ReservedKeyId,
    /// The nonce is not of 12 bytes.
    #[error("the nonce is not of 12 bytes: take it from the nonce source")]
    BadNonceSize,
    /// No key of that id is loaded.
    #[error("no key with id {0} is loaded: load it into the keystore, or the record is from elsewhere")]
    UnknownKeyId(u32),
    /// The tag does not fit the key, nonce, AAD and ciphertext. Nothing of the message was released.
    #[error("not authentic: the record was altered or moved, or sealed under another key; do not retry")]
    Integrity,
    /// The data key is not of 32 bytes.
    #[error("the data key is not of 32 bytes: AES-256 takes 32")]
    BadKeySize,
    /// That id already names other key bytes.
    #[error("key id {0} is loaded with other bytes: use a new id, or delete the old key first")]
    KeyConflict(u32),
    /// Every write count of this epoch has been issued.
    #[error("all 2^64 - 1 nonces of this epoch are used up: rotate the data key or bump the epoch")]
    WriteCountExhausted,
    /// Reserved bits of a value header are set.
    #[error("the value header has reserved bits or an unknown encryption state: it was altered, or is newer")]
    EncryptedValueReservedState,
    /// Fewer bytes than a value header.
    #[error("the value header is shorter than 9 bytes: the stored value was cut")]
    ValueHeaderShort,
    /// The caller's buffer does not hold the result.
    #[error("the buffer is too short: a record takes 34 bytes more than its plaintext, a store key 8 more")]
    BufferTooSmall,
    /// The engine refused: a limit of AES-GCM, or a shape that it does not offer.
    #[error("the engine refused: {0}")]
    Aead(#[from] aead::Error),
}

impl Error {
    /// The name that elastickv gives this error, and its published vectors with it; `OTHER` where it has no
    /// type.
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
