//! Applies log entries to sidecar, keystore and registry, in the order of spec §8.
//!
//! Follows elastickv `internal/encryption/applier.go`. Any failure halts: the caller must not continue with
//! the next entry. After a restart, entries that were already applied are applied again and must then change
//! nothing. The reference resets an epoch or halts in that case; ours does neither (the rule `replay-is-done`
//! in the scheme's docs).

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use super::dek::insert_distinct;
use super::missing;
use super::registry::Registry;
use super::wire::{Bootstrap, Entry, Registration, Rotation, Subtag};
use super::{
    Error, Kek, Purpose, Sidecar, SidecarFile, Sign, SnapshotHeader, StateCache, epoch, guards, sidecar,
};
use crate::disk::Store;
use crate::envelope::Keystore;
use crate::envelope::nonce::node_id16;
use crate::timing::wall::{self, Clock};

mod cutover;

/// The means to change keys. A node has all of them, or only maintains the registry.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Unwraps the data keys that arrive in the log.
    pub kek: Arc<dyn Kek>,
    /// Holds the unwrapped data keys.
    pub keystore: Arc<Keystore>,
    /// Stores the wrapped data keys.
    pub sidecar: Arc<SidecarFile>,
}

/// This process, as the log sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The node's whole id.
    pub full_node_id: u64,
    /// The epoch of its storage nonces.
    pub storage_epoch: u16,
    /// The epoch of its raft nonces.
    pub raft_epoch: u16,
}

impl Identity {
    /// The epoch of its nonces for that purpose.
    pub fn epoch(&self, purpose: Purpose) -> u16 {
        match purpose {
            Purpose::Storage => self.storage_epoch,
            Purpose::Raft => self.raft_epoch,
        }
    }

    /// Whether so few epochs are left for that purpose that the node should join again under a new raft id.
    pub fn epoch_nearly_used_up(&self, purpose: Purpose) -> bool {
        epoch::nearly_used_up(self.epoch(purpose))
    }

    /// Its registration under a key.
    pub fn registration(&self, purpose: Purpose, dek_id: u32) -> Registration {
        Registration { dek_id, full_node_id: self.full_node_id, local_epoch: self.epoch(purpose) }
    }
}

/// Called with the active raft key and the cut-over index whenever entries are to be sealed under that key.
pub type Installer = Box<dyn Fn(u32, u64) -> Result<(), Error> + Send + Sync>;

/// Why an entry was not applied. The engine stops before the next one and does not count this one as applied.
#[derive(Debug, thiserror::Error)]
#[error("halted at log index {index}: {cause}")]
pub struct Halt {
    /// The entry's index.
    pub index: u64,
    /// The error that stopped it.
    pub cause: Error,
}

/// Applies entries in order.
pub struct Applier {
    keys: Option<Keys>,
    pub(super) store: Arc<dyn Store>,
    identity: Identity,
    cache: Arc<StateCache>,
    installers: Vec<Installer>,
    clock: Arc<dyn Clock>,
    /// This node's last epoch by key, as the registry had it when this process started.
    own_rows: HashMap<u32, u16>,
}

impl Applier {
    /// An applier that starts from the sidecar, if there is one, and from this node's rows in the registry.
    ///
    /// # Errors
    /// Those of [`SidecarFile::read`], except for a missing file; those of [`Registry::of_node`];
    /// [`Error::SidecarMissing`] if keys can be changed and there are rows of this node, but no sidecar.
    pub fn new(keys: Option<Keys>, store: Arc<dyn Store>, identity: Identity) -> Result<Self, Error> {
        let own_rows = Registry(&*store).of_node(identity.full_node_id)?;
        let (cache, installers, clock) = (Arc::default(), Vec::new(), Arc::new(wall::System));
        let applier = Self { keys, store, identity, cache, installers, clock, own_rows };
        let sidecar = applier.sidecar()?;
        if let (Some(_), false, Some(dek_id)) =
            (&applier.keys, missing::has_keys(sidecar.as_ref()), applier.own_rows.keys().min())
        {
            return Err(Error::SidecarMissing(Sign::OwnRow(*dek_id)));
        }
        if let Some(sidecar) = sidecar {
            applier.refresh(&sidecar)?;
        }
        Ok(applier)
    }

