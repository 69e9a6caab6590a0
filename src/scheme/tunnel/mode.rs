//! The three modes, and the numbers that a program may set: times and limits (spec §§3-8).

use std::collections::BTreeSet;

/// How the tunnel behaves. The default is [`Safe`](Self::Safe).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub enum Mode {
    /// The reference's behaviour, with its harms.
    Compat,
    /// The reference's wire; the receiver authenticates first and keeps epochs.
    #[default]
    Safe,
    /// Our own frames and handshake; no other node understands them.
    Hardened,
}

impl Mode {
    /// Every mode, from the most compatible to the strictest.
    pub const ALL: [Self; 3] = [Self::Compat, Self::Safe, Self::Hardened];

    /// The name of its scheme.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Compat => "tunnel/compat",
            Self::Safe => "tunnel/safe",
            Self::Hardened => "tunnel/hardened",
        }
    }

    /// The mode with this [`name`](Self::name), with or without the family: `tunnel/safe` or `safe`.
    pub fn from_name(name: &str) -> Option<Self> {
        let short = name.strip_prefix("tunnel/").unwrap_or(name);
        Self::ALL.into_iter().find(|mode| mode.name().strip_prefix("tunnel/") == Some(short))
    }

    /// Whether it speaks the reference's wire format.
    pub const fn is_compatible(self) -> bool {
        !matches!(self, Self::Hardened)
    }
}

/// Times, in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timing {
    /// The least time between two requests for new keys of one peer after frames that did not open.
    pub rekey_request_ms: u64,
    /// The time between two calls of `tick`.
    pub tick_ms: u64,
    /// An unanswered exchange is sent again after this time.
    pub resend_ms: u64,
    /// After giving up, no exchange with the peer is tracked for this time. The reference first had 60,000.
    pub cooldown_ms: u64,
    /// An unchanged key is answered if no frame of the peer was opened for longer than this.
    pub reply_stale_ms: u64,
    /// The least time between two answers to an unchanged key of one peer.
    pub reply_gap_ms: u64,
    /// The same key again within this time of the session's creation has no event and no hook.
    pub debounce_ms: u64,
    /// Messages older than this are not sent again after new keys; exactly this old still are.
    pub salvage_ms: u64,
    /// A session younger than this is never dropped for frames that do not open (`compat`).
    pub decrypt_drop_age_ms: u64,
    /// A session younger than this is never dropped for replays and late frames.
    pub window_drop_age_ms: u64,
    /// At this age one replay or late frame drops a session, in the generation that does so.
    pub window_settled_ms: u64,
    /// An unanswered hello of the hardened handshake is forgotten after this time.
    pub outstanding_ms: u64,
    /// The time over which [`Limits::checks_per_gap`] counts registry fetches and signature checks of a peer.
    pub check_gap_ms: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            rekey_request_ms: 3_000,
            tick_ms: 4_000,
            resend_ms: 4_000,
            cooldown_ms: 5_000,
            reply_stale_ms: 6_000,
            reply_gap_ms: 1_000,
            debounce_ms: 250,
            salvage_ms: 5_000,
            decrypt_drop_age_ms: 3_000,
            window_drop_age_ms: 1_000,
            window_settled_ms: 60_000,
            outstanding_ms: 10_000,
            check_gap_ms: 1_000,
        }
    }
}

impl Timing {
    /// Every time multiplied by `by`, rounded, and at least 1 ms: for tests with real processes.
    #[must_use]
    pub fn scaled(mut self, by: f64) -> Self {
        for ms in [
            &mut self.rekey_request_ms,
            &mut self.tick_ms,
            &mut self.resend_ms,
            &mut self.cooldown_ms,
            &mut self.reply_stale_ms,
            &mut self.reply_gap_ms,
            &mut self.debounce_ms,
            &mut self.salvage_ms,
            &mut self.decrypt_drop_age_ms,
            &mut self.window_drop_age_ms,
            &mut self.window_settled_ms,
            &mut self.outstanding_ms,
            &mut self.check_gap_ms,
        ] {
            *ms = ((*ms as f64 * by).round() as u64).max(1);
        }
        self
    }
}

/// Counts and sizes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Sessions in the store.
    pub sessions: usize,
    /// Attempts before an exchange is given up: the first and five more.
    pub attempts: u32,
    /// Peers whose requests for new keys are remembered.
    pub rekey_requests: usize,
    /// Exchanges that one tick sends again.
    pub resends_per_tick: usize,
    /// Messages that wait for one peer's keys.
    pub queue_frames: usize,
    /// Peers for whose keys messages wait.
    pub queue_peers: usize,
    /// Recent messages that a session keeps, to send them again under new keys.
    pub salvage_frames: usize,
    /// Bytes of memory for these messages, over all sessions of a store.
    pub salvage_bytes: usize,
    /// Peers without a known key that the key cache remembers.
    pub negative_keys: usize,
    /// Registry fetches, and as many signature checks, that a peer may cause in [`Timing::check_gap_ms`].
    pub checks_per_gap: u32,
    /// Peers whose fetches, checks and answers are counted.
    pub limited_peers: usize,
    /// Hellos of the hardened handshake that wait for an answer, one for each peer.
    pub outstanding: usize,
    /// Frames in a row that do not open before the session is dropped (`compat`).
    pub drop_failures: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 16_384,
            attempts: 6,
            rekey_requests: 4_096,
            resends_per_tick: 64,
            queue_frames: 64,
            queue_peers: 256,
            salvage_frames: 4,
            salvage_bytes: 16 * 1024 * 1024,
            negative_keys: 4_096,
            checks_per_gap: 4,
            limited_peers: 4_096,
            outstanding: 4_096,
            drop_failures: 5,
        }
    }
}

/// How a node behaves.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Options {
    /// The mode.
    pub mode: Mode,
    /// Times.
    pub timing: Timing,
    /// Counts and sizes.
    pub limits: Limits,
    /// The peers whose unauthenticated exchange is accepted in `safe`.
    pub unauthenticated: BTreeSet<u32>,
}

impl Options {
    /// The defaults in this mode.
    pub fn new(mode: Mode) -> Self {
        Self { mode, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_found_by_their_names_and_safe_is_the_default() {
        for mode in Mode::ALL {
            assert_eq!(Mode::from_name(mode.name()), Some(mode));
            assert_eq!(Mode::from_name(&mode.name()["tunnel/".len()..]), Some(mode));
        }
        assert_eq!(Mode::from_name("tunnel"), None);
        assert_eq!(Options::default().mode, Mode::Safe);
    }

    #[test]
    fn scaled_times_keep_their_order_and_never_reach_zero() {
        let timing = Timing::default().scaled(0.05);
        assert_eq!((timing.tick_ms, timing.salvage_ms, timing.debounce_ms), (200, 250, 13));
        assert_eq!(Timing::default().scaled(1e-9).window_settled_ms, 1);
        assert_eq!(Timing::default().scaled(1.0), Timing::default());
    }
}
