//! The steps of a disk, and the ways in which each may fail.

use std::path::PathBuf;

/// A request to the disk, whether it succeeded or not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Create a file.
    Create(PathBuf),
    /// Append this many bytes.
    Write(PathBuf, usize),
    /// Write this many bytes at this offset.
    WriteAt(PathBuf, u64, usize),
    /// Truncate or extend the file to this length.
    SetSize(PathBuf, u64),
    /// Sync the file's bytes.
    Sync(PathBuf),
    /// Rename the file.
    Rename(PathBuf, PathBuf),
    /// Remove the file's name.
    Remove(PathBuf),
    /// Sync a folder's names.
    SyncDir(PathBuf),
}

/// How a step fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The power is gone: this step and all later ones fail, including reads.
    Power,
    /// The disk is full: this step fails, and a write is half done.
    NoSpace,
    /// The medium fails this step; a failed sync loses its bytes for good, as on Linux.
    Io,
    /// From this step on the disk is read-only.
    ReadOnly,
}
