//! What floods cost, and that they lock nobody out; requests that are repeated and given up.

use super::*;

#[test]
fn a_full_store_is_known_before_any_agreement_fetch_or_check() {
    for mode in COMPATIBLE {
        let limits = Limits { sessions: 1, ..Limits::default() };
        let options = Options { limits, unauthenticated: [5].into(), ..Options::new(mode) };
        let pair = Pair::with(options, engine());
        pair.registry.add(&identity(6));
        handle(&pair.b, &pila(&identity(A))).unwrap();
        let before = pair.b.node.exchange().tallies();
        assert_eq!(handle(&pair.b, &pila(&identity(6))), Err(Error::StoreFull));
        assert_eq!(pair.b.node.exchange().tallies(), before);
        assert_eq!(handle(&pair.b, &pilk(&identity(5))), Err(Error::StoreFull));
        assert_eq!(pair.b.node.exchange().tallies().agreements, before.agreements);
        assert_eq!(handle(&pair.b, &pila(&reborn(A, 1))), Ok((Outcome::Changed, true)), "a known peer fits");
    }
}

#[test]
fn a_flood_of_forged_exchanges_changes_nothing_and_costs_four_checks() {
    let pair = Pair::new(Mode::Safe);
    pair.establish();
    pair.clock.advance(1_000);
    let session = pair.b.node.session(A).unwrap();
    let (counters, before) = (session.counters(), pair.b.node.exchange().tallies());
    for number in 0..10_000 {
        let refused = handle(&pair.b, &forged(number)).unwrap_err();
        assert!(matches!(refused, Error::BadSignature(A) | Error::Limited(A)), "{refused}");
    }
    let after = pair.b.node.exchange().tallies();
    assert_eq!(after.signature_checks - before.signature_checks, 4);
    assert_eq!((after.registry_fetches, after.agreements), (before.registry_fetches, before.agreements));
    assert!(Arc::ptr_eq(&session, &pair.b.node.session(A).unwrap()));
    assert_eq!((session.counters(), pair.b.wire.len(), pair.b.events.take().len()), (counters, 0, 0));
    // The peer repeats its exchange in the middle of the flood: recognised without a check.
    assert_eq!(handle(&pair.b, &pila(&identity(A))), Ok((Outcome::Unchanged, false)));
    assert_eq!(pair.b.node.exchange().tallies(), after);
    // The peer restarts: one allowance comes back every 250 ms.
    assert_eq!(handle(&pair.b, &pila(&reborn(A, 1))), Err(Error::Limited(A)));
    pair.clock.advance(250);
    assert_eq!(handle(&pair.b, &pila(&reborn(A, 1))), Ok((Outcome::Changed, true)));
}

#[test]
fn the_answer_to_our_request_is_examined_behind_512_forged_ones() {
    let pair = Pair::new(Mode::Safe);
    assert_eq!(pair.b.node.exchange().request(A), Requested { frame_sent: true, tracked: true });
    let ahead = ANSWERS_EXAMINED + 3;
    (0..u64::from(ahead)).for_each(|number| {
        assert_eq!(handle(&pair.b, &forged(number)), Err(Error::BadSignature(A)));
    });
    assert_eq!(handle(&pair.b, &pila(&identity(A))), Ok((Outcome::New, true)));
    // The bound itself: four of the allowance, and those paid for.
    let pair = Pair::new(Mode::Safe);
    pair.b.node.exchange().request(A);
    (0..10_000).for_each(|number| assert!(handle(&pair.b, &forged(number)).is_err()));
    assert_eq!(pair.b.node.exchange().tallies().signature_checks, u64::from(ANSWERS_EXAMINED) + 4);
    assert_eq!(pair.registry.asked(), 1);
}

#[test]
fn wrong_embedded_keys_cost_a_bounded_number_of_fetches_and_never_the_known_key() {
    let wrong = |number: u64| {
        let mut frame = forged(number);
        frame[40] ^= 1;
        frame
    };
    let pair = Pair::new(Mode::Safe);
    handle(&pair.b, &pila(&identity(A))).unwrap();
    pair.registry.set_down(true);
    let before = pair.registry.asked();
    (0..10_000).for_each(|number| assert!(handle(&pair.b, &wrong(number)).is_err()));
    assert!(pair.registry.asked() - before <= 4, "{}", pair.registry.asked() - before);
    assert_eq!(handle(&pair.b, &pila(&reborn(A, 1))), Ok((Outcome::Changed, true)), "the key is still known");
    // The reference forgets it first: hazard (d), and the way to its downgrade.
    let pair = Pair::new(Mode::Compat);
    handle(&pair.b, &pila(&identity(A))).unwrap();
    pair.registry.set_down(true);
    assert_eq!(handle(&pair.b, &wrong(0)), Err(Error::NoPeerKey(A)));
    assert_eq!(handle(&pair.b, &pila(&reborn(A, 1))), Err(Error::NoPeerKey(A)), "one forged frame took it");
    assert_eq!(handle(&pair.b, &pilk(&reborn(A, 2))), Ok((Outcome::Changed, true)), "and lets anybody in");
}

