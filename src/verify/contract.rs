//! An engine's duties to its callers for any message: the promises of `aead::Aead` and `engine::Engine`, one
//! case each.
//!
//! Not here: the longest message and AAD, because 2^36 bytes and more do not fit in a test machine's memory.

use super::aead_case::{Judged, key, residue, untouched, usable, wrong};
use super::vectors::index;
use super::{Case, Check, Outcome, Set};
use crate::aead::{Alg, Error, Message, NONCE_LEN, TAG_LEN, Tag};
use crate::engine::{Engine, Shape};

/// The name of this set in reports.
pub const NAME: &str = "contract";

/// Lengths that no key has, and those of the other algorithms' keys.
const KEY_LENS: [usize; 12] = [0, 1, 15, 16, 17, 23, 24, 25, 31, 32, 33, 64];
/// Tag lengths that `open_iv` must refuse.
const TAG_LENS: [usize; 13] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 17];
const MESSAGE_LENS: [usize; 9] = [0, 1, 15, 16, 17, 130, 257, 1_025, 5_000];
const NONCE: [u8; NONCE_LEN] = [0x24; NONCE_LEN];
const AAD: &[u8] = b"header of the contract";

/// The promises, once for each algorithm.
pub fn set() -> Set {
    let declared = index::generated(NAME);
    let mut cases = Vec::new();
    for alg in Alg::ALL {
        let mut add = |name: String, promise: Promise| {
            let id = format!("{}/{name}", alg.name());
            cases.push(Case { id, check: Box::new(Clause { alg, promise }) });
        };
        for len in KEY_LENS.into_iter().filter(|len| *len != alg.key_len()) {
            add(format!("a key of {len} bytes is refused"), Promise::KeyLength(len));
        }
        for len in TAG_LENS {
            add(format!("a tag of {len} bytes is refused"), Promise::TagLength(len));
        }
        for len in MESSAGE_LENS {
            add(format!("a refused open of {len} bytes leaves what is declared"), Promise::Residue(len));
        }
        add("an empty IV is refused".into(), Promise::EmptyIv);
        add("the calls for a nonce and for an IV agree".into(), Promise::SameCall);
        add("a batch is its messages one by one".into(), Promise::Batch);
        add("one forged message of a batch is refused alone".into(), Promise::ForgedInBatch);
        add("one key serves several threads".into(), Promise::Threads);
    }
    Set {
        name: NAME.into(),
        source: "the documentation of the traits Aead and Engine".into(),
        declared: declared.cases,
        must_run: declared.run,
        cases,
        rulings: None,
        broken: Vec::new(),
    }
}

/// One promise for one algorithm.
struct Clause {
    alg: Alg,
    promise: Promise,
}

#[derive(Clone, Copy)]
enum Promise {
    KeyLength(usize),
    TagLength(usize),
    Residue(usize),
    EmptyIv,
    SameCall,
    Batch,
    ForgedInBatch,
    Threads,
}

impl Check for Clause {
    fn run(&self, engine: &'static dyn Engine) -> Outcome {
        if !engine.supports(Shape::usual(self.alg)) {
            return Outcome::Unsupported;
        }
        let judged = match self.promise {
            Promise::KeyLength(len) => self.key_length(engine, len),
            Promise::TagLength(len) => self.tag_length(engine, len),
            Promise::Residue(len) => self.residue(engine, len),
            Promise::EmptyIv => self.empty_iv(engine),
            Promise::SameCall => self.same_call(engine),
            Promise::Batch => self.batch(engine, None),
            Promise::ForgedInBatch => {
                (0..MESSAGE_LENS.len()).try_for_each(|forged| self.batch(engine, Some(forged)))
            }
            Promise::Threads => self.threads(engine),
        };
        judged.err().unwrap_or(Outcome::Agree)
    }
}

/// A message of that length that no cipher would produce by chance.
fn message(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + i / 251) as u8 ^ 0x3c).collect()
}

impl Clause {
    fn key(&self, engine: &dyn Engine) -> Result<Box<dyn crate::aead::Aead>, Outcome> {
        key(engine, self.alg, &message(self.alg.key_len()))
    }

    fn sealed(&self, engine: &dyn Engine, len: usize) -> Result<(Vec<u8>, Tag), Outcome> {
        let (mut buffer, mut tag) = (message(len), Tag::default());
        let sealed = self.key(engine)?.seal(&NONCE, AAD, &mut buffer, &mut tag);
        sealed.map_err(|e| wrong(format!("seal refused: {e}")))?;
        Ok((buffer, tag))
    }

    fn key_length(&self, engine: &dyn Engine, len: usize) -> Judged {
        match engine.key(self.alg, &message(len)) {
            Err(Error::KeyLength) => Ok(()),
            Err(e) => Err(wrong(format!("refused for another reason: {e}"))),
            Ok(_) => Err(wrong("the key was accepted")),
        }
    }

