//! The life of a round's key: requested, used, restored after a restart, purged (spec §3).
//!
//! A key is durable before its first use. A round that has no key is refused with
//! [`NoRoundKey`](Error::NoRoundKey) in every call, and no other key takes its place (rule
//! [`NO_MASTER_FALLBACK`](super::NO_MASTER_FALLBACK)). A purge is durable when it returns. Past its
//! deadline a key is refused at once, and [`Rounds::purge_expired`] erases it. Not here: the events that
//! begin and end rounds ([`Router`](super::Router)).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use zeroize::{Zeroize, Zeroizing};

use super::cache::{Absent, KeyCache};
use super::shred::Shred;
use super::slots::{Entry, Recovery, Slots};
use super::timeout::Clock;
use super::{Context, Error, Form, MasterKey, RoundId, RoundKey};
use crate::disk::{self, Disk};

/// How to start.
#[derive(Debug)]
pub struct Options {
    /// The file of wrapped keys.
    pub path: PathBuf,
    /// What blobs and records bind.
    pub form: Form,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Seconds from a request until its key is purged, whatever happened.
    pub lifetime: u64,
    /// Where the masks are, if the medium of the file keeps overwritten bytes. The masks belong to this file
    /// alone: a start erases every mask without a record in it.
    pub shred: Option<Box<dyn Shred>>,
}

impl Options {
    /// Compatible blobs, the system's clock, a lifetime of 30 days, no masks.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.into(),
            form: Form::Compatible,
            clock: Arc::new(super::timeout::SystemClock),
            lifetime: 30 * 24 * 3_600,
            shred: None,
        }
    }
}

/// The keys of a node's rounds.
#[derive(Debug)]
pub struct Rounds {
    master: MasterKey,
    options: Options,
    slots: Slots,
    cache: KeyCache<Held>,
    /// Rounds whose key could not be created, with the reason. Locked while a key is created or purged.
    aborted: Mutex<BTreeMap<RoundId, String>>,
}

#[derive(Debug)]
struct Held {
    key: RoundKey,
    deadline: u64,
}

/// A key that was read for a round and is not in use yet.
#[derive(Debug)]
pub struct Resolved {
    round: RoundId,
    held: Held,
}

/// The result of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Requested {
    /// The round has a new key.
    Created,
    /// It had one.
    Unchanged,
}

/// The result of a restoration after a restart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hydrated {
    /// The key is in use again.
    Restored,
    /// The snapshot does not list a key, so none was looked for.
    NotListed,
}

impl Rounds {
    /// Starts: finishes every purge that was begun, and erases masks without a key. No key is read yet.
    ///
    /// # Errors
    /// [`Error::MasksWithoutRecords`]; those of [`Slots::open`], and of the place of the masks.
    pub fn start(disk: &dyn Disk, master: MasterKey, options: Options) -> Result<(Self, Recovery), Error> {
        let path = &options.path;
        let masks = options.shred.as_ref().map_or(Ok(0), |shred| shred.rounds().map(|all| all.len()))?;
        let failed = |reason| disk::Error::Io { doing: "looking for", path: path.clone(), reason };
        if masks > 0 && !disk.exists(path).map_err(failed)? {
            // A new file would make every mask a stray one.
            return Err(Error::MasksWithoutRecords { path: path.clone(), masks });
        }
        let (slots, recovery) = Slots::open(disk, path)?;
        let (cache, aborted) = (KeyCache::default(), Mutex::default());
        let started = Self { master, options, slots, cache, aborted };
        for round in started.stray_masks()? {
            started.options.shred.as_ref().map_or(Ok(()), |shred| shred.erase(&round))?;
        }
        Ok((started, recovery))
    }

    /// The rounds that have a mask and no record.
    fn stray_masks(&self) -> Result<Vec<RoundId>, Error> {
        let masked = self.options.shred.as_ref().map_or(Ok(Vec::new()), |shred| shred.rounds())?;
        let known = self.slots.rounds();
        Ok(masked.into_iter().filter(|round| known.binary_search(round).is_err()).collect())
    }

