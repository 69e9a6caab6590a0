//! The state of one peer's keys: the send counter, the replay state, recent messages, faults (spec §§3-8).
//!
//! A [`Session`] is shared as `Arc`, and its identity is the pointer's: a session that replaces another is
//! never mistaken for it. [`Store`] holds the sessions of all peers. Not here: what a frame looks like and
//! the order of opening and recording (`envelope`), and where keys come from (`exchange`).

mod count;
pub mod epoch;
pub mod salvage;
pub mod store;
#[cfg(test)]
pub(super) mod testing;
pub mod window;

use std::ops::RangeInclusive;

use zeroize::Zeroizing;

use super::lock::Mutex;
use super::{Error, Mode};
use crate::aead::Aead;
pub use crate::host::sync::Arc;
pub use count::Counters;
use count::Counts;
pub use epoch::{Recorded, Replay};
pub use salvage::{Budget, Ring};
pub use store::{Openers, Store};
pub use window::Window;

/// The keys of a session, expanded.
pub enum Keys {
    /// The reference's: one key for both directions.
    Both(Box<dyn Aead>),
    /// One key for each direction.
    Directed {
        /// Seals what we send.
        seal: Box<dyn Aead>,
        /// Opens what we receive.
        open: Box<dyn Aead>,
    },
}

impl Keys {
    /// The key that seals what we send.
    #[inline]
    pub fn seal(&self) -> &dyn Aead {
        match self {
            Self::Both(key) | Self::Directed { seal: key, .. } => &**key,
        }
    }

    /// The key that opens what we receive.
    #[inline]
    pub fn open(&self) -> &dyn Aead {
        match self {
            Self::Both(key) | Self::Directed { open: key, .. } => &**key,
        }
    }
}

/// Shows no key.
impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Both(_) => "Both(..)",
            Self::Directed { .. } => "Directed { .. }",
        })
    }
}

/// What a session is made of.
#[derive(Debug)]
pub struct NewSession {
    /// The mode.
    pub mode: Mode,
    /// Our node id, which the frames that we seal carry.
    pub own: u32,
    /// The peer's node id.
    pub peer: u32,
    /// The keys.
    pub keys: Keys,
    /// Random bytes that begin the nonces that we seal under; zeros in `hardened`.
    pub prefix: [u8; 4],
    /// The name of the session in hardened frames; zeros in the other modes.
    pub session_id: [u8; 4],
    /// The time of creation, in milliseconds.
    pub created_at: u64,
    /// The X25519 key of the peer from which the keys were derived.
    pub peer_x25519: [u8; 32],
    /// Whether the peer proved its identity.
    pub authenticated: bool,
    /// Frames sealed before, which is 0 but for published vectors: the next frame's counter is one more.
    pub sealed_before: u64,
    /// Where recent messages are kept: [`Store::ring`].
    pub ring: Ring,
}

/// The keys that this node and one peer share, with all their state.
pub struct Session {
    mode: Mode,
    own: u32,
    peer: u32,
    prefix: [u8; 4],
    session_id: [u8; 4],
    authenticated: bool,
    keys: Keys,
    created_at: u64,
    peer_x25519: [u8; 32],
    sealed_before: u64,
    sending: Mutex<Sending>,
    replay: Mutex<Replay>,
    counts: Counts,
}

/// What sealing changes. Counter and ring are under one lock because every frame needs both.
struct Sending {
    /// The counter of the frame sealed last.
    counter: u64,
    ring: Ring,
}

impl Sending {
    /// The first of `count` consecutive counters, all or none.
    #[inline]
    fn take(&mut self, count: u64) -> Result<u64, Error> {
        let last = self.counter.checked_add(count).ok_or(Error::CounterExhausted)?;
        // Past the end only for a count of 0.
        Ok(std::mem::replace(&mut self.counter, last).wrapping_add(1))
    }
}

impl Session {
    /// A session that has opened nothing yet.
    pub fn new(new: NewSession) -> Self {
        let NewSession { mode, own, peer, keys, prefix, session_id, .. } = new;
        let NewSession { created_at, peer_x25519, authenticated, sealed_before, ring, .. } = new;
        Self {
            mode,
            own,
            peer,
            prefix,
            session_id,
            authenticated,
            keys,
            created_at,
            peer_x25519,
            sealed_before,
            sending: Mutex::new(Sending { counter: sealed_before, ring }),
            replay: Mutex::new(Replay::new(mode)),
            counts: Counts::new(),
        }
    }

    /// The mode.
    #[inline]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Our node id.
    #[inline]
    pub fn own(&self) -> u32 {
        self.own
    }

    /// The peer's node id.
    #[inline]
    pub fn peer(&self) -> u32 {
        self.peer
    }

    /// Whether the peer proved its identity.
    pub fn authenticated(&self) -> bool {
        self.authenticated
    }

    /// The time of creation, in milliseconds.
    pub fn created_at(&self) -> u64 {
        self.created_at
    }

    /// The X25519 key of the peer from which the keys were derived.
    pub fn peer_x25519(&self) -> &[u8; 32] {
        &self.peer_x25519
    }

    /// The bytes that begin the nonces that we seal under.
    #[inline]
    pub fn prefix(&self) -> [u8; 4] {
        self.prefix
    }

    /// The name of the session in hardened frames.
    #[inline]
    pub fn session_id(&self) -> [u8; 4] {
        self.session_id
    }

    /// The keys.
    #[inline]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// What has happened so far. Values read while frames are in flight may belong to different moments.
    pub fn counters(&self) -> Counters {
        self.counts.read(self.sending.lock().counter - self.sealed_before)
    }

