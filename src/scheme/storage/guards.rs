//! The checks that a node passes before it seals anything, one function per guard (spec §10).
//! [`mod@super::load`] defines their order.
//!
//! Follows elastickv `internal/encryption/startup_guards.go` and its neighbours.

use std::io;

use super::registry::{Registry, Writer};
use super::wire::{Entry, Rotation, Subtag, is_sidecar_relevant};
use super::{Error, Kek, Purpose, Sidecar, SidecarFile, epoch};
use crate::disk;
use crate::envelope::nonce::node_id16;

/// The prefix of the files that probe the file system.
const PROBE_PREFIX: &str = ".encryption-probe-";

/// Checks that a restored snapshot was cut over at the sidecar's index. A snapshot from before the cut-over
/// says 0, which is fine.
///
/// # Errors
/// [`Error::EnvelopeCutoverDivergence`].
pub fn check_snapshot_cutover(snapshot: u64, sidecar: u64) -> Result<(), Error> {
    if snapshot == 0 || snapshot == sidecar {
        return Ok(());
    }
    Err(Error::EnvelopeCutoverDivergence { snapshot, sidecar })
}

/// Checks that flag, KEK and sidecar fit together, that the KEK opens every key, that an epoch is left, and
/// that the file system keeps synced data. Returns the sidecar if encryption is on and there is one.
///
/// A corrupt sidecar does not hide a wrong flag: the sidecar is read only if both flag and KEK are set.
///
/// # Errors
/// In this order: those of [`disk::refuse_link`]; [`Error::SidecarPresentWithoutFlag`];
/// [`Error::KekRequiredWithFlag`]; those of [`SidecarFile::read`], then [`Sidecar::check_whole`];
/// [`Error::KekMismatch`] for the lowest key that the KEK does not open; [`Error::LocalEpochExhausted`] for
/// the active storage key, then the active raft key; those of [`disk::probe`].
pub fn check_configuration(
    encryption_enabled: bool,
    kek: Option<&dyn Kek>,
    file: Option<&SidecarFile>,
) -> Result<Option<Sidecar>, Error> {
    if let Some(file) = file {
        // Before the file is looked up: a dangling link is not the same as a missing file.
        disk::refuse_link(file.disk(), file.path())?;
    }
    let present = match file {
        None => false,
        Some(file) => file.disk().exists(file.path()).map_err(|reason| disk::Error::Io {
            doing: "looking for",
            path: file.path().into(),
            reason,
        })?,
    };
    if !encryption_enabled {
        return if present { Err(Error::SidecarPresentWithoutFlag) } else { Ok(None) };
    }
    let kek = kek.ok_or(Error::KekRequiredWithFlag)?;
    let sidecar = match file {
        Some(file) if present => Some(file.read()?),
        _ => None,
    };
    if let Some(sidecar) = &sidecar {
        sidecar.check_whole()?;
        for (key_id, entry) in sidecar.entries() {
            if !entry.wrapped.is_empty() {
                kek.unwrap(entry.purpose, key_id, &entry.wrapped).map_err(|error| match error {
                    Error::Unwrap => Error::KekMismatch(key_id),
                    other => other,
                })?;
            }
        }
        for active in [sidecar.active_storage, sidecar.active_raft] {
            if sidecar.entry(active).is_some_and(|entry| entry.local_epoch == epoch::LAST) {
                return Err(Error::LocalEpochExhausted(active));
            }
        }
    }
    if let Some(file) = file {
        disk::probe(file.disk(), disk::parent(file.path()), PROBE_PREFIX)?;
    }
    Ok(sidecar)
}

/// Checks that no two members share the 16 bits of node id that nonces carry. A member that is listed twice
/// counts once.
///
/// # Errors
/// [`Error::NodeIdCollision`].
pub fn check_node_ids(full_node_ids: &[u64]) -> Result<(), Error> {
    let mut seen = std::collections::HashMap::new();
    for &id in full_node_ids {
        let first = *seen.entry(node_id16(id)).or_insert(id);
        if first != id {
            return Err(Error::NodeIdCollision(first, id));
        }
    }
    Ok(())
}

