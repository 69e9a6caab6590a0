//! The exchange on its own: replies, events, and what each mode refuses. What a flood costs, and what is
//! asked for again, is in `limits`.

mod limits;

use super::rekey::ANSWERS_EXAMINED;
use super::*;
use crate::primitive::ed25519::Signer;
use crate::scheme::tunnel::frame::{self, signed_message};
use crate::scheme::tunnel::testing::{A, B, Pair, Party, engine, identity, reborn};
use crate::scheme::tunnel::{Limits, NO_DOWNGRADE, NO_UNAUTHENTICATED_EXCHANGE};

pub const COMPATIBLE: [Mode; 2] = [Mode::Compat, Mode::Safe];

pub fn pila(identity: &Identity) -> Vec<u8> {
    identity.pila().unwrap().to_vec()
}

pub fn pilk(identity: &Identity) -> Vec<u8> {
    identity.pilk().unwrap().to_vec()
}

pub fn handle(party: &Party, frame: &[u8]) -> Result<(Outcome, bool), Error> {
    let handled = party.node.exchange().handle(frame, Source::DIRECT);
    handled.map(|handled| (handled.outcome, handled.replied))
}

/// A `PILA` that names A and its registered key, with another X25519 key and a signature of nobody.
pub fn forged(number: u64) -> [u8; frame::PILA_LEN] {
    let mut x25519 = [7; 32];
    x25519[..8].copy_from_slice(&number.to_le_bytes());
    frame::pila(A, &x25519, &identity(A).ed25519_public().unwrap(), &[9; 64])
}

pub fn established(authenticated: bool, rekeyed: bool) -> Event {
    Event::Established { peer_node_id: A, authenticated, relay: false, rekeyed }
}

#[test]
fn a_new_and_a_changed_key_are_installed_announced_and_answered_in_this_order() {
    for mode in COMPATIBLE {
        let pair = Pair::new(mode);
        assert_eq!(handle(&pair.b, &pila(&identity(A))), Ok((Outcome::New, true)), "{mode:?}");
        assert_eq!(pair.b.events.take(), [established(true, false)]);
        let first = pair.b.node.session(A).unwrap();
        assert_eq!(pair.b.wire.take_all(), [(A, pila(&identity(B)))]);
        let installs = pair.b.events.take_installs();
        assert!(installs.len() == 1 && installs[0].old.is_none() && installs[0].is_change());
        assert_eq!(installs[0].peer_ed25519, identity(A).ed25519_public());

        assert_eq!(handle(&pair.b, &pila(&reborn(A, 1))), Ok((Outcome::Changed, true)), "{mode:?}");
        assert_eq!(pair.b.events.take(), [established(true, true)]);
        let installs = pair.b.events.take_installs();
        assert!(Arc::ptr_eq(installs[0].old.as_ref().unwrap(), &first));
        assert!(Arc::ptr_eq(&installs[0].new, &pair.b.node.session(A).unwrap()));
    }
}

#[test]
fn a_relayed_frame_says_so_in_its_event_and_in_the_hook() {
    let pair = Pair::new(Mode::Safe);
    let address = Some("192.0.2.1:4000".parse().unwrap());
    pair.b.node.exchange().handle(&pila(&identity(A)), Source { address, relay: true }).unwrap();
    let expected = Event::Established { peer_node_id: A, authenticated: true, relay: true, rekeyed: false };
    assert_eq!(pair.b.events.take(), [expected]);
    let installs = pair.b.events.take_installs();
    assert_eq!((installs[0].from, installs[0].from_relay), (address, true));
}

#[test]
fn a_repeated_key_keeps_the_session_with_its_counters_and_its_window() {
    for mode in COMPATIBLE {
        let pair = Pair::new(mode);
        pair.establish();
        let before = pair.b.node.session(A).unwrap();
        let (counters, max) = (before.counters(), before.window_max());
        assert!(max > 0 && counters.sealed > 0);
        pair.clock.advance(100_000);
        assert_eq!(handle(&pair.b, &pila(&identity(A))), Ok((Outcome::Unchanged, true)));
        let after = pair.b.node.session(A).unwrap();
        assert!(Arc::ptr_eq(&before, &after), "rule no-reset");
        assert_eq!((after.counters(), after.window_max()), (counters, max));
    }
}

