//! A node of the tunnel: what a program uses. It joins the store, the key exchange, the queue and the
//! envelope.
//!
//! This file seals and opens; [`Node::send`] and [`Node::receive`], which also use the network, are in
//! `message`. A frame that is refused has consequences here, by the mode: a request for new keys, an event,
//! in `compat` a dropped session (spec 2, §§3, 7). Hooks, publisher and sender are called with no lock held.
//! Not here: sockets and threads.

mod batch;
mod link;
mod message;

use std::sync::Arc as StdArc;

pub use self::link::Link;
pub use self::message::{Received, Sent};
use super::envelope::gate::{self, Advice};
use super::envelope::{self, Sealed};
pub use super::envelope::{Opened, Place};
use super::exchange::{Event, Exchange, Identity, Outside, Queue};
use super::lock::Mutex;
use super::session::{Arc, Openers, Session, Store};
use super::{Clock, Error, Mode, Options};
use crate::engine::Engine;

/// One node: its identity, its sessions, and everything that they need.
pub struct Node {
    exchange: Exchange,
    store: Arc<Store>,
    queue: Mutex<Queue>,
    clock: StdArc<dyn Clock>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("identity", self.exchange.identity())
            .field("mode", &self.options().mode)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

impl Node {
    /// A node without sessions.
    ///
    /// # Errors
    /// [`Error::NoIdentity`] in `hardened` without an Ed25519 key.
    pub fn new(
        identity: Identity,
        options: Options,
        engine: &'static dyn Engine,
        clock: StdArc<dyn Clock>,
        outside: Outside,
    ) -> Result<Self, Error> {
        let store = Arc::new(Store::new(&options));
        let queue = Queue::new(options.limits.queue_frames, options.limits.queue_peers);
        let of_exchange = Arc::clone(&store);
        let exchange = Exchange::new(identity, options, engine, StdArc::clone(&clock), outside, of_exchange)?;
        Ok(Self { exchange, store, queue: Mutex::new(queue), clock })
    }

    /// Its key exchanges.
    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// Its sessions.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Its options.
    pub fn options(&self) -> &Options {
        self.exchange.options()
    }

    /// Its id.
    pub fn node_id(&self) -> u32 {
        self.exchange.identity().node_id()
    }

    /// The session that seals for the peer.
    pub fn session(&self, peer: u32) -> Option<Arc<Session>> {
        self.store.get(peer)
    }

    /// Bytes that a sealed frame has more than its message.
    pub fn overhead(&self) -> usize {
        envelope::overhead(self.options().mode)
    }

    /// Whether frames are authenticated before anything else.
    fn is_strict(&self) -> bool {
        self.options().mode != Mode::Compat
    }

    #[inline]
    fn now(&self) -> u64 {
        self.clock.now_ms()
    }

    /// Seals a message into the first [`overhead`](Self::overhead) bytes more than it has of `out`, and
    /// returns the frame's length. Keeps a copy of the message for a while, to send it again under new keys.
    ///
    /// # Errors
    /// [`Error::NoKey`]: ask for an exchange. [`Error::CounterExhausted`]: the session is dropped, and an
    /// exchange asked for. [`Error::BufferTooSmall`], [`Error::MessageTooLong`], [`Error::Engine`].
    #[inline]
    pub fn seal_into(&self, peer: u32, plaintext: &[u8], out: &mut [u8]) -> Result<usize, Error> {
        let session = self.store.get(peer).ok_or(Error::NoKey(peer))?;
        self.seal_with(&session, plaintext, out)
    }

    #[inline]
    fn seal_with(&self, session: &Arc<Session>, plaintext: &[u8], out: &mut [u8]) -> Result<usize, Error> {
        let sealed = envelope::seal_into(session, self.now(), plaintext, out);
        sealed.inspect_err(|error| self.after_failed_seal(session, *error))
    }

    /// Seals a message into a new frame.
    ///
    /// # Errors
    /// As [`seal_into`](Self::seal_into).
    pub fn seal(&self, peer: u32, plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        let mut frame = vec![0; plaintext.len() + self.overhead()];
        let len = self.seal_into(peer, plaintext, &mut frame)?;
        frame.truncate(len);
        Ok(frame)
    }