    /// Adds an installer: it is called whenever log entries are to be sealed under another key. If entries
    /// are already sealed, all installers are called now.
    ///
    /// # Errors
    /// Those of [`SidecarFile::read`], and the installer's.
    pub fn with_installer(mut self, installer: Installer) -> Result<Self, Error> {
        self.installers.push(installer);
        if let Some(sidecar) = self.sidecar()? {
            self.install(&sidecar)?;
        }
        Ok(self)
    }

    /// Takes a new key's creation time from `clock`, for published vectors.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The state that the write path reads.
    pub fn cache(&self) -> &Arc<StateCache> {
        &self.cache
    }

    /// The sidecar on the disk, if there is one.
    ///
    /// # Errors
    /// Those of [`SidecarFile::read`], except for a missing file.
    pub fn sidecar(&self) -> Result<Option<Sidecar>, Error> {
        self.keys.as_ref().map_or(Ok(None), |keys| keys.sidecar.find())
    }

    /// Checks a snapshot that a running node has installed and whose content is now in its store: it must not
    /// require keys that this node lacks. Afterwards the write path sees the registry's new state.
    ///
    /// # Errors
    /// Those of [`guards::check_snapshot_cutover`]; for a node without keys those of
    /// [`missing::check_store`]. The node must then stop.
    pub fn restored(&self, snapshot: &SnapshotHeader) -> Result<(), Error> {
        let sidecar = self.sidecar()?;
        let cutover = sidecar.as_ref().map_or(0, |sidecar| sidecar.raft_envelope_cutover_index);
        guards::check_snapshot_cutover(snapshot.cutover, cutover)?;
        match sidecar.filter(|sidecar| missing::has_keys(Some(sidecar))) {
            Some(sidecar) => self.refresh(&sidecar),
            None => missing::check_store(&*self.store, self.identity.full_node_id),
        }
    }

    /// Checks that the keys in an entry that was applied before are those in the sidecar. Entries that bring
    /// no keys pass.
    ///
    /// # Errors
    /// [`Error::SidecarInconsistent`]; the KEK's own.
    pub(super) fn check_has(&self, sidecar: &Sidecar, entry: &Entry) -> Result<(), Error> {
        let Some(keys) = &self.keys else { return Ok(()) };
        let check = |purpose, key_id, wrapped: &[u8]| {
            check_brought(keys, sidecar, purpose, key_id, wrapped).map_err(|error| match error {
                Error::Apply(_) => {
                    Error::SidecarInconsistent("the log brought keys that differ from its own")
                }
                other => other,
            })
        };
        match entry {
            Entry::Bootstrap(new) => {
                check(Purpose::Storage, new.storage_id, &new.wrapped_storage)?;
                check(Purpose::Raft, new.raft_id, &new.wrapped_raft)
            }
            Entry::Rotation(new) if new.subtag == Subtag::Rotate => {
                check(new.purpose, new.dek_id, &new.wrapped)
            }
            _ => Ok(()),
        }
    }

    /// This process, as the log sees it.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Applies the entry at that log index, opcode first; returns whether it was one of this scheme's.
    ///
    /// # Errors
    /// [`Halt`].
    pub fn apply(&mut self, index: u64, entry: &[u8]) -> Result<bool, Halt> {
        let applied = Entry::decode(entry).and_then(|entry| {
            let Some(entry) = entry else { return Ok(false) };
            self.apply_entry(index, &entry)?;
            Ok(true)
        });
        applied.map_err(|cause| Halt { index, cause })
    }

    fn apply_entry(&self, index: u64, entry: &Entry) -> Result<(), Error> {
        match entry {
            Entry::Registration(row) => {
                Registry(&*self.store).register_at(index, row)?;
                self.sidecar()?.map_or(Ok(()), |sidecar| self.refresh(&sidecar))
            }
            Entry::Bootstrap(bootstrap) => self.bootstrap(self.keys()?, index, bootstrap),
            Entry::Rotation(rotation) => {
                let keys = self.keys()?;
                match rotation.subtag {
                    Subtag::Rotate => self.rotate(keys, index, rotation),
                    Subtag::EnableStorage => self.enable_storage(keys, index, rotation),
                    Subtag::EnableRaft => self.enable_raft(keys, index, rotation),
                }
            }
        }
    }

    /// The means to change keys; only a node with the flag and a KEK has them.
    pub(super) fn keys(&self) -> Result<&Keys, Error> {
        self.keys.as_ref().ok_or(Error::KekNotConfigured)
    }

