//! Batches of messages that go to the engine several at once, through `seal_batch` and `open_batch`.
//!
//! A pass begins and ends with the same arrays of messages, nonces and tags as one of single calls, so the two
//! compare directly. The list of [`Message`]s that borrow them is made within the timed pass, and the tags are taken
//! out of it: a caller pays that too, for every batch. It costs 2 to 3 ns a message, a quarter of the quickest
//! engine's time at 16 bytes and 5 % at 256; what is left out of the timing flatters the batch by as much.

use std::hint::black_box;

use crate::aead::{self, Message, Nonce, TAG_LEN, Tag};
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::workload::fixture::arena::Slots;
use crate::measure::workload::fixture::compare::{none_not_opened, refused_as};
use crate::measure::workload::fixture::message::{Messages, Messaging, NOT_YET, Verdict};
use crate::timing::Timed;

/// The messages of one call: as many of the slots as there are tags.
fn messages<'a>(
    slots: &mut impl Iterator<Item = (&'a mut [u8], &'a Nonce)>,
    tags: &[Tag],
    aad: &'a [u8],
) -> Vec<Message<'a>> {
    let mut messages = Vec::with_capacity(tags.len());
    for ((in_out, nonce), tag) in slots.take(tags.len()).zip(tags) {
        messages.push(Message { nonce: *nonce, aad, in_out, tag: *tag });
    }
    messages
}

struct Seals {
    all: Messages,
    batch: usize,
}

/// `count` seals of messages, `batch` at once.
pub(in crate::measure) fn seals(
    engine: &dyn Engine,
    shape: &Messaging,
    batch: usize,
    count: usize,
) -> Result<Box<dyn Timed>, Error> {
    Ok(Box::new(Seals { all: Messages::new(engine, shape, count)?, batch }))
}

impl Timed for Seals {
    fn reset(&mut self) {
        self.all.restore();
    }

    fn run(&mut self) {
        let all = &mut self.all;
        let mut slots = all.arena.iter_mut().zip(&all.nonces);
        for tags in all.tags.chunks_mut(self.batch) {
            let mut messages = messages(&mut slots, tags, &all.aad);
            let done = all.key.seal_batch(black_box(&mut messages));
            all.refused += usize::from(done.is_err());
            for (tag, message) in tags.iter_mut().zip(&messages) {
                *tag = message.tag;
            }
        }
        black_box(&all.tags);
    }

    fn count(&self) -> u64 {
        self.all.nonces.len() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        self.all.all_sealed()
    }
}

struct Opens {
    all: Messages,
    batch: usize,
    sealed: Slots,
    verdicts: Vec<Verdict>,
}

/// `count` opens of authentic messages, `batch` at once.
pub(in crate::measure) fn opens(
    engine: &dyn Engine,
    shape: &Messaging,
    batch: usize,
    count: usize,
) -> Result<Box<dyn Timed>, Error> {
    let mut all = Messages::new(engine, shape, count)?;
    let sealed = all.seal_all().map_err(|e| Error::engine(engine, e))?;
    Ok(Box::new(Opens { all, batch, sealed, verdicts: vec![NOT_YET; count] }))
}

impl Timed for Opens {
    fn reset(&mut self) {
        self.all.arena.copy_from(&self.sealed);
        self.verdicts.fill(NOT_YET);
    }

    fn run(&mut self) {
        let all = &mut self.all;
        let mut slots = all.arena.iter_mut().zip(&all.nonces);
        for (tags, verdicts) in all.tags.chunks(self.batch).zip(self.verdicts.chunks_mut(self.batch)) {
            let mut messages = messages(&mut slots, tags, &all.aad);
            all.key.open_batch(black_box(&mut messages), black_box(verdicts));
        }
        black_box(&self.verdicts);
    }

    fn count(&self) -> u64 {
        self.all.nonces.len() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        none_not_opened(&self.verdicts)?;
        self.all.all_opened()
    }

