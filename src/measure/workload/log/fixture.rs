//! Records, the two kinds of writers, and their files as another engine reads them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::disks::{Folder, Held, MaybeSynced, refused};
use crate::aead::Alg;
use crate::disk::{self, Disk, Recorder};
use crate::engine::Engine;
use crate::envelope::SecretKey;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::arena::content_seed;
use crate::measure::workload::fixture::reference::reference;
use crate::measure::workload::kind::{Scope, Subject};
use crate::scheme::log::sealed::{self, Item, Log, LogKey, Options};
use crate::scheme::log::table::{self, Entry, Found};
use crate::scheme::log::wal::{self, Reader, Record, Tail};

/// The bytes of values in a pass, about.
const PASS: usize = 2 * 1024 * 1024;
/// The request id of every record: as long as a UUID.
const REQUEST_ID: &[u8; 16] = b"a request's id..";

/// One of the two modes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    Checked,
    Sealed,
}

impl Mode {
    /// The subject of its kinds.
    pub const fn subject(self) -> Subject {
        Subject::One(self.name())
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Checked => "log/checked",
            Self::Sealed => "log/sealed",
        }
    }

    /// The engines seal only the sealed log.
    pub const fn scope(self) -> Scope {
        match self {
            Self::Checked => Scope::CipherFree,
            Self::Sealed => Scope::EveryEngine,
        }
    }
}

/// A number of records that takes about as long for each length of a value.
pub(super) fn default_count(bytes: usize) -> usize {
    (PASS / bytes.max(1)).clamp(2, 512)
}

/// The key of every log, on this engine. It protects only generated records.
pub(super) fn key(engine: &'static dyn Engine) -> LogKey {
    let mut key = SecretKey::default();
    key.fill(0x4c);
    LogKey::new(engine, key, b"workload")
}

/// The key on the engine that checks this one.
pub(super) fn other_key(engine: &'static dyn Engine) -> LogKey {
    key(reference(engine, Alg::Aes256Gcm))
}

/// Rows with ascending keys, whose values all differ.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Rows(pub Vec<(Vec<u8>, Vec<u8>)>);

impl Rows {
    pub fn new(workload: &Workload, count: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(content_seed(workload.bytes, workload.seed));
        let row = |i: usize| {
            let mut value = vec![0; workload.bytes];
            rng.fill_bytes(&mut value);
            (format!("key {i:012}").into_bytes(), value)
        };
        Self((0..count).map(row).collect())
    }

    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        Self::records_of(&self.0)
    }

    /// The records of some of them.
    pub fn records_of(rows: &[(Vec<u8>, Vec<u8>)]) -> impl Iterator<Item = Record<'_>> {
        rows.iter().map(|(key, value)| Record::put(key, value, REQUEST_ID))
    }

    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.0.iter().map(|(key, value)| Entry { key, value: Some(value) })
    }
}

/// A log that is open for appending.
pub(super) enum Writer {
    Checked(wal::Append),
    Sealed(Box<Log>),
}

/// The name of the first log in either mode.
const WAL: &str = "000001.wal";

impl Writer {
    /// Creates a log in an empty folder, with syncs that do their work or nothing.
    pub fn create(mode: Mode, folder: &Folder, key: &LogKey, syncs: bool) -> Result<Self, Error> {
        let disk = MaybeSynced { syncs };
        match mode {
            Mode::Checked => {
                let created = wal::Append::create(&disk, &folder.path().join(WAL));
                created.map(Self::Checked).map_err(refused)
            }
            Mode::Sealed => {
                let created = Log::create(Arc::new(disk), folder.path(), key);
                created.map(|log| Self::Sealed(Box::new(log))).map_err(refused)
            }
        }
    }

    /// Adds a record to what [`write`](Self::write) or [`sync`](Self::sync) writes. Returns whether it was
    /// taken.
    pub fn append(&mut self, record: &Record<'_>) -> bool {
        match self {
            Self::Checked(log) => log.push(record).is_ok(),
            Self::Sealed(log) => log.append(record).is_ok(),
        }
    }

    /// Passes it to the system. The checked log has no such call, so its disk must be one that does not sync.
    pub fn write(&mut self) -> bool {
        match self {
            Self::Checked(log) => log.sync().is_ok(),
            Self::Sealed(log) => log.write().is_ok(),
        }
    }

    /// Makes it durable.
    pub fn sync(&mut self) -> bool {
        match self {
            Self::Checked(log) => log.sync().is_ok(),
            Self::Sealed(log) => log.sync().is_ok(),
        }
    }
}

