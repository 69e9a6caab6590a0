//! A snapshot in place of everything (rule `atomic-install`).
//!
//! The snapshot goes into a redo file, which is durable before anything is removed: from that moment the new
//! state is in force, and a start that finds the file completes the installation. Before it, the old state
//! is. The file is gone for good before a write is accepted, or a later start would install the snapshot over
//! that write.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;

use super::super::table::{self, Entry};
use super::super::wal::Append;
use super::super::{Code, Error};
use super::folder::Folder;
use super::history::{History, Install};
use super::payload::Payload;
use super::{Engine, STOPPED, State, open_tables};
use crate::disk::{self, Disk, durable_write};

impl Engine {
    /// What the request ids of [`snapshot_payload`](Self::snapshot_payload) were used for, for
    /// [`install_with`](Self::install_with) on another member. The format is ours.
    ///
    /// # Errors
    /// [`Code::InvalidRecord`] if a count does not fit its field.
    pub fn history(&self) -> Result<Vec<u8>, Error> {
        let state = self.view.read();
        let mut ids: Vec<_> = state.ids.iter().map(|(id, done)| (id.as_slice(), *done)).collect();
        ids.sort_unstable_by_key(|(id, _)| *id);
        Ok(History { ids, keys: Vec::new() }.encode()?)
    }

    /// Replaces everything by a snapshot whose request ids were used for something unknown: a retry of one is
    /// refused, and never carried out twice.
    ///
    /// # Errors
    /// As [`install_with`](Self::install_with).
    pub fn install(&mut self, payload: &[u8]) -> Result<(), Error> {
        if self.halted() {
            return Err(Error::Stopped(STOPPED));
        }
        let ids = Payload::decode(payload)?.ids.into_iter().map(|id| (id, None)).collect();
        let history = History { ids, keys: Vec::new() }.encode()?;
        self.install_with(payload, &history)
    }

    /// Replaces everything by a snapshot, and by what is known of its request ids. After a power cut at any
    /// moment the engine holds the old state or the new.
    ///
    /// # Errors
    /// The damage of the payload or the history, with nothing changed: [`Code::InvalidRecord`] also if the
    /// two name other request ids. The disk's error: the engine is then [halted](Self::halted), unless
    /// nothing was replaced yet, and opening the folder again finds the old state or the new.
    pub fn install_with(&mut self, payload: &[u8], history: &[u8]) -> Result<(), Error> {
        if self.halted() {
            return Err(Error::Stopped(STOPPED));
        }
        let (new, known) = (Payload::decode(payload)?, History::decode(history)?);
        let known: HashMap<&[u8], _> = known.ids.into_iter().collect();
        let ids: HashSet<&[u8]> = new.ids.iter().copied().collect();
        if ids.len() != known.len() || !ids.iter().all(|id| known.contains_key(id)) {
            let why = "the history and the snapshot name other request ids";
            return Err(Code::InvalidRecord.damage(0, why).into());
        }
        let mut ids: Vec<_> = known.into_iter().collect();
        ids.sort_unstable_by_key(|(id, _)| *id);
        let keys = new.rows.iter().map(|(key, _)| *key).collect();
        let history = History { ids, keys }.encode()?;
        let redo = Install { payload, history: &history }.encode()?;
        let written = durable_write(&*self.disk, &self.folder.install, &redo);
        if let Err(error) = written {
            // Where the file may have its name, the snapshot may be in force.
            if !matches!(self.disk.exists(&self.folder.install), Ok(false)) {
                self.wal = None;
            }
            return Err(error.into());
        }
        self.wal = None;
        let wal = complete(&*self.disk, &self.folder, self.options.block_size, &new, &history)?;
        // Its blocks are those of files whose names are used again.
        self.cache = Arc::default();
        let (tables, next_table) = open_tables(&*self.disk, &self.folder, &self.cache)?;
        let known = History::decode(&history)?;
        let ids = known.ids.into_iter().map(|(id, done)| (id.to_vec(), done)).collect();
        *self.view.write() = State { ids, tables: Arc::new(tables), ..State::default() };
        (self.wal, self.next_wal, self.next_table) = (Some(wal), 2, next_table);
        Ok(())
    }
}

/// Completes an installation that was interrupted, if there is one.
pub(super) fn resume(disk: &dyn Disk, folder: &Folder, block_size: u32) -> Result<bool, Error> {
    let path = &folder.install;
    let redo = match disk::read(disk, path) {
        Err(error) if error.is_not_found() => return Ok(false),
        read => read?,
    };
    let install = Install::decode(&redo).map_err(|damage| Error::from(damage).in_file(path))?;
    let payload = Payload::decode(install.payload).map_err(|damage| Error::from(damage).in_file(path))?;
    complete(disk, folder, block_size, &payload, install.history)?;
    Ok(true)
}

/// Makes the folder hold what the redo file says, then removes that file. May begin anywhere, any number of
/// times.
fn complete(
    disk: &dyn Disk,
    folder: &Folder,
    block_size: u32,
    payload: &Payload<'_>,
    history: &[u8],
) -> Result<Append, Error> {
    for (_, path) in folder.table_files(disk)?.into_iter().chain(folder.wals(disk)?) {
        disk.remove(&path).map_err(Error::disk("removing", &path))?;
    }
    // Also if there is no row, and so no table whose writing would do it.
    disk.sync_dir(&folder.tables).map_err(Error::disk("syncing the folder", &folder.tables))?;
    if !payload.rows.is_empty() {
        let path = folder.table(1);
        let entries = payload.rows.iter().map(|(key, value)| Entry { key, value: Some(value) });
        table::write(disk, &path, block_size, entries).map_err(|error| error.in_file(&path))?;
    }
    // With the folder's sync in here, the old generations are gone for good before the redo file is.
    durable_write(disk, &folder.history, history)?;
    let path = folder.wal(1);
    let wal = Append::create(disk, &path).map_err(|error| error.in_file(&path))?;
    match disk.remove(&folder.install) {
        Err(reason) if reason.kind() != io::ErrorKind::NotFound => {
            return Err(Error::disk("removing", &folder.install)(reason));
        }
        _ => {}
    }
    disk.sync_dir(&folder.dir).map_err(Error::disk("syncing the folder", &folder.dir))?;
    Ok(wal)
}
