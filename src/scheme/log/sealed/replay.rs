//! Reading a sealed log: head, then every frame of every WAL in order, then the epoch file.
//!
//! The order of the checks: the head file, the expected head, each frame (present, authentic in its place,
//! not from a time after the head), the head's place in the chain, files after the newest WAL, the epoch.
//! Records that were verified have been delivered when a later check refuses the log. Nothing is written.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::chain::{self, Place};
use super::error::Error;
use super::head::{self, Head, Stored};
use super::key::{FileId, FileKey, HEADER_LEN, Header, Kind, LogKey};
use super::note::{Note, TableRef};
use super::{EPOCH, LAST_EPOCH};
use crate::disk::{self, Disk, EpochFile};
use crate::scheme::log::wal::{Record, Tail};

/// How a log is opened.
#[derive(Clone, Copy, Default, Debug)]
pub struct Options {
    /// Whether frames after the durable head that are incomplete or damaged are cut off; nothing there was
    /// acknowledged.
    pub tail: Tail,
    /// A head that the log must contain: with it, a whole folder that was put back shows.
    pub expect_head: Option<Head>,
}

/// What a replay found.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub stored: Stored,
    /// The place after the last frame.
    pub place: Place,
    /// The length of the newest WAL up to there.
    pub size: u64,
    /// Bytes after it that [`Tail::Truncate`] ignores.
    pub torn: u64,
    /// The highest epoch found.
    pub epoch: u32,
    pub records: u64,
    pub tables: BTreeMap<u64, TableRef>,
    pub next_table: u64,
    /// Tables in the folder that the log does not have: left behind by a crash.
    pub stale_tables: Vec<FileId>,
}

impl State {
    /// Before the first frame.
    pub fn new(stored: Stored) -> Self {
        Self {
            stored,
            place: Place::default(),
            size: 0,
            torn: 0,
            epoch: stored.epoch,
            records: 0,
            tables: BTreeMap::new(),
            next_table: 1,
            stale_tables: Vec::new(),
        }
    }
}

/// Reads the log in this folder, and gives each record to `each`.
pub(super) fn replay(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    key: &LogKey,
    options: &Options,
    each: &mut dyn FnMut(&Record<'_>),
) -> Result<State, Error> {
    let stored = head::read(&**disk, dir, key)?;
    let head = stored.head;
    if options.expect_head.is_some_and(|expected| expected.log != head.log || expected.number > head.number) {
        return Err(Error::Unexpected);
    }
    let mut walk = Walk { disk: &**disk, dir, key, options, each, state: State::new(stored) };
    for number in 1..=stored.generation {
        walk.wal(FileId::wal(number))?;
    }
    walk.end()?;
    let state = walk.state;
    epochs(disk, dir).read(state.epoch.into())?;
    Ok(state)
}

/// The epoch file of a folder.
pub(super) fn epochs(disk: &Arc<dyn Disk>, dir: &Path) -> EpochFile {
    EpochFile::new(Arc::clone(disk), dir.join(EPOCH), LAST_EPOCH)
}

/// The numbers of the WALs and tables in a folder.
#[derive(Default)]
pub(super) struct Files {
    pub wals: Vec<u64>,
    pub tables: Vec<u64>,
}

pub(super) fn files(disk: &dyn Disk, dir: &Path) -> Result<Files, Error> {
    let mut files = Files::default();
    for name in disk.list(dir).map_err(io("listing", dir))? {
        match name.to_str().and_then(FileId::of_name) {
            Some(FileId { kind: Kind::Wal, number }) => files.wals.push(number),
            Some(FileId { kind: Kind::Table, number }) => files.tables.push(number),
            _ => {}
        }
    }
    Ok(files)
}

/// An error of the system.
pub(super) fn io<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> Error + 'a {
    move |reason| Error::Disk(disk::Error::Io { doing, path: path.into(), reason })
}

/// A replay under way.
pub(super) struct Walk<'a> {
    pub disk: &'a dyn Disk,
    pub dir: &'a Path,
    pub key: &'a LogKey,
    pub options: &'a Options,
    pub each: &'a mut dyn FnMut(&Record<'_>),
    pub state: State,
}

