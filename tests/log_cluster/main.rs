//! Three members of the log's service under openraft. Clients write, delete, repeat requests and read, on
//! members that are stopped, lose power and are cut off at random, and are restarted from their disks; the
//! logs are compacted, so members that were away get snapshots. The checker that the clusters share judges
//! every answer and, at the end, the state of every member.
//!
//! Not here: several clients at once, which the service's own tests have.

#![expect(clippy::unwrap_used, reason = "a lock that is poisoned is a schedule that has failed already")]
#![expect(clippy::result_large_err, reason = "openraft's errors are large, and its traits ask for them")]

#[path = "../cluster/mod.rs"]
mod cluster;
mod node;

use std::collections::BTreeMap;
use std::io::Cursor;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use openraft::{BasicNode, Raft, SnapshotPolicy};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sealmark::disk::{Fault, Recorder};
use sealmark::scheme::log::service::{Code, Refusal, Service};

use cluster::checker::Checker;
use cluster::net::{From, Net};
use cluster::{Outcome, TRIES};
use node::{Defect, Node, Reply, Shared, TABLES, service};

openraft::declare_raft_types!(
    /// What the log carries: encoded commands.
    pub Types: D = Vec<u8>, R = Reply,
);

const MEMBERS: [u64; 3] = [1, 2, 3];
const OPS: usize = 40;
const KEYS: u32 = 4;
/// Entries after which a member takes a snapshot and forgets its log.
const SNAPSHOT_EVERY: u64 = 12;

/// A request that a client may send more than once.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Request {
    key: String,
    /// None deletes.
    value: Option<Vec<u8>>,
    id: String,
}

#[derive(Clone)]
struct Running {
    raft: Raft<Types>,
    node: Arc<Node>,
    service: Arc<Service>,
}

struct Member {
    disk: Recorder,
    /// `None` while it is stopped.
    running: Option<Running>,
}

struct Cluster {
    net: Net,
    members: BTreeMap<u64, Member>,
    checker: Arc<Mutex<Checker>>,
    rng: ChaCha8Rng,
    requests: u64,
    processes: u64,
    reads: usize,
    /// Why a request was last refused.
    refused: Option<Refusal>,
    /// Acknowledged requests with what they were answered.
    answered: Vec<(Request, bool)>,
    defect: Option<Defect>,
}

