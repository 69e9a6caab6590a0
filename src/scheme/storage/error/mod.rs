//! Why the storage scheme refused a call, and what the operator should do.

#[cfg(test)]
mod advice;

use std::fmt;
use std::path::PathBuf;

use super::Purpose;
use crate::envelope::wrap;
use crate::{disk, envelope};

/// Why the storage scheme refused a call. Contains no secrets.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A record, key or nonce was refused.
    #[error(transparent)]
    Envelope(#[from] envelope::Error),
    /// A file or a table was refused.
    #[error(transparent)]
    Disk(#[from] disk::Error),
    /// The KEK file can be read or written by users other than its owner.
    #[error(
        "the KEK file {} has mode {mode:04o}: take away all rights of group and others (chmod 0600)",
        path.display()
    )]
    InsecureKekFile {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The KEK source does not provide 32 bytes of key.
    #[error("the KEK is unusable: {0}; give it 32 bytes: raw in a file, or as padded Base64")]
    Kek(String),
    /// A wrapped key does not have 60 bytes, was wrapped under another KEK, or was altered.
    #[error(
        "the wrapped data key does not open: another KEK wrapped it, or it is damaged; configure the KEK \
         that wrapped it; if it is the right one, resync the node"
    )]
    Unwrap,
    /// The system's random source failed.
    #[error("the system's random source failed: {0}; start again once it works")]
    Random(String),

    /// The sidecar is not valid JSON of the expected form.
    #[error("the sidecar is not readable: {0}; resync the node, and do not put a backup in its place")]
    SidecarJson(String),
    /// The version is neither 1 nor 2.
    #[error(
        "the sidecar has version {0}, but only 1 and 2 are known: upgrade this node, or resync it if the \
         file is damaged"
    )]
    SidecarVersion(i64),
    /// A key's name is not a decimal number below 2^32.
    #[error(
        "the sidecar names a key {0:?}, which is not a decimal number below 2^32: it is damaged; resync the \
         node"
    )]
    SidecarKeyIdFormat(String),
    /// A key's name is 0.
    #[error("the sidecar names a key {0:?}, and key id 0 is reserved: it is damaged; resync the node")]
    SidecarReservedKeyId(String),
    /// A key's purpose is neither storage nor raft.
    #[error(
        "the sidecar's key {key:?} has purpose {purpose:?}, neither storage nor raft: it is damaged; resync \
         the node"
    )]
    SidecarPurpose {
        /// The key's name.
        key: String,
        /// Its purpose, as written.
        purpose: String,
    },
    /// The active key is not among the keys.
    #[error(
        "the sidecar's active {purpose} key {key_id} is not among its keys: it is damaged; resync the node"
    )]
    SidecarActiveKeyMissing {
        /// The purpose that it is active for.
        purpose: Purpose,
        /// Its id.
        key_id: u32,
    },
    /// The active key has another purpose.
    #[error(
        "the sidecar's active {purpose} key {key_id} has another purpose: it is damaged; resync the node"
    )]
    SidecarActivePurposeMismatch {
        /// The purpose that it is active for.
        purpose: Purpose,
        /// Its id.
        key_id: u32,
    },
    /// JSON that Go's reader leniently accepts.
    #[error(
        "the sidecar breaks the rule strict-json: {0}; it is damaged, or another program wrote it: resync \
         the node"
    )]
    SidecarStrict(String),
    /// The sidecar's members contradict each other or the log.
    #[error(
        "the sidecar contradicts itself or the log ({0}): it is damaged, or another node's; resync the node"
    )]
    SidecarInconsistent(&'static str),
    /// A write of the sidecar failed, so it may or may not be on the disk.
    #[error(
        "{}: a write failed and may or may not be on the disk: start this node again, which finds out",
        .0.display()
    )]
    SidecarUnsure(PathBuf),
    /// There is no sidecar, or it has no keys, although the rest of the node's state shows that there were
    /// keys: the node would continue in plaintext.
    #[error(
        "the sidecar is missing or empty, but {0}: this node lacks keys that exist, and would write \
         plaintext; resync the node, and do not put a backup of keys.json in its place"
    )]
    SidecarMissing(Sign),
    /// The leader's state cannot serve to resync this node.
    #[error("the node cannot be resynced from this leader: {0}")]
    ResyncRefused(&'static str),
    /// The same data key has two ids: their nonces would repeat.
    #[error(
        "keys {0} and {1} are the same data key, so nonces could repeat; resync the node, or rotate to a new \
         key"
    )]
    SameDek(u32, u32),
    /// The sidecar lacks a requested key.
    #[error("the sidecar has no key {0}: look for its id in keys.json, or resync the node")]
    KeyNotInSidecar(u32),

    /// All 65,535 starts of a node id are used.
    #[error(
        "this node has used up its epochs of key {0}, and a new key would continue from the last one: let \
         the node leave, and join again under a new raft id"
    )]
    LocalEpochExhausted(u32),

    /// A registry key does not have its 27 bytes.
    #[error("a key of the writer registry is malformed: its store is damaged; resync the node")]
    RegistryKeyMalformed,
    /// A registry value does not have its 12 bytes.
    #[error("a value of the writer registry is malformed: its store is damaged; resync the node")]
    RegistryValueMalformed,
    /// The 16 bits of a new member's node id are, or were, another node's.
    #[error(
        "the new member {new:#018x} has the same low 16 bits as {other:#018x}, whose nonces it would \
         repeat: give the new one another raft id"
    )]
    WriterUint16Collision {
        /// The new member.
        new: u64,
        /// The member, or the writer in the registry, that already has them.
        other: u64,
    },
    /// A request names an epoch after which no member can register and start again.
    #[error("the request gives the local epoch {0}, outside 0..=65534: ask that member for its epoch again")]
    RequestEpoch(u32),
    /// The key change cannot be proposed now.
    #[error("the request is refused before it is proposed: {0}")]
    Request(&'static str),
    /// A user's row would be stored under the registry's prefix: key and timestamp together begin with it.
    #[error("the key would be stored under !encryption|writers|, which is reserved: choose another")]
    ReservedPrefix,
    /// A row of the store is neither a value nor one of the scheme's own.
    #[error(
        "the row is neither a value nor one of the scheme's own ({0}): move its content to another key, then \
         delete it"
    )]
    StrayRow(&'static str),
    /// A row of the store that stopped maintenance.
    #[error("the stored key {}: {cause}", hex(key))]
    Stored {
        /// Its key in the store.
        key: Vec<u8>,
        /// What is wrong with it.
        cause: Box<Error>,
    },

    /// A log entry has wrong lengths, an unknown purpose, or trailing bytes.
    #[error(
        "the log entry is malformed: {0}; compare it with another replica's log before this node continues"
    )]
    WireMalformed(&'static str),
    /// A log entry's version is not 1.
    #[error("the log entry has version {0}, but only 1 is known: upgrade this node before it continues")]
    WireVersion(u8),
    /// A rotation's subtag is reserved or unknown.
    #[error("the rotation entry has the unknown subtag {0}: upgrade this node before it continues")]
    WireSubtag(u8),
    /// The rules of the scheme refuse a log entry.
    #[error(
        "the log entry cannot be applied: {0}; if every replica halts on it, repair the log before they \
         continue; if only this node does, resync it"
    )]
    Apply(&'static str),
    /// The entry needs a KEK, a keystore and a sidecar path, and at least one is missing.
    #[error(
        "the log changes keys, but this node lacks a KEK, keystore or sidecar: configure it and start again"
    )]
    KekNotConfigured,
    /// A sealed log entry does not open.
    #[error(
        "log entry {index} must be sealed but does not open ({cause}): the key is missing or the log was \
         altered; resync the node before it continues"
    )]
    RaftUnwrapFailed {
        /// The entry's index.
        index: u64,
        /// The cipher's error.
        cause: envelope::Error,
    },

    /// A log entry is sealed, although nothing that this node has applied says that entries are.
    #[error(
        "log entry {index} is sealed under key {key_id}, but nothing that this node has applied says that \
         entries are sealed: its keys are gone, or its sidecar is another node's; resync the node"
    )]
    SealedEntry {
        /// The entry's index.
        index: u64,
        /// The key in its header.
        key_id: u32,
    },
    /// A payload that would be mistaken for a sealed entry.
    #[error(
        "the payload begins like a sealed entry (01 00 and a key id), so every member would halt on it; let \
         it begin with an opcode of the state machine"
    )]
    PayloadLooksSealed,
    /// The call came before the guards passed.
    #[error("this node has not passed its guards yet: {0}")]
    NotReady(&'static str),
    /// This node has not yet registered its epoch for the active key.
    #[error(
        "this node is not yet registered as a writer under the active key: try again after its registration"
    )]
    WriterNotRegistered,
    /// A stored value is not what was written there.
    #[error("the stored value is not authentic: altered, moved or relabelled; read it from another replica")]
    ReadIntegrity,
    /// A value is sealed, and there is no cipher.
    #[error("the stored value is sealed, but this node has no keys: enable encryption")]
    NoCipher,
    /// A value is plaintext, although the rewrite should have left none.
    #[error(
        "the stored value is plaintext, but all values were sealed, so it was replaced; read it from another \
         replica"
    )]
    ClearValue,
    /// A compressed value does not decompress within its limit.
    #[error(
        "the value is authentic but does not decompress within {0} bytes: another program wrote it; read it \
         with that program, or delete it"
    )]
    Decompress(usize),
    /// A key has sealed as many values as it may.
    #[error("key {0} has reached its sealing limit in this process: rotate the data key, then try again")]
    KeyUsedUp(u32),

    /// Encryption is off, but there is a sidecar.
    #[error("there is a sidecar, but encryption is not enabled: enable it, or values will not be readable")]
    SidecarPresentWithoutFlag,
    /// Encryption is on, but there is no KEK.
    #[error("encryption is enabled without a KEK: configure its source")]
    KekRequiredWithFlag,
    /// The KEK does not open a key of the sidecar.
    #[error(
        "the KEK does not open key {0} of the sidecar: configure the KEK that wrapped it; if it is the \
         right one, the wrap is damaged: resync the node"
    )]
    KekMismatch(u32),
    /// Two members of the cluster share the 16 bits that nonces carry.
    #[error("the nodes {0:#018x} and {1:#018x} have the same low 16 bits: give one of them another raft id")]
    NodeIdCollision(u64, u64),
    /// The registry knows a later epoch than the sidecar: an old backup, or another node's files.
    #[error(
        "the registry and the sidecar disagree on this node's epoch of key {0}: do not start from a backup; \
         resync the node"
    )]
    LocalEpochRollback(u32),
    /// The log has key changes that the sidecar lacks.
    #[error(
        "the sidecar ends at log index {sidecar} and the engine at {engine}, with key changes between: \
         resync the node"
    )]
    SidecarBehindRaftLog {
        /// Where the sidecar ends.
        sidecar: u64,
        /// Where the engine ends.
        engine: u64,
    },
    /// The log has no key change at the sidecar's index.
    #[error(
        "the sidecar ends at log index {sidecar}, but the log, which ends at {engine}, has no key change \
         there: the sidecar belongs to another log, or is damaged; resync the node"
    )]
    SidecarNotOfRaftLog {
        /// Where the sidecar ends.
        sidecar: u64,
        /// Where the engine ends.
        engine: u64,
    },
    /// Snapshot and sidecar were cut over at different indices.
    #[error(
        "the snapshot was cut over at index {snapshot}, the sidecar at {sidecar} (0: not cut over, or there \
         is none): they belong to different nodes; resync this one, or fetch this cluster's snapshot"
    )]
    EnvelopeCutoverDivergence {
        /// The snapshot's index.
        snapshot: u64,
        /// The sidecar's.
        sidecar: u64,
    },
    /// The log could not be searched.
    #[error("the log could not be searched: {0}; fix this, and start again")]
    LogScan(String),
    /// A snapshot begins with an unknown magic of this family.
    #[error("the snapshot comes from a newer release: upgrade this node")]
    SnapshotHeaderUnknownMagic,
    /// A snapshot header gives a forbidden length.
    #[error("the snapshot header has length {0}, but 16 to 1024 are allowed: it is damaged; fetch it again")]
    SnapshotHeaderInvalidLength(u16),
    /// A snapshot ends within its header.
    #[error("the snapshot is truncated within its header: fetch it again")]
    SnapshotHeaderCut,
    /// A key that was to be retired is still needed.
    #[error("key {0} cannot be retired: {1}")]
    KeyStillNeeded(u32, &'static str),
}

