//! Key exchange (spec 2, §§5-6, 8-10): from frames to sessions in the store.
//!
//! [`Exchange`] handles the frames of a key exchange, asks for exchanges, sends its requests again, and gives
//! up. `compat` and `safe` share the reference's frames (`compatible`); `hardened` has its own ([`hello`]).
//! Everything outside is a trait ([`outside`]) and is called with no lock held. Not here: sealed frames. This
//! folder imports neither `envelope` nor `node`; the node re-seals recent messages after an install.
//!
//! What a peer can cost us in `safe` and `hardened`, whatever it sends or others send in its name, per
//! [`Timing::check_gap_ms`](super::Timing::check_gap_ms):
//! [`Limits::checks_per_gap`](super::Limits::checks_per_gap) registry fetches and as many signature checks,
//! [`rekey::ANSWERS_EXAMINED`] checks more for each request that we sent ourselves, and one more for each
//! fetch that brought another key for an answer of `hardened`. That does not lock out the genuine peer: one
//! check comes back every fraction of the gap; the answer to a request of ours is examined even behind 512
//! forged ones; a frame that verified before is recognised by its bytes, without a check; a hello that echoes
//! ours, which only somebody on the path can forge, has an allowance of its own.

use std::sync::Arc as StdArc;

use self::hello::Hellos;
use self::keys::Keys;
use self::limit::PerPeer;
use self::outcome::Work;
use self::recent::{Heard, Recent};
use super::frame::Frame;
use super::lock::Mutex;
use super::session::{Arc, Store};
use super::{Clock, Error, Limits, Mode, Options};
use crate::engine::Engine;
use crate::host::sync;
use crate::host::sync::atomic::{AtomicUsize, Ordering};

pub mod cache;
mod compatible;
pub mod derive;
mod hardened;
pub mod hello;
pub mod identity;
mod keys;
pub mod limit;
mod outcome;
pub mod outside;
pub(crate) mod planted;
pub mod queue;
mod recent;
pub mod rekey;

pub use identity::Identity;
pub use outcome::{Handled, Outcome, Requested, Tallies};
pub use outside::{Event, Hooks, Installed, Outside, Publisher, Registry, Sender, Source, Unavailable};
pub use queue::Queue;
pub use rekey::Rekeys;

/// Replies to changed keys that a peer may cause at once in `safe`; then one per
/// [`Timing::reply_gap_ms`](crate::scheme::tunnel::Timing::reply_gap_ms). They go to the peer itself, whoever
/// caused them, and are always the same bytes.
const CHANGES_ANSWERED: u32 = 4;

/// How often a peer's frames may cost a frame of ours, or a call to the outside.
#[derive(Debug)]
struct Replies {
    /// To changed keys, and to hellos.
    pub changes: PerPeer,
    /// To unchanged keys.
    pub repeats: PerPeer,
    /// Events about unchanged keys.
    pub notices: PerPeer,
    /// Hellos of our own, for a peer whose hello could not be answered.
    pub starts: PerPeer,
    /// After failures, for peers with a session or a known key, and for strangers.
    known: PerPeer,
    strangers: PerPeer,
}

