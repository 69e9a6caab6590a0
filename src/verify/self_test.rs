//! Tests verification itself: plants defects in vectors and in engines, all of which must be found.

use serde::{Deserialize, Serialize};

use super::model::{Model, RCON};
use super::vectors::index::{self, Row};
use super::{Outcome, Plan, Set, Sets, Tally, differential, judge};
use crate::aead::{Aead, Error, Nonce, TAG_LEN, Tag};
use crate::engine::double::{Call, FaultyEngine};
use crate::engine::{Engine, find};

/// A planted defect, and whether it was found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Planted {
    /// The defect.
    pub what: String,
    /// Whether verification found it, and found nothing else.
    pub caught: bool,
    /// The sets and cases that found it: the first ten.
    pub by: Vec<String>,
}

/// Plants each defect in turn.
pub fn self_test(seed: u64) -> Vec<Planted> {
    let wycheproof = row("wycheproof/aes-gcm");
    let mut planted = vec![
        flipped_vector(&wycheproof, b"\"tag\": \""),
        flipped_vector(&row("nist/cavp-gcm-encrypt-128"), b"Tag = "),
        flipped_vector(&row("nist/cavp-gcm-decrypt-256"), b"Tag = "),
    ];
    planted.extend(DOUBLES.iter().map(|double| {
        let set = if double.in_sweep { differential::set(seed) } else { wycheproof.load() };
        faulty_engine(double, set, seed)
    }));
    planted.push(idle_engine(wycheproof.load(), seed));
    planted
}

/// Runs a set on an engine that offers no call: it must fail the set, although no case is wrong.
fn idle_engine(set: Set, seed: u64) -> Planted {
    let sound = find("sealmark").expect("the engine of our own choice always exists");
    let report = super::run(&Plan::new(vec![&IDLE, sound], Sets::Given(vec![set]), seed), &|_| {});
    let (accused, others): (Vec<_>, Vec<_>) = report.failures.iter().partition(|f| f.engine == IDLE.name());
    Planted {
        what: "an engine that runs no case".into(),
        caught: !accused.is_empty() && others.is_empty() && report.wrong == accused.len() as u64,
        by: accused.iter().map(|f| format!("{}: {}", f.set, f.what)).collect(),
    }
}

/// An engine that supports nothing.
static IDLE: FaultyEngine = FaultyEngine::new("planted/idle").with_shapes(|_| false);

/// The engine `planted/round-constant`, with one wrong AES round constant. Pass it to [`crate::main`] to see
/// a wrong engine end the command with 1, with its cases listed and no time measured.
#[doc(hidden)]
pub fn wrong_engine() -> &'static dyn Engine {
    &DOUBLES[0].engine
}

fn row(name: &str) -> Row {
    index::rows().into_iter().find(|row| row.name == name).expect("the index has this set")
}

/// Flips one bit of the first tag in an embedded file: that tag's case, and no other, must come out wrong.
fn flipped_vector(row: &Row, before: &[u8]) -> Planted {
    let mut bytes = row.bytes().expect("a test loads every embedded file");
    let start = bytes.windows(before.len()).position(|w| w == before).expect("the file has a tag");
    let digit = &mut bytes[start + before.len()];
    let value = char::from(*digit).to_digit(16).expect("a tag is in hex");
    *digit = b"0123456789abcdef"[value as usize ^ 1];
    let set = row.load_from(&bytes);
    let engine = find("sealmark").expect("the engine of our own choice always exists");
    let wrong = set.cases.iter().filter(|case| matches!(judge(case, engine), Outcome::Wrong { .. }));
    let wrong: Vec<_> = wrong.map(|case| case.id.as_str()).collect();
    let expected = set.cases.first().map(|case| case.id.as_str());
    Planted {
        what: format!("a bit flipped in the first tag of {}", row.name),
        caught: wrong.len() == 1 && wrong.first().copied() == expected && !set.broken.is_empty(),
        by: wrong.iter().take(10).map(|id| format!("{}: {id}", row.name)).collect(),
    }
}

/// Runs a set on an engine with a defect: cases must come out wrong there, and none on a sound engine.
fn faulty_engine(double: &'static Double, set: Set, seed: u64) -> Planted {
    let sound = find("sealmark").expect("the engine of our own choice always exists");
    let engines: Vec<&'static dyn Engine> = vec![&double.engine, sound];
    let report = super::run(&Plan::new(engines, Sets::Given(vec![set]), seed), &|_| {});
    let tallies = |name: &str| -> Vec<Tally> {
        report.sets.iter().filter_map(|set| set.engines.get(name)).copied().collect()
    };
    let wrong = |name: &str| tallies(name).iter().map(|tally| tally.wrong).sum::<u64>();
    // A sound engine that ran nothing would prove nothing.
    let sound_agrees = tallies(sound.name()).iter().any(|t| t.agree > 0) && wrong(sound.name()) == 0;
    let named = report.failures.iter().filter(|f| f.engine == double.engine.name() && !f.case.is_empty());
    let by: Vec<_> = named.map(|f| format!("{}: {}", f.set, f.case)).collect();
    Planted {
        what: double.what.into(),
        caught: wrong(double.engine.name()) > 0 && !by.is_empty() && sound_agrees,
        by,
    }
}

