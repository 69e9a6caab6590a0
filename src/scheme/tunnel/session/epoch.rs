//! Receive epochs: a window for each prefix that a peer seals under (spec §3, G4).
//!
//! A peer that restarts seals under a new prefix and begins to count at 1 again; with one window for both,
//! its frames would look like replays. The newest epoch and the four older ones used last are kept. A
//! replayed frame of a forgotten epoch opens a fresh window: the price, and declared. Nothing here may be
//! called for a frame that was not authenticated.

use arrayvec::ArrayVec;

use super::super::{Error, Mode};
use super::window::Window;

/// Epochs that are kept: the newest and four older ones.
pub const KEPT: usize = 5;

/// An accepted frame.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Recorded {
    /// Whether it began an epoch: its prefix was not known, and the session had accepted others before.
    pub new_epoch: bool,
}

/// The replay state of one session.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "it lies in its session; a box would cost each frame a load")]
pub enum Replay {
    /// One window for every prefix.
    Single(Window),
    /// A window for each epoch of the sender.
    Epochs(Epochs),
}

impl Replay {
    /// The empty state for a mode: `compat` has the reference's window, `safe` epochs, `hardened` one window.
    pub fn new(mode: Mode) -> Self {
        match mode {
            Mode::Compat => Self::Single(Window::reference()),
            Mode::Safe => Self::Epochs(Epochs::default()),
            Mode::Hardened => Self::Single(Window::new()),
        }
    }

    /// Accepts a frame's prefix and counter, once.
    ///
    /// # Errors
    /// [`Error::Replay`], [`Error::OutsideWindow`]; [`Error::StaleEpoch`] for either in an older epoch.
    /// Nothing has changed then.
    #[inline]
    pub fn record(&mut self, prefix: [u8; 4], counter: u64) -> Result<Recorded, Error> {
        match self {
            Self::Single(window) => window.record(counter).map(|()| Recorded::default()),
            Self::Epochs(epochs) => epochs.record(prefix, counter),
        }
    }

    /// Forgets that the counter was accepted: [`Window::clear_bit`]. Only the single window of `compat`
    /// records in advance; epochs are left alone.
    pub fn clear_bit(&mut self, counter: u64) {
        if let Self::Single(window) = self {
            window.clear_bit(counter);
        }
    }

    /// Whether a frame with this prefix was accepted. A single window does not look at prefixes: never.
    pub fn knows(&self, prefix: [u8; 4]) -> bool {
        match self {
            Self::Single(_) => false,
            Self::Epochs(epochs) => epochs.knows(prefix),
        }
    }

    /// The highest counter accepted, in the newest epoch; 0 if there is none.
    pub fn window_max(&self) -> u64 {
        match self {
            Self::Single(window) => window.max(),
            Self::Epochs(epochs) => epochs.window_max(),
        }
    }
}

/// The windows of the newest epoch and of older ones.
#[derive(Clone, Default, Debug)]
pub struct Epochs {
    /// The newest, then the older ones, the one used last first.
    known: ArrayVec<Epoch, KEPT>,
}

#[derive(Clone, Debug)]
struct Epoch {
    prefix: [u8; 4],
    window: Window,
}

impl Epochs {
    /// Accepts a frame's prefix and counter, once.
    ///
    /// # Errors
    /// As for [`Replay::record`].
    #[inline]
    pub fn record(&mut self, prefix: [u8; 4], counter: u64) -> Result<Recorded, Error> {
        if let Some(newest) = self.known.first_mut()
            && newest.prefix == prefix
        {
            return newest.window.record(counter).map(|()| Recorded::default());
        }
        self.record_elsewhere(prefix, counter)
    }

    /// In an older epoch, or in one that begins.
    fn record_elsewhere(&mut self, prefix: [u8; 4], counter: u64) -> Result<Recorded, Error> {
        if let Some(i) = self.known.iter().position(|epoch| epoch.prefix == prefix) {
            self.known[i].window.record(counter).map_err(|_| Error::StaleEpoch)?;
            self.known[1..=i].rotate_right(1);
            return Ok(Recorded::default());
        }
        let mut window = Window::new();
        window.record(counter)?;
        let new_epoch = !self.known.is_empty();
        if self.known.is_full() {
            self.known.pop();
        }
        self.known.insert(0, Epoch { prefix, window });
        Ok(Recorded { new_epoch })
    }

