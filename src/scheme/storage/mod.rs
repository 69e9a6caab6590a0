//! The storage scheme: keys that survive crashes, restarts, rotation and replication without ever repeating a
//! nonce.
//!
//! The promise: no (key, nonce) pair is used twice, no acknowledged key is lost, and, under
//! [`Clear::Refused`], no stored byte is returned unauthenticated. It follows elastickv's
//! `internal/encryption` and its store glue at d9a031d0, byte for byte; the record itself is
//! [`crate::envelope`].
//!
//! [`kek`] wraps data keys, [`sidecar`] keeps them, [`epoch`] keeps the nonces of two process loads apart,
//! [`registry`] remembers every writer, [`wire`] is what goes through the log, [`proposal`] how it is sealed
//! there and [`applier`] what it does, [`request`] what an operator may ask for, [`guards`] and [`mod@load`]
//! start a node, [`value`] is the write and read path. Ours alone, since the reference only designs it or has
//! it not: [`missing`] (a node that lost its keys), [`resync`] (which gives it a sidecar again),
//! [`compress`], [`budget`], [`maintenance`] (rewrap, retire), [`rewrite`], [`metrics`].
//!
//! # Stricter than the reference
//!
//! Where we refuse what elastickv accepts, or mend a hazard of it, verification says so by one of these
//! names, told by what was done and not by which case it was:
//!
//! - [`STRICT_JSON`]: a sidecar is refused that has a member twice, or one whose name is a known one to a
//!   reader that ignores case, or one that is null; that lacks a member without a default (`keys`; in version
//!   2 with active keys, any but `created`); or that has Base64 that is not canonical. Go's reader takes the
//!   last, or ignores it. A document, a version, a key or a purpose that is null gets the name that the
//!   reference's next check gives it.
//! - [`REPLAY_IS_DONE`]: an entry at an index that was already applied changes no key and no epoch, and does
//!   not halt; rows that it registered are put back where they are missing or lower. The reference resets a
//!   key's epoch when a bootstrap is replayed, so that nonces would repeat, and halts on it after a rotation;
//!   it also halts on a registration that is replayed after a later one, which is why the registry here
//!   remembers an index as well.
//! - [`SIDECAR_IN_LOG`]: a sidecar that ends at an index which the log does not have, or where the log has no
//!   key change, is refused: it would take the key changes of another log, or those up to a damaged index,
//!   for applied. The reference lets every sidecar pass that is not behind.
//!
//! Without a vector that shows it: a raft key's epoch is raised in every load, also before the cut-over, and
//! is held against the registry as a storage key's is; a key that comes with the log and that the registry
//! knows at this process's epoch is a rollback, and halts before it is made active; an entry that is taken
//! for applied must have left its key in the sidecar; rows are refused before the sidecar is written; one
//! data key has one id; a sidecar that was cut over has what it seals with, and was cut over where the log
//! says so; an entry that is sealed is not believed to be from before the cut-over; a key id is never rotated
//! to another purpose; a key is never made active with an epoch below one that it was used with;
//! [`Clear::Refused`] believes no value in clear once all are rewritten; a node without keys that shows any
//! [`Sign`] of having had some does not start, with the flag or without it, and until its log was searched
//! nothing is replayed or proposed in clear; an entry that looks sealed is never handed on unopened; the keys
//! that the log brought are those of the sidecar, as far as it goes back; an active key has its bytes; a
//! sidecar is no symbolic link; retiring a key keeps its rows ([`registry`] says why).
//!
//! # What a caller must keep to
//!
//! - [`load()`], then [`Loaded::begin_replay`], then the replay, then [`Loaded::ready`], then a
//!   [`wire::Registration`] of this load's epochs ([`request::Requests::register`]) through the log.
//!   [`Origin::Direct`] writes are refused until it is applied. [`Origin::Replicated`] ones never are, as in
//!   the reference: **between load and registration they carry an epoch that no registry knows**. The sidecar
//!   alone keeps that epoch from coming twice, so a sidecar that is lost or restored in that time is not
//!   noticed by the guards, and nonces repeat. Register first thing after every start, and never restore a
//!   sidecar: resync the node.
//! - Before a rotation is proposed, every member is registered under the new key: one that stops between a
//!   rotation and its registration may not start again.
//! - Entries are proposed by a leader that has applied all before: one in clear behind the cut-over halts
//!   every member.
//! - Maintenance goes by what the readers go by: [`rewrite::step`], [`maintenance::count_under`] and
//!   [`maintenance::retire`] take the same [`Clear`]. Once the first rewriting is done, that is
//!   [`Clear::Refused`] for both. A rewriting under [`Clear::Allowed`] seals whatever lies in clear, also
//!   what somebody put there since.
//! - One [`SidecarFile`] for a file, in one process. The sidecar has no lock of its own: each write replaces
//!   the file, and a lock on it would stay with the old one. A registry in a redb database (feature `redb`)
//!   beside it keeps a second process out, for its file is locked as long as it is open.
//!   [`maintenance::rewrap`] asks for a node that is stopped.
//! - 65,535 starts of a node under one raft id; see [`epoch`].
//! - No payload of the state machine begins as a sealed entry does, with the bytes 01 00 and a key id other
//!   than 0: such a one is not proposed ([`Error::PayloadLooksSealed`]).
//! - A snapshot that a running node takes over is shown to [`Applier::restored`]; where that refuses it, the
//!   node stops.
//! - A new member is asked for by [`request::Requests::check_new_member`] before its membership is proposed.
//!
//! # What it does not see
//!
//! - A row that is deleted reads as one that was never written. A tombstone is in clear, and nobody
//!   authenticates it: whoever can write to the store can forge one, also under [`Clear::Refused`].
//! - Under [`Clear::Allowed`], a sealed value that was replaced by one in clear, or by its own record
//!   relabelled, with its expiry or its tag changed as well: the bytes that lie there are returned. Values
//!   from before the cut-over may begin with any bytes, so that nothing tells the two apart. Rewrite all
//!   values, then read by [`Clear::Refused`].
//! - A store that is rolled back as a whole together with sidecar, registry and log. Nor sidecar and registry
//!   that are restored together while the log goes on: no guard knows of what was sealed since, and nonces
//!   repeat.
//! - Which state is missing, empty, older or another's, in this: a registry that is missing before values are
//!   sealed, or is older at any time (the sidecar alone then keeps epochs apart); an idle key's bytes, which
//!   look retired; values that are older or another member's, under the same key and at the same place; a
//!   snapshot from before the cut-over; another member's sidecar with higher epochs; what the log no longer
//!   has. None of them lets a nonce repeat or a value go in clear. A node whose sidecar, registry and log are
//!   all gone, and whose snapshot is from before the cut-over, is a new one to every guard, unless its store
//!   has a sealed value among the first 1,024.
//! - The sidecar is not authenticated, only held against itself, the registry and the log. Whoever can write
//!   it can have values and entries go in clear; and a cut-over index that is damaged shows only as long as
//!   the log goes back to it.

