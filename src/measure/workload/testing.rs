//! Engines that are wrong on purpose, and one pass of a batch, for the tests of this floor.

use crate::aead::{Aead, Alg, Error, Nonce, Tag};
use crate::engine::{self, Engine, Residue, Shape};
use crate::measure::workload::fixture::message::Messaging;
use crate::timing::Timed;

/// One pass of a batch, checked.
pub(in crate::measure) fn pass(batch: &mut dyn Timed) -> Result<(), String> {
    batch.reset();
    batch.run();
    batch.check()
}

/// What a pass would have left of these results in each of four ways to leave work out: every other operation, all but
/// the first, all but the first with its result copied, everything. `blank` is what a reset leaves. The fifth way, work
/// that only earlier passes do, is a reset without a run.
pub(in crate::measure) fn removed<T: Clone>(left: &[T], blank: &T) -> [Vec<T>; 4] {
    let keep = |kept: fn(usize) -> bool| {
        left.iter().enumerate().map(|(i, one)| if kept(i) { one.clone() } else { blank.clone() }).collect()
    };
    [keep(|i| i % 2 == 0), keep(|i| i == 0), vec![left[0].clone(); left.len()], keep(|_| false)]
}

/// Messages of that length, as the workloads have them.
pub(in crate::measure) fn of(alg: Alg, bytes: usize) -> Messaging {
    Messaging { alg, bytes, aad: 6, offset: 0, seed: 0 }
}

/// Runs what `make` makes three times for every engine, key size and length; how many it made, all of them right.
pub(in crate::measure) fn right_on_every_engine(
    lengths: &[usize],
    make: impl Fn(&'static dyn Engine, &Messaging) -> Box<dyn Timed>,
) -> usize {
    let mut seen = 0;
    for engine in engine::engines().into_iter().filter(|e| e.available().is_ok()) {
        for alg in Alg::ALL.into_iter().filter(|&alg| engine.supports(Shape::usual(alg))) {
            for &bytes in lengths {
                let mut timed = make(engine, &of(alg, bytes));
                let named = format!("{} {} {bytes}", engine.name(), alg.name());
                assert!(timed.check().is_err(), "{named}: not run yet");
                for _ in 0..3 {
                    assert_eq!(pass(&mut *timed), Ok(()), "{named}");
                }
                assert_eq!(timed.refuse_forgery(), Ok(()), "{named}");
                seen += 1;
            }
        }
    }
    seen
}

/// Whether a pass of what `make` makes with an engine of each of these faults is found to be wrong.
pub(in crate::measure) fn caught(faults: &[Fault], make: impl Fn(&'static dyn Engine) -> Box<dyn Timed>) {
    for &fault in faults {
        assert!(pass(&mut *make(Broken::with(fault))).is_err(), "{fault:?}");
    }
}

/// What is wrong with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::measure) enum Fault {
    AcceptsAnything,
    DoesNothing,
    FlipsTag,
    FlipsText,
    Refuses,
    Unavailable,
    Unsupported,
}

/// An engine with a fault.
pub(in crate::measure) struct Broken(Fault);

impl Broken {
    pub fn with(fault: Fault) -> &'static dyn Engine {
        match fault {
            Fault::AcceptsAnything => &Self(Fault::AcceptsAnything),
            Fault::DoesNothing => &Self(Fault::DoesNothing),
            Fault::FlipsTag => &Self(Fault::FlipsTag),
            Fault::FlipsText => &Self(Fault::FlipsText),
            Fault::Refuses => &Self(Fault::Refuses),
            Fault::Unavailable => &Self(Fault::Unavailable),
            Fault::Unsupported => &Self(Fault::Unsupported),
        }
    }
}

impl Engine for Broken {
    fn name(&self) -> &str {
        match self.0 {
            Fault::AcceptsAnything => "broken/accepts-anything",
            Fault::DoesNothing => "broken/does-nothing",
            Fault::FlipsTag => "broken/flips-tag",
            Fault::FlipsText => "broken/flips-text",
            Fault::Refuses => "broken/refuses",
            Fault::Unavailable => "broken/unavailable",
            Fault::Unsupported => "broken/unsupported",
        }
    }

    fn version(&self) -> String {
        "0".into()
    }

    fn available(&self) -> Result<(), String> {
        if self.0 == Fault::Unavailable { Err("it was told not to be".into()) } else { Ok(()) }
    }

    fn supports(&self, _: Shape) -> bool {
        self.0 != Fault::Unsupported
    }

    fn residue(&self) -> Residue {
        Residue::Zeros
    }

    fn key(&self, alg: Alg, bytes: &[u8]) -> Result<Box<dyn Aead>, Error> {
        let right = engine::find("sealmark").ok_or(Error::Unsupported)?.key(alg, bytes)?;
        Ok(Box::new(BrokenKey(self.0, right)))
    }
}

struct BrokenKey(Fault, Box<dyn Aead>);

impl Aead for BrokenKey {
    fn seal(&self, nonce: &Nonce, aad: &[u8], in_out: &mut [u8], tag: &mut Tag) -> Result<(), Error> {
        match self.0 {
            Fault::DoesNothing => return Ok(()),
            Fault::Refuses => return Err(Error::MessageTooLong),
            _ => self.1.seal(nonce, aad, in_out, tag)?,
        }
        match self.0 {
            Fault::FlipsTag => tag.0[15] ^= 1,
            Fault::FlipsText => in_out[in_out.len() / 2] ^= 1,
            _ => {}
        }
        Ok(())
    }

    fn open(&self, nonce: &Nonce, aad: &[u8], in_out: &mut [u8], tag: &Tag) -> Result<(), Error> {
        match self.0 {
            Fault::DoesNothing => return Ok(()),
            Fault::Refuses => return Err(Error::NotAuthentic),
            // To seal the ciphertext is to decrypt it, and no tag is compared.
            Fault::AcceptsAnything => return self.1.seal(nonce, aad, in_out, &mut Tag::default()),
            _ => self.1.open(nonce, aad, in_out, tag)?,
        }
        if self.0 == Fault::FlipsText {
            let middle = in_out.len() / 2;
            in_out[middle] ^= 1;
        }
        Ok(())
    }
}
