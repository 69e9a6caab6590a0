//! The service against the written contract: scripts of requests, lost and late commits, changes of leader,
//! restarts, power cuts and moves to another disk; and bytes as frames of its wire.

mod model;
mod process;

use std::collections::BTreeSet;
use std::time::Instant;

use crate::disk::Recorder;
use crate::scheme::log::service::wire::{self, Frame};
use crate::scheme::log::service::{Code, Leader};
use crate::verify::fuzz::planted;
use crate::verify::vectors::interop::kvstore::contract::{Answer, Contract, Request};
use crate::verify::vectors::interop::kvstore::{TABLES_DIR, ask};
use model::{Model, same};
use process::{Fate, Process};

/// The most steps of one script.
const STEPS: usize = 256;
/// The most frames of one input.
const FRAMES: usize = 64;
/// The number of the other member.
const OTHER: u64 = 5;

/// Treats the bytes as a script of four bytes a step if the first is even, and as frames of the wire if it is
/// odd. Every answer must be that of the contract.
///
/// # Panics
/// If one is not; if a request or an answer does not survive the wire; if anything acknowledged is gone after
/// a restart, a power cut or a move.
pub fn service(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    if kind & 1 == 1 {
        frames(rest);
    } else if played(rest) {
        planted();
    }
}

/// Bytes of a number, but for the lengths at the limit.
fn field(kind: u8, number: u8, limit: usize) -> Vec<u8> {
    match number {
        250 => Vec::new(),
        251 => vec![kind; limit.min(4_096)],
        252 => vec![kind; limit + 1],
        _ => vec![kind, number],
    }
}

/// Whether, after a restart, a request of before got its answer again, and another one with its id did not.
pub(super) fn played(script: &[u8]) -> bool {
    let mut disk = Recorder::with_dir(TABLES_DIR);
    let (mut process, mut model) = (Process::start(&disk), Model::default());
    let (mut repeated, mut reused) = (false, false);
    let mut before = BTreeSet::new();
    for step in script.chunks_exact(4).take(STEPS) {
        let [what, key, value, id] = step.try_into().expect("four bytes a step");
        let (key_bytes, id_bytes) = (field(b'k', key, 1_024), field(b'r', id, 4_096));
        let request = match what & 15 {
            0..=5 => Request::Put { key: key_bytes, value: field(b'v', value, 1 << 20), id: id_bytes },
            6 | 7 => Request::Delete { key: key_bytes, id: id_bytes },
            8 | 9 => Request::Get { key: key_bytes },
            10 => {
                let leaders = [Leader::Own, Leader::Other(OTHER), Leader::None];
                let mut place = process.member.place();
                (place.leader, place.contact) = (leaders[usize::from(value % 3)], id & 1 == 0);
                continue;
            }
            11 => {
                let fates = [Fate::Applied, Fate::Held, Fate::Lost];
                process.member.place().fate = fates[usize::from(value % 3)];
                continue;
            }
            12 => {
                let held = std::mem::take(&mut process.member.place().held);
                assert_eq!(held.len(), model.held.len(), "what was proposed and is not decided");
                for ((command, finish), request) in held.into_iter().zip(std::mem::take(&mut model.held)) {
                    if value & 1 == 0 {
                        process.member.apply(&command, finish);
                        if !model.halted {
                            model.contract.answer(&request);
                        }
                    }
                }
                assert_eq!(process.service.in_flight(), 0, "everything is decided");
                continue;
            }
            13 => {
                drop(process);
                disk = match value & 1 {
                    0 => disk.after_restart(),
                    _ => disk.some_after_power_loss(1, |_| 0).pop().expect("a power loss leaves a disk"),
                };
                process = Process::start(&disk);
                (model.held, model.halted) = (Vec::new(), false);
                before = model.contract.used.keys().cloned().collect();
                continue;
            }
            14 => {
                let mut engine = process.machine.engine();
                let done = if value & 1 == 0 { engine.flush() } else { engine.compact() };
                done.expect("nothing fails");
                continue;
            }
            _ => {
                if value % 3 == 2 {
                    process.machine.apply(&[b"".as_slice()]).expect_err("no bytes are no command");
                    model.halted = true;
                } else {
                    let other = Recorder::with_dir(TABLES_DIR);
                    process = moved(process, &other, value.is_multiple_of(3));
                    disk = other;
                    if value % 3 == 1 {
                        model.forgotten.extend(std::mem::take(&mut model.contract.used).into_keys());
                    }
                    (model.held, model.halted) = (Vec::new(), false);
                    before.clear();
                }
                continue;
            }
        };
        // A request that waits would wait for ten seconds on the wire.
        let waits = process.member.place().fate == Fate::Held || !model.held.is_empty();
        let by_wire = what & 0x80 != 0 && !waits;
        let seen = if by_wire {
            process.ask_by_wire(&request)
        } else {
            ask(&process.service, &request, Instant::now())
        };
        let used = request.id().is_some_and(|id| before.contains(id));
        let expected = match model.answer(&request, &process.member.place()) {
            Answer::Refused(error, message) if by_wire && error == Code::NotLeader.name() => {
                Answer::Refused(error, format!("{message} (leader_hint={OTHER})"))
            }
            expected => expected,
        };
        assert!(same(&seen, &expected), "step {step:?}: expected {expected}, got {seen}");
        repeated |= used && !matches!(seen, Answer::Refused(..));
        reused |= used && matches!(&seen, Answer::Refused(_, message) if message.contains("reused"));
    }
    let rows = process.machine.engine().scan().expect("nothing is damaged");
    assert!(rows.into_iter().eq(model.contract.keys), "the rows in the end");
    repeated && reused
}

