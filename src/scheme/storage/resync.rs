//! Creates a node's sidecar anew from a leader's (spec §11, §12), as every error about a lost or old sidecar
//! advises.
//!
//! The keys, the cut-overs and the applied index are the leader's. The epochs are this node's own, above
//! every one that this node, its registry or the leader's registry knows for it. A backup of `keys.json`
//! cannot replace this: it has the epochs of its day, under which nonces would repeat. elastickv designs this
//! but does not build it.
//!
//! The node must be stopped during a resync. Its log must then reach the leader's applied index, by entries
//! or by a snapshot, or its next start is refused ([`Error::SidecarNotOfRaftLog`]). Resync knows only the
//! epochs in a sidecar or a registry: a node that was started several times without a registration, and then
//! lost its sidecar, may come back at an epoch that it already had. The start itself raises the epoch once
//! more.

use subtle::ConstantTimeEq;

use super::registry::Registry;
use super::{Error, Kek, Sidecar, SidecarFile, epoch, guards, missing};
use crate::disk;

/// A leader's state, copied while the leader was stopped.
#[derive(Clone, Copy, Debug)]
pub struct Leader<'a> {
    /// Its sidecar.
    pub sidecar: &'a Sidecar,
    /// Its registry.
    pub registry: Registry<'a>,
}

/// The state that a node was resynced to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resynced {
    /// The node counts its log's key changes as applied up to this index.
    pub raft_applied_index: u64,
    /// The epoch of each key, by id.
    pub epochs: Vec<(u32, u16)>,
}

