//! Writes a file so that a power cut leaves either the old bytes or the new ones, and probes for what that
//! needs.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Disk, Error, NewFile};

pub(super) fn io_error<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + 'a {
    move |reason| Error::Io { doing, path: path.into(), reason }
}

fn unsupported<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + 'a {
    move |reason| Error::UnsupportedFilesystem { doing, path: path.into(), reason }
}

/// Reads a whole file.
///
/// # Errors
/// [`Error::Io`].
pub fn read(disk: &dyn Disk, path: &Path) -> Result<Vec<u8>, Error> {
    disk.read(path).map_err(io_error("reading", path))
}

/// Refuses a symbolic link as the name of a file that is to be replaced as a whole. A rename would replace
/// the link and leave its old target in place: if something recreates the link, as a container does at its
/// start, the next process continues from the old file. A link in the path of the folder does no harm, nor
/// does a link to a file that is changed in place.
///
/// # Errors
/// [`Error::SymbolicLink`], also for a dangling link; [`Error::Io`] if the disk cannot tell.
pub fn refuse_link(disk: &dyn Disk, path: &Path) -> Result<(), Error> {
    match disk.is_link(path).map_err(io_error("looking at", path))? {
        true => Err(Error::SymbolicLink { path: path.into() }),
        false => Ok(()),
    }
}

/// Writes these bytes under this name. After a power cut at any moment the file holds either its old bytes or
/// all of the new ones; once this call has returned, it holds the new ones. A stale file under the temporary
/// name, whatever its mode, is removed and not written to. The caller must ensure that there is only one
/// writer at a time.
///
/// # Errors
/// [`Error::SymbolicLink`] before anything is written, see [`refuse_link`]; [`Error::Io`], and
/// [`Error::UnsupportedFilesystem`] if the folder cannot be synced: the file may then hold the old bytes or
/// the new ones. The temporary file is removed if the disk permits it.
pub fn durable_write(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut replacement = Replacement::begin(disk, path)?;
    replacement.write_all(bytes)?;
    replacement.commit()
}

/// A file's new bytes, written part by part under a temporary name. The promise is that of
/// [`durable_write`]; until [`commit`](Self::commit), the file holds its old bytes. Dropped without a commit,
/// it removes the temporary file if the disk permits it.
pub struct Replacement<'a> {
    disk: &'a dyn Disk,
    path: &'a Path,
    temporary: PathBuf,
    /// Present until the bytes are synced.
    file: Option<Box<dyn NewFile>>,
    renamed: bool,
}

impl<'a> Replacement<'a> {
    /// Begins to replace the file with this name. A stale temporary file is removed.
    ///
    /// # Errors
    /// [`Error::SymbolicLink`] before anything is written, see [`refuse_link`]; [`Error::Io`].
    pub fn begin(disk: &'a dyn Disk, path: &'a Path) -> Result<Self, Error> {
        let temporary = temporary_beside(path)?;
        refuse_link(disk, path)?;
        remove_stale(disk, &temporary)?;
        // A refused creation may have left the name, which is removed on drop.
        let mut replacement = Self { disk, path, temporary, file: None, renamed: false };
        let created = disk.create(&replacement.temporary);
        replacement.file = Some(created.map_err(io_error("creating", &replacement.temporary))?);
        Ok(replacement)
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_all(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let file = self.file.as_mut().expect("only a commit takes the file");
        file.write_all(bytes).map_err(io_error("writing", &self.temporary))
    }

    /// Puts the new bytes in place of the old ones, durably.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::UnsupportedFilesystem`] if the folder cannot be synced: the file may then
    /// hold the old bytes or the new ones.
    pub fn commit(mut self) -> Result<(), Error> {
        let mut file = self.file.take().expect("a replacement commits once");
        file.sync().map_err(io_error("syncing", &self.temporary))?;
        drop(file);
        self.disk.rename(&self.temporary, self.path).map_err(io_error("renaming to", self.path))?;
        self.renamed = true;
        let dir = parent(self.path);
        self.disk.sync_dir(dir).map_err(unsupported("syncing the folder", dir))
    }
}

impl Drop for Replacement<'_> {
    fn drop(&mut self) {
        if !self.renamed {
            drop(self.file.take());
            // The write has failed already; the result of this clean-up changes nothing for the caller.
            let _ = self.disk.remove(&self.temporary);
        }
    }
}

