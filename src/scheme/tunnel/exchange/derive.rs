//! Keys from a shared secret (spec 2, §2; the hardened ones: `handshake.md`).
//!
//! The compatible derivation depends on the two X25519 keys and on nothing else: the same pair of keys gives
//! the same AES key again, in both directions. The hardened one has both sides' random bytes in the salt and
//! the direction in the info. Not here: what `risk` computes, the chance that a nonce repeats.

use std::fmt;

use zeroize::Zeroizing;

use crate::primitive::{self, hkdf_sha256, x25519};
use crate::scheme::tunnel::Error;

/// The info of the compatible derivation: no colon, no NUL.
pub const COMPATIBLE_INFO: &[u8; 15] = b"pilot-tunnel-v1";

/// The domain of the hardened derivation.
pub const HARDENED_INFO: &[u8; 23] = b"sealmark/tunnel/keys/v1";

/// The shared secret of our X25519 secret and the peer's public key.
///
/// # Errors
/// [`Error::LowOrderPoint`]: the secret would be all zeros, whatever ours is.
pub fn shared(secret: &[u8; 32], peer: &[u8; 32]) -> Result<Zeroizing<[u8; 32]>, Error> {
    x25519::agree(secret, peer).map_err(|_| Error::LowOrderPoint)
}

/// HKDF for outputs that are always short enough.
fn expand(shared: &[u8; 32], salt: &[u8], info: &[u8], out: &mut [u8]) {
    let derived: Result<(), primitive::Error> = hkdf_sha256::derive(shared, salt, info, out);
    derived.expect("HKDF-SHA256 derives up to 8,160 bytes, and these are at most 32");
}

/// The reference's AES-256-GCM key, which serves both directions.
pub fn compatible(shared: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    expand(shared, &[], COMPATIBLE_INFO, &mut key[..]);
    key
}

/// One side's part in a hardened exchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Party {
    /// Its node id.
    pub node_id: u32,
    /// The random bytes of its hello.
    pub random: [u8; 32],
}

/// The keys of a hardened session, as one side sees them.
pub struct Hardened {
    /// Seals what this side sends.
    pub seal: Zeroizing<[u8; 32]>,
    /// Opens what the peer sends.
    pub open: Zeroizing<[u8; 32]>,
    /// Names the session in every data frame; the same on both sides. Not secret.
    pub session: [u8; 4],
}

impl fmt::Debug for Hardened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hardened").field("session", &self.session).finish_non_exhaustive()
    }
}

/// The keys of a hardened session: the salt is the random bytes of the lower id, then those of the higher;
/// the info is the domain, then the ids of the sender and the receiver.
pub fn hardened(shared: &[u8; 32], own: &Party, peer: &Party) -> Hardened {
    let (low, high) = if own.node_id < peer.node_id { (own, peer) } else { (peer, own) };
    let mut salt = [0; 64];
    salt[..32].copy_from_slice(&low.random);
    salt[32..].copy_from_slice(&high.random);
    let key = |from: &Party, to: &Party| {
        let info = [&HARDENED_INFO[..], &from.node_id.to_be_bytes(), &to.node_id.to_be_bytes()].concat();
        let mut key = Zeroizing::new([0; 32]);
        expand(shared, &salt, &info, &mut key[..]);
        key
    };
    let mut session = [0; 4];
    expand(shared, &salt, &[&HARDENED_INFO[..], b" session"].concat(), &mut session);
    Hardened { seal: key(own, peer), open: key(peer, own), session }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compatible_key_is_one_block_of_hkdf_without_salt() {
        // HMAC-SHA256 by its definition, from the hash alone.
        let hash = |parts: &[&[u8]]| -> [u8; 32] { primitive::sha256::digest(&parts.concat()) };
        let hmac = |key: &[u8; 32], message: &[u8]| {
            let pad = |with: u8| {
                let mut block = [with; 64];
                block.iter_mut().zip(key).for_each(|(b, k)| *b ^= k);
                block
            };
            hash(&[&pad(0x5c), &hash(&[&pad(0x36), message])])
        };
        let shared = [9; 32];
        let prk = hmac(&[0; 32], &shared);
        assert_eq!(*compatible(&shared), hmac(&prk, b"pilot-tunnel-v1\x01"));
    }

    #[test]
    fn a_point_of_low_order_is_refused() {
        let mut one = [0; 32];
        one[0] = 1;
        for point in [[0; 32], one] {
            assert_eq!(shared(&[7; 32], &point).unwrap_err(), Error::LowOrderPoint);
        }
    }

    #[test]
    fn hardened_sides_agree_crosswise_and_each_direction_has_its_key() {
        let a = Party { node_id: 1, random: [0xaa; 32] };
        let b = Party { node_id: 2, random: [0xbb; 32] };
        let (at_a, at_b) = (hardened(&[3; 32], &a, &b), hardened(&[3; 32], &b, &a));
        assert_eq!((&at_a.seal, &at_a.open, at_a.session), (&at_b.open, &at_b.seal, at_b.session));
        assert_ne!(at_a.seal, at_a.open);
    }

    #[test]
    fn every_input_changes_every_hardened_key() {
        let base = (Party { node_id: 1, random: [0xaa; 32] }, Party { node_id: 2, random: [0xbb; 32] });
        let keys = |shared: [u8; 32], (a, b): (Party, Party)| {
            let keys = hardened(&shared, &a, &b);
            [&keys.seal[..], &keys.open[..], &keys.session[..]].concat()
        };
        let expected = keys([3; 32], base);
        let other = [
            keys([4; 32], base),
            keys([3; 32], (Party { random: [0xab; 32], ..base.0 }, base.1)),
            keys([3; 32], (base.0, Party { random: [0xba; 32], ..base.1 })),
            // Both randoms exchanged: the order in the salt is that of the ids.
            keys([3; 32], (Party { random: [0xbb; 32], ..base.0 }, Party { random: [0xaa; 32], ..base.1 })),
        ];
        for other in other {
            for part in [0..32, 32..64, 64..68] {
                assert_ne!(expected[part.clone()], other[part]);
            }
        }
        let ids = keys([3; 32], (base.0, Party { node_id: 3, ..base.1 }));
        assert_ne!(expected[..64], ids[..64]);
    }

    #[test]
    fn debug_shows_the_name_of_a_session_and_no_key() {
        let party = Party { node_id: 1, random: [0; 32] };
        let keys = hardened(&[3; 32], &party, &Party { node_id: 2, ..party });
        assert_eq!(format!("{keys:?}"), format!("Hardened {{ session: {:?}, .. }}", keys.session));
    }
}