impl From<wrap::Error> for Error {
    /// With this scheme's own message, which gives advice.
    fn from(error: wrap::Error) -> Self {
        match error {
            wrap::Error::Unwrap => Self::Unwrap,
            wrap::Error::Random(reason) => Self::Random(reason.to_string()),
            wrap::Error::Aead(error) => Self::Envelope(error.into()),
        }
    }
}

/// Bytes as lower-case hex.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Error {
    /// The same error with the key of its row.
    pub(super) fn stored_at(self, key: &[u8]) -> Self {
        Self::Stored { key: key.into(), cause: Box::new(self) }
    }

    /// The name that elastickv and its published vectors give this error; `OTHER` if it has no type there.
    pub fn spec_name(&self) -> &'static str {
        match self {
            Self::Envelope(error) => error.spec_name(),
            Self::Disk(disk::Error::UnsupportedFilesystem { .. }) => "ErrUnsupportedFilesystem",
            Self::Disk(error) if error.is_not_found() => "ErrNotExist",
            Self::InsecureKekFile { .. } => "ErrInsecureKEKFile",
            Self::SidecarVersion(_) => "ErrSidecarVersion",
            Self::SidecarKeyIdFormat(_) => "ErrSidecarKeyIDFormat",
            Self::SidecarReservedKeyId(_) => "ErrSidecarReservedKeyID",
            Self::SidecarPurpose { .. } => "ErrSidecarPurpose",
            Self::SidecarActiveKeyMissing { .. } => "ErrSidecarActiveKeyMissing",
            Self::SidecarActivePurposeMismatch { .. } => "ErrSidecarActivePurposeMismatch",
            Self::LocalEpochExhausted(_) => "ErrLocalEpochExhausted",
            Self::RegistryKeyMalformed => "ErrRegistryKeyMalformed",
            Self::RegistryValueMalformed => "ErrRegistryValueMalformed",
            Self::WireMalformed(_) => "ErrFSMWireMalformed",
            Self::WireVersion(_) => "ErrFSMWireVersion",
            Self::WireSubtag(_) => "ErrFSMWireSubtag",
            Self::Apply(_) => "ErrEncryptionApply",
            Self::KekNotConfigured => "ErrKEKNotConfigured",
            Self::RaftUnwrapFailed { .. } => "ErrRaftUnwrapFailed",
            Self::WriterNotRegistered => "ErrWriterNotRegistered",
            Self::ReadIntegrity | Self::ClearValue => "ErrEncryptedReadIntegrity",
            Self::Stored { cause, .. } => cause.spec_name(),
            Self::SidecarPresentWithoutFlag => "ErrSidecarPresentWithoutFlag",
            Self::KekRequiredWithFlag => "ErrKEKRequiredWithFlag",
            Self::KekMismatch(_) => "ErrKEKMismatch",
            Self::WriterUint16Collision { .. } => "ErrWriterUint16Collision",
            Self::NodeIdCollision(..) => "ErrNodeIDCollision",
            Self::LocalEpochRollback(_) => "ErrLocalEpochRollback",
            Self::SidecarBehindRaftLog { .. } => "ErrSidecarBehindRaftLog",
            Self::EnvelopeCutoverDivergence { .. } => "ErrEnvelopeCutoverDivergence",
            Self::SnapshotHeaderUnknownMagic => "ErrSnapshotHeaderUnknownMagic",
            Self::SnapshotHeaderInvalidLength(_) => "ErrSnapshotHeaderInvalidLength",
            _ => "OTHER",
        }
    }
}