impl std::fmt::Debug for Replacement<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replacement").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The file's name with `.tmp` appended. A path without a file name is refused: for `..` the temporary file
/// would lie in another folder, and for an empty path it could be an unrelated file.
fn temporary_beside(path: &Path) -> Result<PathBuf, Error> {
    let Some(name) = path.file_name() else {
        return Err(io_error("naming a temporary file beside", path)(io::ErrorKind::InvalidInput.into()));
    };
    let mut temporary = name.to_owned();
    temporary.push(".tmp");
    Ok(path.with_file_name(temporary))
}

/// Removes a temporary file that a crashed process left behind. The next process may even have the same id,
/// which in a container is often 1.
fn remove_stale(disk: &dyn Disk, temporary: &Path) -> Result<(), Error> {
    match disk.remove(temporary) {
        Err(reason) if reason.kind() != io::ErrorKind::NotFound => {
            Err(io_error("removing the stale", temporary)(reason))
        }
        _ => Ok(()),
    }
}

/// The folder that contains a path's file.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

/// Tests whether a folder's file system supports what [`durable_write`] needs, with a temporary file whose
/// name starts with `prefix`.
///
/// # Errors
/// [`Error::UnsupportedFilesystem`] if a file or the folder cannot be synced, [`Error::Io`] for anything
/// else, such as a missing folder.
pub fn probe(disk: &dyn Disk, dir: &Path, prefix: &str) -> Result<(), Error> {
    static PROBES: AtomicU64 = AtomicU64::new(0);
    let unique = format!("{prefix}{}-{}.tmp", std::process::id(), PROBES.fetch_add(1, Ordering::Relaxed));
    probe_as(disk, dir, unique)
}

