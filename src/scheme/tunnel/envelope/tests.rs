//! Frames of every mode: published bytes, refusals, the order of authenticating and recording, threads.

use super::super::session::testing::{Toy, pair, session, toy};
use super::super::session::{Counters, Keys, NewSession, Openers};
use super::*;
use crate::aead::{self, Aead, Alg};
use crate::host::sync::{model, spawn};

fn seal(session: &Session, message: &[u8]) -> Vec<u8> {
    let mut out = vec![0xee; message.len() + overhead(session.mode())];
    assert_eq!(seal_into(session, 0, message, &mut out), Ok(out.len()));
    out
}

/// The frame that `session`'s key seals under a counter and prefix of one's choice.
fn seal_as(session: &Session, prefix: [u8; 4], counter: u64, message: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; PILS_OVERHEAD + message.len()];
    let header = Header::new(session.own(), prefix, counter);
    header.encode_into(&mut frame);
    let parts = Parts::split(Mode::Safe, &mut frame);
    parts.in_out.copy_from_slice(message);
    let mut tag = Tag::default();
    let key = session.keys().seal();
    key.seal(&header.nonce, aad(Mode::Safe, parts.header), parts.in_out, &mut tag).unwrap();
    parts.tag.copy_from_slice(&tag.0);
    frame
}

/// The same with a tag that is wrong.
fn forge(session: &Session, counter: u64) -> Vec<u8> {
    let mut frame = seal_as(session, session.prefix(), counter, b"forged");
    *frame.last_mut().unwrap() ^= 1;
    frame
}

fn open(session: &Session, frame: &[u8]) -> Result<Vec<u8>, Error> {
    let mut frame = frame.to_vec();
    open_in_place(session, 0, &mut frame).map(|opened| opened.plaintext.to_vec())
}

#[test]
fn a_published_frame_is_reproduced_and_opened() {
    // The third vector of pilot-envelope.json.
    let bytes = |hex: &str| hex::decode(hex).unwrap();
    let key = || {
        let key = bytes("5c8c642db0444bc6bde3840fb1b69cd2ec90715c680a60c8aab45cdffd7b9ec5");
        Keys::Both(aead::key(Alg::Aes256Gcm, &key).unwrap())
    };
    let message = bytes("1116ed6ee40e2acfdd5b7125740a875f50a4b46b8939c9b54531a5752900e5238c62");
    let frame = bytes(
        "50494c539097c8376bf8769e00000000000000038b2faf9f8284e093e1a55c4f8cf2da371892ed4f48da12f6f034aa5d\
         2579dd353c2eb9e0bdb81362baa24f5e1ca4c29ea341",
    );
    let sender = 2_425_866_295;
    for mode in [Mode::Compat, Mode::Safe] {
        let prefix = [0x6b, 0xf8, 0x76, 0x9e];
        let ours = session(mode, sender, 2, 0);
        let ours = Session::new(NewSession { keys: key(), prefix, sealed_before: 2, ..ours });
        assert_eq!(seal(&ours, &message), frame);
        let theirs = Session::new(NewSession { keys: key(), ..session(mode, 2, sender, 0) });
        assert_eq!(open(&theirs, &frame).as_ref(), Ok(&message));
    }
}

#[test]
fn what_one_end_seals_the_other_opens_and_only_the_frame_is_written() {
    for mode in Mode::ALL {
        let (a, b) = pair(mode, 7);
        for len in (0..80).chain([255, 1_350]) {
            let message = vec![len as u8; len];
            let mut out = vec![0xee; len + overhead(mode) + 3];
            assert_eq!(seal_into(&a, 5, &message, &mut out), Ok(len + overhead(mode)));
            assert_eq!(out.split_off(len + overhead(mode)), [0xee; 3]);
            let opened = open_in_place(&b, 5, &mut out).unwrap();
            assert_eq!((opened.peer, opened.new_epoch), (1, false));
            assert_eq!(opened.plaintext, message, "{} {len}", mode.name());
        }
        assert_eq!((a.counters().sealed, b.counters().opened), (82, 82));
        assert_eq!(a.drain_sent(5).last().unwrap()[..], [70; 1_350], "recent messages are kept");
    }
}

