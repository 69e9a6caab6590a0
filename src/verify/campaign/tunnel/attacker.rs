//! The attacker: every script of a few moves.
//!
//! Scripts are tried exhaustively, each on fresh nodes: all sequences of that many moves, except those in
//! which a move has nothing to act on: they equal a shorter script. After the last move the network is honest
//! again, and the peers must find each other. The hardened handshake faces every move; the safe mode
//! faces those that it promises to withstand, with forged frames instead of spliced hellos.

use rayon::prelude::*;

use super::Found;
use super::forgery::Forgery;
use super::script::{Move, Part, Recording, Side, Stage, Start};
use crate::scheme::tunnel::Mode;
use crate::scheme::tunnel::exchange::planted::{Defect, plant};

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
