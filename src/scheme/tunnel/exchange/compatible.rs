//! The reference's frames, `PILA` and `PILK` (spec 2, §5), in `compat` and `safe`.
//!
//! The order of the steps is the reference's. What `safe` adds: limits per peer, the named rules, no
//! reflected frame, and an older session that comes back with its counters and its window when its key does.
//! Not here: what `PILA` cannot give, freshness; a recorded one is accepted in both modes.

use super::Exchange;
use super::derive;
use super::outcome::{Handled, Outcome, Work};
use super::outside::{Event, Installed, Source};
use crate::aead::Alg;
use crate::host::sync::Arc;
use crate::scheme::tunnel::frame::signed_message;
use crate::scheme::tunnel::session::{Keys, NewSession, Session};
use crate::scheme::tunnel::{Error, NO_DOWNGRADE, NO_UNAUTHENTICATED_EXCHANGE};

/// The sessions before and after a frame.
struct Settled {
    outcome: Outcome,
    old: Option<Arc<Session>>,
    new: Arc<Session>,
}

impl Exchange {
    pub(super) fn handle_authenticated(
        &self,
        peer: u32,
        x25519: &[u8; 32],
        ed25519: &[u8; 32],
        signature: &[u8; 64],
        source: Source,
    ) -> Result<Handled, Error> {
        self.begin(peer)?;
        self.store.room_for(peer)?;
        let mut expected = self.registered_key(peer)?;
        if expected != *ed25519 {
            expected = self.fetch_again(peer)?;
        }
        if expected != *ed25519 {
            return Err(Error::WrongPeerKey(peer));
        }
        let repeats = || self.keys.lock().cache.has_verified(peer, ed25519, x25519, signature);
        if !(self.is_strict() && repeats()) {
            if self.is_strict() && !self.may_check(peer, false) {
                return Err(Error::Limited(peer));
            }
            self.check_signature(peer, &expected, &signed_message(peer, x25519), signature)?;
        }
        let settled = self.settle(peer, x25519, true)?;
        self.keys.lock().cache.remember(peer, ed25519, x25519, signature);
        Ok(self.conclude(settled, Some(*ed25519), source))
    }

    pub(super) fn handle_unauthenticated(
        &self,
        peer: u32,
        x25519: &[u8; 32],
        source: Source,
    ) -> Result<Handled, Error> {
        self.begin(peer)?;
        if self.is_strict() && !self.options.unauthenticated.contains(&peer) {
            self.answer_with_identity(peer);
            return Err(Error::Rule(NO_UNAUTHENTICATED_EXCHANGE));
        }
        if self.identity.ed25519_public().is_some() {
            match self.registered_key(peer) {
                Ok(_) => {
                    self.answer_with_identity(peer);
                    return Err(Error::Downgrade(peer));
                }
                Err(Error::Limited(_)) => return Err(Error::Limited(peer)),
                // The weakness of the reference: a registry that cannot be asked knows no identity.
                Err(_) => {}
            }
        }
        self.store.room_for(peer)?;
        let settled = self.settle(peer, x25519, false)?;
        Ok(self.conclude(settled, None, source))
    }

    fn begin(&self, peer: u32) -> Result<(), Error> {
        if self.identity.x25519_public().is_none() {
            return Err(Error::NoOwnKey);
        }
        if self.is_strict() && peer == self.identity.node_id() {
            return Err(Error::Reflected);
        }
        Ok(())
    }

    /// Tells a peer that came without its identity that we have one.
    fn answer_with_identity(&self, peer: u32) {
        if let Some(pila) = self.identity.pila()
            && (!self.is_strict() || self.may_reply(peer, Outcome::Unchanged))
        {
            self.send_frame(peer, pila);
        }
    }

    /// Finds, restores or installs the session of this key.
    fn settle(&self, peer: u32, x25519: &[u8; 32], authenticated: bool) -> Result<Settled, Error> {
        const SOUND: &str = "no thread panics with this lock";
        {
            let _turn = self.turn.lock().expect(SOUND);
            if let Some(present) = self.present(peer, x25519, authenticated)? {
                return Ok(present);
            }
        }
        let new = Arc::new(self.derive_session(peer, x25519, authenticated)?);
        let _turn = self.turn.lock().expect(SOUND);
        // Another copy of the frame may have been quicker.
        if let Some(present) = self.present(peer, x25519, authenticated)? {
            return Ok(present);
        }
        let old = self.store.install(peer, Arc::clone(&new), self.is_strict())?;
        let outcome = if old.is_some() { Outcome::Changed } else { Outcome::New };
        Ok(Settled { outcome, old, new })
    }

