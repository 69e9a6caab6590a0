//! `seal/peers/N` and `open/peers/N`: a frame of 64 bytes to each of N peers, and from each of them, in
//! random order, with sessions found by the peers' ids.
//!
//! Each operation uses another session, so that with many peers most sessions are in no near cache. Each seal
//! leaves a frame, each open a message and a verdict, in its own slot; a reset writes zeros, or restores the
//! frames, clears the verdicts and gives every peer a new session.

use std::hint::black_box;
use std::sync::Arc;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::fixture::{self, End, PEER, Way};
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::arena::Slots;
use crate::measure::workload::fixture::compare::{all_opened, forged, none_refused, refused_as};
use crate::measure::workload::kind::{Kind, Scope, Size, Subject};
use crate::scheme::tunnel::{self, Mode};
use crate::timing::Timed;

/// Bytes of each message.
const BYTES: usize = 64;

/// Seals a frame for each peer.
pub(super) struct SealToAll;

impl Kind for SealToAll {
    fn name(&self) -> &'static str {
        "seal"
    }

    fn subject(&self) -> Subject {
        Subject::One("peers")
    }

    fn prepare(
        &self,
        workload: &Workload,
        engine: &'static dyn Engine,
        count: usize,
    ) -> Result<Box<dyn Timed>, Error> {
        Ok(Box::new(Seals::new(engine, workload.items, count)?))
    }

    fn scope(&self) -> Scope {
        Scope::CipherFree
    }

    fn size(&self) -> Size {
        Size::Items
    }

    fn default_count(&self, workload: &Workload) -> usize {
        workload.items as usize
    }
}

/// Opens a frame of each peer.
pub(super) struct OpenFromAll;

impl Kind for OpenFromAll {
    fn name(&self) -> &'static str {
        "open"
    }

    fn subject(&self) -> Subject {
        Subject::One("peers")
    }

    fn prepare(
        &self,
        workload: &Workload,
        engine: &'static dyn Engine,
        count: usize,
    ) -> Result<Box<dyn Timed>, Error> {
        Ok(Box::new(Opens::new(engine, workload.items, count)?))
    }

    fn scope(&self) -> Scope {
        Scope::CipherFree
    }

    fn size(&self) -> Size {
        Size::Items
    }

    fn default_count(&self, workload: &Workload) -> usize {
        workload.items as usize
    }

    fn opens(&self) -> bool {
        true
    }
}

/// `count` of `peers` peers in random order, each once before any repeats.
fn drawn(peers: u32, count: usize) -> Vec<u32> {
    let mut all: Vec<u32> = (PEER..PEER + peers).collect();
    all.shuffle(&mut ChaCha8Rng::seed_from_u64(u64::from(peers)));
    all.into_iter().cycle().take(count).collect()
}

/// The counters of frames of these peers when each began with a new session: how often the peer came before,
/// and one.
fn counters(peers: &[u32], known: u32) -> impl Iterator<Item = u64> {
    (0..peers.len()).map(move |i| 1 + (i / known as usize) as u64)
}

struct Seals {
    end: Arc<End>,
    known: u32,
    peers: Vec<u32>,
    plain: Slots,
    frames: Slots,
    refused: usize,
}

impl Seals {
    fn new(engine: &'static dyn Engine, known: u32, count: usize) -> Result<Self, Error> {
        let end = End::of_peers(Mode::Safe, engine, 0, known)?;
        let (plain, frames) = (fixture::messages(count, BYTES, 0), end.slots(count, BYTES));
        Ok(Self { end, known, peers: drawn(known, count), plain, frames, refused: 0 })
    }
}

impl Timed for Seals {
    fn reset(&mut self) {
        self.frames.iter_mut().for_each(|frame| frame.fill(0));
        self.end.install_all(&self.peers);
    }

    fn run(&mut self) {
        for ((&peer, plain), frame) in self.peers.iter().zip(self.plain.iter()).zip(self.frames.iter_mut()) {
            let done = self.end.node.seal_into(black_box(peer), black_box(plain), black_box(frame));
            self.refused += usize::from(done.is_err());
        }
        black_box(&mut self.frames);
    }

    fn count(&self) -> u64 {
        self.peers.len() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        none_refused(self.refused)?;
        let all = self.peers.iter().zip(self.plain.iter()).zip(self.frames.iter());
        for (i, (((&peer, plain), frame), counter)) in all.zip(counters(&self.peers, self.known)).enumerate()
        {
            let mut expected = vec![0; frame.len()];
            let other = self.end.other(peer, Way::Out).map_err(|error| error.to_string())?;
            other.seal_into(counter, plain, &mut expected).map_err(|error| error.to_string())?;
            if *frame != *expected {
                return Err(format!("frame {i} is not the reference's"));
            }
        }
        Ok(())
    }
}

struct Opens {
    end: Arc<End>,
    peers: Vec<u32>,
    plain: Slots,
    sealed: Slots,
    frames: Slots,
    opened: Vec<bool>,
}

