//! The interoperability vectors of dynomite's `entropy` module: streams that it wrote, accepted or refused,
//! and its key files and configurations.
//!
//! The decoders read the shape of a file and not its instances: every member and verdict that they do not
//! know is an error. Each received stream is judged twice, in mode `compat` and in mode `safe`. Where `safe`
//! refuses what the reference accepts, the outcome names the rule, and the judgement shows that without this
//! rule the stream would be accepted. Where `safe` refuses by another error than the reference, the rule is
//! the one about errors.

use std::sync::Arc;

use super::{Judgement, Layout, Node, Problem, Ruling, integer, only, ruled, same, without_cipher};
use crate::scheme::snapshot::Error;

mod material;
mod stream;

/// Its files.
pub(super) const FILES: [Layout; 2] = [
    Layout { file: "dyn-stream.json", arrays: &["sender", "receiver"], read: stream::read },
    Layout { file: "dyn-material.json", arrays: &["key_files", "config"], read: material::read },
];

/// The verdicts: empty for success, otherwise the reference's variant.
const VERDICTS: [&str; 8] = ["", "Io", "Config", "KeyMaterial", "Protocol", "Crypto", "Source", "Sink"];

/// The member that goes with a verdict of success, and with no other.
fn only_with_success(node: &Node<'_>, name: &str, verdict: &str) -> Result<Option<Vec<u8>>, Problem> {
    match (verdict, node.find(name)?) {
        ("", _) => Ok(Some(node.member(name)?.bytes()?)),
        (_, None) => Ok(None),
        (_, Some(member)) => Err(member.problem("a refusal has no such member")),
    }
}

/// Checks that a call ended with that verdict.
fn ends_as<T>(what: &str, seen: &Result<T, Error>, verdict: &str) -> Judgement {
    let name = seen.as_ref().map_or_else(Error::spec_name, |_| "");
    if name == verdict {
        return Ok(());
    }
    let expected = if verdict.is_empty() { "success" } else { verdict };
    let got = seen.as_ref().err().map_or("success".into(), |error| format!("{name} ({error})"));
    Err(format!("{what}: expected {expected}, got {got}"))
}

#[cfg(test)]
mod tests;
