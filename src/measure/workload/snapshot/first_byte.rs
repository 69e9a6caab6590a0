//! `first_byte`: from the moment when a sender has a snapshot until its receiver has text for the sink,
//! without the network. The size is the snapshot's, in chunks of 16 KiB.
//!
//! Nothing of a compatible stream may reach the sink before its last byte, so this is a whole transfer. Of a
//! hardened stream it is two key derivations and one chunk, whatever the snapshot's length. Each operation
//! leaves the bytes of the wire, which another engine reads, and the text; a reset fills them with zeros.

use std::hint::black_box;

use super::fixture::{Ends, Mode, Streams, refused, text};
use crate::aead::{TAG_LEN, Tag};
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::compare::{forged, none_refused};
use crate::scheme::snapshot;
use crate::scheme::snapshot::chunked::{CHUNK_LEN, HEADER_LEN};
use crate::timing::Timed;

/// Waits for the first byte of a stream of that mode.
pub(super) const fn kind(mode: Mode) -> Streams {
    Streams { name: "first_byte", mode, prepare, count: |_| 4, reads: true }
}

fn prepare(
    mode: Mode,
    workload: &Workload,
    engine: &'static dyn Engine,
    count: usize,
) -> Result<Box<dyn Timed>, Error> {
    Ok(Box::new(waits(mode, workload, engine, count)?))
}

struct Waits {
    ends: Ends,
    other: Ends,
    text: Vec<u8>,
    /// Bytes of the text that are there first.
    first: usize,
    wires: Vec<Vec<u8>>,
    seen: Vec<Vec<u8>>,
    refused: usize,
}

/// `count` waits.
fn waits(mode: Mode, workload: &Workload, engine: &'static dyn Engine, count: usize) -> Result<Waits, Error> {
    let (ends, other) = (Ends::new(mode, engine, CHUNK_LEN)?, Ends::other(mode, engine, CHUNK_LEN)?);
    let text = text(workload, 1);
    let first = if mode == Mode::Hardened { text.len().min(CHUNK_LEN) } else { text.len() };
    let mut waits = Waits { ends, other, text, first, wires: Vec::new(), seen: Vec::new(), refused: 0 };
    // So that nothing grows in a timed pass.
    let mut wire = Vec::new();
    write_first(&waits.other, &waits.text, &mut wire).map_err(refused)?;
    waits.wires = vec![wire; count];
    waits.seen = vec![vec![0; first]; count];
    waits.reset();
    Ok(waits)
}

/// Writes what a receiver needs for its first byte of text.
fn write_first(ends: &Ends, text: &[u8], wire: &mut Vec<u8>) -> Result<(), snapshot::Error> {
    let Ends::Hardened { engine, key, .. } = ends else { return ends.send(text, wire).map(drop) };
    let mut sealer = Ends::sealer(*engine, key, CHUNK_LEN)?;
    wire.extend(sealer.header());
    let (chunk, mut tag) = (&text[..text.len().min(CHUNK_LEN)], Tag::default());
    wire.extend_from_slice(chunk);
    match chunk.len() {
        CHUNK_LEN => sealer.seal(&mut wire[HEADER_LEN..], &mut tag)?,
        _ => sealer.seal_last(&mut wire[HEADER_LEN..], &mut tag)?,
    }
    wire.extend(tag.0);
    Ok(())
}

/// Reads the first text from the wire.
fn read_first(ends: &Ends, wire: &[u8], text: &mut Vec<u8>) -> Result<(), snapshot::Error> {
    let Ends::Hardened { engine, key, .. } = ends else { return ends.receive(wire, text).map(drop) };
    let not = || snapshot::Error::Protocol("there is no header".into());
    let (header, chunk) = wire.split_first_chunk().ok_or_else(not)?;
    let mut opener = Ends::opener(*engine, key, header, CHUNK_LEN)?;
    text.extend_from_slice(chunk);
    opener.open(text)?;
    text.truncate(chunk.len() - TAG_LEN);
    Ok(())
}

