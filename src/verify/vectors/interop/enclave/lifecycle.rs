//! `e3-lifecycle.json`: scenarios of a round's life; each step is a case, judged after the steps before it.
//!
//! A node runs on a recorded disk. A crash keeps nothing that was not synced. The master key that "leaks"
//! meets everything that the medium still holds, and every blob that was ever sealed.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::{Judgement, Node, Problem, on_engine, only};
use crate::disk::{Fault, Recorder};
use crate::engine::Engine;
use crate::scheme::ephemeral::routing::{Decision, Event, FailureReason, Stage};
use crate::scheme::ephemeral::slots::Slots;
use crate::scheme::ephemeral::timeout::{SystemClock, Timeouts};
use crate::scheme::ephemeral::{
    Context, Error, Form, Hydrated, MasterKey, Options, Purpose, Record, Resolved, Role, RoundId, RoundKey,
    Rounds, Router,
};
use crate::verify::Case;

/// Every outcome that a step may have.
const OUTCOMES: [&str; 18] = [
    "",
    "ok",
    "key_created",
    "key_unchanged",
    "key_restored",
    "key_kept",
    "complete_published",
    "purged",
    "NoRoundKey",
    "refused_not_master",
    "unrecoverable",
    "round_aborted",
    "none",
    "error_fail_closed",
    "ignored",
    "AlreadyCompleted",
    "miss",
    "must_not_reinsert_into_cache",
];
/// Every action that has no parameter. The other one is `failed:` with a reason.
const ACTIONS: [&str; 17] = [
    "requested",
    "seal",
    "open",
    "open_old_blob",
    "plaintext_aggregated",
    "complete",
    "crash",
    "hydrate",
    "hydrate_with_other_master",
    "key_record_lost",
    "store_write_fails",
    "compute_request",
    "cache_lookup",
    "resolve_started",
    "resolve_finishes",
    "master_leaked_open_blob",
    "any_blob_under_master",
];

const FILE: &str = "/node/round-keys";
/// Different keys: with one key in two roles, a mix-up would pass.
const MASTER: [u8; 32] = [0x31; 32];
const OTHER_MASTER: [u8; 32] = [0x32; 32];

pub(super) fn read(root: &Node<'_>) -> Result<Vec<Case>, Problem> {
    only(root, &["scenarios"])?;
    let mut cases = Vec::new();
    for node in root.member("scenarios")?.elements()? {
        node.only(&["name", "steps"])?;
        let name = node.member("name")?.text()?;
        let list = node.member("steps")?;
        let steps: Arc<Vec<Step>> =
            Arc::new(list.elements()?.map(|step| Step::read(&step)).collect::<Result<_, _>>()?);
        for i in 0..steps.len() {
            let steps = Arc::clone(&steps);
            cases.push(on_engine(format!("{name}/{i}"), move |engine| judge(&steps[..=i], engine)));
        }
    }
    Ok(cases)
}

/// Takes the steps in order; judges the last.
fn judge(steps: &[Step], engine: &'static dyn Engine) -> Judgement {
    let mut world = World::new(engine);
    let mut judgement = Ok(());
    for step in steps {
        let seen = world.take(&step.action)?;
        judgement = if seen.contains(&step.outcome) {
            Ok(())
        } else {
            let (expected, seen) = (step.outcome, seen.join(" or "));
            Err(format!("{:?}: expected {expected:?}, got {seen:?}", step.action))
        };
    }
    judgement
}

struct Step {
    action: Action,
    outcome: &'static str,
}

#[derive(Debug)]
enum Action {
    Plain(&'static str),
    Failed(FailureReason),
}

impl Step {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        let members: Vec<Node<'_>> = node.elements()?.collect();
        let [action, outcome] = &members[..] else {
            return Err(node.problem("a step is an action and its outcome"));
        };
        let taken = match action.text()?.strip_prefix("failed:") {
            Some(name) => {
                let unknown = || action.problem(format!("the reason {name:?} is unknown"));
                Action::Failed(FailureReason::from_name(name).ok_or_else(unknown)?)
            }
            None => Action::Plain(action.word(&ACTIONS)?),
        };
        Ok(Self { action: taken, outcome: outcome.word(&OUTCOMES)? })
    }
}

/// A node and its surroundings.
struct World {
    engine: &'static dyn Engine,
    disk: Recorder,
    node: Option<Running>,
    /// Every blob that was sealed.
    blobs: Vec<Vec<u8>>,
    /// A resolver on its way.
    late: Option<Resolved>,
    round: RoundId,
}

struct Running {
    rounds: Arc<Rounds>,
    router: Router,
}

/// The names of an outcome: every word of a vector that would describe it.
type Seen = Vec<&'static str>;

impl World {
    fn new(engine: &'static dyn Engine) -> Self {
        let round = RoundId::new(1, "1").expect("1 is an id");
        let disk = Recorder::with_dir("/node");
        Self { engine, disk, node: None, blobs: Vec::new(), late: None, round }
    }