    /// A session without counters is of no use: the next exchange begins another.
    fn after_failed_seal(&self, session: &Arc<Session>, error: Error) {
        if error == Error::CounterExhausted {
            let peer = session.peer();
            self.store.drop_if(peer, session);
            self.exchange.request_after_failure(peer);
        }
    }

    /// Opens a sealed frame in place.
    ///
    /// # Errors
    /// [`Error::NotATunnelFrame`], [`Error::TooShort`]; [`Error::NoKey`], [`Error::NotAuthentic`]: an
    /// exchange was asked for, at most once per peer and
    /// [`Timing::rekey_request_ms`](super::Timing::rekey_request_ms). [`Error::Replay`],
    /// [`Error::OutsideWindow`], [`Error::StaleEpoch`], [`Error::CounterZero`]. The buffer holds no plaintext
    /// then.
    #[inline]
    pub fn open_in_place<'f>(&self, frame: &'f mut [u8]) -> Result<Opened<'f>, Error> {
        let sealed = Sealed::decode(self.options().mode, frame)?;
        let peer = sealed.sender;
        let Some(openers) = self.store.openers(peer) else {
            self.exchange.request_after_failure(peer);
            return Err(Error::NoKey(peer));
        };
        self.open_with(&openers, &sealed, frame)
    }

    #[inline]
    fn open_with<'f>(
        &self,
        openers: &Openers,
        sealed: &Sealed,
        frame: &'f mut [u8],
    ) -> Result<Opened<'f>, Error> {
        let now = self.now();
        match envelope::open_either(openers, now, frame) {
            Ok((opened, session)) => {
                self.after_open(openers, session);
                Ok(opened)
            }
            Err(error) => {
                self.after_failed_open(&openers.current, now, sealed.counter, error);
                Err(error)
            }
        }
    }

    #[inline]
    fn after_open(&self, openers: &Openers, session: &Arc<Session>) {
        if openers.older.is_some() && Arc::ptr_eq(session, &openers.current) {
            self.store.confirm(session.peer(), session);
        }
        self.exchange.opened(session.peer());
    }

    /// The consequences of a refused frame, by the mode.
    fn after_failed_open(&self, session: &Arc<Session>, now: u64, counter: u64, error: Error) {
        let peer = session.peer();
        let Options { mode, timing, limits, .. } = self.options();
        if let Error::Replay | Error::OutsideWindow | Error::StaleEpoch = error {
            self.exchange.outside().publish(Event::NonceReplay {
                peer_node_id: peer,
                counter,
                outside_window: error == Error::OutsideWindow,
                authentic: self.is_strict(),
            });
        }
        let age = now.saturating_sub(session.created_at());
        let installed = !self.is_strict() && self.store.is_installed(peer, session);
        match gate::after(*mode, error, session.decrypt_fails(), age, installed, timing, limits) {
            Advice::Keep => {}
            Advice::Rekey => {
                self.exchange.request_after_failure_at(now, peer);
            }
            Advice::DropAndRekey => {
                if self.store.drop_if(peer, session) {
                    self.exchange.outside().publish(Event::SessionDropped { peer_node_id: peer });
                }
                self.exchange.request_after_failure_at(now, peer);
            }
        }
    }

    /// Forgets a peer: its sessions, its key, its requests, and the messages that wait for it, which are
    /// reported as lost.
    pub fn remove_peer(&self, peer: u32) {
        self.store.remove(peer);
        self.exchange.remove_peer(peer);
        self.discard(peer);
    }

    /// How many messages wait for a session with the peer.
    pub fn queued(&self, peer: u32) -> usize {
        self.queue.lock().len(peer)
    }

    fn discard(&self, peer: u32) {
        let messages = self.queue.lock().discard(peer);
        self.report_lost(peer, messages);
    }

    fn report_lost(&self, peer: u32, messages: usize) {
        if messages > 0 {
            self.exchange.outside().publish(Event::MessagesLost { peer_node_id: peer, messages });
        }
    }
}

#[cfg(test)]
mod tests;
