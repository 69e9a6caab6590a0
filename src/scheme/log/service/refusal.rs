//! What a request is answered: an outcome, or a refusal with the reference's code and words (spec §5).

use std::fmt;

/// The kinds of refusals.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Code {
    /// The request breaks the contract. Sent again, it is refused again.
    InvalidArgument,
    /// Another member leads.
    NotLeader,
    /// Nobody leads, or the leader does not hear from a majority.
    Unavailable,
    /// The deadline passed. The write may still take effect.
    Timeout,
    /// Anything else, such as damage found in a file.
    Internal,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 5] =
        [Self::InvalidArgument, Self::NotLeader, Self::Unavailable, Self::Timeout, Self::Internal];

    /// The reference's name, such as `kInvalidArgument`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidArgument => "kInvalidArgument",
            Self::NotLeader => "kNotLeader",
            Self::Unavailable => "kUnavailable",
            Self::Timeout => "kTimeout",
            Self::Internal => "kInternal",
        }
    }

    /// The gRPC status that the reference gives it on its wire, such as `INVALID_ARGUMENT`.
    pub const fn status(self) -> &'static str {
        match self {
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::NotLeader => "FAILED_PRECONDITION",
            Self::Unavailable => "UNAVAILABLE",
            Self::Timeout => "DEADLINE_EXCEEDED",
            Self::Internal => "INTERNAL",
        }
    }
}

/// A refused request. Its `Display` is the message on the wire.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct Refusal {
    /// The kind.
    pub code: Code,
    /// The reason, in the reference's words where it has some.
    pub message: String,
    /// The member that leads, as far as is known; 0 if it is not.
    pub leader_hint: u64,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match self.code {
            Code::NotLeader => write!(f, " (leader_hint={})", self.leader_hint),
            _ => Ok(()),
        }
    }
}

impl Refusal {
    /// A refusal without a hint.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), leader_hint: 0 }
    }

    /// The request breaks the contract.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    /// The request id belongs to another request.
    pub fn reused() -> Self {
        Self::invalid("request_id reused with different key/value")
    }

    /// Another member leads: the one with this number, or 0 if it is not known.
    pub fn not_leader(hint: u64) -> Self {
        Self { leader_hint: hint, ..Self::new(Code::NotLeader, "not leader") }
    }

    /// Nobody leads.
    pub fn no_leader() -> Self {
        Self::new(Code::Unavailable, "no leader elected")
    }

    /// The leader cannot replicate a write.
    pub fn quorum_unavailable() -> Self {
        Self::new(Code::Unavailable, "quorum unavailable")
    }

    /// So many writes are not yet decided that no more are taken.
    pub fn too_many_in_flight() -> Self {
        Self::new(Code::Unavailable, "too many writes in flight")
    }

    /// The leader may have been replaced without knowing it, so that a read could be stale.
    pub fn no_quorum_contact() -> Self {
        Self::new(Code::Unavailable, "leader has no quorum contact (linearizable read rejected)")
    }

    /// The deadline passed.
    pub fn timeout() -> Self {
        Self::new(Code::Timeout, "timed out waiting for commit")
    }

    /// The write could not be proposed, or the proposal was lost.
    pub fn propose_failed() -> Self {
        Self::new(Code::Internal, "propose failed")
    }

    /// Any other failure, such as a damaged file.
    pub fn internal(reason: impl fmt::Display) -> Self {
        Self::new(Code::Internal, reason.to_string())
    }

    /// The id was used before a snapshot that did not carry what it was used for.
    pub fn forgotten() -> Self {
        Self::new(
            Code::Internal,
            "request_id was completed before a snapshot that does not say with which key and value",
        )
    }
}

/// What a write did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// A put.
    Put {
        /// Whether the key had a value before.
        overwritten: bool,
    },
    /// A delete.
    Delete {
        /// Whether the key had a value before.
        deleted: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_reads_as_on_the_references_wire() {
        assert_eq!(Refusal::not_leader(3).to_string(), "not leader (leader_hint=3)");
        assert_eq!(Refusal::not_leader(0).to_string(), "not leader (leader_hint=0)");
        assert_eq!(Refusal::reused().to_string(), "request_id reused with different key/value");
        let statuses = Code::ALL.map(|code| (code.name(), code.status()));
        let expected = [
            ("kInvalidArgument", "INVALID_ARGUMENT"),
            ("kNotLeader", "FAILED_PRECONDITION"),
            ("kUnavailable", "UNAVAILABLE"),
            ("kTimeout", "DEADLINE_EXCEEDED"),
            ("kInternal", "INTERNAL"),
        ];
        assert_eq!(statuses, expected);
    }
}