#[test]
fn an_unchanged_key_is_answered_after_six_silent_seconds_and_once_a_second() {
    for mode in COMPATIBLE {
        let pair = Pair::new(mode);
        pair.establish();
        pair.clock.advance(5_990);
        let mut replied = Vec::new();
        for ms in 5_990..8_010 {
            if handle(&pair.b, &pila(&identity(A))) == Ok((Outcome::Unchanged, true)) {
                replied.push(ms);
            }
            pair.clock.advance(1);
        }
        assert_eq!(replied, [6_001, 7_001, 8_001], "{mode:?}: strictly more than 6 s");
    }
}

#[test]
fn a_repeat_is_announced_after_the_debounce_and_in_safe_once_a_second() {
    for (mode, expected) in [(Mode::Compat, vec![250, 600, 1_250]), (Mode::Safe, vec![250, 1_250])] {
        let pair = Pair::new(mode);
        handle(&pair.b, &pila(&identity(A))).unwrap();
        let installed = pair.b.events.take_installs();
        assert_eq!((pair.b.events.take().len(), installed.len()), (1, 1));
        let mut announced = Vec::new();
        let mut now = 0;
        for at in [0, 249, 250, 600, 1_250] {
            pair.clock.advance(at - now);
            now = at;
            handle(&pair.b, &pila(&identity(A))).unwrap();
            let events = pair.b.events.take();
            assert_eq!(
                events.len(),
                pair.b.events.take_installs().len(),
                "the event and the hook go together"
            );
            announced.extend(events.iter().map(|_| at));
        }
        assert_eq!(announced, expected, "{mode:?}");
    }
}

#[test]
fn every_kind_of_bad_frame_is_refused_for_its_own_reason_and_changes_nothing() {
    for mode in COMPATIBLE {
        let pair = Pair::new(mode);
        pair.registry.add(&identity(77));
        let good = pila(&identity(A));
        let altered = |at: usize| {
            let mut frame = good.clone();
            frame[at] ^= 1;
            handle(&pair.b, &frame)
        };
        let signed = |x25519: [u8; 32]| {
            let signature = identity(A).sign(&signed_message(A, &x25519)).unwrap();
            frame::pila(A, &x25519, &identity(A).ed25519_public().unwrap(), &signature)
        };
        let stranger = Signer::new(&[1; 32]);
        let x25519 = identity(A).x25519_public().unwrap();
        let other_signer =
            frame::pila(A, &x25519, &stranger.public(), &stranger.sign(&signed_message(A, &x25519)));
        let mut one = [0; 32];
        one[0] = 1;
        assert_eq!(handle(&pair.b, &good[..135]), Err(Error::TooShort));
        assert_eq!(altered(7), Err(Error::NoPeerKey(A ^ 1)), "the registry does not know the id");
        assert_eq!(altered(8), Err(Error::BadSignature(A)), "the X25519 key");
        assert_eq!(altered(40), Err(Error::WrongPeerKey(A)), "the Ed25519 key");
        assert_eq!(altered(72), Err(Error::BadSignature(A)), "the signature");
        assert_eq!(handle(&pair.b, &other_signer), Err(Error::WrongPeerKey(A)));
        pair.clock.advance(10_000);
        assert_eq!(handle(&pair.b, &signed([0; 32])), Err(Error::LowOrderPoint));
        assert_eq!(handle(&pair.b, &signed(one)), Err(Error::LowOrderPoint));
        assert!(pair.b.node.store().is_empty() && pair.b.events.take().is_empty() && pair.b.wire.is_empty());
        let longer = [&good[..], &[1, 2, 3]].concat();
        assert_eq!(handle(&pair.b, &longer), Ok((Outcome::New, true)), "bytes behind the frame are ignored");
    }
}

#[test]
fn our_own_frame_sent_back_to_us_is_refused_where_the_reference_accepts_it() {
    let pair = Pair::new(Mode::Safe);
    assert_eq!(handle(&pair.b, &pila(&identity(B))), Err(Error::Reflected));
    let pair = Pair::new(Mode::Compat);
    assert_eq!(handle(&pair.b, &pila(&identity(B))), Ok((Outcome::New, true)));
}

