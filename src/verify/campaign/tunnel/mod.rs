//! The campaign of the tunnel: real nodes on a network that misbehaves, and attackers with every short
//! script.
//!
//! - `simulation`: nodes in virtual time, with losses, delays, corruption, restarts and floods; `ledger`
//!   checks that every message arrives at most once and unaltered, that every loss has a reason, and that the
//!   peers find each other again.
//! - `attacker`: all short scripts of someone who owns the network and a registered identity of his own,
//!   against the hardened handshake, and with forged frames against the safe mode. Planted defects are found.
//! - `harm`: the histories after which a mode accepts or loses what it should not, each played in every mode
//!   and compared with what the scheme declares, in both directions.
//!
//! Not here: real sockets and processes, which tests of the command start.

use super::PREFIX;
use crate::engine;
use crate::scheme::tunnel::{Mode, frame};
use crate::verify::{Case, Check, Outcome, Set};

mod attacker;
mod forgery;
mod harm;
mod ledger;
mod network;
mod oracle;
mod peer;
mod script;
mod simulation;

pub use ledger::Tally;
pub use simulation::simulate;

/// The family that this campaign is about.
pub const SCHEME: &str = "tunnel";
/// Cases of each mode's simulations in the set.
const BATCHES: u64 = 4;
/// Simulations in a case.
const SEEDS: u64 = 25;
/// Moves of the attacker's scripts in the set, by how the scripts start.
const fn steps(start: script::Start) -> usize {
    match start {
        script::Start::Fresh | script::Start::Asked => 2,
        script::Start::Established => 1,
    }
}

/// The set: simulations, the attacker's scripts, and the histories.
pub fn set(seed: u64) -> Set {
    let case = |id: String, check: Box<dyn Check>| Case { id, check };
    let batch = |mode: Mode, i: u64| {
        let first = seed.wrapping_mul(1_000).wrapping_add(i * SEEDS);
        case(format!("simulation/{}/{i}", short(mode)), Box::new(Batch { mode, first }))
    };
    let mut cases: Vec<Case> =
        Mode::ALL.into_iter().flat_map(|mode| (0..BATCHES).map(move |i| batch(mode, i))).collect();
    for mode in attacker::MODES {
        for start in script::Start::ALL {
            let id = format!("attacker/{}/{}", short(mode), start.name());
            cases.push(case(id, Box::new(Scripts { mode, start })));
        }
    }
    for history in harm::HISTORIES {
        for mode in Mode::ALL {
            let id = format!("history/{}/{}", history.name, short(mode));
            cases.push(case(id, Box::new(Played { history, mode })));
        }
    }
    Set {
        name: format!("{PREFIX}{SCHEME}"),
        source: "generated: peers in virtual time, and every short script of an attacker".into(),
        declared: cases.len() as u64,
        must_run: Default::default(),
        cases,
        rulings: None,
        broken: Vec::new(),
    }
}

/// The mode's name within the family.
fn short(mode: Mode) -> &'static str {
    mode.name().strip_prefix("tunnel/").unwrap_or(mode.name())
}

/// Whether a frame is one of an exchange.
fn is_exchange(bytes: &[u8]) -> bool {
    matches!(
        frame::kind(bytes),
        Some(frame::Kind::Hello | frame::Kind::Authenticated | frame::Kind::Unauthenticated)
    )
}

/// Whether a datagram is a sealed frame.
fn is_sealed(bytes: &[u8]) -> bool {
    matches!(frame::kind(bytes), Some(frame::Kind::Sealed | frame::Kind::HardenedSealed))
}

/// The length of the message in a sealed frame.
fn plaintext_len(bytes: &[u8]) -> Option<usize> {
    let overhead = match frame::kind(bytes)? {
        frame::Kind::Sealed => frame::PILS_OVERHEAD,
        frame::Kind::HardenedSealed => frame::DATA_OVERHEAD,
        _ => return None,
    };
    bytes.len().checked_sub(overhead)
}

/// A broken promise, and the simulation that broke it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}, seed {seed}: {found}", mode.name())]
pub struct Broken {
    /// The mode.
    pub mode: Mode,
    /// The seed.
    pub seed: u64,
    /// The promise.
    pub found: Found,
}