    fn bootstrap(&self, keys: &Keys, index: u64, new: &Bootstrap) -> Result<(), Error> {
        if new.storage_id == new.raft_id {
            return Err(Error::Apply("storage and raft have the same key id"));
        }
        if new.rows.iter().any(|row| ![new.storage_id, new.raft_id].contains(&row.dek_id)) {
            return Err(Error::Apply("a row is for a key that the bootstrap does not bring"));
        }
        let registry = Registry(&*self.store);
        let before = keys.sidecar.find()?;
        let brought = [
            (Purpose::Storage, new.storage_id, &new.wrapped_storage),
            (Purpose::Raft, new.raft_id, &new.wrapped_raft),
        ];
        let done = before.as_ref().filter(|sidecar| is_done(sidecar, index));
        if let Some(sidecar) = done {
            for (purpose, key_id, wrapped) in brought {
                check_brought(keys, sidecar, purpose, key_id, wrapped)?;
            }
        }
        if done.is_some() || is_bootstrapped(before.as_ref(), new)? {
            // Its rows may be missing: the power may have failed after the sidecar was written and before
            // they were.
            new.rows.iter().try_for_each(|row| registry.ensure(row))?;
            return self.finish(keys, index).map(drop);
        }
        let [storage, raft] =
            brought.map(|(purpose, key_id, wrapped)| keys.kek.unwrap(purpose, key_id, wrapped));
        let deks = [(new.storage_id, storage?), (new.raft_id, raft?)];
        for (purpose, key_id, _) in brought {
            self.check_epoch(before.as_ref(), purpose, key_id)?;
        }
        // Before the sidecar is written: an entry that halts must not count as applied when it is replayed.
        let rows = registry.changes(&new.rows)?;
        insert_distinct(&keys.keystore, &deks)?;
        let sidecar = keys.sidecar.update_or_begin(|sidecar| {
            for (purpose, key_id, wrapped) in brought {
                self.add_key(sidecar, purpose, key_id, wrapped, 0);
                sidecar.activate(purpose, key_id);
            }
            sidecar.applied(index);
            Ok(sidecar.clone())
        })?;
        self.store.commit(&rows)?;
        self.refresh(&sidecar)
    }

    fn rotate(&self, keys: &Keys, index: u64, new: &Rotation) -> Result<(), Error> {
        let &Rotation { dek_id, purpose, .. } = new;
        if new.proposer.dek_id != dek_id {
            return Err(Error::Apply("the proposer's row is for another key"));
        }
        let registry = Registry(&*self.store);
        let before = keys.sidecar.find()?;
        if let Some(sidecar) = before.as_ref().filter(|sidecar| is_done(sidecar, index)) {
            check_brought(keys, sidecar, purpose, dek_id, &new.wrapped)?;
            registry.ensure(&new.proposer)?;
            return self.turn_to(purpose, sidecar);
        }
        let dek = keys.kek.unwrap(purpose, dek_id, &new.wrapped)?;
        self.check_epoch(before.as_ref(), purpose, dek_id)?;
        let rows = registry.changes(&[new.proposer])?;
        insert_distinct(&keys.keystore, &[(dek_id, dek)])?;
        let sidecar = keys.sidecar.update(|sidecar| {
            self.add_key(sidecar, purpose, dek_id, &new.wrapped, self.identity.epoch(purpose));
            sidecar.activate(purpose, dek_id);
            sidecar.applied(index);
            Ok(sidecar.clone())
        })?;
        self.store.commit(&rows)?;
        self.turn_to(purpose, &sidecar)
    }

    /// Seals under the active key of that sidecar from now on.
    fn turn_to(&self, purpose: Purpose, sidecar: &Sidecar) -> Result<(), Error> {
        if purpose == Purpose::Raft {
            self.install(sidecar)?;
        }
        self.refresh(sidecar)
    }

    /// Checks that no process of this node has sealed under that key with this process's epoch: neither the
    /// sidecar knows one, nor did the registry when this process started. Called before the key becomes
    /// active, because from then on it seals.
    fn check_epoch(&self, before: Option<&Sidecar>, purpose: Purpose, key_id: u32) -> Result<(), Error> {
        let epoch = self.identity.epoch(purpose);
        if let Some(old) = before.and_then(|sidecar| sidecar.entry(key_id)) {
            if old.purpose != purpose {
                return Err(Error::Apply("the key already exists for another purpose"));
            }
            if old.local_epoch > epoch {
                return Err(Error::Apply("this node has used the key with a higher epoch: start it again"));
            }
        }
        match self.own_rows.get(&key_id) {
            Some(last_seen) if *last_seen >= epoch => Err(Error::LocalEpochRollback(key_id)),
            _ => Ok(()),
        }
    }