    /// The session of this key, if the peer has it already: the current one stays as it is (rule `no-reset`),
    /// an older one becomes the current one again.
    fn present(&self, peer: u32, x25519: &[u8; 32], authenticated: bool) -> Result<Option<Settled>, Error> {
        let Some(openers) = self.store.openers(peer) else { return Ok(None) };
        let current = openers.current;
        if current.peer_x25519() == x25519 {
            let old = Some(Arc::clone(&current));
            return Ok(Some(Settled { outcome: Outcome::Unchanged, old, new: current }));
        }
        if self.is_strict() && !authenticated && current.authenticated() {
            return Err(Error::Rule(NO_DOWNGRADE));
        }
        let Some(older) = openers.older.filter(|older| older.peer_x25519() == x25519) else {
            return Ok(None);
        };
        if authenticated && !older.authenticated() {
            // It would stay unauthenticated: derive another.
            return Ok(None);
        }
        let old = self.store.install(peer, Arc::clone(&older), true)?;
        Ok(Some(Settled { outcome: Outcome::Restored, old, new: older }))
    }

    fn derive_session(&self, peer: u32, x25519: &[u8; 32], authenticated: bool) -> Result<Session, Error> {
        let secret = self.identity.x25519_secret().ok_or(Error::NoOwnKey)?;
        Work::count(&self.work.agreements);
        let key = derive::compatible(&*derive::shared(secret, x25519)?);
        let mut prefix = [0; 4];
        getrandom::fill(&mut prefix)?;
        Ok(Session::new(NewSession {
            mode: self.options.mode,
            own: self.identity.node_id(),
            peer,
            keys: Keys::Both(self.engine.key(Alg::Aes256Gcm, &key[..])?),
            prefix,
            session_id: [0; 4],
            created_at: self.now(),
            peer_x25519: *x25519,
            authenticated,
            sealed_before: 0,
            ring: self.store.ring(),
        }))
    }

    /// Event, hook, reply, and nothing is pending any more: in this order.
    fn conclude(&self, settled: Settled, peer_ed25519: Option<[u8; 32]>, source: Source) -> Handled {
        let Settled { outcome, old, new } = settled;
        let peer = new.peer();
        if let Some(old) = old.as_ref().filter(|_| outcome.is_change()) {
            self.heard.lock().replaced(old);
        }
        let installed =
            Installed { peer, from: source.address, from_relay: source.relay, peer_ed25519, old, new };
        if outcome.is_change() || self.is_noticed(&installed) {
            self.announce(&installed, outcome);
        }
        let authenticated = peer_ed25519.is_some();
        let due = outcome.is_change() || authenticated && self.inbound_stale(peer);
        let replied = due && self.may_reply(peer, outcome) && self.send_own(peer);
        if authenticated || outcome.is_change() {
            self.with_rekeys(|rekeys| rekeys.clear(peer));
        }
        Handled { peer, outcome, replied, installed: Some(installed) }
    }

    /// The event, then the hook.
    pub(super) fn announce(&self, installed: &Installed, outcome: Outcome) {
        self.outside.publish(Event::Established {
            peer_node_id: installed.peer,
            authenticated: installed.peer_ed25519.is_some(),
            relay: installed.from_relay,
            rekeyed: matches!(outcome, Outcome::Changed | Outcome::Restored),
        });
        self.outside.installed(installed);
    }

    /// Whether the repeat of an exchange is announced: not right after the install, and in `safe` only once
    /// per gap.
    fn is_noticed(&self, installed: &Installed) -> bool {
        let now = self.now();
        let age = now.saturating_sub(installed.new.created_at());
        age >= self.options.timing.debounce_ms
            && (!self.is_strict() || self.replies.lock().notices.allow(now, installed.peer))
    }

    /// Whether a reply may be sent. Replies to unchanged keys have a limit also in `compat`, as in the second
    /// generation: without it two peers that have nothing to say answer each other for ever, as fast as they
    /// can.
    pub(super) fn may_reply(&self, peer: u32, outcome: Outcome) -> bool {
        let now = self.now();
        let mut replies = self.replies.lock();
        if outcome.is_change() {
            return !self.is_strict() || replies.changes.allow(now, peer);
        }
        replies.repeats.allow(now, peer)
    }
}