    fn tag_length(&self, engine: &dyn Engine, len: usize) -> Judged {
        let (ciphertext, tag) = self.sealed(engine, 40)?;
        let tag: Vec<u8> = tag.0.into_iter().chain([0]).take(len).collect();
        let (key, mut buffer) = (self.key(engine)?, ciphertext.clone());
        match key.open_iv(&NONCE, AAD, &mut buffer, &tag) {
            Err(Error::TagLength | Error::Unsupported) => {}
            Err(e) => return Err(wrong(format!("refused for another reason: {e}"))),
            Ok(()) => return Err(wrong("the tag was accepted")),
        }
        untouched("open", &ciphertext, &buffer)?;
        usable(&*key)
    }

    fn residue(&self, engine: &dyn Engine, len: usize) -> Judged {
        let (ciphertext, tag) = self.sealed(engine, len)?;
        let key = self.key(engine)?;
        for byte in [0, TAG_LEN - 1] {
            let (mut buffer, mut forged) = (ciphertext.clone(), tag);
            forged.0[byte] ^= 0x80;
            match key.open(&NONCE, AAD, &mut buffer, &forged) {
                Err(Error::NotAuthentic) => {}
                Err(e) => return Err(wrong(format!("refused for another reason: {e}"))),
                Ok(()) => return Err(wrong("a forged tag was accepted")),
            }
            residue(engine, &ciphertext, &buffer, || message(len))?;
            usable(&*key)?;
        }
        Ok(())
    }

    fn empty_iv(&self, engine: &dyn Engine) -> Judged {
        let (ciphertext, tag) = self.sealed(engine, 40)?;
        let (key, mut sealing, mut opening) = (self.key(engine)?, message(40), ciphertext.clone());
        let refused = |call: &str, result| match result {
            Err(Error::IvLength | Error::Unsupported) => Ok(()),
            Err(e) => Err(wrong(format!("{call} refused for another reason: {e}"))),
            Ok(()) => Err(wrong(format!("{call} accepted an empty IV"))),
        };
        refused("seal", key.seal_iv(b"", AAD, &mut sealing, &mut Tag::default()))?;
        untouched("seal", &message(40), &sealing)?;
        refused("open", key.open_iv(b"", AAD, &mut opening, &tag.0))?;
        untouched("open", &ciphertext, &opening)?;
        usable(&*key)?;
        opening.copy_from_slice(&ciphertext);
        let opened = key.open(&NONCE, AAD, &mut opening, &tag);
        opened.map_err(|e| wrong(format!("after the refusal of an empty IV, open refused: {e}")))?;
        if opening != message(40) {
            return Err(wrong("after the refusal of an empty IV, open gives another message"));
        }
        Ok(())
    }

    fn same_call(&self, engine: &dyn Engine) -> Judged {
        let (ciphertext, tag) = self.sealed(engine, 333)?;
        let key = self.key(engine)?;
        let (mut buffer, mut again) = (message(333), Tag::default());
        let sealed = key.seal_iv(&NONCE, AAD, &mut buffer, &mut again);
        sealed.map_err(|e| wrong(format!("seal_iv refused a nonce of 12 bytes: {e}")))?;
        if buffer != ciphertext || again.0 != tag.0 {
            return Err(wrong("seal_iv and seal differ"));
        }
        let opened = key.open_iv(&NONCE, AAD, &mut buffer, &tag.0);
        opened.map_err(|e| wrong(format!("open_iv refused the output of seal: {e}")))?;
        if buffer != message(333) {
            return Err(wrong("open_iv gives another message"));
        }
        Ok(())
    }

