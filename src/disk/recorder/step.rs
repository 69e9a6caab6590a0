//! The steps of a disk, and how each may fail.

use std::path::PathBuf;

/// What was asked of the disk, done or not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// A file was made.
    Create(PathBuf),
    /// So many bytes were put behind those it had.
    Write(PathBuf, usize),
    /// So many bytes were put at that place.
    WriteAt(PathBuf, u64, usize),
    /// It was cut or lengthened to that.
    SetSize(PathBuf, u64),
    /// Its bytes were synced.
    Sync(PathBuf),
    /// It was given another name.
    Rename(PathBuf, PathBuf),
    /// Its name was taken away.
    Remove(PathBuf),
    /// A folder's names were synced.
    SyncDir(PathBuf),
}

/// How a step fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The power is gone: this and all that follows is not done, nor anything read.
    Power,
    /// The disk is full: this step fails, a write half done.
    NoSpace,
    /// The medium fails this step; a sync that fails has lost its bytes for good, as on Linux.
    Io,
    /// From this step on nothing can be changed.
    ReadOnly,
}
