//! The schemes: whole designs built from records, each with the law that it keeps.
//!
//! None names another. A scheme protects messages as pieces that are stored or sent, and a reader recovers
//! them. The fault injector alters the pieces and checks the scheme's own [`Judgement`] of each [`Fault`];
//! workloads time both directions. Life cycles (crashes, rotations) are histories in `verify::campaign`, not
//! methods here.
//!
//! Adding a scheme is a folder here and a line in [`schemes`]. A user's own scheme goes to `sealmark::main`,
//! and is verified, injected and measured like ours.

use std::ops::Range;

use crate::engine::{Engine, Shape};

#[cfg(feature = "storage")]
pub mod storage;

/// Every scheme that was compiled in.
pub fn schemes() -> Vec<&'static dyn Scheme> {
    vec![
        #[cfg(feature = "storage")]
        &storage::STORAGE,
    ]
}

/// The scheme of that name.
pub fn find(name: &str) -> Option<&'static dyn Scheme> {
    schemes().into_iter().find(|scheme| scheme.name() == name)
}

/// Why a session could not be made, or could not protect. Each scheme's own enum goes into it.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// What a reader may give of the messages that were protected.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Law {
    /// Each message, as it was and at its place.
    Each,
    /// Any of the messages, in any order, each as it was and at most once.
    AtMostOnce,
    /// All messages in their order, or none.
    AllOrNothing,
    /// The first messages in their order, up to any of them.
    Prefix,
}

impl Law {
    /// Its name in results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Each => "each",
            Self::AtMostOnce => "at-most-once",
            Self::AllOrNothing => "all-or-nothing",
            Self::Prefix => "prefix",
        }
    }
}

/// An alteration of the pieces between writer and reader.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fault {
    /// One bit of a piece is flipped.
    Flip,
    /// A piece loses its end.
    Cut,
    /// A piece has one more byte at its end.
    Extend,
    /// Two pieces change places.
    Swap,
    /// A piece stands in another's place as well.
    Copy,
    /// A piece is gone.
    Drop,
    /// A piece comes twice in a row.
    Repeat,
    /// A piece of another session with the same long-term keys stands in a piece's stead.
    Splice,
    /// The last pieces are gone: one of them, or more.
    Tail,
    /// A piece of an earlier protect of the same session stands in a piece's stead.
    Older,
    /// One bit of a piece is flipped, and its unkeyed checksums are made right by [`Session::forge`].
    Forge,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 11] = [
        Self::Flip,
        Self::Cut,
        Self::Extend,
        Self::Swap,
        Self::Copy,
        Self::Drop,
        Self::Repeat,
        Self::Splice,
        Self::Tail,
        Self::Older,
        Self::Forge,
    ];

    /// Its name in cases and results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flip => "flip",
            Self::Cut => "cut",
            Self::Extend => "extend",
            Self::Swap => "swap",
            Self::Copy => "copy",
            Self::Drop => "drop",
            Self::Repeat => "repeat",
            Self::Splice => "splice",
            Self::Tail => "tail",
            Self::Older => "older",
            Self::Forge => "forge",
        }
    }
}

