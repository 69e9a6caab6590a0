//! `protect`: protecting messages through a session of any scheme, as the fault injector does. Users' own
//! schemes are included.
//!
//! One call protects all messages of a pass, and one operation is one message. The pieces are allocated, as
//! the trait requires. Each call leaves pieces that a fresh reader recovers with another engine; a reset
//! drops them.

use std::hint::black_box;

use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::session::{self, Protected};
use crate::measure::workload::kind::{Kind, Subject};
use crate::scheme::{self, Piece};
use crate::timing::Timed;

/// Protects messages.
pub(super) struct Protect;

impl Kind for Protect {
    fn name(&self) -> &'static str {
        "protect"
    }

    fn subject(&self) -> Subject {
        Subject::Scheme
    }

    fn prepare(
        &self,
        workload: &Workload,
        engine: &'static dyn Engine,
        count: usize,
    ) -> Result<Box<dyn Timed>, Error> {
        Ok(Box::new(Protects { all: Protected::new(workload, engine, count)?, pieces: Ok(Vec::new()) }))
    }

    fn slot_len(&self, workload: &Workload) -> Option<usize> {
        Some(session::slot_len(workload))
    }
}

struct Protects {
    all: Protected,
    pieces: Result<Vec<Piece>, scheme::Error>,
}

impl Timed for Protects {
    fn reset(&mut self) {
        self.pieces = Ok(Vec::new());
    }

    fn run(&mut self) {
        self.pieces = black_box(self.all.session.protect(black_box(&self.all.messages)));
    }

    fn count(&self) -> u64 {
        self.all.messages.len() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        let pieces =
            self.pieces.as_ref().map_err(|error| format!("the messages are not protected: {error}"))?;
        self.all.all_recovered(&self.all.recovered_by_other(pieces)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{engines, find};
    use crate::measure::workload::catalog;
    use crate::measure::workload::testing::{self, Broken, Fault, pass};

    fn protects(engine: &'static dyn Engine) -> Box<dyn Timed> {
        catalog::find("protect/storage/1024").unwrap().prepare(engine, 3).unwrap()
    }

    #[test]
    fn every_engine_protects() {
        for engine in engines().into_iter().filter(|e| e.available().is_ok()) {
            let mut timed = protects(engine);
            assert_eq!(timed.count(), 3);
            assert_eq!(timed.check(), Err("0 messages were recovered, not 3".into()), "not run yet");
            assert_eq!(pass(&mut *timed), Ok(()), "{}", engine.name());
            assert_eq!(pass(&mut *timed), Ok(()), "{}, again", engine.name());
        }
    }

    #[test]
    fn an_engine_that_is_wrong_both_ways_is_caught_by_another() {
        testing::caught(&[Fault::DoesNothing, Fault::FlipsTag, Fault::FlipsText], protects);
        let why = pass(&mut *protects(Broken::with(Fault::Refuses))).unwrap_err();
        assert!(why.contains("the messages are not protected: the engine refused"), "{why}");
    }

    #[test]
    fn what_was_not_run_again_has_not_passed() {
        let mut timed = protects(find("sealmark").unwrap());
        assert_eq!(pass(&mut *timed), Ok(()));
        timed.reset();
        assert!(timed.check().is_err_and(|why| why.contains("0 messages")));
    }
}
