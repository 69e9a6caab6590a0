//! Defects that can be planted in an engine and its disk. The campaign must find each of them.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::model::Snapshot;
use super::story::options;
use super::{DIR, TABLES};
use crate::disk::{Disk, NewFile, OpenFile, Recorder};
use crate::scheme::log::engine::{Engine, Mutation};
use crate::scheme::log::wal::Tail;

/// A defect to plant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Defect {
    /// Folders are not synced, as in the reference: a new file may have no name after a power loss.
    FolderNotSynced,
    /// A write is acknowledged before the log is synced.
    AcknowledgedBeforeSync,
    /// An install removes the old files before it writes the new ones, as in the reference.
    InstallWipesFirst,
    /// A start continues in the log as it finds it, although its last records may not be on the medium.
    ResumesUnsynced,
}

/// The disk as an engine with that defect, if any, uses it.
pub(super) fn disk(disk: &Recorder, planted: Option<Defect>) -> Arc<dyn Disk> {
    match planted {
        None | Some(Defect::InstallWipesFirst) => Arc::new(disk.clone()),
        Some(defect) => Arc::new(Careless(disk.clone(), defect)),
    }
}

/// Installs as the reference does. The engine is then opened again.
pub(super) fn install_wiping(disk: &Recorder, engine: Engine, snapshot: &Snapshot) -> Result<Engine, String> {
    drop(engine);
    let text = |error: &dyn ToString| error.to_string();
    for dir in [DIR, TABLES] {
        for name in disk.list(Path::new(dir)).map_err(|e| text(&e))? {
            let path = Path::new(dir).join(&name);
            let is_data = path.extension().is_some_and(|extension| extension == "wal" || extension == "sst");
            if is_data && path != Path::new(TABLES) {
                disk.remove(&path).map_err(|e| text(&e))?;
            }
        }
        disk.sync_dir(Path::new(dir)).map_err(|e| text(&e))?;
    }
    let mut engine =
        Engine::open(Arc::new(disk.clone()), DIR, options(Tail::Truncate)).map_err(|e| text(&e))?;
    let ids = snapshot.model.ids.iter();
    for ((key, value), id) in snapshot.model.rows.iter().zip(ids) {
        let put = Mutation::put(key.clone(), value.clone(), id.clone());
        engine.commit(&[put]).map_err(|e| text(&e))?;
    }
    Ok(engine)
}

/// A disk that leaves out some syncs, or the renewal of a log.
#[derive(Debug)]
struct Careless(Recorder, Defect);

impl Careless {
    fn skips(&self, path: &Path) -> bool {
        let is_log = path.extension().is_some_and(|extension| extension == "wal");
        self.1 == Defect::AcknowledgedBeforeSync && is_log
    }
}

impl Disk for Careless {
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
        let file = self.0.create(path)?;
        Ok(if self.skips(path) { Box::new(NewUnsynced(file)) } else { file })
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn OpenFile>> {
        let file = self.0.open(path)?;
        Ok(if self.skips(path) { Box::new(Unsynced(file)) } else { file })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        // Only a start replaces a log.
        let renews = to.extension().is_some_and(|extension| extension == "wal");
        match self.1 {
            Defect::ResumesUnsynced if renews => self.0.remove(from),
            _ => self.0.rename(from, to),
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        if self.1 == Defect::FolderNotSynced { Ok(()) } else { self.0.sync_dir(dir) }
    }
}

struct NewUnsynced(Box<dyn NewFile>);

impl NewFile for NewUnsynced {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
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
