//! Any bytes as a frame: the codecs, sessions under fixed keys, and fresh nodes that are offered a key
//! exchange.

use std::sync::Arc;

use crate::aead::{Alg, TAG_LEN};
use crate::engine::find;
use crate::primitive::ed25519;
use crate::scheme::tunnel::exchange::{Handled, Source};
use crate::scheme::tunnel::frame::{self as wire, DataHeader, Frame, Header, Kind};
use crate::scheme::tunnel::session::{Keys, NewSession, Session, Store};
use crate::scheme::tunnel::testing::{MapRegistry, Party, engine, identity};
use crate::scheme::tunnel::{Error, Identity, ManualClock, Mode, Options, envelope};
use crate::verify::fuzz::planted;

/// The key, and its sender, of the vectors' refused frames, so that the seeds reach the code behind the tag.
pub(super) const VECTORS_KEY: [u8; 32] = [
    0xcf, 0x48, 0x9d, 0xc9, 0x74, 0xda, 0x73, 0x55, 0x24, 0x94, 0x12, 0x5c, 0xc7, 0x91, 0x35, 0x97, 0x6c,
    0x95, 0xe1, 0xa2, 0x26, 0x39, 0xbb, 0xd7, 0xfb, 0x7d, 0xc6, 0x20, 0x49, 0x53, 0x37, 0x49,
];
pub(super) const VECTORS_PEER: u32 = 3_040_162_991;
/// The receiver's X25519 secret of the vectors of key exchanges, and the Ed25519 key of node 77 in its
/// registry.
pub(super) const RECEIVER_X25519: [u8; 32] = [
    0x81, 0x49, 0x2c, 0x6d, 0xc7, 0xf2, 0x90, 0x63, 0x3c, 0x33, 0x90, 0x2e, 0xcc, 0x5f, 0x88, 0x5c, 0x78,
    0x72, 0x88, 0xd4, 0xf9, 0x78, 0x56, 0x6a, 0x81, 0x10, 0xb1, 0xde, 0x24, 0x32, 0x84, 0xdc,
];
pub(super) const REGISTERED: u32 = 77;
pub(super) const REGISTERED_ED25519: [u8; 32] = [
    0x91, 0x52, 0xd6, 0x6d, 0x47, 0xac, 0x32, 0x3b, 0x57, 0xb3, 0xfb, 0x15, 0x4e, 0x7d, 0x43, 0xa5, 0xf5,
    0xd3, 0x30, 0x94, 0x67, 0x10, 0x67, 0xdd, 0x1b, 0xd4, 0x90, 0x57, 0x4b, 0xff, 0x85, 0x04,
];
/// The node that receives; and the name of its hardened session.
pub(super) const OWN: u32 = 1;
pub(super) const SESSION: [u8; 4] = *b"name";

/// Treats the bytes as a frame: it is refused, or the codec reproduces it. A sealed one opens once, and then
/// only if it is what the session's peer seals. A key exchange changes nothing unless the registered key
/// signed it.
///
/// # Panics
/// If one of these does not hold.
pub fn frame(data: &[u8]) {
    decoded(data);
    for mode in Mode::ALL {
        if envelope::Sealed::is_one(mode, data) {
            sealed(mode, data);
        }
    }
    if matches!(wire::kind(data), Some(Kind::Authenticated | Kind::Unauthenticated | Kind::Hello)) {
        for mode in Mode::ALL {
            exchanged(mode, data);
        }
    }
}

/// What decodes encodes to the same bytes, but for those behind a key exchange, which are ignored.
fn decoded(data: &[u8]) {
    let frame = match Frame::decode(data) {
        Ok(frame) => frame,
        Err(Error::TooShort) => return assert!(wire::kind(data).is_some(), "it has a magic"),
        Err(Error::NotATunnelFrame) => {
            let is_long_hello = wire::kind(data) == Some(Kind::Hello) && data.len() > wire::HELLO_LEN;
            return assert!(wire::kind(data).is_none() || is_long_hello, "a frame that is none");
        }
        Err(other) => panic!("a codec refused with {other}"),
    };
    let same = |bytes: &[u8]| assert!(data.starts_with(bytes), "{frame:?} encodes to other bytes");
    let mut header = [0; wire::DATA_HEADER_LEN];
    match &frame {
        Frame::Plain(body) => assert_eq!([&wire::PILT[..], body].concat(), data),
        Frame::Sealed(of) => {
            of.encode_into(&mut header);
            same(&header[..wire::PILS_HEADER_LEN]);
            assert_eq!(Header::new(of.sender, of.prefix(), of.counter()), *of);
        }
        Frame::Unauthenticated { node_id, x25519 } => same(&wire::pilk(*node_id, x25519)),
        Frame::Authenticated { node_id, x25519, ed25519, signature } => {
            same(&wire::pila(*node_id, x25519, ed25519, signature));
        }
        Frame::Punch { sender } => same(&wire::punch(*sender)),
        Frame::Hello(hello) => assert_eq!(hello.encode()[..], *data, "a hello has one length"),
        Frame::HardenedSealed(of) => {
            of.encode_into(&mut header);
            same(&header);
        }
    }
}