impl Cluster {
    async fn new(seed: u64, defect: Option<Defect>) -> Outcome<Self> {
        let mut cluster = Self {
            net: Net::default(),
            members: BTreeMap::new(),
            checker: Arc::default(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            requests: 0,
            processes: 0,
            reads: 0,
            refused: None,
            answered: Vec::new(),
            defect,
        };
        for id in MEMBERS {
            cluster.members.insert(id, Member { disk: Recorder::with_dir(TABLES), running: None });
            cluster.start(id).await?;
        }
        let raft = cluster.running(1).expect("it was just started").raft;
        let all: BTreeMap<u64, BasicNode> = MEMBERS.map(|id| (id, BasicNode::default())).into();
        raft.initialize(all).await.map_err(|error| error.to_string())?;
        // The first member alone knows the others until a majority has this entry, which it then applies. If
        // it were stopped before, there would be no cluster yet, and nobody to lead the other two.
        let formed = raft.wait(Some(Duration::from_secs(10))).applied_index_at_least(Some(0), "formed").await;
        match formed {
            Ok(_) => Ok(cluster),
            Err(error) => Err(format!("the cluster is not formed: {error}{}", cluster.shown().await)),
        }
    }

    fn running(&self, id: u64) -> Option<Running> {
        self.members[&id].running.clone()
    }

    /// Starts a member from its disk.
    async fn start(&mut self, id: u64) -> Outcome<()> {
        self.processes += 1;
        let member = self.members.get_mut(&id).expect("a member");
        member.disk = member.disk.after_restart();
        let checker = Arc::clone(&self.checker);
        let (node, log) = Node::start(id, self.processes, &member.disk, checker)?;
        let config = cluster::config(SnapshotPolicy::LogsSinceLast(SNAPSHOT_EVERY))?;
        let net = From(id, self.net.clone());
        let raft = Raft::new(id, config, net, log, Shared(Arc::clone(&node))).await;
        let raft = raft.map_err(|error| format!("member {id} does not start: {error}"))?;
        self.net.members.lock().unwrap().insert(id, raft.clone());
        let service = service(id, &node, &raft, self.defect);
        member.running = Some(Running { raft, node, service });
        Ok(())
    }

    /// Stops a member in an orderly way, or by cutting its power at one of its next steps.
    async fn stop(&mut self, id: u64, power: bool) -> Outcome<()> {
        if power {
            let disk = self.members[&id].disk.clone();
            disk.plan(disk.steps().len() + self.rng.random_range(0..16), Fault::Power);
            // The power cut needs some activity to interrupt.
            let request = self.request();
            self.write(&request, 3).await?;
        }
        let member = self.members.get_mut(&id).expect("a member");
        let Some(running) = member.running.take() else { return Ok(()) };
        self.net.members.lock().unwrap().remove(&id);
        let _ = running.raft.shutdown().await;
        if power {
            let mut left = member.disk.some_after_power_loss(4, |of| self.rng.random_range(0..of));
            member.disk = left.swap_remove(self.rng.random_range(0..left.len()));
        }
        Ok(())
    }

    async fn shown(&self) -> String {
        let raft = |member: &Member| member.running.as_ref().map(|running| running.raft.clone());
        cluster::shown(self.members.iter().map(|(id, member)| (*id, raft(member))).collect(), &self.net).await
    }

    /// A member that leads, as far as it knows, and is not cut off.
    fn leader(&self) -> Option<u64> {
        let cut_off = self.net.cut_off.lock().unwrap();
        let leads = |id: &&u64| {
            let metrics = self.members[*id].running.as_ref().map(|running| running.raft.metrics());
            metrics.is_some_and(|metrics| metrics.borrow().current_leader == Some(**id))
        };
        MEMBERS.iter().filter(|id| !cut_off.contains(id)).find(leads).copied()
    }

    fn request(&mut self) -> Request {
        self.requests += 1;
        let (number, key) = (self.requests, format!("key {}", self.rng.random_range(0..KEYS)));
        let value = (self.rng.random_range(0..5) > 0).then(|| format!("value {number}").into_bytes());
        Request { key, value, id: format!("request {number}") }
    }

    /// Sends a new request, to another leader if need be, until it is acknowledged or the tries are used up.
    async fn write(&mut self, request: &Request, tries: usize) -> Outcome<()> {
        self.checker.lock().unwrap().begin(&request.key, request.value.clone());
        let Some(answer) = self.send(request, tries).await? else { return Ok(()) };
        self.checker.lock().unwrap().acknowledge(&request.key, request.value.clone());
        self.answered.push((request.clone(), answer));
        Ok(())
    }

    /// The answer to a request; `None` if there was none.
    async fn send(&mut self, request: &Request, tries: usize) -> Outcome<Option<bool>> {
        for _ in 0..tries {
            if let Some(running) = self.leader().and_then(|id| self.running(id)) {
                let request = request.clone();
                let deadline = Instant::now() + Duration::from_millis(700);
                let asked = move || {
                    let (key, id) = (request.key.as_bytes(), request.id.as_bytes());
                    match &request.value {
                        Some(value) => running.service.put(key, value, id, deadline),
                        None => running.service.delete(key, id, deadline),
                    }
                };
                match tokio::task::spawn_blocking(asked).await.expect("a service does not panic") {
                    Ok(answer) => return Ok(Some(answer)),
                    Err(refusal) if refusal.code == Code::InvalidArgument => {
                        return Err(format!("a request is refused for good: {refusal}"));
                    }
                    Err(refusal) => self.refused = Some(refusal),
                }
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        Ok(None)
    }

    /// Writes until it is acknowledged.
    async fn must_write(&mut self) -> Outcome<()> {
        let (request, before) = (self.request(), self.answered.len());
        self.write(&request, TRIES).await?;
        if self.answered.len() > before {
            return Ok(());
        }
        let broken = self.checker.lock().unwrap().broken.clone();
        Err(format!(
            "no leader takes a request: {broken:?}, last refused: {:?}{}",
            self.refused,
            self.shown().await
        ))
    }

    /// Repeats an acknowledged request: it gets the answer that it got, and changes nothing.
    async fn again(&mut self) -> Outcome<()> {
        if self.answered.is_empty() {
            return Ok(());
        }
        let (request, before) = self.answered[self.rng.random_range(0..self.answered.len())].clone();
        match self.send(&request, TRIES).await? {
            Some(answer) if answer == before => Ok(()),
            other => Err(format!("{} was answered {before}, and then {other:?}", request.id)),
        }
    }

    /// Reads a key on a member, which may be cut off. A refusal is an answer too.
    async fn read(&mut self, id: u64) -> Option<Result<(), Refusal>> {
        let running = self.running(id)?;
        let key = format!("key {}", self.rng.random_range(0..KEYS));
        let asked = {
            let key = key.clone();
            move || running.service.get(key.as_bytes())
        };
        let found = tokio::task::spawn_blocking(asked).await.expect("a service does not panic");
        Some(found.map(|value| {
            self.reads += 1;
            self.checker.lock().unwrap().read(&key, value);
        }))
    }

    /// One random operation. At most one member is away at a time, because a commit needs two.
    async fn operate(&mut self) -> Outcome<()> {
        let away = self.members.iter().find(|(_, member)| member.running.is_none()).map(|(id, _)| *id);
        let cut_off = self.net.cut_off.lock().unwrap().iter().next().copied();
        match (self.rng.random_range(0..12), away.or(cut_off)) {
            (0..=3, _) => self.must_write().await,
            (4, _) => self.again().await,
            (5..=8, _) => {
                // A read on each, so that one on the leader is among them.
                for id in MEMBERS {
                    let _ = self.read(id).await;
                }
                Ok(())
            }
            (_, Some(id)) if away == Some(id) => self.start(id).await,
            (_, Some(_)) => {
                self.net.cut_off.lock().unwrap().clear();
                Ok(())
            }
            (what, None) => {
                // Most often the leader, of which there is the most to fear.
                let any = MEMBERS[self.rng.random_range(0..3)];
                let id = self.leader().filter(|_| self.rng.random_range(0..3) > 0).unwrap_or(any);
                if what == 9 {
                    self.net.cut_off.lock().unwrap().insert(id);
                    return Ok(());
                }
                self.stop(id, what == 11).await
            }
        }
    }

    /// Brings all members back, waits until all have applied a last write, and checks the promises.
    async fn end(mut self) -> Outcome<[usize; 3]> {
        self.net.cut_off.lock().unwrap().clear();
        let away: Vec<u64> = MEMBERS.into_iter().filter(|id| self.running(*id).is_none()).collect();
        for id in away {
            self.start(id).await?;
        }
        self.must_write().await?;
        // Of all members: an old leader that has just come back may still take itself for the leader.
        let last = MEMBERS.iter().filter_map(|id| self.running(*id)?.node.applied()).max();
        for id in MEMBERS {
            let patience = self.running(id).expect("all are back").raft.wait(Some(Duration::from_secs(10)));
            let applied = patience.applied_index_at_least(last, "the end").await;
            applied.map_err(|error| format!("member {id} does not catch up: {error}"))?;
        }
        for id in MEMBERS {
            let _ = self.running(id).expect("all are back").raft.shutdown().await;
        }
        let mut checker = self.checker.lock().unwrap();
        for id in MEMBERS {
            let running = self.running(id).expect("all are back");
            for key in checker.places() {
                let value = running.node.machine.get(key.as_bytes()).map_err(|error| error.to_string())?;
                checker.read(&key, value);
            }
        }
        match checker.broken.first() {
            Some(broken) => Err(broken.clone()),
            None => Ok([self.answered.len(), self.reads, self.processes as usize - MEMBERS.len()]),
        }
    }
}

async fn schedule(seed: u64, defect: Option<Defect>) -> Outcome<[usize; 3]> {
    let mut cluster = Cluster::new(seed, defect).await?;
    for _ in 0..OPS {
        cluster.operate().await?;
    }
    cluster.end().await
}

fn schedules(seeds: Range<u64>, defect: Option<Defect>) -> Outcome<[usize; 3]> {
    cluster::schedules(seeds, |seed| schedule(seed, defect))
}

#[test]
fn no_schedule_of_three_members_loses_an_acknowledged_write_or_reads_an_old_value() {
    let seeds = cluster::seeds();
    let count = (seeds.end - seeds.start) as usize;
    let [writes, reads, restarts] = schedules(seeds, None).unwrap();
    println!("{count} schedules, {writes} writes, {reads} reads, {restarts} restarts");
    let enough = writes > 8 * count && reads > 5 * count && restarts > count / 2;
    assert!(enough || count < 20, "too few to mean anything");
}

#[test]
fn the_first_member_may_stop_as_soon_as_the_cluster_is_formed() {
    let told = cluster::schedules(0..8, |seed| async move {
        let mut cluster = Cluster::new(seed, None).await?;
        cluster.stop(1, seed % 2 == 1).await?;
        cluster.must_write().await?;
        cluster.end().await
    });
    assert!(told.unwrap()[0] >= 16, "two writes each");
}

#[test]
fn a_planted_stale_read_and_a_planted_lost_write_are_found() {
    for (defect, how) in [(Defect::StaleRead, "reads as another"), (Defect::LostWrite, "reads as another")] {
        let found = schedules(0..12, Some(defect)).expect_err("it is found in twelve schedules");
        println!("{defect:?}: {found}");
        assert!(found.contains(how), "{defect:?}: {found}");
    }
}

#[test]
fn a_leader_that_is_cut_off_refuses_reads_and_the_others_go_on() {
    let told: Outcome<[usize; 1]> = cluster::schedules(0..1, |seed| async move {
        let mut cluster = Cluster::new(seed, None).await?;
        cluster.must_write().await?;
        let old = cluster.leader().ok_or("nobody leads")?;
        if let Some(Err(refusal)) = cluster.read(old).await {
            return Err(format!("the leader refuses a read: {refusal}"));
        }
        cluster.net.cut_off.lock().unwrap().insert(old);
        let refused = match cluster.read(old).await {
            Some(Err(refusal)) => refusal,
            other => return Err(format!("a leader that is cut off answers a read: {other:?}")),
        };
        assert_eq!(refused.code, Code::Unavailable);
        assert_eq!(refused.message, "leader has no quorum contact (linearizable read rejected)");
        cluster.must_write().await?;
        let new = cluster.leader().ok_or("nobody leads")?;
        assert_ne!(new, old);
        let answered = cluster.read(new).await;
        assert!(matches!(answered, Some(Ok(()))), "{answered:?}");
        cluster.net.cut_off.lock().unwrap().clear();
        let raft = cluster.running(old).expect("it was never stopped").raft;
        let follows =
            raft.wait(Some(Duration::from_secs(10))).current_leader(new, "the old one follows").await;
        follows.map_err(|error| error.to_string())?;
        let hint = cluster.read(old).await;
        let names_it = |refusal: &Refusal| refusal.code == Code::NotLeader && refusal.leader_hint == new;
        assert!(matches!(&hint, Some(Err(refusal)) if names_it(refusal)), "{hint:?}");
        cluster.end().await.map(|[writes, ..]| [writes])
    });
    assert!(told.unwrap()[0] >= 3);
}
