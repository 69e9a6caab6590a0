//! `purge_syncs`: what a purge asks of the disk, and nothing else, on a file in the system's folder for
//! temporary files. `purge` has the rest, on a disk in memory.
//!
//! Each operation marks a slot of its own, overwrites it and frees it, with a sync after each, as a purge
//! does; a reset fills the slots again. The slots show every write. Nothing shows a sync but its time: where
//! the folder is in memory, a sync is no more than a system call.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use super::fixture::{SUBJECT, refused};
use crate::disk::{self, Disk, OpenFile, Os};
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::compare::none_refused;
use crate::measure::workload::kind::{Kind, Scope, Size, Subject};
use crate::timing::Timed;

/// Bytes of a slot.
const SLOT: usize = 256;
/// Every byte of a slot with a key.
const FULL: u8 = b'A';

/// Syncs as a purge does.
pub(super) struct PurgeSyncs;

impl Kind for PurgeSyncs {
    fn name(&self) -> &'static str {
        "purge_syncs"
    }

    fn subject(&self) -> Subject {
        Subject::One(SUBJECT)
    }

    fn prepare(&self, _: &Workload, _: &'static dyn Engine, count: usize) -> Result<Box<dyn Timed>, Error> {
        Ok(Box::new(syncs(count)?))
    }

    fn scope(&self) -> Scope {
        Scope::CipherFree
    }

    fn size(&self) -> Size {
        Size::Items
    }

    /// Few, because a sync may take milliseconds.
    fn default_count(&self, _: &Workload) -> usize {
        2
    }

    /// Its time is the medium's.
    fn single_core(&self) -> bool {
        false
    }
}

struct Syncs {
    path: PathBuf,
    file: Box<dyn OpenFile>,
    slots: usize,
    refused: usize,
}

/// The writes and syncs of `count` purges, on a new file.
fn syncs(count: usize) -> Result<Syncs, Error> {
    /// Files so far, so that each has its own name.
    static FILES: AtomicU64 = AtomicU64::new(0);
    let (process, number) = (std::process::id(), FILES.fetch_add(1, Ordering::Relaxed));
    let path = std::env::temp_dir().join(format!("sealmark-purge-{process}-{number}"));
    let io = |reason| refused(disk::Error::Io { doing: "creating", path: path.clone(), reason }.into());
    Os.create(&path).map_err(io)?;
    let file = Os.open(&path).map_err(io)?;
    let mut syncs = Syncs { path, file, slots: count, refused: 0 };
    syncs.reset();
    Ok(syncs)
}

impl Syncs {
    fn purge(&self, slot: usize) -> std::io::Result<()> {
        let at = (slot * SLOT) as u64;
        self.file.write_at(at, b"P")?;
        self.file.sync()?;
        self.file.write_at(at + 1, &[0; SLOT - 1])?;
        self.file.sync()?;
        self.file.write_at(at, &[0])?;
        self.file.sync()
    }
}

impl Timed for Syncs {
    fn reset(&mut self) {
        let filled = self.file.write_at(0, &vec![FULL; self.slots * SLOT]).and_then(|()| self.file.sync());
        self.refused += usize::from(filled.is_err());
    }

    fn run(&mut self) {
        for slot in 0..self.slots {
            self.refused += usize::from(self.purge(slot).is_err());
        }
    }

    fn count(&self) -> u64 {
        self.slots as u64
    }

    fn check(&mut self) -> Result<(), String> {
        none_refused(self.refused)?;
        let mut bytes = vec![FULL; self.slots * SLOT];
        self.file.read_at(0, &mut bytes).map_err(|error| error.to_string())?;
        match bytes.chunks(SLOT).position(|slot| slot.iter().any(|byte| *byte != 0)) {
            Some(slot) => Err(format!("slot {slot} was not overwritten")),
            None => Ok(()),
        }
    }
}

impl Drop for Syncs {
    fn drop(&mut self) {
        // A file that stays behind is a matter for whoever cleans the folder.
        let _ = Os.remove(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::workload::testing::pass;

    #[test]
    fn slots_are_overwritten_as_often_as_it_says_and_the_file_is_removed() {
        let mut timed = syncs(3).unwrap();
        let path = timed.path.clone();
        assert_eq!(timed.count(), 3);
        assert_eq!(pass(&mut timed), Ok(()));
        assert_eq!(pass(&mut timed), Ok(()), "again");
        assert!(path.exists());
        drop(timed);
        assert!(!path.exists());
    }

    #[test]
    fn work_that_was_not_done_shows_in_the_slots() {
        let mut timed = syncs(2).unwrap();
        assert!(timed.check().is_err_and(|why| why.contains("slot 0 was not overwritten")));
        timed.purge(0).unwrap();
        assert!(timed.check().is_err_and(|why| why.contains("slot 1 was not overwritten")));
    }
}
