//! A store in a redb database: one file with a copy-on-write B-tree, in which every commit is durable when it
//! returns.
//!
//! redb needs no C compiler, has a stable file format and frequent releases, and accepts our own file
//! backend: it runs on any [`Disk`], so that the recorder sees each of its steps. Rejected: `sled` (no stable
//! release), `fjall` (durable only on request), `rusqlite` (C). Our tests with power cuts required four
//! additions:
//!
//! - A new database is created atomically. redb lays out a new file in steps, and cannot open a file whose
//!   creation was interrupted.
//! - Every commit has two phases. With one-phase commits, if a page rots or the disk loses it after a sync,
//!   redb silently goes back to the previous commit, and a registry that forgets an epoch repeats nonces.
//!   With two phases, redb refuses to start. Two phases also avoid deciding whether a commit is complete by a
//!   non-cryptographic hash over values that others choose. The price is a second sync.
//! - An extended file is synced before anything else is written. Otherwise redb's header may reach the medium
//!   before the length that it refers to, and redb panics.
//! - It is never closed, only stopped, so that there is only one way to start: redb reads every page in use,
//!   compares its checksum, and rebuilds the list of free pages. It would open a properly closed database
//!   without these checks. The price is a start that reads all pages in use: few for a registry, many for a
//!   large table.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use ::redb::{
    Builder, Database, ReadOnlyTable, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition,
};

use super::durable::io_error;
use super::{Change, Disk, Error, OpenFile, Recorder, Row, Store, durable_write};

const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
/// The maximum size of the page cache.
const CACHE_BYTES: usize = 4 * 1024 * 1024;

/// The rows of one database file.
pub struct Redb {
    database: Database,
    path: PathBuf,
    /// Once set, the file is no longer changed.
    stopped: Arc<AtomicBool>,
    /// A commit failed and may or may not be on the disk, or a page is damaged: only reopening the database
    /// can tell.
    unsure: AtomicBool,
    /// Held during a commit: a commit that waits for a failing one must see the failure, or redb would panic.
    committing: Mutex<()>,
}

impl Redb {
    /// Opens the database in this file, or creates an empty one if there is none. If two processes create one
    /// at the same time, one of the two is lost; the caller must prevent that. An existing file is held
    /// exclusively until the store is dropped. The file is changed in place, so a link to it is followed; a
    /// dangling link is refused, and no database is created in its place.
    ///
    /// # Errors
    /// [`Error::InUse`], [`Error::Damaged`], [`Error::Database`], [`Error::Io`], and those of
    /// [`durable_write`].
    pub fn open(disk: &dyn Disk, path: &Path) -> Result<Self, Error> {
        if !disk.exists(path).map_err(io_error("looking for", path))? {
            durable_write(disk, path, &empty(path)?)?;
        }
        let file = disk.open(path).map_err(|reason| match reason.kind() {
            io::ErrorKind::WouldBlock => Error::InUse { path: path.into() },
            _ => io_error("opening", path)(reason),
        })?;
        if file.size().map_err(io_error("opening", path))? == 0 {
            // redb would turn this into a new database.
            return Err(Error::Damaged { path: path.into(), why: "it is empty".into() });
        }
        let stopped = Arc::<AtomicBool>::default();
        let database = database(file, Arc::clone(&stopped), path)?;
        let store = Self::of(database, stopped, path);
        store.guarded(|| store.rows().map(drop))?;
        Ok(store)
    }

    fn of(database: Database, stopped: Arc<AtomicBool>, path: &Path) -> Self {
        let (unsure, committing) = Default::default();
        Self { database, path: path.into(), stopped, unsure, committing }
    }

    fn rows(&self) -> Result<ReadOnlyTable<&'static [u8], &'static [u8]>, Error> {
        self.sure()?;
        let begun = self.database.begin_read().map_err(|error| self.refused("reading", error))?;
        begun.open_table(ROWS).map_err(|error| self.refused("reading", error))
    }

    fn sure(&self) -> Result<(), Error> {
        if self.unsure.load(Ordering::Acquire) { Err(self.failed()) } else { Ok(()) }
    }

    fn failed(&self) -> Error {
        Error::Database { path: self.path.clone(), why: "an earlier call failed".into() }
    }

    fn refused(&self, doing: &'static str, error: impl Into<::redb::Error>) -> Error {
        refused(doing, &self.path, error.into())
    }

    /// redb compares checksums when it starts, and trusts its pages afterwards: a page that rots later makes
    /// it panic. That is damage too, and the store refuses every further call.
    fn guarded<T>(&self, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
            self.unsure.store(true, Ordering::Release);
            Err(Error::Damaged { path: self.path.clone(), why: "its pages contradict each other".into() })
        })
    }
}

