//! Peers' Ed25519 keys, as the registry gave them (spec 2, §5).
//!
//! A key that was found stays until it is forgotten or the registry gives another. The absence of a key is
//! remembered for a while, for a bounded number of peers, because anybody can invent ids. Keys are copies: no
//! entry points into a receive buffer. Beside each key stands the last exchange that verified under it: a
//! genuine repeat is recognised by its bytes and costs no signature check, so no flood can crowd it out. Not
//! here: asking the registry.

use std::collections::HashMap;

use crate::scheme::tunnel::{Limits, Timing};

/// A key, and what verified under it.
#[derive(Debug)]
struct Known {
    ed25519: [u8; 32],
    /// The X25519 key and the signature of the last authenticated exchange that verified.
    verified: Option<Box<([u8; 32], [u8; 64])>>,
}

/// The result of a look into the cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cached {
    /// The peer's key.
    Key([u8; 32]),
    /// The registry had no key a moment ago.
    Absent,
    /// Not known here: ask the registry.
    Unknown,
}

/// The keys of known peers.
#[derive(Debug)]
pub struct KeyCache {
    known: HashMap<u32, Known>,
    /// Until when the absence of a key is believed.
    absent: HashMap<u32, u64>,
    absent_ms: u64,
    most_known: usize,
    most_absent: usize,
    /// The absent entries are not searched for expired ones before this time.
    search_at: u64,
}

impl KeyCache {
    /// An empty cache. Absence is believed as long as a peer cools down; a limit of 0 believes none.
    pub fn new(timing: &Timing, limits: &Limits) -> Self {
        Self {
            known: HashMap::new(),
            absent: HashMap::new(),
            absent_ms: timing.cooldown_ms,
            most_known: limits.sessions,
            most_absent: limits.negative_keys,
            search_at: 0,
        }
    }

    /// What is known of a peer.
    pub fn look(&self, now: u64, peer: u32) -> Cached {
        match self.known.get(&peer) {
            Some(known) => Cached::Key(known.ed25519),
            None if self.absent.get(&peer).is_some_and(|until| now < *until) => Cached::Absent,
            None => Cached::Unknown,
        }
    }

    /// Records the registry's answer. An answer for which there is no room is not kept.
    pub fn learn(&mut self, now: u64, peer: u32, answer: Option<[u8; 32]>) {
        let Some(ed25519) = answer else {
            self.known.remove(&peer);
            self.learn_absence(now, peer);
            return;
        };
        self.absent.remove(&peer);
        let room = self.known.len() < self.most_known;
        match self.known.get_mut(&peer) {
            Some(known) if known.ed25519 == ed25519 => {}
            Some(known) => *known = Known { ed25519, verified: None },
            None if room => {
                self.known.insert(peer, Known { ed25519, verified: None });
            }
            None => {}
        }
    }

    fn learn_absence(&mut self, now: u64, peer: u32) {
        if self.absent.len() >= self.most_absent && now >= self.search_at {
            self.absent.retain(|_, until| now < *until);
            self.search_at = now + self.absent_ms;
        }
        // A long flood of invented ids takes no more memory than a short one. Twice the number, because a map
        // that is more than half full grows instead of clearing away what was removed.
        if self.absent.len() == self.most_absent.min(64) {
            self.absent.reserve(2 * self.most_absent);
        }
        if self.absent.len() < self.most_absent || self.absent.contains_key(&peer) {
            self.absent.insert(peer, now + self.absent_ms);
        }
    }

    /// Records that an exchange verified under this key, if it is still the peer's.
    pub fn remember(&mut self, peer: u32, ed25519: &[u8; 32], x25519: &[u8; 32], signature: &[u8; 64]) {
        if let Some(known) = self.known.get_mut(&peer).filter(|known| known.ed25519 == *ed25519) {
            known.verified = Some(Box::new((*x25519, *signature)));
        }
    }

    /// Whether exactly this exchange verified under the peer's present key.
    pub fn has_verified(
        &self,
        peer: u32,
        ed25519: &[u8; 32],
        x25519: &[u8; 32],
        signature: &[u8; 64],
    ) -> bool {
        let known = self.known.get(&peer).filter(|known| known.ed25519 == *ed25519);
        let verified = known.and_then(|known| known.verified.as_deref());
        verified.is_some_and(|(x, s)| x == x25519 && s == signature)
    }

