//! `open_batch/frame` and `open_batch/hardened-frame`: frames of one peer opened together, through
//! `Node::open_frames`.
//!
//! A pass starts and ends with the same frames as a pass of single calls, so the two compare directly. The
//! timed pass includes building the list that the call borrows, because every caller pays for that too. Each
//! frame leaves its message in its own slot and a verdict; a reset restores the frames and clears the
//! verdicts.

use std::hint::black_box;

use super::fixture::{End, Frames, PEER};
use super::open::{Opens, counters};
use super::reject::flipped;
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::limit::roofline::Overlap;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::compare::refused_as;
use crate::scheme::tunnel::envelope::Place;
use crate::scheme::tunnel::{self, Mode};
use crate::timing::Timed;

/// Opens one frame of a batch.
pub(super) const fn kind(mode: Mode) -> Frames {
    Frames { name: "open_batch", mode, prepare, opens: true, overlap: Some(Overlap::Batched) }
}

fn prepare(
    mode: Mode,
    workload: &Workload,
    engine: &'static dyn Engine,
    count: usize,
) -> Result<Box<dyn Timed>, Error> {
    let end = End::new(mode, engine, workload.seed)?;
    let all = Opens::new(end, PEER, workload, &counters(count))?;
    Ok(Box::new(Batches { all, batch: workload.batch }))
}

struct Batches {
    all: Opens,
    batch: usize,
}

/// The verdict on a frame before the call.
const NOT_YET: Result<Place, tunnel::Error> = Err(tunnel::Error::NotATunnelFrame);

impl Timed for Batches {
    fn reset(&mut self) {
        self.all.reset();
    }

    fn run(&mut self) {
        let Opens { end, peer, frames: all, opened: all_opened, .. } = &mut self.all;
        let mut frames = all.iter_mut();
        let mut verdicts = vec![NOT_YET; self.batch];
        for opened in all_opened.chunks_mut(self.batch) {
            let mut batch: Vec<&mut [u8]> = frames.by_ref().take(opened.len()).collect();
            let verdicts = &mut verdicts[..batch.len()];
            verdicts.fill(NOT_YET);
            end.node.open_frames(black_box(&mut batch), black_box(verdicts));
            for (opened, verdict) in opened.iter_mut().zip(verdicts) {
                *opened = verdict.as_ref().is_ok_and(|message| message.peer == *peer);
            }
        }
        drop(frames);
        black_box(all);
        black_box(all_opened);
    }

    fn move_to(&mut self, offset: usize) -> bool {
        self.all.move_to(offset)
    }

    fn count(&self) -> u64 {
        self.all.count()
    }

    fn check(&mut self) -> Result<(), String> {
        self.all.check()
    }

    /// Only the frame in the middle of a batch must be refused, and only as forged.
    fn refuse_forgery(&mut self) -> Result<(), String> {
        let all = &self.all;
        all.end.install(all.peer).map_err(|error| error.to_string())?;
        let mut frames: Vec<Vec<u8>> = all.sealed.iter().take(self.batch).map(<[u8]>::to_vec).collect();
        let middle = frames.len() / 2;
        frames[middle] = flipped(&frames[middle]);
        let mut verdicts = vec![NOT_YET; frames.len()];
        let mut batch: Vec<&mut [u8]> = frames.iter_mut().map(Vec::as_mut_slice).collect();
        all.end.node.open_frames(&mut batch, &mut verdicts);
        let verdict = verdicts[middle].clone().map(drop);
        refused_as("frame", verdict, &tunnel::Error::NotAuthentic)?;
        for (n, ((verdict, frame), plain)) in verdicts.iter().zip(&frames).zip(all.plain.iter()).enumerate() {
            match verdict {
                _ if n == middle => {}
                Err(error) => return Err(format!("frame {n} is refused beside a forged one: {error}")),
                Ok(_) if all.end.message(frame) == plain => {}
                Ok(_) => {
                    return Err(format!("frame {n} does not open to what was sealed, beside a forged one"));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aead;
    use crate::engine::double::FaultyEngine;
    use crate::engine::{engines, find};
    use crate::measure::workload::catalog;
    use crate::measure::workload::testing::{self, Broken, Fault, pass};

    const MODES: [Mode; 2] = [Mode::Safe, Mode::Hardened];

    fn batches(mode: Mode, engine: &'static dyn Engine, shape: [usize; 3]) -> Box<dyn Timed> {
        let usual = catalog::find("open_batch/frame/64").unwrap();
        let [bytes, batch, count] = shape;
        prepare(mode, &Workload { bytes, batch, ..usual.clone() }, engine, count).unwrap()
    }

    #[test]
    fn every_engine_opens_its_batches() {
        let mut seen = 0;
        for engine in engines().into_iter().filter(|e| e.available().is_ok()) {
            for shape in [[0, 3, 7], [1, 1, 2], [64, 64, 300], [1350, 5, 10], [100, 9, 4]] {
                for mode in MODES {
                    let mut timed = batches(mode, engine, shape);
                    assert_eq!(timed.count(), shape[2] as u64);
                    for _ in 0..2 {
                        assert_eq!(pass(&mut *timed), Ok(()), "{} {shape:?}", engine.name());
                    }
                    assert_eq!(timed.refuse_forgery(), Ok(()), "{} {shape:?}", engine.name());
                    seen += 1;
                }
            }
        }
        assert!(seen >= 10, "{seen}");
    }

    #[test]
    fn a_wrong_engine_and_what_was_not_run_are_caught() {
        for mode in MODES {
            let faults = [Fault::DoesNothing, Fault::FlipsText, Fault::Refuses];
            testing::caught(&faults, |engine| batches(mode, engine, [100, 2, 3]));
            let mut accepts = batches(mode, Broken::with(Fault::AcceptsAnything), [100, 8, 3]);
            assert!(accepts.refuse_forgery().is_err_and(|why| why.contains("forged tag is opened")));
        }
        let mut timed = batches(Mode::Safe, find("sealmark").unwrap(), [10, 2, 3]);
        timed.reset();
        assert!(timed.check().is_err_and(|why| why.contains("never opened")));
    }

    /// Correct, except that its batches succeed or fail as a whole.
    static ALL_OR_NOTHING: FaultyEngine =
        FaultyEngine::new("broken/all-or-nothing").with_verdicts(|verdicts| {
            if verdicts.iter().any(Result::is_err) {
                verdicts.fill(Err(aead::Error::NotAuthentic));
            }
        });

    #[test]
    fn an_engine_that_refuses_the_others_with_the_forged_one_is_caught() {
        let mut batch = batches(Mode::Safe, &ALL_OR_NOTHING, [16, 8, 8]);
        assert_eq!(pass(&mut *batch), Ok(()), "else it is right");
        assert!(batch.refuse_forgery().is_err_and(|why| why.contains("beside a forged one")));
    }
}
