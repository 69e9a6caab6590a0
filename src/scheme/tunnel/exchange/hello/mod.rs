//! The state of the hardened handshake, without cryptography and without a clock: [`Hellos`] says what a
//! hello means, what to answer, and when to install. Not here: signatures, keys and frames (`hardened`).
//!
#![doc = include_str!("../../handshake.md")]

use std::collections::HashMap;
use std::fmt;

use zeroize::Zeroizing;

use super::planted::{Defect, lacks};
use crate::primitive::x25519;
use crate::scheme::tunnel::frame::Hello;
use crate::scheme::tunnel::{Error, Limits, Timing};

/// The echo of a hello that answers none.
pub const NO_ECHO: [u8; 32] = [0; 32];

/// When the table of outstanding hellos first grows past this, it takes its full size at once.
const SMALL: usize = 64;

/// A fresh X25519 key and fresh random bytes, for one hello.
#[derive(Clone)]
pub struct Fresh {
    secret: Zeroizing<[u8; 32]>,
    x25519: [u8; 32],
    random: [u8; 32],
}

impl Fresh {
    /// Draws both.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn draw() -> Result<Self, Error> {
        let (mut secret, mut random) = (Zeroizing::new([0; 32]), [0; 32]);
        getrandom::fill(&mut secret[..])?;
        getrandom::fill(&mut random)?;
        Ok(Self::from_parts(secret, random))
    }

    fn from_parts(secret: Zeroizing<[u8; 32]>, random: [u8; 32]) -> Self {
        let x25519 = x25519::public(&secret);
        Self { secret, x25519, random }
    }
}

/// Shows the public parts.
impl fmt::Debug for Fresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fresh").field("x25519", &self.x25519).finish_non_exhaustive()
    }
}

/// The fields of a hello that we send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Offer {
    /// Our fresh key.
    pub x25519: [u8; 32],
    /// Our random bytes.
    pub random: [u8; 32],
    /// The peer's random bytes, or [`NO_ECHO`].
    pub echo: [u8; 32],
}

/// What a hello may be, judged by its echo alone, before its signature is checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// It answers nothing: the peer begins.
    Start,
    /// It echoes our outstanding hello, which only somebody who saw that hello can.
    Answer,
    /// It echoes the hello that we installed with, and is the very hello that we installed: the peer may have
    /// missed our last one.
    Repeat,
}

/// A hello of ours that waits for its echo.
#[derive(Clone, Debug)]
struct Outstanding {
    fresh: Fresh,
    since: u64,
    /// The echo of the last hello that we sent with it.
    told: [u8; 32],
}

/// The hellos that the peer's present session was made of.
#[derive(Clone, Debug)]
struct Settled {
    x25519: [u8; 32],
    random: [u8; 32],
    peer_x25519: [u8; 32],
    peer_random: [u8; 32],
    /// Whether we sent the last hello, which the peer needs to install.
    had_last_word: bool,
}

/// What a session is derived from.
#[derive(Clone)]
pub struct Agreed {
    /// Our fresh secret.
    pub secret: Zeroizing<[u8; 32]>,
    /// Our random bytes.
    pub random: [u8; 32],
    /// What to send, so that the peer installs too; nothing if it has that already.
    pub reply: Option<Offer>,
}

/// Shows no secret.
impl fmt::Debug for Agreed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agreed").field("reply", &self.reply).finish_non_exhaustive()
    }
}

/// The handshakes with all peers.
#[derive(Clone, Debug)]
pub struct Hellos {
    outstanding_ms: u64,
    most_outstanding: usize,
    most_settled: usize,
    /// Boxed: a table that moves leaves no copies of secrets behind, and stays small.
    outstanding: HashMap<u32, Box<Outstanding>>,
    settled: HashMap<u32, Settled>,
}

impl Hellos {
    /// No handshakes.
    pub fn new(timing: &Timing, limits: &Limits) -> Self {
        Self {
            outstanding_ms: timing.outstanding_ms,
            most_outstanding: limits.outstanding,
            most_settled: limits.sessions,
            outstanding: HashMap::new(),
            settled: HashMap::new(),
        }
    }

    fn outstanding(&self, now: u64, peer: u32) -> Option<&Outstanding> {
        let outstanding = self.outstanding.get(&peer)?;
        let young = now.saturating_sub(outstanding.since) < self.outstanding_ms;
        (young || lacks(Defect::NeverExpires)).then_some(outstanding)
    }

