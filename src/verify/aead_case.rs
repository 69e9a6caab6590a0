//! Judges one published AEAD vector on one engine.
//!
//! Valid: seal must produce the ciphertext and the (truncated) tag, and open the message. Invalid: open must
//! refuse, the buffer must then hold exactly what the engine declares, and the same key must still seal and
//! open. [`Engine::supports`] says whether the engine offers the call. An empty IV is tried on every engine
//! that takes IVs of other lengths than 96 bits, since such an engine must refuse it.

use super::Outcome::{Agree, Stricter, Unsupported};
use super::model::Model;
use super::{Check, Outcome};
use crate::aead::{Aead, Alg, Error, NONCE_LEN, Nonce, TAG_LEN, Tag};
use crate::engine::{Engine, Residue, Shape};

/// The rule by which an engine may refuse a case that the publisher calls acceptable.
pub const RULE_ACCEPTABLE: &str = "acceptable-refused";

/// The publisher's verdict on a case.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Expect {
    /// Must seal and open.
    Valid,
    /// May be refused, but must be right if it is not.
    Acceptable,
    /// Must be refused.
    Invalid,
}

/// A published AEAD vector. No tag is longer than 16 bytes, and every key has its algorithm's length.
#[derive(Clone, Debug)]
pub(super) struct AeadCase {
    pub alg: Alg,
    pub key: Vec<u8>,
    pub iv: Vec<u8>,
    pub aad: Vec<u8>,
    pub message: Vec<u8>,
    pub ciphertext: Vec<u8>,
    pub tag: Vec<u8>,
    pub expect: Expect,
}

/// `Err` holds an outcome other than agreement, so `?` ends a check.
pub(super) type Judged = Result<(), Outcome>;

/// [`Outcome::Wrong`] with a message.
pub(super) fn wrong(what: impl Into<String>) -> Outcome {
    Outcome::Wrong { what: what.into() }
}

impl Check for AeadCase {
    fn run(&self, engine: &'static dyn Engine) -> Outcome {
        let shape = Shape { alg: self.alg, iv_len: self.iv.len(), tag_len: self.tag.len() };
        let judged = if self.iv.is_empty() {
            self.empty_iv(engine, shape)
        } else if engine.supports(shape) {
            self.judge(engine)
        } else {
            return Unsupported;
        };
        judged.err().unwrap_or(Agree)
    }
}

impl AeadCase {
    fn judge(&self, engine: &dyn Engine) -> Judged {
        let key = key(engine, self.alg, &self.key)?;
        if self.expect == Expect::Invalid {
            return self.refused(engine, &*key);
        }
        let refusal = |call: &str, e: Error| match self.expect {
            Expect::Acceptable => Stricter { rule: RULE_ACCEPTABLE },
            _ => wrong(format!("{call} refused a valid case: {e}")),
        };
        let (mut buffer, mut tag) = (self.message.clone(), Tag::default());
        seal(&*key, &self.iv, &self.aad, &mut buffer, &mut tag).map_err(|e| refusal("seal", e))?;
        if buffer != self.ciphertext {
            return Err(wrong(differ("seal: the ciphertext", &buffer, &self.ciphertext)));
        }
        if tag.0[..self.tag.len()] != self.tag {
            return Err(wrong(differ("seal: the tag", &tag.0, &self.tag)));
        }
        open(&*key, &self.iv, &self.aad, &mut buffer, &self.tag).map_err(|e| refusal("open", e))?;
        if buffer != self.message {
            return Err(wrong(differ("open: the message", &buffer, &self.message)));
        }
        Ok(())
    }

    fn refused(&self, engine: &dyn Engine, key: &dyn Aead) -> Judged {
        let mut buffer = self.ciphertext.clone();
        match open(key, &self.iv, &self.aad, &mut buffer, &self.tag) {
            Err(Error::NotAuthentic) => {}
            Ok(()) => return Err(wrong("open accepted an invalid case")),
            Err(e) => return Err(wrong(format!("open refused an invalid case for another reason: {e}"))),
        }
        residue(engine, &self.ciphertext, &buffer, || {
            Model::new(&self.key).decrypt(&self.iv, &self.ciphertext)
        })?;
        usable(key)
    }

    fn empty_iv(&self, engine: &dyn Engine, shape: Shape) -> Judged {
        if !engine.supports(Shape { iv_len: 16, ..shape }) {
            return Err(Unsupported);
        }
        let key = key(engine, self.alg, &self.key)?;
        let (mut buffer, mut tag) = (self.message.clone(), Tag::default());
        let sealed = key.seal_iv(&self.iv, &self.aad, &mut buffer, &mut tag);
        let mut opening = self.ciphertext.clone();
        let opened = key.open_iv(&self.iv, &self.aad, &mut opening, &self.tag);
        for (call, result) in [("seal", sealed), ("open", opened)] {
            match result {
                Err(Error::IvLength | Error::Unsupported) => {}
                // With two faults, an engine may report either.
                Err(Error::TagLength) if call == "open" && self.tag.len() < TAG_LEN => {}
                Err(e) => return Err(wrong(format!("{call} refused an empty IV for another reason: {e}"))),
                Ok(()) => return Err(wrong(format!("{call} accepted an empty IV"))),
            }
        }
        untouched("seal", &self.message, &buffer)?;
        untouched("open", &self.ciphertext, &opening)?;
        usable(&*key)?;
        match (sealed, opened) {
            (Err(Error::Unsupported), Err(Error::Unsupported)) => Err(Unsupported),
            _ => Ok(()),
        }
    }
}

