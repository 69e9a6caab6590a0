//! The folder of a log, before and after a run: its lock, and what a crash left behind.

use std::io::ErrorKind;
use std::path::Path;

use super::error::Error;
use super::key::FileId;
use super::replay::{State, io};
use super::{LOCK, remove_if_there};
use crate::disk::{Disk, OpenFile};

/// Makes what a replay found durable before a head includes it: cuts off a torn tail, and syncs records after
/// the old head. Removes tables that a crash left behind.
pub(super) fn settle(disk: &dyn Disk, dir: &Path, state: &State) -> Result<(), Error> {
    if state.torn > 0 || state.place != state.stored.head.place() {
        let path = dir.join(FileId::wal(state.stored.generation).name());
        let file = disk.open(&path).map_err(io("opening", &path))?;
        if state.torn > 0 {
            file.set_size(state.size).map_err(io("truncating", &path))?;
        }
        file.sync().map_err(io("syncing", &path))?;
    }
    state.stale_tables.iter().try_for_each(|file| remove_if_there(disk, &dir.join(file.name())))
}

/// Locks the folder, with a file that is created if it is missing.
pub(super) fn lock(disk: &dyn Disk, dir: &Path) -> Result<Box<dyn OpenFile>, Error> {
    let path = dir.join(LOCK);
    loop {
        match disk.open(&path) {
            Ok(lock) => return Ok(lock),
            Err(reason) if reason.kind() == ErrorKind::WouldBlock => return Err(Error::InUse),
            Err(reason) if reason.kind() == ErrorKind::NotFound => match disk.create(&path) {
                Err(reason) if reason.kind() != ErrorKind::AlreadyExists => {
                    return Err(io("creating", &path)(reason));
                }
                _ => {}
            },
            Err(reason) => return Err(io("opening", &path)(reason)),
        }
    }
}
