//! `log/sealed`: a folder after one run or two, and after the second one with a record after its last head.
//!
//! Two calls of a session write to the same log, so that an older file is one of the same log, and the third
//! one begins a new log, so that a folder stays small.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{KEY, REQUEST_ID, folder, message_of};
use crate::aead::Alg;
use crate::disk::{Disk, Recorder};
use crate::engine::{Engine, Shape};
use crate::envelope::SecretKey;
use crate::scheme::log::sealed::{
    Error, FRAME_OVERHEAD, HEADER_LEN, Item, Log, LogKey, Options, RECORD_LEN, REFUSALS, check,
};
use crate::scheme::log::table::Entry;
use crate::scheme::log::wal::Record;
use crate::scheme::{self, Fault, Judgement, Law, Piece, Reader, Recovered, Scheme, Session};

/// The sealed files.
pub(in crate::scheme) static SEALED: Sealed = Sealed;

/// The sealed mode.
pub(in crate::scheme) struct Sealed;

const DIR: &str = "/log";
/// Calls that write to one log.
const CALLS: usize = 2;

const HISTORIES: [(&str, &str); 2] = [
    (
        super::history::FOLDER_PUT_BACK,
        "a whole folder as it was earlier is authentic, unless a head that was kept elsewhere is expected",
    ),
    (
        super::history::LAST_HEAD_PUT_BACK,
        "the head before the last one looks like a crash before the last one was written; no record is lost",
    ),
];

impl Scheme for Sealed {
    fn name(&self) -> &'static str {
        "log/sealed"
    }

    fn law(&self) -> Law {
        Law::Prefix
    }

    fn needs(&self) -> Option<Shape> {
        Some(Shape::usual(Alg::Aes256Gcm))
    }

    fn refusals(&self) -> &'static [&'static str] {
        &REFUSALS
    }

    fn judge(&self, fault: Fault, part: &str) -> Judgement {
        match (fault, part) {
            (Fault::Cut, "past-head") => {
                Judgement::Blind("a record after the last durable head was never acknowledged")
            }
            (Fault::Forge, "epoch-number") => Judgement::Chance(
                "an epoch above the last one passes: it is in no file yet, and only uses up epochs",
            ),
            // A folder has one file of a name.
            (Fault::Repeat, _) => Judgement::Harmless,
            _ => Judgement::Caught,
        }
    }

    fn blind_histories(&self) -> &'static [(&'static str, &'static str)] {
        &HISTORIES
    }

    fn session(&self, engine: &'static dyn Engine) -> Result<Box<dyn Session>, scheme::Error> {
        let mut key = SecretKey::default();
        key.fill(0x6c);
        let key = LogKey::new(engine, key, b"session");
        Ok(Box::new(Runs { key, disk: Recorder::default(), calls: 0, records: 0, tables: 0, expected: 0 }))
    }
}

/// The writer: a log, closed between the calls.
struct Runs {
    key: LogKey,
    disk: Recorder,
    calls: usize,
    /// Records and tables of earlier calls.
    records: usize,
    tables: u64,
    /// Messages of the last call.
    expected: usize,
}

impl Runs {
    fn open(&self) -> Result<Log, Error> {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        if self.calls.is_multiple_of(CALLS) {
            return Log::create(disk, DIR, &self.key);
        }
        Log::open(disk, DIR, &self.key, &Options::default(), &mut |_| {})
    }
}

impl Session for Runs {
    /// The last message goes into a table, and the one before it is appended after that. In the last call for
    /// a log, no head follows.
    fn protect(&mut self, messages: &[Vec<u8>]) -> Result<Vec<Piece>, scheme::Error> {
        if self.calls.is_multiple_of(CALLS) {
            (self.disk, self.records, self.tables) = (Recorder::with_dir(DIR), 0, 0);
        } else {
            let earlier = self.expected.min(1);
            (self.records, self.tables) =
                (self.records + self.expected - earlier, self.tables + earlier as u64);
        }
        self.expected = messages.len();
        let mut log = self.open()?;
        self.calls += 1;
        if let Some((table, records)) = messages.split_last() {
            for (i, message) in records.iter().enumerate() {
                if i + 1 == records.len() {
                    log.sync()?;
                    log.add_table([Entry { key: KEY, value: Some(table) }])?;
                }
                log.append(&Record::put(KEY, message, REQUEST_ID))?;
                // Heads between the records, so that older ones show.
                if i.is_multiple_of(16) && i + 1 < records.len() {
                    log.sync()?;
                }
            }
            if records.is_empty() {
                log.add_table([Entry { key: KEY, value: Some(table) }])?;
            }
        }
        let last_call = self.calls.is_multiple_of(CALLS);
        if last_call {
            log.write()?;
        } else {
            log.sync()?;
        }
        drop(log);
        let unacknowledged = messages.len().checked_sub(2).filter(|_| last_call);
        pieces(&self.disk, unacknowledged.map(|at| messages[at].len()))
    }

