//! What the contract says, given the state of the cluster.

use std::collections::BTreeSet;

use super::process::{Fate, Place};
use crate::scheme::log::service::{Code, Leader};
use crate::verify::vectors::interop::kvstore::contract::{Answer, Contract, Request, malformed};

/// What the contract says, together with the state of the cluster.
#[derive(Default)]
pub(super) struct Model {
    pub(super) contract: Contract,
    /// Ids that came with a snapshot that does not say what they were used for.
    pub(super) forgotten: BTreeSet<Vec<u8>>,
    pub(super) held: Vec<Request>,
    pub(super) halted: bool,
}

fn refused(code: Code, message: &str) -> Answer {
    Answer::Refused(code.name(), message.into())
}

impl Model {
    pub(super) fn answer(&mut self, request: &Request, place: &Place) -> Answer {
        if malformed(request).is_some() {
            return self.contract.answer(request);
        }
        let leads = match place.leader {
            Leader::Own => None,
            Leader::Other(_) => Some(refused(Code::NotLeader, "not leader")),
            Leader::None => Some(refused(Code::Unavailable, "no leader elected")),
        };
        let Some(id) = request.id() else {
            let cut_off = "leader has no quorum contact (linearizable read rejected)";
            return match (leads, place.contact) {
                (Some(refusal), _) => refusal,
                (None, false) => refused(Code::Unavailable, cut_off),
                (None, true) => self.contract.answer(request),
            };
        };
        if self.forgotten.contains(id) {
            return refused(Code::Internal, "");
        }
        if self.contract.used.contains_key(id) {
            return self.contract.answer(request);
        }
        if let Some(held) = self.held.iter().find(|held| held.id() == Some(id)) {
            return if held == request {
                refused(Code::Timeout, "timed out waiting for commit")
            } else {
                refused(Code::InvalidArgument, "request_id reused with different key/value")
            };
        }
        if let Some(refusal) = leads {
            return refusal;
        }
        match place.fate {
            Fate::Applied if self.halted => refused(Code::Internal, ""),
            Fate::Applied => self.contract.answer(request),
            Fate::Lost => refused(Code::Internal, ""),
            Fate::Held => {
                self.held.push(request.clone());
                refused(Code::Timeout, "timed out waiting for commit")
            }
        }
    }
}

/// The contract leaves the words of an internal error to us.
pub(super) fn same(seen: &Answer, expected: &Answer) -> bool {
    match (seen, expected) {
        (Answer::Refused(seen, _), Answer::Refused(expected, _)) if *expected == Code::Internal.name() => {
            seen == expected
        }
        _ => seen == expected,
    }
}