use std::fmt;

use crate::envelope::OVERHEAD;
use crate::envelope::aad::VALUE_HEADER_LEN;

pub mod applier;
pub mod budget;
mod cache;
pub mod compress;
mod dek;
pub mod epoch;
mod error;
pub mod guards;
pub mod kek;
pub mod load;
pub mod maintenance;
pub mod metrics;
pub mod missing;
pub mod proposal;
pub mod registry;
pub mod request;
pub mod resync;
pub mod rewrite;
mod session;
pub mod sidecar;
pub mod snapshot;
#[cfg(test)]
mod testing;
pub mod value;
pub mod wire;

pub use applier::{Applier, Halt, Identity};
pub use budget::Budget;
pub use cache::StateCache;
pub use error::{Error, Sign};
pub use kek::{Dek, Kek, LocalKek};
pub use load::{Loaded, Node, Start, load};
pub use proposal::Proposals;
pub(super) use session::STORAGE;
pub use sidecar::{Sidecar, SidecarFile};
pub use snapshot::SnapshotHeader;
pub use value::{Clear, Form, Origin, Sealer};

/// Bytes that a sealed value takes more than its plaintext.
pub const SEALED_OVERHEAD: usize = VALUE_HEADER_LEN + OVERHEAD;

/// Rule: JSON that Go's reader is lenient about is refused.
pub const STRICT_JSON: &str = "strict-json";
/// Rule: what was applied is not applied again.
pub const REPLAY_IS_DONE: &str = "replay-is-done";
/// Rule: a sidecar ends at a key change of its log.
pub const SIDECAR_IN_LOG: &str = "sidecar-in-log";
/// Every rule by which this scheme is stricter than its reference.
pub const RULES: [&str; 3] = [STRICT_JSON, REPLAY_IS_DONE, SIDECAR_IN_LOG];

/// What a data key is for. Epochs and counts of the two are separate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Purpose {
    /// Values in the store.
    Storage,
    /// Entries of the log.
    Raft,
}

impl Purpose {
    /// Its name in the sidecar.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Storage => "storage",
            Self::Raft => "raft",
        }
    }

    /// The purpose of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Storage, Self::Raft].into_iter().find(|purpose| purpose.name() == name)
    }

    /// Its byte in the log.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Storage => 1,
            Self::Raft => 2,
        }
    }

    /// The purpose of that byte.
    pub fn from_byte(byte: u8) -> Option<Self> {
        [Self::Storage, Self::Raft].into_iter().find(|purpose| purpose.byte() == byte)
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
