//! The disk: files that survive a power cut, a database of rows, and a recorder that simulates power cuts.
//!
//! Every change to a file goes through [`Disk`], so that the [`Recorder`] can replace the operating system,
//! fail at any step, and show every state that a power loss may leave. Not here: the meaning of the bytes.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod durable;
mod epoch;
#[cfg(any(feature = "snapshot", feature = "storage"))]
mod key_file;
mod os;
mod recorder;
#[cfg(feature = "redb")]
mod redb;
mod store;

#[cfg(feature = "redb")]
pub use self::redb::Redb;
pub use durable::{Replacement, durable_write, parent, probe, read, refuse_link};
pub use epoch::{EpochError, EpochFile};
#[cfg(any(feature = "snapshot", feature = "storage"))]
pub use key_file::{KeyFileError, read_key_file};
pub use os::Os;
pub use recorder::{Fault, Medium, Recorder, Remnant, Step};
pub use store::{Change, Memory, Row, Store};

/// The operations that a file system must provide. Paths are passed on unchanged.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Reads a whole file.
    ///
    /// # Errors
    /// The system's error; [`io::ErrorKind::NotFound`] if there is no such file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Reads the first `most` bytes of a file, or all of them if there are fewer. A disk that keeps files in
    /// memory may look at the whole file.
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    fn read_start(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        let mut bytes = self.read(path)?;
        bytes.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        Ok(bytes)
    }

    /// Whether a file or folder with this name exists.
    ///
    /// # Errors
    /// The system's error if it cannot tell.
    fn exists(&self, path: &Path) -> io::Result<bool>;

    /// Whether this name is a symbolic link, even a dangling one. A disk without links returns false.
    ///
    /// # Errors
    /// The system's error if it cannot tell.
    fn is_link(&self, path: &Path) -> io::Result<bool> {
        let _ = path;
        Ok(false)
    }

    /// The names of the files and folders in a folder, sorted.
    ///
    /// # Errors
    /// The system's error; [`io::ErrorKind::NotFound`] if there is no such folder.
    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>>;

    /// Creates a new file that only its owner can read and write (mode 0600 on Unix).
    ///
    /// # Errors
    /// The system's error; [`io::ErrorKind::AlreadyExists`] if the name is taken.
    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>>;

    /// Opens an existing file for reading and writing in place, exclusively until the handle is dropped.
    ///
    /// # Errors
    /// The system's error; [`io::ErrorKind::NotFound`] if there is no such file,
    /// [`io::ErrorKind::WouldBlock`] if another holder has it open. A system without locks does not detect
    /// that.
    fn open(&self, path: &Path) -> io::Result<Box<dyn OpenFile>>;

    /// Renames a file within its folder, replacing any file that has the new name.
    ///
    /// # Errors
    /// The system's error.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file's name.
    ///
    /// # Errors
    /// The system's error; [`io::ErrorKind::NotFound`] if there is no such file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Returns once the names in this folder are on the medium.
    ///
    /// # Errors
    /// The system's error, also if it cannot guarantee that.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// A newly created file.
pub trait NewFile {
    /// Appends bytes.
    ///
    /// # Errors
    /// The system's error; some of the bytes may have been written.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Returns once its bytes are on the medium. Its name needs [`Disk::sync_dir`].
    ///
    /// # Errors
    /// The system's error. The unsynced writes are then lost, even if a later call succeeds.
    fn sync(&mut self) -> io::Result<()>;
}

/// A file that is read and written in place. Any number of threads may share it.
pub trait OpenFile: Send + Sync + fmt::Debug {
    /// Its length in bytes.
    ///
    /// # Errors
    /// The system's error.
    fn size(&self) -> io::Result<u64>;

    /// Fills `out` with the bytes that start at `at`.
    ///
    /// # Errors
    /// The system's error; [`io::ErrorKind::UnexpectedEof`] if the file is too short.
    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()>;

    /// Writes bytes at `at`, overwriting or extending the file; a gap before them is filled with zeros.
    ///
    /// # Errors
    /// The system's error; some of the bytes may have been written.
    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()>;

    /// Truncates it to this length, or extends it with zeros.
    ///
    /// # Errors
    /// The system's error.
    fn set_size(&self, size: u64) -> io::Result<()>;

    /// Returns once its bytes and its length are on the medium.
    ///
    /// # Errors
    /// The system's error. The unsynced writes are then lost, even if a later call succeeds.
    fn sync(&self) -> io::Result<()>;
}

impl<D: Disk + ?Sized> Disk for Arc<D> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        (**self).read(path)
    }

    fn read_start(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        (**self).read_start(path, most)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        (**self).exists(path)
    }

    fn is_link(&self, path: &Path) -> io::Result<bool> {
        (**self).is_link(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        (**self).list(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        (**self).create(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn OpenFile>> {
        (**self).open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        (**self).rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        (**self).remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        (**self).sync_dir(dir)
    }
}

/// Why a disk operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("{doing} {}: {reason}", path.display())]
    Io {
        /// The action.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        reason: io::Error,
    },
    /// The file system cannot guarantee that a file survives a power cut.
    #[error("{doing} {}: {reason}: this file system does not make synced files durable; use a local \
        one", path.display())]
    UnsupportedFilesystem {
        /// The action.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        reason: io::Error,
    },
    /// The path of a file that is to be replaced as a whole is a symbolic link; a rename would replace the
    /// link instead.
    #[error(
        "{}: it is a symbolic link, and writing would replace the link instead of its target: \
         configure the path of the file itself (a linked folder is fine)",
        path.display()
    )]
    SymbolicLink {
        /// The link.
        path: PathBuf,
    },
    /// Another process, or another part of this one, has the database open.
    #[error("{}: it is in use: stop the process that has it open", path.display())]
    InUse {
        /// The database file.
        path: PathBuf,
    },
    /// A database file does not hold what was written.
    #[error(
        "{}: the database is damaged ({why}): copy it again from another replica, never from a backup",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with the file.
        why: String,
    },
    /// The database refused an operation.
    #[error("{}: the database refused: {why}: reopen it", path.display())]
    Database {
        /// The database file.
        path: PathBuf,
        /// The reason.
        why: String,
    },
}

impl Error {
    /// Whether the file or folder does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { reason, .. } if reason.kind() == io::ErrorKind::NotFound)
    }
}
