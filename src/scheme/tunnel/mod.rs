//! The tunnel: session keys between peers that no forged, replayed or reordered frame can harm.
//!
//! The promise, in [`Mode::Safe`] and [`Mode::Hardened`]: a session opens a frame at most once and unaltered;
//! a frame that was not made by the peer changes neither window nor session nor memory; no frame, whoever
//! made it, drops a session. Its limits are under "What it does not detect". Frames and exchanges follow the
//! key exchange and the envelope of the pilot protocol (`PILT`, `PILS`, `PILK`, `PILA`, `PILP`), byte for
//! byte. This implementation belongs to a test harness, and nobody has audited it.
//!
//! [`Node`] is what a program uses, and a [`Link`] where a thread exchanges many frames with one peer.
//! [`frame`] is the wire, [`session`] the state of one peer's keys, [`exchange`] where keys come from,
//! [`envelope`] sealing and opening. `exchange` and `session` never import `envelope` or `node`. Time is an
//! injected [`Clock`]; the network, the registry, hooks and events are traits, called with no [`lock`] held.
//!
//! # Modes
//!
//! - `tunnel/compat` does what the reference does, harms included: a forged frame with a large counter locks
//!   the peer out, because the counter is recorded before the frame is authenticated; five forged frames drop
//!   a session that is older than 3 s; a restarted peer is not understood until its count has passed the old
//!   one.
//! - `tunnel/safe`, the default, speaks the same wire and authenticates first. Each prefix of a peer is an
//!   epoch with its own window, so a restart is understood at once. A replaced session goes on opening until
//!   the new one has opened a frame. Exchanges cost a peer a limited number of registry fetches and signature
//!   checks.
//! - `tunnel/hardened` has frames of its own, which a reference peer ignores: a handshake that proves
//!   freshness ([`exchange::hello`]), a key for each direction, and nonces that count.
//!
//! # Where `safe` and `hardened` do otherwise than the reference
//!
//! - [`COUNTER_ZERO`]: an authentic frame with counter 0 is refused. The reference accepts it again and again
//!   until another counter arrives.
//! - [`NO_UNAUTHENTICATED_EXCHANGE`]: a `PILK` is refused unless [`Options::unauthenticated`] names the peer.
//! - [`NO_DOWNGRADE`]: where it is allowed, it never replaces an authenticated session. The reference lets it
//!   if the registry cannot be reached.
//! - [`NO_RESET`]: an exchange with an unchanged key never empties a window: that would reopen every recorded
//!   frame.
//! - [`NO_DROP`]: frames that do not open and replays never drop a session; a frame that does not open asks
//!   for new keys, at most once per peer and 3 s.
//! - In every mode the send counter's end is an error ([`Error::CounterExhausted`]), and sessions, queues,
//!   recent messages and tables are bounded ([`Limits`]).
//!
//! # Hazards of the reference, and what is left of them
//!
//! | hazard (spec 2, §10) | compat | safe | hardened |
//! |---|---|---|---|
//! | unauthenticated frames drop the session | yes | no | no |
//! | once dropped, the same keys reopen every recorded frame | yes | yes, declared | no |
//! | a recorded `PILA` with an old key replaces the session | yes | for sealing only | no |
//! | recent messages are sealed again to such a key | yes | yes, declared | no |
//! | a forged `PILA` costs fetches and a signature check | yes | limited per peer | limited per peer |
//! | derivations differ in 32 random bits only | yes | yes, computed | no |
//!
//! In `safe` the replaced session goes on opening, and the peer's next exchange makes it seal again.
//! In `hardened` keys are fresh and a hello must answer our random bytes, so nothing recorded is of use.
//!
//! # What it does not detect
//!
//! - A lost frame, a frame that comes in another order within the window, and a message that salvage sent
//!   twice.
//! - `compat` and `safe`: frames of another session of the same X25519 keys; `safe`: a replayed frame of an
//!   epoch that five later ones have pushed out, and frames recorded before the same keys were derived again.
//! - `compat`, and `safe` where the options allow it: who sent an unauthenticated exchange.
//! - Whom salvage serves: it sends recent messages again to whoever completed the new exchange.

pub mod clock;
pub mod envelope;
mod error;
pub mod exchange;
pub mod frame;
pub mod lock;
mod mode;
pub mod node;
pub mod risk;
mod scheme;
pub mod session;
#[doc(hidden)]
pub mod testing;

pub use clock::{Clock, ManualClock, SystemClock};
pub use error::Error;
pub use exchange::{
    Event, Exchange, Handled, Hooks, Identity, Installed, Outcome, Outside, Publisher, Registry, Requested,
    Sender, Source, Unavailable,
};
pub use mode::{Limits, Mode, Options, Timing};
pub use node::{Link, Node, Received, Sent};
pub(in crate::scheme) use scheme::{COMPAT, HARDENED, SAFE};
pub use scheme::{histories, history};

/// Rule: an authentic frame with counter 0 is refused. Senders begin with 1 (spec §4).
pub const COUNTER_ZERO: &str = "counter-zero";
/// Rule: an unauthenticated exchange is refused unless the options allow it for that peer.
pub const NO_UNAUTHENTICATED_EXCHANGE: &str = "no-unauthenticated-exchange";
/// Rule: an unauthenticated exchange never replaces an authenticated session (spec §5).
pub const NO_DOWNGRADE: &str = "no-downgrade";
/// Rule: an exchange with an unchanged key never resets a session (spec §10).
pub const NO_RESET: &str = "no-reset";
/// Rule: a frame that does not open, or a replay, never drops a session; it asks for new keys (spec §7).
pub const NO_DROP: &str = "no-drop";
/// Every rule that makes `safe` or `hardened` stricter than the reference.
pub const RULES: [&str; 5] = [COUNTER_ZERO, NO_UNAUTHENTICATED_EXCHANGE, NO_DOWNGRADE, NO_RESET, NO_DROP];