/// Checks that the registry's slot for this node holds no other node's row.
///
/// # Errors
/// [`Error::NodeIdCollision`]; those of [`Registry::find`].
pub fn check_slot(registry: Registry<'_>, dek_id: u32, full_node_id: u64) -> Result<Option<Writer>, Error> {
    let row = registry.find(dek_id, node_id16(full_node_id))?;
    match row {
        Some(row) if row.full_node_id != full_node_id => {
            Err(Error::NodeIdCollision(row.full_node_id, full_node_id))
        }
        row => Ok(row),
    }
}

/// Checks, before the epoch is raised, that the sidecar is not behind the registry. At that point they are
/// usually equal.
///
/// # Errors
/// [`Error::LocalEpochRollback`]; those of [`check_slot`].
pub fn check_epoch_before_bump(
    registry: Registry<'_>,
    dek_id: u32,
    full_node_id: u64,
    sidecar_epoch: u16,
) -> Result<(), Error> {
    match check_slot(registry, dek_id, full_node_id)? {
        Some(row) if sidecar_epoch < row.last_seen => Err(Error::LocalEpochRollback(dek_id)),
        _ => Ok(()),
    }
}

/// Checks that the raised epoch is above every one that the registry has seen. Without a row of this node's
/// own, that cannot be known, and is accepted only while values are not sealed.
///
/// # Errors
/// [`Error::LocalEpochRollback`]; those of [`Registry::find`].
pub fn check_epoch_after_bump(
    registry: Registry<'_>,
    dek_id: u32,
    full_node_id: u64,
    sidecar_epoch: u16,
    storage_envelope_active: bool,
) -> Result<(), Error> {
    let row = registry.find(dek_id, node_id16(full_node_id))?;
    let ahead = match row.filter(|row| row.full_node_id == full_node_id) {
        Some(row) => sidecar_epoch > row.last_seen,
        None => !storage_envelope_active,
    };
    if ahead { Ok(()) } else { Err(Error::LocalEpochRollback(dek_id)) }
}

/// The engine's log, as far back as it can be searched.
pub trait LogScanner {
    /// Calls `entry` for every entry of the log from index `first` to `last`, both included, with its index
    /// and the output of [`Proposals::seal`](super::Proposals::seal), sealed or not. Skips compacted entries
    /// and the engine's own.
    ///
    /// # Errors
    /// The reason why the log could not be read.
    fn visit(&self, first: u64, last: u64, entry: &mut dyn FnMut(u64, &[u8])) -> io::Result<()>;
}

/// Returns the payload of the entry at that index, or the reason why it does not open:
/// [`Proposals::open`](super::Proposals::open).
pub type Open<'a> = dyn Fn(u64, &[u8]) -> Result<Vec<u8>, Error> + 'a;

/// The result of searching the log for key changes that the sidecar missed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gap {
    /// The sidecar missed none.
    None,
    /// The sidecar comes from a release that did not write its index, so this cannot be known. Warn.
    Unknown,
}

/// Checks that the log has no key change between the sidecar's index and the engine's, and has one at the
/// sidecar's own index unless that is compacted away. `open` returns an entry's payload; an entry that does
/// not open may be a key change and counts as one.
///
/// A crash can keep the engine from recording an entry as applied. The sidecar may therefore be ahead of the
/// engine's record by that entry, which is in the log. A sidecar that is ahead of the log belongs to another
/// log, and would count that log's entries as applied.
///
/// # Errors
/// [`Error::SidecarInconsistent`] from `open`; [`Error::SidecarNotOfRaftLog`];
/// [`Error::SidecarBehindRaftLog`]; either of the two also if there is something to search but no scanner;
/// [`Error::LogScan`].
pub fn check_log(
    sidecar: u64,
    engine: u64,
    scanner: Option<&dyn LogScanner>,
    open: &Open<'_>,
) -> Result<Gap, Error> {
    if sidecar == 0 {
        return Ok(Gap::Unknown);
    }
    let (mut own, mut missed, mut inconsistent) = (None, false, None);
    match scanner {
        None => missed = sidecar < engine,
        Some(scanner) => scanner
            .visit(sidecar, engine.max(sidecar), &mut |index, data| {
                let relevant = match open(index, data) {
                    Ok(payload) => payload.first().is_some_and(|opcode| is_sidecar_relevant(*opcode)),
                    Err(Error::SidecarInconsistent(why)) => {
                        inconsistent = Some(why);
                        true
                    }
                    Err(_) => true,
                };
                if index == sidecar {
                    own = Some(relevant);
                } else {
                    missed |= relevant;
                }
            })
            .map_err(|error| Error::LogScan(error.to_string()))?,
    }
    if let Some(why) = inconsistent {
        return Err(Error::SidecarInconsistent(why));
    }
    if own == Some(false) || (own.is_none() && sidecar > engine) {
        return Err(Error::SidecarNotOfRaftLog { sidecar, engine });
    }
    if missed { Err(Error::SidecarBehindRaftLog { sidecar, engine }) } else { Ok(Gap::None) }
}