    /// What this hello may be; `None` if it can have no effect, whoever signed it.
    pub fn classify(&self, now: u64, hello: &Hello) -> Option<Class> {
        if hello.random == NO_ECHO {
            // Our echo of it would look like a beginning.
            return None;
        }
        if hello.echo == NO_ECHO {
            return Some(Class::Start);
        }
        let echoed = |ours: &Outstanding| ours.fresh.random == hello.echo || lacks(Defect::EchoUnchecked);
        if self.outstanding(now, hello.sender).is_some_and(echoed) {
            return Some(Class::Answer);
        }
        let settled = self.settled.get(&hello.sender)?;
        let repeats = settled.had_last_word
            && settled.random == hello.echo
            && settled.peer_random == hello.random
            && settled.peer_x25519 == hello.x25519;
        repeats.then_some(Class::Repeat)
    }

    /// Whether [`offer`](Self::offer) needs fresh values.
    pub fn needs_fresh(&self, now: u64, peer: u32) -> bool {
        self.outstanding(now, peer).is_none()
    }

    /// Our hello to the peer: the outstanding one, or a new one from `fresh`. The echo is that of the hello
    /// which it answers, or [`NO_ECHO`]. `None` if there is no room, or if `fresh` is missing and needed.
    pub fn offer(&mut self, now: u64, peer: u32, echo: [u8; 32], fresh: Option<Fresh>) -> Option<Offer> {
        if self.needs_fresh(now, peer) {
            if self.outstanding.len() >= self.most_outstanding {
                self.expire(now);
            }
            self.outstanding.remove(&peer);
            if self.outstanding.len() >= self.most_outstanding {
                return None;
            }
            // Twice as much as it may hold, or a long flood of invented ids would make it grow once more.
            if self.outstanding.len() == SMALL.min(self.most_outstanding) {
                self.outstanding.reserve(2 * self.most_outstanding);
            }
            let ours = Outstanding { fresh: fresh?, since: now, told: NO_ECHO };
            self.outstanding.insert(peer, Box::new(ours));
        }
        let ours = self.outstanding.get_mut(&peer)?;
        ours.told = echo;
        Some(Offer { x25519: ours.fresh.x25519, random: ours.fresh.random, echo })
    }

    /// Consumes our outstanding hello, which this hello echoes; its signature must have been checked. `None`
    /// if the hello is not outstanding any more: of two that echo the same one, only the first counts.
    pub fn agree(&mut self, now: u64, hello: &Hello) -> Option<Agreed> {
        let peer = hello.sender;
        if self.classify(now, hello) != Some(Class::Answer) {
            return None;
        }
        let ours = self.outstanding.remove(&peer)?;
        if lacks(Defect::NotConsumed) {
            self.outstanding.insert(peer, ours.clone());
        }
        let Outstanding { fresh, told, .. } = *ours;
        let had_last_word = told != hello.random;
        let reply =
            had_last_word.then_some(Offer { x25519: fresh.x25519, random: fresh.random, echo: hello.random });
        if self.settled.len() < self.most_settled || self.settled.contains_key(&peer) {
            let settled = Settled {
                x25519: fresh.x25519,
                random: fresh.random,
                peer_x25519: hello.x25519,
                peer_random: hello.random,
                had_last_word,
            };
            self.settled.insert(peer, settled);
        }
        Some(Agreed { secret: fresh.secret, random: fresh.random, reply })
    }

    /// The last hello of the present session, for a peer that may have missed it.
    pub fn last_word(&self, hello: &Hello) -> Option<Offer> {
        let settled = self.settled.get(&hello.sender)?;
        Some(Offer { x25519: settled.x25519, random: settled.random, echo: settled.peer_random })
    }

    /// Forgets the hellos that nobody answered in time.
    pub fn expire(&mut self, now: u64) {
        let outstanding_ms = self.outstanding_ms;
        self.outstanding.retain(|_, ours| now.saturating_sub(ours.since) < outstanding_ms);
    }

    /// Forgets a peer.
    pub fn forget(&mut self, peer: u32) {
        self.outstanding.remove(&peer);
        self.settled.remove(&peer);
    }

    /// How many hellos wait for an answer.
    pub fn len(&self) -> usize {
        self.outstanding.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.outstanding.is_empty()
    }
}

#[cfg(test)]
mod tests;
