//! The registered keys of peers, and what a peer may cost: fetches and signature checks (spec 2, §5; hazard
//! (d) of §10).

use super::Exchange;
use super::cache::{Cached, KeyCache};
use super::limit::PerPeer;
use super::outcome::Work;
use crate::primitive::ed25519;
use crate::scheme::tunnel::{Error, Limits, Timing};

/// The keys of peers, and how often their frames may cost a fetch or a check.
#[derive(Debug)]
pub(super) struct Keys {
    pub cache: KeyCache,
    fetches: PerPeer,
    checks: PerPeer,
    /// Checks of hellos that echo ours.
    echo_checks: PerPeer,
}

impl Keys {
    pub fn new(timing: &Timing, limits: &Limits) -> Self {
        let gap = timing.check_gap_ms.div_ceil(u64::from(limits.checks_per_gap.max(1)));
        let checks = || PerPeer::new(gap, limits.checks_per_gap, limits.limited_peers);
        Self {
            cache: KeyCache::new(timing, limits),
            fetches: checks(),
            checks: checks(),
            echo_checks: checks(),
        }
    }

    /// Whether the peer has a known key.
    pub fn knows(&self, now: u64, peer: u32) -> bool {
        matches!(self.cache.look(now, peer), Cached::Key(_))
    }
}

impl Exchange {
    /// The peer's registered key: from the cache, or else from the registry.
    pub(super) fn registered_key(&self, peer: u32) -> Result<[u8; 32], Error> {
        let now = self.now();
        {
            let mut keys = self.keys.lock();
            match keys.cache.look(now, peer) {
                Cached::Key(key) => return Ok(key),
                Cached::Absent => return Err(Error::NoPeerKey(peer)),
                Cached::Unknown if self.is_strict() && !keys.fetches.allow(now, peer) => {
                    return Err(Error::Limited(peer));
                }
                Cached::Unknown => {}
            }
        }
        self.fetch(peer)
    }

    /// The peer's key from the registry, because the one in the cache is not the one in a frame. `compat`
    /// forgets the old one first; otherwise it stays unless the registry gives another.
    pub(super) fn fetch_again(&self, peer: u32) -> Result<[u8; 32], Error> {
        let now = self.now();
        {
            let mut keys = self.keys.lock();
            if !self.is_strict() {
                keys.cache.forget(peer);
            } else if !keys.fetches.allow(now, peer) {
                return Err(Error::Limited(peer));
            }
        }
        self.fetch(peer)
    }

    fn fetch(&self, peer: u32) -> Result<[u8; 32], Error> {
        Work::count(&self.work.registry_fetches);
        let answer = self.outside.ed25519_key(peer).map_err(|_| Error::NoPeerKey(peer))?;
        self.keys.lock().cache.learn(self.now(), peer, answer);
        answer.ok_or(Error::NoPeerKey(peer))
    }

    /// Whether the peer's allowance has another signature check, or a request of ours has paid for it.
    pub(super) fn may_check(&self, peer: u32, echoes_ours: bool) -> bool {
        let now = self.now();
        let allowed = {
            let mut keys = self.keys.lock();
            let table = if echoes_ours { &mut keys.echo_checks } else { &mut keys.checks };
            table.allow(now, peer)
        };
        allowed || self.with_rekeys(|rekeys| rekeys.take_credit(peer))
    }

    pub(super) fn check_signature(
        &self,
        peer: u32,
        key: &[u8; 32],
        message: &[u8],
        signature: &[u8; 64],
    ) -> Result<(), Error> {
        Work::count(&self.work.signature_checks);
        ed25519::verify(key, message, signature).map_err(|_| Error::BadSignature(peer))
    }
}