/// The key exchanges of one node.
pub struct Exchange {
    identity: Identity,
    options: Options,
    engine: &'static dyn Engine,
    clock: StdArc<dyn Clock>,
    outside: Outside,
    store: Arc<Store>,
    keys: Mutex<Keys>,
    replies: Mutex<Replies>,
    hellos: Mutex<Hellos>,
    heard: Mutex<Heard>,
    work: Work,
    /// Taken around the look and the install, so that two copies of a frame install one session. Not a leaf:
    /// the store's lock is taken under it. No call to the outside is made under it.
    turn: sync::Mutex<()>,
    rekeys: Mutex<Rekeys>,
    /// How many entries [`Self::rekeys`] has, so that an opened frame looks without a lock.
    busy: AtomicUsize,
    recent: Recent,
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl Exchange {
    /// The exchanges of this identity, which installs sessions into `store`.
    ///
    /// # Errors
    /// [`Error::NoIdentity`] in `hardened` without an Ed25519 key.
    pub fn new(
        identity: Identity,
        options: Options,
        engine: &'static dyn Engine,
        clock: StdArc<dyn Clock>,
        outside: Outside,
        store: Arc<Store>,
    ) -> Result<Self, Error> {
        if options.mode == Mode::Hardened && identity.ed25519_public().is_none() {
            return Err(Error::NoIdentity);
        }
        let (timing, mut limits) = (options.timing, options.limits);
        if options.mode == Mode::Compat {
            // The reference believes no absence.
            limits.negative_keys = 0;
        }
        let replies = |burst| PerPeer::new(timing.reply_gap_ms, burst, limits.limited_peers);
        let requests = || PerPeer::new(timing.rekey_request_ms, 1, limits.rekey_requests);
        Ok(Self {
            keys: Mutex::new(Keys::new(&timing, &limits)),
            replies: Mutex::new(Replies {
                changes: replies(CHANGES_ANSWERED),
                repeats: replies(1),
                notices: replies(1),
                starts: replies(1),
                known: requests(),
                strangers: requests(),
            }),
            hellos: Mutex::new(Hellos::new(&timing, &limits)),
            heard: Mutex::new(Heard::new(limits.sessions)),
            work: Work::default(),
            turn: sync::Mutex::new(()),
            rekeys: Mutex::new(Rekeys::new(&timing, &limits)),
            busy: AtomicUsize::new(0),
            recent: Recent::new(timing.rekey_request_ms),
            identity,
            options,
            engine,
            clock,
            outside,
            store,
        })
    }

    /// Who we are.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The options.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The program around us.
    pub fn outside(&self) -> &Outside {
        &self.outside
    }

    /// How much work was done so far.
    pub fn tallies(&self) -> Tallies {
        self.work.read()
    }

    /// Handles a frame of a key exchange.
    ///
    /// # Errors
    /// [`Error::NotATunnelFrame`] for every other frame, and for those of the other family of modes.
    /// Otherwise why the frame was refused: [`Error::TooShort`], [`Error::NoOwnKey`], [`Error::Reflected`],
    /// [`Error::WrongReceiver`], [`Error::StoreFull`], [`Error::NoPeerKey`], [`Error::WrongPeerKey`],
    /// [`Error::Limited`], [`Error::BadSignature`], [`Error::LowOrderPoint`], [`Error::Downgrade`], or the
    /// name of a rule; nothing has changed then. [`Error::Random`] and [`Error::Engine`] are our own
    /// failures.
    pub fn handle(&self, frame: &[u8], source: Source) -> Result<Handled, Error> {
        let compatible = self.options.mode.is_compatible();
        match Frame::decode(frame)? {
            Frame::Authenticated { node_id, x25519, ed25519, signature } if compatible => {
                self.handle_authenticated(node_id, &x25519, &ed25519, &signature, source)
            }
            Frame::Unauthenticated { node_id, x25519 } if compatible => {
                self.handle_unauthenticated(node_id, &x25519, source)
            }
            Frame::Hello(hello) if !compatible => self.handle_hello(&hello, source),
            _ => Err(Error::NotATunnelFrame),
        }
    }

    /// Asks the peer for an exchange: sends our frame, and sends it again until it is answered.
    pub fn request(&self, peer: u32) -> Requested {
        self.request_among(self.options.limits.sessions, peer)
    }

    /// Asks for an exchange, and sends again only if fewer requests than `cap` are pending.
    fn request_among(&self, cap: usize, peer: u32) -> Requested {
        let frame_sent = self.send_own(peer);
        let now = self.now();
        let tracked = frame_sent && self.with_rekeys(|rekeys| rekeys.mark_among(cap, now, peer));
        Requested { frame_sent, tracked }
    }

    /// Asks for an exchange because a frame in the peer's name did not open: at most once per peer and
    /// [`Timing::rekey_request_ms`](crate::scheme::tunnel::Timing::rekey_request_ms). `None` if it was asked
    /// already. Strangers, whose ids cost nothing, cannot use up the requests for peers that we know, nor
    /// take more than [`Limits::rekey_requests`] places among the pending ones.
    pub fn request_after_failure(&self, peer: u32) -> Option<Requested> {
        self.request_after_failure_at(self.now(), peer)
    }

    /// The same at a time that the caller has read from the clock.
    #[inline]
    pub(super) fn request_after_failure_at(&self, now: u64, peer: u32) -> Option<Requested> {
        if self.recent.has(now, peer) || peer == self.identity.node_id() {
            return None;
        }
        self.request_unless_limited(now, peer)
    }

    fn request_unless_limited(&self, now: u64, peer: u32) -> Option<Requested> {
        let known = self.store.get(peer).is_some() || self.keys.lock().knows(now, peer);
        let allowed = {
            let mut replies = self.replies.lock();
            let table = if known { &mut replies.known } else { &mut replies.strangers };
            table.allow(now, peer)
        };
        if !allowed {
            return None;
        }
        self.recent.note(now, peer);
        let Limits { sessions, rekey_requests, .. } = self.options.limits;
        Some(self.request_among(if known { sessions } else { rekey_requests }, peer))
    }

    /// Gives up, sends again, and forgets what has expired. To be called every
    /// [`Timing::tick_ms`](crate::scheme::tunnel::Timing::tick_ms). Returns the peers that were given up.
    pub fn tick(&self) -> Vec<u32> {
        let now = self.now();
        let ticked = self.with_rekeys(|rekeys| rekeys.tick(now));
        for peer in &ticked.gave_up {
            self.outside.publish(Event::RekeyGaveUp { peer_node_id: *peer });
        }
        for peer in ticked.resend {
            if self.send_own(peer) {
                self.with_rekeys(|rekeys| rekeys.mark_resent(now, peer));
            }
        }
        self.hellos.lock().expire(now);
        ticked.gave_up
    }

    /// A frame of the peer was opened: nothing is pending, and the peer no longer cools down.
    #[inline]
    pub fn opened(&self, peer: u32) {
        // Relaxed: an entry that another thread is adding is cleared by the next frame.
        if self.busy.load(Ordering::Relaxed) != 0 {
            self.clear_opened(peer);
        }
    }

    #[cold]
    fn clear_opened(&self, peer: u32) {
        self.with_rekeys(|rekeys| {
            rekeys.clear(peer);
            rekeys.clear_gave_up(peer);
        });
    }

    /// The peer has another path: a pending request starts from the beginning.
    pub fn path_changed(&self, peer: u32) {
        self.with_rekeys(|rekeys| rekeys.reset(peer));
    }

    /// Forgets the peer: its key, its requests, and when it was heard. Its session stays in the store.
    pub fn remove_peer(&self, peer: u32) {
        self.keys.lock().cache.forget(peer);
        self.clear_opened(peer);
        let keeps_session = self.store.get(peer).is_some();
        self.heard.lock().forget(self.now(), peer, keeps_session);
        self.hellos.lock().forget(peer);
        self.recent.forget(peer);
        let mut replies = self.replies.lock();
        replies.known.forget(peer);
        replies.strangers.forget(peer);
    }

    /// Whether the peer was given up a moment ago, so that no message should wait for it (the reference's
    /// `PeerInRekeyGaveUp`).
    pub fn gave_up(&self, peer: u32) -> bool {
        let now = self.now();
        self.busy.load(Ordering::Relaxed) != 0 && self.rekeys.lock().gave_up(now, peer)
    }

    /// Whether no frame of the peer was opened for longer than
    /// [`Timing::reply_stale_ms`](crate::scheme::tunnel::Timing::reply_stale_ms); also if none ever was (the
    /// reference's `InboundDecryptStale`).
    pub fn inbound_stale(&self, peer: u32) -> bool {
        let openers = self.store.openers(peer);
        let last = self.heard.lock().last(peer, openers.as_ref());
        let now = self.now();
        last.is_none_or(|last| now.saturating_sub(last) > self.options.timing.reply_stale_ms)
    }

    /// The attempts of a pending request.
    pub fn attempts(&self, peer: u32) -> Option<u32> {
        self.rekeys.lock().attempts(peer)
    }

    fn now(&self) -> u64 {
        self.clock.now_ms()
    }

    fn is_strict(&self) -> bool {
        self.options.mode != Mode::Compat
    }

    fn with_rekeys<T>(&self, change: impl FnOnce(&mut Rekeys) -> T) -> T {
        let mut rekeys = self.rekeys.lock();
        let result = change(&mut rekeys);
        self.busy.store(rekeys.len(), Ordering::Relaxed);
        result
    }

    /// Sends our own frame, the only one that is not sealed. Returns whether the network took it.
    fn send_own(&self, peer: u32) -> bool {
        if self.options.mode == Mode::Hardened {
            return self.send_hello(peer, hello::NO_ECHO);
        }
        let pila = self.identity.pila().map(|frame| &frame[..]);
        let frame = pila.or(self.identity.pilk().map(|frame| &frame[..]));
        frame.is_some_and(|frame| self.send_frame(peer, frame))
    }

    fn send_frame(&self, peer: u32, frame: &[u8]) -> bool {
        let sent = self.outside.send(peer, frame);
        if sent {
            Work::count(&self.work.frames_sent);
        }
        sent
    }
}

#[cfg(test)]
mod tests;
