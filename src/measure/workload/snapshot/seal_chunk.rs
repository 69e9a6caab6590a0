//! `seal_chunk`: the chunks of a hardened stream, sealed in place: the stream's cost without copies, source
//! and network. `seal/aes-256-gcm` of the same size is the cost of the cipher alone.
//!
//! A pass is one stream: it draws a salt, derives the stream's key, seals `count` full chunks and an empty
//! last one. Each operation writes a ciphertext and a tag to its own slot; a reset restores the text there,
//! and zeros the tags and the header. Another engine opens them.

use std::hint::black_box;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::fixture::{Ends, Mode, refused};
use crate::aead::{Alg, Tag};
use crate::engine::Engine;
use crate::envelope::SecretKey;
use crate::measure::Error;
use crate::measure::limit::roofline::{Overlap, Work};
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::arena::{Slots, content_seed, stride};
use crate::measure::workload::fixture::compare::none_refused;
use crate::measure::workload::fixture::reference::reference;
use crate::measure::workload::kind::{Kind, Subject};
use crate::scheme::snapshot;
use crate::scheme::snapshot::chunked::HEADER_LEN;
use crate::timing::Timed;

/// Seals chunks in place.
pub(super) struct SealChunk;

impl Kind for SealChunk {
    fn name(&self) -> &'static str {
        "seal_chunk"
    }

    fn subject(&self) -> Subject {
        Mode::Hardened.subject()
    }

    fn prepare(
        &self,
        workload: &Workload,
        engine: &'static dyn Engine,
        count: usize,
    ) -> Result<Box<dyn Timed>, Error> {
        seals(workload, engine, count)
    }

    fn slot_len(&self, workload: &Workload) -> Option<usize> {
        Some(stride(workload.bytes))
    }

    fn work(&self, workload: &Workload) -> Option<Work> {
        Some(Work::of_message(Alg::Aes256Gcm, workload.bytes, 0, Overlap::Independent))
    }
}

struct Seals {
    engine: &'static dyn Engine,
    key: SecretKey,
    chunk_len: usize,
    plain: Slots,
    arena: Slots,
    header: [u8; HEADER_LEN],
    /// The last one is the empty chunk's.
    tags: Vec<Tag>,
    refused: usize,
}

/// One stream of `count` chunks.
fn seals(workload: &Workload, engine: &'static dyn Engine, count: usize) -> Result<Box<dyn Timed>, Error> {
    let mut rng = ChaCha8Rng::seed_from_u64(content_seed(workload.bytes, workload.seed));
    let mut key = SecretKey::default();
    rng.fill_bytes(&mut key[..]);
    let mut plain = Slots::new(count, workload.bytes);
    plain.iter_mut().for_each(|slot| rng.fill_bytes(slot));
    // An engine that refuses the key is found before anything is timed.
    Ends::sealer(engine, &key, workload.bytes).map_err(refused)?;
    let (arena, tags) = (plain.copied(), vec![Tag::default(); count + 1]);
    let (chunk_len, header) = (workload.bytes, [0; HEADER_LEN]);
    Ok(Box::new(Seals { engine, key, chunk_len, plain, arena, header, tags, refused: 0 }))
}

impl Seals {
    fn seal(&mut self) -> Result<(), snapshot::Error> {
        let mut sealer = Ends::sealer(self.engine, black_box(&self.key), self.chunk_len)?;
        self.header = *sealer.header();
        let (last, tags) = self.tags.split_last_mut().expect("the last chunk has a tag");
        for (slot, tag) in self.arena.iter_mut().zip(tags) {
            sealer.seal(black_box(slot), black_box(tag))?;
        }
        sealer.seal_last(&mut [], last)
    }
}

impl Timed for Seals {
    fn reset(&mut self) {
        self.arena.copy_from(&self.plain);
        self.header = [0; HEADER_LEN];
        self.tags.fill(Tag::default());
    }

    fn run(&mut self) {
        self.refused += usize::from(self.seal().is_err());
        black_box(&self.tags);
    }

    fn move_to(&mut self, offset: usize) -> bool {
        self.arena.move_to(offset);
        true
    }

    fn count(&self) -> u64 {
        self.tags.len() as u64 - 1
    }

    fn check(&mut self) -> Result<(), String> {
        none_refused(self.refused)?;
        let other = reference(self.engine, Alg::Aes256Gcm);
        let refused = |error| format!("the reference does not read the stream: {error}");
        let mut opener = Ends::opener(other, &self.key, &self.header, self.chunk_len).map_err(refused)?;
        let sealed = self.arena.iter().zip(self.plain.iter()).chain([(&[][..], &[][..])]);
        for (i, ((sealed, plain), tag)) in sealed.zip(&self.tags).enumerate() {
            match opener.open(&mut [sealed, &tag.0].concat()) {
                Ok(text) if text == plain => {}
                Ok(_) => return Err(format!("chunk {i} does not open to what was sealed")),
                Err(error) => return Err(format!("the reference does not read chunk {i}: {error}")),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::measure::workload::catalog;
    use crate::measure::workload::testing::{self, Fault, pass};

    fn of(engine: &'static dyn Engine, bytes: usize, count: usize) -> Box<dyn Timed> {
        let workload = catalog::find("seal_chunk/snapshot/hardened/16384").unwrap().clone();
        SealChunk.prepare(&Workload { bytes, ..workload }, engine, count).unwrap()
    }

    #[test]
    fn every_engine_seals_chunks_of_any_length() {
        assert!(testing::right_at_every_length(&[1, 16, 1000], 3, of) >= 3);
    }

    #[test]
    fn a_wrong_engine_and_work_that_was_not_done_are_caught() {
        let faults = [Fault::DoesNothing, Fault::FlipsTag, Fault::FlipsText, Fault::Refuses];
        testing::caught(&faults, |engine| of(engine, 100, 2));
        let mut timed = of(find("sealmark").unwrap(), 100, 2);
        assert_eq!(pass(&mut *timed), Ok(()));
        timed.reset();
        assert!(timed.check().is_err_and(|why| why.contains("does not read the stream")));
    }
}
