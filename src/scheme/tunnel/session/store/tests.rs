//! The store: identity, the cap, the older session, and threads.

use super::super::NewSession;
use super::super::testing::{session, toy};
use super::*;
use crate::host::sync::{model, spawn};
use crate::scheme::tunnel::{Limits, Mode};

fn store(cap: usize) -> Store {
    let limits = Limits { sessions: cap, ..Limits::default() };
    Store::new(&Options { limits, ..Options::default() })
}

/// A session with the peer; two of them differ in identity only.
fn with(peer: u32) -> Arc<Session> {
    Arc::new(Session::new(session(Mode::Safe, 1, peer, 7)))
}

/// One that opened a frame at this time.
fn used(peer: u32, at_ms: u64) -> Arc<Session> {
    let session = with(peer);
    session.commit(at_ms, [0; 4], 1).unwrap();
    session
}

fn is(found: Option<Arc<Session>>, expected: &Arc<Session>) -> bool {
    found.is_some_and(|found| Arc::ptr_eq(&found, expected))
}

#[test]
fn a_session_is_found_by_its_peer_and_replaced_by_identity() {
    let store = store(10);
    let (a, b) = (with(2), with(2));
    assert!(store.get(2).is_none() && store.openers(2).is_none());
    assert!(store.install(2, Arc::clone(&a), true).unwrap().is_none());
    assert!(is(store.get(2), &a) && store.is_installed(2, &a) && !store.is_installed(2, &b));
    assert!(store.install(2, Arc::clone(&a), true).unwrap().is_none(), "the same one replaces nothing");
    assert!(store.openers(2).unwrap().older.is_none());
    assert!(is(store.install(2, Arc::clone(&b), true).unwrap(), &a));
    assert!(is(store.get(2), &b) && is(store.openers(2).unwrap().older, &a));
    assert_eq!((store.len(), store.peers()), (1, vec![2]));
}

#[test]
fn the_older_session_opens_until_the_current_one_is_confirmed() {
    let store = store(10);
    let (a, b) = (used(2, 1), with(2));
    for session in [&a, &b] {
        store.install(2, Arc::clone(session), true).unwrap();
    }
    assert!(!store.confirm(2, &a), "not the current one");
    assert!(store.confirm(2, &b) && !store.confirm(2, &b));
    assert!(store.openers(2).unwrap().older.is_none());
    assert_eq!(Arc::strong_count(&a), 1, "the store has let go of it");
    store.install(2, Arc::clone(&a), false).unwrap();
    assert!(store.openers(2).unwrap().older.is_none(), "not kept unless asked");
}

#[test]
fn exchanges_that_nobody_uses_cannot_push_out_the_session_in_use() {
    let store = store(10);
    let genuine = used(2, 100);
    let unused: Vec<_> = (0..5).map(|_| with(2)).collect();
    store.install(2, Arc::clone(&genuine), true).unwrap();
    for session in &unused {
        store.install(2, Arc::clone(session), true).unwrap();
        assert!(is(store.openers(2).unwrap().older, &genuine));
    }
    // The genuine peer's own exchange arrives again: its session is current, with all that it knows.
    let replaced = store.install(2, Arc::clone(&genuine), true).unwrap();
    assert!(is(replaced, &unused[4]) && is(store.get(2), &genuine));
    assert_eq!(genuine.window_max(), 1);
    store.install(2, Arc::clone(&unused[0]), true).unwrap();
    assert!(is(store.openers(2).unwrap().older, &genuine), "still not pushed out");
}

#[test]
fn only_the_very_session_is_dropped_and_an_older_one_takes_its_place() {
    let store = store(10);
    let (a, b) = (used(2, 1), with(2));
    store.install(2, Arc::clone(&a), true).unwrap();
    assert!(!store.drop_if(2, &b) && !store.drop_if(3, &a));
    store.install(2, Arc::clone(&b), true).unwrap();
    assert!(store.drop_if(2, &b) && is(store.get(2), &a));
    assert!(store.drop_if(2, &a) && store.get(2).is_none() && store.is_empty());
    store.install(2, Arc::clone(&a), true).unwrap();
    assert!(is(store.remove(2), &a) && store.remove(2).is_none());
    assert_eq!(store.len(), 0);
}

