//! A wrapper for engines that are wrong on purpose: another engine's keys, with one thing altered.
//!
//! Tests, the self-test and our examples plant faults with it. To add your own engine, implement [`Engine`]
//! instead; `examples/own_engine.rs` is the shortest example.

use super::{Engine, Residue, Shape};
use crate::aead::{self, Aead, Alg, Error, Message, Nonce, TAG_LEN, Tag};

/// Makes the keys of a faulty engine.
pub type Keys = dyn Fn(Alg, &[u8]) -> Result<Box<dyn Aead>, Error> + Sync;

/// Runs instead of each call; [`Call::run`] makes the original call.
pub type Calls = dyn Fn(&dyn Aead, &mut Call<'_>) -> Result<(), Error> + Sync;

/// A call to seal or open one message, before it is made.
#[derive(Debug)]
pub enum Call<'a> {
    /// `seal`, or `seal_iv`.
    Seal {
        /// The nonce, or an IV of any length.
        iv: &'a [u8],
        /// Additional data.
        aad: &'a [u8],
        /// The message in, the ciphertext out.
        in_out: &'a mut [u8],
        /// Receives the tag.
        tag: &'a mut Tag,
    },
    /// `open`, or `open_iv`.
    Open {
        /// The nonce, or an IV of any length.
        iv: &'a [u8],
        /// Additional data.
        aad: &'a [u8],
        /// The ciphertext in, the message out.
        in_out: &'a mut [u8],
        /// The tag, of any length.
        tag: &'a [u8],
    },
}

impl Call<'_> {
    /// Makes the call with a sound key.
    ///
    /// # Errors
    /// The errors of the sound key.
    pub fn run(&mut self, sound: &dyn Aead) -> Result<(), Error> {
        match self {
            Self::Seal { iv, aad, in_out, tag } => match <&Nonce>::try_from(*iv) {
                Ok(nonce) => sound.seal(nonce, aad, in_out, tag),
                Err(_) => sound.seal_iv(iv, aad, in_out, tag),
            },
            Self::Open { iv, aad, in_out, tag } => {
                match (<&Nonce>::try_from(*iv), <[u8; TAG_LEN]>::try_from(*tag)) {
                    (Ok(nonce), Ok(tag)) => sound.open(nonce, aad, in_out, &Tag(tag)),
                    _ => sound.open_iv(iv, aad, in_out, tag),
                }
            }
        }
    }

    /// The buffer that is sealed or opened in place.
    pub fn in_out(&mut self) -> &mut [u8] {
        match self {
            Self::Seal { in_out, .. } | Self::Open { in_out, .. } => in_out,
        }
    }
}

/// An engine with a planted fault. Until something is altered, it is the backend chosen for this CPU under
/// another name.
#[derive(Clone, Copy)]
pub struct FaultyEngine {
    name: &'static str,
    unavailable: Option<&'static str>,
    shapes: fn(Shape) -> bool,
    residue: Residue,
    keys: &'static Keys,
    calls: &'static Calls,
    verdicts: fn(&mut [Result<(), Error>]),
}

impl FaultyEngine {
    /// A sound engine with this name that supports calls of the usual shape.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            unavailable: None,
            shapes: |shape| shape == Shape::usual(shape.alg),
            residue: Residue::Zeros,
            keys: &aead::key,
            calls: &|sound, call| call.run(sound),
            verdicts: |_| {},
        }
    }

    /// Makes it report that this CPU cannot run it, for the given reason.
    pub const fn unavailable(mut self, why: &'static str) -> Self {
        self.unavailable = Some(why);
        self
    }

    /// Sets the shapes that it claims to support.
    pub const fn with_shapes(mut self, shapes: fn(Shape) -> bool) -> Self {
        self.shapes = shapes;
        self
    }

    /// Sets its claim about what a refused open leaves in the buffer.
    pub const fn with_residue(mut self, residue: Residue) -> Self {
        self.residue = residue;
        self
    }

    /// Sets the function that makes its keys.
    pub const fn with_keys(mut self, keys: &'static Keys) -> Self {
        self.keys = keys;
        self
    }

    /// Sets the function that runs instead of each call, including those of a batch.
    pub const fn with_calls(mut self, calls: &'static Calls) -> Self {
        self.calls = calls;
        self
    }

    /// Sets a function that alters the verdicts of a batch once every message has one.
    pub const fn with_verdicts(mut self, verdicts: fn(&mut [Result<(), Error>])) -> Self {
        self.verdicts = verdicts;
        self
    }
}

impl std::fmt::Debug for FaultyEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FaultyEngine").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Engine for FaultyEngine {
    fn name(&self) -> &str {
        self.name
    }

    fn version(&self) -> String {
        "planted".into()
    }

    fn available(&self) -> Result<(), String> {
        self.unavailable.map_or(Ok(()), |why| Err(why.into()))
    }

    fn supports(&self, shape: Shape) -> bool {
        (self.shapes)(shape)
    }

    fn residue(&self) -> Residue {
        self.residue
    }

    fn key(&self, alg: Alg, bytes: &[u8]) -> Result<Box<dyn Aead>, Error> {
        let sound = (self.keys)(alg, bytes)?;
        Ok(Box::new(Altered { sound, calls: self.calls, verdicts: self.verdicts }))
    }
}

