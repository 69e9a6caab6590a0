//! `pilot-state.json`: models of a session's state. Each frame or step is a case, judged after those before
//! it.
//!
//! `frame_order` gives two answers: `compat` records a counter before it authenticates the frame, as the
//! reference does, and `safe` authenticates first. The gate of `window_fault_drop` belongs to a later
//! generation than `compat`, whose nodes never drop a session for a replay: there the gate itself is judged.

use std::sync::Arc;

use super::{
    End, Mode, Node, Parts, Problem, Ruling, decimal, equal, in_each_mode, integer, name_of, only, rekey,
    same, words,
};
use crate::engine::Engine;
use crate::scheme::tunnel::envelope::gate::{self, Advice};
use crate::scheme::tunnel::session::Counters;
use crate::scheme::tunnel::{Error, NO_DROP, envelope};
use crate::verify::Case;

/// The verdicts on a frame.
const VERDICTS: [&str; 4] = ["ok", "ErrAEAD", "ErrReplay", "ErrOutsideWindow"];
/// The most faults that a case may request.
const MAX_FAULTS: u64 = 4_096;

pub(super) fn read(root: &Node<'_>) -> Result<Vec<Case>, Problem> {
    only(root, &["frame_order", "decrypt_fail_drop", "window_fault_drop", "salvage", "rekey"])?;
    let mut cases = Vec::new();
    for node in root.member("frame_order")?.elements()? {
        read_frames(&node, &mut cases)?;
    }
    for (i, node) in root.member("decrypt_fail_drop")?.elements()?.enumerate() {
        let faults = Faults::read(&node)?;
        let id = format!("decrypt_fail_drop/{i}");
        in_each_mode(&mut cases, &id, true, move |mode, engine| {
            let dropped = faults.dropped_for_failures(mode, engine)?;
            faults.judge(mode, dropped)
        });
    }
    for (i, node) in root.member("window_fault_drop")?.elements()?.enumerate() {
        let faults = Faults::read(&node)?;
        let id = format!("window_fault_drop/{i}");
        in_each_mode(&mut cases, &id, true, move |mode, engine| {
            let dropped = match mode {
                Mode::Compat => faults.gate_for_replays(),
                _ => faults.dropped_for_replays(mode, engine)?,
            };
            faults.judge(mode, dropped)
        });
    }
    for (i, node) in root.member("salvage")?.elements()?.enumerate() {
        let steps: Arc<Vec<Salvage>> =
            Arc::new(node.elements()?.map(|step| Salvage::read(&step)).collect::<Result<_, _>>()?);
        for j in 0..steps.len() {
            let steps = Arc::clone(&steps);
            in_each_mode(&mut cases, &format!("salvage/{i}/{j}"), true, move |mode, engine| {
                judge_salvage(&steps[..=j], mode, engine)
            });
        }
    }
    for node in root.member("rekey")?.elements()? {
        rekey::read(&node, &mut cases)?;
    }
    Ok(cases)
}

/// A frame, and the state after it in each order.
struct Arrival {
    counter: u64,
    forged: bool,
    record_before_auth: After,
    auth_first: After,
}

