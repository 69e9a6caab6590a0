//! What has happened in a session: counts that order nothing, so every access is relaxed.

use super::super::Error;
use crate::host::sync::atomic::{AtomicU64, Ordering};

/// What has happened in a session.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counters {
    /// Counters that were given out for sealing.
    pub sealed: u64,
    /// Frames that the engine refused to seal.
    pub seal_fail: u64,
    /// Frames opened.
    pub opened: u64,
    /// Frames since the last one opened that did not open.
    pub decrypt_fail: u64,
    /// Replays since the last frame opened.
    pub replay: u64,
    /// Late frames since the last frame opened.
    pub outside_window: u64,
}

/// The counts of a session, but for what it sealed.
#[derive(Debug)]
pub(super) struct Counts {
    seal_fail: AtomicU64,
    opened: AtomicU64,
    /// One more than the time at which a frame was last opened; 0 for never.
    last_opened: AtomicU64,
    decrypt_fail: AtomicU64,
    replay: AtomicU64,
    outside_window: AtomicU64,
}

impl Counts {
    pub fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            seal_fail: zero(),
            opened: zero(),
            last_opened: zero(),
            decrypt_fail: zero(),
            replay: zero(),
            outside_window: zero(),
        }
    }

    /// Values read while frames are in flight may belong to different moments.
    pub fn read(&self, sealed: u64) -> Counters {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counters {
            sealed,
            seal_fail: read(&self.seal_fail),
            opened: read(&self.opened),
            decrypt_fail: read(&self.decrypt_fail),
            replay: read(&self.replay),
            outside_window: read(&self.outside_window),
        }
    }

    /// Frames since the last one opened that did not open.
    #[inline]
    pub fn decrypt_fails(&self) -> u64 {
        self.decrypt_fail.load(Ordering::Relaxed)
    }

    /// The time at which a frame was last opened, in milliseconds.
    pub fn last_opened_ms(&self) -> Option<u64> {
        self.last_opened.load(Ordering::Relaxed).checked_sub(1)
    }

    #[cold]
    pub fn seal_failed(&self) {
        self.seal_fail.fetch_add(1, Ordering::Relaxed);
    }

    /// A frame did not open.
    #[inline]
    pub fn open_failed(&self) {
        self.decrypt_fail.fetch_add(1, Ordering::Relaxed);
    }

    /// The window refused a frame. A stale epoch is not counted.
    #[cold]
    pub fn refused(&self, error: Error) {
        let count = match error {
            Error::Replay => &self.replay,
            Error::OutsideWindow => &self.outside_window,
            _ => return,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// A frame was opened, which ends every run of faults. Called with the session's replay lock held, so
    /// that a plain store loses no count.
    #[inline]
    pub fn succeeded(&self, now_ms: u64) {
        self.opened.store(self.opened.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        self.last_opened.store(now_ms.saturating_add(1), Ordering::Relaxed);
        for faults in [&self.decrypt_fail, &self.replay, &self.outside_window] {
            // Seldom set; a store each time would take the cache line from threads that read it.
            if faults.load(Ordering::Relaxed) != 0 {
                faults.store(0, Ordering::Relaxed);
            }
        }
    }
}
