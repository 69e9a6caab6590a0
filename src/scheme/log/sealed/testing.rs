//! Fixtures for the tests of the sealed log.

use std::sync::Arc;

use super::{Error, Head, Log, LogKey, Options};
use crate::disk::Recorder;
use crate::engine::find;
use crate::envelope::SecretKey;
use crate::scheme::log::wal::Record;

/// The folder of every log.
pub const DIR: &str = "/sealed";

/// The key of every log.
pub fn key() -> LogKey {
    named(b"test")
}

/// The same key for a log of another name.
pub fn named(name: &[u8]) -> LogKey {
    let mut key = SecretKey::default();
    key.fill(0x5a);
    LogKey::new(find("sealmark").unwrap(), key, name)
}

/// A new log on a new disk.
pub fn new_log() -> (Recorder, Log) {
    let disk = Recorder::with_dir(DIR);
    let log = Log::create(Arc::new(disk.clone()), DIR, &key()).unwrap();
    (disk, log)
}

/// Appends a record with this key, and a value and an id that follow from it.
pub fn put(log: &mut Log, name: &str) {
    let (value, id) = (format!("value of {name}"), format!("id of {name}"));
    log.append(&Record::put(name.as_bytes(), value.as_bytes(), id.as_bytes())).unwrap();
}

/// Opens a log; returns it with the keys of its records.
pub fn open(disk: &Recorder, options: &Options) -> Result<(Log, Vec<String>), Error> {
    let mut names = Vec::new();
    let mut each = |record: &Record<'_>| names.push(String::from_utf8(record.key.to_vec()).unwrap());
    let log = Log::open(Arc::new(disk.clone()), DIR, &key(), options, &mut each)?;
    Ok((log, names))
}

/// Options with an expected head.
pub fn expecting(head: Head) -> Options {
    Options { expect_head: Some(head), ..Options::default() }
}
