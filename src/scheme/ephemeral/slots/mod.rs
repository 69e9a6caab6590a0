//! The wrapped keys of rounds on disk: fixed slots in one file, overwritten in place.
//!
//! A rename, a log or a database leaves the old bytes on the medium; here a purge overwrites exactly the
//! bytes that hold the key. In order: the slot is marked as purging and synced; its body is overwritten
//! with zeros and synced; the zeros are read back; the slot is freed and synced. A start finishes every
//! purge that was begun, and erases what a key's interrupted creation left. A key is created in the same
//! manner: the body is synced before the state says that it is there, so a torn write is never taken for a
//! key.
//!
//! A record is wiped from this process's memory too, with the stack of the calls that read or wrote it: with
//! the master key, which stays there, it would be as good as the key.
//!
//! The zeros are read back through the system's cache, which shows that the file holds them and not that the
//! medium does. [`KEPT`] lists media that keep the old bytes all the same.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use zeroize::Zeroizing;

use super::{Error, RoundId, WIPED};
use crate::disk::{self, Disk, OpenFile};
use crate::host::stack;
use layout::{ACTIVE, BODY_AT, BODY_LEN, FREE, PURGING, SLOT_LEN};

mod layout;

pub use layout::Entry;

/// Slots that are added when none is free.
const GROWTH: usize = 64;

/// A medium that keeps overwritten bytes, and why. On these a purge leaves the wrapped key behind, and
/// whoever has the master key and the raw medium can still open the round's blobs.
pub const KEPT: [(&str, &str); 4] = [
    (
        "copy-on-write file systems (btrfs, ZFS, bcachefs, APFS, ReFS)",
        "they write new bytes elsewhere and free the old block without erasing it; a snapshot keeps it",
    ),
    (
        "log-structured file systems (F2FS, NILFS2)",
        "they append new bytes and clean old segments later, if at all",
    ),
    ("journals of data (ext3 and ext4 with data=journal)", "the journal holds a copy until it wraps around"),
    (
        "flash (SSD, eMMC, SD, USB sticks) and copies of the file (backups, snapshots of a volume)",
        "the drive writes to other cells, and a copy is another file: nothing on this level erases them",
    ),
];

/// The bytes of a file with these keys, for measurements.
#[doc(hidden)]
pub fn file_of(entries: &[Entry]) -> Vec<u8> {
    let slots = entries.iter().map(|entry| *entry.to_slot(ACTIVE));
    [layout::header()].into_iter().chain(slots).flatten().collect()
}

/// The file of slots, opened by one holder.
pub struct Slots {
    path: PathBuf,
    file: Box<dyn OpenFile>,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    of: BTreeMap<RoundId, Known>,
    free: Vec<usize>,
    count: usize,
    /// A sync failed, so nobody knows what is on the medium.
    unsynced: bool,
}

/// A round's slot.
#[derive(Clone, Copy)]
struct Known {
    at: usize,
    deadline: u64,
    /// Whether a purge was begun: the key is not read any more.
    purging: bool,
}

/// What a start found and finished.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Recovery {
    /// Purges that were begun, and are now done.
    pub purges_finished: usize,
    /// Keys whose creation was interrupted, and whose bytes are now erased.
    pub creations_erased: usize,
}

impl Slots {
    /// Opens the file, or creates it. Finishes every purge that was begun before it returns.
    ///
    /// # Errors
    /// [`Error::NotSlots`] for another kind of file; [`Error::DamagedSlot`] if a slot holds other bytes than
    /// were written; [`Error::NotErased`]; [`Error::Disk`], also if another holder has it open.
    pub fn open(disk: &dyn Disk, path: &Path) -> Result<(Self, Recovery), Error> {
        stack::wiped::<WIPED, _>(|| Self::open_and_recover(disk, path))
    }

