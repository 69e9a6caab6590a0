//! The disk: files that survive a power cut, a database of rows, and a recorder that cuts the power.
//!
//! Everything that changes a file goes through [`Disk`], so that the [`Recorder`] can stand in for the
//! operating system, fail at any step, and show what a power loss may leave behind. Not here: what the bytes
//! mean.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod durable;
mod epoch;
#[cfg(feature = "storage")]
mod key_file;
mod os;
mod recorder;
#[cfg(feature = "redb")]
mod redb;
mod store;

#[cfg(feature = "redb")]
pub use self::redb::Redb;
pub use durable::{durable_write, parent, probe, read, refuse_link};
pub use epoch::{EpochError, EpochFile};
#[cfg(feature = "storage")]
pub use key_file::{KeyFileError, read_key_file};
pub use os::Os;
pub use recorder::{Fault, Medium, Recorder, Remnant, Step};
pub use store::{Change, Memory, Row, Store};

/// What a file system must offer. Paths are handed on as they are.
pub trait Disk: Send + Sync + fmt::Debug {
    /// The whole of a file.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::NotFound`] where there is none.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Whether something has that name.
    ///
    /// # Errors
    /// The system's, when it cannot tell.
    fn exists(&self, path: &Path) -> io::Result<bool>;

    /// Whether that name is a symbolic link, whatever it leads to. A disk without links says no.
    ///
    /// # Errors
    /// The system's, when it cannot tell.
    fn is_link(&self, path: &Path) -> io::Result<bool> {
        let _ = path;
        Ok(false)
    }

    /// The names in a folder, sorted: of files and of folders.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::NotFound`] where there is no such folder.
    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>>;

    /// Makes a file that was not there, readable and writable by its owner alone (mode 0600 on Unix).
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::AlreadyExists`] where something has that name.
    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>>;

    /// Opens a file that is there, for reading and writing in place and for this holder alone until it is
    /// dropped.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::NotFound`] where there is none, [`io::ErrorKind::WouldBlock`] where
    /// another holds it. A system without locks does not tell.
    fn open(&self, path: &Path) -> io::Result<Box<dyn OpenFile>>;

    /// Gives a file another name in the same folder, in place of what had that name.
    ///
    /// # Errors
    /// The system's.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes a file's name away.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::NotFound`] where there is none.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Returns when the names in that folder are on the medium.
    ///
    /// # Errors
    /// The system's, also where it cannot promise that.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// A file just made.
pub trait NewFile {
    /// Puts bytes behind those it has.
    ///
    /// # Errors
    /// The system's; part of the bytes may be there.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Returns when its bytes are on the medium. Its name may not be: that is [`Disk::sync_dir`].
    ///
    /// # Errors
    /// The system's. What was written is then lost, whatever a later call says.
    fn sync(&mut self) -> io::Result<()>;
}

/// A file that is read and written in place. Any number of threads share it.
pub trait OpenFile: Send + Sync + fmt::Debug {
    /// How many bytes it has.
    ///
    /// # Errors
    /// The system's.
    fn size(&self) -> io::Result<u64>;

    /// Fills `out` with the bytes from there on.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::UnexpectedEof`] where the file ends before.
    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()>;

    /// Puts bytes there, in place of what was there and behind it; a gap before them is zeros.
    ///
    /// # Errors
    /// The system's; part of the bytes may be there.
    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts it to that length, or lengthens it by zeros.
    ///
    /// # Errors
    /// The system's.
    fn set_size(&self, size: u64) -> io::Result<()>;

    /// Returns when its bytes and its length are on the medium.
    ///
    /// # Errors
    /// The system's. What was written is then lost, whatever a later call says.
    fn sync(&self) -> io::Result<()>;
}

impl<D: Disk + ?Sized> Disk for Arc<D> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        (**self).read(path)
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

/// Why the disk did not do as it was told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("{doing} {}: {reason}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// Its reason.
        reason: io::Error,
    },
    /// The file system cannot promise that a file survives a power cut.
    #[error("{doing} {}: {reason}: this file system does not keep what is synced; use a local \
        one", path.display())]
    UnsupportedFilesystem {
        /// What was being done.
        doing: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// Its reason.
        reason: io::Error,
    },
    /// A file that is replaced as a whole is named by a symbolic link, which a rename would replace instead.
    #[error(
        "{}: it is a symbolic link, and writing would replace the link and not the file that it leads to: \
         configure the path of the file itself (a linked folder is fine)",
        path.display()
    )]
    SymbolicLink {
        /// The link.
        path: PathBuf,
    },
    /// Another process has the database open, or another part of this one.
    #[error("{}: it is in use: stop the process that has it open", path.display())]
    InUse {
        /// Its file.
        path: PathBuf,
    },
    /// A database's file is not what was written.
    #[error(
        "{}: the database is damaged ({why}): copy it anew from another replica, never from a backup",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The database refused.
    #[error("{}: the database refused: {why}: open it anew", path.display())]
    Database {
        /// Its file.
        path: PathBuf,
        /// Its reason.
        why: String,
    },
}

impl Error {
    /// Whether there was no such file or folder.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { reason, .. } if reason.kind() == io::ErrorKind::NotFound)
    }
}
