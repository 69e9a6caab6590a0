//! The sessions of all peers (spec §§5, 7, 9).
//!
//! A peer has a current session, which seals, and until the current one has opened a frame also an older one,
//! which only opens: so an exchange that the peer does not know of, such as a recorded one, cuts nobody off.
//! Locks are leaves; sessions leave the store before they are dropped, so nothing is wiped under a lock.
//!
//! The map is split into shards by peer, each with its own reader-writer lock, so that threads with different
//! peers do not wait for each other's lock words.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::{BuildHasher, Hasher};
use std::ops::DerefMut;

use super::super::lock::RwLock;
use super::super::{Error, Options};
use super::{Budget, Ring, Session};
use crate::host::sync::Arc;
use crate::host::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The number of shards, a power of two.
const SHARDS: usize = 16;

/// The sessions of all peers.
pub struct Store {
    shards: [RwLock<HashMap<u32, Slot, Seed>>; SHARDS],
    version: Version,
    len: AtomicUsize,
    cap: usize,
    budget: Arc<Budget>,
    salvage_frames: usize,
    salvage_ms: u64,
}

/// Counts the changes of a store. On cache lines of its own, which threads that only read it then share.
#[repr(align(128))]
struct Version(AtomicU64);

#[derive(Clone, Debug)]
struct Slot {
    current: Arc<Session>,
    older: Option<Arc<Session>>,
}

/// The sessions that open a peer's frames.
#[derive(Clone, Debug)]
pub struct Openers {
    /// The one that seals.
    pub current: Arc<Session>,
    /// The one that it replaced, until the current one has opened a frame.
    pub older: Option<Arc<Session>>,
}

impl Openers {
    /// The session with this name in hardened frames.
    #[inline]
    pub fn named(&self, session_id: [u8; 4]) -> Option<&Arc<Session>> {
        let older = self.older.as_ref();
        std::iter::once(&self.current).chain(older).find(|session| session.session_id() == session_id)
    }
}

/// A peer's sessions as they were found last. To look at them again takes no lock and counts no reference as
/// long as the store does not change. They stay alive, with their keys, until the next look or the end of
/// this value.
#[derive(Clone, Debug)]
pub struct Found {
    peer: u32,
    /// The store's version before the look; 0 before the first one.
    version: u64,
    openers: Option<Openers>,
}

impl Found {
    /// Nothing has been looked up yet.
    pub const fn new(peer: u32) -> Self {
        Self { peer, version: 0, openers: None }
    }

    /// The peer.
    #[inline]
    pub fn peer(&self) -> u32 {
        self.peer
    }

    /// The peer's sessions now, in this store, which must be the same one every time.
    #[inline]
    pub fn look(&mut self, store: &Store) -> Option<&Openers> {
        // Acquire: a change that happened before this look is seen, by its number or in the map.
        let version = store.version.0.load(Ordering::Acquire);
        if version != self.version {
            self.look_up(version, store);
        }
        self.openers.as_ref()
    }

    #[cold]
    fn look_up(&mut self, version: u64, store: &Store) {
        (self.version, self.openers) = (version, store.openers(self.peer));
    }
}

impl Store {
    /// An empty store with these limits.
    pub fn new(options: &Options) -> Self {
        let seed = Seed::random();
        Self {
            shards: std::array::from_fn(|_| RwLock::new(HashMap::with_hasher(seed))),
            version: Version(AtomicU64::new(1)),
            len: AtomicUsize::new(0),
            cap: options.limits.sessions,
            budget: Arc::new(Budget::new(options.limits.salvage_bytes)),
            salvage_frames: options.limits.salvage_frames,
            salvage_ms: options.timing.salvage_ms,
        }
    }

    /// An empty ring for a new session, with memory from this store's budget.
    pub fn ring(&self) -> Ring {
        Ring::new(Arc::clone(&self.budget), self.salvage_frames, self.salvage_ms)
    }

    /// The memory for recent messages of all sessions.
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    #[inline]
    fn shard(&self, peer: u32) -> &RwLock<HashMap<u32, Slot, Seed>> {
        &self.shards[peer as usize % SHARDS]
    }