impl Timed for Waits {
    fn reset(&mut self) {
        for bytes in self.wires.iter_mut().chain(&mut self.seen) {
            bytes.fill(0);
            bytes.clear();
        }
    }

    fn run(&mut self) {
        for (wire, seen) in self.wires.iter_mut().zip(&mut self.seen) {
            let written = write_first(&self.ends, black_box(&self.text), black_box(wire));
            self.refused += usize::from(written.is_err());
            // What is refused leaves no text, which the check sees after it has looked at the wire.
            if read_first(&self.ends, black_box(wire), black_box(seen)).is_err() {
                seen.clear();
            }
        }
        black_box(&self.seen);
    }

    fn count(&self) -> u64 {
        self.wires.len() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        none_refused(self.refused)?;
        let first = &self.text[..self.first];
        for (i, (wire, seen)) in self.wires.iter().zip(&self.seen).enumerate() {
            let mut by_other = Vec::new();
            match read_first(&self.other, wire, &mut by_other) {
                Ok(()) if by_other == first && *seen == first => {}
                Ok(()) => return Err(format!("stream {i} does not open to what was sealed")),
                Err(error) => return Err(format!("the reference does not read stream {i}: {error}")),
            }
        }
        Ok(())
    }

    /// Forges the tag of the first chunk.
    fn refuse_forgery(&mut self) -> Result<(), String> {
        let Ends::Hardened { .. } = self.ends else { return Ok(()) };
        let mut wire = Vec::new();
        let written = write_first(&self.other, &self.text, &mut wire);
        written.map_err(|error| format!("the reference refuses: {error}"))?;
        let forged = forged(&wire).expect("a wire has bytes");
        match read_first(&self.ends, &forged, &mut Vec::new()) {
            Err(error) if error.spec_name() == "Crypto" => Ok(()),
            Err(error) => Err(format!("a chunk with a forged tag is refused as something else: {error}")),
            Ok(()) => Err("a chunk with a forged tag is opened".into()),
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
        let path = format!("first_byte/snapshot/{mode_name}/16384");
        let workload = Workload { bytes, ..catalog::find(&path).unwrap().clone() };
        prepare(mode, &workload, engine, count).unwrap()
    }

    #[test]
    fn every_engine_gives_the_first_text_of_short_and_long_snapshots() {
        for mode in [Mode::Compat, Mode::Hardened] {
            let make = |engine, bytes, count| of(mode, engine, bytes, count);
            assert!(testing::right_at_every_length(&[1, CHUNK_LEN, CHUNK_LEN + 1], 2, make) >= 3);
            assert_eq!(of(mode, find("sealmark").unwrap(), 100, 2).refuse_forgery(), Ok(()));
        }
    }

    #[test]
    fn a_hardened_receiver_needs_one_chunk_and_a_compatible_one_all_of_them() {
        let len = 10 * CHUNK_LEN;
        let engine = find("sealmark").unwrap();
        let workload = Workload { bytes: len, ..catalog::find("nonce").unwrap().clone() };
        let [compat, hardened] =
            [Mode::Compat, Mode::Hardened].map(|mode| waits(mode, &workload, engine, 1).unwrap().first);
        assert_eq!((compat, hardened), (len, CHUNK_LEN));
    }

    #[test]
    fn a_wrong_engine_and_work_that_was_not_done_are_caught() {
        let faults = [Fault::DoesNothing, Fault::FlipsTag, Fault::FlipsText, Fault::Refuses];
        testing::caught(&faults, |engine| of(Mode::Hardened, engine, 100, 2));
        let accepts = Broken::with(Fault::AcceptsAnything);
        let found = of(Mode::Hardened, accepts, 100, 2).refuse_forgery();
        assert_eq!(found, Err("a chunk with a forged tag is opened".into()));
        for mode in [Mode::Compat, Mode::Hardened] {
            let mut timed = of(mode, find("sealmark").unwrap(), 100, 2);
            assert_eq!(pass(&mut *timed), Ok(()));
            timed.reset();
            assert!(timed.check().is_err_and(|why| why.contains("does not read stream 0")), "{mode:?}");
        }
    }
}
