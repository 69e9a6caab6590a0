//! How often something may happen for one peer: requests after a failure, replies, registry fetches,
//! signature checks (spec 2, §3, §5, and hazard (d) of §10).
//!
//! A peer has an allowance of `burst`, and regains one every `gap_ms`: after a flood it waits that long at
//! most. The table has a fixed size, because ids in unauthenticated frames are free to
//! invent; the peers for which it has no room share one allowance, so the sum is bounded too.

use std::collections::HashMap;

/// When the table first grows past this, it takes its full size at once, so that a longer flood takes no more
/// memory than a short one: room for twice the peers, because a map that is more than half full grows instead
/// of clearing away what was removed.
const SMALL: usize = 64;

/// A rate limit per peer.
#[derive(Debug)]
pub struct PerPeer {
    gap_ms: u64,
    burst: u32,
    cap: usize,
    /// When each peer's allowance is whole again.
    whole_at: HashMap<u32, u64>,
    /// The same, for all peers beyond the table together.
    shared: u64,
    /// No entry can expire before, so the table is not searched before.
    search_at: u64,
}

impl PerPeer {
    /// A limit of `burst` at once and one every `gap_ms` milliseconds, remembered for at most `cap` peers.
    pub fn new(gap_ms: u64, burst: u32, cap: usize) -> Self {
        Self { gap_ms, burst, cap, whole_at: HashMap::new(), shared: 0, search_at: 0 }
    }

    /// Whether it may happen now; if so, it is counted.
    pub fn allow(&mut self, now: u64, peer: u32) -> bool {
        let (gap, burst) = (self.gap_ms, self.burst);
        if burst == 0 {
            return false;
        }
        if gap == 0 {
            return true;
        }
        let whole_at = self.entry(now, peer);
        let from = (*whole_at).max(now);
        let allowed = from - now <= u64::from(burst - 1) * gap;
        if allowed {
            *whole_at = from + gap;
        }
        allowed
    }

    fn entry(&mut self, now: u64, peer: u32) -> &mut u64 {
        if !self.whole_at.contains_key(&peer) && self.whole_at.len() >= self.cap {
            if now >= self.search_at {
                self.whole_at.retain(|_, whole_at| *whole_at > now);
                self.search_at = now + self.gap_ms;
            }
            if self.whole_at.len() >= self.cap {
                return &mut self.shared;
            }
        }
        if self.whole_at.len() == SMALL.min(self.cap) {
            self.whole_at.reserve(2 * self.cap);
        }
        self.whole_at.entry(peer).or_insert(0)
    }

    /// Forgets a peer.
    pub fn forget(&mut self, peer: u32) {
        self.whole_at.remove(&peer);
    }

    /// How many peers are remembered.
    pub fn len(&self) -> usize {
        self.whole_at.len()
    }

    /// Whether no peer is remembered.
    pub fn is_empty(&self) -> bool {
        self.whole_at.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_every_gap_and_not_a_millisecond_earlier() {
        let mut limit = PerPeer::new(3_000, 1, 10);
        let allowed: Vec<u64> = (0..10_000).filter(|now| limit.allow(*now, 1)).collect();
        assert_eq!(allowed, [0, 3_000, 6_000, 9_000]);
    }

    #[test]
    fn a_burst_passes_and_comes_back_one_by_one() {
        let mut limit = PerPeer::new(100, 3, 10);
        let at = |limit: &mut PerPeer, now| (0..10).filter(|_| limit.allow(now, 1)).count();
        assert_eq!([0, 50, 100, 250, 1_000].map(|now| at(&mut limit, now)), [3, 0, 1, 1, 3]);
    }

    #[test]
    fn peers_do_not_use_up_each_others_allowance() {
        let mut limit = PerPeer::new(1_000, 1, 10);
        assert!((0..10).all(|peer| limit.allow(5, peer)));
        assert!((0..10).all(|peer| !limit.allow(5, peer)));
    }

    #[test]
    fn strangers_beyond_the_table_share_one_allowance_and_take_no_memory() {
        let mut limit = PerPeer::new(1_000, 1, 100);
        let passed = (0..10_000).filter(|peer| limit.allow(0, *peer)).count();
        assert_eq!((passed, limit.len()), (101, 100));
        let capacity = limit.whole_at.capacity();
        // The next gap: the table empties and fills again.
        let passed = (0..1_000_000).filter(|peer| limit.allow(1_000, *peer)).count();
        assert_eq!((passed, limit.len()), (101, 100));
        assert!(limit.whole_at.capacity() <= capacity, "{capacity}");
    }

    #[test]
    fn no_gap_is_no_limit_and_no_burst_is_never() {
        assert!((0..5).all(|_| PerPeer::new(0, 1, 1).allow(0, 1)));
        assert!(!PerPeer::new(10, 0, 1).allow(0, 1));
    }

    #[test]
    fn a_forgotten_peer_has_its_whole_allowance() {
        let mut limit = PerPeer::new(1_000, 1, 10);
        assert!(limit.allow(0, 1) && !limit.allow(0, 1));
        limit.forget(1);
        assert!(limit.is_empty() && limit.allow(0, 1));
    }
}
