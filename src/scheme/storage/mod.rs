//! The storage scheme: encryption at rest for a replicated store, with keys that survive crashes, restarts,
//! rotation and replication without ever repeating a nonce.
//!
//! The promise: no (key, nonce) pair is used twice, no acknowledged key is lost, and under
//! [`Clear::Refused`], which a store can switch to once every value has been rewritten, no stored byte is
//! returned unauthenticated. The scheme follows elastickv's `internal/encryption` and its store glue at
//! d9a031d0, byte for byte; the record itself is [`crate::envelope`]. This implementation belongs to a test
//! harness, and nobody has audited it.
//!
//! [`kek`] wraps data keys and [`sidecar`] stores them in `keys.json`. [`epoch`] rises on every start and
//! keeps the nonces of two process loads apart; [`registry`] remembers every writer. [`wire`] defines the log
//! entries for bootstrap, rotation and cut-over, [`proposal`] seals log entries, [`applier`] applies them,
//! and [`request`] is the operator's interface. [`guards`] and [`mod@load`] start a node: it seals nothing
//! before the guards have passed. [`value`] is the write and read path. The reference only designs the
//! following modules, or lacks them: [`missing`] (a node that lost its keys), [`resync`] (which gives it a
//! new sidecar), [`compress`], [`budget`], [`maintenance`] (rewrap, retire), [`rewrite`], [`metrics`].
//!
//! # Stricter than the reference
//!
//! If we refuse input that elastickv accepts, or close one of its hazards, verification reports one of these
//! rules. The rule follows from what the code did, not from the identity of the case:
//!
//! - [`STRICT_JSON`]: a sidecar is refused if a member appears twice, if a member's name equals a known one
//!   only when case is ignored, if a member is null, if a member without a default is missing (`keys`; in
//!   version 2 with active keys, any member but `created`), or if its Base64 is not canonical. Go's reader
//!   takes the last such member or ignores it. If a document, a version, a key or a purpose is null, the
//!   refusal has the name that the reference's next check gives it.
//! - [`REPLAY_IS_DONE`]: an entry at an index that was already applied changes no key and no epoch, and does
//!   not halt the node; rows that it registered are restored if they are missing or lower. The reference
//!   resets a key's epoch when a bootstrap is replayed, which would repeat nonces, and halts when a bootstrap
//!   is replayed after a rotation. It also halts when a registration is replayed after a later one; the
//!   registry here therefore remembers an index too.
//! - [`SIDECAR_IN_LOG`]: a sidecar is refused if it ends at an index that the log does not have, or at which
//!   the log has no key change. It would otherwise count key changes as applied that belong to another log,
//!   or that lie below a damaged index. The reference accepts every sidecar that is not behind.
//!
//! The scheme is also stricter in these points, which no vector shows:
//!
//! - A raft key's epoch rises in every load, also before the cut-over, and is checked against the registry
//!   like a storage key's.
//! - If the log brings a key that the registry already knows at this process's epoch, that is a rollback: the
//!   node halts before the key becomes active.
//! - An entry that counts as applied must have left its key in the sidecar.
//! - Rows are refused before the sidecar is written.
//! - A data key has only one id.
//! - A sidecar that was cut over has the key it seals with, and was cut over at the index that the log gives.
//! - A sealed entry is never accepted as one from before the cut-over.
//! - A rotation never gives a key id another purpose.
//! - A key never becomes active with an epoch below one that it was used with.
//! - [`Clear::Refused`] accepts no plaintext value once all have been rewritten.
//! - A node without keys that shows any [`Sign`] of having had some does not start, with or without the flag.
//!   Until its log has been searched, it replays and proposes nothing in plaintext.
//! - An entry that looks sealed is never passed on unopened.
//! - The keys that the log brought are those in the sidecar, as far back as the log reaches.
//! - An active key has its bytes.
//! - A sidecar is never a symbolic link.
//! - Retiring a key keeps its rows ([`registry`] explains why).
//!
//! # Rules for the caller
//!
//! - Start a node in this order: [`load()`], [`Loaded::begin_replay`], the replay, [`Loaded::ready`], then a
//!   [`wire::Registration`] of this load's epochs ([`request::Requests::register`]) through the log.
//!   [`Origin::Direct`] writes are refused until it is applied. [`Origin::Replicated`] writes are never
//!   refused, as in the reference: **between load and registration they carry an epoch that no registry
//!   knows**. Only the sidecar prevents that epoch from being used twice, so the guards cannot notice if the
//!   sidecar is lost or restored during that time, and nonces repeat. Register first thing after every start,
//!   and never restore a sidecar: resync the node.
//! - Register every member under the new key before you propose a rotation: a member that stops between a
//!   rotation and its registration may be unable to start again.
//! - Only a leader that has applied all earlier entries may propose: a plaintext entry after the cut-over
//!   halts every member.
//! - Use the same [`Clear`] for maintenance as for reading: [`rewrite::step`], [`maintenance::count_under`]
//!   and [`maintenance::retire`] take it as an argument. Once the first rewrite is done, that is
//!   [`Clear::Refused`] for both. A rewrite under [`Clear::Allowed`] seals every plaintext value, including
//!   any that somebody has planted since.
//! - Use one [`SidecarFile`] per file, in one process. The sidecar has no lock of its own: each write
//!   replaces the file, and a lock would stay with the old one. A registry in a redb database (feature
//!   `redb`) next to it keeps a second process out, because its file is locked while it is open.
//!   [`maintenance::rewrap`] needs a stopped node.
//! - A node can start 65,535 times under one raft id; see [`epoch`].
//! - No payload of the state machine may begin like a sealed entry, with the bytes 01 00 and a key id other
//!   than 0: it is refused before it is proposed ([`Error::PayloadLooksSealed`]).
//! - Show a snapshot that a running node installs to [`Applier::restored`]; if it refuses the snapshot, stop
//!   the node.
//! - Check a new member with [`request::Requests::check_new_member`] before you propose its membership.
//!
//! # Operation
//!
//! - A node that lost its `keys.json` does not start: its registry, log, values and snapshot are searched for
//!   signs of keys. `sealmark storage resync` creates the file anew from a copy of a leader's folder, under
//!   epochs that nobody has seen. Never put a backup in its place.
//! - A `keys.json` that is a symbolic link is refused: replacing the file would replace the link.
//! - `sealmark storage probe-node-id` reports whether the 16-bit id of a new member is already taken.
//! - [`Node::metrics`] exports a node's counters as OpenMetrics text.
//! - With the feature `redb` the registry is a redb database (`disk::Redb`). Every commit syncs twice, and
//!   opening the database reads every page in use and refuses the file if a checksum differs.
//! - If a disk's sync has failed, reboot before you start a node on it again: until then the system may read
//!   data that is not on the medium.
//!
//! # Verification
//!
//! `sealmark verify --scheme storage` runs ten vector files from elastickv and one of our own, injects faults
//! into stored rows, and runs a crash campaign of twelve stories and over ten thousand histories. The
//! campaign stops a node at every step that it asks of its disk (power loss, full disk, input/output error,
//! read-only disk), starts it again and checks the promise. POSIX allows several outcomes of a power loss; at
//! each step the campaign tries the worst, the best and one drawn at random. The disk is a recorder in
//! memory, so the campaign does not see what a drive's own cache does. With the feature `redb`, as under
//! `cargo test`, the database runs on the same recorder and its steps are interrupted as well, 2,034 in all;
//! without it, the registry is a memory store that keeps every commit, and the sidecar alone has 1,094 steps.
//! `cargo test` also kills a child process with SIGKILL on the real file system, and runs three members under
//! openraft through twenty random schedules of stops, power cuts and partitions (`ci/deep cluster` runs a
//! thousand).
//!
//! # What it does not detect
//!
//! - A deleted row reads like one that was never written. A tombstone is plaintext and not authenticated:
//!   whoever can write to the store can forge one, even under [`Clear::Refused`].
//! - Under [`Clear::Allowed`], a sealed value that was replaced by plaintext, or by its own record relabelled
//!   as plaintext with its expiry or tag also changed: the stored bytes are returned as they are. Values from
//!   before the cut-over may begin with any bytes, so nothing distinguishes the two. Rewrite all values, then
//!   read with [`Clear::Refused`].
//! - A store that is rolled back as a whole, together with sidecar, registry and log; or a sidecar and a
//!   registry that are restored together while the log continues: no guard knows what was sealed since, and
//!   nonces repeat.
//! - Missing, empty, older or foreign state in these cases: a registry that is missing before any value is
//!   sealed, or that is older at any time (the sidecar alone then keeps epochs apart); missing bytes of an
//!   idle key, which looks retired; values that are older, or another member's, under the same key and in the
//!   same place; a snapshot from before the cut-over; another member's sidecar with higher epochs; anything
//!   that the log no longer contains. None of these repeats a nonce or writes a value in plaintext. If a
//!   node's sidecar, registry and log are all gone and its snapshot is from before the cut-over, every guard
//!   takes it for a new node, unless its store has a sealed value among the first 1,024.
//! - The sidecar is not authenticated; it is only checked against itself, the registry and the log. Whoever
//!   can write to it can cause values and entries to be written in plaintext. A damaged cut-over index shows
//!   only while the log still reaches back to it.

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

/// Bytes that sealing adds to a stored value.
pub const SEALED_OVERHEAD: usize = VALUE_HEADER_LEN + OVERHEAD;

/// Rule: JSON that Go's reader leniently accepts is refused.
pub const STRICT_JSON: &str = "strict-json";
/// Rule: an applied entry is not applied again.
pub const REPLAY_IS_DONE: &str = "replay-is-done";
/// Rule: a sidecar ends at a key change of its log.
pub const SIDECAR_IN_LOG: &str = "sidecar-in-log";
/// Every rule that makes this scheme stricter than its reference.
pub const RULES: [&str; 3] = [STRICT_JSON, REPLAY_IS_DONE, SIDECAR_IN_LOG];

/// The purpose of a data key. Each purpose has its own epochs and counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Purpose {
    /// For values in the store.
    Storage,
    /// For log entries.
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

    /// The purpose with that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Storage, Self::Raft].into_iter().find(|purpose| purpose.name() == name)
    }

    /// Its byte in log entries.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Storage => 1,
            Self::Raft => 2,
        }
    }

    /// The purpose with that byte.
    pub fn from_byte(byte: u8) -> Option<Self> {
        [Self::Storage, Self::Raft].into_iter().find(|purpose| purpose.byte() == byte)
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
