//! The frames on the wire: magics, layouts, codecs (spec §1). Numbers are big-endian.
//!
//! The five frames of the reference are recognised by their magic, and bytes after a key exchange are
//! ignored, as there. The two hardened frames carry their version behind the magic and have exactly one
//! length, or a least one. Not here: what a frame means, and what may be done with it.

mod hello;

use super::Error;
use crate::aead::{Nonce, TAG_LEN};
pub use hello::{HELLO_DOMAIN, HELLO_LEN, HELLO_SIGNED_LEN, Hello};

/// Begins a frame in the clear.
pub const PILT: [u8; 4] = *b"PILT";
/// Begins a sealed frame.
pub const PILS: [u8; 4] = *b"PILS";
/// Begins an unauthenticated key exchange.
pub const PILK: [u8; 4] = *b"PILK";
/// Begins an authenticated key exchange.
pub const PILA: [u8; 4] = *b"PILA";
/// Begins a punch, which opens a path through a network address translator.
pub const PILP: [u8; 4] = *b"PILP";
/// Begins a hello of the hardened handshake.
pub const SMTH: [u8; 4] = *b"SMTH";
/// Begins a sealed frame of the hardened mode.
pub const SMTD: [u8; 4] = *b"SMTD";
/// The version of the hardened frames, the byte behind their magic.
pub const VERSION: u8 = 1;

/// Bytes of a sealed frame before the ciphertext.
pub const PILS_HEADER_LEN: usize = 20;
/// Bytes that a sealed frame adds to its message.
pub const PILS_OVERHEAD: usize = PILS_HEADER_LEN + TAG_LEN;
/// Bytes in an unauthenticated key exchange.
pub const PILK_LEN: usize = 40;
/// Bytes in an authenticated key exchange.
pub const PILA_LEN: usize = 136;
/// Bytes in a punch.
pub const PILP_LEN: usize = 8;
/// Bytes of a hardened sealed frame before the ciphertext, all of them authenticated.
pub const DATA_HEADER_LEN: usize = 21;
/// Bytes that a hardened sealed frame adds to its message.
pub const DATA_OVERHEAD: usize = DATA_HEADER_LEN + TAG_LEN;

/// The kinds of frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// `PILT`.
    Plain,
    /// `PILS`.
    Sealed,
    /// `PILK`.
    Unauthenticated,
    /// `PILA`.
    Authenticated,
    /// `PILP`.
    Punch,
    /// `SMTH`, version 1.
    Hello,
    /// `SMTD`, version 1.
    HardenedSealed,
}

/// The kind of a frame, by its magic and version; `None` for every other protocol.
#[inline]
pub fn kind(frame: &[u8]) -> Option<Kind> {
    match *frame.first_chunk::<4>()? {
        PILS => Some(Kind::Sealed),
        PILT => Some(Kind::Plain),
        PILK => Some(Kind::Unauthenticated),
        PILA => Some(Kind::Authenticated),
        PILP => Some(Kind::Punch),
        SMTH if frame.get(4) == Some(&VERSION) => Some(Kind::Hello),
        SMTD if frame.get(4) == Some(&VERSION) => Some(Kind::HardenedSealed),
        _ => None,
    }
}

/// A frame, taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Frame<'a> {
    /// A message in the clear.
    Plain(&'a [u8]),
    /// A sealed message: see [`Header::decode`].
    Sealed(Header),
    /// An unauthenticated key exchange.
    Unauthenticated {
        /// The sender.
        node_id: u32,
        /// Its X25519 key.
        x25519: [u8; 32],
    },
    /// An authenticated key exchange.
    Authenticated {
        /// The sender.
        node_id: u32,
        /// Its X25519 key.
        x25519: [u8; 32],
        /// Its Ed25519 key, which only the registry can confirm.
        ed25519: [u8; 32],
        /// Its signature over [`signed_message`].
        signature: [u8; 64],
    },
    /// A punch.
    Punch {
        /// The sender.
        sender: u32,
    },
    /// A hello of the hardened handshake.
    Hello(Hello),
    /// A sealed message of the hardened mode: see [`DataHeader::decode`].
    HardenedSealed(DataHeader),
}

impl<'a> Frame<'a> {
    /// Takes a frame apart.
    ///
    /// # Errors
    /// [`Error::NotATunnelFrame`] without a known magic; [`Error::TooShort`]; for a hello also if it is too
    /// long.
    pub fn decode(frame: &'a [u8]) -> Result<Self, Error> {
        let body = frame.get(4..).unwrap_or_default();
        Ok(match kind(frame).ok_or(Error::NotATunnelFrame)? {
            Kind::Plain => Self::Plain(body),
            Kind::Sealed => Self::Sealed(Header::decode(frame)?),
            Kind::Unauthenticated => {
                Self::Unauthenticated { node_id: u32_at(body, 0)?, x25519: at(body, 4)? }
            }
            Kind::Authenticated => Self::Authenticated {
                node_id: u32_at(body, 0)?,
                x25519: at(body, 4)?,
                ed25519: at(body, 36)?,
                signature: at(body, 68)?,
            },
            Kind::Punch => Self::Punch { sender: u32_at(body, 0)? },
            Kind::Hello => Self::Hello(Hello::decode(frame)?),
            Kind::HardenedSealed => Self::HardenedSealed(DataHeader::decode(frame)?),
        })
    }
}

#[inline]
fn at<const N: usize>(bytes: &[u8], start: usize) -> Result<[u8; N], Error> {
    bytes.get(start..).and_then(|rest| rest.first_chunk()).copied().ok_or(Error::TooShort)
}

