//! Nodes in pairs: messages, what waits, what is sent again. What an attacker achieves in each mode is in
//! `attack`; what is particular to the hardened handshake, in `hardened`.

mod attack;
mod hardened;

use std::sync::{Mutex as StdMutex, OnceLock, Weak};

use super::*;
use crate::aead::Alg;
use crate::scheme::tunnel::exchange::{Outcome, Requested, Sender, Source, derive};
use crate::scheme::tunnel::frame::{self, Header, Kind, kind};
use crate::scheme::tunnel::session::{Counters, Keys, NewSession};
use crate::scheme::tunnel::testing::{
    A, B, MapRegistry, Pair, Party, Wire, engine, identity, message, reborn,
};
use crate::scheme::tunnel::{Limits, ManualClock, Timing};

pub const STRICT: [Mode; 2] = [Mode::Safe, Mode::Hardened];

/// A frame in A's name that nobody sealed, with the given counter.
pub fn forged(node: &Node, counter: u64) -> Vec<u8> {
    if node.options().mode.is_compatible() {
        let mut frame = vec![0x5a; frame::PILS_OVERHEAD + 64];
        Header::new(A, [9; 4], counter).encode_into(&mut frame);
        return frame;
    }
    let mut frame = vec![0x5a; frame::DATA_OVERHEAD + 64];
    let session = node.session(A).map_or([0; 4], |session| session.session_id());
    frame::DataHeader { sender: A, session, counter }.encode_into(&mut frame);
    frame
}

pub const STRANGER: u32 = 0x57a6;

/// A frame in the name of a node without a session.
pub fn stranger(node: &Node) -> Vec<u8> {
    let mut frame = forged(node, 1);
    let at = if node.options().mode.is_compatible() { 4 } else { 5 };
    frame[at..at + 4].copy_from_slice(&STRANGER.to_be_bytes());
    frame
}

pub fn is_exchange(bytes: &[u8]) -> bool {
    matches!(kind(bytes), Some(Kind::Authenticated | Kind::Unauthenticated | Kind::Hello))
}

#[test]
fn the_first_message_waits_for_the_exchange_and_then_arrives_once_in_every_mode() {
    for mode in Mode::ALL {
        let pair = Pair::new(mode);
        for i in 0..5 {
            assert_eq!(pair.a.node.send(B, &[i]), Ok(Sent::Queued));
        }
        assert_eq!((pair.a.node.queued(B), pair.a.wire.len()), (5, 1), "one request for all");
        let (_, at_b) = pair.deliver();
        assert_eq!(at_b, [[0], [1], [2], [3], [4]], "{mode:?}");
        assert_eq!(pair.b.node.send(A, b"back"), Ok(Sent::Sealed));
        assert_eq!(pair.deliver().0, [b"back"]);
        assert_eq!(pair.a.node.queued(B), 0);
    }
}

#[test]
fn after_a_restart_recent_messages_are_sealed_again_in_order_and_then_those_that_waited() {
    for mode in Mode::ALL {
        let mut pair = Pair::new(mode);
        pair.establish();
        pair.clock.advance(5_001);
        for i in 0..6_u8 {
            assert_eq!(pair.b.node.send(A, &[i]), Ok(Sent::Sealed));
        }
        pair.b.wire.take_all();
        pair.restart_a(1);
        assert_eq!(pair.a.node.exchange().request(B), Requested { frame_sent: true, tracked: true });
        let (at_a, _) = pair.deliver();
        assert_eq!(at_a, [[2], [3], [4], [5]], "{mode:?}: the last four, not older than 5 s");
        // They are not kept again: a second restart brings none of them.
        pair.restart_a(2);
        pair.a.node.exchange().request(B);
        assert_eq!(pair.deliver().0, Vec::<Vec<u8>>::new());
    }
}