/// The verdict, the highest counter, and the counts of failures, late frames and replays.
type After = (&'static str, u64, [u64; 3]);

fn read_frames(node: &Node<'_>, cases: &mut Vec<Case>) -> Result<(), Problem> {
    node.only(&["name", "frames", "record_before_auth", "auth_first"])?;
    let name = node.member("name")?.text()?;
    let list =
        |member: &str| -> Result<Vec<Node<'_>>, Problem> { Ok(node.member(member)?.elements()?.collect()) };
    let (frames, records, auths) = (list("frames")?, list("record_before_auth")?, list("auth_first")?);
    for (member, rows) in [("record_before_auth", &records), ("auth_first", &auths)] {
        if rows.len() != frames.len() {
            let problem = format!("{} rows for {} frames", rows.len(), frames.len());
            return Err(node.member(member)?.problem(problem));
        }
    }
    let mut arrivals = Vec::new();
    for ((frame, record), auth) in frames.iter().zip(&records).zip(&auths) {
        let members: Vec<Node<'_>> = frame.elements()?.collect();
        let [counter, forged] = &members[..] else {
            return Err(frame.problem("a frame is a counter, and whether it is forged"));
        };
        arrivals.push(Arrival {
            counter: decimal(counter)?,
            forged: forged.truth()?,
            record_before_auth: read_after(record)?,
            auth_first: read_after(auth)?,
        });
    }
    let arrivals = Arc::new(arrivals);
    for i in 0..arrivals.len() {
        let arrivals = Arc::clone(&arrivals);
        in_each_mode(cases, &format!("frame_order/{name}/{i}"), true, move |mode, engine| {
            judge_frames(&arrivals[..=i], mode, engine)
        });
    }
    Ok(())
}

fn read_after(node: &Node<'_>) -> Result<After, Problem> {
    let members: Vec<Node<'_>> = node.elements()?.collect();
    let [verdict, max, failures, late, replays] = &members[..] else {
        return Err(node.problem("a state is a verdict, the highest counter, and three counts"));
    };
    let counts = [failures.number()?, late.number()?, replays.number()?];
    Ok((verdict.word(&VERDICTS)?, decimal(max)?, counts))
}

/// Opens the frames in order; judges the state after the last.
fn judge_frames(arrivals: &[Arrival], mode: Mode, engine: &'static dyn Engine) -> Ruling {
    let end = End::new(mode, engine, Parts::any())?;
    for (i, arrival) in arrivals.iter().enumerate() {
        let frame = match arrival.forged {
            true => end.forged(arrival.counter)?,
            false => end.sealed(arrival.counter, b"message")?,
        };
        let opened = end.open(&frame)?;
        if i + 1 == arrivals.len() {
            let verdict = if opened.is_ok() { "ok" } else { name_of(&opened) };
            let Counters { decrypt_fail, outside_window, replay, .. } = end.session.counters();
            let seen = (verdict, end.session.window_max(), [decrypt_fail, outside_window, replay]);
            let expected = match mode {
                Mode::Compat => arrival.record_before_auth,
                _ => arrival.auth_first,
            };
            equal("verdict, highest counter, failures, late frames, replays", seen, expected)?;
        }
    }
    Ok(None)
}

/// A session with this many faults in a row, and whether they drop it.
#[derive(Clone, Copy)]
struct Faults {
    count: u64,
    age_ms: u64,
    still_installed: bool,
    drop: bool,
}

impl Faults {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        node.only(&["count", "age_ms", "still_installed", "drop"])?;
        let count = node.member("count")?;
        if count.number()? > MAX_FAULTS {
            return Err(count.problem(format!("more than the {MAX_FAULTS} faults that a case may request")));
        }
        Ok(Self {
            count: count.number()?,
            age_ms: integer(&node.member("age_ms")?)?,
            still_installed: node.member("still_installed")?.truth()?,
            drop: node.member("drop")?.truth()?,
        })
    }

    /// A session that stays although the vector drops it follows the rule.
    fn judge(&self, mode: Mode, dropped: bool) -> Ruling {
        match (self.drop, dropped) {
            (expected, seen) if expected == seen => Ok(None),
            (true, false) if mode == Mode::Safe => Ok(Some(NO_DROP)),
            (expected, seen) => Err(format!("the session is dropped: expected {expected}, got {seen}")),
        }
    }

    /// Whether a node drops the session when the last of the failures comes at this age. If the session is no
    /// longer installed, the last frame reached it just before another session took its place.
    fn dropped_for_failures(&self, mode: Mode, engine: &'static dyn Engine) -> Result<bool, String> {
        let end = End::new(mode, engine, Parts::any())?;
        let (store, peer) = (end.node().store(), end.parts.peer);
        for counter in 1..self.count {
            equal("a forged frame", name_of(&end.open(&end.forged(counter)?)?), "ErrAEAD")?;
        }
        end.clock.set(self.age_ms);
        if self.count == 0 {
            return Ok(!store.is_installed(peer, &end.session));
        }
        let mut last = end.forged(self.count)?;
        if self.still_installed {
            equal("the last forged frame", name_of(&end.open(&last)?), "ErrAEAD")?;
            return Ok(!store.is_installed(peer, &end.session));
        }
        let other = End::session(mode, engine, &end.parts, &end.party)?;
        store.install(peer, other, false).map_err(words)?;
        let refused = envelope::open_in_place(&end.session, self.age_ms, &mut last);
        equal("the last forged frame", name_of(&refused), "ErrAEAD")?;
        let (failures, installed) = (end.session.decrypt_fails(), store.is_installed(peer, &end.session));
        equal("failures in a row", failures, self.count)?;
        let options = end.node().options();
        let (timing, limits) = (&options.timing, &options.limits);
        let error = Error::NotAuthentic;
        let advice = gate::after(mode, error, failures, self.age_ms, installed, timing, limits);
        Ok(advice == Advice::DropAndRekey)
    }

    /// The verdict of the later generation's gate.
    fn gate_for_replays(&self) -> bool {
        let options = super::Options::new(Mode::Compat);
        let Self { count, age_ms, still_installed, .. } = *self;
        gate::window_fault_drops(count, age_ms, still_installed, &options.timing, &options.limits)
    }

    /// Whether a node drops the session when a frame comes again this many times, at last at this age.
    fn dropped_for_replays(&self, mode: Mode, engine: &'static dyn Engine) -> Result<bool, String> {
        let end = End::new(mode, engine, Parts::any())?;
        let frame = end.sealed(1, b"message")?;
        end.open(&frame)?.map_err(words)?;
        for i in 0..self.count {
            if i + 1 == self.count {
                end.clock.set(self.age_ms);
            }
            equal("a replay", name_of(&end.open(&frame)?), "ErrReplay")?;
        }
        equal("replays in a row", end.session.counters().replay, self.count)?;
        Ok(!end.node().store().is_installed(end.parts.peer, &end.session))
    }
}

