//! A member's log and votes, in a database on its disk.

use std::fmt::Debug;
use std::ops::RangeBounds;
use std::path::Path;
use std::sync::Arc;

use openraft::storage::{LogFlushed, RaftLogStorage};
use openraft::{
    AnyError, Entry, EntryPayload, LogId, LogState, OptionalSend, RaftLogReader, StorageError,
    StorageIOError, Vote,
};
use sealmark::disk::{Recorder, Redb, Store};
use sealmark::scheme::storage::guards::LogScanner;

use crate::Types;

/// A database of the log: entries under their index, and the other durable state.
#[derive(Clone, Debug)]
pub struct Log(Arc<Redb>);

pub type Failure = StorageError<u64>;

fn entry_key(index: u64) -> Vec<u8> {
    [b"e", &index.to_be_bytes()[..]].concat()
}

pub fn failed(error: impl ToString) -> Failure {
    StorageIOError::write(AnyError::error(error.to_string())).into()
}

impl Log {
    pub fn open(disk: &Recorder) -> Result<Self, sealmark::disk::Error> {
        Ok(Self(Arc::new(Redb::open(disk, Path::new("/data/log"))?)))
    }

    pub fn put(&self, key: &[u8], value: &impl serde::Serialize) -> Result<(), Failure> {
        let value = serde_json::to_vec(value).map_err(failed)?;
        self.0.commit(&[(key.to_vec(), Some(value))]).map_err(failed)
    }

    pub fn find<T: serde::de::DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, Failure> {
        let value = self.0.get(key).map_err(failed)?;
        value.map(|value| serde_json::from_slice(&value).map_err(failed)).transpose()
    }

    pub fn entries(&self) -> Result<Vec<Entry<Types>>, Failure> {
        let rows = self.0.scan(b"e", None, usize::MAX).map_err(failed)?;
        rows.iter().map(|(_, value)| serde_json::from_slice(value).map_err(failed)).collect()
    }
}

impl RaftLogReader<Types> for Log {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> Result<Vec<Entry<Types>>, Failure> {
        Ok(self.entries()?.into_iter().filter(|entry| range.contains(&entry.log_id.index)).collect())
    }
}

impl RaftLogStorage<Types> for Log {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, Failure> {
        let last_log_id = self.entries()?.last().map(|entry| entry.log_id);
        Ok(LogState { last_purged_log_id: None, last_log_id })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote<u64>) -> Result<(), Failure> {
        self.put(b"vote", vote)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote<u64>>, Failure> {
        self.find(b"vote")
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<Types>) -> Result<(), Failure>
    where
        I: IntoIterator<Item = Entry<Types>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut changes = Vec::new();
        for entry in entries {
            changes.push((entry_key(entry.log_id.index), Some(serde_json::to_vec(&entry).map_err(failed)?)));
        }
        self.0.commit(&changes).map_err(failed)?;
        callback.log_io_completed(Ok(()));
        Ok(())
    }

    async fn truncate(&mut self, from: LogId<u64>) -> Result<(), Failure> {
        let gone = self.entries()?.into_iter().filter(|entry| entry.log_id.index >= from.index);
        let gone: Vec<_> = gone.map(|entry| (entry_key(entry.log_id.index), None)).collect();
        self.0.commit(&gone).map_err(failed)
    }

    async fn purge(&mut self, _: LogId<u64>) -> Result<(), Failure> {
        Err(failed("nothing is purged here"))
    }
}

impl LogScanner for Log {
    fn visit(&self, first: u64, last: u64, entry: &mut dyn FnMut(u64, &[u8])) -> std::io::Result<()> {
        for found in self.entries().map_err(std::io::Error::other)? {
            if let (Some(data), true) = (payload(&found), (first..=last).contains(&found.log_id.index)) {
                entry(found.log_id.index, data);
            }
        }
        Ok(())
    }
}

pub fn payload(entry: &Entry<Types>) -> Option<&Vec<u8>> {
    match &entry.payload {
        EntryPayload::Normal(data) => Some(data),
        _ => None,
    }
}
