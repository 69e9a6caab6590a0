//! `send`: writing a stream to memory, chunk by chunk, from text in memory: everything that a sender does but
//! the network, and both copies.
//!
//! A pass is one stream; one operation is one full chunk of it. Headers, key setup and the hardened stream's
//! key derivation and last chunk are the stream's and shared by all operations. Each operation leaves its
//! chunk on the wire, which another engine reads; a reset empties the wire and fills it with zeros.

use std::hint::black_box;

use super::fixture::{Ends, Mode, Streams, default_count, text};
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::compare::none_refused;
use crate::timing::Timed;

/// Writes a stream of that mode.
pub(super) const fn kind(mode: Mode) -> Streams {
    Streams { name: "send", mode, prepare, count: default_count, reads: false }
}

fn prepare(
    mode: Mode,
    workload: &Workload,
    engine: &'static dyn Engine,
    count: usize,
) -> Result<Box<dyn Timed>, Error> {
    Ok(Box::new(sends(mode, workload, engine, count)?))
}

struct Sends {
    ends: Ends,
    other: Ends,
    text: Vec<u8>,
    wire: Vec<u8>,
    count: usize,
    refused: usize,
}

/// One stream of `count` chunks.
fn sends(mode: Mode, workload: &Workload, engine: &'static dyn Engine, count: usize) -> Result<Sends, Error> {
    let ends = Ends::new(mode, engine, workload.bytes)?;
    let other = Ends::other(mode, engine, workload.bytes)?;
    let mut wire = Vec::new();
    let text = text(workload, count);
    // So that the wire never grows in a timed pass.
    other.send(&text, &mut wire).map_err(super::fixture::refused)?;
    Ok(Sends { ends, other, text, wire, count, refused: 0 })
}

impl Timed for Sends {
    fn reset(&mut self) {
        self.wire.fill(0);
        self.wire.clear();
    }

    fn run(&mut self) {
        let sent = self.ends.send(black_box(&self.text), black_box(&mut self.wire));
        self.refused += usize::from(sent.is_err());
        black_box(&self.wire);
    }

    fn count(&self) -> u64 {
        self.count as u64
    }

    fn check(&mut self) -> Result<(), String> {
        none_refused(self.refused)?;
        let mut seen = Vec::with_capacity(self.text.len());
        match self.other.receive(&self.wire, &mut seen) {
            Ok(_) if seen == self.text => Ok(()),
            Ok(_) => Err("the reference reads another text".into()),
            Err(error) => Err(format!("the reference does not read the stream: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::measure::workload::catalog;
    use crate::measure::workload::testing::{self, Fault, pass};

    fn of(mode: Mode, engine: &'static dyn Engine, bytes: usize, count: usize) -> Box<dyn Timed> {
        let path =
            format!("send/snapshot/{}/16384", if mode == Mode::Compat { "compat" } else { "hardened" });
        let workload = Workload { bytes, ..catalog::find(&path).unwrap().clone() };
        prepare(mode, &workload, engine, count).unwrap()
    }

    #[test]
    fn every_engine_writes_streams_of_any_chunk_length() {
        for mode in [Mode::Compat, Mode::Hardened] {
            let make = |engine, bytes, count| of(mode, engine, bytes, count);
            assert!(testing::right_at_every_length(&[1, 16, 1000], 3, make) >= 3);
        }
    }

    #[test]
    fn a_wrong_engine_and_work_that_was_not_done_are_caught() {
        let faults = [Fault::DoesNothing, Fault::FlipsTag, Fault::FlipsText, Fault::Refuses];
        testing::caught(&faults, |engine| of(Mode::Hardened, engine, 100, 2));
        for mode in [Mode::Compat, Mode::Hardened] {
            let mut timed = of(mode, find("sealmark").unwrap(), 100, 2);
            assert_eq!(pass(&mut *timed), Ok(()));
            timed.reset();
            assert!(timed.check().is_err_and(|why| why.contains("does not read the stream")), "{mode:?}");
        }
    }
}