#[test]
fn the_old_session_opens_until_the_new_one_has_opened_a_frame() {
    for mode in STRICT {
        let mut pair = Pair::new(mode);
        pair.establish();
        let late = [b"1", b"2"].map(|m| pair.a.node.seal(B, m).unwrap());
        pair.restart_a(1);
        pair.a.node.exchange().request(B);
        pair.deliver();
        let opened = pair.b.node.open_in_place(&mut late[0].clone()).map(|opened| opened.plaintext.to_vec());
        assert_eq!(opened, Ok(b"1".to_vec()), "{mode:?}: sent before the restart, delivered after it");
        assert_eq!(pair.a.node.send(B, b"new"), Ok(Sent::Sealed));
        assert_eq!(pair.deliver().1, [b"new"]);
        let refused = pair.b.node.open_in_place(&mut late[1].clone()).unwrap_err();
        assert!(matches!(refused, Error::NotAuthentic | Error::NoKey(A)), "{mode:?}: {refused}");
    }
}

#[test]
fn a_link_seals_and_opens_as_its_node_does_through_every_change_of_sessions() {
    for mode in Mode::ALL {
        let mut pair = Pair::new(mode);
        let (mut out, sealed_len) = ([0; 100], 4 + pair.b.node.overhead());
        {
            let mut link = pair.b.node.link(A);
            assert_eq!(link.seal_into(b"none", &mut out), Err(Error::NoKey(A)), "before any exchange");
        }
        pair.establish();
        for turn in 1..4 {
            let mut link = pair.b.node.link(A);
            for text in [b"here", b"now!"] {
                assert_eq!(link.seal_into(text, &mut out), Ok(sealed_len), "{mode:?}");
                let opened = pair.a.node.open_in_place(&mut out[..sealed_len]).unwrap();
                assert_eq!((opened.peer, &*opened.plaintext), (B, &text[..]));
                let mut back = pair.a.node.seal(B, text).unwrap();
                let mut again = back.clone();
                assert_eq!(link.open_in_place(&mut back).unwrap().plaintext, text);
                assert_eq!(link.open_in_place(&mut again).map(drop), Err(Error::Replay), "{mode:?}");
            }
            pair.clock.advance(5_001);
            pair.restart_a(turn);
            pair.a.node.exchange().request(B);
            pair.deliver();
        }
        let mut link = pair.b.node.link(A);
        assert_eq!(link.peer(), A);
        assert!(link.seal_into(b"here", &mut out).is_ok());
        pair.b.node.remove_peer(A);
        assert_eq!(link.seal_into(b"gone", &mut out), Err(Error::NoKey(A)), "{mode:?}");
        let mut frame = forged(&pair.a.node, 1);
        assert!(matches!(link.open_in_place(&mut frame).map(drop), Err(Error::NoKey(A))));
        let mut other = stranger(&pair.a.node);
        assert!(matches!(link.open_in_place(&mut other).map(drop), Err(Error::NoKey(STRANGER))));
    }
}

#[test]
fn a_full_queue_refuses_and_a_peer_that_was_given_up_loses_what_waited_with_a_report() {
    for mode in Mode::ALL {
        let pair = Pair::new(mode);
        (0..64).for_each(|i| assert_eq!(pair.a.node.send(B, &[i]), Ok(Sent::Queued)));
        assert_eq!(pair.a.node.send(B, b"m"), Err(Error::QueueFull(B)));
        for _ in 0..6 {
            pair.clock.advance(4_000);
            pair.a.node.tick();
        }
        let gave_up = Event::RekeyGaveUp { peer_node_id: B };
        assert_eq!(pair.a.events.take(), [gave_up, Event::MessagesLost { peer_node_id: B, messages: 64 }]);
        assert_eq!(pair.a.node.send(B, b"m"), Err(Error::GaveUp(B)));
        assert_eq!(pair.a.node.queued(B), 0);
        pair.clock.advance(5_000);
        pair.a.wire.take_all();
        assert_eq!(pair.a.node.send(B, b"m"), Ok(Sent::Queued));
        assert_eq!(pair.deliver().1, [b"m"], "{mode:?}");
    }
}

