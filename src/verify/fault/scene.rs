//! The pieces that faults alter, and all trials of a fault.

use std::collections::{BTreeSet, HashSet};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::engine::Engine;
use crate::scheme::{Fault, Piece, Recovered, Scheme, Session};

/// Lengths of the protected messages.
const LENGTHS: [usize; 5] = [0, 1, 16, 33, 100];
/// Bytes that extend a piece.
const EXTENSIONS: [u8; 3] = [0, 1, 0xff];

/// The protected messages and their pieces.
pub(super) struct Scene {
    session: Box<dyn Session>,
    /// The messages that a reader must recover.
    pub messages: Vec<Vec<u8>>,
    /// Every message protected in any session; all are different.
    protected: HashSet<Vec<u8>>,
    pieces: Vec<Piece>,
    /// The messages that each piece carries.
    carried: Vec<BTreeSet<usize>>,
    /// Pieces from an earlier call.
    older: Vec<Piece>,
    /// Pieces from another session with the same long-term keys.
    foreign: Vec<Piece>,
}

/// One alteration of the pieces.
pub(super) struct Trial {
    /// The part that the fault alters.
    pub part: &'static str,
    /// All pieces as the reader finds them.
    pub pieces: Vec<Piece>,
    /// The messages that were removed or replaced with their piece.
    pub removed: BTreeSet<usize>,
}

impl Scene {
    /// Protects messages in two sessions, twice in each, and checks that a reader recovers those of the last
    /// call.
    pub fn of(scheme: &dyn Scheme, engine: &'static dyn Engine, seed: u64) -> Result<Self, String> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut protected = HashSet::new();
        // Their lengths differ from the messages', so no fault turns one into another.
        let [earlier, others, other_earlier] = [4, 5, 6].map(|more| draw(&mut rng, more, &mut protected));
        let messages = draw(&mut rng, 0, &mut protected);
        let write = || -> Result<_, crate::scheme::Error> {
            let (mut session, mut other) = (scheme.session(engine)?, scheme.session(engine)?);
            other.protect(&other_earlier)?;
            let (older, foreign) = (session.protect(&earlier)?, other.protect(&others)?);
            Ok((session.protect(&messages)?, older, foreign, session))
        };
        let (pieces, older, foreign, session) =
            write().map_err(|error| format!("nothing was protected: {error}"))?;
        let mut scene = Self { session, messages, protected, pieces, carried: Vec::new(), older, foreign };
        let whole = scene.recover(&scene.pieces)?;
        if let Some(name) = whole.refused.first() {
            return Err(format!("without a fault, a piece is refused with {name}"));
        }
        if !scene.is_whole(&whole) {
            return Err("without a fault, the recovered messages differ from the protected ones".into());
        }
        let mut before = BTreeSet::new();
        for end in 1..=scene.pieces.len() {
            let given: BTreeSet<_> =
                scene.recover(&scene.pieces[..end])?.given.into_iter().map(|(number, _)| number).collect();
            scene.carried.push(given.difference(&before).copied().collect());
            before = given;
        }
        Ok(scene)
    }

    /// The messages and refusals that a fresh reader returns for these pieces.
    pub fn recover(&self, pieces: &[Piece]) -> Result<Recovered, String> {
        let mut reader = self.session.reader().map_err(|error| format!("there is no reader: {error}"))?;
        Ok(reader.recover(pieces))
    }

    /// Whether all messages were recovered, in order.
    pub fn is_whole(&self, recovered: &Recovered) -> bool {
        let expected = self.messages.iter().enumerate();
        recovered.given.iter().map(|(number, message)| (*number, message)).eq(expected)
    }

    /// Whether that message was ever protected.
    pub fn was_protected(&self, message: &[u8]) -> bool {
        self.protected.contains(message)
    }

    /// Calls `each` for every trial of a fault. An alteration that leaves the pieces unchanged is not a
    /// trial.
    pub fn trials(&self, fault: Fault, each: &mut dyn FnMut(Trial)) {
        let mut with = |part, gone: &[usize], change: &dyn Fn(&mut Vec<Piece>)| {
            let mut pieces = self.pieces.clone();
            change(&mut pieces);
            if pieces != self.pieces {
                let removed = gone.iter().flat_map(|&i| &self.carried[i]).copied().collect();
                each(Trial { part, pieces, removed });
            }
        };
        let count = self.pieces.len();
        for (i, piece) in self.pieces.iter().enumerate() {
            let (kind, len) = (piece.kind(), piece.bytes.len());
            let flip = |piece: &mut Piece, bit: usize| piece.bytes[bit / 8] ^= 1 << (bit % 8);
            match fault {
                Fault::Flip => {
                    (0..len * 8)
                        .for_each(|bit| with(piece.part_at(bit / 8), &[], &|all| flip(&mut all[i], bit)));
                }
                Fault::Forge => (0..len * 8).for_each(|bit| {
                    let mut forged = piece.clone();
                    flip(&mut forged, bit);
                    if self.session.forge(&mut forged) {
                        with(piece.part_at(bit / 8), &[], &|all| all[i].clone_from(&forged));
                    }
                }),
                Fault::Cut => {
                    (0..len).for_each(|len| with(piece.part_at(len), &[], &|all| all[i].bytes.truncate(len)));
                }
                Fault::Extend => {
                    EXTENSIONS.iter().for_each(|byte| with(kind, &[], &|all| all[i].bytes.push(*byte)));
                }
                Fault::Swap | Fault::Copy => {
                    let first = if fault == Fault::Swap { i + 1 } else { 0 };
                    for (j, other) in self.pieces.iter().enumerate().skip(first).filter(|(j, _)| *j != i) {
                        let part = if other.kind() == kind { kind } else { "" };
                        if fault == Fault::Swap {
                            with(part, &[], &|all| {
                                all[i].bytes.clone_from(&other.bytes);
                                all[j].bytes.clone_from(&piece.bytes);
                            });
                        } else {
                            with(part, &[i], &|all| all[i].bytes.clone_from(&other.bytes));
                        }
                    }
                }
                Fault::Drop => with(kind, &[i], &|all| drop(all.remove(i))),
                Fault::Repeat => with(kind, &[], &|all| all.insert(i, piece.clone())),
                Fault::Splice | Fault::Older => {
                    let source = if fault == Fault::Splice { &self.foreign } else { &self.older };
                    if let Some(other) = source.get(i) {
                        with(kind, &[i], &|all| all[i].clone_from(other));
                    }
                }
                Fault::Tail => {
                    let gone: Vec<usize> = (i..count).collect();
                    with("", &gone, &|all| all.truncate(i));
                }
            }
        }
    }
}

/// Messages with the lengths in [`LENGTHS`], each longer by `more`, and different from all others.
fn draw(rng: &mut ChaCha8Rng, more: usize, drawn: &mut HashSet<Vec<u8>>) -> Vec<Vec<u8>> {
    let one = |len: usize| loop {
        let message: Vec<u8> = (0..len + more).map(|_| rng.random::<u8>()).collect();
        if drawn.insert(message.clone()) {
            return message;
        }
    };
    LENGTHS.map(one).to_vec()
}