/// An engine with a defect.
struct Double {
    engine: FaultyEngine,
    what: &'static str,
    /// Only the sweep can find it, because published vectors are too short.
    in_sweep: bool,
}

static DOUBLES: [Double; 4] = [
    Double {
        engine: FaultyEngine::new("planted/round-constant").with_keys(&|_, bytes| {
            let mut rcon = RCON;
            rcon[0] ^= 0x40;
            Ok(Box::new(ModelKey(Model::with_rcon(bytes, &rcon))))
        }),
        what: "an engine with one wrong AES round constant",
        in_sweep: false,
    },
    Double {
        engine: FaultyEngine::new("planted/half-tag").with_calls(&|sound, call| {
            let Call::Open { iv, aad, in_out, tag } = call else { return call.run(sound) };
            let (message, right) = decrypt(sound, iv, aad, in_out)?;
            if tag.starts_with(&right.0[..TAG_LEN / 2]) {
                in_out.copy_from_slice(&message);
                return Ok(());
            }
            in_out.fill(0);
            Err(Error::NotAuthentic)
        }),
        what: "an engine that compares half of the tag",
        in_sweep: false,
    },
    Double {
        engine: FaultyEngine::new("planted/leaves-plaintext").with_calls(&|sound, call| {
            let Call::Open { iv, aad, in_out, .. } = call else { return call.run(sound) };
            let (message, _) = decrypt(sound, iv, aad, in_out)?;
            let opened = call.run(sound);
            if opened.is_err() {
                call.in_out().copy_from_slice(&message);
            }
            opened
        }),
        what: "an engine that declares zeros after a refusal and leaves the plaintext",
        in_sweep: false,
    },
    Double {
        engine: FaultyEngine::new("planted/long-tag").with_calls(&|sound, call| {
            call.run(sound)?;
            if let Call::Seal { in_out, tag, .. } = call
                && in_out.len() > 1_792
            {
                tag.0[0] ^= 1;
            }
            Ok(())
        }),
        what: "an engine whose tag is wrong past 1,792 bytes",
        in_sweep: true,
    },
];

/// The plaintext regardless of the tag (counter mode is its own inverse), and the right tag.
fn decrypt(sound: &dyn Aead, iv: &[u8], aad: &[u8], ciphertext: &[u8]) -> Result<(Vec<u8>, Tag), Error> {
    let (mut message, mut tag) = (ciphertext.to_vec(), Tag::default());
    sound.seal_iv(iv, aad, &mut message, &mut tag)?;
    sound.seal_iv(iv, aad, &mut message.clone(), &mut tag)?;
    Ok((message, tag))
}

struct ModelKey(Model);

impl Aead for ModelKey {
    fn seal(&self, nonce: &Nonce, aad: &[u8], in_out: &mut [u8], tag: &mut Tag) -> Result<(), Error> {
        let (ciphertext, made) = self.0.seal(nonce, aad, in_out);
        in_out.copy_from_slice(&ciphertext);
        tag.0 = made;
        Ok(())
    }

    fn open(&self, nonce: &Nonce, aad: &[u8], in_out: &mut [u8], tag: &Tag) -> Result<(), Error> {
        let Some(message) = self.0.open(nonce, aad, in_out, &tag.0) else {
            in_out.fill(0);
            return Err(Error::NotAuthentic);
        };
        in_out.copy_from_slice(&message);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aead::{self, Alg};

    #[test]
    fn the_doubles_are_sound_except_for_their_defect() {
        let (key, nonce) = ([9; 16], [1; 12]);
        let reference = aead::key(Alg::Aes128Gcm, &key).unwrap();
        // The first one has another key schedule, so nothing that it seals is right.
        for double in &DOUBLES[1..] {
            let name = double.engine.name();
            let (mut a, mut b) = (*b"short", *b"short");
            let (mut tag_a, mut tag_b) = (Tag::default(), Tag::default());
            let made = double.engine.key(Alg::Aes128Gcm, &key).unwrap();
            made.seal(&nonce, b"", &mut a, &mut tag_a).unwrap();
            reference.seal(&nonce, b"", &mut b, &mut tag_b).unwrap();
            assert_eq!((a, tag_a.0), (b, tag_b.0), "{name}");
            made.open(&nonce, b"", &mut a, &tag_b).unwrap();
            assert_eq!(&a, b"short", "{name}");
        }
    }

    #[test]
    fn a_double_with_the_right_round_constants_is_not_caught() {
        let key = ModelKey(Model::with_rcon(&[9; 32], &RCON));
        let (mut a, mut tag) = (*b"message", Tag::default());
        key.seal(&[2; 12], b"aad", &mut a, &mut tag).unwrap();
        aead::key(Alg::Aes256Gcm, &[9; 32]).unwrap().open(&[2; 12], b"aad", &mut a, &tag).unwrap();
        assert_eq!(&a, b"message");
    }
}
