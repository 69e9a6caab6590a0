//! A disk that skips some syncs: planted defects of the campaigns.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::disk::{Disk, NewFile, OpenFile, Recorder};

/// The syncs that a disk skips.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Skipped {
    /// Folder syncs.
    Folders,
    /// Syncs of files in place that follow the mark of a round's new key.
    Creations,
    /// Syncs of files that are written in place: the registry's commits.
    Commits,
}

/// A disk that skips some of its syncs.
#[derive(Debug)]
pub struct SyncSkippingDisk(pub Recorder, pub Skipped);

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
        Ok(match self.1 {
            Skipped::Folders => file,
            Skipped::Commits => Box::new(Unsynced(file, None)),
            Skipped::Creations => Box::new(Unsynced(file, Some(AtomicBool::new(false)))),
        })
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

/// A file that is not synced; with a flag, only after the mark of a new key, which sets it.
#[derive(Debug)]
struct Unsynced(Box<dyn OpenFile>, Option<AtomicBool>);

impl OpenFile for Unsynced {
    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }

    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_at(at, out)
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        if let Some(marked) = &self.1 {
            marked.store(bytes == b"A", Ordering::Relaxed);
        }
        self.0.write_at(at, bytes)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.0.set_size(size)
    }

    fn sync(&self) -> io::Result<()> {
        match &self.1 {
            Some(marked) if !marked.load(Ordering::Relaxed) => self.0.sync(),
            _ => Ok(()),
        }
    }
}
