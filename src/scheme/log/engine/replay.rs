//! The start: every generation of the log, replayed in order into memory.
//!
//! The tail policy concerns the last generation that holds bytes: nothing was written after it. An earlier
//! one was complete when the next began, so there an incomplete record is always damage.
//!
//! What was read may be in the system's memory only: the process before was killed, or its sync failed. The
//! generations before the last one that holds bytes are on the medium, because each was when the next began.
//! That one, and the empty one that is resumed, are renewed ([`Append::renew`]) once nothing was refused.
//! Nothing in the format tells whether the log was closed in good order, so this is done at every start: it
//! writes no more than was written since the last flush, which the start reads in any case.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::super::wal::{self, Append, Operation, Reader, Tail};
use super::super::{Error, Record};
use super::folder::{self, Folder};
use super::history::History;
use super::state::{State, content};
use super::{Done, Recovery};
use crate::disk::{self, Disk, OpenFile};

/// A log after its replay.
pub(super) struct Replayed {
    pub recovery: Recovery,
    /// The newest generation.
    pub wal: Append,
    pub next_wal: u64,
}

/// Replays the log into this state, on top of the history of an installed snapshot, if there is one.
pub(super) fn run(
    disk: &dyn Disk,
    folder: &Folder,
    tail: Tail,
    state: &mut State,
) -> Result<Replayed, Error> {
    let mut replay =
        Replay { state, keys: HashSet::new(), recovery: Recovery::default(), scratch: Vec::new() };
    replay.history(disk, &folder.history)?;
    let wals = folder.wals(disk)?;
    let Some((newest, _)) = wals.last() else {
        let path = folder.wal(1);
        let wal = Append::create(disk, &path).map_err(|error| error.in_file(&path))?;
        return Ok(Replayed { recovery: replay.recovery, wal, next_wal: 2 });
    };
    let next_wal = folder::next(*newest)?;
    let written = last_written(disk, &wals)?;
    let mut to_renew = Vec::new();
    for (i, (_, path)) in wals.iter().enumerate() {
        let tail = if i >= written { tail } else { Tail::Strict };
        let (file, end) = replay.generation(disk, path, tail).map_err(|error| error.in_file(path))?;
        if i == written || i + 1 == wals.len() {
            to_renew.push((path, file, end));
        }
    }
    let mut wal = None;
    for (path, file, end) in to_renew {
        wal = Some(Append::renew(disk, path, file, end).map_err(|error| error.in_file(path))?);
    }
    let wal = wal.expect("the newest generation is renewed");
    Ok(Replayed { recovery: replay.recovery, wal, next_wal })
}

/// The index of the last generation that is not empty.
fn last_written(disk: &dyn Disk, wals: &[(u64, PathBuf)]) -> Result<usize, Error> {
    for (i, (_, path)) in wals.iter().enumerate().rev() {
        let size = match wal::open(disk, path).map_err(|error| error.in_file(path))? {
            Some(file) => file.size().map_err(Error::disk("asking for the size of", path))?,
            None => 0,
        };
        if size > 0 {
            return Ok(i);
        }
    }
    Ok(0)
}

struct Replay<'a> {
    state: &'a mut State,
    /// The keys that had a value before the log begins.
    keys: HashSet<Vec<u8>>,
    recovery: Recovery,
    scratch: Vec<u8>,
}

impl Replay<'_> {
    fn history(&mut self, disk: &dyn Disk, path: &Path) -> Result<(), Error> {
        let bytes = match disk::read(disk, path) {
            Err(error) if error.is_not_found() => return Ok(()),
            read => read?,
        };
        let history = History::decode(&bytes).map_err(|damage| Error::from(damage).in_file(path))?;
        self.state.ids.extend(history.ids.into_iter().map(|(id, done)| (id.to_vec(), done)));
        self.keys.extend(history.keys.into_iter().map(<[u8]>::to_vec));
        Ok(())
    }

    /// Replays one generation; returns its file, and where its last whole record ends.
    fn generation(
        &mut self,
        disk: &dyn Disk,
        path: &Path,
        tail: Tail,
    ) -> Result<(Box<dyn OpenFile>, u64), Error> {
        let Some(file) = wal::open(disk, path)? else {
            // It was there when the folder was listed.
            return Err(Error::disk("opening", path)(std::io::ErrorKind::NotFound.into()));
        };
        let mut reader = Reader::of_file(&*file, tail)?;
        while let Some(record) = reader.next()? {
            self.record(&record);
        }
        let (offset, torn) = (reader.offset(), reader.torn());
        drop(reader);
        self.recovery.truncated += torn;
        Ok((file, offset))
    }

    fn record(&mut self, record: &Record<'_>) {
        self.recovery.records_replayed += 1;
        if self.state.ids.contains_key(record.request_id) {
            self.recovery.duplicate_requests += 1;
            return;
        }
        let existed = match self.state.rows.get(record.key) {
            Some(row) => row.is_some(),
            None => self.keys.contains(record.key),
        };
        // The reference's reader takes a delete with a value, which the service never writes.
        let asked = match record.op {
            Operation::Put => *record,
            Operation::Delete => Record { value: &[], ..*record },
        };
        let done = Done { content: content(&asked, &mut self.scratch), existed };
        self.state.apply(record, done);
    }
}