    /// Gives the round a key, durably. A round that has one keeps it.
    ///
    /// # Errors
    /// [`Error::AlreadyCompleted`] if it was purged; [`Error::NoRoundKey`] past its deadline;
    /// [`Error::RoundAborted`] if the key cannot be created: then, and until the next start, the round gets
    /// no key. If it has a key that cannot be read, those of [`Self::begin_resolve`]; nothing has changed
    /// then.
    pub fn request(&self, round: &RoundId) -> Result<Requested, Error> {
        let mut aborted = self.aborted.lock().expect("no thread panics with this lock");
        if let Some(reason) = aborted.get(round) {
            return Err(Error::RoundAborted { round: round.clone(), reason: reason.clone() });
        }
        let now = self.options.clock.now();
        match self.cache.with(round, |held| now < held.deadline) {
            Ok(true) => return Ok(Requested::Unchanged),
            Ok(false) => return Err(Error::NoRoundKey(round.clone())),
            Err(Absent::Gone) => return Err(Error::AlreadyCompleted(round.clone())),
            Err(Absent::Unknown) => {}
        }
        if let Some(entry) = self.slots.read(round)? {
            self.finish_resolve(self.resolved(entry)?)?;
            return Ok(Requested::Unchanged);
        }
        match self.create(round) {
            Ok(resolved) => self.finish_resolve(resolved).map(|()| Requested::Created),
            Err(error) => {
                let reason = error.to_string();
                aborted.insert(round.clone(), reason.clone());
                self.cache.evict(round);
                Err(Error::RoundAborted { round: round.clone(), reason })
            }
        }
    }

    fn create(&self, round: &RoundId) -> Result<Resolved, Error> {
        let shred = self.options.shred.as_deref();
        let mask = shred.map(|shred| shred.create(round)).transpose()?;
        let deadline = self.options.clock.now().saturating_add(self.options.lifetime);
        let stored = self.master.create(self.options.form, round, mask.as_ref()).and_then(|(record, key)| {
            self.slots.create(&Entry { round: round.clone(), record, deadline })?;
            Ok(Resolved { round: round.clone(), held: Held { key, deadline } })
        });
        if let (Err(_), Some(shred)) = (&stored, shred) {
            // The creation has failed already; a mask that stays is erased at the next start.
            let _ = shred.erase(round);
        }
        stored
    }

    /// Restores the round's key after a restart, if the snapshot lists one (`e3_cipher`). Never creates one.
    ///
    /// # Errors
    /// [`Error::RecordMissing`], [`Error::Unwrap`] under another master key, those of [`Slots::read`];
    /// [`Error::NoRoundKey`] if it was purged or is past its deadline.
    pub fn hydrate(&self, round: &RoundId, listed: bool) -> Result<Hydrated, Error> {
        if !listed {
            return Ok(Hydrated::NotListed);
        }
        if self.cache.look(round) == Err(Absent::Gone) {
            return Err(Error::NoRoundKey(round.clone()));
        }
        let entry = self.slots.read(round)?.ok_or_else(|| Error::RecordMissing(round.clone()))?;
        self.finish_resolve(self.resolved(entry)?)?;
        Ok(Hydrated::Restored)
    }

    /// Reads and unwraps the round's key, without using it yet.
    ///
    /// # Errors
    /// [`Error::NoRoundKey`] if there is no record, or the round was purged or is past its deadline;
    /// [`Error::Unwrap`]; those of [`Slots::read`].
    pub fn begin_resolve(&self, round: &RoundId) -> Result<Resolved, Error> {
        if self.cache.look(round) == Err(Absent::Gone) {
            return Err(Error::NoRoundKey(round.clone()));
        }
        let entry = self.slots.read(round)?;
        self.resolved(entry.ok_or_else(|| Error::NoRoundKey(round.clone()))?)
    }

    fn resolved(&self, entry: Entry) -> Result<Resolved, Error> {
        let Entry { round, record, deadline } = entry;
        if self.options.clock.now() >= deadline {
            return Err(Error::NoRoundKey(round));
        }
        let mask = match &self.options.shred {
            None => None,
            Some(shred) => Some(shred.read(&round)?.ok_or_else(|| Error::RecordMissing(round.clone()))?),
        };
        let key = self.master.unwrap(self.options.form, &round, &record, mask.as_ref())?;
        Ok(Resolved { round, held: Held { key, deadline } })
    }