/// Checks that the log has the cut-overs at the sidecar's indices, as far as the log goes back: one flipped
/// bit in an index is enough to leave sealed entries unopened. Ours alone.
///
/// # Errors
/// [`Error::SidecarInconsistent`]; [`Error::LogScan`].
pub fn check_cutovers(sidecar: &Sidecar, scanner: &dyn LogScanner, open: &Open<'_>) -> Result<(), Error> {
    for (cutover, subtag) in [
        (sidecar.storage_envelope_cutover_index, Subtag::EnableStorage),
        (sidecar.raft_envelope_cutover_index, Subtag::EnableRaft),
    ] {
        if cutover == 0 {
            continue;
        }
        let mut there = true;
        let visited = scanner.visit(cutover, cutover, &mut |_, data| {
            let entry = open(cutover, data).and_then(|payload| Entry::decode(&payload));
            there = matches!(entry, Ok(Some(Entry::Rotation(Rotation { subtag: of, .. }))) if of == subtag);
        });
        visited.map_err(|error| Error::LogScan(error.to_string()))?;
        if !there {
            return Err(Error::SidecarInconsistent("the log has no cut-over at the index that it gives"));
        }
    }
    Ok(())
}

/// Checks that every key that the log brought before its entries were sealed is the one in the sidecar, as
/// far as the log goes back. `check` is called with each entry that the sidecar has applied. Keys of another
/// cluster under the same KEK, or swapped wraps, would otherwise show only in the data that they seal. Ours
/// alone.
///
/// # Errors
/// Those of `check`, and those of `open`; [`Error::LogScan`].
pub fn check_keys(
    sidecar: &Sidecar,
    scanner: &dyn LogScanner,
    open: &Open<'_>,
    check: &dyn Fn(&Entry) -> Result<(), Error>,
) -> Result<(), Error> {
    let last = match sidecar.raft_envelope_cutover_index {
        0 => sidecar.raft_applied_index,
        cutover => cutover.min(sidecar.raft_applied_index),
    };
    if last == 0 {
        return Ok(());
    }
    let mut checked = Ok(());
    let visited = scanner.visit(1, last, &mut |index, data| {
        if checked.is_ok() {
            checked = open(index, data).and_then(|payload| match Entry::decode(&payload) {
                Ok(Some(entry)) => check(&entry),
                // The replay decides whether an entry can be applied.
                _ => Ok(()),
            });
        }
    });
    checked?;
    visited.map_err(|error| Error::LogScan(error.to_string()))
}

/// The guards that need the active keys, before their epochs are raised (step 4). The raft key's guard is
/// ours alone.
///
/// # Errors
/// Those of [`check_node_ids`], then those of [`check_epoch_before_bump`].
pub fn check_membership(
    peers: &[u64],
    registry: Registry<'_>,
    full_node_id: u64,
    sidecar: Option<&Sidecar>,
) -> Result<(), Error> {
    check_node_ids(&[peers, &[full_node_id]].concat())?;
    let Some(sidecar) = sidecar else { return Ok(()) };
    for purpose in [Purpose::Storage, Purpose::Raft] {
        let active = sidecar.active(purpose);
        if let Some(entry) = sidecar.entry(active) {
            check_epoch_before_bump(registry, active, full_node_id, entry.local_epoch)?;
        }
    }
    Ok(())
}