/// A key from an engine that claims to support the algorithm.
pub(super) fn key(engine: &dyn Engine, alg: Alg, bytes: &[u8]) -> Result<Box<dyn Aead>, Outcome> {
    engine.key(alg, bytes).map_err(|e| wrong(format!("the key was refused: {e}")))
}

/// Seals with the call that a user would choose for that IV.
pub(super) fn seal(
    key: &dyn Aead,
    iv: &[u8],
    aad: &[u8],
    in_out: &mut [u8],
    tag: &mut Tag,
) -> Result<(), Error> {
    match <&Nonce>::try_from(iv) {
        Ok(nonce) => key.seal(nonce, aad, in_out, tag),
        Err(_) => key.seal_iv(iv, aad, in_out, tag),
    }
}

/// Opens with the call that a user would choose for that IV and tag length.
pub(super) fn open(
    key: &dyn Aead,
    iv: &[u8],
    aad: &[u8],
    in_out: &mut [u8],
    tag: &[u8],
) -> Result<(), Error> {
    match (<&Nonce>::try_from(iv), <[u8; TAG_LEN]>::try_from(tag)) {
        (Ok(nonce), Ok(tag)) => key.open(nonce, aad, in_out, &Tag(tag)),
        _ if tag.len() < NONCE_LEN => key.open_short_tag(iv, aad, in_out, tag),
        _ => key.open_iv(iv, aad, in_out, tag),
    }
}

/// Checks the buffer after a refused open against the engine's declaration.
pub(super) fn residue(
    engine: &dyn Engine,
    ciphertext: &[u8],
    left: &[u8],
    plaintext: impl FnOnce() -> Vec<u8>,
) -> Judged {
    let (fits, declared) = match engine.residue() {
        Residue::Zeros => (left.iter().all(|&b| b == 0), "zeros"),
        Residue::Ciphertext => (left == ciphertext, "the ciphertext"),
        Residue::Plaintext => (left == plaintext(), "the unauthenticated plaintext"),
    };
    if fits {
        return Ok(());
    }
    Err(wrong(format!("after a refusal the buffer does not hold {declared}, as the engine declares")))
}

/// Checks the buffer of a call that was refused before the cipher ran: it must be unchanged or wiped.
pub(super) fn untouched(call: &str, before: &[u8], left: &[u8]) -> Judged {
    if left == before || left.iter().all(|&b| b == 0) {
        return Ok(());
    }
    Err(wrong(format!("after {call} was refused the buffer holds neither its input nor zeros")))
}

/// Checks that a key still seals and opens after a refusal.
pub(super) fn usable(key: &dyn Aead) -> Judged {
    const MESSAGE: [u8; 21] = *b"a message of our own.";
    let nonce = [0x5a; NONCE_LEN];
    let (mut buffer, mut tag) = (MESSAGE, Tag::default());
    let sealed = key.seal(&nonce, b"header", &mut buffer, &mut tag);
    sealed.map_err(|e| wrong(format!("after a refusal the key does not seal: {e}")))?;
    if buffer == MESSAGE {
        return Err(wrong("after a refusal the key does not encrypt"));
    }
    let opened = key.open(&nonce, b"header", &mut buffer, &tag);
    opened.map_err(|e| wrong(format!("after a refusal the key does not open: {e}")))?;
    if buffer != MESSAGE {
        return Err(wrong("after a refusal the key does not decrypt"));
    }
    Ok(())
}

/// Describes where two byte strings first differ.
pub(super) fn differ(what: &str, seen: &[u8], expected: &[u8]) -> String {
    match seen.iter().zip(expected).position(|(a, b)| a != b) {
        Some(i) => format!("{what} differs at byte {i}: {:02x}, expected {:02x}", seen[i], expected[i]),
        None => format!("{what} has {} bytes, expected {}", seen.len(), expected.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::double::{LEAVES_A_BYTE, SPOILS_ON_OPEN, SPOILS_ON_SEAL};

    #[test]
    fn the_buffer_after_a_refused_empty_iv_is_checked() {
        let case = AeadCase {
            alg: Alg::Aes128Gcm,
            key: vec![1; 16],
            iv: Vec::new(),
            aad: Vec::new(),
            message: vec![2; 20],
            ciphertext: vec![3; 20],
            tag: vec![4; 16],
            expect: Expect::Invalid,
        };
        for (double, call) in [(SPOILS_ON_SEAL, "after seal"), (SPOILS_ON_OPEN, "after open")] {
            let outcome = case.run(double);
            assert!(matches!(&outcome, Outcome::Wrong { what } if what.starts_with(call)), "{outcome:?}");
        }
        assert_eq!(case.run(LEAVES_A_BYTE), Agree);
    }
}