/// A session of `own` with `peer` under the vectors' key, which goes on after this counter.
pub(super) fn session(mode: Mode, own: u32, peer: u32, prefix: [u8; 4], sealed_before: u64) -> Session {
    let engine = find("sealmark").expect("the engine of our own choice always exists");
    let key = || engine.key(Alg::Aes256Gcm, &VECTORS_KEY).expect("32 bytes are a key");
    let keys = match mode {
        Mode::Hardened => Keys::Directed { seal: key(), open: key() },
        _ => Keys::Both(key()),
    };
    let ring = Store::new(&Options::new(mode)).ring();
    Session::new(NewSession {
        mode,
        own,
        peer,
        keys,
        prefix,
        session_id: if mode == Mode::Hardened { SESSION } else { [0; 4] },
        created_at: 0,
        peer_x25519: [9; 32],
        authenticated: true,
        sealed_before,
        ring,
    })
}

fn sealed(mode: Mode, data: &[u8]) {
    let receiver = session(mode, OWN, VECTORS_PEER, [0; 4], 0);
    let mut buffer = data.to_vec();
    let message = match envelope::open_in_place(&receiver, 0, &mut buffer) {
        Ok(opened) => opened.plaintext.to_vec(),
        Err(error) => {
            assert_eq!(receiver.window_max(), refused_max(mode, data, error), "{mode:?}: {error}");
            return no_plaintext(mode, data, &buffer, error);
        }
    };
    let (prefix, counter) = nonce(data);
    if counter > 0 {
        let sender = session(mode, VECTORS_PEER, OWN, prefix, counter - 1);
        let mut again = vec![0; data.len()];
        assert_eq!(envelope::seal_unkept(&sender, &message, &mut again), Ok(data.len()));
        assert_eq!(again, data, "{mode:?}: an opened frame seals to the same bytes");
        buffer.copy_from_slice(data);
        let replayed = envelope::open_in_place(&receiver, 0, &mut buffer).map(|opened| opened.peer);
        assert_eq!(replayed, Err(Error::Replay), "{mode:?}");
        if mode != Mode::Compat {
            no_plaintext(mode, data, &buffer, Error::Replay);
        }
    }
    let mut altered = data.to_vec();
    let at = usize::from(data[data.len() - 1]) % data.len();
    altered[at] ^= 1;
    let receiver = session(mode, OWN, VECTORS_PEER, [0; 4], 0);
    let refused = envelope::open_in_place(&receiver, 0, &mut altered).map(|opened| opened.peer);
    assert!(refused.is_err(), "{mode:?}: byte {at} was altered, and the frame opens");
    planted();
}

fn nonce(data: &[u8]) -> ([u8; 4], u64) {
    if let Ok(header) = Header::decode(data) {
        return (header.prefix(), header.counter());
    }
    ([0; 4], DataHeader::decode(data).map_or(0, |header| header.counter))
}

/// The highest counter after a refusal: only the reference's order moves it.
fn refused_max(mode: Mode, data: &[u8], error: Error) -> u64 {
    if mode == Mode::Compat && error == Error::NotAuthentic { nonce(data).1 } else { 0 }
}

/// A refused frame is unchanged, or holds zeros in the place of its message.
fn no_plaintext(mode: Mode, data: &[u8], left: &[u8], error: Error) {
    let expected = match error {
        Error::NotAuthentic | Error::Replay | Error::CounterZero => {
            let mut wiped = data.to_vec();
            wiped[envelope::header_len(mode)..data.len() - TAG_LEN].fill(0);
            wiped
        }
        _ => data.to_vec(),
    };
    assert_eq!(left, expected, "{mode:?}: what {error} leaves");
}

