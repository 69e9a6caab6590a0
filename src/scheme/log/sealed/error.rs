//! Why a sealed log was refused.

use crate::disk::{self, EpochError};
use crate::{aead, envelope};

/// Why a call was refused. Reveals nothing about secrets.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] disk::Error),
    /// No nonce epoch could be read or issued.
    #[error(transparent)]
    Epoch(EpochError),
    /// The system's random source failed.
    #[error("the system's random source failed: {0}; try again once it works")]
    Random(getrandom::Error),
    /// The engine refused the key or a call; no fault of the files.
    #[error("the engine refused: {0}")]
    Engine(aead::Error),
    /// All nonces of this run have been used.
    #[error("all nonces of this run are used: open the log again")]
    NoncesUsedUp,
    /// There is a log, or a part of one, where a new one is to be created.
    #[error(
        "{0}: there is already a log, or a part of one: open it, or create the new one in an empty folder"
    )]
    AlreadyThere(String),
    /// Another holder has the log open.
    #[error("another process, or another part of this one, has the log open: stop it")]
    InUse,
    /// An earlier write or sync failed, so that nobody knows what is on the medium.
    #[error("an earlier write or sync of this log failed: open it again")]
    Halted,
    /// The caller's record or table breaks a limit.
    #[error("INVALID_RECORD: {0}")]
    Refused(&'static str),
    /// The log has no such table.
    #[error("the log has no table {0}")]
    NoTable(u64),
    /// A file of the log is missing.
    #[error("{0}: the file is missing: it was removed, or the folder was copied in part")]
    Missing(String),
    /// A file does not begin as its kind must.
    #[error("{0}: it does not begin like a file of its kind: it was altered, or another file took its place")]
    Magic(String),
    /// A file ends inside a frame.
    #[error("{file}: it ends inside frame {frame}: it was cut, or a crash interrupted the last write")]
    Truncated {
        /// The file's name.
        file: String,
        /// The number of the frame in the chain.
        frame: u64,
    },
    /// A frame does not open in its place.
    #[error("{file}: frame {frame} is not authentic: it was altered, moved, or sealed under another key")]
    NotAuthentic {
        /// The file's name.
        file: String,
        /// The number of the frame in the chain.
        frame: u64,
    },
    /// A frame opens but does not hold what a writer writes.
    #[error("{file}: frame {frame} is authentic but makes no sense: a newer version wrote it")]
    Malformed {
        /// The file's name.
        file: String,
        /// The number of the frame in the chain.
        frame: u64,
    },
    /// A table does not have the length that the log gives it.
    #[error("{0}: the table was cut or extended, or another one took its place")]
    Length(String),
    /// The log ends before its head.
    #[error("the log ends at frame {found}, but its head says {head}: acknowledged records are missing")]
    Lost {
        /// Frames found.
        found: u64,
        /// Frames that were durable.
        head: u64,
    },
    /// The frame at the head is another one than the head says.
    #[error("the head belongs to another history of this log: head or log was put back")]
    Fork,
    /// The head is older than the log.
    #[error("the head is number {found}, but the log knows of number {known}: an older head was put back")]
    StaleHead {
        /// The number of the head found.
        found: u64,
        /// The highest number that the log knows of, or one more than `found` if it only shows that there is
        /// one.
        known: u64,
    },
    /// The log is not, or not yet, where the caller's expected head says.
    #[error("this is not the log that the expected head belongs to, or an older state of it was put back")]
    Unexpected,
}

impl Error {
    /// Its name in results; those of the checked log where both refuse for the same reason.
    pub const fn spec_name(&self) -> &'static str {
        match self {
            Self::Disk(_) | Self::Epoch(EpochError::Disk(_)) | Self::InUse | Self::Halted => "IO_ERROR",
            Self::Epoch(_) => "INVALID_EPOCH",
            Self::Random(_) | Self::Engine(_) | Self::NoncesUsedUp => "OTHER",
            Self::AlreadyThere(_) | Self::NoTable(_) => "OTHER",
            Self::Refused(_) | Self::Malformed { .. } => "INVALID_RECORD",
            Self::Missing(_) => "MISSING_FILE",
            Self::Magic(_) => "INVALID_MAGIC",
            Self::Truncated { .. } => "TRUNCATED_RECORD",
            Self::NotAuthentic { .. } => "NOT_AUTHENTIC",
            Self::Length(_) => "INVALID_LENGTH",
            Self::Lost { .. } => "LOST_RECORDS",
            Self::Fork => "FORKED_HISTORY",
            Self::StaleHead { .. } => "STALE_HEAD",
            Self::Unexpected => "UNEXPECTED_HEAD",
        }
    }

    /// Whether it only says that a frame is incomplete or damaged, as a crash may leave the end of a log.
    pub(super) const fn may_be_torn(&self) -> bool {
        matches!(self, Self::Truncated { .. } | Self::NotAuthentic { .. } | Self::Magic(_))
    }
}

/// The names of the refusals of an altered folder.
pub(in crate::scheme::log) const REFUSALS: [&str; 9] = [
    "INVALID_EPOCH",
    "MISSING_FILE",
    "INVALID_MAGIC",
    "TRUNCATED_RECORD",
    "NOT_AUTHENTIC",
    "INVALID_LENGTH",
    "LOST_RECORDS",
    "FORKED_HISTORY",
    "STALE_HEAD",
];

impl From<EpochError> for Error {
    fn from(error: EpochError) -> Self {
        Self::Epoch(error)
    }
}

/// An envelope's refusal in place of `otherwise`, if it is the engine's and not the record's.
pub(super) fn engine_or(error: envelope::Error, otherwise: impl FnOnce() -> Error) -> Error {
    match error {
        envelope::Error::Aead(error) => Error::Engine(error),
        envelope::Error::WriteCountExhausted => Error::NoncesUsedUp,
        _ => otherwise(),
    }
}
