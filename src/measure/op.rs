//! What a workload does: the operations, and what they are called.

use serde::Deserialize;

/// What one operation does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Seals a message or a record.
    Seal,
    /// Opens one that is authentic.
    Open,
    /// Seals a message under a nonce out of the tag of the one before, so that no call begins before the last ended.
    #[serde(rename = "latency/seal")]
    LatencySeal,
    /// Seals one message of several that go to the engine at once.
    SealBatch,
    /// Opens one message of several that go to the engine at once.
    OpenBatch,
    /// Seals one record of several that go to the envelope at once.
    SealMany,
    /// Writes a value through the storage scheme.
    SealValue,
    /// Reads one that is authentic.
    OpenValue,
    /// Makes a key for every `batch` messages and seals them: one operation is a message with its share of the key.
    Amortised,
    /// Seals a message with a key and a buffer that are in no cache but the last.
    #[serde(rename = "cold/seal")]
    ColdSeal,
    /// Refuses a message whose tag is forged.
    Reject,
    /// Seals messages on all cores at once.
    #[serde(rename = "parallel/seal")]
    ParallelSeal,
    /// Makes the object that holds a key, and drops it.
    Key,
    /// Writes a record's header.
    Header,
    /// Composes a record's AAD.
    Aad,
    /// Copies a record's message.
    Copy,
    /// Issues a nonce.
    Nonce,
    /// Finds a key by its number.
    Lookup,
    /// Finds a key by its number while another thread changes the keystore without pause.
    #[serde(rename = "contended/lookup")]
    ContendedLookup,
    /// Unwraps and loads every key of a sidecar.
    Hydrate,
    /// Applies the log entry that makes another key the active one.
    Rotate,
}

impl Op {
    /// Its name in paths and rows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seal => "seal",
            Self::Open => "open",
            Self::LatencySeal => "latency/seal",
            Self::SealBatch => "seal_batch",
            Self::OpenBatch => "open_batch",
            Self::SealMany => "seal_many",
            Self::SealValue => "seal_value",
            Self::OpenValue => "open_value",
            Self::Amortised => "amortised",
            Self::ColdSeal => "cold/seal",
            Self::Reject => "reject",
            Self::ParallelSeal => "parallel/seal",
            Self::Key => "key",
            Self::Header => "header",
            Self::Aad => "aad",
            Self::Copy => "copy",
            Self::Nonce => "nonce",
            Self::Lookup => "lookup",
            Self::ContendedLookup => "contended/lookup",
            Self::Hydrate => "hydrate",
            Self::Rotate => "rotate",
        }
    }
}
