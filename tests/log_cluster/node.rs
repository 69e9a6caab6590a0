//! One member: an engine on its disk, the machine that applies the log to it, and the service in front of
//! both, with openraft behind the trait of leadership.

use std::io::Cursor;
use std::sync::{Arc, Mutex};

use openraft::storage::{RaftStateMachine, Snapshot};
use openraft::{
    BasicNode, Entry, EntryPayload, LogId, OptionalSend, Raft, RaftSnapshotBuilder, SnapshotMeta,
    StoredMembership,
};
use sealmark::disk::{Disk, Recorder};
use sealmark::scheme::log::engine::{Engine, Options};
use sealmark::scheme::log::service::{
    Finish, Leader, Leadership, Machine, Outcome as Done, Refusal, Service,
};
use sealmark::scheme::log::wal::Tail;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use crate::Types;
use crate::cluster::checker::Checker;
use crate::cluster::log::{Failure, Log, failed, payload};
use crate::cluster::{Outcome, within};

/// The folder of a member's log.
pub const DIR: &str = "/log";
/// The folder of its tables.
pub const TABLES: &str = "/log/sst";
/// The database of openraft's log.
const RAFT_LOG: &str = "/log/raft-log";

/// Defects that can be planted in a member, and that must be found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Defect {
    /// A member answers reads without asking a majority whether it still leads.
    StaleRead,
    /// Some writes are acknowledged and never proposed.
    LostWrite,
}

/// What a command came to, as openraft carries it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub enum Reply {
    /// For an entry without a command.
    Nothing,
    Put(bool),
    Deleted(bool),
    Refused(String),
}

impl Reply {
    fn of(result: Result<Done, Refusal>) -> Self {
        match result {
            Ok(Done::Put { overwritten }) => Self::Put(overwritten),
            Ok(Done::Delete { deleted }) => Self::Deleted(deleted),
            Err(refusal) => Self::Refused(refusal.message),
        }
    }

    fn result(self) -> Result<Done, Refusal> {
        match self {
            Self::Put(overwritten) => Ok(Done::Put { overwritten }),
            Self::Deleted(deleted) => Ok(Done::Delete { deleted }),
            Self::Refused(message) => Err(Refusal::invalid(message)),
            Self::Nothing => Err(Refusal::propose_failed()),
        }
    }
}

/// What a member has applied.
type Applied = (Option<LogId<u64>>, StoredMembership<u64, BasicNode>);

/// A snapshot on its way between members.
#[derive(Serialize, Deserialize)]
struct Carried {
    applied: Applied,
    payload: Vec<u8>,
    history: Vec<u8>,
}

/// A running member's state.
pub struct Node {
    id: u64,
    /// Tells the processes of a member apart.
    process: u64,
    pub machine: Arc<Machine>,
    log: Log,
    disk: Recorder,
    applied: Mutex<Applied>,
    checker: Arc<Mutex<Checker>>,
}

impl Node {
    /// Starts from a disk. A snapshot whose installation was interrupted is installed first.
    pub fn start(
        id: u64,
        process: u64,
        disk: &Recorder,
        checker: Arc<Mutex<Checker>>,
    ) -> Outcome<(Arc<Self>, Log)> {
        let text = |error: &dyn ToString| format!("member {id} does not start: {}", error.to_string());
        let log = Log::open(disk, RAFT_LOG).map_err(|error| text(&error))?;
        let options = Options { tail: Tail::Truncate, block_size: 128 };
        let engine = Engine::open(Arc::new(disk.clone()) as Arc<dyn Disk>, DIR, options);
        let machine = Arc::new(Machine::new(engine.map_err(|error| text(&error))?));
        let applied: Applied = log.find(b"applied").map_err(|error| text(&error))?.unwrap_or_default();
        log.note(Ok(applied.0));
        let applied = Mutex::new(applied);
        let node = Self { id, process, machine, log: log.clone(), disk: disk.clone(), applied, checker };
        let incoming = log.find::<Option<Carried>>(b"incoming").map_err(|error| text(&error))?;
        if let Some(carried) = incoming.flatten() {
            node.install(carried).map_err(|error| text(&error))?;
        }
        Ok((Arc::new(node), log))
    }

    /// Applies entries, and remembers the last one. A crash in between applies them again, which the request
    /// ids make harmless.
    fn apply(&self, entries: Vec<Entry<Types>>) -> Result<Vec<Reply>, Failure> {
        let commands: Vec<&[u8]> = entries.iter().filter_map(payload).map(Vec::as_slice).collect();
        let results = self.machine.apply(&commands).map_err(|why| {
            // A cut connection to the disk halts a member; nothing else may.
            if self.disk.exists(DIR.as_ref()).is_ok() {
                let halt = format!("member {} halts: {why}", self.id);
                self.checker.lock().unwrap().broken.push(halt);
            }
            failed(why)
        })?;
        let (mut results, mut replies) = (results.into_iter(), Vec::new());
        let applied = &mut *self.applied.lock().unwrap();
        for entry in &entries {
            let unique = [self.id, self.process, entry.log_id.index].map(u64::to_be_bytes).concat();
            let what = format!("entry {} to the machine of process {}", entry.log_id.index, self.process);
            self.checker.lock().unwrap().once(&what, unique);
            replies.push(match &entry.payload {
                EntryPayload::Normal(_) => Reply::of(results.next().expect("a result for each command")),
                EntryPayload::Membership(membership) => {
                    applied.1 = StoredMembership::new(Some(entry.log_id), membership.clone());
                    Reply::Nothing
                }
                EntryPayload::Blank => Reply::Nothing,
            });
            applied.0 = Some(entry.log_id);
        }
        self.log.put(b"applied", &*applied)?;
        self.log.note(Ok(applied.0));
        Ok(replies)
    }