#[test]
fn a_full_store_refuses_new_peers_and_replaces_those_it_has() {
    let store = store(3);
    for peer in 10..13 {
        store.room_for(peer).unwrap();
        store.install(peer, with(peer), false).unwrap();
    }
    assert_eq!(store.room_for(13), Err(Error::StoreFull));
    assert_eq!(store.install(13, with(13), false).err(), Some(Error::StoreFull));
    assert_eq!((store.len(), store.peers()), (3, vec![10, 11, 12]));
    store.room_for(11).unwrap();
    assert!(store.install(11, with(11), false).unwrap().is_some());
    store.remove(10);
    store.room_for(13).unwrap();
    store.install(13, with(13), false).unwrap();
    assert_eq!(store.peers(), [11, 12, 13]);
}

#[test]
fn every_session_is_visited_with_no_lock_held_and_old_messages_are_wiped() {
    let store = store(100);
    for peer in 0..40 {
        let new = NewSession { ring: store.ring(), ..session(Mode::Safe, 1, peer, 7) };
        store.install(peer, Arc::new(Session::new(new)), true).unwrap();
    }
    let mut seen = Vec::new();
    store.for_each(|peer, session| {
        crate::scheme::tunnel::lock::outside();
        session.counter_for(0, b"message").unwrap();
        assert!(store.is_installed(peer, session));
        seen.push(peer);
    });
    seen.sort_unstable();
    assert_eq!(seen, (0..40).collect::<Vec<_>>());
    let whole = Limits::default().salvage_bytes;
    assert_eq!(store.budget().left(), whole - 40 * 256);
    store.trim(5_001);
    assert_eq!(store.budget().left(), whole);
}

#[test]
fn a_hardened_session_is_found_by_its_name() {
    let store = store(10);
    let named = |seed| Arc::new(Session::new(session(Mode::Hardened, 1, 2, seed)));
    let (a, b) = (named(1), named(2));
    for session in [&a, &b] {
        store.install(2, Arc::clone(session), true).unwrap();
    }
    let openers = store.openers(2).unwrap();
    assert!(openers.named([1; 4]).is_some_and(|found| Arc::ptr_eq(found, &a)));
    assert!(openers.named([2; 4]).is_some_and(|found| Arc::ptr_eq(found, &b)));
    assert!(openers.named([3; 4]).is_none());
}

#[test]
fn what_was_found_is_looked_up_again_after_every_change_and_let_go_of() {
    let store = store(10);
    let (a, b) = (with(2), with(2));
    let mut found = Found::new(2);
    assert!(found.look(&store).is_none() && found.look(&store).is_none());
    let current = |found: &mut Found| found.look(&store).map(|openers| Arc::clone(&openers.current));
    store.install(2, Arc::clone(&a), true).unwrap();
    assert!(is(current(&mut found), &a) && is(current(&mut found), &a));
    store.install(2, Arc::clone(&b), true).unwrap();
    assert!(is(current(&mut found), &b));
    assert!(found.look(&store).is_some_and(|openers| is(openers.older.clone(), &a)));
    store.confirm(2, &b);
    assert!(found.look(&store).is_some_and(|openers| openers.older.is_none()));
    assert_eq!(Arc::strong_count(&a), 1, "a look lets go of what the store let go of");
    store.drop_if(2, &b);
    assert!(found.look(&store).is_none());
    store.install(2, Arc::clone(&b), true).unwrap();
    assert!(is(current(&mut found), &b));
    store.remove(2);
    assert!(found.look(&store).is_none());
    assert_eq!((Arc::strong_count(&b), found.peer()), (1, 2));
}

