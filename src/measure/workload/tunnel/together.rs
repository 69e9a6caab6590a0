//! `parallel/seal/frame`, `parallel/open/frame`: all cores at once, each with a peer of its own; and
//! `contended/seal/frame`, `contended/open/frame`: all cores at once with the session of one peer, so that
//! they share its counter, its window and its salvage.
//!
//! An operation is one frame: its time is that of the pass divided by the frames of all cores. The results
//! are those of `seal/frame` and `open/frame`. With one session, a frame may have any counter of the pass,
//! and no two frames have the same.

use std::sync::Arc;

use super::fixture::{self, End, PEER};
use super::open::{self, Opens};
use super::seal::{Seals, Taken};
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::threads::{Together, threads};
use crate::measure::workload::kind::{Kind, Subject};
use crate::scheme::tunnel::Mode;
use crate::timing::Timed;

/// Seals on all cores.
pub(super) struct SealTogether {
    /// `parallel/seal`, or `contended/seal`, where all share a session.
    pub name: &'static str,
    /// Whether all share a session.
    pub shared: bool,
}

impl Kind for SealTogether {
    fn name(&self) -> &'static str {
        self.name
    }

    fn subject(&self) -> Subject {
        Subject::One("frame")
    }

    fn prepare(
        &self,
        workload: &Workload,
        engine: &'static dyn Engine,
        count: usize,
    ) -> Result<Box<dyn Timed>, Error> {
        Ok(Box::new(seals(workload, engine, count, self.shared)?))
    }

    fn slot_len(&self, workload: &Workload) -> Option<usize> {
        Some(fixture::slot_len(Mode::Safe, workload))
    }

    fn single_core(&self) -> bool {
        false
    }

    fn threads(&self) -> Option<u32> {
        Some(threads() as u32)
    }
}

/// Opens on all cores.
pub(super) struct OpenTogether {
    /// `parallel/open`, or `contended/open`, where all share a session.
    pub name: &'static str,
    /// Whether all share a session.
    pub shared: bool,
}

impl Kind for OpenTogether {
    fn name(&self) -> &'static str {
        self.name
    }

    fn subject(&self) -> Subject {
        Subject::One("frame")
    }

    fn prepare(
        &self,
        workload: &Workload,
        engine: &'static dyn Engine,
        count: usize,
    ) -> Result<Box<dyn Timed>, Error> {
        Ok(Box::new(opens(workload, engine, count, self.shared)?))
    }

    fn slot_len(&self, workload: &Workload) -> Option<usize> {
        (!self.shared).then(|| fixture::opened_slot_len(Mode::Safe, workload))
    }

    fn default_count(&self, _: &Workload) -> usize {
        within_window()
    }

    fn single_core(&self) -> bool {
        false
    }

    fn threads(&self) -> Option<u32> {
        Some(threads() as u32)
    }

    fn opens(&self) -> bool {
        true
    }
}

/// The frames that each thread opens with a shared session in one pass. However far one thread is ahead of
/// another, the counters of all are in the window then.
fn within_window() -> usize {
    (256 / threads()).max(1)
}

/// `count` seals for each core.
fn seals(
    workload: &Workload,
    engine: &'static dyn Engine,
    count: usize,
    shared: bool,
) -> Result<Together<Seals>, Error> {
    let (end, taken) = (End::new(Mode::Safe, engine, workload.seed)?, Taken::default());
    Together::new(|thread| {
        let peer = if shared { PEER } else { PEER + thread as u32 };
        let own = Seals::new(Arc::clone(&end), peer, workload, count)?;
        Ok(if shared { own.shared(thread, &taken) } else { own })
    })
}

/// `count` opens for each core, or as many as the window of a shared session allows.
fn opens(
    workload: &Workload,
    engine: &'static dyn Engine,
    count: usize,
    shared: bool,
) -> Result<Together<Opens>, Error> {
    let end = End::new(Mode::Safe, engine, workload.seed)?;
    Together::new(|thread| {
        let (end, all) = (Arc::clone(&end), threads() as u64);
        if !shared {
            return Opens::new(end, PEER + thread as u32, workload, &open::counters(count));
        }
        let counters: Vec<u64> =
            (0..count.min(within_window()) as u64).map(|i| 1 + i * all + thread as u64).collect();
        let own = Opens::new(end, PEER, workload, &counters)?;
        Ok(Opens { renews: thread == 0, ..own })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::measure::workload::catalog;
    use crate::measure::workload::testing::{Broken, Fault, pass};

    fn workload() -> &'static Workload {
        catalog::find("seal/frame/64").unwrap()
    }

    #[test]
    fn every_core_seals_and_opens_its_share() {
        let (engine, all) = (find("sealmark").unwrap(), threads() as u64);
        // One after the other: a pass that is ready and not run keeps the threads of all.
        let check = |timed: &mut dyn Timed, shared: bool| {
            assert_eq!(timed.count(), 50 * all);
            assert!(timed.check().is_err(), "not run yet");
            assert_eq!((pass(timed), pass(timed)), (Ok(()), Ok(())), "{shared}");
            timed.reset();
            timed.reset();
            timed.run();
            assert_eq!(timed.check(), Ok(()), "a pass that was made ready twice");
            assert_eq!(timed.refuse_forgery(), Ok(()));
            timed.reset();
            assert!(timed.check().is_err(), "not run again");
        };
        for shared in [false, true] {
            check(&mut seals(workload(), engine, 50, shared).unwrap(), shared);
            check(&mut opens(workload(), engine, 50, shared).unwrap(), shared);
        }
    }

    #[test]
    fn a_shared_window_holds_all_frames_of_a_pass() {
        let mut opens = opens(workload(), find("sealmark").unwrap(), 100_000, true).unwrap();
        assert_eq!(opens.count(), (within_window() * threads()) as u64);
        assert!(opens.count() <= 256);
        assert_eq!(pass(&mut opens), Ok(()));
    }

    #[test]
    fn a_wrong_engine_is_caught() {
        for shared in [false, true] {
            let mut wrong = seals(workload(), Broken::with(Fault::FlipsTag), 2, shared).unwrap();
            assert!(pass(&mut wrong).is_err_and(|why| why.contains("is not the reference's")));
            let mut wrong = opens(workload(), Broken::with(Fault::FlipsText), 2, shared).unwrap();
            assert!(pass(&mut wrong).is_err_and(|why| why.contains("does not open")));
            let accepts = opens(workload(), Broken::with(Fault::AcceptsAnything), 2, shared);
            assert!(accepts.unwrap().refuse_forgery().is_err_and(|why| why.contains("is opened")));
        }
    }
}