    /// Forgets a peer.
    pub fn forget(&mut self, peer: u32) {
        self.known.remove(&peer);
        self.absent.remove(&peer);
    }

    /// How many peers have a key here, and how many are known to have none.
    pub fn len(&self) -> (usize, usize) {
        (self.known.len(), self.absent.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(sessions: usize, negative_keys: usize) -> KeyCache {
        KeyCache::new(&Timing::default(), &Limits { sessions, negative_keys, ..Limits::default() })
    }

    #[test]
    fn a_key_stays_and_an_absence_is_believed_for_the_cool_down() {
        let mut cache = cache(10, 10);
        assert_eq!(cache.look(0, 1), Cached::Unknown);
        cache.learn(0, 1, Some([1; 32]));
        cache.learn(0, 2, None);
        assert_eq!((cache.look(4_999, 1), cache.look(4_999, 2)), (Cached::Key([1; 32]), Cached::Absent));
        assert_eq!((cache.look(5_000, 2), cache.look(u64::MAX, 1)), (Cached::Unknown, Cached::Key([1; 32])));
        cache.learn(1, 2, Some([2; 32]));
        assert_eq!((cache.look(2, 2), cache.len()), (Cached::Key([2; 32]), (2, 0)));
    }

    #[test]
    fn a_million_invented_ids_take_no_more_room_than_the_limit() {
        let mut cache = cache(10, 100);
        (0..1_000).for_each(|peer| cache.learn(0, peer, None));
        let capacity = cache.absent.capacity();
        (0..1_000_000).for_each(|peer| cache.learn(u64::from(peer), peer, None));
        assert_eq!(cache.len(), (0, 100));
        // Removed entries count against the capacity until they are cleared away; it never grows.
        assert!(cache.absent.capacity() <= capacity, "{capacity}");
        (0..100).for_each(|peer| cache.learn(0, peer, Some([1; 32])));
        assert_eq!(cache.len().0, 10);
        assert_eq!(cache.look(0, 50), Cached::Unknown);
    }

    #[test]
    fn only_the_very_exchange_that_verified_is_recognised_and_only_under_the_same_key() {
        let mut cache = cache(10, 10);
        cache.remember(1, &[1; 32], &[2; 32], &[3; 64]);
        assert!(!cache.has_verified(1, &[1; 32], &[2; 32], &[3; 64]), "the peer is not known");
        cache.learn(0, 1, Some([1; 32]));
        cache.remember(1, &[9; 32], &[2; 32], &[3; 64]);
        assert!(!cache.has_verified(1, &[9; 32], &[2; 32], &[3; 64]), "another key");
        cache.remember(1, &[1; 32], &[2; 32], &[3; 64]);
        assert!(cache.has_verified(1, &[1; 32], &[2; 32], &[3; 64]));
        assert!(!cache.has_verified(1, &[1; 32], &[4; 32], &[3; 64]));
        assert!(!cache.has_verified(1, &[1; 32], &[2; 32], &[4; 64]));
        cache.learn(0, 1, Some([1; 32]));
        assert!(cache.has_verified(1, &[1; 32], &[2; 32], &[3; 64]), "the same key again");
        cache.learn(0, 1, Some([7; 32]));
        cache.learn(0, 1, Some([1; 32]));
        assert!(!cache.has_verified(1, &[1; 32], &[2; 32], &[3; 64]), "the key changed in between");
    }

    #[test]
    fn a_peer_is_forgotten_and_so_is_a_revoked_key() {
        let mut cache = cache(10, 10);
        cache.learn(0, 1, Some([1; 32]));
        cache.learn(0, 2, None);
        cache.forget(1);
        cache.forget(2);
        assert_eq!((cache.look(0, 1), cache.look(0, 2)), (Cached::Unknown, Cached::Unknown));
        cache.learn(0, 1, Some([1; 32]));
        cache.learn(0, 1, None);
        assert_eq!(cache.look(0, 1), Cached::Absent);
    }
}
