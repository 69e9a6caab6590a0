//! `log/sealed`: a log and tables that whoever can write to the folder cannot alter without notice.
//!
//! The formats are our own; nothing of the reference reads them. Records and blocks are envelope records,
//! sealed under an AAD of their file, their number and the tag before them
//! ([`Aad::Own`](crate::envelope::Aad)). Tables are noted in the log's chain, and a head file names the last
//! durable frame. The folder is flat:
//!
//! ```text
//! NNNNNN.wal   a new one for each run and each rotation; none is ever removed
//! NNNNNN.sst   tables
//! head         how far the log was durable at the last group sync
//! epoch        the nonce epoch (disk::EpochFile): raised durably before a run's first nonce
//! lock         keeps a second writer out
//! ```
//!
//! # Promise
//!
//! An opened log has every acknowledged record, unchanged and in order, and no other than its writer's; a
//! table has the entries that it was written with. Any flip, cut, swap, copy, removal or replay of a record,
//! a block or a file is refused. Records after the durable head are returned too if they are intact.
//!
//! # What it does not detect
//!
//! - A cut past the last durable head: nothing there was acknowledged. Under
//!   [`Tail::Truncate`](super::wal::Tail) that includes damage past the head.
//! - A whole folder, or everything that changed since some head, put back as it was at that head: give
//!   [`Options::expect_head`] a [`Head`] that was kept elsewhere. The same goes for another log's whole
//!   folder under the same key and name.
//! - A head put back if nothing was appended after the next one: it looks like a crash between the sync and
//!   the new head. Nothing is lost, because everything is in the chain.
//! - A higher epoch that was forged with its complement, files that the log does not name, the lock file:
//!   they hold nothing.
//!
//! A folder that was put back and is written to again repeats no nonce, although its epochs are repeated:
//! each file has a key from a random salt.
//!
//! # Cost and limits
//!
//! - A group sync syncs the WAL, the head's new file and the folder: three syncs, where the checked log has
//!   one. Append many records before you sync.
//! - A WAL is in memory as a whole while it is replayed. A log allows 2^32 - 1 runs.
//! - Opening writes the newest WAL anew if it holds anything after the durable head, as after a kill or a
//!   failed sync. If the last run ended after a sync, opening writes only a new WAL and a head.
//! - Under [`Tail::Strict`](super::wal::Tail), the default, a log whose last write was interrupted is
//!   refused.
//! - Lengths, the number of records and the time of writing are not hidden.

mod chain;
mod check;
mod error;
mod folder;
mod head;
mod key;
mod log;
mod note;
mod replay;
mod table;
mod table_writer;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod wal;

use std::io::ErrorKind;
use std::path::Path;

use crate::disk::Disk;

pub(super) use chain::FRAME_OVERHEAD;
pub use check::{Checked, Item, check};
pub use error::Error;
pub(super) use error::REFUSALS;
pub use head::{HEAD_LEN, Head};
pub(super) use key::HEADER_LEN;
pub use key::{ID_LEN, LogKey};
pub use log::Log;
pub(super) use note::RECORD_LEN;
pub use note::TableRef;
pub use replay::Options;
pub use table::{BLOCK_LEN, Table};

/// The epoch file.
const EPOCH: &str = "epoch";
/// The lock file.
const LOCK: &str = "lock";
/// The last epoch: four of a nonce's twelve bytes.
const LAST_EPOCH: u64 = u32::MAX as u64;

/// Removes a file's name, if there is one.
fn remove_if_there(disk: &dyn Disk, path: &Path) -> Result<(), Error> {
    match disk.remove(path) {
        Err(reason) if reason.kind() != ErrorKind::NotFound => Err(replay::io("removing", path)(reason)),
        _ => Ok(()),
    }
}
