//! Loads a node: runs every guard in order, loads the keys, raises the epochs, and after the log's replay
//! runs the guards that need it (spec §10).
//!
//! There are two calls because the engine replays its log in between, with the result of the first: [`load`],
//! then [`Loaded::ready`]. A node that skips either cannot seal for clients, since only [`Node`] has a
//! [`Sealer`] for them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::applier::{self, Applier, Identity};
use super::dek::insert_distinct;
use super::guards::{self, Gap, LogScanner};
use super::metrics::{CountedKek, Counters, Metrics};
use super::registry::Registry;
use super::{
    Budget, Error, Kek, Proposals, Purpose, Sealer, Sidecar, SidecarFile, StateCache, epoch, missing,
};
use crate::disk::Store;
use crate::engine::Engine;
use crate::envelope::nonce::node_id16;
use crate::envelope::{Cipher, Keystore, NonceSource};

/// The inputs of a node's start.
#[derive(Clone)]
pub struct Start {
    /// The flag that turns encryption on.
    pub encryption_enabled: bool,
    /// The KEK, if one is configured.
    pub kek: Option<Arc<dyn Kek>>,
    /// The sidecar's file, which need not exist.
    pub sidecar: Option<Arc<SidecarFile>>,
    /// The store that holds the registry.
    pub store: Arc<dyn Store>,
    /// The engine that creates the data keys' objects.
    pub engine: &'static dyn Engine,
    /// This node's id.
    pub full_node_id: u64,
    /// The other members, voters and learners, as last persisted.
    pub peers: Vec<u64>,
    /// The cut-over index of the snapshot that was restored; 0 for none.
    pub snapshot_cutover: u64,
}

impl fmt::Debug for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start")
            .field("encryption_enabled", &self.encryption_enabled)
            .field("sidecar", &self.sidecar)
            .field("full_node_id", &self.full_node_id)
            .finish_non_exhaustive()
    }
}

/// A node that may replay its log but not write yet.
#[derive(Debug)]
pub struct Loaded {
    /// Applies the entries of the log.
    pub applier: Applier,
    /// The keys; `None` if encryption is off, or there is no KEK or sidecar.
    pub keystore: Option<Arc<Keystore>>,
    /// Nonces for values, of this process's epoch.
    pub storage_nonces: Arc<NonceSource>,
    /// Seals and opens log entries; the applier informs it of the cut-over.
    pub proposals: Arc<Proposals>,
    budget: Arc<Budget>,
    counters: Arc<Counters>,
    store: Arc<dyn Store>,
    /// The keys whose epochs were raised.
    bumped: Vec<(Purpose, u32)>,
    /// Set once a node without keys is known never to have had any.
    clear_allowed: Arc<AtomicBool>,
}