#[inline]
fn u32_at(bytes: &[u8], start: usize) -> Result<u32, Error> {
    at(bytes, start).map(u32::from_be_bytes)
}

/// The header of a `PILS` frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The sender's node id, authenticated.
    pub sender: u32,
    /// The sender's prefix, then its counter.
    pub nonce: Nonce,
}

impl Header {
    /// The header of the frame that `sender` seals with this prefix and counter.
    #[inline]
    pub fn new(sender: u32, prefix: [u8; 4], counter: u64) -> Self {
        Self { sender, nonce: nonce(prefix, counter) }
    }

    /// Reads the header of a whole frame.
    ///
    /// # Errors
    /// [`Error::NotATunnelFrame`] without the magic; [`Error::TooShort`] below [`PILS_OVERHEAD`] bytes.
    #[inline]
    pub fn decode(frame: &[u8]) -> Result<Self, Error> {
        if !frame.starts_with(&PILS) {
            return Err(Error::NotATunnelFrame);
        }
        if frame.len() < PILS_OVERHEAD {
            return Err(Error::TooShort);
        }
        Ok(Self { sender: u32_at(frame, 4)?, nonce: at(frame, 8)? })
    }

    /// The prefix of the nonce, which names the sender's epoch.
    #[inline]
    pub fn prefix(&self) -> [u8; 4] {
        let [a, b, c, d, ..] = self.nonce;
        [a, b, c, d]
    }

    /// The counter of the nonce.
    #[inline]
    pub fn counter(&self) -> u64 {
        let [.., a, b, c, d, e, f, g, h] = self.nonce;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// Writes the magic and the header into the first [`PILS_HEADER_LEN`] bytes.
    ///
    /// # Panics
    /// If `out` is shorter.
    #[inline]
    pub fn encode_into(&self, out: &mut [u8]) {
        let out: &mut [u8; PILS_HEADER_LEN] = out.first_chunk_mut().expect("the caller checked the length");
        out[..4].copy_from_slice(&PILS);
        out[4..8].copy_from_slice(&self.sender.to_be_bytes());
        out[8..].copy_from_slice(&self.nonce);
    }
}

/// The header of a hardened sealed frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DataHeader {
    /// The sender's node id.
    pub sender: u32,
    /// The name of the session, derived beside its keys.
    pub session: [u8; 4],
    /// The counter of the nonce.
    pub counter: u64,
}

impl DataHeader {
    /// Reads the header of a whole frame.
    ///
    /// # Errors
    /// [`Error::NotATunnelFrame`] without the magic and version; [`Error::TooShort`] below [`DATA_OVERHEAD`]
    /// bytes.
    #[inline]
    pub fn decode(frame: &[u8]) -> Result<Self, Error> {
        if kind(frame) != Some(Kind::HardenedSealed) {
            return Err(Error::NotATunnelFrame);
        }
        if frame.len() < DATA_OVERHEAD {
            return Err(Error::TooShort);
        }
        let counter = u64::from_be_bytes(at(frame, 13)?);
        Ok(Self { sender: u32_at(frame, 5)?, session: at(frame, 9)?, counter })
    }

    /// The nonce: four zero bytes, then the counter.
    #[inline]
    pub fn nonce(&self) -> Nonce {
        nonce([0; 4], self.counter)
    }

    /// Writes the header into the first [`DATA_HEADER_LEN`] bytes.
    ///
    /// # Panics
    /// If `out` is shorter.
    #[inline]
    pub fn encode_into(&self, out: &mut [u8]) {
        let out: &mut [u8; DATA_HEADER_LEN] = out.first_chunk_mut().expect("the caller checked the length");
        out[..4].copy_from_slice(&SMTD);
        out[4] = VERSION;
        out[5..9].copy_from_slice(&self.sender.to_be_bytes());
        out[9..13].copy_from_slice(&self.session);
        out[13..].copy_from_slice(&self.counter.to_be_bytes());
    }
}

#[inline]
fn nonce(prefix: [u8; 4], counter: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[..4].copy_from_slice(&prefix);
    nonce[4..].copy_from_slice(&counter.to_be_bytes());
    nonce
}

/// The message that a `PILA` frame's signature covers.
pub fn signed_message(node_id: u32, x25519: &[u8; 32]) -> [u8; 40] {
    let mut out = [0; 40];
    out[..4].copy_from_slice(b"auth");
    out[4..8].copy_from_slice(&node_id.to_be_bytes());
    out[8..].copy_from_slice(x25519);
    out
}

/// An unauthenticated key exchange.
pub fn pilk(node_id: u32, x25519: &[u8; 32]) -> [u8; PILK_LEN] {
    let mut out = [0; PILK_LEN];
    out[..4].copy_from_slice(&PILK);
    out[4..8].copy_from_slice(&node_id.to_be_bytes());
    out[8..].copy_from_slice(x25519);
    out
}

/// An authenticated key exchange.
pub fn pila(node_id: u32, x25519: &[u8; 32], ed25519: &[u8; 32], signature: &[u8; 64]) -> [u8; PILA_LEN] {
    let mut out = [0; PILA_LEN];
    out[..4].copy_from_slice(&PILA);
    out[4..8].copy_from_slice(&node_id.to_be_bytes());
    out[8..40].copy_from_slice(x25519);
    out[40..72].copy_from_slice(ed25519);
    out[72..].copy_from_slice(signature);
    out
}

/// A punch.
pub fn punch(sender: u32) -> [u8; PILP_LEN] {
    let mut out = [0; PILP_LEN];
    out[..4].copy_from_slice(&PILP);
    out[4..].copy_from_slice(&sender.to_be_bytes());
    out
}

#[cfg(test)]
mod tests;