#[test]
fn frames_of_the_other_family_are_not_ours() {
    let hello = {
        let pair = Pair::new(Mode::Hardened);
        pair.a.node.exchange().request(B);
        pair.a.wire.take().unwrap().1
    };
    for mode in COMPATIBLE {
        assert_eq!(handle(&Pair::new(mode).b, &hello), Err(Error::NotATunnelFrame));
    }
    let pair = Pair::new(Mode::Hardened);
    assert_eq!(handle(&pair.b, &pila(&identity(A))), Err(Error::NotATunnelFrame));
    assert_eq!(handle(&pair.b, b"PILT message"), Err(Error::NotATunnelFrame));
}

#[test]
fn a_registry_that_cannot_be_asked_authenticates_nobody_and_a_known_key_stays() {
    for mode in COMPATIBLE {
        let pair = Pair::new(mode);
        pair.registry.set_down(true);
        assert_eq!(handle(&pair.b, &pila(&identity(A))), Err(Error::NoPeerKey(A)));
        pair.registry.set_down(false);
        pair.clock.advance(10_000);
        handle(&pair.b, &pila(&identity(A))).unwrap();
        pair.registry.set_down(true);
        assert_eq!(handle(&pair.b, &pila(&reborn(A, 1))), Ok((Outcome::Changed, true)));
    }
}

#[test]
fn a_registered_key_that_changes_is_fetched_again() {
    for mode in COMPATIBLE {
        let pair = Pair::new(mode);
        handle(&pair.b, &pila(&identity(A))).unwrap();
        let newer = Identity::from_bytes(A, Some(&[3; 32]), Some(&[4; 32]));
        assert_eq!(handle(&pair.b, &pila(&newer)), Err(Error::WrongPeerKey(A)));
        pair.registry.set(A, newer.ed25519_public());
        assert_eq!(handle(&pair.b, &pila(&newer)), Ok((Outcome::Changed, true)), "{mode:?}");
        assert_eq!(handle(&pair.b, &pila(&identity(A))), Err(Error::WrongPeerKey(A)));
    }
}

#[test]
fn safe_refuses_an_unauthenticated_exchange_unless_the_peer_is_allowed_and_says_who_it_is() {
    let pair = Pair::new(Mode::Safe);
    assert_eq!(handle(&pair.b, &pilk(&identity(5))), Err(Error::Rule(NO_UNAUTHENTICATED_EXCHANGE)));
    assert_eq!(pair.b.wire.take_all(), [(5, pila(&identity(B)))]);

    let options = Options { unauthenticated: [5, A].into(), ..Options::new(Mode::Safe) };
    let pair = Pair::with(options, engine());
    assert_eq!(handle(&pair.b, &pilk(&identity(5))), Ok((Outcome::New, true)));
    assert!(!pair.b.node.session(5).unwrap().authenticated());
    // Allowed, but the registry knows it.
    assert_eq!(handle(&pair.b, &pilk(&identity(A))), Err(Error::Downgrade(A)));
    assert_eq!(handle(&pair.b, &pilk(&identity(5))), Ok((Outcome::Unchanged, false)), "no reply to a repeat");
}

#[test]
fn an_unauthenticated_exchange_replaces_an_authenticated_session_only_in_compat() {
    for (mode, expected) in
        [(Mode::Safe, Err(Error::Rule(NO_DOWNGRADE))), (Mode::Compat, Ok((Outcome::Changed, true)))]
    {
        let options = Options { unauthenticated: [A].into(), ..Options::new(mode) };
        let pair = Pair::with(options, engine());
        handle(&pair.b, &pila(&identity(A))).unwrap();
        assert_eq!(handle(&pair.b, &pilk(&reborn(A, 1))), Err(Error::Downgrade(A)), "the key is known");
        // The registry is gone and the key forgotten: the reference's weakness.
        pair.registry.set_down(true);
        pair.b.node.exchange().remove_peer(A);
        assert_eq!(handle(&pair.b, &pilk(&reborn(A, 1))), expected, "{mode:?}");
    }
}