    /// Frames since the last one opened that did not open.
    #[inline]
    pub fn decrypt_fails(&self) -> u64 {
        self.counts.decrypt_fails()
    }

    /// The time at which a frame was last opened, in milliseconds.
    pub fn last_opened_ms(&self) -> Option<u64> {
        self.counts.last_opened_ms()
    }

    /// The highest counter accepted, in the newest epoch; 0 if there is none.
    pub fn window_max(&self) -> u64 {
        self.replay.lock().window_max()
    }

    /// Whether a frame with this prefix was accepted: then the session's keys are the ones to try first.
    pub fn knows(&self, prefix: [u8; 4]) -> bool {
        self.replay.lock().knows(prefix)
    }

    /// The next counter to seal under; the first is 1. It counts as used, whether or not it is.
    ///
    /// # Errors
    /// [`Error::CounterExhausted`] once `u64::MAX` was given out. No counter is given out twice.
    pub fn next_counter(&self) -> Result<u64, Error> {
        self.sending.lock().take(1)
    }

    /// The next counter for this message, of which the ring keeps a copy, to send it again under new keys.
    ///
    /// # Errors
    /// [`Error::CounterExhausted`]: nothing is kept.
    #[inline]
    pub fn counter_for(&self, now_ms: u64, message: &[u8]) -> Result<u64, Error> {
        let mut sending = self.sending.lock();
        let counter = sending.take(1)?;
        sending.ring.record(now_ms, counter, message);
        Ok(counter)
    }

    /// The first of consecutive counters for these messages, all or none; copies are kept as by
    /// [`counter_for`](Self::counter_for).
    ///
    /// # Errors
    /// [`Error::CounterExhausted`] if fewer are left.
    pub fn counters_for(&self, now_ms: u64, messages: &[&[u8]]) -> Result<u64, Error> {
        let mut sending = self.sending.lock();
        let first = sending.take(messages.len() as u64)?;
        // Earlier ones would be dropped again at once.
        let kept = messages.len().saturating_sub(sending.ring.places());
        for (i, message) in messages.iter().enumerate().skip(kept) {
            sending.ring.record(now_ms, first.wrapping_add(i as u64), message);
        }
        Ok(first)
    }

    /// Forgets the messages of counters under which nothing was sealed.
    #[cold]
    pub(super) fn forget_sent(&self, counters: RangeInclusive<u64>) {
        self.sending.lock().ring.forget(counters);
    }

    /// Counts a frame that the engine refused to seal.
    #[cold]
    pub(super) fn seal_failed(&self) {
        self.counts.seal_failed();
    }

    /// Takes out the recent messages, the oldest first.
    pub fn drain_sent(&self, now_ms: u64) -> Vec<Zeroizing<Vec<u8>>> {
        self.sending.lock().ring.drain(now_ms)
    }

    /// Wipes messages that are too old to be sent again. To be called now and then, or an idle session keeps
    /// them.
    pub fn trim_sent(&self, now_ms: u64) {
        self.sending.lock().ring.trim(now_ms);
    }

    /// Accepts an authenticated frame, once: the second half of authenticate-first. The plaintext may leave
    /// only after this succeeded.
    ///
    /// # Errors
    /// [`Error::Replay`] and [`Error::OutsideWindow`], which are counted; [`Error::StaleEpoch`]; except in
    /// `compat` [`Error::CounterZero`].
    #[inline]
    pub fn commit(&self, now_ms: u64, prefix: [u8; 4], counter: u64) -> Result<Recorded, Error> {
        self.commit_with(&mut self.replay.lock(), now_ms, prefix, counter)
    }

    /// Accepts authenticated frames under one lock; `each` is called with a function that accepts one.
    pub(super) fn commit_all(
        &self,
        now_ms: u64,
        each: impl FnOnce(&mut dyn FnMut([u8; 4], u64) -> Result<Recorded, Error>),
    ) {
        let mut replay = self.replay.lock();
        each(&mut |prefix, counter| self.commit_with(&mut replay, now_ms, prefix, counter));
    }

    #[inline]
    fn commit_with(
        &self,
        replay: &mut Replay,
        now_ms: u64,
        prefix: [u8; 4],
        counter: u64,
    ) -> Result<Recorded, Error> {
        if counter == 0 && self.mode != Mode::Compat {
            return Err(Error::CounterZero);
        }
        let recorded = replay.record(prefix, counter).inspect_err(|error| self.counts.refused(*error))?;
        self.counts.succeeded(now_ms);
        Ok(recorded)
    }

    /// Records a counter before the frame is authenticated, as the reference does (`compat`).
    ///
    /// # Errors
    /// [`Error::Replay`], [`Error::OutsideWindow`]; both are counted.
    pub(super) fn record_unauthenticated(&self, counter: u64) -> Result<(), Error> {
        let recorded = self.replay.lock().record(self.prefix, counter);
        recorded.map(drop).inspect_err(|error| self.counts.refused(*error))
    }

    /// The frame recorded in advance has opened.
    pub(super) fn opened_after_record(&self, now_ms: u64) {
        let _order = self.replay.lock();
        self.counts.succeeded(now_ms);
    }

    /// The frame recorded in advance did not open: forgets its counter and counts the failure.
    pub(super) fn failed_after_record(&self, counter: u64) {
        self.replay.lock().clear_bit(counter);
        self.failed();
    }

    /// Counts a frame that did not open. Nothing else changes.
    #[inline]
    pub(super) fn failed(&self) {
        self.counts.open_failed();
    }
}

/// Shows whose it is, and no key.
impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { mode, peer, authenticated, .. } = self;
        write!(f, "Session {{ mode: {mode:?}, peer: {peer}, authenticated: {authenticated}, .. }}")
    }
}

#[cfg(test)]
mod tests;