/// What a scheme says of a fault. The injector checks it both ways: a fault that is judged too well fails,
/// and so does one that is judged too badly.
///
/// Where a removal is not seen and the law allows the loss ([`Law::AtMostOnce`], [`Law::Prefix`]), the scheme
/// chooses between `Harmless` and `Blind`: whether its users count on the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Judgement {
    /// Every trial is refused, by one of [`Scheme::refusals`], and what is given keeps the law.
    Caught,
    /// Nothing is refused, the law holds, and only removed messages are missing.
    Harmless,
    /// Every trial passes unseen, for that reason, and gives other messages than were protected here, in
    /// another order, or fewer; but none that was never protected.
    Blind(&'static str),
    /// Every trial passes unseen, for that reason, and gives a message that was never protected.
    Alters(&'static str),
    /// It depends on chance, for that reason: trials are counted, and may come out either way.
    Chance(&'static str),
}

/// A design built from records.
pub trait Scheme: Send + Sync {
    /// Its name, one for each of its modes: `snapshot/compat`. The family stands before the slash.
    fn name(&self) -> &'static str;

    /// The part of the name before the slash, or all of it.
    fn family(&self) -> &'static str {
        let name = self.name();
        name.split_once('/').map_or(name, |(family, _)| family)
    }

    /// What its readers promise.
    fn law(&self) -> Law;

    /// The calls that an engine must offer. `None`: no AEAD takes part, and the scheme is judged once.
    fn needs(&self) -> Option<Shape>;

    /// The names by which its readers refuse an altered piece: those of its specification, where that has
    /// them. Any other error of a reader, such as one of a disk or of an engine, is no refusal and fails the
    /// trial.
    fn refusals(&self) -> &'static [&'static str];

    /// What it says of a fault done to that part of a piece, as [`Piece::parts`] names it; `""` is the whole
    /// piece.
    fn judge(&self, fault: Fault, part: &str) -> Judgement;

    /// A new session. All sessions of a scheme have the same long-term keys, as two connections of the same
    /// peers or two starts of one process have; what a session derives is its own.
    ///
    /// # Errors
    /// The scheme's, where the engine does not let it begin.
    fn session(&self, engine: &'static dyn Engine) -> Result<Box<dyn Session>, Error>;
}

/// A piece that was stored or sent: a row, a frame, a file, a blob.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Piece {
    /// Where it lies: a key, a name; empty where only the order tells.
    pub place: Vec<u8>,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Named ranges of the bytes that [`Scheme::judge`] tells apart; the innermost one counts. A part that
    /// spans the whole piece says which kind of piece it is, and faults done to whole pieces are judged by
    /// it.
    pub parts: Vec<(&'static str, Range<usize>)>,
}

impl Piece {
    /// A piece without named parts.
    pub fn whole(place: Vec<u8>, bytes: Vec<u8>) -> Self {
        Self { place, bytes, parts: Vec::new() }
    }

    /// The part that spans the whole piece, or `""`.
    pub fn kind(&self) -> &'static str {
        self.parts.iter().find(|(_, range)| *range == (0..self.bytes.len())).map_or("", |(name, _)| name)
    }

    /// The innermost part that holds the byte at `at`, or `""`.
    pub fn part_at(&self, at: usize) -> &'static str {
        let around = self.parts.iter().filter(|(_, range)| range.contains(&at));
        around.min_by_key(|(_, range)| range.len()).map_or("", |(name, _)| name)
    }
}

/// One use of a scheme by a writer.
pub trait Session {
    /// Protects messages, in order. Another call goes on in the same session.
    ///
    /// # Errors
    /// The scheme's.
    fn protect(&mut self, messages: &[Vec<u8>]) -> Result<Vec<Piece>, Error>;

    /// A fresh reader: as the first piece of the last [`protect`](Self::protect) finds it.
    ///
    /// # Errors
    /// The scheme's.
    fn reader(&self) -> Result<Box<dyn Reader>, Error>;

    /// Makes the unkeyed checksums of an altered piece right, and says whether it has any.
    fn forge(&self, _: &mut Piece) -> bool {
        false
    }
}

/// One use of a scheme by a reader.
pub trait Reader {
    /// Recovers the messages that lie in the pieces.
    fn recover(&mut self, pieces: &[Piece]) -> Recovered;
}

/// What a reader made of some pieces.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Recovered {
    /// The messages, in the order in which they were given, each with the number that the reader takes it
    /// for: its place among the messages of the last [`Session::protect`], from 0.
    pub given: Vec<(usize, Vec<u8>)>,
    /// The scheme's names for what it refused, in order.
    pub refused: Vec<&'static str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_are_found_by_their_names_and_no_two_are_alike() {
        let names: Vec<_> = schemes().iter().map(|scheme| scheme.name()).collect();
        let expected: &[&str] = if cfg!(feature = "storage") { &["storage"] } else { &[] };
        assert_eq!(names, expected);
        assert!(names.iter().all(|name| find(name).is_some_and(|scheme| scheme.name() == *name)));
        assert!(find("none").is_none());
    }

    #[test]
    fn a_byte_belongs_to_the_innermost_part_and_a_piece_to_the_part_that_spans_it() {
        let parts = vec![("frame", 0..9), ("header", 0..4), ("counter", 2..4)];
        let piece = Piece { place: Vec::new(), bytes: vec![0; 9], parts };
        assert_eq!(piece.kind(), "frame");
        assert_eq!(
            [0, 1, 2, 3, 4, 8].map(|at| piece.part_at(at)),
            ["header", "header", "counter", "counter", "frame", "frame"]
        );
        let plain = Piece::whole(Vec::new(), vec![0; 9]);
        assert_eq!((plain.kind(), plain.part_at(3)), ("", ""));
    }
}
