//! A store in a redb database: one file, a B-tree, copy on write, every commit on the medium when it returns.
//!
//! redb because it needs no C compiler, has a stable file format and frequent releases, and lets its file be
//! ours: it runs over any [`Disk`], so that the recorder sees each of its steps. Not taken: `sled` (no stable
//! release), `fjall` (durable only on request), `rusqlite` (C). What we add to redb, because power cuts asked
//! for it:
//!
//! - A new database is put there whole. redb lays out a new file in steps, and does not open one of which it
//!   was stopped in the midst.
//! - Every commit is in two phases. In one, a page that the disk lost after its sync, or that rots, takes
//!   redb back to the commit before without a word, and a registry that forgets an epoch is what repeats a
//!   nonce; in two, redb refuses to start. Nor does what is taken for whole rest on a hash that is not
//!   cryptographic, over values that others choose. The price is a second sync.
//! - A file that was lengthened is synced before anything else is written. redb's header may otherwise be on
//!   the medium before the length that it speaks of, on which redb panics.
//! - It is not closed but only ever stopped, so that it starts in one way: every page in use is read, its
//!   checksum compared, and the free ones are found anew. A database that was closed properly redb opens
//!   without a look at them. The price is a start that reads what is in use, which is little in a registry
//!   and much in a large table.

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
/// Pages of the database in memory, at most.
const CACHE_BYTES: usize = 4 * 1024 * 1024;

/// Rows of one database file.
pub struct Redb {
    database: Database,
    path: PathBuf,
    /// From then on the file is not touched.
    stopped: Arc<AtomicBool>,
    /// A commit failed, and may or may not be on the disk: only opening it anew can tell.
    unsure: AtomicBool,
    /// Held for a commit: one that waits for another must see that it failed, on which redb would panic.
    committing: Mutex<()>,
}

impl Redb {
    /// Opens the database of that file, or makes an empty one where there is none. Two processes that both
    /// make one lose one of the two: the caller sees to that. One that is there is held until it is dropped.
    /// It is changed in place, so that a link to it is followed; one that leads nowhere is refused, and no
    /// database made in its place.
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
            // redb would make this a new database.
            return Err(Error::Damaged { path: path.into(), why: "it is empty".into() });
        }
        let stopped = Arc::<AtomicBool>::default();
        let database = database(file, Arc::clone(&stopped), path)?;
        let store = Self::of(database, stopped, path);
        store.rows()?;
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
        Error::Database { path: self.path.clone(), why: "a commit failed".into() }
    }

    fn refused(&self, doing: &'static str, error: impl Into<::redb::Error>) -> Error {
        refused(doing, &self.path, error.into())
    }
}

/// Opens what that file holds; an empty one becomes a database.
fn database(file: Box<dyn OpenFile>, stopped: Arc<AtomicBool>, path: &Path) -> Result<Database, Error> {
    let backend = Backend { file, stopped };
    // Parts of the header redb does not check but assert.
    let opened = catch_unwind(AssertUnwindSafe(|| {
        Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(backend)
    }));
    let damaged = |_| Error::Damaged { path: path.into(), why: "its header contradicts itself".into() };
    opened.map_err(damaged)?.map_err(|error| refused("opening", path, error.into()))
}

/// The bytes of a database without rows, made on a disk in memory.
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

/// Whether the rows were as they were seen, and the changes made.
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
            Error::Damaged { path: path.into(), why: "it does not begin as a database".into() }
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
        let value = self.rows()?.get(key).map_err(|error| self.refused("reading", error))?;
        Ok(value.map(|value| value.value().to_vec()))
    }

    fn commit_if(&self, seen: &[Row], changes: &[Change]) -> Result<bool, Error> {
        let _alone = self.committing.lock().map_err(|_| self.failed())?;
        self.sure()?;
        write(&self.database, seen, changes).map_err(|error| {
            self.unsure.store(true, Ordering::Release);
            self.refused("committing to", error)
        })
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, Error> {
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

/// The file as redb asks for it.
#[derive(Debug)]
struct Backend {
    file: Box<dyn OpenFile>,
    stopped: Arc<AtomicBool>,
}

impl Backend {
    fn running(&self) -> io::Result<()> {
        if self.stopped.load(Ordering::Acquire) {
            return Err(io::Error::other("it is only ever stopped"));
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