/// Checks that a folder holds exactly the records of these rows, in order.
pub(super) fn holds(mode: Mode, held: Held, dir: &Path, key: &LogKey, rows: &Rows) -> Result<(), String> {
    let mut expected = rows.records();
    let mut differs = None;
    let mut number = 0;
    let mut see = |record: &Record<'_>| {
        if expected.next().as_ref() != Some(record) {
            differs.get_or_insert(number);
        }
        number += 1;
    };
    let read = match mode {
        Mode::Checked => {
            let bytes = held.0.get(&dir.join(WAL)).map_or(&[][..], |bytes| bytes);
            let mut reader = Reader::of_bytes(bytes, Tail::Strict);
            loop {
                match reader.next() {
                    Ok(Some(record)) => see(&record),
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error.to_string()),
                }
            }
        }
        Mode::Sealed => {
            let mut each = |item: Item<'_>| {
                if let Item::Record(record) = item {
                    see(&record);
                }
            };
            let disk: Arc<dyn Disk> = Arc::new(held);
            let checked = sealed::check(&disk, dir, key, &Options::default(), &mut each);
            checked.map(drop).map_err(|error| error.to_string())
        }
    };
    read.map_err(|error| format!("the reference does not read the log: {error}"))?;
    match differs {
        Some(number) => Err(format!("record {number} is not the one that was appended")),
        None if number == rows.0.len() => Ok(()),
        None => Err(format!("the log has {number} of {} records", rows.0.len())),
    }
}

/// The folder of a log in memory.
pub(super) const DIR: &str = "/log";

/// A log of these rows, in memory, written with this key.
pub(super) fn written(mode: Mode, key: &LogKey, rows: &Rows) -> Result<Held, Error> {
    match mode {
        Mode::Checked => {
            let mut log = Vec::new();
            for record in rows.records() {
                wal::encode(&record, &mut log).map_err(refused)?;
            }
            Ok(Held([(Path::new(DIR).join(WAL), log)].into()))
        }
        Mode::Sealed => {
            let recorder = Recorder::with_dir(DIR);
            let mut log = Log::create(Arc::new(recorder.clone()), DIR, key).map_err(refused)?;
            for record in rows.records() {
                log.append(&record).map_err(refused)?;
            }
            log.sync().map_err(refused)?;
            drop(log);
            let read = |path: PathBuf| match recorder.read(&path) {
                Ok(bytes) => Ok((path, bytes)),
                Err(reason) => Err(refused(disk::Error::Io { doing: "reading", path, reason })),
            };
            Ok(Held(recorder.names().into_iter().map(read).collect::<Result<_, _>>()?))
        }
    }
}

/// An open table, and the folder that its file is in.
pub(super) struct OpenTable {
    /// Closed before the folder is removed.
    pub table: Table,
    _folder: Folder,
}

/// A table of either mode.
pub(super) enum Table {
    Checked(table::Table),
    Sealed(sealed::Table),
}

impl OpenTable {
    /// Writes a table of these rows with one key and opens it with another.
    pub fn new(mode: Mode, writer: &LogKey, reader: &LogKey, rows: &Rows) -> Result<Self, Error> {
        let (folder, disk) = (Folder::new()?, MaybeSynced { syncs: false });
        let table = match mode {
            Mode::Checked => {
                let path = folder.path().join("000001.sst");
                table::write(&disk, &path, table::DEFAULT_BLOCK_LEN, rows.entries()).map_err(refused)?;
                Table::Checked(table::Table::open(&disk, &path).map_err(refused)?)
            }
            Mode::Sealed => {
                let mut log = Log::create(Arc::new(disk), folder.path(), writer).map_err(refused)?;
                let number = log.add_table(rows.entries()).map_err(refused)?;
                Table::Sealed(log.table_by(number, reader).map_err(refused)?)
            }
        };
        Ok(Self { table, _folder: folder })
    }
}

impl Table {
    /// The value of a key that the table has.
    pub fn get(&self, key: &[u8]) -> Result<Vec<u8>, String> {
        let found = match self {
            Self::Checked(table) => table.get(key).map_err(|error| error.to_string()),
            Self::Sealed(table) => table.get(key).map_err(|error| error.to_string()),
        };
        match found? {
            Some(Found::Value(value)) => Ok(value),
            _ => Err("a key that is missing".into()),
        }
    }

    /// Gives each value to `each`, in the order of the keys.
    pub fn scan(&self, each: &mut dyn FnMut(&[u8])) -> Result<(), String> {
        let mut see = |entry: &Entry<'_>| each(entry.value.unwrap_or_default());
        match self {
            Self::Checked(table) => {
                let scanned = table.scan(&mut |entry| {
                    see(&entry);
                    Ok(())
                });
                scanned.map_err(|error| error.to_string())
            }
            Self::Sealed(table) => table.scan(&mut see).map_err(|error| error.to_string()),
        }
    }
}