    /// The last entry that it has applied.
    pub fn applied(&self) -> Option<u64> {
        self.applied.lock().unwrap().0.map(|log_id| log_id.index)
    }

    /// Installs a snapshot so that a crash leaves the old state, or a start that installs it again. The log
    /// learns of it either way.
    fn install(&self, carried: Carried) -> Result<(), Failure> {
        let last = carried.applied.0;
        let installed = self.try_install(carried);
        self.log.note(installed.as_ref().map(|()| last).map_err(ToString::to_string));
        installed
    }

    fn try_install(&self, carried: Carried) -> Result<(), Failure> {
        self.log.put(b"incoming", &Some(&carried))?;
        let installed = self.machine.engine().install_with(&carried.payload, &carried.history);
        installed.map_err(failed)?;
        self.log.put(b"applied", &carried.applied)?;
        *self.applied.lock().unwrap() = carried.applied;
        self.log.put(b"incoming", &None::<Carried>)
    }

    fn snapshot(&self) -> Result<Snapshot<Types>, Failure> {
        let engine = self.machine.engine();
        let (payload, history) =
            (engine.snapshot_payload().map_err(failed)?, engine.history().map_err(failed)?);
        let applied = self.applied.lock().unwrap().clone();
        let meta = SnapshotMeta {
            last_log_id: applied.0,
            last_membership: applied.1.clone(),
            snapshot_id: format!("{}-{}-{:?}", self.id, self.process, applied.0),
        };
        let bytes = serde_json::to_vec(&Carried { applied, payload, history }).map_err(failed)?;
        Ok(Snapshot { meta, snapshot: Box::new(Cursor::new(bytes)) })
    }
}

/// A member's state machine, as openraft has it.
#[derive(Clone)]
pub struct Shared(pub Arc<Node>);

impl RaftStateMachine<Types> for Shared {
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> Result<Applied, Failure> {
        Ok(self.0.applied.lock().unwrap().clone())
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Reply>, Failure>
    where
        I: IntoIterator<Item = Entry<Types>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        self.0.apply(entries.into_iter().collect())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, Failure> {
        Ok(Box::default())
    }

    async fn install_snapshot(
        &mut self,
        _: &SnapshotMeta<u64, BasicNode>,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), Failure> {
        self.0.install(serde_json::from_slice(snapshot.get_ref()).map_err(failed)?)
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<Types>>, Failure> {
        if self.0.applied.lock().unwrap().0.is_none() {
            return Ok(None);
        }
        self.0.snapshot().map(Some)
    }
}

impl RaftSnapshotBuilder<Types> for Shared {
    async fn build_snapshot(&mut self) -> Result<Snapshot<Types>, Failure> {
        self.0.snapshot()
    }
}

/// The service of a member, led by openraft.
pub fn service(id: u64, node: &Node, raft: &Raft<Types>, defect: Option<Defect>) -> Arc<Service> {
    let led = Led { id, raft: raft.clone(), handle: Handle::current(), defect, writes: Mutex::new(0) };
    Arc::new(Service::new(Arc::clone(&node.machine), Arc::new(led)))
}

/// A member's place under openraft.
struct Led {
    id: u64,
    raft: Raft<Types>,
    handle: Handle,
    defect: Option<Defect>,
    writes: Mutex<u64>,
}

impl Leadership for Led {
    fn leader(&self) -> Leader {
        match self.raft.metrics().borrow().current_leader {
            _ if self.defect == Some(Defect::StaleRead) => Leader::Own,
            Some(id) if id == self.id => Leader::Own,
            Some(id) => Leader::Other(id),
            None => Leader::None,
        }
    }

    fn quorum_contact(&self) -> bool {
        let asked = || self.handle.block_on(within(300, self.raft.ensure_linearizable()));
        self.defect == Some(Defect::StaleRead) || asked().is_some_and(|contact| contact.is_ok())
    }

    fn propose(&self, command: Vec<u8>, finish: Finish) {
        let mut writes = self.writes.lock().unwrap();
        *writes += 1;
        if self.defect == Some(Defect::LostWrite) && writes.is_multiple_of(5) {
            // The second byte of a command is its operation.
            return finish(Ok(match command.get(1) {
                Some(1) => Done::Put { overwritten: false },
                _ => Done::Delete { deleted: true },
            }));
        }
        let raft = self.raft.clone();
        self.handle.spawn(async move {
            finish(match raft.client_write(command).await {
                Ok(written) => written.data.result(),
                Err(error) => Err(match error.forward_to_leader::<BasicNode>() {
                    Some(other) => Refusal::not_leader(other.leader_id.unwrap_or(0)),
                    None => Refusal::propose_failed(),
                }),
            });
        });
    }
}
