//! The engine (spec §4): a log of generations, rows in memory, tables, and request ids that are used once.
//!
//! A write is checked, appended to the newest generation and synced; only then do readers see it. A flush
//! writes the rows to a table and begins a generation; a compaction merges the tables. Old generations stay,
//! as in the reference, and a start replays them all, so the tables only save memory. What differs from the
//! reference is named: [`Engine::commit`] makes many writes durable with one sync, an installed snapshot
//! replaces the old state at one moment and keeps its request ids, and every file's name is durable before
//! the file is relied on. After a failed sync nothing more is written until the folder is opened again. A
//! start makes what it finds durable before it answers anything: names, and the newest records.
//!
//! Not here: which requests are allowed, and what a retry is answered ([`super::service`]).

mod compact;
mod cursor;
mod folder;
mod history;
mod install;
mod payload;
mod replay;
mod state;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::table::{self, Cache, Entry, Table};
use super::wal::{Append, MAX_BATCH_LEN, Operation, Tail};
use super::{Code, Error, limit};
use crate::disk::{Disk, OpenFile, Row};
use folder::Folder;
pub use folder::{TABLES, is_own};
use payload::Payload;
pub use state::{Applied, Done, Known, Mutation, View};
use state::{Rows, State, TableFile};

/// Why an engine refuses to write.
const STOPPED: &str = "an earlier write, sync or installation failed";

/// How an engine reads and writes its files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// What to do with an incomplete record at the end of the log.
    pub tail: Tail,
    /// The size that a table's block is to have, in bytes.
    pub block_size: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { tail: Tail::Strict, block_size: table::DEFAULT_BLOCK_LEN }
    }
}

/// What a start found.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Recovery {
    /// The records of all generations.
    pub records_replayed: u64,
    /// Those among them whose request id had been used before. They change nothing.
    pub duplicate_requests: u64,
    /// Bytes of an incomplete final record that were cut off (rule `truncate-tail`).
    pub truncated: u64,
    /// Whether an interrupted installation of a snapshot was completed.
    pub install_finished: bool,
}

/// An open log: rows by key, with request ids that are used once. One process at a time has a folder open.
pub struct Engine {
    disk: Arc<dyn Disk>,
    folder: Folder,
    options: Options,
    view: View,
    cache: Arc<Cache>,
    /// Absent after an installation that failed half-way.
    wal: Option<Append>,
    next_wal: u64,
    next_table: u64,
    recovery: Recovery,
    _lock: Box<dyn OpenFile>,
}

impl Engine {
    /// Opens a folder, which must exist and contain the folder [`TABLES`]: completes an interrupted
    /// installation, opens every table, and replays every generation. What the engine then holds is on the
    /// medium, also if the process before was killed or its sync failed: the last generation with records is
    /// written anew. That takes as much free space as was written since the last flush, and gives the file
    /// the mode of a new one.
    ///
    /// # Errors
    /// The first damage, in the order of the reference's checks, with its file: no generation was changed
    /// then; the disk's errors; [`disk::Error::InUse`](crate::disk::Error::InUse) if somebody else has the
    /// folder open.
    pub fn open(disk: Arc<dyn Disk>, dir: impl Into<PathBuf>, options: Options) -> Result<Self, Error> {
        let folder = Folder::new(dir.into());
        let lock = folder.lock(&*disk)?;
        // A killed process may have left names that a power cut takes back: of a generation, of the redo
        // file, or its removal.
        disk.sync_dir(&folder.dir).map_err(Error::disk("syncing the folder", &folder.dir))?;
        let install_finished = install::resume(&*disk, &folder, options.block_size)?;
        let cache = Arc::new(Cache::default());
        let (tables, next_table) = open_tables(&*disk, &folder, &cache)?;
        let mut state = State { tables: Arc::new(tables), ..State::default() };
        let replayed = replay::run(&*disk, &folder, options.tail, &mut state)?;
        let recovery = Recovery { install_finished, ..replayed.recovery };
        let (wal, next_wal) = (Some(replayed.wal), replayed.next_wal);
        let view = View::new(state);
        Ok(Self { disk, folder, options, view, cache, wal, next_wal, next_table, recovery, _lock: lock })
    }