#[test]
fn a_closed_network_is_reported_and_a_message_that_waits_is_asked_for_again() {
    let pair = Pair::new(Mode::Safe);
    pair.a.wire.set_closed(true);
    assert_eq!(pair.a.node.send(B, b"waits"), Ok(Sent::Queued));
    assert_eq!((pair.a.wire.len(), pair.a.node.exchange().attempts(B)), (0, None));
    pair.a.wire.set_closed(false);
    pair.clock.advance(4_000);
    pair.a.node.tick();
    assert_eq!(pair.deliver().1, [b"waits"]);
    pair.a.wire.set_closed(true);
    assert_eq!(pair.a.node.send(B, b"lost"), Ok(Sent::NotTaken));
    // What waited when the network closed is reported as lost.
    let pair = Pair::new(Mode::Safe);
    assert_eq!(pair.a.node.send(B, b"m"), Ok(Sent::Queued));
    pair.a.wire.set_closed(true);
    assert_eq!(message(&pair.a.node, identity(B).pila().unwrap().to_vec()), None);
    assert!(pair.a.events.take().contains(&Event::MessagesLost { peer_node_id: B, messages: 1 }));
}

#[test]
fn the_end_of_the_counters_is_an_error_of_its_own_and_begins_another_session() {
    for mode in Mode::ALL {
        let pair = Pair::new(mode);
        pair.establish();
        let node = &pair.a.node;
        let key = derive::compatible(&[1; 32]);
        let new = NewSession {
            mode,
            own: A,
            peer: B,
            keys: Keys::Both(engine().key(Alg::Aes256Gcm, &key[..]).unwrap()),
            prefix: [1; 4],
            session_id: [1; 4],
            created_at: 0,
            peer_x25519: [1; 32],
            authenticated: true,
            sealed_before: u64::MAX - 1,
            ring: node.store().ring(),
        };
        node.store().install(B, Arc::new(Session::new(new)), false).unwrap();
        let last = node.seal(B, b"m").unwrap();
        assert_eq!(Sealed::decode(mode, &last).unwrap().counter, u64::MAX);
        assert_eq!(node.seal(B, b"m"), Err(Error::CounterExhausted), "{mode:?}");
        assert_eq!(node.seal(B, b"m"), Err(Error::NoKey(B)), "it is dropped");
        assert_eq!(pair.a.wire.len(), 1, "and an exchange asked for");
        // In the compatible modes the peer answers once it has heard nothing for 6 s. Its key is the same
        // again.
        for _ in 0..2 {
            pair.deliver();
            pair.clock.advance(4_000);
            pair.a.node.tick();
        }
        pair.deliver();
        assert_eq!(node.send(B, b"m"), Ok(Sent::Sealed), "{mode:?}");
        // `compat` has one window for every prefix: the counters begin again inside it, and the second was
        // used.
        let expected: &[&[u8]] = if mode == Mode::Compat { &[] } else { &[b"m"] };
        assert_eq!(pair.deliver().1, expected, "{mode:?}");
    }
}