impl Walk<'_> {
    /// Reads a WAL that the head includes.
    pub fn wal(&mut self, file: FileId) -> Result<(), Error> {
        let mut bytes = Zeroizing::new(head::read_file(self.disk, self.dir, file)?);
        let key = self.file_key(file, &bytes)?;
        self.state.epoch = self.state.epoch.max(key.epoch);
        let (mut at, len) = (HEADER_LEN, bytes.len());
        loop {
            match self.frame(&key, file, &mut bytes[at..]) {
                Ok(None) => break,
                Ok(Some(read)) => at += read,
                Err(error) if self.is_torn(file, &error) => {
                    self.state.torn = (len - at) as u64;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        self.state.size = at as u64;
        Ok(())
    }

    /// Checks that the log reaches its head and the expected one, and looks at the files after its newest
    /// WAL.
    pub fn end(&mut self) -> Result<(), Error> {
        let (Stored { head, generation, .. }, found) = (self.state.stored, self.state.place.number);
        if found < head.frames {
            return Err(Error::Lost { found, head: head.frames });
        }
        if self.options.expect_head.is_some_and(|expected| expected.frames > found) {
            return Err(Error::Unexpected);
        }
        let files = files(self.disk, self.dir)?;
        let mut newer: Vec<u64> = files.wals.into_iter().filter(|number| *number > generation).collect();
        newer.sort_unstable();
        newer.into_iter().try_for_each(|number| self.leftover(number))?;
        let stale = files.tables.into_iter().filter(|number| !self.state.tables.contains_key(number));
        self.state.stale_tables = stale.map(FileId::table).collect();
        Ok(())
    }

    fn file_key(&self, file: FileId, bytes: &[u8]) -> Result<FileKey, Error> {
        self.key.file_key(&self.state.stored.head.log, file, &Header::decode(file, bytes)?)
    }

    /// Whether an error is what a crash leaves after the durable head, and the caller wants it cut off.
    fn is_torn(&self, file: FileId, error: &Error) -> bool {
        let Stored { head, generation, .. } = self.state.stored;
        let after_head = file.number == generation && self.state.place.number >= head.frames;
        self.options.tail == Tail::Truncate && after_head && error.may_be_torn()
    }

    /// Reads the frame that begins these bytes; returns its length, or `None` at the end of the file.
    #[inline]
    fn frame(&mut self, key: &FileKey, file: FileId, bytes: &mut [u8]) -> Result<Option<usize>, Error> {
        let place = self.state.place;
        let Some(extent) = chain::extent(bytes, file, place)? else { return Ok(None) };
        let len = extent.end;
        let opened = chain::open(key, file, place, &mut bytes[extent])?;
        let malformed = || Error::Malformed { file: file.name(), frame: place.number };
        let (known, note) = Note::decode(opened.text).ok_or_else(malformed)?;
        self.not_after_the_head(known)?;
        let Stored { head, .. } = self.state.stored;
        for (of, error) in [(Some(head), Error::Fork), (self.options.expect_head, Error::Unexpected)] {
            if of.is_some_and(|of| of.frames == opened.next.number && of.tag != opened.next.before) {
                return Err(error);
            }
        }
        match note {
            Note::Record(record) => {
                self.state.records += 1;
                (self.each)(&record);
            }
            Note::Start => {}
            Note::Added(table) => {
                self.state.next_table = self.state.next_table.max(table.number + 1);
                self.state.tables.insert(table.number, table);
            }
            Note::Removed(number) => {
                self.state.tables.remove(&number);
            }
        }
        self.state.place = opened.next;
        Ok(Some(len))
    }

    fn not_after_the_head(&self, known: u64) -> Result<(), Error> {
        let found = self.state.stored.head.number;
        if known > found { Err(Error::StaleHead { found, known }) } else { Ok(()) }
    }

    /// Looks at a WAL that the head does not include. A crash leaves one whose first frame may be complete,
    /// and nothing after it. Anything more was written after a newer head.
    fn leftover(&mut self, number: u64) -> Result<(), Error> {
        let Stored { head, generation, .. } = self.state.stored;
        let stale = || Err(Error::StaleHead { found: head.number, known: head.number + 1 });
        if number > generation + 1 {
            return stale();
        }
        let file = FileId::wal(number);
        let mut bytes = Zeroizing::new(head::read_file(self.disk, self.dir, file)?);
        let opened = self.file_key(file, &bytes).and_then(|key| {
            let start = &mut bytes[HEADER_LEN..];
            let Some(extent) = chain::extent(start, file, self.state.place)? else { return Ok(None) };
            let more = extent.end < start.len();
            let opened = chain::open(&key, file, self.state.place, &mut start[extent])?;
            let known = Note::decode(opened.text).map_or(0, |(known, _)| known);
            Ok(Some((known, more)))
        });
        match opened {
            Ok(Some((known, more))) => {
                self.not_after_the_head(known)?;
                if more { stale() } else { Ok(()) }
            }
            Ok(None) => Ok(()),
            Err(error) if error.may_be_torn() => Ok(()),
            Err(error) => Err(error),
        }
    }
}