    /// What the start found.
    pub fn recovery(&self) -> Recovery {
        self.recovery
    }

    /// A reader that does not wait for the engine's syncs.
    pub fn view(&self) -> View {
        self.view.clone()
    }

    /// Writes a value.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn put(&mut self, key: &[u8], value: &[u8], request_id: &[u8]) -> Result<Applied, Error> {
        self.write(Mutation::put(key, value, request_id))
    }

    /// Deletes a key.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn delete(&mut self, key: &[u8], request_id: &[u8]) -> Result<Applied, Error> {
        self.write(Mutation::delete(key, request_id))
    }

    fn write(&mut self, mutation: Mutation) -> Result<Applied, Error> {
        let applied = self.commit(&[mutation])?;
        Ok(applied.into_iter().next().expect("there is one result for each mutation"))
    }

    /// Writes all of these in order, and makes them durable with one sync (one for each 8 MiB of records). A
    /// request id that was used before, in this batch or ever, writes nothing.
    ///
    /// # Errors
    /// [`Code::InvalidRecord`] with the number of a mutation whose request id is empty or that is over a
    /// limit, and the damage of a table that had to be read: then nothing was written. The disk's error: then
    /// none of the batch is acknowledged, and each member was either written or not.
    /// [`known`](Self::known) tells which are in force; a later start may find others that reached the medium
    /// all the same. [`Error::Stopped`] after a sync that failed.
    pub fn commit(&mut self, batch: &[Mutation]) -> Result<Vec<Applied>, Error> {
        for (mutation, i) in batch.iter().zip(0..) {
            check(mutation).map_err(|why| Code::InvalidRecord.damage(i, why))?;
        }
        if self.halted() {
            return Err(Error::Stopped(STOPPED));
        }
        let (applied, fresh) = self.plan(batch)?;
        let wal = self.wal.as_mut().expect("an engine without a log is halted");
        let mut rest = &fresh[..];
        while !rest.is_empty() {
            let count = batch_len(rest);
            let (chunk, after) = rest.split_at(count);
            for (mutation, _) in chunk {
                wal.push(&mutation.record())?;
            }
            wal.sync()?;
            let mut state = self.view.write();
            for (mutation, existed) in chunk {
                state.apply(&mutation.record(), Done { content: mutation.content(), existed: *existed });
            }
            rest = after;
        }
        Ok(applied)
    }

    /// What becomes of each, and those that are to be written, with whether their key has a value by then.
    #[expect(clippy::type_complexity, reason = "two lists, one caller")]
    fn plan<'a>(&self, batch: &'a [Mutation]) -> Result<(Vec<Applied>, Vec<(&'a Mutation, bool)>), Error> {
        let (mut ids, mut live) = (HashSet::new(), HashMap::new());
        let (mut applied, mut fresh) = (Vec::with_capacity(batch.len()), Vec::new());
        for mutation in batch {
            if self.known(&mutation.request_id) != Known::Never || !ids.insert(&mutation.request_id) {
                applied.push(Applied::Duplicate);
                continue;
            }
            let existed = match live.insert(&mutation.key, mutation.op == Operation::Put) {
                Some(live) => live,
                None => self.view.get(&mutation.key)?.is_some(),
            };
            applied.push(Applied::New);
            fresh.push((mutation, existed));
        }
        Ok((applied, fresh))
    }

    /// The value of a key.
    ///
    /// # Errors
    /// The damage in a table that had to be read. The key is then never called absent.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.view.get(key)
    }

    /// What is known of a request id.
    pub fn known(&self, request_id: &[u8]) -> Known {
        self.view.known(request_id)
    }

    /// Whether nothing more is written, because an earlier write, sync or installation failed. What was
    /// acknowledged can still be read; opening the folder again continues.
    pub fn halted(&self) -> bool {
        self.wal.as_ref().is_none_or(Append::is_stopped)
    }

    /// Every row that has a value, in key order.
    ///
    /// # Errors
    /// The damage in a table.
    pub fn scan(&self) -> Result<Vec<Row>, Error> {
        let state = self.view.read();
        let mut rows = Rows::new();
        for file in state.tables.iter() {
            let scanned = file.table.scan(&mut |entry: Entry<'_>| {
                rows.insert(entry.key.to_vec(), entry.value.map(<[u8]>::to_vec));
                Ok(())
            });
            scanned.map_err(|error| error.in_file(&file.path))?;
        }
        rows.extend(state.rows.iter().map(|(key, value)| (key.clone(), value.clone())));
        Ok(rows.into_iter().filter_map(|(key, value)| Some((key, value?))).collect())
    }

    /// The snapshot payload, byte for byte the reference's: the live rows and every request id.
    ///
    /// # Errors
    /// The damage in a table; [`Code::InvalidRecord`] if a count does not fit its field.
    pub fn snapshot_payload(&self) -> Result<Vec<u8>, Error> {
        let rows = self.scan()?;
        let state = self.view.read();
        let mut ids: Vec<&[u8]> = state.ids.keys().map(Vec::as_slice).collect();
        ids.sort_unstable();
        let rows = rows.iter().map(|(key, value)| (key.as_slice(), value.as_slice())).collect();
        Ok(Payload { rows, ids }.encode()?)
    }

    /// Writes the rows since the last flush to a new table and begins a generation. Request ids stay.
    ///
    /// # Errors
    /// The disk's; what was written before it is harmless. [`Error::Stopped`].
    pub fn flush(&mut self) -> Result<(), Error> {
        if self.halted() {
            return Err(Error::Stopped(STOPPED));
        }
        let (after_table, after_wal) = (folder::next(self.next_table)?, folder::next(self.next_wal)?);
        let path = self.folder.table(self.next_table);
        {
            let state = self.view.read();
            if state.rows.is_empty() {
                return Ok(());
            }
            self.next_table = after_table;
            let entries = state.rows.iter().map(|(key, value)| Entry { key, value: value.as_deref() });
            table::write(&*self.disk, &path, self.options.block_size, entries)
                .map_err(|error| error.in_file(&path))?;
        }
        let file = open_table(&*self.disk, path, &self.cache)?;
        let wal = self.folder.wal(self.next_wal);
        self.next_wal = after_wal;
        self.wal = Some(Append::create(&*self.disk, &wal).map_err(|error| error.in_file(&wal))?);
        let mut state = self.view.write();
        Arc::make_mut(&mut state.tables).push(file);
        state.rows.clear();
        Ok(())
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("dir", &self.folder.dir)
            .field("view", &self.view)
            .field("halted", &self.halted())
            .finish_non_exhaustive()
    }
}