    /// The shard of a peer, to change it. Every change gets a number, before the lock is released.
    fn change(&self, peer: u32) -> impl DerefMut<Target = HashMap<u32, Slot, Seed>> + '_ {
        let shard = self.shard(peer).write();
        self.version.0.fetch_add(1, Ordering::Release);
        shard
    }

    /// The session that seals for the peer.
    #[inline]
    pub fn get(&self, peer: u32) -> Option<Arc<Session>> {
        self.shard(peer).read().get(&peer).map(|slot| Arc::clone(&slot.current))
    }

    /// The sessions that open the peer's frames.
    #[inline]
    pub fn openers(&self, peer: u32) -> Option<Openers> {
        let shard = self.shard(peer).read();
        let Slot { current, older } = shard.get(&peer)?;
        Some(Openers { current: Arc::clone(current), older: older.clone() })
    }

    /// Whether this very session is the one that seals for its peer.
    pub fn is_installed(&self, peer: u32, session: &Arc<Session>) -> bool {
        self.shard(peer).read().get(&peer).is_some_and(|slot| Arc::ptr_eq(&slot.current, session))
    }

    /// Whether a session for the peer would fit: to be asked before any work for it, such as a scalar
    /// multiplication. The answer may be outdated when it arrives; [`install`](Self::install) decides.
    ///
    /// # Errors
    /// [`Error::StoreFull`].
    pub fn room_for(&self, peer: u32) -> Result<(), Error> {
        let fits = self.len() < self.cap || self.shard(peer).read().contains_key(&peer);
        if fits { Ok(()) } else { Err(Error::StoreFull) }
    }

    /// Makes a session the current one of its peer and returns the one that was, for its recent messages.
    /// With `keep_old` the peer keeps an older session: of the one replaced and the older one, that which
    /// opened a frame last, so that exchanges that nobody uses cannot push out the one in use. If `session`
    /// is the older one, the two change places.
    ///
    /// # Errors
    /// [`Error::StoreFull`] if the peer has no session and the store is full; the session is dropped.
    pub fn install(
        &self,
        peer: u32,
        session: Arc<Session>,
        keep_old: bool,
    ) -> Result<Option<Arc<Session>>, Error> {
        let mut shard = self.change(peer);
        match shard.entry(peer) {
            Entry::Vacant(entry) => {
                let one_more = |len: usize| (len < self.cap).then_some(len + 1);
                let counted = self.len.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
                if counted.is_err() {
                    // Before the session, which is wiped when this returns.
                    drop(shard);
                    return Err(Error::StoreFull);
                }
                entry.insert(Slot { current: session, older: None });
                Ok(None)
            }
            Entry::Occupied(mut entry) => {
                let slot = entry.get_mut();
                if Arc::ptr_eq(&slot.current, &session) {
                    return Ok(None);
                }
                let older = slot.older.take().filter(|older| !Arc::ptr_eq(older, &session));
                let replaced = std::mem::replace(&mut slot.current, session);
                let (kept, forgotten) = match older {
                    Some(older) if keep_old && older.last_opened_ms() > replaced.last_opened_ms() => {
                        (Some(older), None)
                    }
                    older => (keep_old.then(|| Arc::clone(&replaced)), older),
                };
                slot.older = kept;
                drop(shard);
                drop(forgotten);
                Ok(Some(replaced))
            }
        }
    }

    /// The current session of the peer has opened a frame, so the peer has its keys too: forgets the older
    /// one. Returns whether there was one to forget.
    pub fn confirm(&self, peer: u32, session: &Arc<Session>) -> bool {
        let mut shard = self.change(peer);
        let slot = shard.get_mut(&peer).filter(|slot| Arc::ptr_eq(&slot.current, session));
        let older = slot.and_then(|slot| slot.older.take());
        drop(shard);
        older.is_some()
    }

    /// Drops the peer's current session if it is this very one; an older one takes its place. Returns whether
    /// it was dropped.
    pub fn drop_if(&self, peer: u32, session: &Arc<Session>) -> bool {
        let mut shard = self.change(peer);
        let Entry::Occupied(mut entry) = shard.entry(peer) else { return false };
        if !Arc::ptr_eq(&entry.get().current, session) {
            return false;
        }
        match entry.get_mut().older.take() {
            Some(older) => entry.get_mut().current = older,
            None => {
                entry.remove();
                self.len.fetch_sub(1, Ordering::Relaxed);
            }
        }
        true
    }

    /// Removes the peer's sessions; returns the one that sealed.
    pub fn remove(&self, peer: u32) -> Option<Arc<Session>> {
        let removed = self.change(peer).remove(&peer)?;
        self.len.fetch_sub(1, Ordering::Relaxed);
        Some(removed.current)
    }

    /// The number of peers with a session.
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Whether no peer has a session.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The peers with a session, in ascending order.
    pub fn peers(&self) -> Vec<u32> {
        let mut peers: Vec<u32> =
            self.shards.iter().flat_map(|shard| shard.read().keys().copied().collect::<Vec<_>>()).collect();
        peers.sort_unstable();
        peers
    }

    /// Calls `each` for every session that seals, in no particular order and with no lock held.
    pub fn for_each(&self, mut each: impl FnMut(u32, &Arc<Session>)) {
        self.for_each_slot(|peer, slot| each(peer, &slot.current));
    }

    fn for_each_slot(&self, mut each: impl FnMut(u32, &Slot)) {
        for shard in &self.shards {
            let slots: Vec<(u32, Slot)> =
                shard.read().iter().map(|(peer, slot)| (*peer, slot.clone())).collect();
            for (peer, slot) in &slots {
                each(*peer, slot);
            }
        }
    }

    /// Wipes recent messages that are too old to be sent again, in every session.
    pub fn trim(&self, now_ms: u64) {
        self.for_each_slot(|_, slot| {
            for session in std::iter::once(&slot.current).chain(&slot.older) {
                session.trim_sent(now_ms);
            }
        });
    }
}

/// Shows how many sessions there are.
impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("len", &self.len()).field("cap", &self.cap).finish_non_exhaustive()
    }
}

/// A multiplication by an odd number that each store draws for itself, in place of `std`'s hash, which takes
/// longer than the rest of a lookup. Peers' ids come from the wire, in `compat` even unauthenticated, so a
/// fixed number would let somebody choose ids that collide; the number stays secret, and the map is bounded.
#[derive(Clone, Copy)]
struct Seed(u64);

impl Seed {
    fn random() -> Self {
        Self(RandomState::new().hash_one(SHARDS) | 1)
    }
}

impl BuildHasher for Seed {
    type Hasher = Product;

    #[inline]
    fn build_hasher(&self) -> Product {
        Product { seed: self.0, hash: 0 }
    }
}

struct Product {
    seed: u64,
    hash: u64,
}

impl Hasher for Product {
    #[inline]
    fn write_u32(&mut self, id: u32) {
        // The map looks at the lowest and at the highest bits: fold the product, whose high half depends on
        // all.
        let product = u128::from(self.seed) * u128::from(u64::from(id) << 32 | u64::from(!id));
        self.hash = product as u64 ^ (product >> 64) as u64;
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(self.hash as u32 ^ u32::from(*byte));
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.hash
    }
}

#[cfg(test)]
mod tests;
