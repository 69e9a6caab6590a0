//! The interoperability vectors of KVStore: logs and tables that it wrote, read or refused, whole, altered
//! and forged; scripts of its engine and of its service; its Raft files and commands.
//!
//! The decoders read the shape of a file and not its instances: a member, a step or a verdict that they do
//! not know is an error. Every flip and every cut is a case. Each step of a script is a case, judged after
//! the steps before it. The rows that the file of the service marks as upstream's bugs are judged by the
//! contract that upstream's documents state, and their outcome names the rule.

use std::sync::Arc;

use super::{Judgement, Layout, Node, Problem, Ruling, decimal, integer, ruled, same, without_cipher};
use crate::scheme::log::{Error, Operation, Record};

pub(in crate::verify) mod contract;
mod engine;
mod service;
mod table;
mod wal;

pub(in crate::verify) use service::ask;

/// Its files.
pub(super) const FILES: [Layout; 4] = [
    Layout {
        file: "kv-wal.json",
        arrays: &[
            "crc32c",
            "records",
            "file_verdict",
            "flips",
            "truncations",
            "appended_zero_bytes",
            "forged",
        ],
        read: wal::read,
    },
    Layout {
        file: "kv-sst.json",
        arrays: &["files", "corrupt_base_keys", "base_verdict", "flips", "truncations"],
        read: table::read,
    },
    Layout { file: "kv-engine.json", arrays: &["script", "files_after", "raft_storage"], read: engine::read },
    Layout {
        file: "kv-service.json",
        arrays: &["service", "commands", "command_decode", "grpc_status"],
        read: service::read,
    },
];

/// The integrity codes of a refusal.
const CODES: [&str; 7] = [
    "TRUNCATED_RECORD",
    "INVALID_MAGIC",
    "UNSUPPORTED_VERSION",
    "INVALID_OPERATION",
    "INVALID_RECORD",
    "CHECKSUM_MISMATCH",
    "IO_ERROR",
];
/// The folder of a log on a disk in memory.
pub(in crate::verify) const LOG_DIR: &str = "/log";
/// The folder of its tables. Where the recorder makes this one, it also makes the one above.
pub(in crate::verify) const TABLES_DIR: &str = "/log/sst";
/// The most bytes that a row may ask for in words, such as `len:1048577`: twice the longest legal value.
const MAX_REPEATED: u64 = 2 << 20;

/// Refuses a member of the outermost object that is neither common to all files nor one of these.
fn only(root: &Node<'_>, own: &[&str]) -> Result<(), Problem> {
    const COMMON: [&str; 5] = ["set", "file", "schema_version", "description", "source"];
    root.only(&[&COMMON, own].concat())
}

/// An integrity code, or the empty word for success.
fn code(node: &Node<'_>) -> Result<&'static str, Problem> {
    let known: Vec<&'static str> = [""].into_iter().chain(CODES).collect();
    node.word(&known)
}

/// The elements of an array that has a fixed number of them, which `are` names.
fn tuple<'a, const N: usize>(node: &Node<'a>, are: &str) -> Result<[Node<'a>; N], Problem> {
    let elements: Vec<Node<'a>> = node.elements()?.collect();
    let found = elements.len();
    elements.try_into().map_err(|_| node.problem(format!("{found} elements; expected {are}")))
}

/// A request that changes a key, as logs and commands hold it.
#[derive(Clone, PartialEq, Eq)]
struct Write {
    op: Operation,
    key: Vec<u8>,
    value: Vec<u8>,
    id: Vec<u8>,
}

impl Write {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        let (op, bytes) = (node.member("op")?, |name: &str| node.member(name)?.bytes());
        let known = || op.problem("expected 1, a put, or 2, a delete");
        let op = Operation::from_byte(integer(&op)?).ok_or_else(known)?;
        Ok(Self { op, key: bytes("key")?, value: bytes("value")?, id: bytes("request_id")? })
    }

    fn of(record: Record<'_>) -> Self {
        let [key, value, id] = [record.key, record.value, record.request_id].map(<[u8]>::to_vec);
        Self { op: record.op, key, value, id }
    }

    fn record(&self) -> Record<'_> {
        Record { op: self.op, key: &self.key, value: &self.value, request_id: &self.id }
    }

    /// Checks that they are the same, and says what differs.
    fn same(&self, vector: &Self) -> Judgement {
        equal("the operation", self.op, vector.op)?;
        same("the key", &self.key, &vector.key)?;
        same("the value", &self.value, &vector.value)?;
        same("the request id", &self.id, &vector.id)
    }
}

/// An error as a sentence.
fn words(error: impl Into<Error>) -> String {
    error.into().to_string()
}

/// Checks that a value is the vector's.
fn equal<T: PartialEq + std::fmt::Debug>(what: &str, seen: T, vector: T) -> Judgement {
    if seen == vector { Ok(()) } else { Err(format!("{what}: expected {vector:?}, got {seen:?}")) }
}

/// How a case alters the file that it is about. It is applied when the case runs, so that a file with
/// thousands of cases is in memory once.
enum Edit {
    /// The bits of the mask, at an offset, are flipped.
    Flip(usize, u8),
    /// So many bytes are left.
    Keep(usize),
    /// So many zeros follow.
    Zeros(usize),
}

impl Edit {
    /// A row `[offset, mask, verdict]`, and the verdict.
    fn flip<'a>(base: &[u8], node: &Node<'a>) -> Result<(Self, Node<'a>), Problem> {
        let [offset, mask, verdict] = tuple(node, "an offset, a mask and a verdict")?;
        let (at, bits) = (integer(&offset)?, integer(&mask)?);
        if at >= base.len() {
            return Err(offset.problem(format!("past the end of {} bytes", base.len())));
        }
        if bits == 0 {
            return Err(mask.problem("a mask of no bits alters nothing"));
        }
        Ok((Self::Flip(at, bits), verdict))
    }

    /// A row `[length, verdict]`, and the verdict.
    fn truncation<'a>(base: &[u8], node: &Node<'a>) -> Result<(Self, Node<'a>), Problem> {
        let [len, verdict] = tuple(node, "a length and a verdict")?;
        let kept = integer(&len)?;
        if kept > base.len() {
            return Err(len.problem(format!("more than all {} bytes", base.len())));
        }
        Ok((Self::Keep(kept), verdict))
    }

    /// A row `[number, verdict]`, and the verdict.
    fn zeros<'a>(node: &Node<'a>) -> Result<(Self, Node<'a>), Problem> {
        let [count, verdict] = tuple(node, "a number of bytes and a verdict")?;
        if count.number()? > MAX_REPEATED {
            return Err(count.problem(format!("more than {MAX_REPEATED} bytes")));
        }
        Ok((Self::Zeros(integer(&count)?), verdict))
    }

    /// The id of the case, after the name of its array.
    fn id(&self) -> String {
        match self {
            Self::Flip(at, bits) => format!("flips/{at}/{bits:#04x}"),
            Self::Keep(len) => format!("truncations/{len}"),
            Self::Zeros(count) => format!("appended_zero_bytes/{count}"),
        }
    }

    fn apply(&self, base: &[u8]) -> Vec<u8> {
        let mut bytes = base.to_vec();
        match *self {
            Self::Flip(at, bits) => bytes[at] ^= bits,
            Self::Keep(len) => bytes.truncate(len),
            Self::Zeros(count) => bytes.resize(base.len() + count, 0),
        }
        bytes
    }
}

#[cfg(test)]
mod tests;