    /// Whether a frame with this prefix was accepted and its epoch is not forgotten.
    pub fn knows(&self, prefix: [u8; 4]) -> bool {
        self.known.iter().any(|epoch| epoch.prefix == prefix)
    }

    /// The highest counter accepted in the newest epoch; 0 if there is none.
    pub fn window_max(&self) -> u64 {
        self.known.first().map_or(0, |epoch| epoch.window.max())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Result<Recorded, Error> = Ok(Recorded { new_epoch: true });
    const OLD: Result<Recorded, Error> = Ok(Recorded { new_epoch: false });

    /// Epochs in which each of these prefixes was accepted with counter 1.
    fn epochs(names: impl IntoIterator<Item = u8>) -> Epochs {
        let mut epochs = Epochs::default();
        for (i, name) in names.into_iter().enumerate() {
            assert_eq!(epochs.record([name; 4], 1), if i == 0 { OLD } else { NEW });
        }
        epochs
    }

    #[test]
    fn a_restarted_peer_begins_an_epoch_and_counts_from_one_again() {
        let mut epochs = epochs([b'a']);
        assert_eq!(epochs.record([b'a'; 4], 900), OLD);
        assert_eq!(epochs.record([b'b'; 4], 1), NEW);
        assert_eq!(epochs.record([b'b'; 4], 1), Err(Error::Replay));
        assert_eq!(epochs.window_max(), 1, "the newest epoch's");
    }

    #[test]
    fn late_frames_of_an_older_epoch_are_accepted_once_and_its_replays_are_stale() {
        let mut epochs = epochs([b'a']);
        assert_eq!(epochs.record([b'a'; 4], 900), OLD);
        assert_eq!(epochs.record([b'b'; 4], 1), NEW);
        assert_eq!(epochs.record([b'a'; 4], 899), OLD);
        for counter in [899, 900, 1] {
            assert_eq!(epochs.record([b'a'; 4], counter), Err(Error::StaleEpoch), "{counter}");
        }
        assert_eq!(epochs.record([b'a'; 4], 901), OLD);
        assert_eq!(epochs.record([b'b'; 4], 2), OLD, "an older epoch does not become the newest");
        assert_eq!(epochs.window_max(), 2);
    }

    #[test]
    fn the_older_epoch_used_least_recently_is_forgotten() {
        let mut epochs = epochs(b'a'..=b'e');
        // a is used again, so b is the one to go.
        assert_eq!(epochs.record([b'a'; 4], 2), OLD);
        assert_eq!(epochs.record([b'f'; 4], 1), NEW);
        assert!(epochs.knows([b'a'; 4]) && !epochs.knows([b'b'; 4]));
        assert_eq!(epochs.record([b'a'; 4], 2), Err(Error::StaleEpoch));
        // Declared: a replay of a forgotten epoch is accepted.
        assert_eq!(epochs.record([b'b'; 4], 1), NEW);
    }

    #[test]
    fn a_refused_frame_does_not_count_as_use() {
        let mut epochs = epochs(b'a'..=b'e');
        assert_eq!(epochs.record([b'a'; 4], 1), Err(Error::StaleEpoch));
        assert_eq!(epochs.record([b'f'; 4], 1), NEW);
        assert!(!epochs.knows([b'a'; 4]));
    }

    #[test]
    fn each_mode_has_its_own_state() {
        let mut compat = Replay::new(Mode::Compat);
        assert_eq!((compat.record([1; 4], 0), compat.record([2; 4], 0)), (OLD, OLD), "the reference's quirk");
        let mut safe = Replay::new(Mode::Safe);
        assert_eq!((safe.record([1; 4], 5), safe.record([2; 4], 5)), (OLD, NEW));
        let mut hardened = Replay::new(Mode::Hardened);
        assert_eq!((hardened.record([0; 4], 5), hardened.record([0; 4], 5)), (OLD, Err(Error::Replay)));
        assert!(safe.knows([1; 4]) && !hardened.knows([0; 4]));
    }
}
