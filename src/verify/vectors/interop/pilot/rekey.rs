//! The scripts `rekey` of `pilot-state.json`: what a node sends again, and when it gives up. Each step is a
//! case, judged after the steps before it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Mode, Node, Problem, Ruling, equal, in_each_mode, integer, words};
use crate::engine::Engine;
use crate::scheme::tunnel::testing::{self, MapRegistry, Party};
use crate::scheme::tunnel::{Event, ManualClock, Options, Requested, Source, Timing};
use crate::verify::Case;

/// Every operation.
const OPS: [&str; 5] = ["send", "tick", "clear", "reset", "clear_gave_up"];
/// The members of every step.
const OF_ALL: [&str; 5] = ["t_ms", "op", "peer", "attempts_after", "in_cooldown"];
/// The node's own id. A peer of a script must have another.
const OWN: u32 = u32::MAX;

pub(super) fn read(node: &Node<'_>, cases: &mut Vec<Case>) -> Result<(), Problem> {
    node.only(&["name", "cooldown_ms", "steps"])?;
    let (name, cooldown_ms) = (node.member("name")?.text()?, node.member("cooldown_ms")?.number()?);
    let list = node.member("steps")?;
    let steps: Arc<Vec<Step>> =
        Arc::new(list.elements()?.map(|step| Step::read(&step)).collect::<Result<_, _>>()?);
    for i in 0..steps.len() {
        let steps = Arc::clone(&steps);
        in_each_mode(cases, &format!("rekey/{name}/{i}"), false, move |mode, engine| {
            judge(&steps[..=i], cooldown_ms, mode, engine)
        });
    }
    Ok(())
}

struct Step {
    t_ms: u64,
    op: Op,
    /// The pending requests afterwards, each with its attempts.
    attempts_after: BTreeMap<u32, u32>,
    /// The peers that were given up and still cool down.
    in_cooldown: BTreeSet<u32>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Op {
    Send { peer: u32, seen: (bool, bool) },
    Tick { seen: (Vec<u32>, Vec<u32>) },
    Clear(u32),
    Reset(u32),
    ClearGaveUp(u32),
}

impl Step {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        let peer = || -> Result<u32, Problem> {
            let peer = node.member("peer")?;
            match integer(&peer)? {
                OWN => Err(peer.problem("this is the node's own id")),
                other => Ok(other),
            }
        };
        let (op, own): (Op, &[&str]) = match node.member("op")?.word(&OPS)? {
            "send" => {
                let seen = (node.member("frame_sent")?.truth()?, node.member("tracked")?.truth()?);
                (Op::Send { peer: peer()?, seen }, &["frame_sent", "tracked"])
            }
            "tick" => {
                if node.optional("peer")?.is_some() {
                    return Err(node.member("peer")?.problem("a tick is of no peer"));
                }
                node.member("peer")?;
                let seen = (peers(&node.member("retransmitted")?)?, peers(&node.member("gave_up_events")?)?);
                (Op::Tick { seen }, &["retransmitted", "gave_up_events"])
            }
            "clear" => (Op::Clear(peer()?), &[]),
            "reset" => (Op::Reset(peer()?), &[]),
            _ => (Op::ClearGaveUp(peer()?), &[]),
        };
        node.only(&[&OF_ALL, own].concat())?;
        let mut attempts_after = BTreeMap::new();
        for (name, attempts) in node.member("attempts_after")?.members()? {
            let id = name.parse().map_err(|_| attempts.problem("the name is not a node id"))?;
            attempts_after.insert(id, integer(&attempts)?);
        }
        Ok(Self {
            t_ms: node.member("t_ms")?.number()?,
            op,
            attempts_after,
            in_cooldown: peers(&node.member("in_cooldown")?)?.into_iter().collect(),
        })
    }

    /// Every peer that the step names.
    fn peers(&self) -> impl Iterator<Item = u32> + '_ {
        let of_op = match &self.op {
            Op::Send { peer, .. } | Op::Clear(peer) | Op::Reset(peer) | Op::ClearGaveUp(peer) => vec![*peer],
            Op::Tick { seen: (again, gave_up) } => [&again[..], gave_up].concat(),
        };
        of_op.into_iter().chain(self.attempts_after.keys().copied()).chain(self.in_cooldown.iter().copied())
    }
}

fn peers(node: &Node<'_>) -> Result<Vec<u32>, Problem> {
    node.elements()?.map(|peer| integer(&peer)).collect()
}

/// Takes the steps in order; judges the last.
fn judge(steps: &[Step], cooldown_ms: u64, mode: Mode, engine: &'static dyn Engine) -> Ruling {
    let named: BTreeSet<u32> = steps.iter().flat_map(Step::peers).collect();
    let (clock, registry) = (Arc::new(ManualClock::at(0)), Arc::new(MapRegistry::of(named.iter().copied())));
    let timing = Timing { cooldown_ms, ..Timing::default() };
    let options = Options { timing, ..Options::new(mode) };
    let party = Party::new(testing::identity(OWN), options, engine, &clock, &registry).map_err(words)?;
    let exchange = party.node.exchange();
    for (i, step) in steps.iter().enumerate() {
        clock.set(step.t_ms);
        let seen = take(&party, &step.op)?;
        if i + 1 < steps.len() {
            continue;
        }
        equal("the step", &seen, &step.op)?;
        let attempts = named.iter().filter_map(|peer| Some((*peer, exchange.attempts(*peer)?))).collect();
        equal("attempts", &attempts, &step.attempts_after)?;
        let cooling = named.iter().copied().filter(|peer| exchange.gave_up(*peer)).collect();
        equal("cooling down", &cooling, &step.in_cooldown)?;
    }
    Ok(None)
}

/// Does what the operation says, and returns the operation with what was seen.
fn take(party: &Party, op: &Op) -> Result<Op, String> {
    let exchange = party.node.exchange();
    let sent = || party.wire.take_all().into_iter().map(|(peer, _)| peer).collect::<Vec<_>>();
    Ok(match *op {
        Op::Send { peer, .. } => {
            let Requested { frame_sent, tracked } = exchange.request(peer);
            equal("the frame is on the wire", sent() == [peer], frame_sent)?;
            Op::Send { peer, seen: (frame_sent, tracked) }
        }
        Op::Tick { .. } => {
            party.events.take();
            let gave_up = exchange.tick();
            let events = party.events.take().into_iter().filter_map(|event| match event {
                Event::RekeyGaveUp { peer_node_id } => Some(peer_node_id),
                _ => None,
            });
            let events: Vec<u32> = events.collect();
            equal("the peers given up", &gave_up, &events)?;
            Op::Tick { seen: (sent(), events) }
        }
        // The peer answers: its own frame of the exchange arrives.
        Op::Clear(peer) => {
            let identity = testing::identity(peer);
            let frame = identity.pila().ok_or("the peer has an identity")?;
            exchange.handle(frame, Source::DIRECT).map_err(words)?;
            sent();
            Op::Clear(peer)
        }
        Op::Reset(peer) => {
            exchange.path_changed(peer);
            Op::Reset(peer)
        }
        // A frame of the peer opened. While it cools down nothing is pending, so nothing else is cleared.
        Op::ClearGaveUp(peer) => {
            if exchange.gave_up(peer) {
                exchange.opened(peer);
            }
            Op::ClearGaveUp(peer)
        }
    })
}
