//! Which peers were asked for new keys a moment ago, and when each peer was last heard.
//!
//! [`Recent`] answers without a lock, because a flood of forged frames asks for every one of them. It forgets
//! when two peers share a place; the limit behind it decides then. [`Heard`] carries the time of the last
//! opened frame over a change of sessions.

use std::collections::HashMap;

use crate::host::sync::atomic::{AtomicU64, Ordering};
use crate::scheme::tunnel::session::{Openers, Session};

/// Places of [`Recent`], a power of two.
const PLACES: usize = 256;
/// Marks a place that holds a peer and a time.
const TAKEN: u32 = 1 << 31;

/// The peers asked for new keys less than a gap ago, as far as they have a place.
#[derive(Debug)]
pub struct Recent {
    gap_ms: u64,
    /// The peer, [`TAKEN`], and the low 31 bits of the time; 0 if there is nothing.
    places: [AtomicU64; PLACES],
}

impl Recent {
    /// Nobody was asked.
    pub fn new(gap_ms: u64) -> Self {
        // A longer gap could be mistaken for a short one, because 31 bits of the time are kept.
        Self { gap_ms: gap_ms.min(u64::from(TAKEN) / 2), places: std::array::from_fn(|_| AtomicU64::new(0)) }
    }

    fn place(&self, peer: u32) -> &AtomicU64 {
        &self.places[(peer ^ peer >> 8 ^ peer >> 16) as usize % PLACES]
    }

    /// Whether the peer was surely asked less than a gap ago.
    #[inline]
    pub fn has(&self, now: u64, peer: u32) -> bool {
        // Relaxed: one word with its own meaning. A stale value leads to the limit behind this.
        let place = self.place(peer).load(Ordering::Relaxed);
        let (noted, at) = ((place >> 32) as u32, place as u32);
        let passed = (now as u32).wrapping_sub(at) & !TAKEN;
        at & TAKEN != 0 && noted == peer && u64::from(passed) < self.gap_ms
    }

    /// The peer was asked now.
    pub fn note(&self, now: u64, peer: u32) {
        self.place(peer).store(u64::from(peer) << 32 | u64::from(now as u32 | TAKEN), Ordering::Relaxed);
    }

    /// Forgets a peer.
    pub fn forget(&self, peer: u32) {
        let place = self.place(peer);
        if (place.load(Ordering::Relaxed) >> 32) as u32 == peer {
            place.store(0, Ordering::Relaxed);
        }
    }
}

/// When peers were last heard under sessions that were replaced.
#[derive(Debug)]
pub struct Heard {
    cap: usize,
    peers: HashMap<u32, Before>,
}

#[derive(Clone, Copy, Default, Debug)]
struct Before {
    /// When a frame was last opened, under an earlier session.
    last: Option<u64>,
    /// Frames opened up to this time do not count, because the peer was removed then.
    forgotten: Option<u64>,
}

impl Heard {
    /// Nobody was heard. At most `cap` peers are remembered.
    pub fn new(cap: usize) -> Self {
        Self { cap, peers: HashMap::new() }
    }

    fn entry(&mut self, peer: u32) -> Option<&mut Before> {
        if self.peers.len() >= self.cap && !self.peers.contains_key(&peer) {
            return None;
        }
        Some(self.peers.entry(peer).or_default())
    }

    /// A session was replaced.
    pub fn replaced(&mut self, old: &Session) {
        if let Some(at) = old.last_opened_ms()
            && let Some(before) = self.entry(old.peer())
        {
            before.last = before.last.max(Some(at));
        }
    }

    /// The peer was removed, with or without a session that stays.
    pub fn forget(&mut self, now: u64, peer: u32, keeps_session: bool) {
        self.peers.remove(&peer);
        if keeps_session && let Some(before) = self.entry(peer) {
            before.forgotten = Some(now);
        }
    }

    /// When a frame of the peer was last opened.
    pub fn last(&self, peer: u32, openers: Option<&Openers>) -> Option<u64> {
        let before = self.peers.get(&peer).copied().unwrap_or_default();
        let sessions = openers.map(|openers| {
            let older = openers.older.as_ref().and_then(|older| older.last_opened_ms());
            openers.current.last_opened_ms().max(older)
        });
        sessions
            .flatten()
            .max(before.last)
            .filter(|at| before.forgotten.is_none_or(|forgotten| *at > forgotten))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_recent_for_exactly_the_gap() {
        let recent = Recent::new(3_000);
        assert!(!recent.has(0, 0) && !recent.has(5, 7));
        recent.note(10, 7);
        let while_recent = (10..4_000).filter(|now| recent.has(*now, 7)).count();
        assert_eq!(while_recent, 3_000);
        assert!(!recent.has(11, 8));
        recent.forget(8);
        assert!(recent.has(11, 7));
        recent.forget(7);
        assert!(!recent.has(11, 7));
    }

    #[test]
    fn a_request_in_the_clocks_first_millisecond_is_noted_too() {
        let recent = Recent::new(3_000);
        recent.note(0, 0);
        assert!(recent.has(0, 0) && recent.has(2_999, 0) && !recent.has(3_000, 0));
    }

    #[test]
    fn two_peers_in_one_place_are_never_mistaken_for_each_other() {
        let recent = Recent::new(3_000);
        let twin = (1..).find(|peer| std::ptr::eq(recent.place(*peer), recent.place(0))).unwrap();
        recent.note(10, 0);
        recent.note(11, twin);
        assert!(!recent.has(12, 0) && recent.has(12, twin));
    }

    #[test]
    fn the_time_survives_half_of_its_bits() {
        let recent = Recent::new(3_000);
        let now = (1 << 40) | u64::from(u32::MAX);
        recent.note(now, 1);
        assert!(recent.has(now + 2_999, 1) && !recent.has(now + 3_000, 1));
    }
}
