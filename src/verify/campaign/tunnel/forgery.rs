//! Forged frames: what a stranger makes who knows no key, but has seen frames.

use std::sync::LazyLock;

use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;

use crate::scheme::tunnel::frame::{self, DataHeader, Header};
use crate::scheme::tunnel::testing::identity;
use crate::scheme::tunnel::{Identity, Mode};

/// The attacker, who is registered like everybody.
pub(super) const MALLORY: u32 = 666;

/// A forged frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Forgery {
    /// A sealed frame with the header of a seen one and a counter near the end.
    FarCounter,
    /// A sealed frame with the counter after that of a seen one.
    NextCounter,
    /// A sealed frame with counter 0.
    NoCounter,
    /// A sealed frame of an epoch or a session that nobody knows.
    Elsewhere,
    /// A seen sealed frame with its last bit flipped.
    Flipped,
    /// A seen sealed frame without its last byte.
    Cut,
    /// An authenticated exchange with the attacker's own keys, in the peer's name.
    ForeignIdentity,
    /// An authenticated exchange with the peer's Ed25519 key and a signature by another.
    BadSignature,
    /// An unauthenticated exchange in the peer's name.
    Unauthenticated,
}

impl Forgery {
    /// Every forgery.
    pub const ALL: [Self; 9] = [
        Self::FarCounter,
        Self::NextCounter,
        Self::NoCounter,
        Self::Elsewhere,
        Self::Flipped,
        Self::Cut,
        Self::ForeignIdentity,
        Self::BadSignature,
        Self::Unauthenticated,
    ];

    /// Whether it imitates a sealed frame.
    pub(super) const fn is_sealed(self) -> bool {
        !matches!(self, Self::ForeignIdentity | Self::BadSignature | Self::Unauthenticated)
    }
}

/// The forged frame in the name of `from`, made from a sealed frame that was seen; `None` without one, if it
/// is needed.
pub(super) fn forged(forgery: Forgery, mode: Mode, seen: Option<&[u8]>, from: u32) -> Option<Vec<u8>> {
    if !forgery.is_sealed() {
        return exchange(forgery, from);
    }
    let mut bytes = seen?.to_vec();
    let counter = |old: u64| match forgery {
        Forgery::FarCounter => u64::MAX - 1,
        Forgery::NextCounter => old.wrapping_add(1),
        Forgery::NoCounter => 0,
        _ => old,
    };
    let name = |old: [u8; 4]| if forgery == Forgery::Elsewhere { old.map(|byte| !byte) } else { old };
    if mode == Mode::Hardened {
        let old = DataHeader::decode(&bytes).ok()?;
        let header = DataHeader { session: name(old.session), counter: counter(old.counter), ..old };
        header.encode_into(&mut bytes);
    } else {
        let old = Header::decode(&bytes).ok()?;
        Header::new(old.sender, name(old.prefix()), counter(old.counter())).encode_into(&mut bytes);
    }
    match forgery {
        Forgery::Flipped => *bytes.last_mut()? ^= 1,
        Forgery::Cut => drop(bytes.pop()?),
        _ => {}
    }
    Some(bytes)
}

fn exchange(forgery: Forgery, from: u32) -> Option<Vec<u8>> {
    let mallory = mallory();
    let (x25519, ed25519) = (mallory.x25519_public()?, mallory.ed25519_public()?);
    let signature = mallory.sign(&frame::signed_message(from, &x25519))?;
    match forgery {
        Forgery::ForeignIdentity => Some(frame::pila(from, &x25519, &ed25519, &signature).to_vec()),
        Forgery::BadSignature => {
            let registered = identity(from).ed25519_public()?;
            Some(frame::pila(from, &x25519, &registered, &signature).to_vec())
        }
        Forgery::Unauthenticated => Some(frame::pilk(from, &x25519).to_vec()),
        _ => None,
    }
}

/// The attacker's identity, which the registry knows.
pub(super) fn mallory() -> &'static Identity {
    static MALLORYS: LazyLock<Identity> = LazyLock::new(|| identity(MALLORY));
    &MALLORYS
}

/// Any forged frame, in the name of `from`, of a stranger who saw that sealed frame.
pub(super) fn any_forgery(mode: Mode, seen: &[u8], from: u32, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let forgery = Forgery::ALL[rng.random_range(0..Forgery::ALL.len())];
    forged(forgery, mode, Some(seen), from).unwrap_or_else(|| {
        let mut noise = vec![0; rng.random_range(0..200)];
        rng.fill_bytes(&mut noise);
        noise
    })
}