/// Loads a node, up to the point at which its engine opens and replays the log.
///
/// # Errors
/// In the order of spec §10, steps 1 to 5: those of [`guards::check_snapshot_cutover`];
/// [`guards::check_configuration`]; for a node without keys, with or without the flag,
/// [`missing::check_store`]; then those of [`guards::check_membership`], [`hydrate`], [`epoch::bump`] for
/// storage, then for raft.
pub fn load(start: Start) -> Result<Loaded, Error> {
    if start.snapshot_cutover != 0 {
        // The next guard reports a sidecar that does not read.
        let cutover = match start.sidecar.as_ref().map(|file| file.find()) {
            Some(Ok(Some(sidecar))) => Some(sidecar.raft_envelope_cutover_index),
            Some(Err(_)) => None,
            _ => Some(0),
        };
        if let Some(cutover) = cutover {
            guards::check_snapshot_cutover(start.snapshot_cutover, cutover)?;
        }
    }
    let counters = Arc::<Counters>::default();
    let counted = |kek| Arc::new(CountedKek { kek, counters: Arc::clone(&counters) }) as Arc<dyn Kek>;
    let (kek, file) = (start.kek.map(counted), start.sidecar.as_deref());
    let sidecar = guards::check_configuration(start.encryption_enabled, kek.as_deref(), file)?;
    let had_keys = missing::has_keys(sidecar.as_ref());
    if !had_keys {
        missing::check_store(&*start.store, start.full_node_id)?;
    }
    let registry = Registry(&*start.store);
    guards::check_membership(&start.peers, registry, start.full_node_id, sidecar.as_ref())?;

    let mut identity = Identity { full_node_id: start.full_node_id, storage_epoch: 0, raft_epoch: 0 };
    let (mut keys, mut bumped) = (None, Vec::new());
    if let (true, Some(kek), Some(file)) = (start.encryption_enabled, kek, start.sidecar) {
        let keystore = Arc::new(Keystore::new(start.engine));
        if let Some(sidecar) = &sidecar {
            hydrate(sidecar, &*kek, &keystore)?;
            if sidecar.active_storage != 0 {
                identity.storage_epoch = epoch::bump(&file, sidecar.active_storage)?;
                bumped.push((Purpose::Storage, sidecar.active_storage));
            }
            // Also before the cut-over, unlike the reference: the cut-over may come at any time, and must not
            // begin with an epoch that has been used already.
            if sidecar.active_raft != 0 {
                identity.raft_epoch = epoch::bump(&file, sidecar.active_raft)?;
                bumped.push((Purpose::Raft, sidecar.active_raft));
            }
        }
        keys = Some(applier::Keys { kek, keystore, sidecar: file });
    }
    let nonces = |epoch| Arc::new(NonceSource::new(node_id16(identity.full_node_id), epoch));
    let keystore = keys.as_ref().map(|keys| Arc::clone(&keys.keystore));
    let cipher = keystore.clone().map(Cipher::from).unwrap_or_default();
    let proposals = Proposals::new(cipher, nonces(identity.raft_epoch), Arc::clone(&counters)).starting();
    let proposals = Arc::new(proposals);
    let installed = Arc::clone(&proposals);
    let applier = Applier::new(keys, Arc::clone(&start.store), identity)?;
    Ok(Loaded {
        keystore,
        applier: applier.with_installer(Box::new(move |key_id, cutover| {
            installed.install(key_id, cutover);
            Ok(())
        }))?,
        storage_nonces: nonces(identity.storage_epoch),
        proposals,
        budget: Arc::default(),
        counters,
        store: start.store,
        bumped,
        clear_allowed: Arc::new(had_keys.into()),
    })
}

/// Unwraps every key of the sidecar that has bytes, including retired ones, and loads them all at once.
///
/// # Errors
/// [`Error::Unwrap`]; [`Error::SameDek`]; [`Error::Envelope`] for two entries with one number but different
/// keys.
pub fn hydrate(sidecar: &Sidecar, kek: &dyn Kek, keystore: &Keystore) -> Result<(), Error> {
    let entries = sidecar.entries();
    let wrapped = entries.iter().filter(|(_, entry)| !entry.wrapped.is_empty());
    let deks = wrapped
        .map(|(key_id, entry)| Ok((*key_id, kek.unwrap(entry.purpose, *key_id, &entry.wrapped)?)))
        .collect::<Result<Vec<_>, Error>>()?;
    insert_distinct(keystore, &deks)
}

/// A node that may serve clients.
#[derive(Debug)]
pub struct Node {
    /// Applies the entries of the log.
    pub applier: Applier,
    /// Creates stored values and reads them.
    pub sealer: Sealer,
    /// Seals and opens log entries.
    pub proposals: Arc<Proposals>,
    /// Whether the log could be checked for key changes that the sidecar missed.
    pub gap: Gap,
    counters: Arc<Counters>,
}

impl Node {
    /// Its counters and gauges, which display as OpenMetrics text.
    ///
    /// # Errors
    /// Those of [`SidecarFile::read`].
    pub fn metrics(&self) -> Result<Metrics, Error> {
        Ok(Metrics {
            counters: Arc::clone(&self.counters),
            sidecar: self.applier.sidecar()?,
            writes_per_dek: [self.sealer.writes(), self.proposals.writes()].into_iter().flatten().collect(),
            usage: [(Purpose::Storage, self.sealer.usage()), (Purpose::Raft, self.proposals.usage())],
            last_proposed_index: self.proposals.last_index(),
        })
    }
}

impl Loaded {
    /// The state that the write path reads.
    pub fn cache(&self) -> &Arc<StateCache> {
        self.applier.cache()
    }

    /// A sealer for values that the log replays, before the node is ready and after. It refuses
    /// [`Origin::Direct`], and for a node without keys it refuses plaintext until
    /// [`begin_replay`](Self::begin_replay). The scheme's documentation explains why the node must then be
    /// registered at once.
    ///
    /// [`Origin::Direct`]: super::Origin::Direct
    pub fn sealer(&self) -> Sealer {
        self.direct_sealer().replaying(Arc::clone(&self.clear_allowed))
    }

