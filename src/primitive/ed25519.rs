//! Ed25519 signatures (RFC 8032), from the crate `ed25519-dalek`.
//!
//! Checking is strict: a key or a commitment of small order is refused, and so is a scalar that is not
//! reduced, so nobody can alter a valid signature or find a key that accepts many messages. Not here: the
//! prehashed variant, contexts, batches.

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use super::{Error, Function, Primitive};

/// Bytes in a public key.
pub const KEY_LEN: usize = 32;
/// Bytes in the seed of a signing key.
pub const SEED_LEN: usize = 32;
/// Bytes in a signature.
pub const SIGNATURE_LEN: usize = 64;

/// This file's row in [`PRIMITIVES`](super::PRIMITIVES).
pub const PRIMITIVE: Primitive = Primitive {
    name: "ed25519",
    krate: "ed25519_dalek",
    function: Function::SignatureCheck(verify),
    vectors: &["wycheproof/ed25519"],
};

/// A signing key, expanded from its seed; wiped when dropped.
#[derive(Clone)]
pub struct Signer(SigningKey);

impl Signer {
    /// The key of a seed. Any 32 bytes are a seed; whoever knows them can sign.
    pub fn new(seed: &[u8; SEED_LEN]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The public key that checks its signatures.
    pub fn public(&self) -> [u8; KEY_LEN] {
        self.0.verifying_key().to_bytes()
    }

    /// Signs a message. Equal messages have equal signatures.
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_LEN] {
        self.0.sign(message).to_bytes()
    }
}

/// Shows the public key only.
impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("public", &self.public()).finish_non_exhaustive()
    }
}

/// Checks a signature, strictly.
///
/// # Errors
/// [`Error::NotAKey`]: the bytes are not the encoding of a point. [`Error::NotSigned`]: the signature is not
/// 64 bytes long, not canonical, or not one of this key over this message; or the key has small order.
pub fn verify(key: &[u8; KEY_LEN], message: &[u8], signature: &[u8]) -> Result<(), Error> {
    let key = VerifyingKey::from_bytes(key).map_err(|_| Error::NotAKey)?;
    let signature = Signature::from_slice(signature).map_err(|_| Error::NotSigned)?;
    key.verify_strict(message, &signature).map_err(|_| Error::NotSigned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        hex::decode(hex).unwrap().try_into().unwrap()
    }

    #[test]
    fn the_first_example_of_rfc_8032_is_reproduced() {
        let signer = Signer::new(&bytes("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"));
        let key = bytes("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        assert_eq!(signer.public(), key);
        let signature = signer.sign(b"");
        let expected: [u8; SIGNATURE_LEN] = bytes(
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b\
             d25bf5f0595bbe24655141438e7a100b",
        );
        assert_eq!(signature, expected);
        verify(&key, b"", &signature).unwrap();
    }

    #[test]
    fn every_altered_input_is_refused() {
        let signer = Signer::new(&[7; SEED_LEN]);
        let (key, message, signature) = (signer.public(), *b"message", signer.sign(b"message"));
        verify(&key, &message, &signature).unwrap();
        for i in 0..SIGNATURE_LEN {
            let mut altered = signature;
            altered[i] ^= 1;
            assert_eq!(verify(&key, &message, &altered), Err(Error::NotSigned), "byte {i}");
        }
        assert_eq!(verify(&key, b"messagf", &signature), Err(Error::NotSigned));
        assert_eq!(
            verify(&Signer::new(&[8; SEED_LEN]).public(), &message, &signature),
            Err(Error::NotSigned)
        );
        for cut in [0, 32, 63] {
            assert_eq!(verify(&key, &message, &signature[..cut]), Err(Error::NotSigned), "{cut} bytes");
        }
        let longer = [&signature[..], &[0]].concat();
        assert_eq!(verify(&key, &message, &longer), Err(Error::NotSigned));
    }

    #[test]
    fn a_key_of_small_order_accepts_nothing() {
        // The neutral point, for which R = neutral, S = 0 satisfies the equation for every message.
        let mut neutral = [0; KEY_LEN];
        neutral[0] = 1;
        let forged = [&neutral[..], &[0; 32]].concat();
        assert_eq!(verify(&neutral, b"any message", &forged), Err(Error::NotSigned));
    }

    #[test]
    fn bytes_that_encode_no_point_are_not_a_key() {
        // y = 2 is the coordinate of no point.
        let mut key = [0; KEY_LEN];
        key[0] = 2;
        assert_eq!(verify(&key, b"", &[0; SIGNATURE_LEN]), Err(Error::NotAKey));
    }

    #[test]
    fn debug_shows_no_seed() {
        let shown = format!("{:?}", Signer::new(&[0x41; SEED_LEN]));
        assert!(shown.starts_with("Signer { public: [") && !shown.contains("65, 65, 65"), "{shown}");
    }
}