    fn start(&self, master: &[u8; 32]) -> Result<Running, String> {
        let started = || -> Result<Running, Error> {
            let master = MasterKey::with_engine(self.engine, master)?;
            let rounds = Arc::new(Rounds::start(&self.disk, master, Options::new(Path::new(FILE)))?.0);
            let (keys, completed) = (Arc::clone(&rounds), BTreeSet::new());
            let router = Router::new(keys, Timeouts::default(), Arc::new(SystemClock), completed)?;
            Ok(Running { rounds, router })
        };
        started().map_err(|error| format!("the node does not start: {error}"))
    }

    fn node(&mut self) -> Result<&mut Running, String> {
        let node = match self.node.take() {
            Some(node) => node,
            None => self.start(&MASTER)?,
        };
        Ok(self.node.insert(node))
    }

    fn context(&self) -> Context {
        Context { round: self.round.clone(), role: Role::AtRest, purpose: Purpose::Keyshare }
    }

    /// The bytes of the file of keys, if there is one.
    fn stored(&self) -> Option<Vec<u8>> {
        crate::disk::Disk::read(&self.disk, Path::new(FILE)).ok()
    }

    fn take(&mut self, action: &Action) -> Result<Seen, String> {
        let action = match action {
            Action::Plain(action) => *action,
            Action::Failed(reason) => {
                let (round, reason) = (self.round.clone(), *reason);
                return self.event(&Event::Failed { round, stage: Stage::None, reason });
            }
        };
        match action {
            "requested" => self.request(),
            "seal" | "compute_request" => self.seal(),
            "open" => self.open(self.blobs.last().cloned()),
            "open_old_blob" => self.open(self.blobs.first().cloned()),
            "plaintext_aggregated" => self.event(&Event::PlaintextAggregated(self.round.clone())),
            "complete" => self.complete(),
            "crash" => self.crash(),
            "hydrate" => self.hydrate(),
            "hydrate_with_other_master" => self.hydrate_with_other_master(),
            "key_record_lost" => self.lose_the_record(),
            "store_write_fails" => {
                self.node()?;
                self.disk.plan(self.disk.steps().len(), Fault::Io);
                Ok(vec![""])
            }
            "cache_lookup" => {
                let round = self.round.clone();
                Ok(vec![if self.node()?.rounds.is_cached(&round) { "hit" } else { "miss" }])
            }
            "resolve_started" => {
                let round = self.round.clone();
                let resolved = self.node()?.rounds.begin_resolve(&round);
                let seen = seen(&resolved, &["", "ok"])?;
                self.late = resolved.ok();
                Ok(seen)
            }
            "resolve_finishes" => self.finish_resolve(),
            "master_leaked_open_blob" => {
                Ok(vec![if self.leaks()? { "recoverable" } else { "unrecoverable" }])
            }
            "any_blob_under_master" => Ok(vec![if self.under_master()? { "some" } else { "none" }]),
            other => Err(format!("the action {other} is read but not taken")),
        }
    }

    fn request(&mut self) -> Result<Seen, String> {
        let round = self.round.clone();
        // Creates the file if there is none.
        self.node()?;
        let before = self.stored();
        let node = self.node()?;
        let had = node.rounds.rounds().contains(&round);
        let handled = node.router.handle(&Event::Requested(round.clone()));
        let has = node.rounds.rounds().contains(&round);
        let changed = before != self.stored();
        let aborted = |event: &Event| matches!(event, Event::RoundAborted { .. });
        match &handled {
            Ok(handled) if handled.publish.iter().any(aborted) => Ok(vec!["round_aborted"]),
            Ok(_) => match (had, has, changed) {
                (true, true, false) => Ok(vec!["key_unchanged"]),
                (false, true, true) => Ok(vec!["key_created"]),
                _ => Err(format!(
                    "a key before the request: {had}; after it: {has}; the store changed: {changed}"
                )),
            },
            Err(_) => seen(&handled, &[]),
        }
    }

    fn seal(&mut self) -> Result<Seen, String> {
        let context = self.context();
        let sealed = self.node()?.rounds.seal(&context, &mut b"a keyshare".to_vec());
        let seen = seen(&sealed, &["ok"]);
        self.blobs.extend(sealed);
        seen
    }

    fn open(&mut self, blob: Option<Vec<u8>>) -> Result<Seen, String> {
        let context = self.context();
        let opened = self.node()?.rounds.open(&context, &blob.unwrap_or_else(|| vec![0; 28]));
        if opened.as_ref().is_ok_and(|plaintext| plaintext[..] != *b"a keyshare") {
            return Err("the blob opens to another plaintext".into());
        }
        seen(&opened, &["ok"])
    }