/// Which promise was broken. A way is the pair of sender and receiver.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Found {
    /// A receiver was given something that its peer did not send.
    #[error("{way:?}: a message arrived that is not the one in its frame")]
    Altered {
        /// The way.
        way: (u32, u32),
    },
    /// A forged or corrupted frame was opened.
    #[error("a forged frame was opened as one of peer {peer}")]
    Forged {
        /// The peer in whose name it was opened.
        peer: u32,
    },
    /// A forged frame changed a session, a window or a counter.
    #[error("a forged frame changed the receiver's {what}")]
    Moved {
        /// What changed.
        what: &'static str,
    },
    /// A frame was accepted twice.
    #[error("{way:?}: the frame of message {number} was accepted twice")]
    Twice {
        /// The way.
        way: (u32, u32),
        /// The message.
        number: usize,
    },
    /// A sealed frame left a peer that holds no message it was asked to send.
    #[error("{way:?}: a frame with a plaintext of {len:?} bytes left, which belongs to no message")]
    Invented {
        /// The way.
        way: (u32, u32),
        /// The length of the plaintext.
        len: Option<usize>,
    },
    /// A message was sent again although no session was replaced.
    #[error("{way:?}: message {number} was sent again, and no session was replaced")]
    SentAgain {
        /// The way.
        way: (u32, u32),
        /// The message.
        number: usize,
    },
    /// A message did not arrive, and nothing says why.
    #[error("{way:?}: message {number} is lost without a reason")]
    Vanished {
        /// The way.
        way: (u32, u32),
        /// The message.
        number: usize,
    },
    /// An intact frame that had never arrived was refused for a reason that it gave no cause for.
    #[error("{way:?}: the intact frame of message {number} was refused with {why}")]
    WronglyRefused {
        /// The way.
        way: (u32, u32),
        /// The message.
        number: usize,
        /// The refusal.
        why: &'static str,
    },
    /// A message did not arrive although the network had long been working.
    #[error("{way:?}: message {number} did not arrive on a working network: {why}")]
    Stuck {
        /// The way.
        way: (u32, u32),
        /// The message.
        number: usize,
        /// What became of its frames, or why it was not sent.
        why: String,
    },
    /// A table holds more than it may.
    #[error("a peer holds {held} {what}")]
    Grown {
        /// The table.
        what: &'static str,
        /// Its entries.
        held: usize,
    },
    /// A session was installed by a frame that is not an answer to the receiver's own fresh hello.
    #[error("a session with peer {peer} was installed by a frame that {why}")]
    Installed {
        /// The peer.
        peer: u32,
        /// What is wrong with the frame.
        why: &'static str,
    },
}

/// Some simulations of one mode.
struct Batch {
    mode: Mode,
    first: u64,
}

impl Check for Batch {
    fn uses_engine(&self) -> bool {
        false
    }

    fn run(&self, _: &'static dyn engine::Engine) -> Outcome {
        let mut all = Tally::default();
        for seed in self.first..self.first.saturating_add(SEEDS) {
            match simulate(self.mode, seed) {
                Ok(tally) => all += tally,
                Err(broken) => return Outcome::Wrong { what: broken.to_string() },
            }
        }
        if all.arrived > 0 { Outcome::Agree } else { Outcome::Wrong { what: "no message arrived".into() } }
    }
}

/// All short scripts from one start.
struct Scripts {
    mode: Mode,
    start: script::Start,
}

impl Check for Scripts {
    fn uses_engine(&self) -> bool {
        false
    }

    fn run(&self, _: &'static dyn engine::Engine) -> Outcome {
        match attacker::try_all(self.mode, self.start, steps(self.start), None) {
            Ok(0) => Outcome::Wrong { what: "there is no script".into() },
            Ok(_) => Outcome::Agree,
            Err(won) => Outcome::Wrong { what: won.to_string() },
        }
    }
}

/// A history in one mode.
struct Played {
    history: &'static harm::History,
    mode: Mode,
}

impl Check for Played {
    fn uses_engine(&self) -> bool {
        false
    }

    fn run(&self, _: &'static dyn engine::Engine) -> Outcome {
        match harm::agrees(self.history, self.mode) {
            Ok(()) => Outcome::Agree,
            Err(what) => Outcome::Wrong { what },
        }
    }
}

#[cfg(test)]
mod tests;
