//! The fault injector: every scheme, every fault, and exactly what the scheme says of it, both ways.
//!
//! A session protects messages, a fault is done to the pieces, and what is recovered is held against the scheme's own
//! judgement: what it says it catches must end in an error each time; what it is blind to must pass at least once, so
//! that a list of blind spots cannot be longer than the truth; and nothing that was not protected is ever recovered.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Case, Check, Outcome, Set};
use crate::aead::Alg;
use crate::engine::{Engine, Shape};
use crate::scheme::{Fault, Judgement, Piece, Scheme, Session, schemes};

/// What the sets' names begin with; a scheme's name follows.
pub const PREFIX: &str = "faults/";
/// Lengths of the messages that are protected.
const LENGTHS: [usize; 5] = [0, 1, 16, 33, 100];

/// The names of the sets, one for each scheme.
pub fn names() -> Vec<String> {
    schemes().iter().map(|scheme| format!("{PREFIX}{}", scheme.name())).collect()
}

/// The set of a scheme: one case without a fault and one for each.
pub fn set(scheme: &'static dyn Scheme, seed: u64) -> Set {
    let case = |id: &str, fault| Case {
        id: id.to_owned(),
        check: Box::new(Injected { scheme, fault, seed, expected: fault.map(|fault| scheme.judge(fault)) }),
    };
    let mut cases = vec![case("none", None)];
    cases.extend(Fault::ALL.map(|fault| case(&format!("{fault:?}").to_lowercase(), Some(fault))));
    Set {
        name: format!("{PREFIX}{}", scheme.name()),
        source: "generated: faults done to what a scheme stores or sends".into(),
        declared: 1 + Fault::ALL.len() as u64,
        must_run: Default::default(),
        cases,
        broken: Vec::new(),
    }
}

struct Injected {
    scheme: &'static dyn Scheme,
    /// `None`: the pieces stay as they are.
    fault: Option<Fault>,
    expected: Option<Judgement>,
    seed: u64,
}

impl Check for Injected {
    fn run(&self, engine: &'static dyn Engine) -> Outcome {
        if !engine.supports(Shape::usual(Alg::Aes256Gcm)) {
            return Outcome::Unsupported;
        }
        let judged = self.scheme.session(engine).and_then(|mut session| self.judge(&mut *session));
        judged.map_or_else(|what| Outcome::Wrong { what }, |()| Outcome::Agree)
    }
}

impl Injected {
    fn judge(&self, session: &mut dyn Session) -> Result<(), String> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let messages = LENGTHS.map(|len| (0..len).map(|_| rng.random::<u8>()).collect::<Vec<_>>());
        let pieces = session.protect(&messages)?;
        let whole: Vec<_> = messages.iter().cloned().map(Some).collect();
        if session.recover(&pieces)? != whole {
            return Err("without a fault, other messages are recovered than were protected".into());
        }
        let Some(fault) = self.fault else { return Ok(()) };
        let (mut trials, mut passed) = (0, 0);
        for altered in done(fault, &pieces) {
            trials += 1;
            let Ok(recovered) = session.recover(&altered) else { continue };
            let strange = recovered.iter().flatten().any(|message| !messages.contains(message));
            if strange {
                return Err("a message is recovered that was never protected".into());
            }
            match self.expected {
                Some(Judgement::Harmless) if recovered == whole => passed += 1,
                Some(Judgement::Blind(_)) => passed += 1,
                _ => return Err(format!("{fault:?} number {trials} is not seen")),
            }
        }
        match self.expected {
            Some(Judgement::Caught) if trials > 0 => Ok(()),
            Some(Judgement::Harmless) if trials > 0 && passed == trials => Ok(()),
            Some(Judgement::Blind(_)) if passed > 0 => Ok(()),
            _ => Err(format!("{passed} of {trials} passed: the scheme judges {:?}", self.expected)),
        }
    }
}

