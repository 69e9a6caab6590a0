//! A disk that skips some syncs: two of the planted defects.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use crate::disk::{Disk, NewFile, OpenFile, Recorder};

/// The syncs that a disk skips.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Skipped {
    /// Folder syncs.
    Folders,
    /// Syncs of files that are written in place: the registry's commits.
    Commits,
}

/// A disk that skips some of its syncs.
#[derive(Debug)]
pub(super) struct SyncSkippingDisk(pub Recorder, pub Skipped);

impl Disk for SyncSkippingDisk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.read(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.0.exists(path)
    }

    fn is_link(&self, path: &Path) -> io::Result<bool> {
        self.0.is_link(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        self.0.list(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        self.0.create(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn OpenFile>> {
        let file = self.0.open(path)?;
        Ok(if self.1 == Skipped::Commits { Box::new(Unsynced(file)) } else { file })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        if self.1 == Skipped::Folders { Ok(()) } else { self.0.sync_dir(dir) }
    }
}

#[derive(Debug)]
struct Unsynced(Box<dyn OpenFile>);

impl OpenFile for Unsynced {
    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }

    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_at(at, out)
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_at(at, bytes)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.0.set_size(size)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
