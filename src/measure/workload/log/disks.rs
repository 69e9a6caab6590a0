//! The disks of these workloads: one that does everything but sync, and one that holds the files of a pass in
//! memory and never changes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::disk::{self, Disk, NewFile, OpenFile, Os};
use crate::measure::Error;

/// The error for a refusal of the scheme while a workload was prepared.
pub(super) fn refused(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Scheme { scheme: "log".into(), refusal: Box::new(error) }
}

/// The operating system's disk, on which a sync does nothing if `syncs` is false.
#[derive(Clone, Copy, Debug)]
pub(super) struct MaybeSynced {
    pub syncs: bool,
}

#[derive(Debug)]
struct Unsynced(Box<dyn OpenFile>);

struct UnsyncedNew(Box<dyn NewFile>);

impl NewFile for UnsyncedNew {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

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

impl Disk for MaybeSynced {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        Os.read(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        Os.exists(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        Os.list(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        let created = Os.create(path)?;
        Ok(if self.syncs { created } else { Box::new(UnsyncedNew(created)) })
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn OpenFile>> {
        let opened = Os.open(path)?;
        Ok(if self.syncs { opened } else { Box::new(Unsynced(opened)) })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Os.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Os.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        if self.syncs { Os.sync_dir(dir) } else { Ok(()) }
    }
}

/// Files in memory, to be read.
#[derive(Clone, Default, Debug)]
pub(super) struct Held(pub BTreeMap<PathBuf, Vec<u8>>);

fn read_only<T>() -> io::Result<T> {
    Err(io::ErrorKind::ReadOnlyFilesystem.into())
}

impl Disk for Held {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        Ok(self.0.contains_key(path))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        let inside = self.0.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside.filter_map(|path| Some(path.file_name()?.to_owned())).collect())
    }

    fn create(&self, _: &Path) -> io::Result<Box<dyn NewFile>> {
        read_only()
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn OpenFile>> {
        Ok(Box::new(HeldFile(self.read(path)?)))
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        read_only()
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        read_only()
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        read_only()
    }
}

#[derive(Debug)]
struct HeldFile(Vec<u8>);

impl OpenFile for HeldFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let end = at.saturating_add(out.len());
        out.copy_from_slice(self.0.get(at..end).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, _: u64, _: &[u8]) -> io::Result<()> {
        read_only()
    }

    fn set_size(&self, _: u64) -> io::Result<()> {
        read_only()
    }

    fn sync(&self) -> io::Result<()> {
        read_only()
    }
}

/// A folder of its own in the system's folder for temporary files, removed when dropped.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Creates it.
    pub fn new() -> Result<Self, Error> {
        /// Folders so far, so that each has its own name.
        static FOLDERS: AtomicU64 = AtomicU64::new(0);
        let (process, number) = (std::process::id(), FOLDERS.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(format!("sealmark-log-{process}-{number}"));
        match fs::create_dir(&path) {
            Ok(()) => Ok(Self(path)),
            Err(reason) => Err(refused(disk::Error::Io { doing: "creating", path, reason })),
        }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Removes the files in it.
    pub fn empty(&self) -> io::Result<()> {
        fs::read_dir(&self.0)?.try_for_each(|entry| fs::remove_file(entry?.path()))
    }

    /// The files in it, by path.
    pub fn read(&self) -> io::Result<Held> {
        let file = |entry: io::Result<fs::DirEntry>| {
            let path = entry?.path();
            let bytes = fs::read(&path)?;
            Ok((path, bytes))
        };
        Ok(Held(fs::read_dir(&self.0)?.map(file).collect::<io::Result<_>>()?))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays behind is a matter for whoever cleans up there.
        let _ = fs::remove_dir_all(&self.0);
    }
}