/// The reference's checks before a write.
fn check(mutation: &Mutation) -> Result<(), &'static str> {
    let Mutation { key, value, request_id, .. } = mutation;
    match request_id.len() {
        0 => Err("the request id is empty"),
        len => limit::exceeded(key.len(), value.len(), len).map_or(Ok(()), Err),
    }
}

/// How many of these one sync can take: at least one.
fn batch_len(rest: &[(&Mutation, bool)]) -> usize {
    let mut bytes = 0;
    let fits = |(mutation, _): &&(&Mutation, bool)| {
        bytes += mutation.record().encoded_len();
        bytes <= MAX_BATCH_LEN
    };
    rest.iter().take_while(fits).count().max(1)
}

fn open_table(disk: &dyn Disk, path: PathBuf, cache: &Arc<Cache>) -> Result<Arc<TableFile>, Error> {
    let table = Table::open(disk, &path).map_err(|error| error.in_file(&path))?.with_cache(Arc::clone(cache));
    Ok(Arc::new(TableFile { path, table }))
}

/// Every table, oldest first, and the number of the next.
fn open_tables(
    disk: &dyn Disk,
    folder: &Folder,
    cache: &Arc<Cache>,
) -> Result<(Vec<Arc<TableFile>>, u64), Error> {
    let files = folder.table_files(disk)?;
    let last = files.last().map_or(0, |(number, _)| *number);
    let tables =
        files.into_iter().map(|(_, path)| open_table(disk, path, cache)).collect::<Result<_, _>>()?;
    Ok((tables, folder::next(last)?))
}
