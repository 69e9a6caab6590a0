//! Writing a log: records are gathered, then written and synced together (group commit).
//!
//! A record is acknowledged once [`Append::sync`] has returned. One batch is one write, so a crash leaves a
//! beginning of it, or zeros. The reference syncs the file after each record and never the folder; here the
//! folder is synced when a log is created (rule `directory-sync`).

use std::path::Path;

use super::{Record, encode};
use crate::disk::{Disk, OpenFile, parent};
use crate::scheme::log::Error;

/// Most bytes of one write.
pub const MAX_BATCH_LEN: usize = 8 * 1024 * 1024;

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

    /// Continues a log at this offset, where a [`Reader`](super::Reader) found its end. What the file holds
    /// after it is cut off first, durably.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn resume(file: Box<dyn OpenFile>, offset: u64) -> Result<Self, Error> {
        if file.size().map_err(Error::io("looking up the length of the log"))? != offset {
            file.set_size(offset).map_err(Error::io("cutting off an incomplete record"))?;
            file.sync().map_err(Error::io("syncing the log"))?;
        }
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
