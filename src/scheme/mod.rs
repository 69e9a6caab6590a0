//! Schemes: complete designs built from records, each with a law that it keeps.
//!
//! No scheme names another. A scheme protects messages as pieces that are stored or sent, and a reader
//! recovers them. The fault injector alters the pieces and checks the scheme's own [`Judgement`] of each
//! [`Fault`]; workloads time both directions. Life cycles (crashes, rotations) are histories in
//! `verify::campaign`, not methods here.
//!
//! To add a scheme, add a folder here and a line in [`schemes`]. A user's own scheme is passed to
//! `sealmark::main`, and is then verified, attacked with faults and measured like the built-in ones.

use std::ops::Range;

use crate::engine::{Engine, Shape};

#[cfg(feature = "ephemeral")]
pub mod ephemeral;
#[cfg(feature = "log")]
pub mod log;
#[cfg(feature = "snapshot")]
pub mod snapshot;
#[cfg(feature = "storage")]
pub mod storage;
#[cfg(feature = "tunnel")]
pub mod tunnel;

/// Every scheme compiled in.
pub fn schemes() -> Vec<&'static dyn Scheme> {
    vec![
        #[cfg(feature = "storage")]
        &storage::STORAGE,
        #[cfg(feature = "ephemeral")]
        &ephemeral::COMPAT,
        #[cfg(feature = "ephemeral")]
        &ephemeral::BOUND,
        #[cfg(feature = "tunnel")]
        &tunnel::COMPAT,
        #[cfg(feature = "tunnel")]
        &tunnel::SAFE,
        #[cfg(feature = "tunnel")]
        &tunnel::HARDENED,
        #[cfg(feature = "snapshot")]
        &snapshot::COMPAT,
        #[cfg(feature = "snapshot")]
        &snapshot::SAFE,
        #[cfg(feature = "snapshot")]
        &snapshot::HARDENED,
        #[cfg(feature = "snapshot")]
        &snapshot::HARDENED_STREAM,
        #[cfg(feature = "log")]
        &log::CHECKED,
        #[cfg(feature = "log")]
        &log::SEALED,
    ]
}

/// The scheme with that name.
pub fn find(name: &str) -> Option<&'static dyn Scheme> {
    schemes().into_iter().find(|scheme| scheme.name() == name)
}

/// Why a session could not start or could not protect a message. Each scheme wraps its own error enum in it.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Which of the protected messages a reader may return.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Law {
    /// Every message, unchanged and in its place.
    Each,
    /// Any of the messages, in any order, each unchanged and at most once.
    AtMostOnce,
    /// All messages in order, or none.
    AllOrNothing,
    /// A prefix of the messages, in order.
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

/// An alteration of the pieces on their way from writer to reader.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fault {
    /// One bit of a piece is flipped.
    Flip,
    /// A piece loses its end.
    Cut,
    /// A piece has one more byte at its end.
    Extend,
    /// Two pieces trade places.
    Swap,
    /// A piece also appears in another's place.
    Copy,
    /// A piece is missing.
    Drop,
    /// A piece appears twice in a row.
    Repeat,
    /// A piece is replaced by one from another session with the same long-term keys.
    Splice,
    /// The last piece is missing, or several of them.
    Tail,
    /// A piece is replaced by one that the same session protected earlier.
    Older,
    /// One bit of a piece is flipped, and [`Session::forge`] corrects its unkeyed checksums.
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