    /// Puts a resolved key to use, unless its round was purged in the meantime.
    ///
    /// # Errors
    /// [`Error::NoRoundKey`]; the key is then dropped.
    pub fn finish_resolve(&self, resolved: Resolved) -> Result<(), Error> {
        let Resolved { round, held } = resolved;
        if self.cache.insert(&round, held) { Ok(()) } else { Err(Error::NoRoundKey(round)) }
    }

    /// Seals a plaintext under the key of the context's round. Wipes and empties the plaintext's buffer, also
    /// after an error.
    ///
    /// # Errors
    /// [`Error::NoRoundKey`]; those of [`RoundKey::seal`] and of [`Self::begin_resolve`].
    pub fn seal(&self, context: &Context, plaintext: &mut Vec<u8>) -> Result<Vec<u8>, Error> {
        let sealed = self.with(&context.round, |key| key.seal(self.options.form, context, plaintext));
        plaintext.zeroize();
        sealed?
    }

    /// Opens a blob under the key of the context's round.
    ///
    /// # Errors
    /// [`Error::NoRoundKey`]; those of [`RoundKey::open`] and of [`Self::begin_resolve`].
    pub fn open(&self, context: &Context, blob: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.with(&context.round, |key| key.open(self.options.form, context, blob))?
    }

    /// Uses the round's key: the one in memory, or else the one in its record.
    fn with<T>(&self, round: &RoundId, mut use_key: impl FnMut(&RoundKey) -> T) -> Result<T, Error> {
        let now = self.options.clock.now();
        let mut current = |held: &Held| (now < held.deadline).then(|| use_key(&held.key));
        let used = match self.cache.with(round, &mut current) {
            Err(Absent::Unknown) => {
                self.finish_resolve(self.begin_resolve(round)?)?;
                self.cache.with(round, &mut current)
            }
            used => used,
        };
        used.ok().flatten().ok_or_else(|| Error::NoRoundKey(round.clone()))
    }

    /// Whether the round's key is in memory.
    pub fn is_cached(&self, round: &RoundId) -> bool {
        self.cache.look(round).is_ok()
    }

    /// The number of keys in memory.
    pub fn cached(&self) -> usize {
        self.cache.len()
    }

    /// The rounds that have a key on disk, sorted.
    pub fn rounds(&self) -> Vec<RoundId> {
        self.slots.rounds()
    }

    /// Erases the round's key, on disk and then in memory; durable when it returns. The round gets no key
    /// again before the next start. A round without a key is no error.
    ///
    /// # Errors
    /// Those of [`Slots::purge`] and of the place of the masks. The key in memory is dropped all the same;
    /// the purge can be repeated.
    pub fn purge(&self, round: &RoundId) -> Result<(), Error> {
        let _creations = self.aborted.lock().expect("no thread panics with this lock");
        let erased = self.slots.purge(round);
        let shredded = self.options.shred.as_ref().map_or(Ok(()), |shred| shred.erase(round));
        self.cache.evict(round);
        erased.map(drop).and(shredded)
    }

    /// Purges every round that is past its deadline, and repeats the purges that failed. Returns each round
    /// with its result. If the place of the masks cannot be read, its masks are left for the next call.
    pub fn purge_expired(&self) -> Vec<(RoundId, Result<(), Error>)> {
        let due = {
            // A creation stores the mask before the record; until it ends, the mask has none.
            let _creations = self.aborted.lock().expect("no thread panics with this lock");
            let mut due: BTreeSet<_> = self.slots.due(self.options.clock.now()).into_iter().collect();
            due.extend(self.stray_masks().unwrap_or_default());
            due
        };
        let purge = |round: RoundId| {
            let purged = self.purge(&round);
            (round, purged)
        };
        due.into_iter().map(purge).collect()
    }
}

#[cfg(test)]
mod tests;
