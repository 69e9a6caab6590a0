//! Defects that can be planted in a node. The campaign must find each of them.

use std::sync::Arc;

use super::NODE;
use super::sync_skipping::{Skipped, SyncSkippingDisk};
use crate::disk::{Disk, Recorder, Store};
use crate::scheme::storage::registry::Registry;
use crate::scheme::storage::wire::{self, Registration};
use crate::scheme::storage::{Error, SidecarFile};

/// A defect to plant in a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Defect {
    /// A folder is not synced after a rename.
    DirSyncSkipped,
    /// The registry's commits are not synced.
    CommitNotSynced,
    /// The raised epoch is used but not kept.
    BumpForgotten,
    /// Replaying a bootstrap resets the epochs to 0, as in the reference.
    ReplayResetsEpoch,
    /// The registry learns of an epoch before the sidecar does.
    RowBeforeSidecar,
}

impl Defect {
    /// The disk as a node with that defect, if any, uses it.
    pub(super) fn disk(planted: Option<Self>, disk: &Recorder) -> Arc<dyn Disk> {
        let skipping = |skipped| Arc::new(SyncSkippingDisk(disk.clone(), skipped));
        match planted {
            Some(Self::DirSyncSkipped) => skipping(Skipped::Folders),
            Some(Self::CommitNotSynced) => skipping(Skipped::Commits),
            _ => Arc::new(disk.clone()),
        }
    }

    /// The defect's action before a node loads.
    pub(super) fn before_load(self, file: &SidecarFile, store: &dyn Store) -> Result<(), Error> {
        if self == Self::RowBeforeSidecar { register_early(file, store) } else { Ok(()) }
    }

    /// The defect's action after a node has loaded.
    pub(super) fn after_load(self, file: &SidecarFile) -> Result<(), Error> {
        if self == Self::BumpForgotten { forget_bump(file) } else { Ok(()) }
    }

    /// The defect's action after an entry has been applied, for the first time or again.
    pub(super) fn after_apply(self, file: &SidecarFile, entry: &[u8], again: bool) -> Result<(), Error> {
        if self != Self::ReplayResetsEpoch || !again || entry.first() != Some(&wire::BOOTSTRAP) {
            return Ok(());
        }
        file.update(|sidecar| {
            sidecar.keys.values_mut().for_each(|entry| entry.local_epoch = 0);
            Ok(())
        })
    }
}

fn register_early(file: &SidecarFile, store: &dyn Store) -> Result<(), Error> {
    let Some(sidecar) = file.find()? else { return Ok(()) };
    let dek_id = sidecar.active_storage;
    match sidecar.entry(dek_id) {
        Some(entry) => {
            let local_epoch = entry.local_epoch + 1;
            Registry(store).register(&Registration { dek_id, full_node_id: NODE, local_epoch })
        }
        None => Ok(()),
    }
}

fn forget_bump(file: &SidecarFile) -> Result<(), Error> {
    let Some(sidecar) = file.find()? else { return Ok(()) };
    file.update(|changed| {
        if let Some(entry) = changed.entry_mut(sidecar.active_storage) {
            entry.local_epoch = entry.local_epoch.saturating_sub(1);
        }
        Ok(())
    })
}
