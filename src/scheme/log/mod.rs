//! The checked log: a key-value store on a write-ahead log and sorted tables, whose files cannot rot in
//! silence.
//!
//! `log/checked` follows KVStore (Jlypx/KVStore at b311f6e), byte for byte: the records of its log ([`wal`]),
//! its tables ([`table`]), the commands of its replicated log ([`command`]) and its Raft files
//! ([`raft_files`]), each with the reference's checks in the reference's order, the code and the number of
//! the record. `log/sealed` is our own format. This implementation belongs to a test harness, and nobody has
//! audited it.
//!
//! # The promise
//!
//! - A write that was acknowledged is in the log after a crash at any moment, as far as the disk keeps what
//!   it has synced.
//! - A write that was not acknowledged is in the log as a whole or not at all.
//! - `log/checked`: an accident to a byte that a checksum covers is refused with its code and place, except
//!   with the probability that two contents share a CRC-32C: 2^-32 for an arbitrary alteration, none for a
//!   burst of up to 32 bits among the covered bytes.
//! - `log/sealed`: nobody without the key alters, moves, copies, removes or replays a record unseen, up to
//!   the last durable head.
//!
//! # Trust boundaries
//!
//! - `log/checked` trusts everybody who can write to its files. A checksum is no signature: whoever alters a
//!   byte can correct it.
//! - `log/sealed` trusts nobody who can write to its files, and everybody who has its key. It trusts the
//!   caller to remember the head where a whole folder may be put back.
//! - Both trust the disk to keep what it has synced. The crash campaign tests this code, not the drive.
//! - The service trusts its clients: they are not authenticated. Its secure profile authenticates the server
//!   and keeps others from reading along.
//!
//! # Where it does otherwise than the reference
//!
//! - [`DIRECTORY_SYNC`]: a new file's name is synced, and files that are replaced are replaced as a whole.
//!   The reference syncs its logs only, and no folder, so a power cut may take away a whole file. A start
//!   syncs the folder too, and replaces the last log that holds records by a copy: after a kill or a failed
//!   sync, its end may be in the system's memory only.
//! - [`TRUNCATE_TAIL`]: strict by default, as the reference, which never again opens a log that ends inside a
//!   record. With [`Tail::Truncate`], such an end is dropped: only the last, incomplete record, and never one
//!   whose checksum is wrong.
//! - [`BOUNDED_COUNT`]: a count reserves no more memory than the file has room for. In the reference, a
//!   forged count with a correct checksum exhausts the memory.
//! - [`DURABLE_REQUEST_IDS`]: request ids survive the installation of a snapshot and a restart, in a file
//!   whose name the reference ignores.
//! - [`ATOMIC_INSTALL`]: a snapshot is installed as a whole or not at all. The reference deletes all files
//!   first.
//! - [`WRITTEN_CONTRACT`]: where the reference's service breaks its own documents, the documents hold: a
//!   delete with a request id that is too long is refused, and so is an id that another request has used.
//! - [`COMPARE_CONTENT`]: a retry is recognised by its content. The reference compares checksums, which two
//!   contents may share.
//! - [`HALT_ON_UNDECODABLE`]: a committed command that does not decode halts the member. The reference skips
//!   it in silence, and members differ from then on.
//!
//! # What it does not detect
//!
//! `log/checked`; the fault injector asserts, both ways, what concerns logs and tables:
//!
//! - A forged file: any alteration whose checksum was corrected.
//! - The last ten bytes of a table's header, which no checksum covers: they can be altered freely.
//! - A log that ends after a whole record, because its last records were cut off; a record that was repeated,
//!   moved, or copied from another log; a file that is missing, or that took another's place.
//! - With [`Tail::Truncate`]: a last record that was acknowledged, and of which an accident cut off the end
//!   or left zeros only. It looks as a crash leaves an unacknowledged one.
//! - A table's index may hold bytes after its last entry, and [`Table::get`] does not look at the entries
//!   after the one that it seeks.
//! - A block that rots in the file while its content is in the [`table::Cache`].
//! - `meta.bin` and `log.bin` have no checksums at all: terms, votes and commands can be altered freely.
//!
//! `log/sealed`: a log that was cut after its last durable head, and a whole folder that was put back, unless
//! the caller gives the head that it expects. [`sealed`] also names alterations that pass and lose nothing,
//! such as the last head put back before anything was appended after it.
//!
//! # Explicit gaps
//!
//! - A last record that is complete in length but not in content, because a crash left some of its sectors
//!   unwritten, is refused as `CHECKSUM_MISMATCH` under either policy: it cannot be told from an
//!   acknowledged record that rotted.
//! - Old logs are never deleted except when a snapshot is installed, as in the reference, so opening replays
//!   all history. It also writes what was written since the last flush once more, and needs the space for it:
//!   the format does not tell whether all of it is on the medium.
//! - Traffic between members is not part of this scheme. In the reference it is never encrypted.

pub mod command;
pub mod engine;
mod error;
pub mod limit;
pub mod raft_files;
mod scheme;
pub mod sealed;
pub mod service;
pub mod table;
pub mod wal;

pub use error::{Code, Damage, Error};
pub use limit::{MAX_KEY_LEN, MAX_REQUEST_ID_LEN, MAX_VALUE_LEN};
pub use scheme::history;
pub(super) use scheme::{CHECKED, SEALED};
pub use table::Table;
pub use wal::{Operation, Record, Tail};

/// Rule: a new file's name is synced, and a replaced file is replaced as a whole (spec §2, §3, §4).
pub const DIRECTORY_SYNC: &str = "directory-sync";
/// Rule: an incomplete final record is dropped, where the caller asks for it (spec §2).
pub const TRUNCATE_TAIL: &str = "truncate-tail";
/// Rule: a count reserves no more memory than the file has room for (spec §3).
pub const BOUNDED_COUNT: &str = "bounded-count";
/// Rule: request ids survive an installed snapshot and a restart (spec §4).
pub const DURABLE_REQUEST_IDS: &str = "durable-request-ids";
/// Rule: a snapshot is installed as a whole or not at all (spec §4).
pub const ATOMIC_INSTALL: &str = "atomic-install";
/// Rule: the documented contract holds where the reference breaks it (spec §5, §8).
pub const WRITTEN_CONTRACT: &str = "written-contract";
/// Rule: a retry is recognised by its content, not by a checksum of it (spec §5).
pub const COMPARE_CONTENT: &str = "compare-content";
/// Rule: a committed command that does not decode halts the member (spec §5).
pub const HALT_ON_UNDECODABLE: &str = "halt-on-undecodable";
/// Every rule that makes this scheme safer than the reference.
pub const RULES: [&str; 8] = [
    DIRECTORY_SYNC,
    TRUNCATE_TAIL,
    BOUNDED_COUNT,
    DURABLE_REQUEST_IDS,
    ATOMIC_INSTALL,
    WRITTEN_CONTRACT,
    COMPARE_CONTENT,
    HALT_ON_UNDECODABLE,
];
