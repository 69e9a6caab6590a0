//! `frame/salvage`: keeping a copy of a message that is about to be sealed, under the lock of the ring,
//! in case the peer's keys change.
//!
//! A ring holds four messages, so there is a ring for each four operations, and each operation's copy is
//! still there after a pass. A reset fills the rings with zeros, as if four earlier messages of that length
//! had been sealed: from then on a ring allocates nothing.

use std::hint::black_box;
use std::sync::Arc;

use super::fixture;
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::arena::{Slots, stride};
use crate::measure::workload::kind::{Kind, Scope, Subject};
use crate::scheme::tunnel::lock::Mutex;
use crate::scheme::tunnel::session::{Budget, Ring};
use crate::scheme::tunnel::{Limits, Timing};
use crate::timing::Timed;

/// Keeps a message.
pub(super) struct KeepMessage;

impl Kind for KeepMessage {
    fn name(&self) -> &'static str {
        "salvage"
    }

    fn subject(&self) -> Subject {
        Subject::Part("frame")
    }

    fn prepare(
        &self,
        workload: &Workload,
        _: &'static dyn Engine,
        count: usize,
    ) -> Result<Box<dyn Timed>, Error> {
        Ok(Box::new(Keeps::new(workload.bytes, count)))
    }

    fn scope(&self) -> Scope {
        Scope::CipherFree
    }

    fn slot_len(&self, workload: &Workload) -> Option<usize> {
        Some(2 * stride(workload.bytes))
    }
}

/// The time of every message: none becomes too old.
const NOW_MS: u64 = 0;

struct Keeps {
    plain: Slots,
    blank: Vec<u8>,
    rings: Vec<Mutex<Ring>>,
    /// The messages in a ring.
    room: usize,
}

impl Keeps {
    /// `count` messages of `bytes` bytes.
    fn new(bytes: usize, count: usize) -> Self {
        let (budget, room) = (Arc::new(Budget::new(usize::MAX)), Limits::default().salvage_frames);
        let keep_ms = Timing::default().salvage_ms;
        let ring = |_| Mutex::new(Ring::new(Arc::clone(&budget), room, keep_ms));
        let rings = (0..count.div_ceil(room)).map(ring).collect();
        Self { plain: fixture::messages(count, bytes, 0), blank: vec![0; bytes], rings, room }
    }
}

fn keep(ring: &Mutex<Ring>, message: &[u8]) -> bool {
    ring.lock().record(NOW_MS, 1, message)
}

impl Timed for Keeps {
    fn reset(&mut self) {
        for ring in &self.rings {
            (0..self.room).for_each(|_| _ = keep(ring, &self.blank));
        }
    }

    fn run(&mut self) {
        let mut plain = self.plain.iter();
        for ring in &self.rings {
            for message in plain.by_ref().take(self.room) {
                black_box(keep(black_box(ring), black_box(message)));
            }
        }
    }

    fn count(&self) -> u64 {
        self.plain.iter().count() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        let messages: Vec<&[u8]> = self.plain.iter().collect();
        for (at, (ring, expected)) in self.rings.iter().zip(messages.chunks(self.room)).enumerate() {
            let kept = ring.lock().drain(NOW_MS);
            // Blank messages are left where the last ring has fewer operations than room.
            let kept = &kept[kept.len().saturating_sub(expected.len())..];
            if !kept.iter().map(|message| &message[..]).eq(expected.iter().copied()) {
                return Err(format!("ring {at} does not hold the messages that it was given"));
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
    fn messages_are_kept() {
        for (bytes, count) in [(64, 1), (64, 4), (1350, 9), (1, 8)] {
            let mut keeps = Keeps::new(bytes, count);
            assert_eq!(keeps.count(), count as u64);
            for _ in 0..2 {
                assert_eq!(pass(&mut keeps), Ok(()), "{bytes} {count}");
                keeps.reset();
                assert!(keeps.check().is_err_and(|why| why.contains("ring 0 does not hold")), "not run");
            }
        }
    }

    #[test]
    fn removed_work_shows_in_what_is_left() {
        let mut keeps = Keeps::new(64, 4);
        let messages: Vec<Option<Vec<u8>>> =
            keeps.plain.iter().map(|message| Some(message.to_vec())).collect();
        for left in removed(&messages, &None) {
            keeps.reset();
            left.iter().flatten().for_each(|message| assert!(keep(&keeps.rings[0], message)));
            assert!(keeps.check().is_err_and(|why| why.contains("does not hold")), "{left:?}");
        }
    }
}