#[test]
fn every_flipped_bit_is_refused_and_leaves_no_plaintext_and_no_trace_but_a_count() {
    for mode in [Mode::Safe, Mode::Hardened] {
        let (a, b) = pair(mode, 7);
        open(&b, &seal(&a, b"first")).unwrap();
        let (frame, before) = (seal(&a, b"a secret message"), b.counters());
        let mut failures = 0;
        for bit in 0..frame.len() * 8 {
            let mut forged = frame.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            let error = open_in_place(&b, 9, &mut forged).map(drop).unwrap_err();
            // Where the sender stands, and in a hardened frame the session behind it.
            let names = if mode == Mode::Hardened { 5..13 } else { 4..8 };
            let expected = match bit / 8 {
                byte if names.contains(&byte) => Error::NoKey(Sealed::decode(mode, &forged).unwrap().sender),
                byte if byte < names.start => Error::NotATunnelFrame,
                _ => Error::NotAuthentic,
            };
            assert_eq!(error, expected, "{} bit {bit}", mode.name());
            if error == Error::NotAuthentic {
                failures += 1;
                let body = header_len(mode)..frame.len() - TAG_LEN;
                assert!(forged[body].iter().all(|byte| *byte == 0), "no plaintext is left");
            } else {
                assert_eq!(forged[header_len(mode)..], frame[header_len(mode)..], "it was not touched");
            }
        }
        assert_eq!(b.counters(), Counters { decrypt_fail: failures, ..before });
        assert_eq!((b.window_max(), b.last_opened_ms()), (1, Some(0)));
        assert_eq!(open(&b, &frame), Ok(b"a secret message".to_vec()), "the genuine frame still opens");
        assert_eq!(b.counters().decrypt_fail, 0);
    }
}

#[test]
fn a_frame_opens_once_and_its_replay_leaves_no_plaintext() {
    for mode in Mode::ALL {
        let (a, b) = pair(mode, 7);
        let frame = seal(&a, b"message");
        open(&b, &frame).unwrap();
        let mut again = frame.clone();
        assert_eq!(open_in_place(&b, 1, &mut again).map(drop), Err(Error::Replay), "{}", mode.name());
        assert!(!again.windows(7).any(|part| part == b"message"));
        assert_eq!((b.counters().opened, b.counters().replay), (1, 1));
    }
}

#[test]
fn late_frames_are_opened_down_to_the_windows_edge() {
    for mode in Mode::ALL {
        let (a, b) = pair(mode, 7);
        let frames: Vec<_> = (0..258).map(|i: u32| seal(&a, &i.to_be_bytes())).collect();
        assert!(open(&b, &frames[257]).is_ok());
        assert_eq!(open(&b, &frames[1]), Err(Error::OutsideWindow));
        assert!(open(&b, &frames[2]).is_ok());
        assert_eq!(b.counters().outside_window, 0, "an opened frame ends the run");
    }
}

#[test]
fn a_forged_counter_locks_the_peer_out_in_compat_only() {
    // The first order of pilot-state.json: (counter, forged), and what each order does.
    for (mode, expected) in [
        (
            Mode::Compat,
            [Ok(()), Err(Error::NotAuthentic), Err(Error::OutsideWindow), Err(Error::OutsideWindow)],
        ),
        (Mode::Safe, [Ok(()), Err(Error::NotAuthentic), Ok(()), Ok(())]),
    ] {
        let (a, b) = pair(mode, 7);
        let genuine = |counter| seal_as(&a, a.prefix(), counter, b"genuine");
        let frames = [genuine(1), forge(&a, 1 << 63), genuine(2), genuine(3)];
        let verdicts: Vec<_> = frames.iter().map(|frame| open(&b, frame).map(drop)).collect();
        assert_eq!(verdicts, expected, "{}", mode.name());
        assert_eq!(b.window_max(), if mode == Mode::Compat { 1 << 63 } else { 3 });
    }
}

#[test]
fn an_authentic_counter_zero_is_refused_by_a_named_rule_and_leaves_no_plaintext() {
    let (a, b) = pair(Mode::Safe, 7);
    let mut frame = seal_as(&a, [9; 4], 0, b"message");
    let error = open_in_place(&b, 0, &mut frame).map(drop).unwrap_err();
    assert_eq!((error, error.rule()), (Error::CounterZero, Some("counter-zero")));
    assert_eq!(frame[20..27], [0; 7]);
    let (a, b) = pair(Mode::Compat, 7);
    let frame = seal_as(&a, [9; 4], 0, b"message");
    assert!(open(&b, &frame).is_ok() && open(&b, &frame).is_ok(), "the reference's quirk");
}

#[test]
fn a_restarted_sender_is_understood_at_once_in_safe_and_after_its_old_count_in_compat() {
    for mode in [Mode::Compat, Mode::Safe] {
        let (a, b) = pair(mode, 7);
        for _ in 0..300 {
            open(&b, &seal(&a, b"before")).unwrap();
        }
        let mut frame = seal_as(&a, *b"next", 1, b"after");
        let opened = open_in_place(&b, 0, &mut frame).map(|opened| opened.new_epoch);
        assert_eq!(opened, if mode == Mode::Safe { Ok(true) } else { Err(Error::OutsideWindow) });
    }
}