/// A key with altered calls, for a fault that belongs to a single key; see [`FaultyEngine::with_keys`].
pub fn altered(
    sound: Box<dyn Aead>,
    calls: impl Fn(&dyn Aead, &mut Call<'_>) -> Result<(), Error> + Send + Sync + 'static,
) -> Box<dyn Aead> {
    Box::new(Altered { sound, calls, verdicts: |_| {} })
}

struct Altered<F> {
    sound: Box<dyn Aead>,
    calls: F,
    verdicts: fn(&mut [Result<(), Error>]),
}

impl<F: Fn(&dyn Aead, &mut Call<'_>) -> Result<(), Error> + Send + Sync> Aead for Altered<F> {
    fn seal(&self, nonce: &Nonce, aad: &[u8], in_out: &mut [u8], tag: &mut Tag) -> Result<(), Error> {
        self.seal_iv(nonce, aad, in_out, tag)
    }

    fn open(&self, nonce: &Nonce, aad: &[u8], in_out: &mut [u8], tag: &Tag) -> Result<(), Error> {
        self.open_iv(nonce, aad, in_out, &tag.0)
    }

    fn seal_iv(&self, iv: &[u8], aad: &[u8], in_out: &mut [u8], tag: &mut Tag) -> Result<(), Error> {
        (self.calls)(&*self.sound, &mut Call::Seal { iv, aad, in_out, tag })
    }

    fn open_iv(&self, iv: &[u8], aad: &[u8], in_out: &mut [u8], tag: &[u8]) -> Result<(), Error> {
        (self.calls)(&*self.sound, &mut Call::Open { iv, aad, in_out, tag })
    }

    fn open_batch(&self, messages: &mut [Message<'_>], verdicts: &mut [Result<(), Error>]) {
        assert_eq!(messages.len(), verdicts.len(), "one verdict for each message");
        for (m, verdict) in messages.iter_mut().zip(&mut *verdicts) {
            *verdict = self.open(&m.nonce, m.aad, m.in_out, &m.tag);
        }
        (self.verdicts)(verdicts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static SOUND: FaultyEngine = FaultyEngine::new("sound");

    #[test]
    fn an_engine_with_nothing_altered_equals_the_sound_one() {
        let (ours, sound) = (SOUND.key(Alg::Aes256Gcm, &[7; 32]), aead::key(Alg::Aes256Gcm, &[7; 32]));
        let (ours, sound) = (ours.unwrap(), sound.unwrap());
        for iv in [&[1; 12][..], &[2; 16], &[3]] {
            let (mut a, mut b) = ([5; 40], [5; 40]);
            let (mut tag_a, mut tag_b) = (Tag::default(), Tag::default());
            ours.seal_iv(iv, b"aad", &mut a, &mut tag_a).unwrap();
            sound.seal_iv(iv, b"aad", &mut b, &mut tag_b).unwrap();
            assert_eq!((a, tag_a.0), (b, tag_b.0));
            for tag in [&tag_a.0[..], &tag_a.0[..12]] {
                let mut opened = a;
                ours.open_iv(iv, b"aad", &mut opened, tag).unwrap();
                assert_eq!(opened, [5; 40]);
            }
            let mut forged = a;
            assert_eq!(ours.open_iv(iv, b"oad", &mut forged, &tag_a.0), Err(Error::NotAuthentic));
            assert_eq!(forged, [0; 40]);
        }
        assert_eq!(ours.seal_iv(&[], b"", &mut [], &mut Tag::default()), Err(Error::IvLength));
        assert_eq!(SOUND.key(Alg::Aes256Gcm, &[7; 31]).map(drop), Err(Error::KeyLength));
        assert_eq!((SOUND.available(), SOUND.residue()), (Ok(()), Residue::Zeros));
        assert!(SOUND.supports(Shape::usual(Alg::Aes192Gcm)));
    }

    #[test]
    fn altered_calls_are_altered_in_a_batch_too() {
        static FLIPS: FaultyEngine = FaultyEngine::new("flips").with_calls(&|sound, call| {
            call.run(sound)?;
            call.in_out()[0] ^= 1;
            Ok(())
        });
        static ALL_OR_NOTHING: FaultyEngine = FaultyEngine::new("all-or-nothing")
            .with_verdicts(|verdicts| verdicts.fill(Err(Error::NotAuthentic)));
        let batch = |engine: &FaultyEngine, with: &dyn Fn(&dyn Aead, &mut [Message<'_>])| {
            let mut text = [9; 8];
            let key = engine.key(Alg::Aes128Gcm, &[7; 16]).unwrap();
            with(&*key, &mut [Message { nonce: [1; 12], aad: b"", in_out: &mut text, tag: Tag::default() }]);
            text
        };
        let seal = |key: &dyn Aead, batch: &mut [Message<'_>]| key.seal_batch(batch).unwrap();
        let (flipped, mut sealed) = (batch(&FLIPS, &seal), batch(&SOUND, &seal));
        sealed[0] ^= 1;
        assert_eq!(flipped, sealed);
        batch(&ALL_OR_NOTHING, &|key, batch| {
            key.seal_batch(batch).unwrap();
            let mut verdicts = [Ok(())];
            key.open_batch(batch, &mut verdicts);
            assert_eq!(verdicts, [Err(Error::NotAuthentic)]);
        });
    }
}
