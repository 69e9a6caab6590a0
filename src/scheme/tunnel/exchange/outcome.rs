//! What came of a frame or a request, and how much work it cost.

use super::outside::Installed;
use crate::host::sync::atomic::{AtomicU64, Ordering};

/// What an accepted frame of a key exchange changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The peer had no session, and has one now.
    New,
    /// A session under other keys replaced the peer's.
    Changed,
    /// The peer's older session, which had been displaced, is the current one again, with its counters and
    /// its window.
    Restored,
    /// The peer's key is the one of its session: nothing changed (rule `no-reset`).
    Unchanged,
    /// A hello that proves nothing yet: nothing was installed.
    Answered,
    /// A hello that answers none of ours: it was not examined.
    Ignored,
}

impl Outcome {
    /// Whether the peer's session is another one now.
    pub const fn is_change(self) -> bool {
        matches!(self, Self::New | Self::Changed | Self::Restored)
    }
}

/// What came of a frame that was not refused.
#[derive(Clone, Debug)]
pub struct Handled {
    /// The peer.
    pub peer: u32,
    /// What changed.
    pub outcome: Outcome,
    /// Whether our own frame was sent in reply.
    pub replied: bool,
    /// The sessions, if there was an install or a repeat of one.
    pub installed: Option<Installed>,
}

impl Handled {
    /// A frame that installed nothing.
    pub(super) const fn nothing(peer: u32, outcome: Outcome, replied: bool) -> Self {
        Self { peer, outcome, replied, installed: None }
    }
}

/// What came of a request for an exchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Requested {
    /// Whether the network took the frame.
    pub frame_sent: bool,
    /// Whether the request is sent again until it is answered. Not while the peer cools down, although the
    /// frame has been sent then.
    pub tracked: bool,
}

/// How often an exchange did its expensive work.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Tallies {
    /// Signatures checked.
    pub signature_checks: u64,
    /// Keys asked for at the registry.
    pub registry_fetches: u64,
    /// Shared secrets computed.
    pub agreements: u64,
    /// Own frames handed to the sender: requests, replies, resends.
    pub frames_sent: u64,
}

/// The counters behind [`Tallies`].
#[derive(Default, Debug)]
pub(super) struct Work {
    pub signature_checks: AtomicU64,
    pub registry_fetches: AtomicU64,
    pub agreements: AtomicU64,
    pub frames_sent: AtomicU64,
}

impl Work {
    /// Counts one.
    pub fn count(counter: &AtomicU64) {
        // Relaxed: plain counters, which order nothing.
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub fn read(&self) -> Tallies {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Tallies {
            signature_checks: read(&self.signature_checks),
            registry_fetches: read(&self.registry_fetches),
            agreements: read(&self.agreements),
            frames_sent: read(&self.frames_sent),
        }
    }
}
