//! The two cut-overs: from here on values, then log entries, are sealed.

use super::super::registry::Registry;
use super::super::wire::Rotation;
use super::super::{Error, Purpose};
use super::{Applier, Keys, check_left, is_done};

impl Applier {
    pub(super) fn enable_storage(&self, keys: &Keys, index: u64, new: &Rotation) -> Result<(), Error> {
        check_cutover(new, Purpose::Storage)?;
        let before = keys.sidecar.read()?;
        let stale = new.dek_id != before.active_storage;
        if is_done(&before, index) {
            check_left(&before, Purpose::Storage, new.dek_id)?;
            if before.storage_envelope_cutover_index == index {
                // This was the entry that cut over, not a stale or repeated one: only this one registered its
                // proposer.
                Registry(&*self.store).ensure(&new.proposer)?;
            }
        } else if !stale && !before.storage_envelope_active {
            Registry(&*self.store).register(&new.proposer)?;
            keys.sidecar.update(|sidecar| {
                sidecar.storage_envelope_active = true;
                sidecar.storage_envelope_cutover_index = index;
                sidecar.applied(index);
                Ok(())
            })?;
        }
        self.finish(keys, index).map(drop)
    }

    pub(super) fn enable_raft(&self, keys: &Keys, index: u64, new: &Rotation) -> Result<(), Error> {
        if index == 0 {
            return Err(Error::Apply("log entries cannot be sealed from index 0"));
        }
        check_cutover(new, Purpose::Raft)?;
        let before = keys.sidecar.read()?;
        if is_done(&before, index) {
            check_left(&before, Purpose::Raft, new.dek_id)?;
            if before.raft_envelope_cutover_index == index {
                Registry(&*self.store).ensure(&new.proposer)?;
            }
        }
        if before.raft_envelope_cutover_index != 0 {
            let sidecar = self.finish(keys, index)?;
            return self.install(&sidecar);
        }
        if is_done(&before, index) || new.dek_id != before.active_raft {
            return self.finish(keys, index).map(drop);
        }
        Registry(&*self.store).register(&new.proposer)?;
        keys.sidecar.update(|sidecar| {
            sidecar.raft_envelope_cutover_index = index;
            sidecar.applied(index);
            Ok(())
        })?;
        let sidecar = self.finish(keys, index)?;
        self.install(&sidecar)
    }
}

fn check_cutover(new: &Rotation, purpose: Purpose) -> Result<(), Error> {
    if new.purpose != purpose {
        return Err(Error::Apply("the cut-over's purpose differs from its key's"));
    }
    if !new.wrapped.is_empty() {
        return Err(Error::Apply("a cut-over brings a key"));
    }
    if new.proposer.dek_id != new.dek_id {
        return Err(Error::Apply("the proposer's row is for another key"));
    }
    Ok(())
}
