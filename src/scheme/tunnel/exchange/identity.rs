//! Who a node is: its id, its X25519 key for the compatible exchange, and its Ed25519 key (spec 2, §1).
//!
//! Either key may be absent. Without an X25519 key a node builds no frame of the compatible exchange; without
//! an Ed25519 key it has no identity and builds only the unauthenticated one. The authenticated frame has no
//! field that changes, so it is signed once and kept. Not here: storing the keys.

use std::fmt;

use zeroize::Zeroizing;

use crate::primitive::ed25519::Signer;
use crate::primitive::x25519;
use crate::scheme::tunnel::{Error, frame};

/// A node's id and keys. The secrets are wiped when it is dropped.
#[derive(Clone)]
pub struct Identity {
    node_id: u32,
    x25519: Option<(Zeroizing<[u8; 32]>, [u8; 32])>,
    signer: Option<Signer>,
    pila: Option<[u8; frame::PILA_LEN]>,
    pilk: Option<[u8; frame::PILK_LEN]>,
}

impl Identity {
    /// An identity with these secrets: an X25519 secret and an Ed25519 seed.
    pub fn from_bytes(node_id: u32, x25519: Option<&[u8; 32]>, ed25519_seed: Option<&[u8; 32]>) -> Self {
        let x25519 = x25519.map(|secret| (Zeroizing::new(*secret), x25519::public(secret)));
        let signer = ed25519_seed.map(Signer::new);
        let public = x25519.as_ref().map(|(_, public)| *public);
        let pilk = public.map(|public| frame::pilk(node_id, &public));
        let pila = public.zip(signer.as_ref()).map(|(public, signer)| {
            let signature = signer.sign(&frame::signed_message(node_id, &public));
            frame::pila(node_id, &public, &signer.public(), &signature)
        });
        Self { node_id, x25519, signer, pila, pilk }
    }

    /// An identity with fresh keys.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn generate(node_id: u32) -> Result<Self, Error> {
        let (mut secret, mut seed) = (Zeroizing::new([0; 32]), Zeroizing::new([0; 32]));
        getrandom::fill(&mut secret[..]).map_err(Error::Random)?;
        getrandom::fill(&mut seed[..]).map_err(Error::Random)?;
        Ok(Self::from_bytes(node_id, Some(&secret), Some(&seed)))
    }

    /// The node's id.
    pub const fn node_id(&self) -> u32 {
        self.node_id
    }

    /// The X25519 public key.
    pub fn x25519_public(&self) -> Option<[u8; 32]> {
        self.x25519.as_ref().map(|(_, public)| *public)
    }

    /// The Ed25519 public key.
    pub fn ed25519_public(&self) -> Option<[u8; 32]> {
        self.signer.as_ref().map(Signer::public)
    }

    /// The X25519 secret.
    pub(super) fn x25519_secret(&self) -> Option<&[u8; 32]> {
        self.x25519.as_ref().map(|(secret, _)| &**secret)
    }

    /// The authenticated exchange frame; `None` without an X25519 key or an identity.
    pub fn pila(&self) -> Option<&[u8; frame::PILA_LEN]> {
        self.pila.as_ref()
    }

    /// The unauthenticated exchange frame; `None` without an X25519 key.
    pub fn pilk(&self) -> Option<&[u8; frame::PILK_LEN]> {
        self.pilk.as_ref()
    }

    /// Signs a message; `None` without an Ed25519 key.
    pub fn sign(&self, message: &[u8]) -> Option<[u8; 64]> {
        self.signer.as_ref().map(|signer| signer.sign(message))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("node_id", &self.node_id)
            .field("x25519", &self.x25519.is_some())
            .field("ed25519", &self.signer.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitive::ed25519;

    #[test]
    fn the_frames_say_who_sent_them_and_the_signature_covers_id_and_key() {
        let identity = Identity::from_bytes(0x0102_0304, Some(&[5; 32]), Some(&[6; 32]));
        let (pila, pilk) = (identity.pila().unwrap(), identity.pilk().unwrap());
        assert_eq!((&pila[..4], &pilk[..4], &pila[4..8]), (&b"PILA"[..], &b"PILK"[..], &[1, 2, 3, 4][..]));
        let (key, signer) = (identity.x25519_public().unwrap(), identity.ed25519_public().unwrap());
        assert_eq!((&pila[8..40], &pila[40..72], &pilk[4..]), (&key[..], &signer[..], &pila[4..40]));
        let signed = frame::signed_message(0x0102_0304, &key);
        ed25519::verify(&signer, &signed, &pila[72..]).unwrap();
    }

    #[test]
    fn a_missing_key_leaves_out_the_frames_that_need_it() {
        let of = |x: Option<&[u8; 32]>, e: Option<&[u8; 32]>| {
            let identity = Identity::from_bytes(1, x, e);
            (identity.pila().is_some(), identity.pilk().is_some(), identity.sign(b"m").is_some())
        };
        let (x, e) = (Some(&[5; 32]), Some(&[6; 32]));
        assert_eq!(of(x, e), (true, true, true));
        assert_eq!(of(x, None), (false, true, false));
        assert_eq!(of(None, e), (false, false, true));
        assert_eq!(of(None, None), (false, false, false));
    }

    #[test]
    fn generated_identities_differ_and_show_no_secret() {
        let (a, b) = (Identity::generate(1).unwrap(), Identity::generate(1).unwrap());
        assert_ne!(a.x25519_public(), b.x25519_public());
        assert_ne!(a.ed25519_public(), b.ed25519_public());
        assert_eq!(format!("{a:?}"), "Identity { node_id: 1, x25519: true, ed25519: true }");
    }
}
