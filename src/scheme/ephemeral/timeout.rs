//! How long a round waits for its parties (spec §5), and the clock that says so.
//!
//! The cut-offs are fractions of one window that begins with the key generation, so a phase that starts late
//! has less time. Times are whole seconds since 1970.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use super::routing::Phase;

/// The window in seconds, unless [`WINDOW_VARIABLE`] sets another.
pub const DEFAULT_WINDOW_SECS: u64 = 7_200;
/// The variable that sets the window.
pub const WINDOW_VARIABLE: &str = "E3_DKG_WINDOW_SECS";

/// A source of the current time. Tests inject their own.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Seconds since 1970.
    fn now(&self) -> u64;
}

/// The system's clock. A time before 1970 counts as 0.
#[derive(Clone, Copy, Default, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}

impl Phase {
    /// The end of the phase, in ten-thousandths of the window from its beginning.
    const fn basis_points(self) -> u64 {
        match self {
            Self::EncryptionKey => 1_000,
            Self::ThresholdShare => 6_000,
            Self::DecryptionKeyShared => 10_000,
        }
    }

    /// The variable that overrides its timeout.
    pub const fn variable(self) -> &'static str {
        match self {
            Self::EncryptionKey => "E3_ENCRYPTION_KEY_COLLECTION_TIMEOUT_SECS",
            Self::ThresholdShare => "E3_THRESHOLD_SHARE_COLLECTION_TIMEOUT_SECS",
            Self::DecryptionKeyShared => "E3_DECRYPTION_KEY_SHARED_COLLECTION_TIMEOUT_SECS",
        }
    }
}

/// The window and the overrides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timeouts {
    window: u64,
    overrides: [Option<u64>; 3],
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { window: DEFAULT_WINDOW_SECS, overrides: [None; 3] }
    }
}

impl Timeouts {
    /// Reads the window and the overrides through `variable`, which returns the value of an environment
    /// variable. A value that is not a whole number of seconds above 0 is ignored.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let seconds = |name: &str| variable(name)?.trim().parse().ok().filter(|seconds| *seconds > 0);
        Self {
            window: seconds(WINDOW_VARIABLE).unwrap_or(DEFAULT_WINDOW_SECS),
            overrides: Phase::ALL.map(|phase| seconds(phase.variable())),
        }
    }

    /// Seconds left for a phase that begins now, in a window that began at `started`. The whole cut-off if
    /// that is unknown; the override, if there is one, whatever the time.
    pub fn remaining(&self, phase: Phase, started: Option<u64>, now: u64) -> u64 {
        if let Some(seconds) = self.overrides[phase as usize] {
            return seconds;
        }
        let cut_off = u128::from(self.window) * u128::from(phase.basis_points()) / 10_000;
        let cut_off = u64::try_from(cut_off).unwrap_or(u64::MAX).max(1);
        cut_off.saturating_sub(started.map_or(0, |started| now.saturating_sub(started)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_ends_at_its_fraction_of_the_window_whenever_it_begins() {
        let timeouts = Timeouts::default();
        let left = |started, now| Phase::ALL.map(|phase| timeouts.remaining(phase, started, now));
        assert_eq!(left(Some(1_000), 1_000), [720, 4_320, 7_200]);
        assert_eq!(left(Some(1_000), 1_719), [1, 3_601, 6_481]);
        assert_eq!(left(Some(1_000), 9_000), [0, 0, 0]);
        assert_eq!(left(None, 9_000), [720, 4_320, 7_200], "an unknown start");
        assert_eq!(left(Some(9_000), 1_000), [720, 4_320, 7_200], "a clock that went back");
    }

    #[test]
    fn a_tiny_window_leaves_each_phase_a_second_and_a_huge_one_does_not_overflow() {
        let window =
            |seconds: u64| Timeouts::read(move |name| (name == WINDOW_VARIABLE).then(|| seconds.to_string()));
        let left = |seconds| Phase::ALL.map(|phase| window(seconds).remaining(phase, Some(5), 5));
        assert_eq!(left(1), [1, 1, 1]);
        assert_eq!(left(19), [1, 11, 19]);
        assert_eq!(left(u64::MAX), [u64::MAX / 10, 11_068_046_444_225_730_969, u64::MAX]);
    }

    #[test]
    fn an_override_holds_for_its_phase_and_a_senseless_one_is_ignored() {
        for phase in Phase::ALL {
            let of = |value: &'static str| {
                let timeouts = Timeouts::read(move |name| (name == phase.variable()).then(|| value.into()));
                Phase::ALL.map(|phase| timeouts.remaining(phase, Some(0), 700))
            };
            let plain = [20, 3_620, 6_500];
            let mut overridden = plain;
            overridden[phase as usize] = 30;
            assert_eq!(of("30"), overridden);
            for ignored in ["0", "-1", "1.5", "30s", "", "18446744073709551616"] {
                assert_eq!(of(ignored), plain, "{ignored}");
            }
        }
    }
}