    /// Raises the applied index and shows the sidecar to the write path.
    fn finish(&self, keys: &Keys, index: u64) -> Result<Sidecar, Error> {
        let sidecar = keys.sidecar.update(|sidecar| {
            sidecar.applied(index);
            Ok(sidecar.clone())
        })?;
        self.refresh(&sidecar)?;
        Ok(sidecar)
    }

    fn install(&self, sidecar: &Sidecar) -> Result<(), Error> {
        match sidecar.raft_envelope_cutover_index {
            0 => Ok(()),
            cutover => {
                self.installers.iter().try_for_each(|installer| installer(sidecar.active_raft, cutover))
            }
        }
    }

    /// Puts a key into the sidecar. If the key is already there with a higher epoch, it keeps that: it has
    /// been used.
    fn add_key(&self, sidecar: &mut Sidecar, purpose: Purpose, key_id: u32, wrapped: &[u8], epoch: u16) {
        let used = sidecar.entry(key_id).map_or(0, |old| old.local_epoch);
        let entry = sidecar::Entry {
            purpose,
            wrapped: wrapped.to_vec(),
            created: rfc3339(self.clock.now()),
            local_epoch: epoch.max(used),
        };
        sidecar.keys.insert(key_id.to_string(), entry);
    }

    fn refresh(&self, sidecar: &Sidecar) -> Result<(), Error> {
        let own = &self.identity;
        let row = match sidecar.active_storage {
            0 => None,
            active => Registry(&*self.store).find(active, node_id16(own.full_node_id))?,
        };
        let registered =
            row.is_some_and(|row| row.full_node_id == own.full_node_id && row.last_seen == own.storage_epoch);
        self.cache.refresh(sidecar, registered);
        Ok(())
    }
}

/// Whether the entry at that index was applied before. Index 0 means unknown.
fn is_done(sidecar: &Sidecar, index: u64) -> bool {
    index != 0 && index <= sidecar.raft_applied_index
}

/// Checks that an entry that the sidecar counts as applied has left its key there. Otherwise the key would be
/// lost silently: the sidecar belongs to another log, or its index is damaged.
fn check_left(sidecar: &Sidecar, purpose: Purpose, key_id: u32) -> Result<&sidecar::Entry, Error> {
    sidecar.entry(key_id).filter(|entry| entry.purpose == purpose).ok_or(Error::Apply(
        "the sidecar counts it as applied but lacks its key: it belongs to another log, or is damaged",
    ))
}

/// [`check_left`], and checks that it is the same key. A wrap under a KEK that a rewrap has since replaced
/// proves nothing.
fn check_brought(
    keys: &Keys,
    sidecar: &Sidecar,
    purpose: Purpose,
    key_id: u32,
    wrapped: &[u8],
) -> Result<(), Error> {
    if check_left(sidecar, purpose, key_id)?.wrapped == wrapped {
        return Ok(());
    }
    match keys.kek.unwrap(purpose, key_id, wrapped) {
        Ok(dek) if keys.keystore.keys().holds(key_id, &dek) == Some(false) => {
            Err(Error::Apply("the sidecar has another key under its id: it belongs to another log"))
        }
        Ok(_) | Err(Error::Unwrap) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether the sidecar has exactly the keys that the bootstrap brings.
fn is_bootstrapped(sidecar: Option<&Sidecar>, new: &Bootstrap) -> Result<bool, Error> {
    let Some(sidecar) = sidecar.filter(|s| s.active_storage != 0 || s.active_raft != 0) else {
        return Ok(false);
    };
    let same = |key_id: u32, wrapped: &Vec<u8>| sidecar.entry(key_id).is_some_and(|e| e.wrapped == *wrapped);
    let ids = (sidecar.active_storage, sidecar.active_raft) == (new.storage_id, new.raft_id);
    if ids && same(new.storage_id, &new.wrapped_storage) && same(new.raft_id, &new.wrapped_raft) {
        Ok(true)
    } else {
        Err(Error::Apply("the cluster is already bootstrapped, with other keys"))
    }
}

/// Whole seconds in UTC.
fn rfc3339(time: SystemTime) -> String {
    let seconds = jiff::Timestamp::try_from(time).map_or(0, jiff::Timestamp::as_second);
    jiff::Timestamp::from_second(seconds).map_or_else(|_| String::new(), |second| second.to_string())
}

impl fmt::Debug for Applier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Applier").field("identity", &self.identity).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
