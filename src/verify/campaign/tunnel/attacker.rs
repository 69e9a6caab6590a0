//! The attacker: forged frames, and every script of a few moves.
//!
//! Scripts are tried exhaustively, each on fresh nodes: all sequences of that many moves, except those in
//! which a move has nothing to act on: they equal a shorter script. After the last move the network is honest
//! again, and the peers must find each other. The hardened handshake faces every move; the safe mode
//! faces those that it promises to withstand, with forged frames instead of spliced hellos.

use std::sync::LazyLock;

use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::Found;
use super::script::{MALLORY, Move, Part, Recording, Side, Stage, Start};
use crate::scheme::tunnel::exchange::planted::{Defect, plant};
use crate::scheme::tunnel::frame::{self, DataHeader, Header};
use crate::scheme::tunnel::testing::identity;
use crate::scheme::tunnel::{Identity, Mode};

/// The modes that the attacker faces. What the compatible mode bears is in `harm`.
pub(super) const MODES: [Mode; 2] = [Mode::Safe, Mode::Hardened];

/// A script with which the attacker won.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the script {script:?}: {found}")]
pub struct Won {
    /// The moves.
    pub script: Vec<Move>,
    /// What it achieved.
    pub found: Found,
}

/// A forged frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Forgery {
    /// A sealed frame with the header of a seen one and a counter near the end.
    FarCounter,
    /// A sealed frame with the counter after that of a seen one.
    NextCounter,
    /// A sealed frame with counter 0.
    NoCounter,
    /// A sealed frame of an epoch or a session that nobody knows.
    Elsewhere,
    /// A seen sealed frame with its last bit flipped.
    Flipped,
    /// A seen sealed frame without its last byte.
    Cut,
    /// An authenticated exchange with the attacker's own keys, in the peer's name.
    ForeignIdentity,
    /// An authenticated exchange with the peer's Ed25519 key and a signature by another.
    BadSignature,
    /// An unauthenticated exchange in the peer's name.
    Unauthenticated,
}

impl Forgery {
    /// Every forgery.
    pub const ALL: [Self; 9] = [
        Self::FarCounter,
        Self::NextCounter,
        Self::NoCounter,
        Self::Elsewhere,
        Self::Flipped,
        Self::Cut,
        Self::ForeignIdentity,
        Self::BadSignature,
        Self::Unauthenticated,
    ];

    /// Whether it imitates a sealed frame.
    pub(super) const fn is_sealed(self) -> bool {
        !matches!(self, Self::ForeignIdentity | Self::BadSignature | Self::Unauthenticated)
    }
}

/// The forged frame in the name of `from`, made from a sealed frame that was seen; `None` without one, if it
/// is needed.
pub(super) fn forged(forgery: Forgery, mode: Mode, seen: Option<&[u8]>, from: u32) -> Option<Vec<u8>> {
    if !forgery.is_sealed() {
        return exchange(forgery, from);
    }
    let mut bytes = seen?.to_vec();
    let counter = |old: u64| match forgery {
        Forgery::FarCounter => u64::MAX - 1,
        Forgery::NextCounter => old.wrapping_add(1),
        Forgery::NoCounter => 0,
        _ => old,
    };
    let name = |old: [u8; 4]| if forgery == Forgery::Elsewhere { old.map(|byte| !byte) } else { old };
    if mode == Mode::Hardened {
        let old = DataHeader::decode(&bytes).ok()?;
        let header = DataHeader { session: name(old.session), counter: counter(old.counter), ..old };
        header.encode_into(&mut bytes);
    } else {
        let old = Header::decode(&bytes).ok()?;
        Header::new(old.sender, name(old.prefix()), counter(old.counter())).encode_into(&mut bytes);
    }
    match forgery {
        Forgery::Flipped => *bytes.last_mut()? ^= 1,
        Forgery::Cut => drop(bytes.pop()?),
        _ => {}
    }
    Some(bytes)
}

