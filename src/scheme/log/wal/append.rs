//! Writing a log: records are gathered, then written and synced together (group commit).
//!
//! A record is acknowledged once [`Append::sync`] has returned. One batch is one write, so a crash leaves a
//! beginning of it, or zeros. The reference syncs the file after each record and never the folder; here the
//! folder is synced when a log is created (rule `directory-sync`).
//!
//! A log that is opened may hold records that are in the system's memory only: the process before was killed,
//! or its sync failed. After a failed sync no later sync of that file can be relied on, because the system
//! may take the lost bytes for written. Therefore [`Append::renew`] continues in a copy, which never failed.

use std::path::Path;

use super::{Record, encode};
use crate::disk::{Disk, OpenFile, Replacement, parent};
use crate::scheme::log::Error;

/// Most bytes of one write.
pub const MAX_BATCH_LEN: usize = 8 * 1024 * 1024;
/// Bytes that are copied at once when a log is renewed.
const COPY_LEN: u64 = 1024 * 1024;

/// A log that is written.
#[derive(Debug)]
pub struct Append {
    file: Box<dyn OpenFile>,
    size: u64,
    batch: Batch,
    stopped: Option<&'static str>,
}

/// Encoded records. Their bytes are not shown.
#[derive(Default)]
struct Batch(Vec<u8>);

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} B", self.0.len())
    }
}

impl Append {
    /// Creates an empty log. Its name is on the medium before this returns.
    ///
    /// # Errors
    /// [`Error::Disk`], also if a file has that name.
    pub fn create(disk: &dyn Disk, path: &Path) -> Result<Self, Error> {
        let mut created = disk.create(path).map_err(Error::disk("creating", path))?;
        created.sync().map_err(Error::disk("syncing", path))?;
        drop(created);
        let dir = parent(path);
        disk.sync_dir(dir).map_err(Error::disk("syncing the folder", dir))?;
        let file = disk.open(path).map_err(Error::disk("opening", path))?;
        Ok(Self { file, size: 0, batch: Batch::default(), stopped: None })
    }