#[test]
fn ids_that_differ_in_any_bit_spread_over_the_map() {
    let seed = Seed::random();
    for shift in [0, 8, 16, 24] {
        let buckets: std::collections::BTreeSet<u64> =
            (0..128_u32).map(|i| seed.hash_one(i << shift) % 1_024).collect();
        assert!(buckets.len() > 64, "{} buckets for ids that differ from bit {shift}", buckets.len());
    }
}

/// An exchange replaces the session while its failures drop it.
#[test]
fn model_a_compare_and_drop_never_drops_the_replacement() {
    model(|| {
        let store = Arc::new(store(10));
        let (old, new) = (Arc::new(toy(Mode::Compat, 1, 2)), Arc::new(toy(Mode::Compat, 1, 2)));
        store.install(2, Arc::clone(&old), false).unwrap();
        let dropper = {
            let (store, old) = (Arc::clone(&store), Arc::clone(&old));
            spawn(move || store.drop_if(2, &old))
        };
        store.install(2, Arc::clone(&new), false).unwrap();
        dropper();
        assert!(store.is_installed(2, &new));
        assert_eq!(store.len(), 1);
    });
}

/// Two peers and one place.
#[test]
fn model_two_peers_never_share_the_last_place() {
    model(|| {
        let store = Arc::new(store(1));
        let session = |peer| Arc::new(toy(Mode::Safe, 1, peer));
        let other = Arc::clone(&store);
        let theirs = spawn(move || other.install(3, session(3), true).is_ok());
        let mine = store.install(2, session(2), true).is_ok();
        assert!(theirs() != mine, "exactly one fits");
        assert_eq!((store.len(), store.peers().len()), (1, 1));
    });
}

/// The current session opens its first frame while an exchange replaces it: whatever the order, the older
/// session that stays is one that has opened a frame.
#[test]
fn model_a_confirmation_that_races_with_an_exchange_leaves_a_session_that_opened_a_frame() {
    model(|| {
        let store = Arc::new(store(10));
        let [first, second, third] = [(); 3].map(|()| Arc::new(toy(Mode::Safe, 1, 2)));
        first.commit(1, [0; 4], 1).unwrap();
        for session in [&first, &second] {
            store.install(2, Arc::clone(session), true).unwrap();
        }
        let opener = {
            let (store, second) = (Arc::clone(&store), Arc::clone(&second));
            spawn(move || {
                second.commit(2, [0; 4], 1).unwrap();
                store.confirm(2, &second)
            })
        };
        store.install(2, Arc::clone(&third), true).unwrap();
        let confirmed = opener();
        let openers = store.openers(2).unwrap();
        let older = openers.older.expect("one is kept");
        assert!(Arc::ptr_eq(&openers.current, &third));
        assert!(older.last_opened_ms().is_some());
        assert!(Arc::ptr_eq(&older, &second) || (!confirmed && Arc::ptr_eq(&older, &first)));
    });
}

/// A thread seals with what it found while another replaces the session: it may still use the old one, but
/// not after it has learnt that the exchange is over.
#[test]
fn model_what_was_found_is_never_older_than_what_the_thread_knows() {
    model(|| {
        let store = Arc::new(store(10));
        let [old, new] = [(); 2].map(|()| Arc::new(toy(Mode::Safe, 1, 2)));
        store.install(2, Arc::clone(&old), false).unwrap();
        let mut found = Found::new(2);
        assert!(found.look(&store).is_some_and(|openers| Arc::ptr_eq(&openers.current, &old)));
        let exchange = {
            let (store, new) = (Arc::clone(&store), Arc::clone(&new));
            spawn(move || store.install(2, new, false).unwrap().is_some())
        };
        let during = found.look(&store).map(|openers| Arc::clone(&openers.current)).expect("there is one");
        assert!(Arc::ptr_eq(&during, &old) || Arc::ptr_eq(&during, &new));
        assert!(exchange());
        assert!(found.look(&store).is_some_and(|openers| Arc::ptr_eq(&openers.current, &new)));
    });
}