    /// Allows plaintext to be replayed on a node without keys, once it is certain that there was no bootstrap
    /// among the entries that its engine has applied, up to `applied_index`, some of which are about to be
    /// replayed. The call is unnecessary for a node with keys, and for one whose engine has applied nothing
    /// that is replayed before the bootstrap.
    ///
    /// # Errors
    /// Those of [`missing::check_log`]. No plaintext has been written by then.
    pub fn begin_replay(&self, applied_index: u64, scanner: Option<&dyn LogScanner>) -> Result<(), Error> {
        self.check_log_for_lost_keys(self.applier.sidecar()?.as_ref(), applied_index, scanner)
    }

    fn check_log_for_lost_keys(
        &self,
        sidecar: Option<&Sidecar>,
        applied_index: u64,
        scanner: Option<&dyn LogScanner>,
    ) -> Result<(), Error> {
        if !missing::has_keys(sidecar) {
            let open = |index, data: &[u8]| self.proposals.open(index, data);
            missing::check_log(applied_index, scanner, &open)?;
        }
        self.clear_allowed.store(true, Ordering::Release);
        Ok(())
    }

    fn direct_sealer(&self) -> Sealer {
        let cipher = self.keystore.clone().map(Cipher::from).unwrap_or_default();
        let (nonces, budget) = (Arc::clone(&self.storage_nonces), Arc::clone(&self.budget));
        Sealer::new(cipher, nonces, Arc::clone(self.cache()), budget).counting(Arc::clone(&self.counters))
    }

    /// Lets the node serve clients, now that the engine has replayed its log up to `engine_index`.
    ///
    /// # Errors
    /// In the order of spec §10, steps 7 and 8: those of [`guards::check_slot`],
    /// [`guards::check_epoch_after_bump`] for storage, then raft; [`guards::check_log`], with the log's
    /// entries opened; [`guards::check_cutovers`]; [`guards::check_keys`]. For a node that still has no keys,
    /// with or without the flag: those of [`missing::check_log`].
    pub fn ready(self, engine_index: u64, scanner: Option<&dyn LogScanner>) -> Result<Node, Error> {
        let mut gap = Gap::None;
        let sidecar = self.applier.sidecar()?;
        self.check_log_for_lost_keys(sidecar.as_ref(), engine_index, scanner)?;
        if let Some(sidecar) = sidecar {
            for purpose in [Purpose::Storage, Purpose::Raft] {
                self.check_epoch(&sidecar, purpose)?;
            }
            let open = |index, data: &[u8]| self.proposals.open(index, data);
            gap = guards::check_log(sidecar.raft_applied_index, engine_index, scanner, &open)?;
            if let Some(scanner) = scanner {
                guards::check_cutovers(&sidecar, scanner, &open)?;
                let check = |entry: &_| self.applier.check_has(&sidecar, entry);
                guards::check_keys(&sidecar, scanner, &open, &check)?;
            }
        }
        self.proposals.set_ready();
        let sealer = self.direct_sealer();
        Ok(Node { sealer, proposals: self.proposals, gap, applier: self.applier, counters: self.counters })
    }

    /// Checks that no nonce of this process's epoch was issued before under the key that was active at load.
    /// If the replay brought another active key, checks that the registry knows this node under that one;
    /// whether it knew this epoch before was for the applier to check. Raft epochs are checked too, unlike in
    /// the reference.
    fn check_epoch(&self, sidecar: &Sidecar, purpose: Purpose) -> Result<(), Error> {
        let identity = self.applier.identity();
        let (registry, node) = (Registry(&*self.store), identity.full_node_id);
        let sealing = match purpose {
            Purpose::Storage => sidecar.storage_envelope_active,
            Purpose::Raft => false,
        };
        let epoch = identity.epoch(purpose);
        let bumped = self.bumped.iter().find(|(of, _)| *of == purpose).map(|(_, key_id)| *key_id);
        if let Some(key_id) = bumped {
            guards::check_slot(registry, key_id, node)?;
            guards::check_epoch_after_bump(registry, key_id, node, epoch, sealing)?;
        }
        let active = sidecar.active(purpose);
        if active == 0 || bumped == Some(active) {
            return Ok(());
        }
        match guards::check_slot(registry, active, node)? {
            None if sealing => Err(Error::LocalEpochRollback(active)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod history;
#[cfg(test)]
mod lost;
#[cfg(test)]
mod tests;