/// A scheme's claim about a fault. The injector checks it in both directions: claiming too much fails, and so
/// does claiming too little.
///
/// If a removal goes unnoticed and the law allows the loss ([`Law::AtMostOnce`], [`Law::Prefix`]), the scheme
/// chooses between `Harmless` and `Blind`, depending on whether its users rely on the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Judgement {
    /// Every trial is refused, with one of [`Scheme::refusals`], and what the reader does return keeps the
    /// law.
    Caught,
    /// Nothing is refused, the law holds, and only removed messages are missing.
    Harmless,
    /// Every trial goes unnoticed, for this reason. The reader returns other messages than this session
    /// protected, or the same ones in another order, or fewer, but never one that no session protected.
    Blind(&'static str),
    /// Every trial goes unnoticed, for this reason, and the reader returns a message that was never
    /// protected.
    Alters(&'static str),
    /// The result depends on chance, for this reason: trials are counted and may go either way.
    Chance(&'static str),
}

/// A design built from records.
pub trait Scheme: Send + Sync {
    /// Its name, one per mode: `snapshot/compat`. The part before the slash is the family.
    fn name(&self) -> &'static str;

    /// The part of the name before the slash, or the whole name.
    fn family(&self) -> &'static str {
        let name = self.name();
        name.split_once('/').map_or(name, |(family, _)| family)
    }

    /// The law that its readers keep.
    fn law(&self) -> Law;

    /// The calls that an engine must offer. `None` means that the scheme uses no AEAD and is judged once.
    fn needs(&self) -> Option<Shape>;

    /// The names of its readers' refusals of an altered piece, as its specification gives them. Any other
    /// error from a reader, such as a disk error or an engine error, is not a refusal and fails the trial.
    fn refusals(&self) -> &'static [&'static str];

    /// Its judgement of a fault in the named part of a piece (see [`Piece::parts`]); `""` is the whole piece.
    fn judge(&self, fault: Fault, part: &str) -> Judgement;

    /// The media that keep what the scheme erases, each with the reason. On them, whoever has the medium and
    /// the long-term keys opens what was erased. Empty for a scheme that erases nothing.
    fn blind_media(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// The harms that the scheme does not prevent but keeps rare, with the amount of use that makes each
    /// likely. Empty for a scheme that has none worth a number.
    fn risks(&self) -> Vec<Risk> {
        Vec::new()
    }

    /// The histories, across several sessions, after which a reader accepts or loses what it should not, each
    /// with the reason: a recorded handshake that is replayed, a flood of forged pieces. No fault in one
    /// session expresses them. The family's campaign plays each of them in every mode and compares.
    fn blind_histories(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Starts a session. All sessions of a scheme share the same long-term keys, like two connections between
    /// the same peers or two starts of one process; each session derives its own keys from them.
    ///
    /// # Errors
    /// The scheme's own, if the engine cannot serve it.
    fn session(&self, engine: &'static dyn Engine) -> Result<Box<dyn Session>, Error>;
}

/// A harm that a scheme keeps rare without preventing it: its chance grows with use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Risk {
    /// The harm.
    pub harm: &'static str,
    /// The use that is counted, in the plural.
    pub counted: &'static str,
    /// Why chance decides.
    pub why: &'static str,
    /// For each bound 2^-`.0`, the smallest count `.1` at which the chance is greater.
    pub levels: Vec<(u32, u64)>,
}

/// A piece that was stored or sent: a row, a frame, a file, a blob.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Piece {
    /// Its location: a key or a name; empty if only the order matters.
    pub place: Vec<u8>,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Named ranges of the bytes, for [`Scheme::judge`]; the innermost range counts. A part that spans the
    /// whole piece names the kind of piece, and faults done to whole pieces are judged by it.
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

    /// The innermost part that contains the byte at `at`, or `""`.
    pub fn part_at(&self, at: usize) -> &'static str {
        let around = self.parts.iter().filter(|(_, range)| range.contains(&at));
        around.min_by_key(|(_, range)| range.len()).map_or("", |(name, _)| name)
    }
}

/// A writer's use of a scheme.
pub trait Session {
    /// Protects messages, in order. Further calls continue the same session.
    ///
    /// # Errors
    /// The scheme's own.
    fn protect(&mut self, messages: &[Vec<u8>]) -> Result<Vec<Piece>, Error>;

    /// A fresh reader, in the state in which the first piece of the last [`protect`](Self::protect) finds it.
    ///
    /// # Errors
    /// The scheme's own.
    fn reader(&self) -> Result<Box<dyn Reader>, Error>;

    /// Corrects the unkeyed checksums of an altered piece; returns `false` if it has none.
    fn forge(&self, _: &mut Piece) -> bool {
        false
    }
}

/// A reader's use of a scheme.
pub trait Reader {
    /// Recovers the messages in the pieces.
    fn recover(&mut self, pieces: &[Piece]) -> Recovered;
}

/// The result of reading some pieces.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Recovered {
    /// The messages in the order returned, each with its index as the reader understands it: its position
    /// among the messages of the last [`Session::protect`], from 0.
    pub given: Vec<(usize, Vec<u8>)>,
    /// The scheme's names for its refusals, in order.
    pub refused: Vec<&'static str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_are_found_by_name_and_names_are_unique() {
        let names: Vec<_> = schemes().iter().map(|scheme| scheme.name()).collect();
        let mut expected = Vec::new();
        expected.extend(cfg!(feature = "storage").then_some("storage"));
        expected
            .extend(["ephemeral/compat", "ephemeral/bound"].iter().filter(|_| cfg!(feature = "ephemeral")));
        let tunnel = ["tunnel/compat", "tunnel/safe", "tunnel/hardened"];
        expected.extend(tunnel.iter().filter(|_| cfg!(feature = "tunnel")));
        let modes = ["snapshot/compat", "snapshot/safe", "snapshot/hardened", "snapshot/hardened-stream"];
        expected.extend(modes.iter().filter(|_| cfg!(feature = "snapshot")));
        expected.extend(["log/checked", "log/sealed"].iter().filter(|_| cfg!(feature = "log")));
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
