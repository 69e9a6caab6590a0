//! What the tests of this scheme share. A master key and a round's key never have the same bytes here: with
//! one key in both roles, a mix-up would pass.

use super::{Context, MasterKey, Purpose, Role, RoundId};

/// A master key; each number gives another.
pub fn master(number: u8) -> MasterKey {
    MasterKey::from_bytes(&[0x80 | number; 32]).expect("32 bytes are a key")
}

/// A round.
pub fn round(number: u8) -> RoundId {
    RoundId::new(1, &number.to_string()).expect("a number is an id")
}

/// A context in that round.
pub fn context(number: u8) -> Context {
    Context { round: round(number), role: Role::AtRest, purpose: Purpose::Keyshare }
}
