//! `recover`: recovering messages through a reader of any scheme, as the fault injector does. Users' own
//! schemes are included.
//!
//! One call recovers all messages of a pass, and one operation is one message. The pieces were protected with
//! another engine, and each pass uses a fresh reader. Each call leaves the recovered messages; a reset drops
//! them.

use std::hint::black_box;

use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::session::{self, Protected};
use crate::measure::workload::kind::{Kind, Subject};
use crate::scheme::{self, Piece, Reader, Recovered};
use crate::timing::Timed;

/// Recovers messages.
pub(super) struct Recover;

impl Kind for Recover {
    fn name(&self) -> &'static str {
        "recover"
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
        let mut all = Protected::new(workload, engine, count)?;
        let pieces = all.pieces_of_other()?;
        let (reader, recovered) = (all.session.reader(), Recovered::default());
        Ok(Box::new(Recovers { all, pieces, reader, recovered }))
    }

    fn slot_len(&self, workload: &Workload) -> Option<usize> {
        Some(session::slot_len(workload))
    }

    fn opens(&self) -> bool {
        true
    }
}

struct Recovers {
    all: Protected,
    pieces: Vec<Piece>,
    reader: Result<Box<dyn Reader>, scheme::Error>,
    recovered: Recovered,
}

impl Timed for Recovers {
    fn reset(&mut self) {
        self.recovered = Recovered::default();
        self.reader = self.all.session.reader();
    }

    fn run(&mut self) {
        if let Ok(reader) = &mut self.reader {
            self.recovered = black_box(reader.recover(black_box(&self.pieces)));
        }
    }

    fn count(&self) -> u64 {
        self.all.messages.len() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        if let Err(error) = &self.reader {
            return Err(format!("there is no reader: {error}"));
        }
        self.all.all_recovered(&self.recovered)
    }

    fn refuse_forgery(&mut self) -> Result<(), String> {
        self.all.refuses_forgery(&self.pieces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{engines, find};
    use crate::measure::workload::catalog;
    use crate::measure::workload::testing::{self, Broken, Fault, pass};

    fn recovers(engine: &'static dyn Engine) -> Box<dyn Timed> {
        catalog::find("recover/storage/1024").unwrap().prepare(engine, 3).unwrap()
    }

    #[test]
    fn every_engine_recovers_what_another_protected() {
        for engine in engines().into_iter().filter(|e| e.available().is_ok()) {
            let mut timed = recovers(engine);
            assert_eq!(timed.count(), 3);
            assert_eq!(timed.check(), Err("0 messages were recovered, not 3".into()), "not run yet");
            assert_eq!(pass(&mut *timed), Ok(()), "{}", engine.name());
            assert_eq!(pass(&mut *timed), Ok(()), "{}, again", engine.name());
            assert_eq!(timed.refuse_forgery(), Ok(()), "{}", engine.name());
        }
    }

    #[test]
    fn a_wrong_engine_is_caught() {
        testing::caught(&[Fault::DoesNothing, Fault::FlipsText], recovers);
        let why = pass(&mut *recovers(Broken::with(Fault::Refuses))).unwrap_err();
        assert_eq!(why, "a piece was refused, by ErrEncryptedReadIntegrity");
    }

    #[test]
    fn an_engine_that_opens_forgeries_is_caught() {
        let forged = recovers(Broken::with(Fault::AcceptsAnything)).refuse_forgery();
        assert_eq!(forged, Err("piece 0, with a forged last byte, is not refused".into()));
    }

    #[test]
    fn what_was_not_run_again_has_not_passed() {
        let mut timed = recovers(find("sealmark").unwrap());
        assert_eq!(pass(&mut *timed), Ok(()));
        timed.reset();
        assert!(timed.check().is_err_and(|why| why.contains("0 messages")));
    }
}
