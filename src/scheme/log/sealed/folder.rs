//! The folder of a log, before and after a run: its lock, and what a crash left behind.

use std::io::ErrorKind;
use std::path::Path;

use super::error::Error;
use super::key::FileId;
use super::replay::{State, io};
use super::{LOCK, remove_if_there};
use crate::disk::{self, Disk, OpenFile, durable_write};

/// Makes what a replay found durable before a head includes it. Frames after the old head may be in the
/// system's memory only, because the process before was killed or its sync failed, and after a failed sync no
/// later sync of that file can be relied on: the WAL is written anew, without a torn tail. Removes tables
/// that a crash left behind.
pub(super) fn settle(disk: &dyn Disk, dir: &Path, state: &State) -> Result<(), Error> {
    if state.torn > 0 || state.place != state.stored.head.place() {
        let path = dir.join(FileId::wal(state.stored.generation).name());
        let mut bytes = disk::read(disk, &path)?;
        bytes.truncate(usize::try_from(state.size).expect("a replay had as many bytes in memory"));
        durable_write(disk, &path, &bytes)?;
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
