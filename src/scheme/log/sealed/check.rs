//! Reads a whole sealed log, every record and every block, and writes nothing.

use std::path::Path;
use std::sync::Arc;

use super::error::Error;
use super::head::Head;
use super::key::LogKey;
use super::replay::{Options, replay};
use super::table::{Of, Table};
use crate::disk::Disk;
use crate::scheme::log::table::Entry;
use crate::scheme::log::wal::Record;

/// What a log holds.
#[derive(Clone, Copy, Debug)]
pub enum Item<'a> {
    /// A record, in the order of the log.
    Record(Record<'a>),
    /// An entry of a table, after all records; tables oldest first.
    Entry(u64, Entry<'a>),
}

/// What was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Checked {
    /// The durable head.
    pub head: Head,
    /// The place after the last intact frame: the head, or later.
    pub last: Head,
    /// Bytes after it that [`Tail::Truncate`](crate::scheme::log::wal::Tail) ignored.
    pub torn: u64,
    /// Records.
    pub records: u64,
    /// Tables.
    pub tables: u64,
    /// Blocks in them.
    pub blocks: u64,
}

/// Reads a log without a lock: a writer that appends meanwhile can make it fail. Gives everything to `each`
/// once it has been verified.
///
/// # Errors
/// As [`Log::open`](super::Log::open), but never [`Error::InUse`]; what was given before is authentic.
pub fn check(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    key: &LogKey,
    options: &Options,
    each: &mut dyn FnMut(Item<'_>),
) -> Result<Checked, Error> {
    let state = replay(disk, dir, key, options, &mut |record| each(Item::Record(*record)))?;
    let head = state.stored.head;
    let of = Of { disk: &**disk, dir, key, log: &head.log };
    let mut blocks = 0;
    for table in state.tables.values() {
        let open = Table::load(of, table)?;
        open.scan(&mut |entry| each(Item::Entry(table.number, *entry)))?;
        blocks += open.blocks() as u64;
    }
    Ok(Checked {
        head,
        last: Head { frames: state.place.number, tag: state.place.before, ..head },
        torn: state.torn,
        records: state.records,
        tables: state.tables.len() as u64,
        blocks,
    })
}
