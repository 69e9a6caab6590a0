//! A sidecar's file, changed by one thread at a time.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::Sidecar;
use crate::disk::Disk;
use crate::scheme::storage::Error;

/// The one file that a node's sidecar lives in. Share it: two of the same file would lose each other's changes.
pub struct SidecarFile {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    writing: Mutex<()>,
}

impl SidecarFile {
    /// The sidecar of that path, which need not be there yet.
    pub fn new(disk: Arc<dyn Disk>, path: impl Into<PathBuf>) -> Self {
        Self { disk, path: path.into(), writing: Mutex::new(()) }
    }

    /// The disk that it is on.
    pub fn disk(&self) -> &dyn Disk {
        &self.disk
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it.
    ///
    /// # Errors
    /// As [`Sidecar::read`].
    pub fn read(&self) -> Result<Sidecar, Error> {
        Sidecar::read(&self.disk, &self.path)
    }

    /// Reads it, where there is one.
    ///
    /// # Errors
    /// As [`Sidecar::read`].
    pub fn find(&self) -> Result<Option<Sidecar>, Error> {
        match self.read() {
            Ok(sidecar) => Ok(Some(sidecar)),
            Err(Error::Disk(error)) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads it, changes it and writes it; nothing is written where nothing changed.
    ///
    /// # Errors
    /// As [`Sidecar::read`], those of `change`, as [`Sidecar::write`].
    pub fn update<R>(&self, change: impl FnOnce(&mut Sidecar) -> Result<R, Error>) -> Result<R, Error> {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.read()?;
        self.write_changed(before.clone(), Some(before), change)
    }

    /// [`update`](Self::update), beginning with an empty sidecar where there is none.
    ///
    /// # Errors
    /// As `update`.
    pub fn update_or_begin<R>(
        &self,
        change: impl FnOnce(&mut Sidecar) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.find()?;
        self.write_changed(before.clone().unwrap_or_default(), before, change)
    }

    fn write_changed<R>(
        &self,
        mut sidecar: Sidecar,
        before: Option<Sidecar>,
        change: impl FnOnce(&mut Sidecar) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let result = change(&mut sidecar)?;
        if before.as_ref() != Some(&sidecar) {
            sidecar.write(&self.disk, &self.path)?;
        }
        Ok(result)
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
    use crate::scheme::storage::testing::sidecar_with;

    #[test]
    fn what_does_not_change_is_not_written_and_a_refused_change_neither() {
        let (disk, file) = sidecar_with(|_| {});
        let before = disk.steps().len();
        file.update(|_| Ok(())).unwrap();
        let refused = file.update(|sidecar| {
            sidecar.applied(99);
            Err::<(), _>(Error::Apply("a test"))
        });
        assert!(refused.is_err());
        assert_eq!(disk.steps().len(), before);
        let raise = |sidecar: &mut Sidecar| {
            sidecar.applied(99);
            Ok(())
        };
        file.update(raise).unwrap();
        assert_eq!(file.read().unwrap().raft_applied_index, 99);
    }

    #[test]
    fn an_absent_file_is_begun_only_where_that_is_asked_for() {
        let disk: Arc<dyn Disk> = Arc::new(crate::disk::Recorder::with_dir("/data"));
        let file = SidecarFile::new(disk, "/data/new.json");
        assert_eq!(file.update(|_| Ok(())).unwrap_err().spec_name(), "ErrNotExist");
        assert!(file.find().unwrap().is_none());
        file.update_or_begin(|_| Ok(())).unwrap();
        assert_eq!(file.find().unwrap(), Some(Sidecar::default()));
    }
}