/// A message that is sent, or the moment at which new keys take the recent ones.
struct Salvage {
    t_ms: u64,
    op: SalvageOp,
}

enum SalvageOp {
    Record { plaintext: Vec<u8>, ring_len: usize },
    Drain { returned: Vec<Vec<u8>> },
}

impl Salvage {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        let t_ms = node.member("t_ms")?.number()?;
        let op = match node.member("op")?.word(&["record", "drain"])? {
            "record" => {
                node.only(&["t_ms", "op", "plaintext", "ring_len"])?;
                let (plaintext, len) = (node.member("plaintext")?.bytes()?, node.member("ring_len")?);
                SalvageOp::Record { plaintext, ring_len: integer(&len)? }
            }
            _ => {
                node.only(&["t_ms", "op", "returned"])?;
                let returned = node.member("returned")?;
                let returned =
                    returned.elements()?.map(|message| message.bytes()).collect::<Result<_, _>>()?;
                SalvageOp::Drain { returned }
            }
        };
        Ok(Self { t_ms, op })
    }
}

/// Seals and drains in order; judges the last step. Draining at once shows how many messages a step left.
fn judge_salvage(steps: &[Salvage], mode: Mode, engine: &'static dyn Engine) -> Ruling {
    let end = End::new(mode, engine, Parts::any())?;
    for (i, step) in steps.iter().enumerate() {
        end.clock.set(step.t_ms);
        let is_last = i + 1 == steps.len();
        match &step.op {
            SalvageOp::Record { plaintext, ring_len } => {
                end.node().seal(end.parts.peer, plaintext).map_err(words)?;
                if is_last {
                    equal("messages in the ring", end.session.drain_sent(step.t_ms).len(), *ring_len)?;
                }
            }
            SalvageOp::Drain { returned } => {
                let drained = end.session.drain_sent(step.t_ms);
                if is_last {
                    equal("messages returned", drained.len(), returned.len())?;
                    for (seen, expected) in drained.iter().zip(returned) {
                        same("a message returned", seen, expected)?;
                    }
                }
            }
        }
    }
    Ok(None)
}
