//! Why the scheme refused, with the reference's own words as names.

use std::path::PathBuf;

use super::{NotRoundId, RoundId};
use crate::{aead, disk};

/// Why a call was refused. Reveals nothing about secrets.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The key does not have 32 bytes.
    #[error("the key has {0} bytes: it must be exactly 32")]
    KeyLength(usize),
    /// The blob is shorter than its nonce.
    #[error("the blob has {0} bytes, fewer than its nonce: it was cut short")]
    BlobShort(usize),
    /// The blob does not open.
    #[error("the blob does not open: it was altered, moved, or sealed under another key; do not retry")]
    BlobRefused,
    /// The wrapped key does not open.
    #[error(
        "the wrapped key does not open: it was wrapped under another master key, for another round or under \
         another mask, or it is damaged; give the master key and the masks of this store"
    )]
    Unwrap,
    /// The stored form of a wrapped key is malformed.
    #[error("the stored key is malformed ({0}): the store is damaged")]
    Record(&'static str),
    /// The round has no key, and no other key is ever used in its place (rule `no-master-fallback`).
    #[error(
        "round {0} has no key: it was never requested, was purged, or is past its deadline; no other key \
         takes its place"
    )]
    NoRoundKey(RoundId),
    /// A round whose key is needed after a restart has no record.
    #[error("round {0} has no stored key to restore: its blobs cannot be opened; abort the round")]
    RecordMissing(RoundId),
    /// The round's key could not be created.
    #[error("round {round} is aborted, because its key was not created: {reason}")]
    RoundAborted {
        /// The round.
        round: RoundId,
        /// Why.
        reason: String,
    },
    /// The round is over.
    #[error("round {0} is already completed: nothing more may happen in it")]
    AlreadyCompleted(RoundId),
    /// The text is not the id of a round.
    #[error(transparent)]
    RoundId(#[from] NotRoundId),
    /// The password file breaks a rule.
    #[error("the password file {}: {why}", path.display())]
    PasswordFile {
        /// The file.
        path: PathBuf,
        /// The rule.
        why: String,
    },
    /// The round has a key already.
    #[error("round {0} has a key already, which is never replaced: purge it first")]
    KeyExists(RoundId),
    /// There are masks, and no file of the records under them.
    #[error(
        "{} does not exist, but there are masks for {masks} rounds: name the file of these rounds or mount \
         its medium; if it is lost, erase the masks first",
        path.display()
    )]
    MasksWithoutRecords {
        /// The file.
        path: PathBuf,
        /// The number of masks.
        masks: usize,
    },
    /// The file of slots holds other bytes than were written.
    #[error("{}, slot {slot}: {why}: the file is damaged; abort the rounds in it", path.display())]
    DamagedSlot {
        /// The file.
        path: PathBuf,
        /// The slot, from 0.
        slot: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The file is not a file of slots.
    #[error("{}: {why}: name another file, or remove this one", path.display())]
    NotSlots {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// An erased slot does not read back as zeros.
    #[error(
        "{}, slot {slot}: the key was overwritten but does not read back as zeros: do not trust the disk",
        path.display()
    )]
    NotErased {
        /// The file.
        path: PathBuf,
        /// The slot, from 0.
        slot: usize,
    },
    /// An earlier sync failed, so the content of the medium is unknown.
    #[error(
        "{}: an earlier sync failed, so the content of the medium is unknown: restart the node",
        path.display()
    )]
    Unsynced {
        /// The file.
        path: PathBuf,
    },
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] disk::Error),
    /// The system's random source failed.
    #[error("the system's random source failed: {0}; try again once it works")]
    Random(getrandom::Error),
    /// The engine refused: a limit of AES-GCM, or a shape that it does not support.
    #[error("the engine refused: {0}")]
    Aead(#[from] aead::Error),
    /// The password hash refused its input.
    #[error("deriving the master key: {0}")]
    PasswordHash(#[from] crate::primitive::Error),
}

impl Error {
    /// The name of this error in the reference and the published vectors; `OTHER` if it has none there.
    pub const fn spec_name(&self) -> &'static str {
        match self {
            Self::KeyLength(_) => "key must be exactly 32 bytes",
            Self::BlobShort(_) => "Invalid encrypted data length",
            Self::BlobRefused | Self::Unwrap => "Could not decrypt data",
            Self::NoRoundKey(_) => "NoRoundKey",
            Self::AlreadyCompleted(_) => "AlreadyCompleted",
            _ => "OTHER",
        }
    }
}

impl From<crate::envelope::wrap::Error> for Error {
    fn from(error: crate::envelope::wrap::Error) -> Self {
        use crate::envelope::wrap::Error as Wrap;
        match error {
            Wrap::Unwrap => Self::Unwrap,
            Wrap::Random(error) => Self::Random(error),
            Wrap::Aead(error) => Self::Aead(error),
        }
    }
}