    fn reader(&self) -> Result<Box<dyn Reader>, scheme::Error> {
        let Self { key, records, tables, expected, .. } = self;
        Ok(Box::new(Checks { key: key.clone(), records: *records, tables: *tables, expected: *expected }))
    }

    /// Only the epoch file has a checksum without a key: the complement of its number.
    fn forge(&self, piece: &mut Piece) -> bool {
        if piece.kind() != "epoch" || piece.bytes.len() != 24 {
            return false;
        }
        let (number, complement) = piece.bytes[8..].split_at_mut(8);
        number.iter().zip(complement).for_each(|(byte, other)| *other = !byte);
        true
    }
}

/// Every file of the folder but the lock. `unacknowledged` is the length of the message in the last record of
/// the newest log.
fn pieces(disk: &Recorder, unacknowledged: Option<usize>) -> Result<Vec<Piece>, scheme::Error> {
    let mut pieces = Vec::new();
    for path in disk.names() {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name == "lock" {
            continue;
        }
        let bytes = disk.read(&path)?;
        let len = bytes.len();
        let parts: Vec<(&'static str, Range<usize>)> = match name {
            "epoch" => {
                vec![("epoch", 0..len), ("magic", 0..8), ("epoch-number", 8..16), ("complement", 16..len)]
            }
            "head" => vec![("head", 0..len), ("header", 0..HEADER_LEN)],
            _ if name.ends_with(".sst") => vec![("table", 0..len), ("header", 0..HEADER_LEN)],
            _ => vec![("log", 0..len), ("header", 0..HEADER_LEN)],
        };
        pieces.push(Piece { place: name.into(), bytes, parts });
    }
    if let (Some(message), Some(newest)) =
        (unacknowledged, pieces.iter_mut().rfind(|piece| piece.kind() == "log"))
    {
        let frame = FRAME_OVERHEAD + RECORD_LEN + KEY.len() + REQUEST_ID.len() + message;
        let at = newest.bytes.len() - frame;
        newest.parts.push(("past-head", at..at + 1));
    }
    // Files that an older folder lacks come last, so that each file's older state has its place.
    pieces.sort_by_key(|piece| folder_order(&piece.place));
    Ok(pieces)
}

/// Epoch and head, then the log and the table of each number.
fn folder_order(name: &[u8]) -> (bool, Vec<u8>) {
    (name.first().is_some_and(u8::is_ascii_digit), name.to_vec())
}

/// The reader: the whole folder, read without expectations.
struct Checks {
    key: LogKey,
    records: usize,
    tables: u64,
    expected: usize,
}

impl Reader for Checks {
    fn recover(&mut self, pieces: &[Piece]) -> Recovered {
        let files = folder(pieces).into_iter().map(|(name, bytes)| {
            let name = String::from_utf8_lossy(name).into_owned();
            (PathBuf::from(DIR).join(name), bytes.to_vec())
        });
        let disk: Arc<dyn Disk> = Arc::new(Recorder::with_files(DIR, files));
        let (mut seen, mut given) = (0, Vec::new());
        let mut each = |item: Item<'_>| match item {
            Item::Record(record) => {
                seen += 1;
                if seen > self.records {
                    given.push((seen - self.records - 1, message_of(&record)));
                }
            }
            Item::Entry(table, entry) if table > self.tables => {
                let message = match (entry.key, entry.value) {
                    (KEY, Some(value)) => value.to_vec(),
                    (key, value) => [key, value.unwrap_or_default()].concat(),
                };
                given.push((self.expected - 1, message));
            }
            Item::Entry(..) => {}
        };
        let checked = check(&disk, Path::new(DIR), &self.key, &Options::default(), &mut each);
        Recovered { given, refused: checked.err().map(|error| error.spec_name()).into_iter().collect() }
    }
}