/// The same state on an empty disk, from a snapshot, with the history of the request ids or without.
fn moved(process: Process, to: &Recorder, with_history: bool) -> Process {
    let (payload, history) = {
        let engine = process.machine.engine();
        (engine.snapshot_payload().expect("nothing is damaged"), engine.history().expect("it is short"))
    };
    drop(process);
    let moved = Process::start(to);
    {
        let mut engine = moved.machine.engine();
        let installed =
            if with_history { engine.install_with(&payload, &history) } else { engine.install(&payload) };
        installed.expect("a snapshot that was just made");
        assert_eq!(engine.snapshot_payload().expect("nothing is damaged"), payload, "the same snapshot");
    }
    moved
}

/// Bytes as frames, each answered by the contract.
fn frames(mut bytes: &[u8]) {
    let process = Process::start(&Recorder::with_dir(TABLES_DIR));
    let mut contract = Contract::default();
    for _ in 0..FRAMES {
        let Ok(Frame::Body(body)) = wire::read_frame(&mut bytes, wire::MAX_REQUEST) else { break };
        let request = match wire::Request::decode(&body) {
            Err(refusal) => {
                assert_eq!(refusal.code, Code::InvalidArgument, "no request: {refusal}");
                continue;
            }
            Ok(wire::Request::Put { key, value, request_id: id }) => Request::Put { key, value, id },
            Ok(wire::Request::Delete { key, request_id: id }) => Request::Delete { key, id },
            Ok(wire::Request::Get { key }) => Request::Get { key },
        };
        let (seen, expected) = (process.ask_by_wire(&request), contract.answer(&request));
        assert_eq!(seen, expected, "a frame");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESTART: [u8; 4] = [13, 0, 1, 0];

    #[test]
    fn histories_of_every_step_follow_the_contract() {
        let (mut state, mut through) = (1_u64, 0);
        for _ in 0..200 {
            let history: Vec<u8> = (0..400)
                .map(|at| {
                    state =
                        state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let byte = (state >> 56) as u8;
                    // Few keys and ids, so that they meet again; the limits now and then.
                    if at % 4 == 0 || byte > 247 { byte } else { byte % 6 }
                })
                .collect();
            through += u32::from(played(&history));
        }
        assert!(through > 20, "{through} of 200 histories reach the end");
    }

    #[test]
    fn a_request_is_answered_again_after_a_restart_and_its_id_serves_no_other() {
        let put = |value, id| [0, 1, value, id];
        let deleted = [7, 1, 0, 2];
        let steps = [put(1, 1), deleted, RESTART, put(1, 1), put(2, 1), deleted, [6, 2, 0, 2], [8, 1, 0, 0]];
        assert!(played(&steps.concat()));
        // Over the wire, after a move, and after a snapshot without a history, which forgets.
        let wired: Vec<u8> =
            steps.iter().flat_map(|[what, rest @ ..]| [&[what | 0x80][..], rest].concat()).collect();
        assert!(played(&wired));
        for (how, through) in [(0, false), (1, false)] {
            let moved = [&steps[..2], &[[15, 0, how, 0]], &steps[3..]].concat().concat();
            assert_eq!(played(&moved), through);
        }
    }

    #[test]
    fn late_lost_and_undecodable_commands_follow_the_model() {
        let put = |key, id| [0, key, 1, id];
        let fate = |fate| [11, 0, fate, 0];
        let steps = [
            fate(1),
            put(1, 1),
            put(1, 1),
            put(2, 1),
            fate(0),
            put(1, 1),
            [8, 1, 0, 0],
            [12, 0, 0, 0],
            [8, 1, 0, 0],
            put(1, 1),
            put(2, 1),
            fate(1),
            put(3, 3),
            [12, 0, 1, 0],
            fate(2),
            put(3, 3),
            fate(0),
            put(3, 3),
            [15, 0, 2, 0],
            put(4, 4),
            put(3, 3),
            [8, 3, 0, 0],
            RESTART,
            put(4, 4),
            [10, 0, 1, 0],
            put(5, 5),
            put(4, 4),
            [0x88, 1, 0, 0],
            [10, 0, 0, 1],
            [8, 1, 0, 0],
            [10, 0, 2, 0],
            put(5, 5),
        ];
        assert!(!played(&steps.concat()));
    }

    #[test]
    fn frames_of_requests_and_of_anything_else_are_answered_or_refused() {
        let mut bytes = vec![1];
        for body in [
            &br#"{"op":"put","request_id":"cjE=","key":"aw==","value":"dg=="}"#[..],
            br#"{"op":"put","request_id":"cjE=","key":"aw==","value":"dgo="}"#,
            br#"{"op":"delete","request_id":"","key":"aw=="}"#,
            br#"{"op":"get","key":"aw=="}"#,
            br#"{"op":"get","key":"aw==","value":""}"#,
            b"{}",
        ] {
            bytes.extend((body.len() as u32).to_be_bytes());
            bytes.extend(body);
        }
        for at in 0..bytes.len() {
            service(&bytes[..at]);
            let mut altered = bytes.clone();
            altered[at] ^= 0x01;
            service(&altered);
        }
    }
}