#[test]
fn without_our_own_keys_there_is_no_exchange() {
    let pair = Pair::new(Mode::Safe);
    let bare = Identity::from_bytes(9, None, Some(&[1; 32]));
    let party = Party::new(bare, Options::new(Mode::Safe), engine(), &pair.clock, &pair.registry).unwrap();
    assert_eq!(handle(&party, &pila(&identity(A))), Err(Error::NoOwnKey));
    assert_eq!(handle(&party, &pilk(&identity(A))), Err(Error::NoOwnKey));
    assert_eq!(party.node.exchange().request(A), Requested { frame_sent: false, tracked: false });
    let anonymous = Identity::from_bytes(9, Some(&[1; 32]), None);
    let options = Options::new(Mode::Hardened);
    let refused = Party::new(anonymous, options, engine(), &pair.clock, &pair.registry).unwrap_err();
    assert_eq!(refused, Error::NoIdentity);
}

#[test]
fn a_recorded_old_exchange_displaces_the_session_only_until_the_peer_repeats_its_own() {
    let pair = Pair::new(Mode::Safe);
    pair.establish();
    // The peer restarts; then somebody replays what it sent before.
    assert_eq!(handle(&pair.b, &pila(&reborn(A, 1))), Ok((Outcome::Changed, true)));
    let genuine = pair.b.node.session(A).unwrap();
    let mut restarted = pair;
    restarted.restart_a(1);
    let pair = restarted;
    handle(&pair.a, &pila(&identity(B))).unwrap();
    pair.b.wire.take_all();
    let mut frame = pair.a.node.seal(B, b"1").unwrap();
    pair.b.node.open_in_place(&mut frame.clone()).unwrap();
    let (counters, max) = (genuine.counters(), genuine.window_max());
    // With the genuine session confirmed, the first one is gone: its key is derived anew, and cuts nobody
    // off.
    assert_eq!(handle(&pair.b, &pila(&identity(A))), Ok((Outcome::Changed, true)));
    assert_eq!(pair.b.node.open_in_place(&mut frame), Err(Error::Replay), "the window is the old one's");
    let mut next = pair.a.node.seal(B, b"2").unwrap();
    assert_eq!(pair.b.node.open_in_place(&mut next).unwrap().plaintext, b"2");
    assert_eq!(handle(&pair.b, &pila(&reborn(A, 1))), Ok((Outcome::Restored, true)));
    let restored = pair.b.node.session(A).unwrap();
    assert!(Arc::ptr_eq(&restored, &genuine));
    assert!(restored.window_max() > max && restored.counters().sealed >= counters.sealed);
}

#[test]
fn a_peer_never_heard_is_stale_and_stays_heard_over_a_change_of_sessions() {
    let pair = Pair::new(Mode::Safe);
    let exchange = pair.b.node.exchange();
    assert!(exchange.inbound_stale(A));
    pair.establish();
    assert!(!exchange.inbound_stale(A));
    handle(&pair.b, &pila(&reborn(A, 1))).unwrap();
    handle(&pair.b, &pila(&reborn(A, 2))).unwrap();
    pair.clock.advance(6_000);
    assert!(!exchange.inbound_stale(A));
    pair.clock.advance(1);
    assert!(exchange.inbound_stale(A), "strictly more than 6 s");
    let pair = Pair::new(Mode::Safe);
    pair.establish();
    pair.b.node.exchange().remove_peer(A);
    assert!(pair.b.node.exchange().inbound_stale(A) && pair.b.node.session(A).is_some());
}

#[test]
fn events_have_the_references_names() {
    let name = |event: Event| (event.name(), event.peer());
    assert_eq!(name(established(true, true)), ("tunnel.established", A));
    assert_eq!(name(Event::RekeyGaveUp { peer_node_id: 7 }), ("tunnel.rekey_gave_up", 7));
    let replay = Event::NonceReplay { peer_node_id: 7, counter: 1, outside_window: false, authentic: true };
    assert_eq!(name(replay), ("security.nonce_replay", 7));
}