#[test]
fn many_frames_at_once_have_the_verdicts_of_single_ones() {
    for mode in Mode::ALL {
        let many = Pair::new(mode);
        many.establish();
        let messages: Vec<Vec<u8>> = (0..40_u8).map(|i| vec![i; usize::from(i) * 7]).collect();
        let plaintexts: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        let overhead = many.a.node.overhead();
        let mut frames: Vec<Vec<u8>> = messages.iter().map(|m| vec![0; m.len() + overhead]).collect();
        let mut outs: Vec<&mut [u8]> = frames.iter_mut().map(Vec::as_mut_slice).collect();
        many.a.node.seal_frames(B, &plaintexts, &mut outs).unwrap();
        // A replay, a forgery, a stranger, another protocol, and a frame cut short, between the others.
        frames.insert(10, frames[3].clone());
        // Its counter is near the others, because `compat` believes it.
        frames.insert(20, forged(&many.b.node, 60));
        frames.insert(21, stranger(&many.b.node));
        frames.insert(30, b"another protocol, long enough to be a frame of some kind".to_vec());
        frames.insert(31, frames[5][..20].to_vec());
        let mut buffers: Vec<&mut [u8]> = frames.iter_mut().map(Vec::as_mut_slice).collect();
        let mut verdicts = vec![Err(Error::TooShort); buffers.len()];
        many.b.node.open_frames(&mut buffers, &mut verdicts);
        let opened: Vec<Result<Vec<u8>, Error>> = verdicts
            .into_iter()
            .zip(frames.iter_mut())
            .map(|(verdict, frame)| verdict.map(|place| place.in_frame(frame).plaintext.to_vec()))
            .collect();
        let good: Vec<&Vec<u8>> = opened.iter().filter_map(|verdict| verdict.as_ref().ok()).collect();
        assert_eq!(good, messages.iter().collect::<Vec<_>>(), "{mode:?}");
        let refused = |at: usize| opened[at].clone().unwrap_err();
        assert_eq!((refused(10), refused(20)), (Error::Replay, Error::NotAuthentic), "{mode:?}");
        assert_eq!((refused(30), refused(31)), (Error::NotATunnelFrame, Error::TooShort), "{mode:?}");
        assert_eq!(refused(21), Error::NoKey(STRANGER));
    }
}

#[test]
fn datagrams_of_other_kinds_are_handed_on() {
    for mode in [Mode::Compat, Mode::Safe] {
        let pair = Pair::new(mode);
        let mut plain = b"PILTin the clear".to_vec();
        let received = pair.b.node.receive(&mut plain, Source::DIRECT);
        assert!(matches!(received, Ok(Received::Plain(b"in the clear"))), "{received:?}");
        let received = pair.b.node.receive(&mut frame::punch(77), Source::DIRECT).map(drop);
        assert_eq!(received, Ok(()));
        assert!(matches!(
            pair.b.node.receive(&mut frame::punch(77), Source::DIRECT),
            Ok(Received::Punch(77))
        ));
        assert_eq!(
            pair.b.node.receive(&mut b"PILP\0".to_vec(), Source::DIRECT).unwrap_err(),
            Error::TooShort
        );
    }
    for mode in Mode::ALL {
        let pair = Pair::new(mode);
        let foreign: &[&[u8]] = match mode {
            Mode::Hardened => &[b"PILTm", b"PILPaaaa", b"PILS", b"PILA", b"PILK", b"", b"GET /"],
            _ => &[b"SMTH\x01", b"SMTD\x01", b"", b"GET /"],
        };
        for bytes in foreign {
            let received = pair.b.node.receive(&mut bytes.to_vec(), Source::DIRECT).map(|r| format!("{r:?}"));
            assert_eq!(received, Ok("Foreign".into()), "{mode:?}: {bytes:?}");
        }
    }
}

#[test]
fn a_removed_peer_is_forgotten_with_what_waited() {
    let pair = Pair::new(Mode::Safe);
    assert_eq!(pair.a.node.send(B, b"m"), Ok(Sent::Queued));
    pair.a.node.remove_peer(B);
    assert_eq!(pair.a.events.take(), [Event::MessagesLost { peer_node_id: B, messages: 1 }]);
    assert_eq!((pair.a.node.queued(B), pair.a.node.exchange().attempts(B)), (0, None));
    pair.establish();
    pair.a.node.remove_peer(B);
    assert!(pair.a.node.session(B).is_none() && pair.a.node.store().is_empty());
}

