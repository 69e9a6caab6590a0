//! The writer: one open log, appended to by one process.
//!
//! An opened log never continues an old file: it raises the epoch, begins a new WAL under it, and writes a
//! head that includes that WAL. Records are sealed into a buffer and written in large pieces; a record is
//! acknowledged once [`Log::sync`] has returned, which syncs the WAL and then replaces the head. After a
//! failed write or sync nothing more is written, because nobody knows what is on the medium.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::chain::{self, Place};
use super::error::Error;
use super::folder::{lock, settle};
use super::head::{self, Head};
use super::key::{FileId, ID_LEN, LogKey};
use super::note::{Note, TableRef};
use super::replay::{self, Options, State, io};
use super::table::{Of, Table};
use super::wal::Wal;
use super::{EPOCH, remove_if_there, table_writer};
use crate::disk::{Disk, OpenFile};
use crate::envelope::NonceSource;
use crate::scheme::log::limit::exceeded;
use crate::scheme::log::table::Entry;
use crate::scheme::log::wal::Record;

/// Bytes in the buffer after which [`Log::append`] writes them.
const BUFFER_LEN: usize = 256 * 1024;

/// A sealed log, open for appending.
pub struct Log {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    key: LogKey,
    /// Locked as long as the log is open.
    _lock: Box<dyn OpenFile>,
    epoch: u32,
    nonces: NonceSource,
    wal: Wal,
    /// Sealed frames that are not yet written.
    buffer: Vec<u8>,
    /// The place after the last frame, written or not.
    place: Place,
    head: Head,
    heads: head::Writer,
    tables: BTreeMap<u64, TableRef>,
    next_table: u64,
    halted: bool,
}

impl Log {
    /// Creates a log in an existing folder without one.
    ///
    /// # Errors
    /// [`Error::AlreadyThere`] if the folder has any file of a log, also if an earlier creation was
    /// interrupted: empty the folder then, nothing was acknowledged. [`Error::InUse`], [`Error::Disk`],
    /// [`Error::Epoch`], [`Error::Random`], [`Error::Engine`].
    pub fn create(disk: Arc<dyn Disk>, dir: impl Into<PathBuf>, key: &LogKey) -> Result<Self, Error> {
        let dir = dir.into();
        let lock = lock(&*disk, &dir)?;
        for name in [EPOCH, &FileId::HEAD.name()] {
            let path = dir.join(name);
            if disk.exists(&path).map_err(io("looking for", &path))? {
                return Err(Error::AlreadyThere(name.into()));
            }
        }
        let found = replay::files(&*disk, &dir)?;
        let wals = found.wals.into_iter().map(FileId::wal);
        if let Some(file) = wals.chain(found.tables.into_iter().map(FileId::table)).next() {
            return Err(Error::AlreadyThere(file.name()));
        }
        let mut id = [0; ID_LEN];
        getrandom::fill(&mut id).map_err(Error::Random)?;
        replay::epochs(&disk, &dir).create()?;
        let head = Head { log: id, number: 0, frames: 0, tag: head::NO_TAG };
        Self::begin(
            disk,
            dir,
            key,
            lock,
            Begin { head, generation: 0, epoch: 0, tables: BTreeMap::new(), next_table: 1 },
        )
    }

    /// Opens a log: gives every record to `each`, checks every table's index, cuts off a torn tail if the
    /// options allow it, and begins a new WAL under a new epoch.
    ///
    /// # Errors
    /// Whatever is wrong with the folder, in the order of the checks: [`Error::InUse`]; [`Error::Missing`],
    /// [`Error::Magic`], [`Error::Truncated`], [`Error::NotAuthentic`], [`Error::Malformed`],
    /// [`Error::StaleHead`], [`Error::Fork`], [`Error::Lost`]; [`Error::Unexpected`]; [`Error::Epoch`];
    /// [`Error::Length`]. Nothing was written then, but records were given to `each`, and the last of them
    /// may be one that was never acknowledged: discard them. Then [`Error::Disk`], [`Error::Random`],
    /// [`Error::Engine`].
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: impl Into<PathBuf>,
        key: &LogKey,
        options: &Options,
        each: &mut dyn FnMut(&Record<'_>),
    ) -> Result<Self, Error> {
        let dir = dir.into();
        let lock = lock(&*disk, &dir)?;
        let state = replay::replay(&disk, &dir, key, options, each)?;
        let of = Of { disk: &*disk, dir: &dir, key, log: &state.stored.head.log };
        for table in state.tables.values() {
            Table::open(of, table)?;
        }
        settle(&*disk, &dir, &state)?;
        let State { stored, place, epoch, tables, next_table, .. } = state;
        let head = Head { frames: place.number, tag: place.before, ..stored.head };
        Self::begin(
            disk,
            dir,
            key,
            lock,
            Begin { head, generation: stored.generation, epoch, tables, next_table },
        )
    }