    fn open_and_recover(disk: &dyn Disk, path: &Path) -> Result<(Self, Recovery), Error> {
        let failed = |doing| move |reason| Error::Disk(disk::Error::Io { doing, path: path.into(), reason });
        if !disk.exists(path).map_err(failed("looking for"))? {
            // No key is in it yet, so a rename leaves nothing behind.
            disk::durable_write(disk, path, &layout::header())?;
        }
        let file = disk.open(path).map_err(failed("opening"))?;
        let size = file.size().map_err(failed("measuring"))?;
        let len = usize::try_from(size).map_err(|_| not_slots(path, "it is too large"))?;
        let mut bytes = Zeroizing::new(vec![0; len]);
        file.read_at(0, &mut bytes).map_err(failed("reading"))?;
        let Some((header, slots)) = bytes.split_first_chunk::<SLOT_LEN>() else {
            return Err(not_slots(path, "it is shorter than a header"));
        };
        if *header != layout::header() {
            return Err(not_slots(path, "its header is not that of a file of slots"));
        }
        let (slots, rest) = slots.as_chunks::<SLOT_LEN>();
        if !rest.is_empty() {
            return Err(not_slots(path, "its last slot is cut short"));
        }
        let table = Mutex::new(Table { count: slots.len(), ..Table::default() });
        let opened = Self { path: path.into(), file, table };
        let recovery = opened.recover(slots)?;
        Ok((opened, recovery))
    }

    /// Sorts the slots into active and free ones, and erases what must not be there.
    fn recover(&self, slots: &[[u8; SLOT_LEN]]) -> Result<Recovery, Error> {
        let (mut table, mut recovery) = (self.table(), Recovery::default());
        // What must go is erased before anything that is damaged ends the start. From the last slot, so that
        // the first is the next one taken.
        for (at, slot) in slots.iter().enumerate().rev() {
            match slot[0] {
                PURGING => {
                    self.erase(&mut table, at)?;
                    recovery.purges_finished += 1;
                }
                FREE if slot[BODY_AT..] != [0; BODY_LEN] => {
                    self.erase(&mut table, at)?;
                    recovery.creations_erased += 1;
                }
                FREE => {}
                _ => continue,
            }
            table.free.push(at);
        }
        for (at, slot) in slots.iter().enumerate().filter(|(_, slot)| ![FREE, PURGING].contains(&slot[0])) {
            if slot[0] != ACTIVE {
                return Err(self.damaged(at, "its state is unknown"));
            }
            let entry = Entry::from_slot(slot).map_err(|why| self.damaged(at, why))?;
            let known = Known { at, deadline: entry.deadline, purging: false };
            if table.of.insert(entry.round, known).is_some() {
                return Err(self.damaged(at, "its round has another slot too"));
            }
        }
        Ok(recovery)
    }

    /// Stores a round's key, durably. After an error the round has no key here, unless a sync failed: then
    /// the next start may find one.
    ///
    /// # Errors
    /// [`Error::KeyExists`]; [`Error::Unsynced`]; [`Error::Disk`].
    pub fn create(&self, entry: &Entry) -> Result<(), Error> {
        stack::wiped::<WIPED, _>(|| self.write_new(entry))
    }

    fn write_new(&self, entry: &Entry) -> Result<(), Error> {
        let mut table = self.usable()?;
        if table.of.contains_key(&entry.round) {
            return Err(Error::KeyExists(entry.round.clone()));
        }
        let at = match table.free.pop() {
            Some(at) => at,
            None => self.grow(&mut table)?,
        };
        let slot = entry.to_slot(ACTIVE);
        let created = self
            .write(at, BODY_AT, &slot[BODY_AT..])
            .and_then(|()| self.sync(&mut table))
            .and_then(|()| self.write(at, 0, &[ACTIVE]))
            .and_then(|()| self.sync(&mut table));
        match created {
            Ok(()) => {
                let known = Known { at, deadline: entry.deadline, purging: false };
                table.of.insert(entry.round.clone(), known);
                Ok(())
            }
            Err(error) => {
                // The slot may hold the wrapped key. If it cannot be erased, it is never used again; the next
                // start erases it.
                if !table.unsynced && self.erase(&mut table, at).is_ok() {
                    table.free.push(at);
                }
                Err(error)
            }
        }
    }

    /// The round's entry, read from the file; `None` if it has none, or its purge was begun.
    ///
    /// # Errors
    /// [`Error::DamagedSlot`]; [`Error::Disk`].
    pub fn read(&self, round: &RoundId) -> Result<Option<Entry>, Error> {
        let table = self.table();
        let Some(&Known { at, purging: false, .. }) = table.of.get(round) else { return Ok(None) };
        let entry = stack::wiped::<WIPED, _>(|| self.entry_at(at))?;
        if entry.round != *round {
            return Err(self.damaged(at, "it holds other bytes than were written"));
        }
        Ok(Some(entry))
    }

