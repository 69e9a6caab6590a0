//! X25519 (RFC 7748), from the crate `x25519-dalek`.
//!
//! The crate computes a result for every public key; [`agree`] refuses the all-zero one, which the points of
//! low order give whatever the secret is. Not here: what to do with the shared secret.

use subtle::ConstantTimeEq;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::{Error, Function, Primitive};

/// Bytes in a secret, a public key and a shared secret.
pub const KEY_LEN: usize = 32;

/// This file's row in [`PRIMITIVES`](super::PRIMITIVES).
pub const PRIMITIVE: Primitive = Primitive {
    name: "x25519",
    krate: "x25519_dalek",
    function: Function::KeyAgreement(agree),
    vectors: &["wycheproof/x25519"],
};

/// The public key of a secret. Any 32 bytes are a secret; the function clamps them.
pub fn public(secret: &[u8; KEY_LEN]) -> [u8; KEY_LEN] {
    PublicKey::from(&StaticSecret::from(*secret)).to_bytes()
}

/// The shared secret, exactly as in RFC 7748, section 5: all zeros if the peer's key is a point of low order.
pub fn shared(secret: &[u8; KEY_LEN], peer: &[u8; KEY_LEN]) -> Zeroizing<[u8; KEY_LEN]> {
    let shared = StaticSecret::from(*secret).diffie_hellman(&PublicKey::from(*peer));
    Zeroizing::new(shared.to_bytes())
}

/// The shared secret, unless it is all zeros (RFC 7748, section 6.1).
///
/// # Errors
/// [`Error::NotContributory`]: the peer's key is a point of low order.
pub fn agree(secret: &[u8; KEY_LEN], peer: &[u8; KEY_LEN]) -> Result<Zeroizing<[u8; KEY_LEN]>, Error> {
    let shared = shared(secret, peer);
    if shared[..].ct_eq(&[0; KEY_LEN]).into() { Err(Error::NotContributory) } else { Ok(shared) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> [u8; KEY_LEN] {
        hex::decode(hex).unwrap().try_into().unwrap()
    }

    #[test]
    fn the_iterations_of_rfc_7748_are_reproduced() {
        let mut base = [0; KEY_LEN];
        base[0] = 9;
        let (mut k, mut u) = (base, base);
        for i in 1..=1_000 {
            let next = *agree(&k, &u).unwrap();
            (u, k) = (k, next);
            if i == 1 {
                assert_eq!(k, bytes("422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"));
                assert_eq!(k, public(&base), "a public key is the secret times the base point");
            }
        }
        assert_eq!(k, bytes("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"));
    }

    #[test]
    fn both_sides_agree_and_an_altered_key_gives_another_secret() {
        let (a, b) = ([7; KEY_LEN], [9; KEY_LEN]);
        let secret = agree(&a, &public(&b)).unwrap();
        assert_eq!(secret, agree(&b, &public(&a)).unwrap());
        let mut other = public(&b);
        other[3] ^= 1;
        assert_ne!(agree(&a, &other).unwrap(), secret);
    }

    #[test]
    fn a_point_of_low_order_is_refused_whatever_the_secret_is() {
        // The encodings of order 1, 2 and 4 that are below the prime, and the prime itself.
        let mut prime = [0xff; KEY_LEN];
        (prime[0], prime[31]) = (0xed, 0x7f);
        let mut one = [0; KEY_LEN];
        one[0] = 1;
        for secret in [[1; KEY_LEN], [0xa5; KEY_LEN]] {
            for low in [[0; KEY_LEN], one, prime] {
                assert_eq!(agree(&secret, &low), Err(Error::NotContributory));
                assert_eq!(*shared(&secret, &low), [0; KEY_LEN], "the bare function reports the zeros");
            }
        }
    }
}
