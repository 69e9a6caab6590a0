//! Small files of every kind, encoded here from the specification and not by the scheme.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::layout::Kind;
use crate::disk::{Disk, NewFile, OpenFile, Recorder};
use crate::primitive::crc32c::checksum as crc32c;

/// A disk that refuses to list one folder, for this reason.
#[derive(Debug)]
pub(super) struct Unlistable(pub Recorder, pub PathBuf, pub io::ErrorKind);

impl Disk for Unlistable {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.read(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.0.exists(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        if dir == self.1 { Err(self.2.into()) } else { self.0.list(dir) }
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        self.0.create(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn OpenFile>> {
        self.0.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.sync_dir(dir)
    }
}

/// A record of a WAL.
pub(super) fn record(op: u8, key: &[u8], value: &[u8], id: &[u8]) -> Vec<u8> {
    let mut head = 0x4b56_5741_u32.to_le_bytes().to_vec();
    head.extend([1, 0, op, 0]);
    for part in [key, value, id] {
        head.extend((part.len() as u32).to_le_bytes());
    }
    let payload = [key, value, id].concat();
    let sum = crc32c(&[&head[..], &payload].concat());
    [&head[..], &sum.to_le_bytes(), &payload].concat()
}

/// Where the logs of tests lie.
pub(super) const ROOT: &str = "/log";

/// A log with this history.
pub(super) fn log(own: &[u8]) -> Recorder {
    let [wal, table] = [0, 1].map(|number| files().remove(number).1);
    let files = [("000001.wal", wal), ("sst/000001.sst", table), ("sealmark.history", own.to_vec())];
    let files = files.map(|(name, bytes)| (Path::new(ROOT).join(name), bytes));
    Recorder::with_files("/log/sst", files)
}

fn frame(payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as u32).to_le_bytes()[..], payload, &crc32c(payload).to_le_bytes()].concat()
}

/// A row of a table; without a value it is a tombstone.
pub(super) type Row = (&'static [u8], Option<&'static [u8]>);

/// A table with these rows in each block.
pub(super) fn table(blocks: &[&[Row]]) -> Vec<u8> {
    let mut file = 0x4b53_5354_u32.to_le_bytes().to_vec();
    file.extend([1, 0, 0, 0]);
    file.extend(128_u32.to_le_bytes());
    file.extend([0; 4]);
    let mut index = (blocks.len() as u32).to_le_bytes().to_vec();
    for rows in blocks {
        let mut payload = Vec::new();
        for (key, value) in *rows {
            payload.push(if value.is_some() { 1 } else { 2 });
            payload.extend((key.len() as u32).to_le_bytes());
            payload.extend((value.unwrap_or_default().len() as u32).to_le_bytes());
            payload.extend(*key);
            payload.extend(value.unwrap_or_default());
        }
        let framed = frame(&payload);
        index.extend((rows[0].0.len() as u32).to_le_bytes());
        index.extend(rows[0].0);
        index.extend((file.len() as u64).to_le_bytes());
        index.extend((framed.len() as u32).to_le_bytes());
        file.extend(framed);
    }
    let (index_at, index) = (file.len() as u64, frame(&index));
    let mut footer = 0x4b53_4654_u32.to_le_bytes().to_vec();
    footer.extend([1, 0, 0, 0]);
    footer.extend(index_at.to_le_bytes());
    footer.extend((index.len() as u32).to_le_bytes());
    footer.extend([0; 8]);
    let sum = crc32c(&footer);
    [&file[..], &index, &footer, &sum.to_le_bytes()].concat()
}

/// A history of the engine's, with no request ids and no keys.
pub(super) fn history() -> Vec<u8> {
    let body = [&b"smhist01"[..], &[0; 8]].concat();
    [&body[..], &crc32c(&body).to_le_bytes()].concat()
}

/// A WAL of four records.
pub(super) fn wal() -> Vec<u8> {
    [
        record(1, b"alpha", b"one", b"id-1"),
        record(1, b"beta", b"a longer value than the others have", b"id-2"),
        record(2, b"alpha", b"", b"id-3"),
        record(1, b"gamma", b"three", b"id-4"),
    ]
    .concat()
}

/// One file of each kind: a WAL, a table, `meta.bin`, `log.bin`.
pub(super) fn files() -> Vec<(Kind, Vec<u8>)> {
    let rows: [&[Row]; 3] = [
        &[(b"a", Some(b"value of a")), (b"b", None)],
        &[(b"c", Some(b"value of c")), (b"d", None)],
        &[(b"e", Some(b"the last value"))],
    ];
    let mut meta = 0x4b52_4d54_u32.to_le_bytes().to_vec();
    meta.extend([1, 0, 0, 0]);
    meta.extend(7_u64.to_le_bytes());
    meta.extend(2_u32.to_le_bytes());
    meta.extend([5_u64, 6].map(u64::to_le_bytes).concat());
    let mut log = 0x4b52_4c47_u32.to_le_bytes().to_vec();
    log.extend([1, 0, 0, 0]);
    log.extend(2_u64.to_le_bytes());
    for (term, command) in [(6_u64, &b"first command"[..]), (7, b"second")] {
        log.extend(term.to_le_bytes());
        log.extend((command.len() as u32).to_le_bytes());
        log.extend(command);
    }
    vec![(Kind::Wal, wal()), (Kind::Table, table(&rows)), (Kind::RaftMeta, meta), (Kind::RaftLog, log)]
}