    fn entry_at(&self, at: usize) -> Result<Entry, Error> {
        let mut slot = Zeroizing::new([0; SLOT_LEN]);
        self.file.read_at(place(at, 0), &mut slot[..]).map_err(self.failed("reading"))?;
        if slot[0] != ACTIVE {
            return Err(self.damaged(at, "it holds other bytes than were written"));
        }
        Entry::from_slot(&slot).map_err(|why| self.damaged(at, why))
    }

    /// Erases the round's key, durably, and reads the zeros back. False if it has none; then nothing is
    /// written, so this succeeds after a failed sync too.
    ///
    /// # Errors
    /// [`Error::Unsynced`]; [`Error::NotErased`]; [`Error::Disk`]. The purge can then be repeated, or the
    /// next start finishes it, if it got as far as the mark.
    pub fn purge(&self, round: &RoundId) -> Result<bool, Error> {
        let mut table = self.table();
        let Some(known) = table.of.get_mut(round) else { return Ok(false) };
        known.purging = true;
        let at = known.at;
        self.check_synced(&table)?;
        self.write(at, 0, &[PURGING])?;
        self.sync(&mut table)?;
        self.erase(&mut table, at)?;
        table.of.remove(round);
        table.free.push(at);
        Ok(true)
    }

    /// The rounds whose key is due to be purged: past its deadline, or by a purge that failed. Sorted.
    pub fn due(&self, now: u64) -> Vec<RoundId> {
        let table = self.table();
        let due = table.of.iter().filter(|(_, known)| known.purging || known.deadline <= now);
        due.map(|(round, _)| round.clone()).collect()
    }

    /// The rounds that have a key, also one whose purge failed. Sorted.
    pub fn rounds(&self) -> Vec<RoundId> {
        self.table().of.keys().cloned().collect()
    }

    /// Overwrites the body, syncs, reads the zeros back, and frees the slot.
    fn erase(&self, table: &mut Table, at: usize) -> Result<(), Error> {
        self.write(at, BODY_AT, &[0; BODY_LEN])?;
        self.sync(table)?;
        let mut body = [0xff; BODY_LEN];
        self.file.read_at(place(at, BODY_AT), &mut body).map_err(self.failed("reading"))?;
        if body != [0; BODY_LEN] {
            return Err(Error::NotErased { path: self.path.clone(), slot: at });
        }
        self.write(at, 0, &[FREE])?;
        self.sync(table)
    }

    /// Adds free slots; returns one of them.
    fn grow(&self, table: &mut Table) -> Result<usize, Error> {
        let (first, count) = (table.count, table.count + GROWTH);
        self.file.set_size(place(count, 0)).map_err(self.failed("extending"))?;
        self.sync(table)?;
        table.count = count;
        table.free.extend((first + 1..count).rev());
        Ok(first)
    }

    fn write(&self, at: usize, from: usize, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_at(place(at, from), bytes).map_err(self.failed("writing"))
    }

    fn sync(&self, table: &mut Table) -> Result<(), Error> {
        self.file.sync().map_err(|reason| {
            table.unsynced = true;
            self.failed("syncing")(reason)
        })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().expect("no thread panics with this lock")
    }

    /// The table, unless an earlier sync failed.
    fn usable(&self) -> Result<MutexGuard<'_, Table>, Error> {
        let table = self.table();
        self.check_synced(&table)?;
        Ok(table)
    }

    fn check_synced(&self, table: &Table) -> Result<(), Error> {
        if table.unsynced { Err(Error::Unsynced { path: self.path.clone() }) } else { Ok(()) }
    }

    fn failed(&self, doing: &'static str) -> impl Fn(std::io::Error) -> Error + '_ {
        move |reason| Error::Disk(disk::Error::Io { doing, path: self.path.clone(), reason })
    }

    fn damaged(&self, slot: usize, why: &'static str) -> Error {
        Error::DamagedSlot { path: self.path.clone(), slot, why }
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").field("path", &self.path).finish_non_exhaustive()
    }
}

fn not_slots(path: &Path, why: &'static str) -> Error {
    Error::NotSlots { path: path.into(), why }
}

/// The place of a slot's byte in the file.
fn place(slot: usize, from: usize) -> u64 {
    ((slot + 1) * SLOT_LEN + from) as u64
}

#[cfg(test)]
mod tests;
