//! What a workload does: the operations, and what they are called.
//!
//! What proves that every operation of a timed pass was done, and done for itself:
//!
//! | operations | each leaves | instead of, after a reset |
//! |---|---|---|
//! | `seal`, `seal_batch`, `latency/seal`, `cold/seal`, `parallel/seal` | a ciphertext and a tag under a nonce that no pass had before, in its own slot | the message, and the tag under another nonce |
//! | `amortised` | the same, under a key whose bytes no pass had before | the same |
//! | `open`, `open_batch` | a message in its own slot, and a verdict | the ciphertext, and no verdict |
//! | `reject` | a refusal, and in its slot what the engine declares to leave | no verdict, and the ciphertext |
//! | `seal/record`, `seal_many` | a record under the next nonce, which opens to its own message | zeros |
//! | `open/record` | a message in its own slot, and that it was opened | the record, and that it was not |
//! | `seal_value`, `open_value` | a stored value that reads as its own message; the message | zeros; nothing |
//! | `key` | a key in its own place that seals as one of its bytes, which no pass had before | the key of other bytes |
//! | `nonce` | the nonce of its own write count | zeros |
//! | `lookup`, `contended/lookup` | the address of the key of its own id | no address |
//! | `header`, `aad`, `copy` | the whole header; the key id out of the AAD; the message | zeros |
//! | `hydrate` | a keystore of every key, each of which seals right | no keystore |
//! | `rotate` | its own key, on disk and loaded, the last one active | the node before |
//!
//! Not seen by results: an engine that opens a message in an earlier pass and remembers it, and a sidecar that is
//! hydrated once and remembered, because each pass has the same input. The trace of a call counts such work.

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