    /// The message in the middle of a batch must be refused, and no other.
    fn refuse_forgery(&mut self) -> Result<(), String> {
        let all = &self.all;
        let middle = self.batch / 2;
        let (sealed, plain): (Vec<_>, Vec<_>) = self.sealed.iter().zip(all.plain.iter()).unzip();
        // The messages over and over, where they are fewer than a batch has.
        let places: Vec<_> = (0..sealed.len()).cycle().take(self.batch).collect();
        let mut texts: Vec<_> = places.iter().map(|&i| sealed[i].to_vec()).collect();
        let mut tags: Vec<_> = places.iter().map(|&i| all.tags[i]).collect();
        tags[middle].0[TAG_LEN - 1] ^= 1;
        let mut verdicts = vec![NOT_YET; self.batch];
        let mut slots = texts.iter_mut().zip(&places).map(|(text, &i)| (&mut text[..], &all.nonces[i]));
        all.key.open_batch(&mut messages(&mut slots, &tags, &all.aad), &mut verdicts);

        refused_as("message", verdicts[middle], &aead::Error::NotAuthentic)?;
        for (n, (verdict, text)) in verdicts.iter().zip(&texts).enumerate().filter(|(n, _)| *n != middle) {
            verdict.map_err(|e| format!("message {n} is refused beside a forged one: {e}"))?;
            if text != plain[places[n]] {
                return Err(format!("message {n} does not open to what was sealed, beside a forged one"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aead::Alg;
    use crate::engine::double::FaultyEngine;
    use crate::engine::{Shape, engines, find};
    use crate::measure::workload::testing::{Broken, Fault, of, pass};

    #[test]
    fn every_engine_seals_and_opens_its_batches() {
        let mut seen = 0;
        for engine in engines().into_iter().filter(|e| e.available().is_ok()) {
            for alg in Alg::ALL.into_iter().filter(|&a| engine.supports(Shape::usual(a))) {
                for (bytes, batch, count) in [(0, 3, 7), (1, 1, 2), (16, 64, 64), (100, 5, 10), (1024, 9, 4)]
                {
                    for make in [seals, opens] {
                        let mut made = make(engine, &of(alg, bytes), batch, count).unwrap();
                        assert_eq!(made.count(), count as u64);
                        for _ in 0..3 {
                            assert_eq!(pass(&mut *made), Ok(()), "{} {} {bytes}", engine.name(), alg.name());
                        }
                        assert_eq!(made.refuse_forgery(), Ok(()), "{} {} {bytes}", engine.name(), alg.name());
                        seen += 1;
                    }
                }
            }
        }
        assert!(seen >= 30, "{seen}");
    }

    #[test]
    fn a_wrong_engine_is_caught() {
        for fault in [Fault::DoesNothing, Fault::FlipsTag, Fault::FlipsText, Fault::Refuses] {
            let mut batch = seals(Broken::with(fault), &of(Alg::Aes256Gcm, 100), 2, 3).unwrap();
            assert!(pass(&mut *batch).is_err(), "{fault:?}");
        }
        for fault in [Fault::DoesNothing, Fault::FlipsText, Fault::Refuses] {
            let mut batch = opens(Broken::with(fault), &of(Alg::Aes256Gcm, 100), 2, 3).unwrap();
            assert!(pass(&mut *batch).is_err(), "{fault:?}");
        }
    }

    #[test]
    fn a_batch_that_was_not_run_has_not_passed() {
        for make in [seals, opens] {
            let mut batch = make(find("sealmark").unwrap(), &of(Alg::Aes128Gcm, 0), 2, 3).unwrap();
            batch.reset();
            assert!(batch.check().is_err());
            assert_eq!(pass(&mut *batch), Ok(()));
            batch.reset();
            assert!(batch.check().is_err(), "what an earlier pass left does not count");
        }
    }

    #[test]
    fn an_engine_that_opens_a_forged_message_is_caught() {
        let mut batch = opens(Broken::with(Fault::AcceptsAnything), &of(Alg::Aes256Gcm, 100), 8, 3).unwrap();
        assert_eq!(pass(&mut *batch), Ok(()), "else it is right");
        assert!(batch.refuse_forgery().is_err_and(|why| why.contains("forged tag is opened")));
    }

    /// Right, but its batches are all or nothing.
    static ALL_OR_NOTHING: FaultyEngine =
        FaultyEngine::new("broken/all-or-nothing").with_verdicts(|verdicts| {
            if verdicts.iter().any(Result::is_err) {
                verdicts.fill(Err(aead::Error::NotAuthentic));
            }
        });

    #[test]
    fn an_engine_that_refuses_the_others_with_the_forged_one_is_caught() {
        let mut batch = opens(&ALL_OR_NOTHING, &of(Alg::Aes256Gcm, 16), 8, 8).unwrap();
        assert_eq!(pass(&mut *batch), Ok(()), "else it is right");
        assert!(batch.refuse_forgery().is_err_and(|why| why.contains("beside a forged one")));
    }
}
