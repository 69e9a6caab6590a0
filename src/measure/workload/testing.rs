//! Engines that are wrong on purpose, and one pass of a batch, for the tests of this floor.

use crate::aead::{Alg, Error, Tag};
use crate::engine::double::{Call, FaultyEngine};
use crate::engine::{self, Engine, Shape};
use crate::measure::workload::fixture::message::MessageSpec;
use crate::timing::Timed;

/// One pass of a batch, checked.
pub(in crate::measure) fn pass(batch: &mut dyn Timed) -> Result<(), String> {
    batch.reset();
    batch.run();
    batch.check()
}

/// The results that a pass would leave in each of four ways to skip work: skipping every other operation, all
/// but the first, all but the first with its result copied, and all. `blank` is the state after a reset. The
/// fifth way, work that only earlier passes do, is a reset without a run.
pub(in crate::measure) fn removed<T: Clone>(left: &[T], blank: &T) -> [Vec<T>; 4] {
    let keep = |kept: fn(usize) -> bool| {
        left.iter().enumerate().map(|(i, one)| if kept(i) { one.clone() } else { blank.clone() }).collect()
    };
    [keep(|i| i % 2 == 0), keep(|i| i == 0), vec![left[0].clone(); left.len()], keep(|_| false)]
}

/// Messages of that length, like those of the workloads.
pub(in crate::measure) fn of(alg: Alg, bytes: usize) -> MessageSpec {
    MessageSpec { alg, bytes, aad: 6, offset: 0, seed: 0 }
}

/// Runs the batches of `make` three times for every engine, key size and length and checks them; returns how
/// many there were.
pub(in crate::measure) fn right_on_every_engine(
    lengths: &[usize],
    make: impl Fn(&'static dyn Engine, &MessageSpec) -> Box<dyn Timed>,
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

/// Runs the batches of `make`, of `count` operations each, twice for every engine and length and checks them;
/// returns how many there were.
pub(in crate::measure) fn right_at_every_length(
    lengths: &[usize],
    count: usize,
    make: impl Fn(&'static dyn Engine, usize, usize) -> Box<dyn Timed>,
) -> usize {
    let mut seen = 0;
    for engine in engine::engines().into_iter().filter(|e| e.available().is_ok()) {
        for &bytes in lengths {
            let mut timed = make(engine, bytes, count);
            assert_eq!(timed.count(), count as u64);
            assert_eq!(pass(&mut *timed), Ok(()), "{} {bytes}", engine.name());
            assert_eq!(pass(&mut *timed), Ok(()), "{} {bytes}, again", engine.name());
            seen += 1;
        }
    }
    seen
}

/// Asserts that a pass with an engine of each of these faults is found to be wrong, for the right reason.
pub(in crate::measure) fn caught(faults: &[Fault], make: impl Fn(&'static dyn Engine) -> Box<dyn Timed>) {
    for &fault in faults {
        let found = pass(&mut *make(Broken::with(fault)));
        let reasons: &[&str] = match fault {
            Fault::Refuses => &["refused"],
            _ => &[
                "is not the reference's",
                "does not open",
                "does not read",
                "is not recovered",
                "was refused, by",
            ],
        };
        let named = found.as_ref().is_err_and(|why| reasons.iter().any(|reason| why.contains(reason)));
        assert!(named, "{fault:?}: {found:?}");
    }
}

/// The fault of an engine.
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

/// Engines with a fault.
pub(in crate::measure) struct Broken;

impl Broken {
    pub fn with(fault: Fault) -> &'static dyn Engine {
        static ENGINES: [(Fault, FaultyEngine); 7] = [
            // Sealing the ciphertext decrypts it, and no tag is compared.
            (
                Fault::AcceptsAnything,
                FaultyEngine::new("broken/accepts-anything").with_calls(&|sound, call| match call {
                    Call::Open { iv, aad, in_out, .. } => sound.seal_iv(iv, aad, in_out, &mut Tag::default()),
                    Call::Seal { .. } => call.run(sound),
                }),
            ),
            (Fault::DoesNothing, FaultyEngine::new("broken/does-nothing").with_calls(&|_, _| Ok(()))),
            (
                Fault::FlipsTag,
                FaultyEngine::new("broken/flips-tag").with_calls(&|sound, call| {
                    call.run(sound)?;
                    if let Call::Seal { tag, .. } = call {
                        tag.0[15] ^= 1;
                    }
                    Ok(())
                }),
            ),
            (
                Fault::FlipsText,
                FaultyEngine::new("broken/flips-text").with_calls(&|sound, call| {
                    call.run(sound)?;
                    let text = call.in_out();
                    let middle = text.len() / 2;
                    // An empty message has nothing to flip.
                    text.iter_mut().skip(middle).take(1).for_each(|byte| *byte ^= 1);
                    Ok(())
                }),
            ),
            (
                Fault::Refuses,
                FaultyEngine::new("broken/refuses").with_calls(&|_, call| match call {
                    Call::Seal { .. } => Err(Error::MessageTooLong),
                    Call::Open { .. } => Err(Error::NotAuthentic),
                }),
            ),
            (
                Fault::Unavailable,
                FaultyEngine::new("broken/unavailable").unavailable("it was told not to be"),
            ),
            (Fault::Unsupported, FaultyEngine::new("broken/unsupported").with_shapes(|_| false)),
        ];
        &ENGINES.iter().find(|(has, _)| *has == fault).expect("every fault has its engine").1
    }
}
