//! `e3-routing.json`: the decision on each event, the reasons that are timeouts, and the keys of records.

use super::{Judgement, Node, Problem, only, without_cipher};
use crate::scheme::ephemeral::RoundId;
use crate::scheme::ephemeral::routing::{Event, FailureReason, Stage, decide};
use crate::verify::Case;

const DECISIONS: [&str; 6] = [
    "Broadcast",
    "Ignore",
    "AlreadyCompleted",
    "Process/None",
    "Process/PublishComplete",
    "Process/Teardown",
];

pub(super) fn read(root: &Node<'_>) -> Result<Vec<Case>, Problem> {
    only(root, &["routing", "is_timeout", "store_keys"])?;
    let mut cases = Vec::new();
    for (i, node) in root.member("routing")?.elements()?.enumerate() {
        node.only(&["event", "completed", "decision"])?;
        let (event, completed) = (event(&node.member("event")?)?, node.member("completed")?.truth()?);
        let expected = node.member("decision")?.word(&DECISIONS)?;
        cases.push(without_cipher(format!("routing/{i}"), move || {
            equal("the decision", decide(&event, completed).name(), expected)
        }));
    }
    for (name, node) in root.member("is_timeout")?.members()? {
        let (reason, expected) = (reason(&node, name)?, node.truth()?);
        cases.push(without_cipher(format!("is_timeout/{name}"), move || {
            equal("whether it is a timeout", reason.is_timeout(), expected)
        }));
    }
    for (i, node) in root.member("store_keys")?.elements()?.enumerate() {
        node.only(&["chain_id", "id", "e3_id", "key"])?;
        let (chain, id) = (node.member("chain_id")?.number()?, node.member("id")?.text()?.to_owned());
        let (printed, key) =
            (node.member("e3_id")?.text()?.to_owned(), node.member("key")?.text()?.to_owned());
        cases.push(without_cipher(format!("store_keys/{i}"), move || {
            let round = RoundId::new(chain, &id).map_err(|error| error.to_string())?;
            equal("the printed id", round.to_string(), printed.clone())?;
            equal("the record's key", round.store_key(), key.clone())?;
            let read = printed.parse::<RoundId>().map_err(|error| error.to_string())?;
            equal("the id that is read back", read, round)
        }));
    }
    Ok(cases)
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, seen: T, expected: T) -> Judgement {
    if seen == expected { Ok(()) } else { Err(format!("{what}: expected {expected:?}, got {seen:?}")) }
}

fn reason(node: &Node<'_>, name: &str) -> Result<FailureReason, Problem> {
    FailureReason::from_name(name).ok_or_else(|| node.problem(format!("the reason {name:?} is unknown")))
}

/// An event; an unknown type, member, stage or reason is an error.
fn event(node: &Node<'_>) -> Result<Event, Problem> {
    let kind = node.member("type")?;
    let round = || -> Result<RoundId, Problem> {
        let id = node.member("e3_id")?;
        id.text()?.parse().map_err(|error| id.problem(format!("{error}")))
    };
    let (event, own): (Event, &[&str]) = match kind.text()? {
        "Shutdown" => (Event::Shutdown, &[]),
        "EffectsEnabled" => (Event::EffectsEnabled, &[]),
        "NoId" => (Event::NoRound, &[]),
        "E3Requested" => (Event::Requested(round()?), &["e3_id"]),
        "KeyshareCreated" => (Event::KeyshareCreated(round()?), &["e3_id"]),
        "PlaintextAggregated" => (Event::PlaintextAggregated(round()?), &["e3_id"]),
        "E3RequestComplete" => (Event::RequestComplete(round()?), &["e3_id"]),
        "E3StageChanged" => {
            let stage = node.member("new_stage")?;
            let name = stage.text()?;
            let known = Stage::from_name(name);
            let known = known.ok_or_else(|| stage.problem(format!("the stage {name:?} is unknown")))?;
            (Event::StageChanged(round()?, known), &["e3_id", "new_stage"])
        }
        "E3Failed" => {
            let name = node.member("reason")?;
            let (round, reason) = (round()?, reason(&name, name.text()?)?);
            (Event::Failed { round, stage: Stage::None, reason }, &["e3_id", "reason"])
        }
        other => return Err(kind.problem(format!("the event type {other:?} is unknown"))),
    };
    node.only(&[&["type"], own].concat())?;
    Ok(event)
}
