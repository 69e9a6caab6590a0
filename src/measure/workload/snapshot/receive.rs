//! `receive`: reading a stream in memory, chunk by chunk, until all of its text is in memory: everything that
//! a receiver does but the network and the sink.
//!
//! A pass is one stream; one operation is one full chunk of it. Another engine wrote the stream. Each
//! operation leaves its text; a reset drops it.

use std::hint::black_box;

use super::fixture::{Ends, Mode, Streams, default_count, refused, text};
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::compare::{forged, none_refused};
use crate::timing::Timed;

/// Reads a stream of that mode.
pub(super) const fn kind(mode: Mode) -> Streams {
    Streams { name: "receive", mode, prepare, count: default_count, reads: true }
}

fn prepare(
    mode: Mode,
    workload: &Workload,
    engine: &'static dyn Engine,
    count: usize,
) -> Result<Box<dyn Timed>, Error> {
    Ok(Box::new(receives(mode, workload, engine, count)?))
}

struct Receives {
    mode: Mode,
    ends: Ends,
    text: Vec<u8>,
    wire: Vec<u8>,
    seen: Vec<u8>,
    count: usize,
    refused: usize,
}

/// One stream of `count` chunks.
fn receives(
    mode: Mode,
    workload: &Workload,
    engine: &'static dyn Engine,
    count: usize,
) -> Result<Receives, Error> {
    let ends = Ends::new(mode, engine, workload.bytes)?;
    let (text, mut wire) = (text(workload, count), Vec::new());
    Ends::other(mode, engine, workload.bytes)?.send(&text, &mut wire).map_err(refused)?;
    let seen = Vec::with_capacity(text.len());
    Ok(Receives { mode, ends, text, wire, seen, count, refused: 0 })
}

impl Timed for Receives {
    fn reset(&mut self) {
        self.seen.fill(0);
        self.seen.clear();
    }

    fn run(&mut self) {
        let received = self.ends.receive(black_box(&self.wire), black_box(&mut self.seen));
        self.refused += usize::from(received.is_err());
        black_box(&self.seen);
    }

    fn count(&self) -> u64 {
        self.count as u64
    }

    fn check(&mut self) -> Result<(), String> {
        none_refused(self.refused)?;
        match self.seen == self.text {
            true => Ok(()),
            false => Err("the stream does not open to what was sealed".into()),
        }
    }

    /// Forges the last chunk's tag.
    fn refuse_forgery(&mut self) -> Result<(), String> {
        let forged = forged(&self.wire).filter(|_| self.mode == Mode::Hardened);
        let Some(forged) = forged else { return Ok(()) };
        match self.ends.receive(&forged, &mut Vec::new()) {
            Err(error) if error.spec_name() == "Crypto" => Ok(()),
            Err(error) => Err(format!("a stream with a forged tag is refused as something else: {error}")),
            Ok(_) => Err("a stream with a forged tag is opened".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::measure::workload::catalog;
    use crate::measure::workload::testing::{self, Broken, Fault, pass};

    fn of(mode: Mode, engine: &'static dyn Engine, bytes: usize, count: usize) -> Box<dyn Timed> {
        let mode_name = if mode == Mode::Compat { "compat" } else { "hardened" };
        let path = format!("receive/snapshot/{mode_name}/16384");
        let workload = Workload { bytes, ..catalog::find(&path).unwrap().clone() };
        prepare(mode, &workload, engine, count).unwrap()
    }

    #[test]
    fn every_engine_reads_streams_of_any_chunk_length() {
        for mode in [Mode::Compat, Mode::Hardened] {
            let make = |engine, bytes, count| of(mode, engine, bytes, count);
            assert!(testing::right_at_every_length(&[1, 16, 1000], 3, make) >= 3);
            assert_eq!(of(mode, find("sealmark").unwrap(), 100, 2).refuse_forgery(), Ok(()));
        }
    }

    #[test]
    fn a_wrong_engine_and_work_that_was_not_done_are_caught() {
        let faults = [Fault::DoesNothing, Fault::FlipsText, Fault::Refuses];
        testing::caught(&faults, |engine| of(Mode::Hardened, engine, 100, 2));
        let accepts = Broken::with(Fault::AcceptsAnything);
        let found = of(Mode::Hardened, accepts, 100, 2).refuse_forgery();
        assert_eq!(found, Err("a stream with a forged tag is opened".into()));
        for mode in [Mode::Compat, Mode::Hardened] {
            let mut timed = of(mode, find("sealmark").unwrap(), 100, 2);
            assert_eq!(pass(&mut *timed), Ok(()));
            timed.reset();
            assert!(timed.check().is_err_and(|why| why.contains("does not open to what")), "{mode:?}");
        }
    }
}