#[test]
fn a_buffer_that_is_too_small_costs_no_counter_and_stays_unchanged() {
    for mode in Mode::ALL {
        let (a, _) = pair(mode, 7);
        let mut out = vec![0xee; 10 + overhead(mode) - 1];
        assert_eq!(seal_into(&a, 0, &[1; 10], &mut out), Err(Error::BufferTooSmall));
        assert!(out.iter().all(|byte| *byte == 0xee));
        assert_eq!((a.counters().sealed, a.drain_sent(0).len()), (0, 0));
    }
}

#[test]
fn the_last_counter_is_sealed_and_none_after_it() {
    for mode in Mode::ALL {
        let a = Session::new(NewSession { sealed_before: u64::MAX - 1, ..session(mode, 1, 2, 7) });
        let frame = seal(&a, b"last");
        assert_eq!(Sealed::decode(mode, &frame).map(|sealed| sealed.counter), Ok(u64::MAX));
        let mut out = [0xee; 100];
        assert_eq!(seal_into(&a, 0, b"next", &mut out), Err(Error::CounterExhausted));
        assert_eq!(out, [0xee; 100]);
        assert!(open(&pair(mode, 7).1, &frame).is_ok());
    }
}

#[test]
fn a_reflected_frame_does_not_open() {
    for mode in Mode::ALL {
        let (a, _) = pair(mode, 7);
        let mut frame = seal(&a, b"message");
        assert_eq!(open(&a, &frame), Err(Error::NoKey(1)), "it names its sender");
        let sender = if mode == Mode::Hardened { 5 } else { 4 };
        frame[sender..sender + 4].copy_from_slice(&2_u32.to_be_bytes());
        assert_eq!(open(&a, &frame), Err(Error::NotAuthentic), "{}", mode.name());
    }
}

/// An engine that leaves the plaintext of a refused frame in the buffer.
struct Careless;

impl Aead for Careless {
    fn seal(&self, nonce: &Nonce, aad: &[u8], in_out: &mut [u8], tag: &mut Tag) -> Result<(), aead::Error> {
        Toy.seal(nonce, aad, in_out, tag)
    }

    fn open(&self, nonce: &Nonce, aad: &[u8], in_out: &mut [u8], tag: &Tag) -> Result<(), aead::Error> {
        Toy.open(nonce, aad, in_out, tag)
    }
}

#[test]
fn what_an_engine_leaves_of_a_refused_frame_is_wiped() {
    for mode in Mode::ALL {
        let careless = |own, peer| {
            Session::new(NewSession { keys: Keys::Both(Box::new(Careless)), ..session(mode, own, peer, 7) })
        };
        let (a, b) = (careless(1, 2), careless(2, 1));
        let mut frame = seal(&a, b"message");
        *frame.last_mut().unwrap() ^= 1;
        assert_eq!(open_in_place(&b, 0, &mut frame).map(drop), Err(Error::NotAuthentic));
        assert!(frame[header_len(mode)..][..7].iter().all(|byte| *byte == 0));
    }
}

/// An engine that refuses to seal messages of this length.
struct Refusing(usize);

impl Aead for Refusing {
    fn seal(&self, nonce: &Nonce, aad: &[u8], in_out: &mut [u8], tag: &mut Tag) -> Result<(), aead::Error> {
        if in_out.len() == self.0 {
            return Err(aead::Error::MessageTooLong);
        }
        Toy.seal(nonce, aad, in_out, tag)
    }

    fn open(&self, nonce: &Nonce, aad: &[u8], in_out: &mut [u8], tag: &Tag) -> Result<(), aead::Error> {
        Toy.open(nonce, aad, in_out, tag)
    }
}

#[test]
fn a_message_that_is_not_sealed_is_neither_kept_nor_left_in_the_buffer() {
    for mode in Mode::ALL {
        let keys = Keys::Both(Box::new(Refusing(9)));
        let a = Session::new(NewSession { keys, ..session(mode, 1, 2, 7) });
        seal(&a, b"message");
        let mut out = [0xee; 60];
        assert!(seal_into(&a, 0, b"not today", &mut out).is_err());
        assert!(out[header_len(mode)..][..9].iter().all(|byte| *byte == 0));
        let (mut one, mut other) = ([0xee; 60], [0xee; 60]);
        let both = batch::seal_frames(&a, 0, &[b"later", b"not today"], &mut [&mut one, &mut other]);
        assert!(both.is_err(), "{}", mode.name());
        assert!(one[header_len(mode)..][..5].iter().chain(&other[header_len(mode)..][..9]).all(|b| *b == 0));
        assert_eq!((a.counters().sealed, a.counters().seal_fail), (4, 3));
        assert_eq!(a.drain_sent(0).iter().map(|kept| &kept[..]).collect::<Vec<_>>(), [b"message"]);
    }
}

/// A peer's two sessions, theirs and ours.
fn two(mode: Mode) -> ([Session; 2], Openers) {
    let ((old_peer, older), (new_peer, current)) = (pair(mode, 7), pair(mode, 8));
    ([old_peer, new_peer], Openers { current: Arc::new(current), older: Some(Arc::new(older)) })
}

