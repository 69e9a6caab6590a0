//! A member's log and votes, in a database on its disk.

use std::fmt::Debug;
use std::ops::RangeBounds;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use openraft::storage::{LogFlushed, RaftLogStorage};
use openraft::{
    AnyError, CommittedLeaderId, Entry, EntryPayload, LogId, LogState, OptionalSend, RaftLogReader,
    StorageError, StorageIOError, Vote,
};
use sealmark::disk::{Recorder, Redb, Store};

use super::within;
use crate::Types;

/// A database of the log: entries under their index, and the other durable state.
#[derive(Clone, Debug)]
pub struct Log {
    db: Arc<Redb>,
    /// The last entry in the state machine that a power cut leaves, or why there will be none any more.
    durable: Arc<Mutex<Result<Option<LogId<u64>>, String>>>,
}

/// How long a purge waits for the snapshot that covers its entries.
const PATIENCE: Duration = Duration::from_secs(10);

pub type Failure = StorageError<u64>;

fn entry_key(index: u64) -> Vec<u8> {
    [b"e", &index.to_be_bytes()[..]].concat()
}

pub fn failed(error: impl ToString) -> Failure {
    StorageIOError::write(AnyError::error(error.to_string())).into()
}

impl Log {
    pub fn open(disk: &Recorder, path: &str) -> Result<Self, sealmark::disk::Error> {
        Ok(Self { db: Arc::new(Redb::open(disk, Path::new(path))?), durable: Arc::new(Mutex::new(Ok(None))) })
    }

    /// Takes note of how far the state machine is on its disk, or of why it is not.
    pub fn note(&self, durable: Result<Option<LogId<u64>>, String>) {
        *self.durable.lock().unwrap() = durable;
    }

    /// Waits until the state machine has an entry on its disk.
    async fn wait(&self, last: LogId<u64>) -> Result<(), Failure> {
        let covered = async {
            while self.durable.lock().unwrap().clone().map_err(failed)? < Some(last) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Ok(())
        };
        let late = || failed(format!("nothing covers the entries up to {last}, which are to be purged"));
        tokio::time::timeout(PATIENCE, covered).await.unwrap_or_else(|_| Err(late()))
    }

    pub fn put(&self, key: &[u8], value: &impl serde::Serialize) -> Result<(), Failure> {
        let value = serde_json::to_vec(value).map_err(failed)?;
        self.db.commit(&[(key.to_vec(), Some(value))]).map_err(failed)
    }

    pub fn find<T: serde::de::DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, Failure> {
        let value = self.db.get(key).map_err(failed)?;
        value.map(|value| serde_json::from_slice(&value).map_err(failed)).transpose()
    }

    pub fn entries(&self) -> Result<Vec<Entry<Types>>, Failure> {
        let rows = self.db.scan(b"e", None, usize::MAX).map_err(failed)?;
        rows.iter().map(|(_, value)| serde_json::from_slice(value).map_err(failed)).collect()
    }

    /// Removes entries, and keeps a value in the same commit.
    fn remove(&self, gone: impl Fn(u64) -> bool, kept: Option<(&[u8], Vec<u8>)>) -> Result<(), Failure> {
        let gone = self.entries()?.into_iter().map(|entry| entry.log_id.index).filter(|index| gone(*index));
        let mut changes: Vec<_> = gone.map(|index| (entry_key(index), None)).collect();
        changes.extend(kept.map(|(key, value)| (key.to_vec(), Some(value))));
        self.db.commit(&changes).map_err(failed)
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
        let last_purged_log_id: Option<LogId<u64>> = self.find(b"purged")?;
        let last_log_id = self.entries()?.last().map(|entry| entry.log_id).or(last_purged_log_id);
        Ok(LogState { last_purged_log_id, last_log_id })
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
        self.db.commit(&changes).map_err(failed)?;
        callback.log_io_completed(Ok(()));
        Ok(())
    }

    async fn truncate(&mut self, from: LogId<u64>) -> Result<(), Failure> {
        self.remove(|index| index >= from.index, None)
    }

    /// Waits for the snapshot that covers the entries: openraft asks for a purge while it still installs that
    /// snapshot, and a power cut in between would leave a member that has neither and cannot start.
    async fn purge(&mut self, last: LogId<u64>) -> Result<(), Failure> {
        self.wait(last).await?;
        let kept = serde_json::to_vec(&last).map_err(failed)?;
        self.remove(|index| index <= last.index, Some((b"purged", kept)))
    }
}

pub fn payload(entry: &Entry<Types>) -> Option<&Vec<u8>> {
    match &entry.payload {
        EntryPayload::Normal(data) => Some(data),
        _ => None,
    }
}

#[test]
fn a_purge_waits_for_the_snapshot_that_covers_its_entries() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(waits_for_the_snapshot());
}

async fn waits_for_the_snapshot() {
    let id = |index| LogId::new(CommittedLeaderId::new(3, 3), index);
    let purged = |log: &Log| log.find::<LogId<u64>>(b"purged").unwrap().map(|id| id.index);
    for installed in [true, false] {
        let mut log = Log::open(&Recorder::with_dir("/member"), "/member/log").unwrap();
        log.note(Ok(Some(id(10))));
        log.purge(id(10)).await.unwrap();
        let mut purging = log.clone();
        let mut purge = Box::pin(purging.purge(id(12)));
        assert!(within(50, &mut purge).await.is_none(), "the snapshot is still being installed");
        assert_eq!(purged(&log), Some(10));
        log.note(if installed { Ok(Some(id(12))) } else { Err("the power is gone".into()) });
        assert_eq!(purge.await.is_ok(), installed);
        assert_eq!(purged(&log), Some(if installed { 12 } else { 10 }));
    }
}
