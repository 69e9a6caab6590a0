//! Wraps every key under another KEK, and retires keys that nothing needs (spec §11: designed upstream, not
//! built).
//!
//! Both change only this node's sidecar, in one durable write; nothing goes through the log.

use subtle::ConstantTimeEq;

use super::value::read;
use super::{Clear, Error, Kek, Purpose, Sidecar, SidecarFile, registry, rewrite};
use crate::disk::Store;
use crate::envelope::Cipher;

/// Wraps every key of the sidecar under `new`, which may be the same KEK with another binding, and returns
/// how many were not wrapped so already. Each new wrap is opened and compared before the file is written.
///
/// Stop the node first and start it again with `new`: a running node continues with `old`, and wraps the next
/// key that the log brings under that. No single KEK opens such a sidecar completely; call this again to
/// repair it. The log must bring no more keys under `old`, so apply all rotations first, on every member.
///
/// # Errors
/// [`Error::KekMismatch`] for a key that neither KEK opens; those of `new`; those of [`SidecarFile::update`].
/// After an error the file is unchanged.
pub fn rewrap(file: &SidecarFile, old: &dyn Kek, new: &dyn Kek) -> Result<usize, Error> {
    file.update(|sidecar| {
        let mut count = 0;
        let ids: Vec<(String, u32)> =
            sidecar.keys.keys().filter_map(|n| Some((n.clone(), n.parse().ok()?))).collect();
        for (name, key_id) in ids {
            let Some(entry) = sidecar.keys.get_mut(&name).filter(|entry| !entry.wrapped.is_empty()) else {
                continue;
            };
            let dek = match old.unwrap(entry.purpose, key_id, &entry.wrapped) {
                Ok(dek) => dek,
                Err(Error::Unwrap) => match new.unwrap(entry.purpose, key_id, &entry.wrapped) {
                    Ok(_) => continue,
                    Err(Error::Unwrap) => return Err(Error::KekMismatch(key_id)),
                    Err(error) => return Err(error),
                },
                Err(error) => return Err(error),
            };
            let wrapped = new.wrap(entry.purpose, key_id, &dek)?;
            if !bool::from(new.unwrap(entry.purpose, key_id, &wrapped)?.ct_eq(&*dek)) {
                return Err(Error::Unwrap);
            }
            entry.wrapped = wrapped;
            count += 1;
        }
        Ok(count)
    })
}

/// Evidence that a key is no longer needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Evidence {
    /// For a storage key.
    Storage {
        /// The oldest timestamp that a reader or a replica may still request.
        min_retained_ts: u64,
        /// The timestamp of the last commit under the key.
        youngest_ts: u64,
    },
    /// For a raft key.
    Raft {
        /// The last index seen under the key in the whole log; [`Proposals::last_index`] covers only this
        /// process.
        ///
        /// [`Proposals::last_index`]: super::Proposals::last_index
        last_index: u64,
        /// The log is compacted up to this index on every member.
        compacted_index: u64,
        /// The newest snapshot's index.
        snapshot_index: u64,
    },
}

/// Retires a key: removes its bytes from the sidecar, then from the keystore. Its entry and epoch stay, so
/// the id cannot come back below an epoch that it was used with. `clear` is the one that the store's readers
/// use.
///
/// # Errors
/// [`Error::KeyNotInSidecar`]; [`Error::KeyStillNeeded`] for an active key, for a key that the evidence does
/// not clear or is not about, and for a storage key if `store` still has a value under it or the rewrite is
/// not finished; those of [`count_under`] for a row that cannot be counted.
pub fn retire(
    file: &SidecarFile,
    cipher: &Cipher,
    clear: Clear,
    store: &dyn Store,
    key_id: u32,
    evidence: Evidence,
) -> Result<(), Error> {
    let needed = |why| Error::KeyStillNeeded(key_id, why);
    let idle = |sidecar: &Sidecar| {
        let purpose = sidecar.entry(key_id).ok_or(Error::KeyNotInSidecar(key_id))?.purpose;
        if sidecar.active(purpose) == key_id {
            Err(needed("it is active: rotate first"))
        } else {
            Ok(purpose)
        }
    };
    let sidecar = file.read()?;
    match (idle(&sidecar)?, evidence) {
        (Purpose::Storage, Evidence::Storage { min_retained_ts, youngest_ts }) => {
            if !rewrite::is_done(store, sidecar.active_storage)? {
                return Err(needed("values have not all been rewritten under the active key"));
            }
            if youngest_ts >= min_retained_ts {
                return Err(needed("a reader may still request values that it sealed"));
            }
            if count_under(cipher, clear, store, key_id)? != 0 {
                // The rewrite ended before the key became active once more.
                rewrite::begin_again(store, sidecar.active_storage)?;
                return Err(needed("there are values under it: run the rewrite again, from the start"));
            }
        }
        (Purpose::Raft, Evidence::Raft { last_index, compacted_index, snapshot_index }) => {
            if compacted_index < last_index || snapshot_index <= last_index {
                return Err(needed("the log still has entries under it, or no later snapshot"));
            }
        }
        _ => return Err(needed("the evidence is for a key of the other purpose")),
    }
    file.update(|now| {
        // Nothing is blocked during the scan, so a rotation may have come in between, and values with it.
        if now.active_storage != sidecar.active_storage || now.active_raft != sidecar.active_raft {
            return Err(needed("the active keys changed meanwhile: try again"));
        }
        if let Some(entry) = now.entry_mut(key_id) {
            entry.wrapped.clear();
        }
        Ok(())
    })?;
    if let Some(keystore) = cipher.keystore() {
        keystore.delete(key_id);
    }
    Ok(())
}

