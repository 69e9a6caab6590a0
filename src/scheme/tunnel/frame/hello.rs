//! The hello of the hardened handshake, 173 bytes: magic, version, sender, receiver, X25519 key, random
//! bytes, echo, signature. What a hello means is in `exchange`.

use super::{Error, Kind, SMTH, VERSION, at, kind, u32_at};

/// Bytes in a hello: no more and no fewer.
pub const HELLO_LEN: usize = 173;
/// Signed before the fields of a hello, so that no other signature of the same key is one.
pub const HELLO_DOMAIN: [u8; 24] = *b"sealmark/tunnel/hello/v1";
/// Bytes that the signature of a hello covers.
pub const HELLO_SIGNED_LEN: usize = HELLO_DOMAIN.len() + HELLO_LEN - 64;

/// A hello of the hardened handshake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hello {
    /// The sender's node id.
    pub sender: u32,
    /// The node for which it is meant.
    pub receiver: u32,
    /// The sender's fresh X25519 key.
    pub x25519: [u8; 32],
    /// The sender's fresh random bytes.
    pub random: [u8; 32],
    /// The receiver's last random bytes; zeros if the sender has seen none.
    pub echo: [u8; 32],
    /// The sender's Ed25519 signature over [`signed`](Self::signed).
    pub signature: [u8; 64],
}

impl Hello {
    /// Takes a hello apart.
    ///
    /// # Errors
    /// [`Error::NotATunnelFrame`] without the magic and version, and if it is longer than [`HELLO_LEN`]
    /// bytes; [`Error::TooShort`].
    pub fn decode(frame: &[u8]) -> Result<Self, Error> {
        if kind(frame) != Some(Kind::Hello) || frame.len() > HELLO_LEN {
            return Err(Error::NotATunnelFrame);
        }
        Ok(Self {
            sender: u32_at(frame, 5)?,
            receiver: u32_at(frame, 9)?,
            x25519: at(frame, 13)?,
            random: at(frame, 45)?,
            echo: at(frame, 77)?,
            signature: at(frame, 109)?,
        })
    }

    /// The frame.
    pub fn encode(&self) -> [u8; HELLO_LEN] {
        let mut out = [0; HELLO_LEN];
        out[..4].copy_from_slice(&SMTH);
        out[4] = VERSION;
        out[5..9].copy_from_slice(&self.sender.to_be_bytes());
        out[9..13].copy_from_slice(&self.receiver.to_be_bytes());
        out[13..45].copy_from_slice(&self.x25519);
        out[45..77].copy_from_slice(&self.random);
        out[77..109].copy_from_slice(&self.echo);
        out[109..].copy_from_slice(&self.signature);
        out
    }

    /// The bytes that the signature covers: the domain, then the frame up to the signature.
    pub fn signed(&self) -> [u8; HELLO_SIGNED_LEN] {
        let mut out = [0; HELLO_SIGNED_LEN];
        let (domain, fields) = out.split_at_mut(HELLO_DOMAIN.len());
        domain.copy_from_slice(&HELLO_DOMAIN);
        fields.copy_from_slice(&self.encode()[..HELLO_LEN - 64]);
        out
    }
}
