//! Why a call of the storage scheme was refused, and what an operator should do about it.

#[cfg(test)]
mod advice;

use std::fmt;
use std::path::PathBuf;

use super::Purpose;
use crate::envelope::wrap;
use crate::{disk, envelope};

/// Why a call of the storage scheme was refused. Says nothing about secrets.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A record, key or nonce was refused.
    #[error(transparent)]
    Envelope(#[from] envelope::Error),
    /// A file or a table was refused.
    #[error(transparent)]
    Disk(#[from] disk::Error),
    /// Others than its owner may read or write the KEK file.
    #[error(
        "the KEK file {} has mode {mode:04o}: take all rights from group and others (chmod 0600)",
        path.display()
    )]
    InsecureKekFile {
        /// The file.
        path: PathBuf,
        /// Its rights.
        mode: u32,
    },
    /// The KEK source does not give 32 bytes of key.
    #[error("the KEK is unusable: {0}; give 32 bytes of key: raw in a file, or in padded Base64")]
    Kek(String),
    /// A wrapped key is not of 60 bytes, or was wrapped under another KEK, or altered.
    #[error(
        "the wrapped data key does not open: it lies under another KEK, or is damaged; configure the KEK \
         that wrapped it; if it is the right one, resync the node"
    )]
    Unwrap,
    /// The system gives no random bytes.
    #[error("the system's random source failed: {0}; start again once it works")]
    Random(String),

    /// The sidecar is not the JSON that it should be.
    #[error("the sidecar is not readable: {0}; resync the node, and put no backup in its place")]
    SidecarJson(String),
    /// A version that is not 1 or 2.
    #[error(
        "the sidecar has version {0}, known are 1 and 2: upgrade this node, or resync it if the file is \
         damaged"
    )]
    SidecarVersion(i64),
    /// A key's name is not a decimal number below 2^32.
    #[error(
        "the sidecar names a key {0:?}, which is no decimal number below 2^32: it is damaged; resync the \
         node"
    )]
    SidecarKeyIdFormat(String),
    /// A key's name is 0.
    #[error("the sidecar names a key {0:?}, and key id 0 is reserved: it is damaged; resync the node")]
    SidecarReservedKeyId(String),
    /// A key is for neither storage nor raft.
    #[error(
        "the sidecar's key {key:?} is for {purpose:?}, neither storage nor raft: it is damaged; resync the \
         node"
    )]
    SidecarPurpose {
        /// The key's name.
        key: String,
        /// What it says.
        purpose: String,
    },
    /// The active key is not among the keys.
    #[error(
        "the sidecar's active {purpose} key {key_id} is not among its keys: it is damaged; resync the node"
    )]
    SidecarActiveKeyMissing {
        /// Active for what.
        purpose: Purpose,
        /// Its id.
        key_id: u32,
    },
    /// The active key is for something else.
    #[error(
        "the sidecar's active {purpose} key {key_id} is for something else: it is damaged; resync the node"
    )]
    SidecarActivePurposeMismatch {
        /// Active for what.
        purpose: Purpose,
        /// Its id.
        key_id: u32,
    },
    /// JSON that Go's reader is lenient about.
    #[error(
        "the sidecar breaks the rule strict-json: {0}; it is damaged, or another program wrote it: resync \
         the node"
    )]
    SidecarStrict(String),
    /// What the sidecar says of itself cannot all be true.
    #[error("the sidecar contradicts itself or the log ({0}): it is damaged, or another's; resync the node")]
    SidecarInconsistent(&'static str),
    /// A write of the sidecar failed, so that it may or may not be on the disk.
    #[error(
        "{}: a write failed and may or may not be on the disk: start this node anew, which finds out",
        .0.display()
    )]
    SidecarUnsure(PathBuf),
    /// There is no sidecar, or one without keys, and the rest of the node's state shows that there were keys:
    /// the node would go on in clear.
    #[error(
        "the sidecar is missing or empty, and {0}: there are keys that this node lacks, and it would write \
         in clear; resync the node, and put no backup of keys.json in its place"
    )]
    SidecarMissing(Sign),
    /// A leader's state that this node cannot be resynced from.
    #[error("the node cannot be resynced from this leader: {0}")]
    ResyncRefused(&'static str),
    /// One data key under two ids: their nonces would repeat.
    #[error(
        "the keys {0} and {1} are the same data key: no two may be; resync the node, or rotate to a new key"
    )]
    SameDek(u32, u32),
    /// The sidecar lacks a key that is asked for.
    #[error("the sidecar has no key {0}: look for its id in keys.json, or resync the node")]
    KeyNotInSidecar(u32),

    /// All 65,535 starts that a node id has are used.
    #[error(
        "this node's epochs of key {0} are used up, and a new key would go on from the last: let the node \
         leave, and join again under a new raft id"
    )]
    LocalEpochExhausted(u32),

    /// A registry key is not of the 27 bytes that it should be.
    #[error("a key of the writer registry is malformed: its store is damaged; resync the node")]
    RegistryKeyMalformed,
    /// A registry value is not of 12 bytes.
    #[error("a value of the writer registry is malformed: its store is damaged; resync the node")]
    RegistryValueMalformed,
    /// The 16 bits of a new member's node id are another's already, or were.
    #[error(
        "the new member {new:#018x} has the same low 16 bits as {other:#018x}, whose nonces it would \
         repeat: give the new one another raft id"
    )]
    WriterUint16Collision {
        /// The new member.
        new: u64,
        /// The member, or the writer in the registry, that has them.
        other: u64,
    },
    /// A request names an epoch that no member can register and start again after.
    #[error("the request gives the local epoch {0}, outside 0..=65534: ask that member for its epoch again")]
    RequestEpoch(u32),
    /// A key change that cannot be proposed now.
    #[error("the request is refused before it is proposed: {0}")]
    Request(&'static str),
    /// What a user writes would be stored under the registry's prefix: key and timestamp together begin with
    /// it.
    #[error("the key is stored under !encryption|writers|, which is reserved: choose another")]
    ReservedPrefix,
    /// A row of the store is neither a value nor one that the scheme keeps for itself.
    #[error(
        "the row is no value and none of the scheme's own ({0}): move what it holds to another key, then \
         delete it"
    )]
    StrayRow(&'static str),
    /// A row of the store that maintenance could not pass.
    #[error("the stored key {}: {cause}", hex(key))]
    Stored {
        /// Its key in the store.
        key: Vec<u8>,
        /// What is wrong with it.
        cause: Box<Error>,
    },

    /// A log entry has wrong lengths, an unknown purpose, or bytes behind its end.
    #[error(
        "the log entry is malformed: {0}; compare it with another replica's log before this node goes on"
    )]
    WireMalformed(&'static str),
    /// A log entry's version is not 1.
    #[error("the log entry has version {0}, known is 1: upgrade this node before it goes on")]
    WireVersion(u8),
    /// A rotation's subtag is reserved or unknown.
    #[error("the rotation entry has subtag {0}, which is unknown: upgrade this node before it goes on")]
    WireSubtag(u8),
    /// An entry that the rules of the scheme refuse.
    #[error(
        "the log entry cannot be applied: {0}; where every replica halts on it, repair the log before it \
         goes on, and where only this node does, resync it"
    )]
    Apply(&'static str),
    /// Entry, KEK, keystore and sidecar path are needed together.
    #[error(
        "the log changes keys and this node has no KEK, keystore and sidecar: configure them, start again"
    )]
    KekNotConfigured,
    /// A sealed log entry does not open.
    #[error(
        "log entry {index} must be sealed and does not open ({cause}): the key is missing or the log \
         altered; resync the node before it goes on"
    )]
    RaftUnwrapFailed {
        /// The entry's index.
        index: u64,
        /// What the cipher says.
        cause: envelope::Error,
    },

    /// A log entry is sealed, and nothing that this node has applied says that entries are.
    #[error(
        "log entry {index} is sealed under key {key_id}, and nothing that this node has applied says that \
         entries are: its keys are gone, or its sidecar is another's; resync the node"
    )]
    SealedEntry {
        /// The entry's index.
        index: u64,
        /// The key that it names.
        key_id: u32,
    },
    /// A payload that would be taken for a sealed entry.
    #[error(
        "the payload begins as a sealed entry does (01 00 and a key id): every member would halt on it; let \
         it begin with an opcode of the state machine"
    )]
    PayloadLooksSealed,
    /// A call that comes before the guards have passed.
    #[error("this node has not passed its guards yet: {0}")]
    NotReady(&'static str),
    /// This node has not yet registered its epoch for the active key.
    #[error(
        "this node is not yet registered as a writer of the active key: try again after its registration"
    )]
    WriterNotRegistered,
    /// A stored value is not what was written there.
    #[error("the stored value is not authentic: altered, moved or relabelled; read it from another replica")]
    ReadIntegrity,
    /// A sealed value and no cipher.
    #[error("the stored value is sealed and this node has no keys: enable encryption")]
    NoCipher,
    /// A value in clear where, after the rewriting, none should be.
    #[error(
        "the stored value is in clear though all were sealed: it was replaced; read it from another replica"
    )]
    ClearValue,
    /// A compressed value does not unpack within its bound.
    #[error(
        "the value does not decompress within {0} bytes, and is authentic: it was written by another \
         program; read it with that one, or delete it"
    )]
    Decompress(usize),
    /// A key has sealed as many values as it may.
    #[error("key {0} has sealed all it may in this process: rotate the data key, then try again")]
    KeyUsedUp(u32),

    /// Encryption is off and there is a sidecar.
    #[error("there is a sidecar and encryption is not enabled: enable it, or values will not be readable")]
    SidecarPresentWithoutFlag,
    /// Encryption is on and there is no KEK.
    #[error("encryption is enabled without a KEK: configure its source")]
    KekRequiredWithFlag,
    /// The KEK does not open a key of the sidecar.
    #[error(
        "the KEK does not open key {0} of the sidecar: configure the KEK that wrapped it; if it is the \
         right one, the wrap is damaged: resync the node"
    )]
    KekMismatch(u32),
    /// Two members of the cluster share the 16 bits that nonces carry.
    #[error("the nodes {0:#018x} and {1:#018x} have the same low 16 bits: give one another raft id")]
    NodeIdCollision(u64, u64),
    /// The registry knows a later epoch than the sidecar: an old backup, or another node's files.
    #[error(
        "the registry and the sidecar disagree on this node's epoch of key {0}: do not start from a backup; \
         resync the node"
    )]
    LocalEpochRollback(u32),
    /// The log has key changes that the sidecar has not seen.
    #[error(
        "the sidecar ends at log index {sidecar}, the engine at {engine}, with key changes between: resync \
         the node"
    )]
    SidecarBehindRaftLog {
        /// Where the sidecar ends.
        sidecar: u64,
        /// Where the engine ends.
        engine: u64,
    },
    /// The sidecar's index is not that of a key change of the log.
    #[error(
        "the sidecar ends at log index {sidecar}, where the log, which ends at {engine}, has no key change: \
         the sidecar is of another log, or damaged; resync the node"
    )]
    SidecarNotOfRaftLog {
        /// Where the sidecar ends.
        sidecar: u64,
        /// Where the engine ends.
        engine: u64,
    },
    /// A snapshot was cut over at another index than the sidecar.
    #[error(
        "the snapshot was cut over at index {snapshot}, the sidecar at {sidecar} (0: not, or there is \
         none): they are not of one node; resync it, or fetch this cluster's snapshot"
    )]
    EnvelopeCutoverDivergence {
        /// The snapshot's index.
        snapshot: u64,
        /// The sidecar's.
        sidecar: u64,
    },
    /// The log could not be searched.
    #[error("the log could not be searched: {0}; mend what it says, and start again")]
    LogScan(String),
    /// A snapshot begins with a magic of this family that is not known.
    #[error("the snapshot is of a newer release: upgrade this node")]
    SnapshotHeaderUnknownMagic,
    /// A snapshot header gives a length that is not allowed.
    #[error("the snapshot header has length {0}, allowed are 16 to 1024: it is damaged; fetch it again")]
    SnapshotHeaderInvalidLength(u16),
    /// A snapshot ends within its header.
    #[error("the snapshot is cut within its header: fetch it again")]
    SnapshotHeaderCut,
    /// A key that is to be retired is still needed.
    #[error("key {0} cannot be retired: {1}")]
    KeyStillNeeded(u32, &'static str),
}

impl From<wrap::Error> for Error {
    /// In words of this scheme's own, which knows what to do.
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
    /// The same error, with the key of the row that it is about.
    pub(super) fn stored_at(self, key: &[u8]) -> Self {
        Self::Stored { key: key.into(), cause: Box::new(self) }
    }

    /// The name that elastickv gives this error, and its published vectors with it; `OTHER` where it has no
    /// type.
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

/// What shows that keys exist, or did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Sign {
    /// The registry has this node's row under that key.
    OwnRow(u32),
    /// The registry has only others' rows, this one's under that key: the store came from another member.
    OthersRow(u32),
    /// The store has what only this scheme writes beside the rows: an index, or the cursor of a rewriting.
    Bookkeeping,
    /// The store has a sealed value.
    SealedValue,
    /// The log has an entry of this scheme there.
    LogEntry(u64),
    /// The log has a sealed entry there.
    SealedEntry(u64),
    /// The engine has applied entries up to there, and nobody searched them.
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
            Self::UnsearchedLog(index) => write!(f, "nobody searched the log, applied up to index {index}"),
        }
    }
}
