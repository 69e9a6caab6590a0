//! What someone without the peers' secrets can make: exchanges and hellos in a peer's name, and sealed frames
//! under headers that he saw. He has a registered identity of his own.

use crate::scheme::tunnel::frame::{self as wire, DATA_OVERHEAD, DataHeader, Header, Hello, PILS_OVERHEAD};
use crate::scheme::tunnel::testing::identity;

/// The attacker's node id.
pub(super) const MALLORY: u32 = 0xe11e;

/// A datagram in the name of `from` for `to`. The kind chooses which, and `seen` is a frame to take parts of.
pub(super) fn forged(from: u32, to: u32, kind: u8, seen: &[u8]) -> Vec<u8> {
    let own = identity(MALLORY);
    let key = own.x25519_public().expect("it has one");
    let peer = identity(from);
    let theirs = peer.ed25519_public().expect("it has one");
    let counter = [1, 2, 300, 1 << 40, u64::MAX - 1, u64::MAX][usize::from(kind >> 4) % 6];
    match kind & 7 {
        // His own key in the name of the peer, signed by him, with his Ed25519 key or the peer's.
        0 | 1 => {
            let signature = own.sign(&wire::signed_message(from, &key)).expect("it has a key");
            let ed25519 = if kind & 7 == 0 { theirs } else { own.ed25519_public().expect("it has one") };
            wire::pila(from, &key, &ed25519, &signature).to_vec()
        }
        2 => wire::pilk(from, &key).to_vec(),
        // A hello that echoes what he saw.
        3 | 4 => {
            let echo = Hello::decode(seen).map_or([0; 32], |hello| hello.random);
            let random = [kind; 32];
            let mut hello =
                Hello { sender: from, receiver: to, x25519: key, random, echo, signature: [0; 64] };
            hello.signature = own.sign(&hello.signed()).expect("it has a key");
            hello.encode().to_vec()
        }
        // A header of the peer, with a session and a prefix that he saw, and any counter.
        5 => {
            let prefix = Header::decode(seen).map_or([kind; 4], |header| header.prefix());
            let mut frame = vec![0x5a; PILS_OVERHEAD + usize::from(kind)];
            Header::new(from, prefix, counter).encode_into(&mut frame);
            frame
        }
        6 => {
            let session = DataHeader::decode(seen).map_or([kind; 4], |header| header.session);
            let mut frame = vec![0x5a; DATA_OVERHEAD + usize::from(kind)];
            DataHeader { sender: from, session, counter }.encode_into(&mut frame);
            frame
        }
        _ => [&seen[..seen.len() / 2], &[kind; 60]].concat(),
    }
}
