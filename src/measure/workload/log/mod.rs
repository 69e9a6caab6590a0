//! Kinds of workloads that time the log: appending with and without the syncs, replaying, looking a key up in
//! a table and scanning one, each in both modes; and what these are made of, the checksum and the write.
//! `protect` and `recover` time its schemes as the fault injector drives them.

use crate::measure::workload::kind::Kind;

mod append;
mod checksum;
mod commit;
mod disks;
mod fixture;
mod get;
mod replay;
mod scan;
mod write;

use fixture::Mode;

/// Every kind of this scheme.
pub(super) const KINDS: &[&dyn Kind] = &[
    &append::Append(Mode::Checked),
    &append::Append(Mode::Sealed),
    &commit::Commit(Mode::Checked, 1),
    &commit::Commit(Mode::Sealed, 1),
    &commit::Commit(Mode::Checked, commit::GROUP),
    &commit::Commit(Mode::Sealed, commit::GROUP),
    &replay::Replay(Mode::Checked),
    &replay::Replay(Mode::Sealed),
    &get::Get(Mode::Checked),
    &get::Get(Mode::Sealed),
    &scan::Scan(Mode::Checked),
    &scan::Scan(Mode::Sealed),
    &checksum::Checksum,
    &write::Write,
];