impl Opens {
    fn new(engine: &'static dyn Engine, known: u32, count: usize) -> Result<Self, Error> {
        let end = End::of_peers(Mode::Safe, engine, 0, known)?;
        let (peers, plain) = (drawn(known, count), fixture::messages(count, BYTES, 0));
        let (mut sealed, frames) = (end.slots(count, BYTES), end.slots(count, BYTES));
        let all = peers.iter().zip(plain.iter()).zip(sealed.iter_mut());
        for (((&peer, plain), frame), counter) in all.zip(counters(&peers, known)) {
            let done = end.other(peer, Way::In)?.seal_into(counter, plain, frame);
            done.map_err(|error| Error::engine(engine, error))?;
        }
        Ok(Self { end, peers, plain, sealed, frames, opened: vec![false; count] })
    }
}

impl Timed for Opens {
    fn reset(&mut self) {
        self.frames.copy_from(&self.sealed);
        self.opened.fill(false);
        self.end.install_all(&self.peers);
    }

    fn run(&mut self) {
        let all = self.peers.iter().zip(self.frames.iter_mut()).zip(&mut self.opened);
        for ((&peer, frame), opened) in all {
            let message = self.end.node.open_in_place(black_box(frame));
            *opened = message.is_ok_and(|message| message.peer == peer);
        }
        black_box(&mut self.frames);
        black_box(&self.opened);
    }

    fn count(&self) -> u64 {
        self.peers.len() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        if let Some(i) = self.opened.iter().position(|opened| !opened) {
            return Err(format!("frame {i} was refused, or never opened"));
        }
        all_opened("frame", self.frames.iter().map(|frame| self.end.message(frame)), self.plain.iter())?;
        let sessions = self.peers.iter().filter_map(|&peer| self.end.node.session(peer));
        match sessions.map(|session| session.window_max()).min() {
            Some(1..) => Ok(()),
            other => Err(format!("a window has the highest counter {other:?}")),
        }
    }

    fn refuse_forgery(&mut self) -> Result<(), String> {
        let Some(mut frame) = self.sealed.iter().next().and_then(forged) else { return Ok(()) };
        let opened = self.end.node.open_in_place(&mut frame).map(drop);
        refused_as("frame", opened, &tunnel::Error::NotAuthentic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::measure::workload::testing::{Broken, Fault, pass, removed};

    #[test]
    fn every_peer_gets_and_sends_its_frames() {
        let engine = find("sealmark").unwrap();
        for (known, count) in [(1, 3), (5, 12), (300, 300)] {
            let (mut seals, mut opens) =
                (Seals::new(engine, known, count).unwrap(), Opens::new(engine, known, count).unwrap());
            for timed in [&mut seals as &mut dyn Timed, &mut opens] {
                assert_eq!(timed.count(), count as u64);
                assert!(timed.check().is_err(), "not run yet");
                assert_eq!((pass(timed), pass(timed)), (Ok(()), Ok(())), "{known} {count}");
                assert_eq!(timed.refuse_forgery(), Ok(()));
            }
            assert_eq!(opens.end.node.store().len(), known as usize);
        }
    }

    #[test]
    fn removed_work_shows_in_what_is_left() {
        let mut seals = Seals::new(find("sealmark").unwrap(), 9, 4).unwrap();
        assert_eq!(pass(&mut seals), Ok(()));
        let frames: Vec<Vec<u8>> = seals.frames.iter().map(<[u8]>::to_vec).collect();
        for left in removed(&frames, &vec![0; frames[0].len()]) {
            seals.frames.iter_mut().zip(&left).for_each(|(slot, left)| slot.copy_from_slice(left));
            assert!(seals.check().is_err_and(|why| why.contains("is not the reference's")));
        }
        let mut opens = Opens::new(find("sealmark").unwrap(), 9, 4).unwrap();
        assert_eq!(pass(&mut opens), Ok(()));
        let messages: Vec<Vec<u8>> = opens.frames.iter().map(<[u8]>::to_vec).collect();
        let sealed = opens.sealed.iter().next().unwrap().to_vec();
        for left in removed(&messages, &sealed) {
            opens.frames.iter_mut().zip(&left).for_each(|(slot, left)| slot.copy_from_slice(left));
            assert!(opens.check().is_err_and(|why| why.contains("does not open")));
        }
    }

    #[test]
    fn a_wrong_engine_is_caught() {
        for fault in [Fault::DoesNothing, Fault::FlipsText, Fault::FlipsTag, Fault::Refuses] {
            assert!(pass(&mut Seals::new(Broken::with(fault), 3, 3).unwrap()).is_err(), "{fault:?}");
        }
        for fault in [Fault::DoesNothing, Fault::FlipsText, Fault::Refuses] {
            assert!(pass(&mut Opens::new(Broken::with(fault), 3, 3).unwrap()).is_err(), "{fault:?}");
        }
        let mut opens = Opens::new(Broken::with(Fault::AcceptsAnything), 3, 3).unwrap();
        assert!(opens.refuse_forgery().is_err_and(|why| why.contains("is opened")));
    }
}