/// Opens the database in this file; an empty file becomes a new database.
fn database(file: Box<dyn OpenFile>, stopped: Arc<AtomicBool>, path: &Path) -> Result<Database, Error> {
    let backend = Backend { file, stopped };
    // redb asserts some parts of the header instead of checking them.
    let opened = catch_unwind(AssertUnwindSafe(|| {
        Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(backend)
    }));
    let damaged = |_| Error::Damaged { path: path.into(), why: "its header contradicts itself".into() };
    opened.map_err(damaged)?.map_err(|error| refused("opening", path, error.into()))
}

/// The bytes of a database without rows, created on a disk in memory.
fn empty(path: &Path) -> Result<Vec<u8>, Error> {
    let (disk, name) = (Recorder::with_dir("/"), Path::new("/new"));
    let failed = |reason| io_error("making", path)(reason);
    disk.create(name).map_err(failed)?;
    let stopped = Arc::<AtomicBool>::default();
    let new = database(disk.open(name).map_err(failed)?, Arc::clone(&stopped), path)?;
    write(&new, &[], &[]).map_err(|error| refused("making", path, error))?;
    stopped.store(true, Ordering::Release);
    disk.read(name).map_err(failed)
}

/// Makes the changes if the rows in `seen` still have the same values; returns whether it did.
fn write(database: &Database, seen: &[Row], changes: &[Change]) -> Result<bool, ::redb::Error> {
    let mut begun = database.begin_write()?;
    begun.set_two_phase_commit(true);
    let mut rows = begun.open_table(ROWS)?;
    for (key, value) in seen {
        if rows.get(&key[..])?.is_none_or(|found| found.value() != value) {
            drop(rows);
            begun.abort()?;
            return Ok(false);
        }
    }
    for (key, value) in changes {
        match value {
            Some(value) => rows.insert(&key[..], &value[..])?,
            None => rows.remove(&key[..])?,
        };
    }
    drop(rows);
    begun.commit()?;
    Ok(true)
}

fn refused(doing: &'static str, path: &Path, error: ::redb::Error) -> Error {
    use ::redb::Error as Redb;
    match error {
        Redb::Io(reason) if reason.kind() == io::ErrorKind::InvalidData => {
            Error::Damaged { path: path.into(), why: "it does not start like a redb database".into() }
        }
        Redb::Io(reason) => io_error(doing, path)(reason),
        Redb::Corrupted(why) => Error::Damaged { path: path.into(), why },
        Redb::UpgradeRequired(_) | Redb::TableDoesNotExist(_) | Redb::TableTypeMismatch { .. } => {
            Error::Damaged { path: path.into(), why: error.to_string() }
        }
        _ => Error::Database { path: path.into(), why: error.to_string() },
    }
}

impl Store for Redb {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.guarded(|| {
            let value = self.rows()?.get(key).map_err(|error| self.refused("reading", error))?;
            Ok(value.map(|value| value.value().to_vec()))
        })
    }

    fn commit_if(&self, seen: &[Row], changes: &[Change]) -> Result<bool, Error> {
        let _alone = self.committing.lock().map_err(|_| self.failed())?;
        self.sure()?;
        self.guarded(|| {
            write(&self.database, seen, changes).map_err(|error| {
                self.unsure.store(true, Ordering::Release);
                self.refused("committing to", error)
            })
        })
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, Error> {
        self.guarded(|| {
            let from = after.filter(|after| *after >= prefix).unwrap_or(prefix);
            let mut found = Vec::new();
            for row in self.rows()?.range(from..).map_err(|error| self.refused("reading", error))? {
                let (key, value) = row.map_err(|error| self.refused("reading", error))?;
                if found.len() == limit || !key.value().starts_with(prefix) {
                    break;
                }
                if Some(key.value()) != after {
                    found.push((key.value().to_vec(), value.value().to_vec()));
                }
            }
            Ok(found)
        })
    }
}

impl Drop for Redb {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
    }
}

impl fmt::Debug for Redb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redb").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The file, behind redb's backend trait.
#[derive(Debug)]
struct Backend {
    file: Box<dyn OpenFile>,
    stopped: Arc<AtomicBool>,
}

impl Backend {
    fn running(&self) -> io::Result<()> {
        if self.stopped.load(Ordering::Acquire) {
            return Err(io::Error::other("the database is stopped, never closed"));
        }
        Ok(())
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.running()?;
        let longer = len > self.file.size()?;
        self.file.set_size(len)?;
        if longer { self.file.sync() } else { Ok(()) }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.running()?;
        self.file.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.running()?;
        self.file.write_at(offset, data)
    }
}

#[cfg(test)]
mod tests;
