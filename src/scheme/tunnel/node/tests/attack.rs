//! What forged, altered and replayed frames achieve in each mode.

use super::*;

#[test]
fn a_frame_opens_once_and_an_altered_one_never() {
    for mode in Mode::ALL {
        let pair = Pair::new(mode);
        pair.establish();
        let sealed = pair.a.node.seal(B, b"attack at dawn").unwrap();
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 0x40;
            let refused = pair.b.node.open_in_place(&mut altered).unwrap_err();
            assert!(!altered.windows(14).any(|w| w == b"attack at dawn"), "{mode:?}: {at}: {refused}");
        }
        // `compat` believed the altered counters.
        let expected =
            if mode == Mode::Compat { Err(Error::OutsideWindow) } else { Ok(&b"attack at dawn"[..]) };
        let mut first = sealed.clone();
        assert_eq!(pair.b.node.open_in_place(&mut first).map(|opened| &*opened.plaintext), expected);
        if mode != Mode::Compat {
            let mut again = sealed.clone();
            assert_eq!(pair.b.node.open_in_place(&mut again), Err(Error::Replay));
            let start = sealed.len() - 16 - 14;
            assert_eq!(again[start..start + 14], [0; 14], "no plaintext of a replay");
        }
    }
}

#[test]
fn one_forged_frame_with_a_huge_counter_locks_the_peer_out_of_compat_only() {
    for mode in Mode::ALL {
        let pair = Pair::new(mode);
        pair.establish();
        let mut forged = forged(&pair.b.node, u64::MAX);
        assert_eq!(pair.b.node.open_in_place(&mut forged), Err(Error::NotAuthentic));
        let genuine = pair.a.node.seal(B, b"m").unwrap();
        let opened = pair.b.node.open_in_place(&mut genuine.clone()).map(|opened| opened.plaintext.to_vec());
        let expected = if mode == Mode::Compat { Err(Error::OutsideWindow) } else { Ok(b"m".to_vec()) };
        assert_eq!(opened, expected, "{mode:?}");
    }
}

#[test]
fn five_forged_frames_drop_a_session_of_compat_and_none_of_the_others() {
    for mode in Mode::ALL {
        let pair = Pair::new(mode);
        pair.establish();
        pair.clock.advance(Timing::default().decrypt_drop_age_ms);
        for counter in 100..105 {
            assert_eq!(
                pair.b.node.open_in_place(&mut forged(&pair.b.node, counter)),
                Err(Error::NotAuthentic)
            );
        }
        let dropped = pair.b.node.session(A).is_none();
        assert_eq!(dropped, mode == Mode::Compat, "{mode:?}");
        let expected = if dropped { vec![Event::SessionDropped { peer_node_id: A }] } else { vec![] };
        assert_eq!(pair.b.events.take(), expected);
        let asked = pair.b.wire.take_all();
        assert!(
            asked.len() == 1 && asked[0].0 == A && is_exchange(&asked[0].1),
            "it asks for new keys, once"
        );
    }
}

#[test]
fn after_a_drop_in_compat_recorded_frames_open_again() {
    let pair = Pair::new(Mode::Compat);
    pair.establish();
    let recorded = pair.a.node.seal(B, b"pay 100").unwrap();
    pair.b.node.open_in_place(&mut recorded.clone()).unwrap();
    pair.clock.advance(3_000);
    for counter in 100..105 {
        pair.b.node.open_in_place(&mut forged(&pair.b.node, counter)).unwrap_err();
    }
    // A still hears B, so it answers once it has heard nothing for 6 s: B asks again with its ticks.
    pair.b.wire.take_all();
    pair.clock.advance(4_000);
    pair.b.node.tick();
    pair.deliver();
    let opened = pair.b.node.open_in_place(&mut recorded.clone()).map(|opened| opened.plaintext.to_vec());
    assert_eq!(opened, Ok(b"pay 100".to_vec()), "hazard (b): the same key, and an empty window");
}

#[test]
fn a_flood_of_forged_frames_changes_nothing_but_a_count_and_asks_once() {
    for mode in STRICT {
        let pair = Pair::new(mode);
        pair.establish();
        let session = pair.b.node.session(A).unwrap();
        let (before, max) = (session.counters(), session.window_max());
        for counter in 0..20_000 {
            let mut frame = forged(&pair.b.node, counter << 20);
            assert_eq!(pair.b.node.open_in_place(&mut frame), Err(Error::NotAuthentic));
        }
        assert!(Arc::ptr_eq(&session, &pair.b.node.session(A).unwrap()));
        let expected = Counters { decrypt_fail: before.decrypt_fail + 20_000, ..before };
        assert_eq!((session.counters(), session.window_max()), (expected, max));
        assert_eq!((pair.b.wire.len(), pair.b.events.take().len()), (1, 0));
        // The answer to that request repeats what is known, or installs a fresh session; messages pass.
        pair.deliver();
        assert_eq!(pair.a.node.send(B, b"m"), Ok(Sent::Sealed));
        assert_eq!(pair.deliver().1, [b"m"]);
    }
}

#[test]
fn a_replay_is_refused_and_published_and_nothing_else_happens() {
    for (mode, authentic) in [(Mode::Compat, false), (Mode::Safe, true), (Mode::Hardened, true)] {
        let pair = Pair::new(mode);
        pair.establish();
        let frame = pair.a.node.seal(B, b"m").unwrap();
        pair.b.node.open_in_place(&mut frame.clone()).unwrap();
        let session = pair.b.node.session(A).unwrap();
        for _ in 0..100 {
            assert_eq!(pair.b.node.open_in_place(&mut frame.clone()), Err(Error::Replay));
        }
        let counter = Sealed::decode(mode, &frame).unwrap().counter;
        let replay = Event::NonceReplay { peer_node_id: A, counter, outside_window: false, authentic };
        assert_eq!(pair.b.events.take(), vec![replay; 100]);
        assert!(pair.b.wire.is_empty() && Arc::ptr_eq(&session, &pair.b.node.session(A).unwrap()));
    }
}

#[test]
fn ten_thousand_strangers_take_no_session_and_a_bounded_number_of_requests() {
    let limits = Limits { rekey_requests: 100, ..Limits::default() };
    let pair = Pair::with(Options { limits, ..Options::new(Mode::Safe) }, engine());
    let wire: &Wire = &pair.b.wire;
    for id in 0..10_000 {
        let mut frame = forged(&pair.b.node, 1);
        frame[4..8].copy_from_slice(&(1 << 20 | id as u32).to_be_bytes());
        let refused = pair.b.node.open_in_place(&mut frame).unwrap_err();
        assert!(matches!(refused, Error::NoKey(_)));
    }
    assert!(pair.b.node.store().is_empty() && wire.len() <= 101, "{}", wire.len());
}