    /// Seals and opens messages of every length in one batch; the one at index `forged` has a flipped tag
    /// bit.
    fn batch(&self, engine: &dyn Engine, forged: Option<usize>) -> Judged {
        let key = self.key(engine)?;
        let mut buffers: Vec<_> = MESSAGE_LENS.map(message).to_vec();
        let mut batch: Vec<_> = (0u8..)
            .zip(&mut buffers)
            .map(|(i, in_out)| Message {
                nonce: [i; NONCE_LEN],
                aad: &AAD[..usize::from(i)],
                in_out,
                tag: Tag::default(),
            })
            .collect();
        key.seal_batch(&mut batch).map_err(|e| wrong(format!("seal_batch refused: {e}")))?;
        for (i, m) in batch.iter().enumerate() {
            let (mut single, mut tag) = (message(MESSAGE_LENS[i]), Tag::default());
            let sealed = key.seal(&m.nonce, m.aad, &mut single, &mut tag);
            sealed.map_err(|e| wrong(format!("seal refused: {e}")))?;
            if single != *m.in_out || tag.0 != m.tag.0 {
                return Err(wrong(format!("seal_batch and seal differ at message {i}")));
            }
        }
        let mut sealed = Vec::new();
        if let Some(i) = forged {
            sealed.extend_from_slice(batch[i].in_out);
            batch[i].tag.0[3] ^= 1;
        }
        let mut verdicts = [Err(Error::Unsupported); MESSAGE_LENS.len()];
        key.open_batch(&mut batch, &mut verdicts);
        for (i, m) in batch.iter().enumerate() {
            let opened = *m.in_out == message(MESSAGE_LENS[i]);
            match (verdicts[i], forged == Some(i)) {
                (Ok(()), false) if opened => {}
                (Err(Error::NotAuthentic), true) => {
                    residue(engine, &sealed, m.in_out, || message(MESSAGE_LENS[i]))?;
                }
                (verdict, _) => return Err(wrong(format!("open_batch, message {i}: {verdict:?}"))),
            }
        }
        let Some(i) = forged else { return Ok(()) };
        usable(&*key)?;
        let m = &mut batch[i];
        m.in_out.copy_from_slice(&sealed);
        m.tag.0[3] ^= 1;
        key.open_batch(&mut batch[i..=i], &mut verdicts[..1]);
        if verdicts[0] != Ok(()) || *batch[i].in_out != message(MESSAGE_LENS[i]) {
            return Err(wrong(format!("open_batch, message {i} without the forgery: {:?}", verdicts[0])));
        }
        Ok(())
    }

    fn threads(&self, engine: &dyn Engine) -> Judged {
        let (ciphertext, tag) = self.sealed(engine, 1_025)?;
        let key = self.key(engine)?;
        let work = || {
            for _ in 0..20 {
                let mut buffer = ciphertext.clone();
                let opened = key.open(&NONCE, AAD, &mut buffer, &tag);
                opened.map_err(|e| wrong(format!("open refused while other threads used the key: {e}")))?;
                let mut again = Tag::default();
                let sealed = key.seal(&NONCE, AAD, &mut buffer, &mut again);
                sealed.map_err(|e| wrong(format!("seal refused while other threads used the key: {e}")))?;
                if buffer != ciphertext || again.0 != tag.0 {
                    return Err(wrong("seal gives another result while other threads use the key"));
                }
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
            threads.into_iter().try_for_each(|t| t.join().unwrap_or_else(|_| Err(wrong("a thread panicked"))))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{engines, find};
    use crate::verify::double::{LEAVES_A_BYTE, SPOILS_ON_OPEN, SPOILS_ON_SEAL, STAYS_SHUT};

    /// The reasons why a faulty engine fails the cases with that name, one case for each algorithm.
    fn wrong_in(name: &str, double: &'static dyn Engine) -> Vec<String> {
        let cases = set().cases.into_iter().filter(|case| case.id.ends_with(name));
        let outcomes = cases.map(|case| case.check.run(double));
        outcomes.filter_map(|o| if let Outcome::Wrong { what } = o { Some(what) } else { None }).collect()
    }

    #[test]
    fn the_buffer_of_a_forged_message_in_a_batch_is_checked_and_the_key_opens_afterwards() {
        let name = "one forged message of a batch is refused alone";
        let told = wrong_in(name, LEAVES_A_BYTE);
        assert!(told.len() == 3 && told.iter().all(|what| what.contains("declares")), "{told:?}");
        assert_eq!(wrong_in(name, STAYS_SHUT).len(), 3);
        assert_eq!(wrong_in(name, SPOILS_ON_OPEN), [""; 0]);
    }

    #[test]
    fn the_buffer_after_a_refused_empty_iv_is_checked() {
        let name = "an empty IV is refused";
        for (double, call) in [(SPOILS_ON_SEAL, "after seal"), (SPOILS_ON_OPEN, "after open")] {
            let told = wrong_in(name, double);
            assert!(told.len() == 3 && told.iter().all(|what| what.starts_with(call)), "{told:?}");
        }
        assert_eq!(wrong_in(name, LEAVES_A_BYTE), [""; 0]);
    }

    #[test]
    fn the_set_has_the_declared_count() {
        let set = set();
        assert_eq!(set.cases.len() as u64, set.declared);
    }

    #[test]
    fn every_engine_keeps_the_contract() {
        for engine in engines().into_iter().filter(|e| e.available().is_ok()) {
            for case in set().cases {
                let outcome = case.check.run(engine);
                let name = engine.name();
                assert!(
                    matches!(outcome, Outcome::Agree | Outcome::Unsupported),
                    "{name}, {}: {outcome:?}",
                    case.id
                );
            }
        }
        let own = find("sealmark").unwrap();
        assert!(set().cases.iter().all(|case| case.check.run(own) == Outcome::Agree));
    }
}
