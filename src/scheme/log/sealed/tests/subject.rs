//! The log that the faults are done to, and how an altered folder is read.
//!
//! A WAL that is altered is read from the state in which the unaltered files before it leave the reader,
//! which is the state that a replay of the whole folder would be in, and an altered table is read alone. A
//! test compares the results with those of the whole folder.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::ops::Range;

use super::super::chain::LENGTH_LEN;
use super::super::head::{self, Stored};
use super::super::key::{FileId, Kind};
use super::super::replay::{State, Walk};
use super::super::table::{Of, Table};
use super::*;
use crate::disk::{NewFile, OpenFile};

/// Bytes of records after which a WAL is rotated, at most.
const WAL_BYTES: usize = 3500;
/// Frames or files after one that it trades places with in a large folder; in a small one it is all of them.
const NEIGHBOURS: usize = 24;
const SMALL: usize = 128 * 1024;

pub type Files = BTreeMap<String, Vec<u8>>;

/// A folder in memory that cannot be written to.
#[derive(Clone, Debug)]
pub struct Folder(pub Files);

fn read_only<T>() -> io::Result<T> {
    Err(ErrorKind::ReadOnlyFilesystem.into())
}

impl Disk for Folder {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        self.0.get(name).cloned().ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        Ok(self.read(path).is_ok())
    }

    fn list(&self, _: &Path) -> io::Result<Vec<OsString>> {
        Ok(self.0.keys().map(OsString::from).collect())
    }

    fn create(&self, _: &Path) -> io::Result<Box<dyn NewFile>> {
        read_only()
    }

    fn open(&self, _: &Path) -> io::Result<Box<dyn OpenFile>> {
        read_only()
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        read_only()
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        read_only()
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        read_only()
    }
}

/// A closed log, with the state before each WAL.
pub struct Subject {
    pub files: Files,
    /// Earlier states of the folder, oldest first, each at a head.
    pub history: Vec<Files>,
    pub stored: Stored,
    /// The state before the WAL with the same number, from 1.
    before: Vec<State>,
    pub tables: BTreeMap<u64, TableRef>,
}

fn snapshot(disk: &Recorder) -> Files {
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    files(disk).into_iter().map(|(path, bytes)| (name(&path), bytes)).collect()
}

impl Subject {
    /// A log of at least so many bytes: runs, rotations, tables, and records of many sizes.
    pub fn of(bytes: usize) -> Self {
        let (disk, mut log) = new_log();
        let (mut history, mut in_wal, mut i) = (vec![snapshot(&disk)], 0, 0_usize);
        // Snapshots are of some states only, because each is a copy of the whole folder.
        let every = bytes / 5000;
        loop {
            let value = vec![i as u8; [0, 1, 16, 100, 33, 700, 250][i % 7]];
            let (key, id) = (format!("key {i}"), format!("id {i}"));
            match i % 9 {
                4 => log.append(&Record::delete(key.as_bytes(), id.as_bytes())).unwrap(),
                _ => log.append(&Record::put(key.as_bytes(), &value, id.as_bytes())).unwrap(),
            }
            in_wal += value.len() + 90;
            i += 1;
            if i.is_multiple_of(3) {
                log.sync().unwrap();
            }
            if in_wal > WAL_BYTES {
                // One block, several, none.
                let rows = [12, 90, 0][log.tables().count() % 3];
                let row = |row| (format!("{i}.{row:03}").into_bytes(), vec![row as u8; 60]);
                let rows: Vec<_> = (0..rows).map(row).collect();
                log.add_table(rows.iter().map(|(key, value)| Entry { key, value: Some(value) })).unwrap();
                if i.is_multiple_of(2) {
                    log.rotate().unwrap();
                } else {
                    drop(log);
                    log = open(&disk, &strict()).unwrap().0;
                }
                in_wal = 0;
            }
            if i.is_multiple_of(every) {
                log.sync().unwrap();
                history.push(snapshot(&disk));
                let total: usize = history.last().unwrap().values().map(Vec::len).sum();
                if total >= bytes {
                    break;
                }
            }
        }
        drop(log);
        let files = history.pop().unwrap();
        let folder = Folder(files.clone());
        let dir = Path::new(DIR);
        let stored = head::read(&folder, dir, &key()).unwrap();
        let (mut before, options) = (Vec::new(), strict());
        let mut walk = Walk {
            disk: &folder,
            dir,
            key: &key(),
            options: &options,
            each: &mut |_| {},
            state: State::new(stored),
        };
        for number in 1..=stored.generation {
            before.push(walk.state.clone());
            walk.wal(FileId::wal(number)).unwrap();
        }
        walk.end().unwrap();
        let tables = walk.state.tables;
        let subject = Self { files, history, stored, before, tables };
        subject.read(&subject.files).unwrap();
        subject
    }

    pub fn len(&self) -> usize {
        self.files.values().map(Vec::len).sum()
    }

    /// How many of the things after it each of `count` things trades places with: all in a small folder.
    pub fn reach(&self, count: usize) -> usize {
        if self.len() <= SMALL { count } else { NEIGHBOURS }
    }

    /// Reads the whole folder.
    pub fn read(&self, files: &Files) -> Result<(), Error> {
        let disk: Arc<dyn Disk> = Arc::new(Folder(files.clone()));
        check(&disk, Path::new(DIR), &key(), &strict(), &mut |_| {}).map(drop)
    }

    /// Reads the folder from this WAL on, and not the tables.
    fn read_from(&self, folder: &Folder, wal: u64) -> Result<(), Error> {
        let (key, options) = (key(), strict());
        let mut walk = Walk {
            disk: folder,
            dir: Path::new(DIR),
            key: &key,
            options: &options,
            each: &mut |_| {},
            state: self.before[wal as usize - 1].clone(),
        };
        (wal..=self.stored.generation).try_for_each(|number| walk.wal(FileId::wal(number)))?;
        walk.end()
    }

    fn read_table(&self, folder: &Folder, number: u64) -> Result<(), Error> {
        let (key, log) = (key(), self.stored.head.log);
        let of = Of { disk: folder, dir: Path::new(DIR), key: &key, log: &log };
        Table::load(of, &self.tables[&number])?.scan(&mut |_| {})
    }

    /// Reads a folder in which only these files differ, as far as they matter.
    pub fn reread(&self, folder: &Folder, changed: &[&str]) -> Result<(), Error> {
        let ids: Option<Vec<FileId>> = changed.iter().map(|name| FileId::of_name(name)).collect();
        let Some(ids) = ids else { return self.read(&folder.0) };
        let of = |kind| ids.iter().filter(move |id| id.kind == kind).map(|id| id.number);
        of(Kind::Wal).min().map_or(Ok(()), |first| self.read_from(folder, first))?;
        of(Kind::Table).try_for_each(|number| self.read_table(folder, number))
    }

    /// Where the frames of each file lie.
    pub fn frames(&self) -> Vec<(String, Range<usize>)> {
        let mut frames = Vec::new();
        for (name, bytes) in self.files.iter().filter(|(name, _)| *name != EPOCH) {
            let mut at = HEADER_LEN;
            while at < bytes.len() {
                let len = u32::from_le_bytes(bytes[at..at + LENGTH_LEN].try_into().unwrap()) as usize;
                frames.push((name.clone(), at..at + LENGTH_LEN + len));
                at += LENGTH_LEN + len;
            }
            assert_eq!(at, bytes.len(), "{name}");
        }
        frames
    }
}
