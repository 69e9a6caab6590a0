//! The contract: the published script over every way in, requests in flight, leadership, restarts.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::super::engine::{Engine, Known, Options};
use super::*;
use crate::disk::Recorder;

mod leader;
mod listener;
mod script;
mod wire;

fn machine_on(disk: &Recorder) -> Arc<Machine> {
    Arc::new(Machine::new(Engine::open(Arc::new(disk.clone()), "/log", Options::default()).unwrap()))
}

fn disk() -> Recorder {
    Recorder::with_dir("/log/sst")
}

/// A service of one node.
fn alone_on(disk: &Recorder) -> Arc<Service> {
    let machine = machine_on(disk);
    Arc::new(Service::new(Arc::clone(&machine), Alone::start(machine).unwrap()))
}

fn alone() -> Arc<Service> {
    alone_on(&disk())
}

/// Far enough away not to matter.
fn later() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// A member in a cluster that the test plays.
struct Played {
    leader: Mutex<Leader>,
    contact: bool,
    proposed: Mutex<mpsc::Sender<(Vec<u8>, Finish)>>,
}

type Proposed = mpsc::Receiver<(Vec<u8>, Finish)>;

fn played(leader: Leader, contact: bool) -> (Arc<Played>, Proposed) {
    let (proposed, received) = mpsc::channel();
    (Arc::new(Played { leader: Mutex::new(leader), contact, proposed: Mutex::new(proposed) }), received)
}

impl Leadership for Played {
    fn leader(&self) -> Leader {
        *self.leader.lock().unwrap()
    }

    fn quorum_contact(&self) -> bool {
        self.contact
    }

    fn propose(&self, command: Vec<u8>, finish: Finish) {
        self.proposed.lock().unwrap().send((command, finish)).unwrap();
    }
}

fn code<T: std::fmt::Debug>(result: Result<T, Refusal>) -> (Code, String) {
    let refusal = result.unwrap_err();
    (refusal.code, refusal.to_string())
}

const REUSED: &str = "request_id reused with different key/value";

#[test]
fn requests_in_flight_are_joined_by_the_same_request_and_by_no_other() {
    let (leadership, proposed) = played(Leader::Own, true);
    let machine = machine_on(&disk());
    let service = Service::new(Arc::clone(&machine), leadership);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| service.put(b"k", b"v", b"r", later()));
        let (command, finish) = proposed.recv().unwrap();
        let second = scope.spawn(|| service.put(b"k", b"v", b"r", later()));
        for conflict in [
            service.put(b"k", b"w", b"r", later()),
            service.put(b"j", b"v", b"r", later()),
            service.delete(b"k", b"r", later()),
        ] {
            assert_eq!(code(conflict), (Code::InvalidArgument, REUSED.into()));
        }
        let result = machine.apply(&[&command]).unwrap().remove(0);
        finish(result);
        assert_eq!((first.join().unwrap(), second.join().unwrap()), (Ok(false), Ok(false)));
    });
    assert!(proposed.try_recv().is_err(), "only one was proposed");
    assert_eq!(service.in_flight(), 0);
    assert_eq!(service.put(b"k", b"v", b"r", later()), Ok(false));
}

#[test]
fn after_a_timeout_the_same_request_joins_what_it_began() {
    let (leadership, proposed) = played(Leader::Own, true);
    let machine = machine_on(&disk());
    let service = Service::new(Arc::clone(&machine), leadership);
    let now = service.delete(b"k", b"r", Instant::now());
    assert_eq!(code(now), (Code::Timeout, "timed out waiting for commit".into()));
    assert_eq!(service.in_flight(), 1);
    let (command, finish) = proposed.recv().unwrap();
    assert_eq!(code(service.delete(b"k", b"r", Instant::now())).0, Code::Timeout);
    assert!(proposed.try_recv().is_err(), "nothing new was proposed");
    finish(machine.apply(&[&command]).unwrap().remove(0));
    assert_eq!(service.delete(b"k", b"r", Instant::now()), Ok(false));
}

