//! Sessions: counters, verdicts and counts, without frames.

use std::collections::BTreeSet;

use super::testing::{pair, session, toy};
use super::*;
use crate::host::sync::{model, spawn};

#[test]
fn counters_begin_with_one_and_end_before_they_wrap() {
    let (a, _) = pair(Mode::Safe, 1);
    assert_eq!(
        (a.next_counter(), a.next_counter(), a.counters_for(0, &[b"a", b"b", b"c"])),
        (Ok(1), Ok(2), Ok(3))
    );
    assert_eq!((a.next_counter(), a.counters().sealed), (Ok(6), 6));
    let end = Session::new(NewSession { sealed_before: u64::MAX - 2, ..session(Mode::Safe, 1, 2, 1) });
    assert_eq!(end.counters_for(0, &[b"a", b"b", b"c"]), Err(Error::CounterExhausted), "two are left");
    assert_eq!((end.next_counter(), end.next_counter()), (Ok(u64::MAX - 1), Ok(u64::MAX)));
    for _ in 0..3 {
        assert_eq!(end.next_counter(), Err(Error::CounterExhausted));
    }
    assert_eq!(end.counters().sealed, 2);
}

#[test]
fn replays_and_late_frames_are_counted_until_one_is_opened() {
    let (a, _) = pair(Mode::Safe, 1);
    let prefix = [9; 4];
    a.commit(10, prefix, 300).unwrap();
    assert_eq!(
        (a.commit(11, prefix, 300), a.commit(11, prefix, 300)),
        (Err(Error::Replay), Err(Error::Replay))
    );
    assert_eq!(a.commit(11, prefix, 44), Err(Error::OutsideWindow));
    a.failed();
    let Counters { opened, decrypt_fail, replay, outside_window, .. } = a.counters();
    assert_eq!((opened, decrypt_fail, replay, outside_window), (1, 1, 2, 1));
    assert_eq!((a.window_max(), a.last_opened_ms()), (300, Some(10)), "only the accepted frame changed them");
    a.commit(12, prefix, 299).unwrap();
    assert_eq!(a.counters(), Counters { opened: 2, ..Counters::default() });
    assert_eq!(a.last_opened_ms(), Some(12));
}

#[test]
fn a_stale_epoch_and_counter_zero_touch_no_count() {
    let (a, _) = pair(Mode::Safe, 1);
    a.commit(1, [1; 4], 5).unwrap();
    a.commit(1, [2; 4], 5).unwrap();
    let before = a.counters();
    assert_eq!(a.commit(2, [1; 4], 5), Err(Error::StaleEpoch));
    assert_eq!(a.commit(2, [3; 4], 0), Err(Error::CounterZero));
    assert_eq!((a.counters(), a.window_max(), a.last_opened_ms()), (before, 5, Some(1)));
    assert!(!a.knows([3; 4]), "counter 0 begins no epoch");
}

#[test]
fn counter_zero_is_refused_except_where_the_reference_accepts_it() {
    for mode in [Mode::Safe, Mode::Hardened] {
        assert_eq!(pair(mode, 1).0.commit(1, [0; 4], 0), Err(Error::CounterZero));
    }
    let (compat, _) = pair(Mode::Compat, 1);
    assert!(compat.commit(1, [0; 4], 0).is_ok() && compat.commit(1, [0; 4], 0).is_ok());
}

#[test]
fn a_frame_opened_at_time_zero_was_opened() {
    let (a, _) = pair(Mode::Hardened, 1);
    assert_eq!(a.last_opened_ms(), None);
    a.commit(0, [0; 4], 1).unwrap();
    assert_eq!(a.last_opened_ms(), Some(0));
}

#[test]
fn debug_shows_no_key_and_no_message() {
    let (a, _) = pair(Mode::Safe, 0x41);
    a.counter_for(0, b"AAAAAAAA").unwrap();
    assert_eq!(format!("{a:?}"), "Session { mode: Safe, peer: 2, authenticated: true, .. }");
    let new = format!("{:?}", session(Mode::Hardened, 1, 2, 0x41));
    assert!(new.contains("keys: Directed { .. }"), "{new}");
    assert_eq!(format!("{:?}", Keys::Both(Box::new(testing::Toy))), "Both(..)");
}

/// In every interleaving under `--cfg sealmark_loom`.
#[test]
fn model_two_sealers_never_get_the_same_counter() {
    model(|| {
        let new = NewSession { sealed_before: u64::MAX - 3, ..session(Mode::Safe, 1, 2, 7) };
        let session = Arc::new(Session::new(NewSession { keys: Keys::Both(Box::new(testing::Toy)), ..new }));
        let other = Arc::clone(&session);
        let both = spawn(move || [other.next_counter(), other.next_counter()]);
        let mine = [session.next_counter(), session.next_counter()];
        let all: Vec<_> = both().into_iter().chain(mine).collect();
        let given: BTreeSet<u64> = all.iter().filter_map(|counter| counter.ok()).collect();
        assert_eq!(given, BTreeSet::from([u64::MAX - 2, u64::MAX - 1, u64::MAX]), "{all:?}");
    });
}

/// Two copies of an authentic frame.
#[test]
fn model_of_two_commits_of_one_counter_exactly_one_wins() {
    model(|| {
        let session = Arc::new(toy(Mode::Safe, 1, 2));
        let other = Arc::clone(&session);
        let theirs = spawn(move || other.commit(1, [0; 4], 8));
        let mine = session.commit(1, [0; 4], 8);
        let verdicts = [theirs(), mine];
        assert_eq!(verdicts.iter().filter(|verdict| verdict.is_ok()).count(), 1);
        assert!(verdicts.contains(&Err(Error::Replay)));
        assert_eq!((session.counters().opened, session.window_max()), (1, 8));
    });
}

/// A sender and an exchange that drains the ring.
#[test]
fn model_a_message_recorded_during_a_drain_is_drained_once() {
    model(|| {
        let session = Arc::new(toy(Mode::Safe, 1, 2));
        session.counter_for(1, b"first").unwrap();
        let other = Arc::clone(&session);
        let sender = spawn(move || other.counter_for(1, b"second"));
        let mut drained = session.drain_sent(1);
        assert_eq!(sender(), Ok(2));
        drained.extend(session.drain_sent(1));
        let drained: Vec<&[u8]> = drained.iter().map(|message| &message[..]).collect();
        assert_eq!(drained, [&b"first"[..], b"second"]);
    });
}
