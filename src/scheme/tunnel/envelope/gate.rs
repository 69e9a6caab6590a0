//! Drop gates: when faults of a session call for another one (spec §7). Pure functions.
//!
//! In `compat` the failures that drop a session are those of unauthenticated frames, as in the reference:
//! whoever sends five forged frames drops it. `safe` and `hardened` never drop one for a frame that did not
//! open, nor for a replay (rule `no-drop`); they ask for new keys.

use super::super::{Error, Limits, Mode, Timing};

/// What to do after a frame was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Advice {
    /// Nothing.
    Keep,
    /// Ask the peer for new keys, at most once in [`Timing::rekey_request_ms`].
    Rekey,
    /// Drop the session, if it is still installed, and ask for new keys.
    DropAndRekey,
}

/// Whether the decrypt-failure gate drops a session: enough failures in a row, not too young, still
/// installed.
pub fn decrypt_fail_drops(
    count: u64,
    age_ms: u64,
    still_installed: bool,
    timing: &Timing,
    limits: &Limits,
) -> bool {
    count >= limits.drop_failures && age_ms >= timing.decrypt_drop_age_ms && still_installed
}

/// Whether the gate of the later generation drops a session for replays, or for late frames: enough of one
/// kind and not too young, or a single one in a settled session. No mode here uses it: a replay must harm
/// nobody.
pub fn window_fault_drops(
    count: u64,
    age_ms: u64,
    still_installed: bool,
    timing: &Timing,
    limits: &Limits,
) -> bool {
    let many = count >= limits.drop_failures && age_ms >= timing.window_drop_age_ms;
    let settled = count >= 1 && age_ms >= timing.window_settled_ms;
    (many || settled) && still_installed
}

/// What a mode does after a session refused a frame; `decrypt_fail` frames in a row did not open.
pub fn after(
    mode: Mode,
    error: Error,
    decrypt_fail: u64,
    age_ms: u64,
    still_installed: bool,
    timing: &Timing,
    limits: &Limits,
) -> Advice {
    let drops = || decrypt_fail_drops(decrypt_fail, age_ms, still_installed, timing, limits);
    match error {
        Error::NoKey(_) => Advice::Rekey,
        Error::NotAuthentic if mode == Mode::Compat => {
            if drops() {
                Advice::DropAndRekey
            } else {
                Advice::Keep
            }
        }
        Error::NotAuthentic => Advice::Rekey,
        _ => Advice::Keep,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: fn() -> Timing = Timing::default;
    const L: fn() -> Limits = Limits::default;

    #[test]
    fn failures_drop_a_session_only_in_a_row_after_a_grace_and_while_installed() {
        let drops = |count, age, installed| decrypt_fail_drops(count, age, installed, &T(), &L());
        assert!(drops(5, 3_000, true) && drops(50, 60_000, true));
        assert!(!drops(4, 60_000, true) && !drops(5, 2_999, true) && !drops(5, 3_000, false));
    }

    #[test]
    fn replays_drop_a_session_in_number_or_singly_once_it_is_settled() {
        let drops = |count, age, installed| window_fault_drops(count, age, installed, &T(), &L());
        assert!(drops(5, 1_000, true) && drops(1, 60_000, true));
        assert!(!drops(0, 60_000, true) && !drops(4, 59_999, true) && !drops(5, 999, true));
        assert!(!drops(5, 60_000, false));
    }

    #[test]
    fn only_compat_drops_a_session_for_frames_that_do_not_open() {
        let after = |mode, error| after(mode, error, 1_000_000, 60_000, true, &T(), &L());
        assert_eq!(after(Mode::Compat, Error::NotAuthentic), Advice::DropAndRekey);
        for mode in [Mode::Safe, Mode::Hardened] {
            assert_eq!(after(mode, Error::NotAuthentic), Advice::Rekey);
        }
        for mode in Mode::ALL {
            assert_eq!(after(mode, Error::NoKey(1)), Advice::Rekey);
            for error in [Error::Replay, Error::OutsideWindow, Error::StaleEpoch, Error::CounterZero] {
                assert_eq!(after(mode, error), Advice::Keep, "{error}");
            }
        }
    }
}