/// A network that calls back into the node, as a program with one thread does on loopback.
#[derive(Default)]
struct Reentrant {
    node: OnceLock<Weak<Node>>,
    sent: StdMutex<Vec<Vec<u8>>>,
}

impl Sender for Reentrant {
    fn send(&self, peer: u32, frame: &[u8]) -> bool {
        if let Some(node) = self.node.get().and_then(Weak::upgrade) {
            // Each of these takes locks: it would panic or wait for ever if one were held.
            node.exchange().request_after_failure(peer);
            node.exchange().path_changed(peer);
            node.queued(peer);
            node.session(peer);
            node.exchange().inbound_stale(peer);
        }
        self.sent.lock().unwrap().push(frame.to_vec());
        true
    }
}

#[test]
fn the_outside_may_call_back_because_no_lock_is_held() {
    for mode in Mode::ALL {
        let pair = Pair::new(mode);
        let wire = StdArc::new(Reentrant::default());
        let outside = Outside {
            sender: Some(StdArc::clone(&wire) as StdArc<dyn Sender>),
            ..pair.a.node.exchange().outside().clone()
        };
        let clock = StdArc::clone(&pair.clock) as StdArc<dyn Clock>;
        let options = Options::new(mode);
        let node = StdArc::new(Node::new(identity(A), options, engine(), clock, outside).unwrap());
        wire.node.set(StdArc::downgrade(&node)).unwrap();
        assert_eq!(node.send(B, b"m"), Ok(Sent::Queued));
        for _ in 0..4 {
            for frame in std::mem::take(&mut *wire.sent.lock().unwrap()) {
                message(&pair.b.node, frame);
            }
            for (_, frame) in pair.b.wire.take_all() {
                message(&node, frame);
            }
        }
        pair.clock.advance(4_000);
        node.tick();
        assert!(node.session(B).is_some() && node.queued(B) == 0, "{mode:?}");
    }
}

#[test]
fn copies_of_one_exchange_in_many_threads_install_one_session() {
    for round in 0..20 {
        let clock = StdArc::new(ManualClock::at(1));
        let registry = StdArc::new(MapRegistry::of([A, B]));
        let party = Party::new(identity(B), Options::new(Mode::Safe), engine(), &clock, &registry).unwrap();
        let pila = *reborn(A, round).pila().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| party.node.exchange().handle(&pila, Source::DIRECT).map(drop));
            }
        });
        let changes = party.events.take_installs().iter().filter(|installed| installed.is_change()).count();
        assert_eq!(changes, 1, "round {round}");
    }
}

#[test]
fn both_sides_may_begin_at_once() {
    for mode in Mode::ALL {
        let pair = Pair::new(mode);
        assert_eq!(pair.a.node.send(B, b"to b"), Ok(Sent::Queued));
        assert_eq!(pair.b.node.send(A, b"to a"), Ok(Sent::Queued));
        let (from_a, from_b) = (pair.a.wire.take().unwrap().1, pair.b.wire.take().unwrap().1);
        let first = [message(&pair.b.node, from_a), message(&pair.a.node, from_b)];
        assert_eq!(first, [None, None]);
        let (at_a, at_b) = pair.deliver();
        assert_eq!((at_a, at_b), (vec![b"to a".to_vec()], vec![b"to b".to_vec()]), "{mode:?}");
    }
}

#[test]
fn a_repeated_exchange_flushes_nothing_twice() {
    let pair = Pair::new(Mode::Safe);
    pair.establish();
    assert_eq!(pair.b.node.send(A, b"m"), Ok(Sent::Sealed));
    assert_eq!(pair.deliver().0, [b"m"]);
    let mut pila = identity(A).pila().unwrap().to_vec();
    let received = pair.b.node.receive(&mut pila, Source::DIRECT).unwrap();
    let Received::Exchange(handled) = received else { panic!("{received:?}") };
    assert_eq!((handled.outcome, pair.b.wire.len()), (Outcome::Unchanged, 0));
}
