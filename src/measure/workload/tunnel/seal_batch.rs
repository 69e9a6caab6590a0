//! `seal_batch/frame` and `seal_batch/hardened-frame`: frames for one peer sealed together, through
//! `Node::seal_frames`.
//!
//! A pass starts and ends with the same messages and frames as a pass of single calls, so the two compare
//! directly. The timed pass includes building the two lists that the call borrows, because every caller pays
//! for that too. Each message becomes a frame under a counter of its own; a reset writes zeros.

use std::hint::black_box;

use super::fixture::{End, Frames, PEER};
use super::seal::Seals;
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::limit::roofline::Overlap;
use crate::measure::workload::Workload;
use crate::scheme::tunnel::Mode;
use crate::timing::Timed;

/// Seals one frame of a batch.
pub(super) const fn kind(mode: Mode) -> Frames {
    Frames { name: "seal_batch", mode, prepare, opens: false, overlap: Some(Overlap::Batched) }
}

fn prepare(
    mode: Mode,
    workload: &Workload,
    engine: &'static dyn Engine,
    count: usize,
) -> Result<Box<dyn Timed>, Error> {
    let end = End::new(mode, engine, workload.seed)?;
    Ok(Box::new(Batches { all: Seals::new(end, PEER, workload, count)?, batch: workload.batch }))
}

struct Batches {
    all: Seals,
    batch: usize,
}

impl Timed for Batches {
    fn reset(&mut self) {
        self.all.reset();
    }

    fn run(&mut self) {
        let Seals { end, peer, plain, frames: all, refused, .. } = &mut self.all;
        let (mut plain, mut frames) = (plain.iter(), all.iter_mut());
        loop {
            let texts: Vec<&[u8]> = plain.by_ref().take(self.batch).collect();
            if texts.is_empty() {
                break;
            }
            let mut outs: Vec<&mut [u8]> = frames.by_ref().take(texts.len()).collect();
            let done = end.node.seal_frames(black_box(*peer), black_box(&texts), black_box(&mut outs));
            *refused += usize::from(done.is_err());
        }
        drop((plain, frames));
        black_box(all);
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{engines, find};
    use crate::measure::workload::catalog;
    use crate::measure::workload::testing::{self, Fault, pass};

    const MODES: [Mode; 2] = [Mode::Safe, Mode::Hardened];

    fn batches(
        mode: Mode,
        engine: &'static dyn Engine,
        bytes: usize,
        batch: usize,
        count: usize,
    ) -> Box<dyn Timed> {
        let usual = catalog::find("seal_batch/frame/64").unwrap();
        prepare(mode, &Workload { bytes, batch, ..usual.clone() }, engine, count).unwrap()
    }

    #[test]
    fn every_engine_seals_its_batches() {
        let mut seen = 0;
        for engine in engines().into_iter().filter(|e| e.available().is_ok()) {
            for (bytes, batch, count) in [(0, 3, 7), (1, 1, 2), (64, 64, 64), (1350, 5, 10), (100, 9, 4)] {
                for mode in MODES {
                    let mut timed = batches(mode, engine, bytes, batch, count);
                    assert_eq!(timed.count(), count as u64);
                    for _ in 0..2 {
                        assert_eq!(pass(&mut *timed), Ok(()), "{} {bytes} {batch}", engine.name());
                    }
                    seen += 1;
                }
            }
        }
        assert!(seen >= 10, "{seen}");
    }

    #[test]
    fn a_wrong_engine_and_what_was_not_run_are_caught() {
        let faults = [Fault::DoesNothing, Fault::FlipsTag, Fault::FlipsText, Fault::Refuses];
        for mode in MODES {
            testing::caught(&faults, |engine| batches(mode, engine, 100, 2, 3));
        }
        let mut timed = batches(Mode::Safe, find("sealmark").unwrap(), 10, 2, 3);
        timed.reset();
        assert!(timed.check().is_err_and(|why| why.contains("frame 0 has the counter 0")));
    }
}
