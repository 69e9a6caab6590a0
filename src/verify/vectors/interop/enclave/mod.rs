//! The interoperability vectors of gnosisguild/enclave: keys and blobs that it wrote or refused, its routing
//! table, and the requirements for a round's life.
//!
//! The decoders read the shape of a file and not its instances. Every member, action, event and verdict that
//! they do not know is an error, because it would otherwise be skipped.

use super::{Judgement, Layout, Node, Problem, array, on_engine, only, same, without_cipher};
use crate::scheme::ephemeral::Error;

mod cipher;
mod lifecycle;
mod routing;

/// Its files.
pub(super) const FILES: [Layout; 3] = [
    Layout {
        file: "e3-cipher.json",
        arrays: &["passwords", "encrypt", "decrypt", "from_key_bytes", "wrapped"],
        read: cipher::read,
    },
    Layout { file: "e3-routing.json", arrays: &["routing", "is_timeout", "store_keys"], read: routing::read },
    Layout { file: "e3-lifecycle.json", arrays: &["scenarios"], read: lifecycle::read },
];

/// Checks that a call ended with the outcome of that name: empty for success, otherwise the error's own.
fn ends_as<T>(what: &str, seen: &Result<T, Error>, expect: &str) -> Judgement {
    let fits = match seen {
        Ok(_) => expect.is_empty(),
        Err(error) => expect == error.spec_name(),
    };
    if fits {
        return Ok(());
    }
    let expected = if expect.is_empty() { "success" } else { expect };
    let seen =
        seen.as_ref().map_or_else(|error| format!("{} ({error})", error.spec_name()), |_| "success".into());
    Err(format!("{what}: expected {expected}, got {seen}"))
}

#[cfg(test)]
mod tests;
