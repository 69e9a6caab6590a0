//! Why a log was refused: the reference's seven integrity codes, the record at which the check failed, and
//! the errors that have no code of their own.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::disk;

/// The reference's integrity codes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Code {
    /// The file ends inside a structure.
    TruncatedRecord,
    /// A structure does not begin with its magic number.
    InvalidMagic,
    /// A structure's version is not 1.
    UnsupportedVersion,
    /// A record's operation is neither put nor delete.
    InvalidOperation,
    /// A size, an offset, an order or another field breaks a rule.
    InvalidRecord,
    /// A checksum differs from the bytes that it covers.
    ChecksumMismatch,
    /// The disk refused.
    IoError,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 7] = [
        Self::TruncatedRecord,
        Self::InvalidMagic,
        Self::UnsupportedVersion,
        Self::InvalidOperation,
        Self::InvalidRecord,
        Self::ChecksumMismatch,
        Self::IoError,
    ];

    /// The reference's name of the code, as in the published vectors and in the log line.
    pub const fn spec_name(self) -> &'static str {
        match self {
            Self::TruncatedRecord => "TRUNCATED_RECORD",
            Self::InvalidMagic => "INVALID_MAGIC",
            Self::UnsupportedVersion => "UNSUPPORTED_VERSION",
            Self::InvalidOperation => "INVALID_OPERATION",
            Self::InvalidRecord => "INVALID_RECORD",
            Self::ChecksumMismatch => "CHECKSUM_MISMATCH",
            Self::IoError => "IO_ERROR",
        }
    }

    /// The damage with this code at this record.
    pub const fn damage(self, record_index: u64, why: &'static str) -> Damage {
        Damage { code: self, record_index, why }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.spec_name())
    }
}

/// A check that failed. It is shown as the reference's log line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("integrity_code={code} record_index={record_index} message=\"{why}\"")]
pub struct Damage {
    /// The reference's code.
    pub code: Code,
    /// The number of the record in its log, of the block in its table, or of the entry in its index, counted
    /// from 0; 0 where the check concerns the whole file.
    pub record_index: u64,
    /// The check, in words without a quotation mark.
    pub why: &'static str,
}

/// Why a call was refused. It reveals neither keys nor values.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A check failed, of bytes that were read or of a record that was to be written.
    #[error(transparent)]
    Integrity(#[from] Damage),
    /// An error, and the file that it concerns.
    #[error("{}: {error}", path.display())]
    In {
        /// The file.
        path: PathBuf,
        /// The error.
        error: Box<Error>,
    },
    /// The system refused an operation on an open file.
    #[error("{doing}: {reason}")]
    Io {
        /// The action.
        doing: &'static str,
        /// The reason.
        reason: io::Error,
    },
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] disk::Error),
    /// An earlier write or sync failed, so nobody knows what is on the medium.
    #[error("{0}: nothing more is written; open the log again")]
    Stopped(&'static str),
}

impl Error {
    /// The reference's code.
    pub fn code(&self) -> Code {
        match self {
            Self::Integrity(damage) => damage.code,
            Self::In { error, .. } => error.code(),
            Self::Io { .. } | Self::Disk(_) | Self::Stopped(_) => Code::IoError,
        }
    }

    /// The number of the record, see [`Damage::record_index`]; 0 for an error of the disk.
    pub fn record_index(&self) -> u64 {
        match self {
            Self::Integrity(damage) => damage.record_index,
            Self::In { error, .. } => error.record_index(),
            Self::Io { .. } | Self::Disk(_) | Self::Stopped(_) => 0,
        }
    }

    /// The damage that this error reports: for an error of the disk, one with the code `IO_ERROR`.
    pub fn damage(&self) -> Damage {
        match self {
            Self::Integrity(damage) => *damage,
            Self::In { error, .. } => error.damage(),
            Self::Io { doing, .. } => Code::IoError.damage(0, doing),
            Self::Disk(_) => Code::IoError.damage(0, "the disk refused"),
            Self::Stopped(why) => Code::IoError.damage(0, why),
        }
    }

    /// The same error, naming the file that it concerns. An error that names a file already stays as it is.
    pub fn in_file(self, path: &Path) -> Self {
        match self {
            Self::In { .. } | Self::Disk(_) => self,
            other => Self::In { path: path.into(), error: Box::new(other) },
        }
    }

    /// An error of the system while `doing` something.
    pub fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |reason| Self::Io { doing, reason }
    }

    /// An error of the disk while `doing` something to a file.
    pub fn disk<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + 'a {
        move |reason| Self::Disk(disk::Error::Io { doing, path: path.into(), reason })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_has_a_name_of_its_own() {
        let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.spec_name()).collect();
        assert_eq!(names.len(), 7);
        assert!(names.iter().all(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_')));
    }

    #[test]
    fn damage_is_shown_as_the_log_line_of_the_reference() {
        let damage = Code::ChecksumMismatch.damage(3, "the record's checksum is wrong");
        let line =
            "integrity_code=CHECKSUM_MISMATCH record_index=3 message=\"the record's checksum is wrong\"";
        assert_eq!(damage.to_string(), line);
        assert_eq!(Error::from(damage).to_string(), line);
    }

    #[test]
    fn a_file_is_named_once_and_keeps_code_and_record() {
        let path = Path::new("/log/000001.wal");
        let error =
            Error::from(Code::InvalidMagic.damage(7, "why")).in_file(path).in_file(Path::new("other"));
        assert!(error.to_string().starts_with("/log/000001.wal: integrity_code=INVALID_MAGIC"), "{error}");
        assert_eq!((error.code(), error.record_index()), (Code::InvalidMagic, 7));
        assert_eq!(error.damage(), Code::InvalidMagic.damage(7, "why"));
    }

    #[test]
    fn what_the_disk_refuses_has_the_code_io_error() {
        let reason = || io::Error::from(io::ErrorKind::PermissionDenied);
        for error in [
            Error::io("reading")(reason()),
            Error::disk("opening", Path::new("/log"))(reason()),
            Error::Stopped("an earlier sync failed"),
        ] {
            assert_eq!((error.code(), error.record_index()), (Code::IoError, 0), "{error}");
            assert_eq!(error.damage().code, Code::IoError);
        }
    }
}