/// Writes a new sidecar for the node, replacing any existing one, and reports its content.
///
/// If the old sidecar can still be read, it is used: its epochs count, and it has the bytes of keys that the
/// leader has retired. If it cannot be read, it is overwritten.
///
/// # Errors
/// [`Error::ResyncRefused`] for a leader without keys, and for one that is behind this node or belongs to
/// another cluster, as far as the node's own sidecar and registry show; [`Error::KekMismatch`] for a key that
/// the KEK does not open; those of [`guards::check_slot`] for both registries; [`Error::LocalEpochExhausted`]
/// for an active key; [`Error::Disk`]. After an error nothing has been written.
pub fn resync(
    file: &SidecarFile,
    registry: Registry<'_>,
    full_node_id: u64,
    leader: &Leader<'_>,
    kek: &dyn Kek,
) -> Result<Resynced, Error> {
    disk::refuse_link(file.disk(), file.path())?;
    let own = match file.find() {
        // It is being replaced because it does not read.
        Err(error) if !matches!(error, Error::Disk(_) | Error::SidecarUnsure(_)) => None,
        read => read?,
    };
    leader.sidecar.check_whole()?;
    if !missing::has_keys(Some(leader.sidecar)) {
        return Err(Error::ResyncRefused("it has no keys itself"));
    }
    if own.as_ref().is_some_and(|own| own.raft_applied_index > leader.sidecar.raft_applied_index) {
        return Err(Error::ResyncRefused(
            "it has applied less than this node: take the leader's newest state",
        ));
    }
    let known = |key_id| leader.sidecar.entry(key_id).is_some();
    let own_keys = own.iter().flat_map(|own| own.entries()).map(|(key_id, _)| key_id);
    if !own_keys.chain(registry.of_node(full_node_id)?.into_keys()).all(known) {
        return Err(Error::ResyncRefused(
            "it lacks a key that this node has used: it is behind, or belongs to another cluster",
        ));
    }
    let mut sidecar = leader.sidecar.clone();
    for (name, entry) in &mut sidecar.keys {
        let key_id: u32 = name.parse().map_err(|_| Error::SidecarKeyIdFormat(name.clone()))?;
        let before = own.as_ref().and_then(|own| own.keys.get(name));
        let mut last = before.map_or(0, |before| before.local_epoch);
        for registry in [registry, leader.registry] {
            last =
                last.max(guards::check_slot(registry, key_id, full_node_id)?.map_or(0, |row| row.last_seen));
        }
        entry.local_epoch = last.saturating_add(1);
        let active = [leader.sidecar.active_storage, leader.sidecar.active_raft].contains(&key_id);
        if active && entry.local_epoch == epoch::LAST {
            return Err(Error::LocalEpochExhausted(key_id));
        }
        let before = before.map(|before| &before.wrapped).filter(|wrapped| !wrapped.is_empty());
        if entry.wrapped.is_empty() {
            entry.wrapped = before.cloned().unwrap_or_default();
        } else {
            let dek = kek.unwrap(entry.purpose, key_id, &entry.wrapped).map_err(|error| match error {
                Error::Unwrap => Error::KekMismatch(key_id),
                other => other,
            })?;
            // A key of the node's own that does not open is a reason to resync.
            let own = before.filter(|own| **own != entry.wrapped);
            let own = own.and_then(|own| kek.unwrap(entry.purpose, key_id, own).ok());
            if own.is_some_and(|own| !bool::from(own.ct_eq(&dek[..]))) {
                return Err(Error::ResyncRefused(
                    "it has another key under an id of this node: it belongs to another cluster",
                ));
            }
        }
    }
    file.replace(&sidecar)?;
    let epochs = sidecar.entries().into_iter().map(|(key_id, entry)| (key_id, entry.local_epoch)).collect();
    Ok(Resynced { raft_applied_index: sidecar.raft_applied_index, epochs })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::disk::{Memory, Store};
    use crate::scheme::storage::testing::{FILE, NODE, kek, row, sidecar_with, wrapped};
    use crate::scheme::storage::{Purpose, Start, load};

    /// A leader with keys 1, 2 and 3, whose registry knows this node under key 1 at epoch 6.
    fn leader() -> (Sidecar, Memory) {
        let (_, file) = sidecar_with(|sidecar| {
            sidecar.raft_applied_index = 9;
            sidecar.storage_envelope_active = true;
            sidecar.storage_envelope_cutover_index = 7;
            let mut entry = sidecar.entry(1).unwrap().clone();
            (entry.wrapped, entry.local_epoch) = (wrapped(Purpose::Storage, 3), 40);
            sidecar.keys.insert("3".into(), entry);
        });
        let store = Memory::default();
        Registry(&store).register(&row(1, 6)).unwrap();
        (file.read().unwrap(), store)
    }

    fn resync_from(file: &SidecarFile, own: &Memory, leader: &(Sidecar, Memory)) -> Result<Resynced, Error> {
        let leader = Leader { sidecar: &leader.0, registry: Registry(&leader.1) };
        resync(file, Registry(own), NODE, &leader, &*kek())
    }

    #[test]
    fn a_lost_sidecar_comes_back_above_every_known_epoch_and_the_node_starts() {
        let (disk, file) = sidecar_with(|_| {});
        let (leader, own) = (leader(), Arc::<Memory>::default());
        Registry(&*own).register(&row(2, 8)).unwrap();
        for damage in [None, Some(&b"{"[..]), Some(b"")] {
            match damage {
                None => disk::Disk::remove(&disk, std::path::Path::new(FILE)).unwrap(),
                Some(bytes) => disk::durable_write(&disk, std::path::Path::new(FILE), bytes).unwrap(),
            }
            let resynced = resync_from(&file, &own, &leader).unwrap();
            let expected = Resynced { raft_applied_index: 9, epochs: vec![(1, 7), (2, 9), (3, 1)] };
            assert_eq!(resynced, expected, "{damage:?}");
        }
        let sidecar = file.read().unwrap();
        assert_eq!((sidecar.active_storage, sidecar.storage_envelope_cutover_index), (1, 7));
        assert_eq!(sidecar.entry(3).unwrap().wrapped, leader.0.entry(3).unwrap().wrapped);
        let start = Start {
            encryption_enabled: true,
            kek: Some(kek()),
            sidecar: Some(Arc::clone(&file)),
            store: own as Arc<dyn Store>,
            engine: crate::engine::find("sealmark").unwrap(),
            full_node_id: NODE,
            peers: Vec::new(),
            snapshot_cutover: 0,
        };
        let identity = load(start).unwrap().applier.identity();
        assert_eq!((identity.storage_epoch, identity.raft_epoch), (8, 10));
    }

    #[test]
    fn keys_and_epochs_that_only_its_own_sidecar_has_are_kept() {
        let (_, file) = sidecar_with(|sidecar| sidecar.entry_mut(1).unwrap().local_epoch = 20);
        let mut leader = leader();
        leader.0.activate(Purpose::Storage, 3);
        leader.0.entry_mut(1).unwrap().wrapped.clear();
        resync_from(&file, &Memory::default(), &leader).unwrap();
        let sidecar = file.read().unwrap();
        let retired = sidecar.entry(1).unwrap();
        assert_eq!(
            (retired.local_epoch, retired.wrapped.len()),
            (21, 60),
            "the leader retired the key, this node did not"
        );
        assert_eq!(sidecar.active_storage, 3);
    }

    #[test]
    fn a_leader_that_is_behind_or_of_another_cluster_is_refused_and_nothing_is_written() {
        type Change = fn(&mut (Sidecar, Memory), &Memory);
        let refused = |change: Change| {
            let (disk, file) = sidecar_with(|_| {});
            let (mut leader, own) = (leader(), Memory::default());
            change(&mut leader, &own);
            let steps = disk.steps().len();
            let refused = resync_from(&file, &own, &leader).unwrap_err();
            assert_eq!(disk.steps().len(), steps, "{refused}");
            refused
        };
        let why = |change: Change| match refused(change) {
            Error::ResyncRefused(why) => why,
            other => panic!("{other}"),
        };
        assert_eq!(why(|leader, _| leader.0 = Sidecar::default()), "it has no keys itself");
        let behind: Change = |leader, _| {
            leader.0.raft_applied_index = 4;
            leader.0.storage_envelope_cutover_index = 3;
        };
        assert!(why(behind).starts_with("it has applied less"));
        assert!(why(|_, own| Registry(own).register(&row(9, 0)).unwrap()).starts_with("it lacks a key"));
        let other: Change = |leader, _| leader.0.entry_mut(2).unwrap().wrapped = wrapped(Purpose::Raft, 7);
        assert!(why(other).starts_with("it has another key"));
        let kek: Change = |leader, _| leader.0.entry_mut(3).unwrap().wrapped[20] ^= 1;
        assert!(matches!(refused(kek), Error::KekMismatch(3)));
        let used_up: Change = |leader, _| Registry(&leader.1).register(&row(1, 0xfffe)).unwrap();
        assert!(matches!(refused(used_up), Error::LocalEpochExhausted(1)));
        let slot: Change = |_, own| {
            let twin = NODE ^ 1 << 63;
            let row = crate::scheme::storage::wire::Registration { full_node_id: twin, ..row(1, 0) };
            Registry(own).register(&row).unwrap();
        };
        assert!(matches!(refused(slot), Error::NodeIdCollision(..)));
    }
}
