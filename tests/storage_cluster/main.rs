//! Three replicated members under openraft. Bootstrap, registration, rotation and both cut-overs go through
//! its log. Members are stopped, lose power and are cut off at random, and are restarted from their disks. At
//! the end every member opens every record that it wrote and every entry of its log, and a checker that saw
//! every nonce finds no repetition.
//!
//! The cluster has two duties that the scheme alone cannot fulfil. It registers every member under the new
//! key before it proposes a rotation, because a member that stops between a rotation and its registration may
//! not start again. And a leader that has applied all earlier entries proposes them one at a time, so that
//! none is in clear after the cut-over.

#![expect(clippy::unwrap_used, reason = "a lock that is poisoned is a schedule that has failed already")]
#![expect(clippy::result_large_err, reason = "openraft's errors are large, and its traits ask for them")]

mod checker;
#[path = "../cluster/mod.rs"]
mod cluster;
mod node;

use std::collections::BTreeMap;
use std::io::Cursor;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use openraft::{BasicNode, Raft, SnapshotPolicy};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sealmark::disk::{Fault, Recorder};
use sealmark::scheme::storage::wire::{Bootstrap, Entry, Registration, Rotation, Subtag};
use sealmark::scheme::storage::{Identity, Purpose, kek as data_key};

use checker::check;
use cluster::log::Log;
use cluster::net::{From, Net};
use cluster::{Outcome, TRIES, within};
use node::{DIR, Defect, LOG, Machine, Seen, Shared, VALUE, full_node_id, kek};

openraft::declare_raft_types!(
    /// What the log carries: bytes.
    pub Types: D = Vec<u8>, R = (),
);

const MEMBERS: [u64; 3] = [1, 2, 3];
const OPS: usize = 30;

struct Member {
    disk: Recorder,
    /// `None` while it is stopped.
    running: Option<(Raft<Types>, Shared)>,
    /// Of its last process.
    identity: Identity,
}

struct Cluster {
    net: Net,
    members: BTreeMap<u64, Member>,
    seen: Seen,
    last_key: u32,
    rng: ChaCha8Rng,
    restarts: usize,
    defect: Option<Defect>,
}

impl Cluster {
    async fn new(seed: u64, defect: Option<Defect>) -> Outcome<Self> {
        let mut cluster = Self {
            net: Net::default(),
            members: BTreeMap::new(),
            seen: Seen::default(),
            last_key: 0,
            rng: ChaCha8Rng::seed_from_u64(seed),
            restarts: 0,
            defect,
        };
        for id in MEMBERS {
            let identity = Identity { full_node_id: full_node_id(id), storage_epoch: 0, raft_epoch: 0 };
            cluster.members.insert(id, Member { disk: Recorder::with_dir(DIR), running: None, identity });
            cluster.start(id).await?;
        }
        let (raft, _) = cluster.members[&1].running.clone().expect("it was just started");
        let all: BTreeMap<u64, BasicNode> = MEMBERS.map(|id| (id, BasicNode::default())).into();
        raft.initialize(all).await.map_err(|error| error.to_string())?;
        Ok(cluster)
    }

    /// Starts a member from its disk.
    async fn start(&mut self, id: u64) -> Outcome<()> {
        let member = self.members.get_mut(&id).expect("a member");
        let disk = member.disk.after_restart();
        member.disk = disk.clone();
        let log = Log::open(&disk, LOG).map_err(|error| error.to_string())?;
        let rng = &mut self.rng;
        let from = |last: u64| rng.random_range(0..=last + 1);
        let machine = Machine::start(id, &disk, log.clone(), self.seen.clone(), self.defect, from)
            .map_err(|why| format!("member {id} does not start: {why}"))?;
        member.identity = machine.identity();
        let machine = Shared(Arc::new(Mutex::new(machine)));
        let config = cluster::config(SnapshotPolicy::Never)?;
        let net = From(id, self.net.clone());
        let raft =
            Raft::new(id, config, net, log, machine.clone()).await.map_err(|error| error.to_string())?;
        self.net.members.lock().unwrap().insert(id, raft.clone());
        member.running = Some((raft, machine));
        Ok(())
    }

    /// Stops a member in an orderly way, or by cutting its power at one of its next steps.
    async fn stop(&mut self, id: u64, power: bool) {
        if power {
            let member = &self.members[&id];
            member.disk.plan(member.disk.steps().len() + self.rng.random_range(0..16), Fault::Power);
            // The power cut needs some activity to interrupt.
            let _ = self.propose(&|_| vec![VALUE], 3).await;
        }
        let member = self.members.get_mut(&id).expect("a member");
        let Some((raft, _)) = member.running.take() else { return };
        self.net.members.lock().unwrap().remove(&id);
        let _ = raft.shutdown().await;
        if power {
            let mut left = member.disk.some_after_power_loss(4, |of| self.rng.random_range(0..of));
            member.disk = left.swap_remove(self.rng.random_range(0..left.len()));
        }
    }

