//! The hardened handshake on the wire: signatures, limits, keys and installs around [`Hellos`](super::hello).

use super::Exchange;
use super::derive::{self, Party};
use super::hello::{Class, Fresh, NO_ECHO, Offer};
use super::outcome::{Handled, Outcome, Work};
use super::outside::{Installed, Source};
use super::planted::{Defect, lacks};
use crate::aead::Alg;
use crate::host::sync::Arc;
use crate::scheme::tunnel::frame::Hello;
use crate::scheme::tunnel::session::{Keys, NewSession, Session};
use crate::scheme::tunnel::{Error, Mode};

impl Exchange {
    /// Handles a hello: the cheap questions first, the signature before anything changes.
    pub(super) fn handle_hello(&self, hello: &Hello, source: Source) -> Result<Handled, Error> {
        let (own, peer) = (self.identity.node_id(), hello.sender);
        if peer == own {
            return Err(Error::Reflected);
        }
        if hello.receiver != own && !lacks(Defect::ReceiverUnchecked) {
            return Err(Error::WrongReceiver(hello.receiver));
        }
        let now = self.now();
        let class = self.hellos.lock().classify(now, hello);
        let Some(class) = class else { return Ok(Handled::nothing(peer, Outcome::Ignored, false)) };
        self.store.room_for(peer)?;
        let key = self.registered_key(peer)?;
        if !self.may_check(peer, class != Class::Start) {
            if class == Class::Start {
                self.start_instead(peer);
            }
            return Err(Error::Limited(peer));
        }
        let key = match self.check_signature(peer, &key, &hello.signed(), &hello.signature) {
            Err(_) if lacks(Defect::SignatureUnchecked) => key,
            Err(error) if class == Class::Start => {
                self.start_instead(peer);
                return Err(error);
            }
            // Whoever echoes our random bytes has seen our hello: the peer, with a key that has changed, or
            // somebody on the path. Nobody else uses up the fetches.
            Err(error) => {
                let newest = self.fetch_again(peer)?;
                if newest == key {
                    return Err(error);
                }
                self.check_signature(peer, &newest, &hello.signed(), &hello.signature)?;
                newest
            }
            Ok(()) => key,
        };
        match class {
            Class::Start => {
                let replied = self.may_reply(peer, Outcome::New) && self.send_hello(peer, hello.random);
                if !replied {
                    self.start_instead(peer);
                }
                Ok(Handled::nothing(peer, Outcome::Answered, replied))
            }
            Class::Repeat => {
                let last_word = self.hellos.lock().last_word(hello);
                let replied = last_word.is_some_and(|offer| {
                    self.may_reply(peer, Outcome::Unchanged) && self.send_offer(peer, &offer)
                });
                Ok(Handled::nothing(peer, Outcome::Answered, replied))
            }
            Class::Answer => self.install_hardened(hello, key, source),
        }
    }

    /// The peer's hello could not be examined or answered now, so begin ourselves: the peer's answer will
    /// echo our random bytes, which nobody off the path can, and has an allowance of its own.
    fn start_instead(&self, peer: u32) {
        let now = self.now();
        let allowed = self.replies.lock().starts.allow(now, peer);
        if allowed {
            self.send_hello(peer, NO_ECHO);
        }
    }

    fn install_hardened(&self, hello: &Hello, ed25519: [u8; 32], source: Source) -> Result<Handled, Error> {
        let peer = hello.sender;
        let now = self.now();
        let agreed = self.hellos.lock().agree(now, hello);
        let Some(agreed) = agreed else { return Ok(Handled::nothing(peer, Outcome::Ignored, false)) };
        Work::count(&self.work.agreements);
        let shared = derive::shared(&agreed.secret, &hello.x25519)?;
        let own = Party { node_id: self.identity.node_id(), random: agreed.random };
        let keys = derive::hardened(&shared, &own, &Party { node_id: peer, random: hello.random });
        let new = Arc::new(Session::new(NewSession {
            mode: Mode::Hardened,
            own: own.node_id,
            peer,
            keys: Keys::Directed {
                seal: self.engine.key(Alg::Aes256Gcm, &keys.seal[..])?,
                open: self.engine.key(Alg::Aes256Gcm, &keys.open[..])?,
            },
            prefix: [0; 4],
            session_id: keys.session,
            created_at: now,
            peer_x25519: hello.x25519,
            authenticated: true,
            sealed_before: 0,
            ring: self.store.ring(),
        }));
        let old = self.store.install(peer, Arc::clone(&new), true)?;
        if let Some(old) = &old {
            self.heard.lock().replaced(old);
        }
        let outcome = if old.is_some() { Outcome::Changed } else { Outcome::New };
        let (from, from_relay) = (source.address, source.relay);
        let installed = Installed { peer, from, from_relay, peer_ed25519: Some(ed25519), old, new };
        self.announce(&installed, outcome);
        let replied = agreed.reply.is_some_and(|offer| self.send_offer(peer, &offer));
        self.with_rekeys(|rekeys| rekeys.clear(peer));
        Ok(Handled { peer, outcome, replied, installed: Some(installed) })
    }

    /// Sends our outstanding hello, or a fresh one, with this echo. Returns whether the network took it;
    /// nothing is sent if the table of outstanding hellos is full or there are no random bytes.
    pub(super) fn send_hello(&self, peer: u32, echo: [u8; 32]) -> bool {
        if peer == self.identity.node_id() {
            return false;
        }
        let now = self.now();
        let needs_fresh = self.hellos.lock().needs_fresh(now, peer);
        let fresh = if needs_fresh { Fresh::draw().ok() } else { None };
        let offer = self.hellos.lock().offer(now, peer, echo, fresh);
        offer.is_some_and(|offer| self.send_offer(peer, &offer))
    }

    fn send_offer(&self, peer: u32, offer: &Offer) -> bool {
        let Offer { x25519, random, echo } = *offer;
        let sender = self.identity.node_id();
        let mut hello = Hello { sender, receiver: peer, x25519, random, echo, signature: [0; 64] };
        let Some(signature) = self.identity.sign(&hello.signed()) else { return false };
        hello.signature = signature;
        self.send_frame(peer, &hello.encode())
    }
}
