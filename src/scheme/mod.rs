//! The schemes: whole designs built from records, each with the law that it keeps.
//!
//! None names another. A scheme here is what the fault injector drives: it protects messages as stored or sent pieces, a
//! fault is done to those, and what it recovers must be what was protected, or an error. Life cycles (crashes,
//! rotations) are histories of `verify`, not methods here. Adding one is a folder and a line in [`schemes`].

use crate::engine::Engine;

#[cfg(feature = "storage")]
pub mod storage;

/// Every scheme.
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

/// What is done to the pieces of a session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fault {
    /// One bit of a piece is flipped, any.
    Flip,
    /// A piece loses its end.
    Cut,
    /// A piece has a byte more at its end.
    Extend,
    /// Two pieces change places.
    Swap,
    /// A piece stands in another's place as well.
    Copy,
    /// A piece is gone.
    Drop,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 6] = [Self::Flip, Self::Cut, Self::Extend, Self::Swap, Self::Copy, Self::Drop];
}

/// What a scheme promises about a fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Judgement {
    /// It is seen: an error.
    Caught,
    /// It changes nothing that is recovered.
    Harmless,
    /// It is not seen, for that reason.
    Blind(&'static str),
}

/// A design built from records.
pub trait Scheme: Send + Sync {
    /// Its name: one for each of its modes.
    fn name(&self) -> &'static str;

    /// What it promises about a fault.
    fn judge(&self, fault: Fault) -> Judgement;

    /// A session with fresh keys of that engine.
    ///
    /// # Errors
    /// What keeps the engine from it, for a person to read.
    fn session(&self, engine: &'static dyn Engine) -> Result<Box<dyn Session>, String>;
}

/// A piece that was stored or sent, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Piece {
    /// Where it lies: a key, a sequence number; empty where only the order tells.
    pub place: Vec<u8>,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// One use of a scheme.
pub trait Session {
    /// Protects messages: a piece for each, in order.
    ///
    /// # Errors
    /// The scheme's, for a person to read.
    fn protect(&mut self, messages: &[Vec<u8>]) -> Result<Vec<Piece>, String>;

    /// Recovers what lies in the pieces: for each place of the last [`protect`](Self::protect) its message, or `None`
    /// where nothing lies there.
    ///
    /// # Errors
    /// The scheme's name for what it refused.
    fn recover(&mut self, pieces: &[Piece]) -> Result<Vec<Option<Vec<u8>>>, String>;
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
}