    /// Starts a stopped member and registers its new epochs.
    async fn restart(&mut self, id: u64) -> Outcome<()> {
        self.restarts += 1;
        self.start(id).await?;
        let identity = self.members[&id].identity;
        for purpose in [Purpose::Storage, Purpose::Raft] {
            let (_, machine) = self.members[&id].running.clone().expect("it was just started");
            let active = machine.0.lock().unwrap().sidecar().map_or(0, |sidecar| sidecar.active(purpose));
            if active != 0 {
                let entry = Entry::Registration(identity.registration(purpose, active)).encode();
                self.propose(&|_| entry.clone(), TRIES).await?;
            }
        }
        Ok(())
    }

    /// A leader that has applied all committed entries.
    async fn leader(&self) -> Option<(Raft<Types>, Shared)> {
        let cut_off = self.net.cut_off.lock().unwrap().clone();
        for (id, member) in &self.members {
            if let Some((raft, machine)) = member.running.clone().filter(|_| !cut_off.contains(id))
                && raft.metrics().borrow().current_leader == Some(*id)
                && within(300, raft.ensure_linearizable()).await.is_some_and(|read| read.is_ok())
            {
                return Some((raft, machine));
            }
        }
        None
    }

    /// Makes an entry on the leader, and has it committed and applied there. Returns its index.
    async fn propose(&mut self, entry: &(dyn Fn(Identity) -> Vec<u8> + Sync), tries: usize) -> Outcome<u64> {
        for _ in 0..tries {
            if let Some((raft, machine)) = self.leader().await {
                let proposal = {
                    let machine = machine.0.lock().unwrap();
                    machine.proposal(&entry(machine.identity()))
                };
                if let Some(Ok(written)) = within(1_000, raft.client_write(proposal)).await {
                    return Ok(written.log_id.index);
                }
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        let broken = self.seen.checker.lock().unwrap().broken.clone();
        Err(format!("no leader takes an entry: {broken:?}{}", self.shown().await))
    }

    async fn shown(&self) -> String {
        let raft = |member: &Member| member.running.as_ref().map(|(raft, _)| raft.clone());
        cluster::shown(self.members.iter().map(|(id, member)| (*id, raft(member))).collect(), &self.net).await
    }

    fn new_key(&mut self, purpose: Purpose) -> (u32, Vec<u8>) {
        self.last_key += 1;
        let dek = data_key::new_dek().expect("the system has random bytes");
        (self.last_key, kek().wrap(purpose, self.last_key, &dek).expect("the KEK wraps"))
    }

    async fn bootstrap(&mut self) -> Outcome<()> {
        let (storage_id, wrapped_storage) = self.new_key(Purpose::Storage);
        let (raft_id, wrapped_raft) = self.new_key(Purpose::Raft);
        let row = |dek_id, id| Registration { dek_id, full_node_id: full_node_id(id), local_epoch: 0 };
        let rows = MEMBERS.iter().flat_map(|&id| [row(storage_id, id), row(raft_id, id)]).collect();
        let entry = Bootstrap { storage_id, wrapped_storage, raft_id, wrapped_raft, rows };
        let entry = Entry::Bootstrap(entry).encode();
        self.propose(&|_| entry.clone(), TRIES).await.map(drop)
    }

    async fn rotate(&mut self, purpose: Purpose) -> Outcome<()> {
        let (dek_id, wrapped) = self.new_key(purpose);
        for id in MEMBERS {
            let entry =
                Entry::Registration(self.members[&id].identity.registration(purpose, dek_id)).encode();
            self.propose(&|_| entry.clone(), TRIES).await?;
        }
        let rotation = |identity: Identity| {
            let (wrapped, proposer) = (wrapped.clone(), identity.registration(purpose, dek_id));
            Entry::Rotation(Rotation { subtag: Subtag::Rotate, dek_id, purpose, wrapped, proposer }).encode()
        };
        self.propose(&rotation, TRIES).await.map(drop)
    }

    async fn enable(&mut self, purpose: Purpose) -> Outcome<()> {
        let subtag = match purpose {
            Purpose::Storage => Subtag::EnableStorage,
            Purpose::Raft => Subtag::EnableRaft,
        };
        let Some((_, machine)) = self.leader().await else { return Ok(()) };
        let dek_id = machine.0.lock().unwrap().sidecar().map_or(0, |sidecar| sidecar.active(purpose));
        let enable = |identity: Identity| {
            let proposer = identity.registration(purpose, dek_id);
            Entry::Rotation(Rotation { subtag, dek_id, purpose, wrapped: Vec::new(), proposer }).encode()
        };
        self.propose(&enable, TRIES).await.map(drop)
    }

    /// One random operation. At most one member is away at a time, because a commit needs two.
    async fn operate(&mut self) -> Outcome<()> {
        let away = self.members.iter().find(|(_, member)| member.running.is_none()).map(|(id, _)| *id);
        let cut_off = self.net.cut_off.lock().unwrap().iter().next().copied();
        match (self.rng.random_range(0..10), away.or(cut_off)) {
            (0..=2, _) => self.propose(&|_| vec![VALUE], TRIES).await.map(drop),
            (3, _) => self.rotate(Purpose::Storage).await,
            (4, _) => self.rotate(Purpose::Raft).await,
            (5, _) => self.enable(Purpose::Storage).await,
            (6, _) => self.enable(Purpose::Raft).await,
            (_, Some(id)) if away == Some(id) => self.restart(id).await,
            (_, Some(_)) => {
                self.net.cut_off.lock().unwrap().clear();
                Ok(())
            }
            (what, None) => {
                let id = MEMBERS[self.rng.random_range(0..3)];
                match what {
                    7 => drop(self.net.cut_off.lock().unwrap().insert(id)),
                    what => self.stop(id, what == 9).await,
                }
                Ok(())
            }
        }
    }

    /// Brings all members back, waits until all have applied a last entry, and checks the promises.
    async fn end(mut self) -> Outcome<[usize; 2]> {
        self.net.cut_off.lock().unwrap().clear();
        let away: Vec<u64> = MEMBERS.into_iter().filter(|id| self.members[id].running.is_none()).collect();
        for id in away {
            self.restart(id).await?;
        }
        let last = self.propose(&|_| vec![VALUE], TRIES).await?;
        for (id, member) in &self.members {
            let (raft, _) = member.running.clone().expect("all are back");
            let patience = raft.wait(Some(Duration::from_secs(10)));
            let applied = patience.applied_index_at_least(Some(last), "the end").await;
            applied.map_err(|error| format!("member {id} does not catch up: {error}"))?;
        }
        for member in self.members.values() {
            let (raft, _) = member.running.clone().expect("all are back");
            let _ = raft.shutdown().await;
        }
        let mut checker = self.seen.checker.lock().unwrap();
        if let Some(broken) = checker.broken.first() {
            return Err(broken.clone());
        }
        let records = self.seen.records.lock().unwrap();
        for (id, member) in &self.members {
            check(*id, &member.disk, &records, &mut checker)?;
        }
        match checker.broken.first() {
            Some(broken) => Err(broken.clone()),
            None => Ok([checker.issued(), self.restarts]),
        }
    }
}

async fn schedule(seed: u64, defect: Option<Defect>) -> Outcome<[usize; 2]> {
    let mut cluster = Cluster::new(seed, defect).await?;
    cluster.bootstrap().await?;
    for _ in 0..OPS {
        cluster.operate().await?;
    }
    cluster.end().await
}

fn schedules(seeds: Range<u64>, defect: Option<Defect>) -> Outcome<[usize; 2]> {
    cluster::schedules(seeds, |seed| schedule(seed, defect))
}

#[test]
fn no_schedule_of_three_members_repeats_a_nonce_or_loses_a_record() {
    let seeds = cluster::seeds();
    let count = (seeds.end - seeds.start) as usize;
    let [nonces, restarts] = schedules(seeds, None).unwrap();
    println!("{count} schedules, {nonces} nonces, {restarts} restarts");
    let enough = nonces > 10 * count && restarts > 0;
    assert!(enough || count < 20, "{nonces} nonces, {restarts} restarts");
}

#[test]
fn planted_defects_are_found() {
    for (defect, how) in [
        (Defect::EpochLeftOut, ["is issued twice", "is issued twice"]),
        (Defect::BumpForgotten, ["is issued twice", "disagree on this node's epoch"]),
    ] {
        let found = schedules(0..12, Some(defect)).expect_err("it is found in twelve schedules");
        println!("{defect:?}: {found}");
        assert!(how.iter().any(|how| found.contains(how)), "{defect:?}: {found}");
    }
}