#[test]
fn more_writes_than_the_limit_are_refused_until_one_is_decided() {
    let (leadership, proposed) = played(Leader::Own, true);
    let machine = machine_on(&disk());
    let service = Service::new(Arc::clone(&machine), Arc::clone(&leadership) as _);
    let put = |i: usize| service.put(b"k", b"v", format!("r{i}").as_bytes(), Instant::now());
    for i in 0..MAX_IN_FLIGHT {
        assert_eq!(code(put(i)).0, Code::Timeout);
    }
    let full = (Code::Unavailable, "too many writes in flight".to_owned());
    assert_eq!(code(put(MAX_IN_FLIGHT)), full);
    assert_eq!(service.in_flight(), MAX_IN_FLIGHT);
    assert_eq!(code(put(0)).0, Code::Timeout, "it joins its own");
    assert_eq!(code(service.put(b"k", b"w", b"r0", Instant::now())).1, REUSED);
    *leadership.leader.lock().unwrap() = Leader::Other(2);
    assert_eq!(code(put(MAX_IN_FLIGHT)).0, Code::NotLeader);
    *leadership.leader.lock().unwrap() = Leader::Own;
    let (command, finish) = proposed.try_recv().unwrap();
    finish(machine.apply(&[&command]).unwrap().remove(0));
    assert_eq!(put(0), Ok(false), "it is decided");
    assert_eq!(code(put(MAX_IN_FLIGHT)).0, Code::Timeout);
    assert_eq!(proposed.try_iter().count(), MAX_IN_FLIGHT);
}

#[test]
fn a_lost_proposal_is_an_internal_error_and_may_be_proposed_again() {
    let (leadership, proposed) = played(Leader::Own, true);
    let machine = machine_on(&disk());
    let service = Service::new(Arc::clone(&machine), leadership);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| service.put(b"k", b"v", b"r", later()));
        drop(proposed.recv().unwrap());
        assert_eq!(code(first.join().unwrap()), (Code::Internal, "propose failed".into()));
        let second = scope.spawn(|| service.put(b"k", b"v", b"r", later()));
        let (_, finish) = proposed.recv().unwrap();
        finish(Err(Refusal::quorum_unavailable()));
        assert_eq!(code(second.join().unwrap()), (Code::Unavailable, "quorum unavailable".into()));
    });
    assert_eq!(service.in_flight(), 0);
}

#[test]
fn a_request_that_failed_is_proposed_again_as_soon_as_its_client_knows() {
    let (leadership, proposed) = played(Leader::Own, true);
    let service = Service::new(machine_on(&disk()), leadership);
    let rounds = 2_000;
    std::thread::scope(|scope| {
        let refuses = scope.spawn(move || {
            for round in 0..rounds {
                let (_, finish) = proposed.recv().unwrap();
                finish(Err(Refusal::internal(round)));
            }
        });
        for round in 0..rounds {
            // The answer of its own proposal, not of the one before.
            assert_eq!(code(service.put(b"k", b"v", b"r", later())).1, round.to_string());
        }
        refuses.join().unwrap();
    });
    assert_eq!(service.in_flight(), 0);
}

#[test]
fn a_member_that_does_not_lead_refuses_by_name_after_the_contract_and_before_anything_is_proposed() {
    for (leader, contact, writes, reads) in [
        (
            Leader::Other(3),
            true,
            (Code::NotLeader, "not leader (leader_hint=3)"),
            (Code::NotLeader, "not leader (leader_hint=3)"),
        ),
        (
            Leader::None,
            true,
            (Code::Unavailable, "no leader elected"),
            (Code::Unavailable, "no leader elected"),
        ),
        (
            Leader::Own,
            false,
            (Code::Timeout, "timed out waiting for commit"),
            (Code::Unavailable, "leader has no quorum contact (linearizable read rejected)"),
        ),
    ] {
        let (leadership, proposed) = played(leader, contact);
        let service = Service::new(machine_on(&disk()), leadership);
        let said = |(code, message): (Code, &str)| (code, message.to_owned());
        assert_eq!(code(service.put(b"k", b"v", b"r", Instant::now())), said(writes));
        assert_eq!(code(service.get(b"k")), said(reads));
        assert_eq!(code(service.get(&[0; 1025])).1, "key exceeds 1KiB limit");
        assert_eq!(code(service.put(b"", b"", b"", Instant::now())).1, "request_id must be non-empty");
        assert_eq!(proposed.try_recv().is_ok(), leader == Leader::Own);
    }
}