/// Counts the values under a key. `clear` is the one that the store's readers use.
///
/// # Errors
/// [`Error::Disk`]; [`Error::Stored`], which names the row and wraps an error of [`read`] for a value that
/// readers refuse, or [`Error::StrayRow`] for a row that is neither a value nor the scheme's own. Such a row
/// is never counted as zero.
pub fn count_under(cipher: &Cipher, clear: Clear, store: &dyn Store, key_id: u32) -> Result<u64, Error> {
    const ROWS: usize = 1024;
    let (mut count, mut after) = (0, None::<Vec<u8>>);
    loop {
        let rows = store.scan(b"", after.as_deref(), ROWS)?;
        for (key, stored) in &rows {
            let there = |error: Error| error.stored_at(key);
            if !registry::is_own((key, stored)).map_err(there)? {
                let under = read(Some(cipher), clear, key, stored).map_err(there)?.key_id;
                count += u64::from(under == Some(key_id));
            }
        }
        match rows.last() {
            Some((key, _)) if rows.len() == ROWS => after = Some(key.clone()),
            _ => return Ok(count),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::disk::Memory;
    use crate::scheme::storage::kek::Binding;
    use crate::scheme::storage::testing::{applier, kek, keystore, rotation, sidecar_with, wrapped};
    use crate::scheme::storage::wire::Subtag;
    use crate::scheme::storage::{LocalKek, sidecar};

    #[test]
    fn a_rewrap_changes_every_wrap_in_one_write_but_no_key() {
        let (disk, file) = sidecar_with(|_| {});
        let new = LocalKek::new(&[8; 32]).unwrap().with(Binding::Bound);
        let steps = disk.steps().len();
        assert_eq!(rewrap(&file, &*kek(), &new).unwrap(), 2);
        assert_eq!(disk.steps().len() - steps, 6, "one durable write");
        for (key_id, entry) in file.read().unwrap().entries() {
            assert!(kek().unwrap(entry.purpose, key_id, &entry.wrapped).is_err());
            assert_eq!(*new.unwrap(entry.purpose, key_id, &entry.wrapped).unwrap(), [key_id as u8; 32]);
        }
        let before = file.read().unwrap();
        assert_eq!(rewrap(&file, &*kek(), &new).unwrap(), 0, "they are already under it");
        let third = LocalKek::new(&[7; 32]).unwrap();
        assert_eq!(rewrap(&file, &*kek(), &third).unwrap_err().spec_name(), "ErrKEKMismatch");
        assert_eq!(file.read().unwrap(), before);
    }

    #[test]
    fn a_key_that_reached_a_running_node_after_a_rewrap_is_wrapped_by_the_next_one() {
        let (disk, file) = sidecar_with(|_| {});
        let new = LocalKek::new(&[8; 32]).unwrap();
        let mut running = applier(&disk, Arc::<Memory>::default(), 1);
        rewrap(&file, &*kek(), &new).unwrap();
        running.apply(6, &rotation(Subtag::Rotate, Purpose::Raft, 3, 1).encode()).unwrap();
        let opens = |kek: &dyn Kek| {
            let sidecar = file.read().unwrap();
            let opens = |(id, e): (u32, &sidecar::Entry)| kek.unwrap(e.purpose, id, &e.wrapped).is_ok();
            sidecar.entries().into_iter().map(opens).collect::<Vec<_>>()
        };
        assert_eq!((opens(&*kek()), opens(&new)), (vec![false, false, true], vec![true, true, false]));
        assert_eq!(rewrap(&file, &*kek(), &new).unwrap(), 1);
        assert_eq!(opens(&new), [true; 3]);
    }

    fn with_old_raft_key() -> Arc<SidecarFile> {
        let (_, file) = sidecar_with(|sidecar| {
            let entry = sidecar::Entry {
                purpose: Purpose::Raft,
                wrapped: wrapped(Purpose::Raft, 3),
                created: String::new(),
                local_epoch: 9,
            };
            sidecar.keys.insert("3".into(), entry);
        });
        file
    }

    #[test]
    fn a_raft_key_is_retired_once_log_and_snapshot_allow_it_and_its_epoch_stays() {
        let (file, keys, store) = (with_old_raft_key(), keystore(&[1, 2, 3]), Memory::default());
        let cipher = Cipher::from(Arc::clone(&keys));
        let try_with = |key_id, last_index, compacted_index, snapshot_index| {
            retire(
                &file,
                &cipher,
                Clear::Refused,
                &store,
                key_id,
                Evidence::Raft { last_index, compacted_index, snapshot_index },
            )
        };
        assert!(matches!(try_with(99, 1, 1, 2), Err(Error::KeyNotInSidecar(99))));
        for (key_id, last, compacted, snapshot) in [(2, 10, 10, 11), (3, 10, 9, 11), (3, 10, 10, 10)] {
            assert!(matches!(try_with(key_id, last, compacted, snapshot), Err(Error::KeyStillNeeded(..))));
        }
        let storage = Evidence::Storage { min_retained_ts: 9, youngest_ts: 1 };
        assert!(matches!(
            retire(&file, &cipher, Clear::Refused, &store, 3, storage),
            Err(Error::KeyStillNeeded(..))
        ));
        assert_eq!(keys.ids(), [1, 2, 3]);
        try_with(3, 10, 10, 11).unwrap();
        assert_eq!(keys.ids(), [1, 2]);
        let sidecar = file.read().unwrap();
        let entry = sidecar.entry(3).unwrap();
        assert_eq!((entry.wrapped.len(), entry.local_epoch), (0, 9));
    }
}
