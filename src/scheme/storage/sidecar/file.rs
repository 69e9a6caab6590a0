//! A sidecar's file, changed by one thread at a time.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Sidecar;
use crate::disk::{self, Disk};
use crate::scheme::storage::Error;

/// The one file that holds a node's sidecar. Share it: two instances for one file would overwrite each
/// other's changes.
///
/// After a failed write it refuses every call: the file may hold data that a power cut takes away again, and
/// a caller that believed it written would carry on from there. A new process finds out what the file holds,
/// and makes that durable when it raises its first epoch.
pub struct SidecarFile {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    state: Mutex<State>,
}

/// Whether the file's content is on the medium.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Sure,
    Unsure,
}

impl SidecarFile {
    /// The sidecar at that path, which need not exist yet.
    pub fn new(disk: Arc<dyn Disk>, path: impl Into<PathBuf>) -> Self {
        Self { disk, path: path.into(), state: Mutex::new(State::Sure) }
    }

    /// The disk that it is on.
    pub fn disk(&self) -> &dyn Disk {
        &self.disk
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it, once no thread is writing it.
    ///
    /// # Errors
    /// [`Error::SidecarUnsure`] after a failed write; those of [`Sidecar::read`].
    pub fn read(&self) -> Result<Sidecar, Error> {
        let _nobody_writes = self.sure()?;
        Sidecar::read(&self.disk, &self.path)
    }

    /// Reads it, if there is one.
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    pub fn find(&self) -> Result<Option<Sidecar>, Error> {
        found(self.read())
    }

    /// Reads it, changes it and writes it; an unchanged sidecar is not written.
    ///
    /// # Errors
    /// Those of [`read`](Self::read), then those of `change`, then those of [`Sidecar::write`].
    pub fn update<R>(&self, change: impl FnOnce(&mut Sidecar) -> Result<R, Error>) -> Result<R, Error> {
        let state = self.sure()?;
        let before = Sidecar::read(&self.disk, &self.path)?;
        self.write_changed(state, before.clone(), Some(before), change)
    }

    /// [`update`](Self::update) that starts with an empty sidecar if there is none. The folder may be new
    /// too, so its name is made durable as well.
    ///
    /// # Errors
    /// Those of `update`; [`Error::Disk`] if the folder above cannot be synced.
    pub fn update_or_begin<R>(
        &self,
        change: impl FnOnce(&mut Sidecar) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let state = self.sure()?;
        let before = found(Sidecar::read(&self.disk, &self.path))?;
        if before.is_none() {
            self.sync_above()?;
        }
        self.write_changed(state, before.clone().unwrap_or_default(), before, change)
    }

    /// Replaces the file with that sidecar without reading it.
    ///
    /// # Errors
    /// [`Error::SidecarUnsure`] after a failed write; those of [`Sidecar::write`].
    pub(in crate::scheme::storage) fn replace(&self, sidecar: &Sidecar) -> Result<(), Error> {
        let state = self.sure()?;
        self.sync_above()?;
        self.write_changed(state, sidecar.clone(), None, |_| Ok(()))
    }

    /// Makes the name of the sidecar's folder, which may be new, durable.
    fn sync_above(&self) -> Result<(), Error> {
        let above = disk::parent(disk::parent(&self.path));
        let refused = |reason| disk::Error::UnsupportedFilesystem {
            doing: "syncing the folder",
            path: above.into(),
            reason,
        };
        Ok(self.disk.sync_dir(above).map_err(refused)?)
    }

    /// Locks the file for this thread, if its content is on the medium.
    fn sure(&self) -> Result<MutexGuard<'_, State>, Error> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match *state {
            State::Sure => Ok(state),
            State::Unsure => Err(Error::SidecarUnsure(self.path.clone())),
        }
    }

    fn write_changed<R>(
        &self,
        mut state: MutexGuard<'_, State>,
        mut sidecar: Sidecar,
        before: Option<Sidecar>,
        change: impl FnOnce(&mut Sidecar) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let result = change(&mut sidecar)?;
        if before.as_ref() != Some(&sidecar) {
            sidecar.check()?;
            *state = State::Unsure;
            sidecar.write(&self.disk, &self.path)?;
            *state = State::Sure;
        }
        Ok(result)
    }
}

fn found(read: Result<Sidecar, Error>) -> Result<Option<Sidecar>, Error> {
    match read {
        Ok(sidecar) => Ok(Some(sidecar)),
        Err(Error::Disk(error)) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

impl fmt::Debug for SidecarFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SidecarFile").field("path", &self.path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Recorder, Step};
    use crate::scheme::storage::testing::sidecar_with;

    #[test]
    fn neither_an_unchanged_sidecar_nor_a_refused_change_is_written() {
        let (disk, file) = sidecar_with(|_| {});
        let before = disk.steps().len();
        file.update(|_| Ok(())).unwrap();
        let refused = file.update(|sidecar| {
            sidecar.applied(99);
            Err::<(), _>(Error::Apply("a test"))
        });
        assert!(matches!(refused, Err(Error::Apply("a test"))), "{refused:?}");
        assert_eq!(disk.steps().len(), before);
        let raise = |sidecar: &mut Sidecar| {
            sidecar.applied(99);
            Ok(())
        };
        file.update(raise).unwrap();
        assert_eq!(file.read().unwrap().raft_applied_index, 99);
    }

    #[test]
    fn a_missing_file_is_created_only_on_request() {
        let disk = Recorder::with_dir("/data");
        let file = SidecarFile::new(Arc::new(disk.clone()) as Arc<dyn Disk>, "/data/new.json");
        assert_eq!(file.update(|_| Ok(())).unwrap_err().spec_name(), "ErrNotExist");
        assert!(file.find().unwrap().is_none());
        file.update_or_begin(|_| Ok(())).unwrap();
        assert_eq!(file.find().unwrap(), Some(Sidecar::default()));
        let synced = disk.steps().into_iter().filter(|step| matches!(step, Step::SyncDir(_)));
        let folders = ["/", "/data"].map(|dir| Step::SyncDir(dir.into()));
        assert_eq!(synced.collect::<Vec<_>>(), folders, "the name of a new folder is durable as well");
    }
}