#[test]
fn during_a_change_of_keys_frames_of_both_sessions_are_opened_and_told_apart() {
    for mode in [Mode::Safe, Mode::Hardened] {
        let (peers, openers) = two(mode);
        let older = openers.older.as_ref().unwrap();
        for _ in 0..3 {
            for (peer, expected) in peers.iter().zip([older, &openers.current]) {
                let mut frame = seal(peer, b"message");
                let copy = frame.clone();
                let (opened, session) = open_either(&openers, 0, &mut frame).unwrap();
                assert_eq!(opened.plaintext, b"message");
                assert!(Arc::ptr_eq(session, expected));
                let mut again = copy;
                let refused = open_either(&openers, 0, &mut again).map(drop);
                assert_eq!(refused, Err(Error::Replay), "{}", mode.name());
                assert!(!again.windows(7).any(|part| part == b"message"));
            }
        }
        assert_eq!((older.counters().opened, openers.current.counters().opened), (3, 3));
    }
}

#[test]
fn a_forgery_during_a_change_of_keys_is_counted_once_and_leaves_nothing() {
    for mode in [Mode::Safe, Mode::Hardened] {
        let (peers, openers) = two(mode);
        let mut frame = seal(&peers[1], b"message");
        let genuine = frame.clone();
        *frame.last_mut().unwrap() ^= 1;
        assert_eq!(open_either(&openers, 0, &mut frame).map(drop), Err(Error::NotAuthentic));
        assert!(frame[header_len(mode)..][..7].iter().all(|byte| *byte == 0));
        let older = openers.older.as_ref().unwrap();
        assert_eq!((openers.current.counters().decrypt_fail, older.counters().decrypt_fail), (1, 0));
        assert!(open_either(&openers, 0, &mut genuine.clone()).is_ok());
        let (_, stranger) = pair(mode, 9);
        let mut frame = seal(&stranger, b"message");
        assert_eq!(open_either(&openers, 0, &mut frame).map(drop), Err(Error::NoKey(2)));
    }
}

/// Two copies of one frame, in every interleaving under `--cfg sealmark_loom`.
#[test]
fn model_of_two_openers_of_one_frame_exactly_one_wins() {
    for mode in Mode::ALL {
        model(move || {
            let (a, b) = (toy(mode, 1, 2), Arc::new(toy(mode, 2, 1)));
            let frame = seal(&a, b"message");
            let (other, copy) = (Arc::clone(&b), frame.clone());
            let theirs = spawn(move || open(&other, &copy));
            let verdicts = [open(&b, &frame), theirs()];
            assert_eq!(verdicts.iter().filter(|verdict| verdict.is_ok()).count(), 1);
            assert!(verdicts.contains(&Err(Error::Replay)));
            assert_eq!((b.counters().opened, b.window_max()), (1, 1));
        });
    }
}

/// A forgery with the counter of a genuine frame. In `compat` the genuine frame loses in some orders.
#[test]
fn model_a_forgery_that_races_with_a_genuine_frame_changes_nothing() {
    for mode in [Mode::Safe, Mode::Hardened] {
        model(move || {
            let (a, b) = (toy(mode, 1, 2), Arc::new(toy(mode, 2, 1)));
            let frame = seal(&a, b"message");
            let (other, mut forged) = (Arc::clone(&b), frame.clone());
            *forged.last_mut().unwrap() ^= 1;
            let forger = spawn(move || open(&other, &forged));
            assert_eq!(open(&b, &frame), Ok(b"message".to_vec()));
            assert_eq!(forger(), Err(Error::NotAuthentic));
            assert_eq!((b.counters().opened, b.window_max(), open(&b, &frame)), (1, 1, Err(Error::Replay)));
        });
    }
}

/// The harm of `compat`, and the proof that the models see orders other than the usual one.
#[cfg(sealmark_loom)]
#[test]
fn model_in_compat_a_forgery_makes_the_genuine_frame_lose_in_some_order() {
    use std::sync::atomic::{AtomicBool, Ordering};

    static LOST: AtomicBool = AtomicBool::new(false);
    model(|| {
        let (a, b) = (toy(Mode::Compat, 1, 2), Arc::new(toy(Mode::Compat, 2, 1)));
        let frame = seal(&a, b"message");
        let (other, mut forged) = (Arc::clone(&b), frame.clone());
        *forged.last_mut().unwrap() ^= 1;
        let forger = spawn(move || open(&other, &forged));
        if open(&b, &frame) == Err(Error::Replay) {
            LOST.store(true, Ordering::Relaxed);
        }
        assert!(forger().is_err());
    });
    assert!(LOST.load(Ordering::Relaxed), "no order was found in which the genuine frame loses");
}