#[test]
fn invented_ids_cost_a_bounded_number_of_fetches_in_all() {
    let pair = Pair::new(Mode::Safe);
    for id in 1_000_000..1_020_000 {
        let frame = frame::pila(id, &[1; 32], &[2; 32], &[3; 64]);
        let refused = handle(&pair.b, &frame).unwrap_err();
        assert!(matches!(refused, Error::NoPeerKey(_) | Error::Limited(_)));
    }
    let limit = Limits::default().limited_peers as u64;
    assert!(pair.registry.asked() <= limit + 4, "{}", pair.registry.asked());
    assert_eq!(handle(&pair.b, &pila(&identity(A))), Err(Error::Limited(A)), "beyond the table, peers share");
    pair.clock.advance(1_000);
    assert_eq!(handle(&pair.b, &pila(&identity(A))), Ok((Outcome::New, true)));
}

#[test]
fn an_unanswered_request_is_repeated_and_given_up_with_an_event() {
    for mode in Mode::ALL {
        let pair = Pair::new(mode);
        let exchange = pair.a.node.exchange();
        assert_eq!(exchange.request(B), Requested { frame_sent: true, tracked: true });
        let mut sent = pair.a.wire.take_all().len();
        for _ in 0..5 {
            pair.clock.advance(4_000);
            assert_eq!(exchange.tick(), [0; 0]);
            sent += pair.a.wire.take_all().len();
        }
        assert_eq!((sent, exchange.gave_up(B)), (6, false), "{mode:?}");
        pair.clock.advance(4_000);
        assert_eq!(exchange.tick(), [B]);
        assert_eq!(pair.a.events.take(), [Event::RekeyGaveUp { peer_node_id: B }]);
        assert!(exchange.gave_up(B));
        assert_eq!(exchange.request(B), Requested { frame_sent: true, tracked: false }, "sent all the same");
        pair.clock.advance(5_000);
        assert!(!exchange.gave_up(B) && exchange.request(B).tracked);
    }
}

#[test]
fn a_frame_of_the_peer_clears_a_request_and_an_opened_frame_also_the_cool_down() {
    let pair = Pair::new(Mode::Safe);
    let exchange = pair.b.node.exchange();
    (0..6).for_each(|_| assert!(exchange.request(A).frame_sent));
    assert_eq!(exchange.tick(), [A]);
    handle(&pair.b, &pila(&identity(A))).unwrap();
    assert!(exchange.gave_up(A) && exchange.attempts(A).is_none());
    exchange.opened(A);
    assert!(!exchange.gave_up(A));
    exchange.request(A);
    exchange.opened(A);
    assert_eq!(exchange.attempts(A), None);
}

#[test]
fn after_failures_a_peer_is_asked_once_in_three_seconds_and_strangers_do_not_crowd_it_out() {
    let pair = Pair::new(Mode::Safe);
    pair.establish();
    let exchange = pair.b.node.exchange();
    let asked = (0..100_000).filter(|id| exchange.request_after_failure(1 << 24 | id).is_some()).count();
    assert_eq!(asked, Limits::default().rekey_requests + 1, "strangers beyond the table share one request");
    assert!(exchange.request_after_failure(A).is_some());
    let mut at = Vec::new();
    for ms in 0..6_001 {
        at.extend(exchange.request_after_failure(A).map(|_| ms));
        pair.clock.advance(1);
    }
    assert_eq!(at, [3_000, 6_000]);
    assert!(exchange.request_after_failure(B).is_none(), "never ourselves");
}

#[test]
fn strangers_take_a_bounded_part_of_the_pending_requests() {
    let limits = Limits { sessions: 40, rekey_requests: 10, ..Limits::default() };
    let pair = Pair::with(Options { limits, ..Options::new(Mode::Safe) }, engine());
    let exchange = pair.b.node.exchange();
    let mut tracked = 0;
    for id in 0..100 {
        let asked = exchange.request_after_failure(1 << 24 | id);
        tracked += u32::from(asked.is_some_and(|asked| asked.tracked));
        pair.clock.advance(1_000);
    }
    assert_eq!(tracked, 10);
    assert!((0..30).all(|id| exchange.request(id).tracked) && !exchange.request(30).tracked);
}