fn exchange(forgery: Forgery, from: u32) -> Option<Vec<u8>> {
    let mallory = mallory();
    let (x25519, ed25519) = (mallory.x25519_public()?, mallory.ed25519_public()?);
    let signature = mallory.sign(&frame::signed_message(from, &x25519))?;
    match forgery {
        Forgery::ForeignIdentity => Some(frame::pila(from, &x25519, &ed25519, &signature).to_vec()),
        Forgery::BadSignature => {
            let registered = identity(from).ed25519_public()?;
            Some(frame::pila(from, &x25519, &registered, &signature).to_vec())
        }
        Forgery::Unauthenticated => Some(frame::pilk(from, &x25519).to_vec()),
        _ => None,
    }
}

/// The attacker's identity, which the registry knows.
pub(super) fn mallory() -> &'static Identity {
    static MALLORYS: LazyLock<Identity> = LazyLock::new(|| identity(MALLORY));
    &MALLORYS
}

/// Any forged frame, in the name of `from`, of a stranger who saw that sealed frame.
pub(super) fn any_forgery(mode: Mode, seen: &[u8], from: u32, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let forgery = Forgery::ALL[rng.random_range(0..Forgery::ALL.len())];
    forged(forgery, mode, Some(seen), from).unwrap_or_else(|| {
        let mut noise = vec![0; rng.random_range(0..200)];
        rng.fill_bytes(&mut noise);
        noise
    })
}

/// Every move in a mode.
fn moves(mode: Mode) -> Vec<Move> {
    let of = |side: Side| {
        let mut moves = vec![
            Move::Ask(side),
            Move::Say(side),
            Move::Next(side),
            Move::Last(side),
            Move::Lose(side),
            Move::HelloAgain(side),
            Move::DataAgain(side),
            Move::Reflect(side),
            Move::Restart(side),
        ];
        if mode == Mode::Hardened {
            moves.extend((0..3).map(|number| Move::Old(side, number)));
            moves.extend(
                [Part::Echo, Part::Random, Part::Key, Part::Receiver].map(|part| Move::Splice(side, part)),
            );
            moves.extend([Move::Name(side), Move::Own(side), Move::Redirect(side)]);
        }
        moves.extend(Forgery::ALL.map(|forgery| Move::Forge(side, forgery)));
        moves
    };
    Side::BOTH.into_iter().flat_map(of).chain([Move::Wait]).collect()
}

/// What every script of an enumeration has in common.
struct Setting {
    mode: Mode,
    start: Start,
    recording: Recording,
    moves: Vec<Move>,
    steps: usize,
    planted: Option<Defect>,
}

/// Plays every script of `steps` moves from a start; the result is their number. With a planted defect, every
/// node has it.
///
/// # Errors
/// The first script with which the attacker won.
pub fn try_all(mode: Mode, start: Start, steps: usize, planted: Option<Defect>) -> Result<u64, Won> {
    let recording = Stage::record(mode).map_err(|found| Won { script: Vec::new(), found })?;
    let setting = Setting { mode, start, recording, moves: moves(mode), steps, planted };
    setting.try_from(&[])
}

impl Setting {
    /// Plays every script that begins with those moves. The nodes cannot be copied, so each script is played
    /// from its start.
    fn try_from(&self, begun: &[Move]) -> Result<u64, Won> {
        let played = plant(self.planted, || self.play(begun));
        let next = played.map_err(|found| Won { script: begun.to_vec(), found })?;
        if begun.len() == self.steps {
            return Ok(1);
        }
        let longer = |step: Move| self.try_from(&[begun, &[step]].concat());
        let counts: Result<Vec<u64>, Won> = next.into_par_iter().map(longer).collect();
        counts.map(|counts| counts.into_iter().sum())
    }

    /// Plays a script, and says which moves may follow. A whole script ends on an honest network.
    fn play(&self, script: &[Move]) -> Result<Vec<Move>, Found> {
        let mut stage = Stage::new(self.mode, self.start, &self.recording)?;
        for step in script {
            stage.apply(*step)?;
        }
        if script.len() == self.steps {
            return stage.recover().map(|()| Vec::new());
        }
        Ok(self.moves.iter().copied().filter(|step| stage.can(*step)).collect())
    }
}
