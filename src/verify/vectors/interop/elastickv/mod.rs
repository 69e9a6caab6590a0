//! The interoperability vectors of elastickv: data that it wrote or refused.
//!
//! Ten files: three for the envelope, seven for the storage scheme. Only the id and the description of a call
//! give its arguments, so an unknown id is an error.

use std::sync::Arc;

use super::{
    Judgement, Layout, Node, Problem, Ruling, array, base_of, decimal, id_of, integer, on_engine, ruled,
    same, without_cipher,
};
use crate::aead::TAG_LEN;
use crate::engine::Engine;
use crate::envelope::{Aad, Cipher, Error, HEADER_LEN, Keystore, OVERHEAD};
use crate::scheme;

mod applier;
mod fsmwire;
mod kek;
mod keystore;
mod nonce;
mod raft;
mod registry;
mod sidecar;
mod startup;
mod storage;
mod store_path;

/// Its files.
pub(super) const FILES: [Layout; 10] = [
    Layout {
        file: "ek-storage-envelope.json",
        arrays: &["vectors", "negatives", "calls", "keystore", "value_header"],
        read: storage::read,
    },
    Layout { file: "ek-raft-envelope.json", arrays: &["vectors", "negatives", "calls"], read: raft::read },
    Layout {
        file: "ek-nonce-factory.json",
        arrays: &["vectors", "exhaustion", "node_ids"],
        read: nonce::read,
    },
    Layout { file: "ek-kek.json", arrays: &["vectors", "negatives", "files"], read: kek::read },
    Layout { file: "ek-registry.json", arrays: &["vectors", "negatives"], read: registry::read },
    Layout {
        file: "ek-fsmwire.json",
        arrays: &["registration", "bootstrap", "rotation", "negatives", "cap"],
        read: fsmwire::read,
    },
    Layout { file: "ek-sidecar.json", arrays: &["vectors", "bump_local_epoch"], read: sidecar::read },
    Layout { file: "ek-applier.json", arrays: &["keys", "scenarios"], read: applier::read },
    Layout {
        file: "ek-startup.json",
        arrays: &[
            "guards",
            "local_epoch_rollback",
            "node_id_collision",
            "sidecar_behind_log",
            "relevant_opcodes",
            "snapshot_header",
        ],
        read: startup::read,
    },
    Layout { file: "ek-store-path.json", arrays: &["keys", "write_gate", "reads"], read: store_path::read },
];

/// A cipher with that one key.
fn cipher_of(engine: &'static dyn Engine, key_id: u32, dek: &[u8]) -> Result<Cipher, String> {
    let keystore = Keystore::new(engine);
    keystore.set(key_id, dek).map_err(|e| format!("the vector's own key was refused: {e}"))?;
    Ok(Arc::new(keystore).into())
}

/// A valid key id other than that one.
fn other_key_id(key_id: u32) -> u32 {
    key_id.wrapping_add(1).max(1)
}

/// Checks that a call ended with the outcome of that name: empty for success, `OTHER` for any error.
fn ends_as<T>(what: &str, seen: &Result<T, Error>, expect: &str) -> Judgement {
    let error = seen.as_ref().err().map(|error| Named { name: error.spec_name(), reason: error.to_string() });
    ends_by_name(what, error, expect)
}

/// Checks that a call succeeded, or failed with an error of that name; `OTHER` accepts any error. The message
/// includes the error's reason, because most errors have no name of their own in the reference.
fn ends_by_name(what: &str, error: Option<Named>, expect: &str) -> Judgement {
    let fits = match &error {
        None => expect.is_empty(),
        Some(error) => expect == "OTHER" || expect == error.name,
    };
    if fits {
        return Ok(());
    }
    let expected = if expect.is_empty() { "success" } else { expect };
    let seen = error.map_or_else(|| "success".to_owned(), |error| error.to_string());
    Err(format!("{what}: expected {expected}, got: {seen}"))
}

/// An error's name in the reference, and its message.
struct Named {
    name: &'static str,
    reason: String,
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.name {
            "OTHER" => f.write_str(&self.reason),
            name => write!(f, "{name} ({})", self.reason),
        }
    }
}

/// The name and the reason of a storage scheme's error, if there is one.
fn named<T>(seen: &Result<T, scheme::storage::Error>) -> Option<Named> {
    seen.as_ref().err().map(|error| Named { name: error.spec_name(), reason: error.to_string() })
}

/// A record, the AAD that it is bound to, and the message that it opens to under the key being tried.
struct Good<'a> {
    record: &'a [u8],
    aad: Aad<'a>,
    plaintext: &'a [u8],
}

/// Checks that both calls open a record with the expected result, that a refusal releases nothing, and that
/// the good record opens afterwards. A record that opens must yield the good one's message.
fn opens_as(cipher: &Cipher, record: &[u8], aad: &Aad<'_>, expect: &str, good: &Good<'_>) -> Judgement {
    let opened = cipher.open(record, aad);
    ends_as("open", &opened, expect)?;
    if let Ok(plaintext) = opened {
        same("open", &plaintext, good.plaintext)?;
    }
    let mut buffer = record.to_vec();
    let in_place = cipher.open_in_place(&mut buffer, aad).map(|plaintext| plaintext.to_vec());
    ends_as("open_in_place", &in_place, expect)?;
    match in_place {
        Ok(plaintext) => same("open_in_place", &plaintext, good.plaintext)?,
        Err(error) => left(error, record, &buffer)?,
    }
    let mut buffer = good.record.to_vec();
    let again = cipher.open_in_place(&mut buffer, &good.aad);
    same(
        "a good record afterwards",
        again.map_err(|e| format!("a good record afterwards: {e}"))?,
        good.plaintext,
    )
}

/// Checks the buffer after a refused open: zeros in place of the ciphertext if the cipher ran, and otherwise
/// the record unchanged; header and tag unchanged in any case.
fn left(error: Error, record: &[u8], buffer: &[u8]) -> Judgement {
    let mut expected = record.to_vec();
    if matches!(error, Error::Integrity | Error::Aead(_)) && record.len() >= OVERHEAD {
        expected[HEADER_LEN..record.len() - TAG_LEN].fill(0);
    }
    if buffer == expected {
        return Ok(());
    }
    Err("a refused open_in_place must zero the ciphertext, or change nothing if the cipher did not run"
        .into())
}

#[cfg(test)]
mod tests;