    /// Continues a log at this offset, where a [`Reader`](super::Reader) found its end, in the same file.
    /// What the file holds after it is cut off, and all before it is on the medium when this returns, unless
    /// a sync of this file has failed since the machine was started: [`renew`](Self::renew) does not depend
    /// on that.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn resume(file: Box<dyn OpenFile>, offset: u64) -> Result<Self, Error> {
        if file.size().map_err(Error::io("looking up the length of the log"))? != offset {
            file.set_size(offset).map_err(Error::io("cutting off an incomplete record"))?;
        }
        file.sync().map_err(Error::io("syncing the log"))?;
        Ok(Self { file, size: offset, batch: Batch::default(), stopped: None })
    }

    /// Continues a log at this offset, where a [`Reader`](super::Reader) found its end, in a copy of the
    /// bytes before it. The copy takes the file's place once it is on the medium, whatever happened to the
    /// file. Costs the writing of the log, and as much free space.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Disk`]: the name then stands for the old file or the copy.
    pub fn renew(disk: &dyn Disk, path: &Path, file: Box<dyn OpenFile>, offset: u64) -> Result<Self, Error> {
        let mut copy = Replacement::begin(disk, path)?;
        let mut buffer = vec![0; offset.min(COPY_LEN) as usize];
        let mut at = 0;
        while at < offset {
            let part = &mut buffer[..(offset - at).min(COPY_LEN) as usize];
            file.read_at(at, part).map_err(Error::io("reading the log"))?;
            copy.write_all(part)?;
            at += part.len() as u64;
        }
        // Not every system replaces a file that is open.
        drop(file);
        copy.commit()?;
        let file = disk.open(path).map_err(Error::disk("opening", path))?;
        Ok(Self { file, size: offset, batch: Batch::default(), stopped: None })
    }

    /// Adds a record to the batch, which is written first if it would exceed [`MAX_BATCH_LEN`].
    ///
    /// # Errors
    /// [`Error::Integrity`] with the code `INVALID_RECORD` if the record is over a limit, and the batch is as
    /// before; those of [`sync`](Self::sync).
    pub fn push(&mut self, record: &Record<'_>) -> Result<(), Error> {
        self.running()?;
        if self.batch.0.len() + record.encoded_len() > MAX_BATCH_LEN {
            self.sync()?;
        }
        Ok(encode(record, &mut self.batch.0)?)
    }

    /// Writes and syncs the batch. Once it has returned, the batch survives a power cut.
    ///
    /// # Errors
    /// [`Error::Io`]: no record of the batch is acknowledged, and the batch is gone. After a failed write the
    /// log is cut back to its former length, and can be written again. If that fails, or if a sync fails,
    /// every later call gives [`Error::Stopped`]: the batch may or may not be in the log once it is opened
    /// again.
    pub fn sync(&mut self) -> Result<(), Error> {
        self.running()?;
        if self.batch.0.is_empty() {
            return Ok(());
        }
        let written = self.file.write_at(self.size, &self.batch.0);
        let len = self.batch.0.len() as u64;
        self.batch.0.clear();
        if let Err(reason) = written {
            let cut = self.file.set_size(self.size).and_then(|()| self.file.sync());
            if cut.is_err() {
                self.stopped = Some("an earlier write failed and could not be taken back");
            }
            return Err(Error::io("writing the log")(reason));
        }
        if let Err(reason) = self.file.sync() {
            self.stopped = Some("an earlier sync failed");
            return Err(Error::io("syncing the log")(reason));
        }
        self.size += len;
        Ok(())
    }

    /// Writes and syncs one record, and with it those of the batch.
    ///
    /// # Errors
    /// Those of [`push`](Self::push) and [`sync`](Self::sync).
    pub fn append(&mut self, record: &Record<'_>) -> Result<(), Error> {
        self.push(record)?;
        self.sync()
    }

    /// Length of the synced log in bytes.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Length of the batch in bytes.
    pub const fn pending(&self) -> usize {
        self.batch.0.len()
    }

    /// Whether an earlier failure has stopped it.
    pub const fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    fn running(&self) -> Result<(), Error> {
        self.stopped.map_or(Ok(()), |why| Err(Error::Stopped(why)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::open;
    use super::*;
    use crate::disk::{Fault, Recorder};

    const PATH: &str = "/log/000001.wal";

    /// A log of more than one part of a copy, and of a record whose sync failed or was never made.
    fn ended(fault: Fault) -> (Recorder, Vec<u8>) {
        let disk = Recorder::with_dir("/log");
        let mut append = Append::create(&disk, Path::new(PATH)).unwrap();
        append.append(&Record::put(b"a", &[1; COPY_LEN as usize], b"1")).unwrap();
        disk.plan(disk.steps().len() + 1, fault);
        append.append(&Record::put(b"b", b"2", b"2")).unwrap_err();
        drop(append);
        let killed = disk.after_kill();
        let bytes = killed.read(Path::new(PATH)).unwrap();
        assert!(bytes.len() as u64 > COPY_LEN + 24);
        (killed, bytes)
    }

    /// Whether a power cut leaves the log as it is read.
    fn survives(disk: &Recorder, bytes: &[u8]) -> bool {
        let left = disk.after_power_loss();
        assert!(!left.is_empty());
        left.iter().all(|left| left.read(Path::new(PATH)).is_ok_and(|read| read == bytes))
    }

    #[test]
    fn a_resumed_log_is_on_the_medium_after_a_kill_and_a_renewed_one_after_a_failed_sync_too() {
        let path = Path::new(PATH);
        for (fault, killed) in [(Fault::Power, true), (Fault::Io, false)] {
            let (disk, bytes) = ended(fault);
            assert!(!survives(&disk, &bytes), "{fault:?}");
            let file = open(&disk, path).unwrap().unwrap();
            drop(Append::resume(file, bytes.len() as u64).unwrap());
            assert_eq!(survives(&disk, &bytes), killed, "{fault:?}");

            let (disk, mut bytes) = ended(fault);
            let file = open(&disk, path).unwrap().unwrap();
            let mut append = Append::renew(&disk, path, file, bytes.len() as u64).unwrap();
            assert!(survives(&disk, &bytes), "{fault:?}");
            let record = Record::delete(b"c", b"3");
            append.append(&record).unwrap();
            encode(&record, &mut bytes).unwrap();
            assert!(survives(&disk, &bytes) && append.size() == bytes.len() as u64, "{fault:?}");
        }
    }

    #[test]
    fn a_renewed_log_ends_where_it_is_told_to() {
        let (disk, bytes) = ended(Fault::Power);
        let path = Path::new(PATH);
        let file = open(&disk, path).unwrap().unwrap();
        let end = bytes.len() - 5;
        let append = Append::renew(&disk, path, file, end as u64).unwrap();
        assert!(survives(&disk, &bytes[..end]) && append.size() == end as u64);
    }
}
