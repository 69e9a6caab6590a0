//! Sessions for tests: with real keys, and with toy keys for loom, whose threads have small stacks.

use super::{Arc, Budget, Keys, NewSession, Ring, Session};
use crate::aead::{self, Aead, Alg, Nonce, Tag};
use crate::scheme::tunnel::Mode;

/// A session of `own` with `peer` under keys that depend on `seed` and, when directed, on the sender.
pub fn session(mode: Mode, own: u32, peer: u32, seed: u8) -> NewSession {
    let key = |sender: u32| {
        let mut bytes = [seed; 32];
        if mode == Mode::Hardened {
            bytes[..4].copy_from_slice(&sender.to_be_bytes());
        }
        aead::key(Alg::Aes256Gcm, &bytes).unwrap()
    };
    let keys = match mode {
        Mode::Hardened => Keys::Directed { seal: key(own), open: key(peer) },
        _ => Keys::Both(key(own)),
    };
    with_keys(mode, own, peer, keys, seed)
}

/// The two ends of a session: of node 1 and of node 2.
pub fn pair(mode: Mode, seed: u8) -> (Session, Session) {
    (Session::new(session(mode, 1, 2, seed)), Session::new(session(mode, 2, 1, seed)))
}

/// A session with [`Toy`] keys.
pub fn toy(mode: Mode, own: u32, peer: u32) -> Session {
    Session::new(with_keys(mode, own, peer, Keys::Both(Box::new(Toy)), 7))
}

fn with_keys(mode: Mode, own: u32, peer: u32, keys: Keys, seed: u8) -> NewSession {
    let [a, b, c, d] = own.to_be_bytes();
    let compatible = mode.is_compatible();
    NewSession {
        mode,
        own,
        peer,
        keys,
        prefix: if compatible { [a, b, c, d ^ seed] } else { [0; 4] },
        session_id: if compatible { [0; 4] } else { [seed; 4] },
        created_at: 0,
        peer_x25519: [seed; 32],
        authenticated: true,
        sealed_before: 0,
        ring: Ring::new(Arc::new(Budget::new(1 << 20)), 4, 5_000),
    }
}

/// No cipher at all: the tag is the nonce and a mark, the ciphertext the message.
pub struct Toy;

impl Toy {
    fn tag(nonce: &Nonce) -> [u8; 16] {
        let mut tag = [0x5a; 16];
        tag[..12].copy_from_slice(nonce);
        tag
    }
}

impl Aead for Toy {
    fn seal(&self, nonce: &Nonce, _: &[u8], _: &mut [u8], tag: &mut Tag) -> Result<(), aead::Error> {
        *tag = Tag(Self::tag(nonce));
        Ok(())
    }

    fn open(&self, nonce: &Nonce, _: &[u8], _: &mut [u8], tag: &Tag) -> Result<(), aead::Error> {
        if tag.0 == Self::tag(nonce) { Ok(()) } else { Err(aead::Error::NotAuthentic) }
    }
}
