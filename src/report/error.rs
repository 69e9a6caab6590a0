//! The errors of this floor: an unreadable or foreign file, a full disk, a missing marker.
//!
//! Each names the file and the problem in one line; the command adds what it was doing.

use std::io;
use std::path::PathBuf;

/// Why a result file could not be read or written, or a report could not be drawn.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file or folder cannot be read.
    #[error("{}: cannot be read", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file to write is named by a symbolic link.
    #[error("{}: is a symbolic link, which writing would replace; name the file itself", path.display())]
    SymbolicLink {
        /// The link.
        path: PathBuf,
    },
    /// A folder without a result file.
    #[error("{}: contains no .json file; name a folder that `sealmark run` has written", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// The file is not JSON.
    #[error("{}: not JSON: line {line}, column {column}: {reason}", path.display())]
    NotJson {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// The problem there.
        reason: String,
    },
    /// The file ends in the middle.
    #[error("{}: truncated: it ends at line {line}, column {column}, inside a value", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// JSON, but not one of our result files.
    #[error("{}: not a result file of sealmark: its schema is {schema}", path.display())]
    UnknownSchema {
        /// The file.
        path: PathBuf,
        /// The `schema` member as JSON, or `absent`.
        schema: String,
    },
    /// A result file of a later version.
    #[error("{}: {schema} was written by a newer sealmark; upgrade to read it", path.display())]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Its schema.
        schema: String,
    },
    /// A member is missing or has the wrong type.
    #[error("{}: does not match {schema}: line {line}, column {column}: {reason}", path.display())]
    WrongMember {
        /// The file.
        path: PathBuf,
        /// The schema that the file claims.
        schema: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// The member, and what it should be.
        reason: String,
    },
    /// The folder or file cannot be written.
    #[error("{}: cannot be written", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No room for the file. Nothing remains under its name.
    #[error("{}: the disk is full", path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// A format for programs has one place for each name, and two rows share it: one would hide the other.
    #[error("{name} occurs twice, and {format} has one place per name; give it one run of each host")]
    NameTwice {
        /// The format.
        format: &'static str,
        /// The name.
        name: String,
    },
    /// A text to splice into lacks the pair of marker comments.
    #[error("no <!-- sealmark:{marker} --> followed by <!-- /sealmark:{marker} -->")]
    NoMarker {
        /// The marker.
        marker: String,
    },
}