#[test]
fn a_member_that_leads_no_more_still_gives_the_answers_that_it_gave() {
    let (leadership, proposed) = played(Leader::Own, true);
    let machine = machine_on(&disk());
    let service = Service::new(Arc::clone(&machine), Arc::clone(&leadership) as _);
    std::thread::scope(|scope| {
        let put = scope.spawn(|| service.put(b"k", b"v", b"r", later()));
        let (command, finish) = proposed.recv().unwrap();
        finish(machine.apply(&[&command]).unwrap().remove(0));
        assert_eq!(put.join().unwrap(), Ok(false));
    });
    *leadership.leader.lock().unwrap() = Leader::Other(0);
    assert_eq!(service.put(b"k", b"v", b"r", later()), Ok(false));
    assert_eq!(code(service.put(b"k", b"w", b"r", later())).1, REUSED);
    assert_eq!(code(service.put(b"k", b"v", b"s", later())).1, "not leader (leader_hint=0)");
}

#[test]
fn retries_after_a_restart_get_their_original_answers_and_conflicts_are_still_seen() {
    let disk = disk();
    let service = alone_on(&disk);
    assert_eq!(service.put(b"k", b"1", b"r1", later()), Ok(false));
    assert_eq!(service.put(b"k", b"2", b"r2", later()), Ok(true));
    assert_eq!(service.delete(b"k", b"r3", later()), Ok(true));
    assert_eq!(service.delete(b"k", b"r4", later()), Ok(false));
    drop(service);
    let service = alone_on(&disk);
    let steps = disk.steps().len();
    assert_eq!(service.put(b"k", b"1", b"r1", later()), Ok(false));
    assert_eq!(service.put(b"k", b"2", b"r2", later()), Ok(true));
    assert_eq!(service.delete(b"k", b"r3", later()), Ok(true));
    assert_eq!(service.delete(b"k", b"r4", later()), Ok(false));
    assert_eq!(code(service.put(b"k", b"2", b"r1", later())).1, REUSED);
    assert_eq!(code(service.delete(b"other", b"r3", later())).1, REUSED);
    assert_eq!(code(service.delete(b"k", b"r2", later())).1, REUSED);
    assert_eq!(service.get(b"k"), Ok(None));
    assert_eq!(disk.steps().len(), steps, "nothing was written");
}

#[test]
fn an_id_of_a_snapshot_without_history_is_refused_and_never_carried_out_twice() {
    let service = alone();
    let source = alone();
    source.put(b"k", b"v", b"r", later()).unwrap();
    let payload = source.machine().engine().snapshot_payload().unwrap();
    service.machine().engine().install(&payload).unwrap();
    let (code, said) = code(service.put(b"k", b"w", b"r", later()));
    assert_eq!(code, Code::Internal);
    assert!(said.contains("before a snapshot"), "{said}");
    assert_eq!(service.get(b"k"), Ok(Some(b"v".to_vec())));
}

#[test]
fn a_command_that_cannot_be_decoded_applies_nothing_and_halts_for_good() {
    let machine = machine_on(&disk());
    let mut good = Vec::new();
    super::super::command::encode(&super::super::Record::put(b"k", b"v", b"r"), &mut good).unwrap();
    let refused = machine.apply(&[&good, b"\x01\x03"]).unwrap_err();
    assert_eq!(refused.record_index(), 1, "{refused}");
    assert!(machine.halted());
    assert_eq!(machine.get(b"k").unwrap(), None);
    let refused = machine.apply(&[&good]).unwrap_err();
    assert!(refused.to_string().contains("could not be decoded"), "{refused}");
    assert!(matches!(machine.engine().known(b"r"), Known::Never));
}

#[test]
fn members_that_apply_the_same_log_agree_on_every_result() {
    let commands: Vec<Vec<u8>> = [
        super::super::Record::put(b"k", b"1", b"r1"),
        super::super::Record::put(b"k", b"2", b"r1"),
        super::super::Record::put(b"k", b"1", b"r1"),
        super::super::Record::delete(b"k", b"r2"),
        super::super::Record::delete(b"k", b"r2"),
    ]
    .iter()
    .map(|record| {
        let mut out = Vec::new();
        super::super::command::encode(record, &mut out).unwrap();
        out
    })
    .collect();
    let all: Vec<&[u8]> = commands.iter().map(Vec::as_slice).collect();
    let put = Ok(Outcome::Put { overwritten: false });
    let deleted = Ok(Outcome::Delete { deleted: true });
    let expected = [put.clone(), Err(Refusal::reused()), put, deleted.clone(), deleted];
    assert_eq!(machine_on(&disk()).apply(&all).unwrap(), expected);
    let one_by_one = machine_on(&disk());
    let results: Vec<_> = all.iter().map(|command| one_by_one.apply(&[command]).unwrap().remove(0)).collect();
    assert_eq!(results, expected);
}