    fn event(&mut self, event: &Event) -> Result<Seen, String> {
        let round = self.round.clone();
        let node = self.node()?;
        let handled = node.router.handle(event);
        let Ok(done) = &handled else { return seen(&handled, &[]) };
        Ok(match done.decision {
            Decision::Ignore => vec!["ignored"],
            _ if done.publish.contains(&Event::RequestComplete(round.clone())) => vec!["complete_published"],
            _ if node.rounds.rounds().contains(&round) => vec!["key_kept"],
            _ => vec!["NoRoundKey"],
        })
    }

    fn complete(&mut self) -> Result<Seen, String> {
        let round = self.round.clone();
        let node = self.node()?;
        let handled = node.router.handle(&Event::RequestComplete(round.clone()));
        if handled.is_ok() && (node.rounds.is_cached(&round) || node.rounds.rounds().contains(&round)) {
            return Err("the round is completed, but its key is still there".into());
        }
        seen(&handled, &["purged"])
    }

    /// The power is cut: the node is gone, and so is everything that was not synced.
    fn crash(&mut self) -> Result<Seen, String> {
        (self.node, self.late) = (None, None);
        let left = self.disk.some_after_power_loss(1, |_| 0).pop();
        self.disk = left.ok_or("a power loss leaves a disk")?;
        Ok(vec![""])
    }

    fn hydrate(&mut self) -> Result<Seen, String> {
        let round = self.round.clone();
        let hydrated = self.node()?.rounds.hydrate(&round, true);
        match hydrated {
            Ok(Hydrated::Restored) => Ok(vec!["key_restored", "ok"]),
            Ok(Hydrated::NotListed) => Err("a listed key was not looked for".into()),
            Err(Error::NoRoundKey(_)) => Ok(vec!["NoRoundKey", "error_fail_closed"]),
            Err(_) => Ok(vec!["error_fail_closed"]),
        }
    }

    fn hydrate_with_other_master(&mut self) -> Result<Seen, String> {
        (self.node, self.late) = (None, None);
        let before = self.stored();
        let (round, other) = (self.round.clone(), self.start(&OTHER_MASTER)?);
        let hydrated = other.rounds.hydrate(&round, true);
        let sealed = other.rounds.seal(&self.context(), &mut b"a keyshare".to_vec());
        if sealed.is_ok() || other.rounds.is_cached(&round) || before != self.stored() {
            return Err("another master key was accepted, or changed the store".into());
        }
        Ok(if hydrated.is_ok() { vec!["key_restored"] } else { vec!["error_fail_closed"] })
    }

    /// The node is stopped, and its store loses the round's record.
    fn lose_the_record(&mut self) -> Result<Seen, String> {
        (self.node, self.late) = (None, None);
        let lost = Slots::open(&self.disk, Path::new(FILE)).and_then(|(slots, _)| slots.purge(&self.round));
        lost.map(|_| vec![""]).map_err(|error| error.to_string())
    }

    fn finish_resolve(&mut self) -> Result<Seen, String> {
        let (round, late) = (self.round.clone(), self.late.take());
        let rounds = Arc::clone(&self.node()?.rounds);
        let finished = match late {
            Some(late) => rounds.finish_resolve(late),
            None => Err(Error::NoRoundKey(round.clone())),
        };
        match &finished {
            Err(Error::NoRoundKey(_)) if !rounds.is_cached(&round) => {
                Ok(vec!["must_not_reinsert_into_cache", "NoRoundKey"])
            }
            _ => seen(&finished, &["ok"]),
        }
    }

    /// Whether the master key opens a blob, with every record that the medium still holds.
    fn leaks(&self) -> Result<bool, String> {
        let master = MasterKey::with_engine(self.engine, &MASTER).map_err(|error| error.to_string())?;
        let opens = |key: &RoundKey| self.blobs.iter().any(|blob| key.open_compatible(blob).is_ok());
        for remnant in self.disk.remanence() {
            for bytes in remnant.bytes.windows(60).filter(|bytes| bytes[..12] != [0; 12]) {
                let record = Record::new(bytes.try_into().expect("windows of 60 bytes"));
                let key = master.unwrap(Form::Compatible, &self.round, &record, None);
                if key.is_ok_and(|key| opens(&key)) {
                    return Ok(true);
                }
            }
        }
        self.under_master()
    }

    /// Whether the master key itself opens a blob.
    fn under_master(&self) -> Result<bool, String> {
        let master = RoundKey::with_engine(self.engine, &MASTER).map_err(|error| error.to_string())?;
        Ok(self.blobs.iter().any(|blob| master.open_compatible(blob).is_ok()))
    }
}

/// The names of a call's result.
fn seen<T>(result: &Result<T, Error>, ok: &[&'static str]) -> Result<Seen, String> {
    match result {
        Ok(_) => Ok(ok.to_vec()),
        Err(Error::NoRoundKey(_)) => Ok(vec!["NoRoundKey", "refused_not_master"]),
        Err(Error::AlreadyCompleted(_)) => Ok(vec!["AlreadyCompleted"]),
        Err(error) => Err(format!("an outcome without a name: {error}")),
    }
}