/// A node of the vectors, which knows node 77 and one more.
pub(super) fn receiver(mode: Mode) -> Party {
    let registry = Arc::new(MapRegistry::of([OWN, 2]));
    registry.set(REGISTERED, Some(REGISTERED_ED25519));
    let own = Identity::from_bytes(OWN, Some(&RECEIVER_X25519), Some(&[0x5e; 32]));
    let clock = Arc::new(ManualClock::at(1_000_000));
    Party::new(own, Options::new(mode), engine(), &clock, &registry).expect("it has an Ed25519 key")
}

fn exchanged(mode: Mode, data: &[u8]) {
    let party = receiver(mode);
    let handle = |data: &[u8]| party.node.exchange().handle(data, Source::DIRECT);
    let changed = |handled: &Result<Handled, Error>| handled.as_ref().is_ok_and(|h| h.outcome.is_change());
    if !changed(&handle(data)) {
        return assert_eq!(party.node.store().len(), 0, "{mode:?}: nothing was installed");
    }
    let sender = match Frame::decode(data) {
        Ok(Frame::Authenticated { node_id, x25519, ed25519, signature }) => {
            let registered = match node_id {
                REGISTERED => Some(REGISTERED_ED25519),
                OWN | 2 => identity(node_id).ed25519_public(),
                _ => None,
            };
            assert_eq!(Some(ed25519), registered, "{mode:?}: a key that is not the registry's");
            let message = wire::signed_message(node_id, &x25519);
            assert!(ed25519::verify(&ed25519, &message, &signature).is_ok(), "{mode:?}: not signed");
            node_id
        }
        // Only the reference takes an unauthenticated exchange from a node that the registry does not know.
        Ok(Frame::Unauthenticated { node_id, .. }) => {
            assert!(
                mode == Mode::Compat && ![OWN, 2, REGISTERED].contains(&node_id),
                "{mode:?}: a downgrade"
            );
            node_id
        }
        other => panic!("{mode:?}: {other:?} installed a session"),
    };
    let session = party.node.session(sender).expect("it was installed");
    assert!(!changed(&handle(data)), "{mode:?}: the same frame again changes nothing");
    let kept = party.node.session(sender).expect("it is still there");
    assert!(Arc::ptr_eq(&session, &kept), "{mode:?}: the same frame again replaced the session");
    planted();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheme::tunnel::testing::{A, B, Pair};

    #[test]
    fn frames_of_every_kind_round_trip_or_are_refused() {
        let mut frames = Vec::new();
        for mode in Mode::ALL {
            let sender = session(mode, VECTORS_PEER, OWN, *b"abcd", 6);
            for message in [&b""[..], b"m", &[7; 100]] {
                let mut frame = vec![0; message.len() + envelope::overhead(mode)];
                envelope::seal_unkept(&sender, message, &mut frame).unwrap();
                frames.push(frame);
            }
            let pair = Pair::new(mode);
            pair.a.node.exchange().request(B);
            frames.extend(pair.a.wire.take_all().into_iter().map(|(_, frame)| frame));
        }
        frames.push(identity(2).pila().unwrap().to_vec());
        frames.push(wire::pilk(A, &[9; 32]).to_vec());
        frames.extend([wire::punch(7).to_vec(), b"PILTplain".to_vec(), b"PILP".to_vec(), b"".to_vec()]);
        assert_eq!(frames.len(), 9 + 3 + 6);
        for frame in &mut frames {
            super::frame(frame);
            for at in 0..frame.len() {
                super::frame(&frame[..at]);
                frame[at] ^= 0x41;
                super::frame(frame);
                frame[at] ^= 0x41;
            }
            frame.push(0);
            super::frame(frame);
        }
    }

    #[test]
    fn a_genuine_exchange_and_a_genuine_frame_get_behind_the_last_check() {
        let handled =
            receiver(Mode::Safe).node.exchange().handle(identity(2).pila().unwrap(), Source::DIRECT);
        assert!(handled.unwrap().outcome.is_change());
        let sender = session(Mode::Safe, VECTORS_PEER, OWN, *b"abcd", 0);
        let mut frame = [0; 40];
        let len = envelope::seal_unkept(&sender, b"word", &mut frame).unwrap();
        let opened =
            envelope::open_in_place(&session(Mode::Safe, OWN, VECTORS_PEER, [0; 4], 0), 0, &mut frame[..len]);
        assert_eq!(opened.unwrap().plaintext, b"word");
    }
}