fn probe_as(disk: &dyn Disk, dir: &Path, unique: String) -> Result<(), Error> {
    let temporary = dir.join(&unique);
    let last = dir.join(unique + ".final");
    remove_stale(disk, &temporary)?;
    let mut file = disk.create(&temporary).map_err(io_error("creating", &temporary))?;
    let probed = (|| {
        file.write_all(b"probe").map_err(io_error("writing", &temporary))?;
        file.sync().map_err(unsupported("syncing", &temporary))?;
        disk.rename(&temporary, &last).map_err(io_error("renaming to", &last))?;
        disk.sync_dir(dir).map_err(unsupported("syncing the folder", dir))
    })();
    drop(file);
    let _ = disk.remove(&temporary);
    let removed = disk.remove(&last);
    probed?;
    removed.map_err(io_error("removing", &last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Fault, Recorder, Step};

    const FILE: &str = "/data/keys.json";

    fn with(bytes: &[u8]) -> Recorder {
        let disk = Recorder::with_dir("/data");
        durable_write(&disk, Path::new(FILE), bytes).unwrap();
        disk
    }

    #[test]
    fn a_durable_write_takes_six_steps_in_this_order() {
        let disk = with(b"old");
        let (file, temporary) = (PathBuf::from(FILE), PathBuf::from("/data/keys.json.tmp"));
        let steps = [
            Step::Remove(temporary.clone()),
            Step::Create(temporary.clone()),
            Step::Write(temporary.clone(), 3),
            Step::Sync(temporary.clone()),
            Step::Rename(temporary, file),
            Step::SyncDir("/data".into()),
        ];
        assert_eq!(disk.steps(), steps);
    }

    #[test]
    fn a_path_that_names_no_file_is_refused_before_anything_is_removed() {
        for path in ["", "/", "/data/..", ".."] {
            let disk = Recorder::with_dir("/data");
            let refused = durable_write(&disk, Path::new(path), b"new").unwrap_err();
            assert!(
                matches!(&refused, Error::Io { reason, .. } if reason.kind() == io::ErrorKind::InvalidInput),
                "{path:?}: {refused}"
            );
            assert_eq!(disk.steps(), [], "{path:?}");
        }
    }

    #[test]
    fn a_power_cut_at_any_step_leaves_the_old_bytes_or_the_new() {
        let steps = 6;
        let mut states = 0;
        for cut in 0..=steps {
            let disk = with(b"old");
            disk.plan(steps + cut, Fault::Power);
            let done = durable_write(&disk, Path::new(FILE), b"new bytes");
            assert_eq!(done.is_ok(), cut == steps);
            for left in disk.after_power_loss() {
                let bytes = left.read(Path::new(FILE)).unwrap();
                assert!(bytes == b"new bytes" || (bytes == b"old" && cut < steps), "{cut}: {bytes:?}");
                states += 1;
            }
        }
        assert!(states >= 15, "{states} states");
    }

    #[test]
    fn a_refused_step_leaves_the_old_bytes_and_no_temporary_file() {
        for (fault, step) in [Fault::NoSpace, Fault::Io].into_iter().flat_map(|f| (1..5).map(move |s| (f, s)))
        {
            let disk = with(b"old");
            disk.plan(6 + step, fault);
            assert!(durable_write(&disk, Path::new(FILE), b"new").is_err(), "{fault:?} at {step}");
            assert_eq!(disk.read(Path::new(FILE)).unwrap(), b"old");
            assert!(!disk.exists(Path::new("/data/keys.json.tmp")).unwrap(), "{fault:?} at {step}");
        }
        let disk = with(b"old");
        disk.plan(6 + 5, Fault::Io);
        let error = durable_write(&disk, Path::new(FILE), b"new").unwrap_err();
        assert!(matches!(error, Error::UnsupportedFilesystem { .. }), "{error}");
    }

    #[test]
    fn a_probe_leaves_nothing_and_reports_the_step_that_fails() {
        let disk = with(b"old");
        probe(&disk, Path::new("/data"), ".probe-").unwrap();
        assert_eq!(disk.names(), [PathBuf::from(FILE)]);
        let missing = probe(&disk, Path::new("/absent"), ".probe-").unwrap_err();
        assert!(missing.is_not_found(), "{missing}");
        // The steps: remove, create, write, sync, rename, sync the folder.
        for (step, typed) in [(0, false), (1, false), (2, false), (3, true), (4, false), (5, true)] {
            let disk = with(b"old");
            disk.plan(6 + step, Fault::Io);
            let error = probe(&disk, Path::new("/data"), ".probe-").unwrap_err();
            assert_eq!(matches!(error, Error::UnsupportedFilesystem { .. }), typed, "{step}: {error}");
            assert_eq!(disk.names(), [PathBuf::from(FILE)], "{step}");
        }
    }

    #[test]
    fn a_probe_that_died_at_any_step_does_not_block_the_next() {
        // The next process starts counting from zero and may have the same id.
        let probe = |disk: &Recorder| probe_as(disk, Path::new("/data"), ".probe-1-0.tmp".into());
        let mut stale = 0;
        for step in 0..7 {
            let disk = with(b"old");
            disk.plan(6 + step, Fault::Power);
            assert!(probe(&disk).is_err(), "it dies at step {step}");
            for left in disk.after_power_loss() {
                stale += usize::from(left.names().len() > 1);
                probe(&left).unwrap();
                assert_eq!(left.names(), [PathBuf::from(FILE)], "{step}");
            }
        }
        assert!(stale >= 5, "{stale} left a file");
    }

    #[test]
    fn a_path_without_a_folder_is_in_the_current_one() {
        assert_eq!(parent(Path::new("keys.json")), Path::new("."));
        assert_eq!(parent(Path::new("/keys.json")), Path::new("/"));
    }
}
