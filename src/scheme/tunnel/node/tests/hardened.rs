//! The hardened handshake between two nodes: replays, lost hellos, floods.

use super::*;

/// Every frame that crossed a pair's network during one handshake and a message each way.
fn recorded(pair: &Pair) -> Vec<(u32, Vec<u8>)> {
    pair.a.node.exchange().request(B);
    let mut all = Vec::new();
    let carry = |all: &mut Vec<(u32, Vec<u8>)>| {
        loop {
            let frames = [pair.a.wire.take_all(), pair.b.wire.take_all()].concat();
            if frames.is_empty() {
                break;
            }
            for (to, frame) in frames {
                let node = if to == A { &pair.a.node } else { &pair.b.node };
                message(node, frame.clone());
                all.push((to, frame));
            }
        }
    };
    carry(&mut all);
    assert_eq!(pair.a.node.send(B, b"m"), Ok(Sent::Sealed));
    assert_eq!(pair.b.node.send(A, b"m"), Ok(Sent::Sealed));
    carry(&mut all);
    all
}

#[test]
fn no_recorded_frame_installs_or_changes_a_hardened_session_not_even_after_a_restart() {
    let mut pair = Pair::new(Mode::Hardened);
    let frames = recorded(&pair);
    assert_eq!(frames.len(), 5, "three hellos and two messages");
    let sessions = || [pair.a.node.session(B).unwrap(), pair.b.node.session(A).unwrap()];
    let before = sessions();
    let counters = before.clone().map(|session| (session.counters().opened, session.window_max()));
    for _ in 0..3 {
        for (to, frame) in &frames {
            // To its receiver, and back to its sender.
            for node in [&pair.a.node, &pair.b.node] {
                assert_eq!(message(node, frame.clone()), None, "to {to}");
            }
        }
        pair.clock.advance(1_000);
    }
    let after = sessions();
    assert!(before.iter().zip(&after).all(|(before, after)| Arc::ptr_eq(before, after)));
    assert_eq!(after.map(|session| (session.counters().opened, session.window_max())), counters);
    pair.a.wire.take_all();
    pair.b.wire.take_all();
    pair.restart_a(1);
    for (_, frame) in &frames {
        assert_eq!(message(&pair.a.node, frame.clone()), None);
    }
    assert!(pair.a.node.store().is_empty(), "a node without memory believes none of them");
}

#[test]
fn a_lost_last_hello_is_made_up_for_by_the_next_frame() {
    let pair = Pair::new(Mode::Hardened);
    pair.a.node.exchange().request(B);
    message(&pair.b.node, pair.a.wire.take().unwrap().1);
    message(&pair.a.node, pair.b.wire.take().unwrap().1);
    assert!(pair.a.node.session(B).is_some() && pair.b.node.session(A).is_none());
    assert_eq!(pair.a.wire.take_all().len(), 1, "this one is lost");
    pair.clock.advance(1_000);
    assert_eq!(pair.a.node.send(B, b"again"), Ok(Sent::Sealed));
    // B does not know the session, begins again, and A sends the message once more under the new one.
    assert_eq!(pair.deliver().1, [b"again"]);
    // A duplicate of B's answer: A repeats the last hello instead of losing the handshake.
    let pair = Pair::new(Mode::Hardened);
    pair.a.node.exchange().request(B);
    message(&pair.b.node, pair.a.wire.take().unwrap().1);
    let answer = pair.b.wire.take().unwrap().1;
    message(&pair.a.node, answer.clone());
    let lost = pair.a.wire.take().unwrap().1;
    message(&pair.a.node, answer);
    assert_eq!(pair.a.wire.take().unwrap().1, lost);
    message(&pair.b.node, lost);
    assert!(pair.b.node.session(A).is_some() && pair.b.wire.is_empty(), "and they fall silent");
}

#[test]
fn a_registered_key_that_changes_is_fetched_again_for_an_answer_alone() {
    let mut pair = Pair::new(Mode::Hardened);
    pair.establish();
    // A has another Ed25519 key, of which B's cache knows nothing.
    let newer = || Identity::from_bytes(A, Some(&[3; 32]), Some(&[4; 32]));
    pair.a =
        Party::new(newer(), Options::new(Mode::Hardened), engine(), &pair.clock, &pair.registry).unwrap();
    let asked = pair.registry.asked();
    pair.a.node.exchange().request(B);
    pair.deliver();
    assert!(pair.a.node.session(B).is_none(), "the registry still has the old key");
    assert_eq!(pair.registry.asked() - asked, 2, "A fetched B's key, B fetched A's again");
    pair.clock.advance(5_000);
    pair.registry.add(&newer());
    let old = pair.b.node.session(A).unwrap();
    pair.a.node.exchange().request(B);
    pair.deliver();
    assert!(pair.a.node.session(B).is_some() && !Arc::ptr_eq(&old, &pair.b.node.session(A).unwrap()));
    // Forged starts make B begin itself, and cost no fetch.
    let asked = pair.registry.asked();
    pair.a.node.exchange().request(B);
    let mut start = pair.a.wire.take().unwrap().1;
    *start.last_mut().unwrap() ^= 1;
    pair.clock.advance(5_000);
    assert_eq!(pair.b.node.receive(&mut start, Source::DIRECT).unwrap_err(), Error::BadSignature(A));
    assert_eq!((pair.b.wire.len(), pair.registry.asked()), (1, asked));
}

#[test]
fn a_flood_of_hellos_does_not_keep_out_the_peer() {
    let pair = Pair::new(Mode::Hardened);
    // The genuine start, recorded and replayed, and forged ones: B's allowance for starts is used up.
    pair.a.node.exchange().request(B);
    let start = pair.a.wire.take().unwrap().1;
    for i in 0..10_000_u32 {
        let mut frame = start.clone();
        frame[45..49].copy_from_slice(&i.to_be_bytes());
        assert_eq!(message(&pair.b.node, frame), None);
    }
    let work = pair.b.node.exchange().tallies();
    assert!(work.signature_checks <= 4 && pair.b.node.exchange().tallies().agreements == 0);
    assert_eq!(pair.b.wire.len(), 1, "B begins itself, once");
    let refused = pair.b.node.receive(&mut start.clone(), Source::DIRECT).unwrap_err();
    assert_eq!(refused, Error::Limited(A));
    // A answers B's start, B examines the answer, because it echoes B's bytes.
    pair.deliver();
    assert!(pair.a.node.session(B).is_some() && pair.b.node.session(A).is_some());
}
