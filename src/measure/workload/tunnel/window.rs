//! `frame/window`: accepting the counter of an authentic frame, once, under the lock of the replay state.
//!
//! Counters ascend in one epoch, as those of a peer do. Each operation leaves a verdict and its counter in a
//! window, which then refuses it; a reset empties the windows. There is a window for each 256 counters, so
//! that none is forgotten.

use std::hint::black_box;

use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::kind::{Kind, Scope, Subject};
use crate::scheme::tunnel::lock::Mutex;
use crate::scheme::tunnel::session::Replay;
use crate::scheme::tunnel::session::window::SLOTS;
use crate::scheme::tunnel::{self, Mode};
use crate::timing::Timed;

/// Accepts a counter.
pub(super) struct AcceptCounter;

impl Kind for AcceptCounter {
    fn name(&self) -> &'static str {
        "window"
    }

    fn subject(&self) -> Subject {
        Subject::Part("frame")
    }

    fn prepare(&self, _: &Workload, _: &'static dyn Engine, count: usize) -> Result<Box<dyn Timed>, Error> {
        Ok(Box::new(Accepts::new(count)))
    }

    fn scope(&self) -> Scope {
        Scope::CipherFree
    }
}

/// The counters of one window.
const COUNTERS: usize = SLOTS as usize;
/// The epoch of every counter.
const PREFIX: [u8; 4] = *b"peer";

/// The verdict on a counter; none while it was not given to its window.
type Verdict = Option<Result<(), tunnel::Error>>;

struct Accepts {
    windows: Vec<Mutex<Replay>>,
    verdicts: Vec<Verdict>,
}

fn empty() -> Mutex<Replay> {
    Mutex::new(Replay::new(Mode::Safe))
}

fn accept(window: &Mutex<Replay>, counter: u64) -> Result<(), tunnel::Error> {
    window.lock().record(PREFIX, counter).map(drop)
}

impl Accepts {
    fn new(count: usize) -> Self {
        let windows = (0..count.div_ceil(COUNTERS)).map(|_| empty()).collect();
        Self { windows, verdicts: vec![None; count] }
    }
}

impl Timed for Accepts {
    fn reset(&mut self) {
        self.windows.fill_with(empty);
        self.verdicts.fill(None);
    }

    fn run(&mut self) {
        for (window, verdicts) in self.windows.iter().zip(self.verdicts.chunks_mut(COUNTERS)) {
            for (counter, verdict) in (1..).zip(verdicts) {
                *verdict = Some(accept(black_box(window), black_box(counter)));
            }
        }
        black_box(&self.verdicts);
    }

    fn count(&self) -> u64 {
        self.verdicts.len() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        if let Some(i) = self.verdicts.iter().position(|verdict| *verdict != Some(Ok(()))) {
            return Err(format!("counter {i} was refused, or never accepted"));
        }
        for (window, verdicts) in self.windows.iter().zip(self.verdicts.chunks(COUNTERS)) {
            // The highest first: a counter that was left out must not become the highest here.
            for counter in (1..=verdicts.len() as u64).rev() {
                if accept(window, counter) != Err(tunnel::Error::Replay) {
                    return Err(format!("counter {counter} is accepted a second time"));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::workload::testing::{pass, removed};

    #[test]
    fn counters_are_accepted_once() {
        for count in [1, 4, 256, 257, 512] {
            let mut accepts = Accepts::new(count);
            assert_eq!(accepts.count(), count as u64);
            assert!(accepts.check().is_err_and(|why| why.contains("never accepted")), "not run yet");
            for _ in 0..2 {
                assert_eq!((pass(&mut accepts), accepts.check()), (Ok(()), Ok(())), "{count}");
            }
        }
    }

    #[test]
    fn removed_work_shows_in_what_is_left() {
        for left in removed(&[Some(1_u64), Some(2), Some(3), Some(4)], &None) {
            let mut accepts = Accepts::new(4);
            accepts.reset();
            for counter in left.iter().flatten() {
                // The copied result of another operation is refused here.
                let _ = accept(&accepts.windows[0], *counter);
            }
            assert!(accepts.check().is_err_and(|why| why.contains("never accepted")));
            accepts.verdicts.fill(Some(Ok(())));
            assert!(accepts.check().is_err_and(|why| why.contains("accepted a second time")), "{left:?}");
        }
    }
}
