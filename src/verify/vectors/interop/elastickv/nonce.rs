//! `ek-nonce-factory.json`: nonces in order, the end of the counter, node ids. No cipher is used.

use std::sync::Arc;

use super::{Judgement, Node, Problem, array, decimal, ends_as, integer, same, without_cipher};
use crate::aead::Nonce;
use crate::envelope::NonceSource;
use crate::envelope::nonce::{full_node_id, node_id16};
use crate::verify::Case;

pub(super) fn read(root: &Node<'_>) -> Result<Vec<Case>, Problem> {
    let mut cases = Vec::new();
    for (i, node) in root.member("vectors")?.elements()?.enumerate() {
        let start = Start::read(&node)?;
        let full = decimal(&node.member("full_node_id")?)?;
        let nonces: Vec<Nonce> =
            node.member("nonces")?.elements()?.map(|nonce| array(&nonce)).collect::<Result<_, _>>()?;
        cases.push(without_cipher(format!("vectors/{i}"), move || {
            same_number("node_id16", node_id16(full).into(), start.node_id.into())?;
            let source = start.source();
            for nonce in &nonces {
                same("nonce", &source.next().map_err(|e| e.to_string())?, nonce)?;
            }
            Ok(())
        }));
    }

    let exhaustion = root.member("exhaustion")?;
    let start = Start::read(&exhaustion)?;
    let calls: Arc<[Call]> =
        exhaustion.member("calls")?.elements()?.map(|node| Call::read(&node)).collect::<Result<_, _>>()?;
    for i in 0..calls.len() {
        let calls = Arc::clone(&calls);
        cases.push(without_cipher(format!("exhaustion/{i}"), move || {
            let source = start.source();
            let mut judgement = Ok(());
            for call in &calls[..=i] {
                judgement = call.judge(&source);
            }
            judgement
        }));
    }

    for node in root.member("node_ids")?.elements()? {
        let raft_id = node.member("raft_id")?.text()?.to_owned();
        let full = decimal(&node.member("full_node_id")?)?;
        let short: u16 = integer(&node.member("node_id16")?)?;
        cases.push(without_cipher(format!("node_ids/{raft_id}"), move || {
            same_number("full_node_id", full_node_id(&raft_id), full)?;
            same_number("node_id16", node_id16(full_node_id(&raft_id)).into(), short.into())
        }));
    }
    Ok(cases)
}

/// The state of a source before its first call.
#[derive(Clone, Copy)]
struct Start {
    node_id: u16,
    local_epoch: u16,
    writes_before: u64,
}

impl Start {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        Ok(Self {
            node_id: integer(&node.member("node_id16")?)?,
            local_epoch: integer(&node.member("local_epoch")?)?,
            writes_before: decimal(&node.member("writes_before")?)?,
        })
    }

    fn source(self) -> NonceSource {
        NonceSource::after(self.node_id, self.local_epoch, self.writes_before)
    }
}

/// One call near the end of the counter.
struct Call {
    expect: String,
    nonce: Option<Nonce>,
}

impl Call {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        let expect = node.member("expect")?.text()?.to_owned();
        let nonce = if expect.is_empty() { Some(array(&node.member("nonce")?)?) } else { None };
        Ok(Self { expect, nonce })
    }

    fn judge(&self, source: &NonceSource) -> Judgement {
        let next = source.next();
        ends_as("next", &next, &self.expect)?;
        match (next, self.nonce) {
            (Ok(next), Some(nonce)) => same("nonce", &next, &nonce),
            _ => Ok(()),
        }
    }
}

fn same_number(what: &str, seen: u64, vector: u64) -> Judgement {
    if seen == vector { Ok(()) } else { Err(format!("{what}: expected {vector}, got {seen}")) }
}