/// Evidence that keys exist or existed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Sign {
    /// The registry has this node's row under that key.
    OwnRow(u32),
    /// The registry has only other nodes' rows, the first under that key: the store came from another member.
    OthersRow(u32),
    /// The store has bookkeeping that only this scheme writes: an index, or the cursor of a rewrite.
    Bookkeeping,
    /// The store has a sealed value.
    SealedValue,
    /// The log has one of this scheme's entries at that index.
    LogEntry(u64),
    /// The log has a sealed entry at that index.
    SealedEntry(u64),
    /// The engine has applied entries up to that index, and nobody searched them.
    UnsearchedLog(u64),
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnRow(dek_id) => write!(f, "the registry has this node's row under key {dek_id}"),
            Self::OthersRow(dek_id) => write!(f, "the registry has other nodes' rows, under key {dek_id}"),
            Self::Bookkeeping => write!(f, "the store has this scheme's own bookkeeping"),
            Self::SealedValue => write!(f, "the store has a sealed value"),
            Self::LogEntry(index) => write!(f, "the log has an encryption entry at index {index}"),
            Self::SealedEntry(index) => write!(f, "the log has a sealed entry at index {index}"),
            Self::UnsearchedLog(index) => {
                write!(f, "nobody searched the log, which is applied up to index {index}")
            }
        }
    }
}