/// Everything that a fault may make of the pieces.
fn done(fault: Fault, pieces: &[Piece]) -> Vec<Vec<Piece>> {
    let mut all = Vec::new();
    let mut with = |change: &dyn Fn(&mut Vec<Piece>)| {
        let mut altered = pieces.to_vec();
        change(&mut altered);
        all.push(altered);
    };
    for (i, piece) in pieces.iter().enumerate() {
        let len = piece.bytes.len();
        match fault {
            Fault::Flip => {
                (0..len * 8).for_each(|bit| with(&|pieces| pieces[i].bytes[bit / 8] ^= 1 << (bit % 8)));
            }
            Fault::Cut => (0..len).for_each(|len| with(&|pieces| pieces[i].bytes.truncate(len))),
            Fault::Extend => [0, 1, 0xff].iter().for_each(|byte| with(&|pieces| pieces[i].bytes.push(*byte))),
            Fault::Drop => with(&|pieces| drop(pieces.remove(i))),
            Fault::Swap | Fault::Copy => {
                for (j, other) in pieces.iter().enumerate().filter(|(j, _)| *j != i) {
                    with(&|pieces| {
                        pieces[i].bytes.clone_from(&other.bytes);
                        if fault == Fault::Swap {
                            pieces[j].bytes.clone_from(&piece.bytes);
                        }
                    });
                }
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;

    /// A scheme that protects nothing, with a judgement of one's choice.
    struct Naive(Judgement);

    impl Scheme for Naive {
        fn name(&self) -> &'static str {
            "naive"
        }

        fn judge(&self, _: Fault) -> Judgement {
            self.0
        }

        fn session(&self, _: &'static dyn Engine) -> Result<Box<dyn Session>, String> {
            Ok(Box::new(Plain(0)))
        }
    }

    struct Plain(usize);

    impl Session for Plain {
        fn protect(&mut self, messages: &[Vec<u8>]) -> Result<Vec<Piece>, String> {
            self.0 = messages.len();
            let piece = |(i, bytes): (usize, &Vec<u8>)| Piece { place: vec![i as u8], bytes: bytes.clone() };
            Ok(messages.iter().enumerate().map(piece).collect())
        }

        fn recover(&mut self, pieces: &[Piece]) -> Result<Vec<Option<Vec<u8>>>, String> {
            let at = |i: usize| pieces.iter().find(|piece| piece.place == [i as u8]);
            Ok((0..self.0).map(|i| at(i).map(|piece| piece.bytes.clone())).collect())
        }
    }

    fn wrong(scheme: &'static dyn Scheme) -> Vec<String> {
        let set = set(scheme, 1);
        assert_eq!(set.cases.len() as u64, set.declared);
        let engine = find("sealmark").unwrap();
        let wrong = set.cases.iter().filter(|case| case.check.run(engine) != Outcome::Agree);
        wrong.map(|case| case.id.clone()).collect()
    }

    #[test]
    fn every_scheme_keeps_its_word() {
        for scheme in schemes() {
            assert_eq!(wrong(scheme), [""; 0], "{}", scheme.name());
        }
    }

    #[test]
    fn a_scheme_that_protects_nothing_is_found_whatever_it_says() {
        assert_eq!(wrong(&Naive(Judgement::Caught)), ["flip", "cut", "extend", "swap", "copy", "drop"]);
        assert_eq!(wrong(&Naive(Judgement::Harmless)), ["flip", "cut", "extend", "swap", "copy", "drop"]);
        assert_eq!(wrong(&Naive(Judgement::Blind("it sees nothing"))), ["flip", "cut", "extend"]);
    }

    /// The storage scheme, saying that it is blind to what it catches.
    struct Modest;

    impl Scheme for Modest {
        fn name(&self) -> &'static str {
            "modest"
        }

        fn judge(&self, _: Fault) -> Judgement {
            Judgement::Blind("so it says")
        }

        fn session(&self, engine: &'static dyn Engine) -> Result<Box<dyn Session>, String> {
            crate::scheme::find("storage").expect("it is in the table").session(engine)
        }
    }

    #[test]
    fn a_blind_spot_that_is_none_is_found() {
        assert_eq!(wrong(&Modest), ["flip", "cut", "extend", "swap", "copy"]);
    }
}