    /// Raises the epoch, begins a WAL and writes the head that includes it.
    fn begin(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        key: &LogKey,
        lock: Box<dyn OpenFile>,
        from: Begin,
    ) -> Result<Self, Error> {
        let Begin { head, generation, epoch, tables, next_table } = from;
        let epoch = replay::epochs(&disk, &dir).advance(epoch.into())?;
        let epoch = u32::try_from(epoch).expect("the epoch file knows the last epoch");
        let [a, b, c, d] = epoch.to_be_bytes();
        let nonces = NonceSource::new(u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let heads = head::Writer::new(&dir, key, epoch)?;
        let of = Of { disk: &*disk, dir: &dir, key, log: &head.log };
        let (wal, place) = Wal::start(of, generation + 1, epoch, &nonces, head.place(), head.number)?;
        let mut log = Self {
            disk,
            dir,
            key: key.clone(),
            _lock: lock,
            epoch,
            nonces,
            wal,
            buffer: Vec::new(),
            place,
            head,
            heads,
            tables,
            next_table,
            halted: false,
        };
        log.write_head()?;
        Ok(log)
    }

    /// Seals a record into the buffer, which is written once it is large. [`sync`](Self::sync) makes it
    /// durable; until then it may be lost.
    ///
    /// # Errors
    /// [`Error::Refused`] for a record over a limit; [`Error::Halted`]; [`Error::Disk`], after which the log
    /// is halted; [`Error::NoncesUsedUp`], [`Error::Engine`].
    #[inline]
    pub fn append(&mut self, record: &Record<'_>) -> Result<(), Error> {
        self.running()?;
        if let Some(why) = exceeded(record.key.len(), record.value.len(), record.request_id.len()) {
            return Err(Error::Refused(why));
        }
        self.push(&Note::Record(*record))?;
        if self.buffer.len() >= BUFFER_LEN { self.write() } else { Ok(()) }
    }

    #[inline]
    fn push(&mut self, note: &Note<'_>) -> Result<(), Error> {
        let Wal { id, key, .. } = &self.wal;
        let at = chain::begin(&mut self.buffer, note.len());
        note.encode(self.head.number, &mut self.buffer);
        self.place = chain::seal(key, &self.nonces, *id, self.place, &mut self.buffer, at)?;
        Ok(())
    }

    /// Passes the buffer to the operating system. Durable it is only after [`sync`](Self::sync).
    ///
    /// # Errors
    /// [`Error::Halted`]; [`Error::Disk`], after which the log is halted.
    pub fn write(&mut self) -> Result<(), Error> {
        self.running()?;
        if self.buffer.is_empty() {
            return Ok(());
        }
        let written = self.wal.file.write_at(self.wal.size, &self.buffer);
        self.halting(written.map_err(io("writing", &self.wal.path)))?;
        self.wal.size += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Group sync: makes all appended records durable, then writes the head that includes them, and returns
    /// it. The records are acknowledged then. Does nothing if there are no new ones.
    ///
    /// # Errors
    /// [`Error::Halted`]; [`Error::Disk`], after which the log is halted: the records may be durable or not.
    /// [`Error::NoncesUsedUp`], [`Error::Engine`].
    pub fn sync(&mut self) -> Result<Head, Error> {
        self.running()?;
        if self.place != self.head.place() {
            self.sync_wal()?;
            self.write_head()?;
        }
        Ok(self.head)
    }

    fn sync_wal(&mut self) -> Result<(), Error> {
        self.write()?;
        let synced = self.wal.file.sync();
        self.halting(synced.map_err(io("syncing", &self.wal.path)))
    }

    fn write_head(&mut self) -> Result<(), Error> {
        let Place { number, before } = self.place;
        let head = Head { log: self.head.log, number: self.head.number + 1, frames: number, tag: before };
        let written = self.heads.write(&*self.disk, &self.nonces, &head, self.wal.id.number);
        self.halting(written)?;
        self.head = head;
        Ok(())
    }

    /// Continues in a new WAL, as a flush does. Everything appended before is durable afterwards.
    ///
    /// # Errors
    /// As [`sync`](Self::sync); [`Error::Random`].
    pub fn rotate(&mut self) -> Result<Head, Error> {
        self.running()?;
        self.sync_wal()?;
        let of = Of { disk: &*self.disk, dir: &self.dir, key: &self.key, log: &self.head.log };
        let next = self.wal.id.number + 1;
        let started = Wal::start(of, next, self.epoch, &self.nonces, self.place, self.head.number);
        (self.wal, self.place) = self.halting(started)?;
        self.write_head()?;
        Ok(self.head)
    }

    /// Writes a table of these entries, whose keys ascend, and notes it; it is durable afterwards, as is
    /// everything appended before. Returns its number.
    ///
    /// # Errors
    /// [`Error::Refused`] for an entry over a limit or out of order; as [`sync`](Self::sync);
    /// [`Error::Random`]. If the table could not be written, the log has no such table.
    pub fn add_table<'e>(&mut self, entries: impl IntoIterator<Item = Entry<'e>>) -> Result<u64, Error> {
        self.running()?;
        let number = self.next_table;
        let of = Of { disk: &*self.disk, dir: &self.dir, key: &self.key, log: &self.head.log };
        let table = table_writer::write(of, number, self.epoch, &self.nonces, entries)?;
        self.push(&Note::Added(table))?;
        self.tables.insert(number, table);
        self.next_table += 1;
        self.sync()?;
        Ok(number)
    }

    /// Removes a table, durably: first from the log, then its file.
    ///
    /// # Errors
    /// [`Error::NoTable`]; as [`sync`](Self::sync). If only the file could not be removed, the next
    /// [`open`](Self::open) does it.
    pub fn remove_table(&mut self, number: u64) -> Result<(), Error> {
        self.running()?;
        self.tables.remove(&number).ok_or(Error::NoTable(number))?;
        self.push(&Note::Removed(number))?;
        self.sync()?;
        remove_if_there(&*self.disk, &self.dir.join(FileId::table(number).name()))
    }

    /// Opens a table of the log; its file is open until the table is dropped.
    ///
    /// # Errors
    /// [`Error::NoTable`]; [`Error::Missing`], [`Error::Length`], [`Error::Magic`], [`Error::Truncated`],
    /// [`Error::NotAuthentic`], [`Error::Malformed`]; [`Error::Disk`], also if it is open already.
    pub fn table(&self, number: u64) -> Result<Table, Error> {
        let table = self.tables.get(&number).ok_or(Error::NoTable(number))?;
        Table::open(Of { disk: &*self.disk, dir: &self.dir, key: &self.key, log: &self.head.log }, table)
    }

    /// A table whose index this log's engine opens, and whose blocks that of another key of the same bytes
    /// does, for measurements.
    #[doc(hidden)]
    pub fn table_by(&self, number: u64, key: &LogKey) -> Result<Table, Error> {
        self.table(number)?.by(key, &self.head.log)
    }

    /// The tables, oldest first.
    pub fn tables(&self) -> impl Iterator<Item = &TableRef> {
        self.tables.values()
    }

    /// The head that was last made durable: everything up to it is acknowledged.
    pub const fn head(&self) -> Head {
        self.head
    }

    fn running(&self) -> Result<(), Error> {
        if self.halted { Err(Error::Halted) } else { Ok(()) }
    }

    /// Halts the log after an error: what was to be written is on the medium, or not.
    fn halting<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        self.halted |= result.is_err();
        result
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Log");
        shown
            .field("dir", &self.dir)
            .field("head", &self.head)
            .field("halted", &self.halted)
            .finish_non_exhaustive()
    }
}

/// Where a run begins.
struct Begin {
    head: Head,
    generation: u64,
    epoch: u32,
    tables: BTreeMap<u64, TableRef>,
    next_table: u64,
}
