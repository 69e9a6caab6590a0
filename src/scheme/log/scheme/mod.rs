//! The modes as the fault injector and the workloads drive them. The pieces are files; each has its name as
//! its place.
//!
//! A message is the value of a record or of a table's entry. Everything else in it is fixed, so a record that
//! is not exactly as it was written counts as a message that was never protected. What takes several states
//! of a folder is a history ([`history`]). The file `checked` has the mode that the reference reads too,
//! `sealed` the other one.

mod checked;
mod sealed;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::wal::{Operation, Record};
use crate::scheme::Piece;

pub(in crate::scheme) use checked::CHECKED;
pub(in crate::scheme) use sealed::SEALED;

/// The key of every record and entry.
const KEY: &[u8] = b"key";
/// The request id of every record.
const REQUEST_ID: &[u8] = b"request";

/// The names of the histories that a mode declares.
pub mod history {
    /// A whole folder that is put back as it was.
    pub const FOLDER_PUT_BACK: &str = "folder-put-back";
    /// The head file that was there before the last one, put back before anything else is appended.
    pub const LAST_HEAD_PUT_BACK: &str = "last-head-put-back";
}

/// The message of a record, or all of its bytes if it was not written like that.
fn message_of(record: &Record<'_>) -> Vec<u8> {
    let &Record { op, key, value, request_id } = record;
    match (op, key, request_id) {
        (Operation::Put, KEY, REQUEST_ID) => value.to_vec(),
        _ => [&[op as u8], key, value, request_id].concat(),
    }
}

/// The files of a folder by name. Of two files with one name, the later one stays.
fn folder(pieces: &[Piece]) -> BTreeMap<&[u8], &[u8]> {
    pieces.iter().map(|piece| (&*piece.place, &*piece.bytes)).collect()
}
