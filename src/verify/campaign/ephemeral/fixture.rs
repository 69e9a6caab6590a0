//! What a node has and the attacker knows: the file of keys, the master key, the rounds.

use crate::scheme::ephemeral::{Context, MasterKey, Purpose, Role, RoundId};

/// The file of keys.
pub(super) const FILE: &str = "/node/round-keys";
/// The master key. No round's key has these bytes.
pub(super) const MASTER: [u8; 32] = [0x4d; 32];
/// What every blob holds.
pub(super) const PLAINTEXT: &[u8] = b"a keyshare";

/// The key with the bytes of [`MASTER`].
pub(super) fn master() -> MasterKey {
    MasterKey::from_bytes(&MASTER).expect("every CPU has a backend that can make a key")
}

/// The round with this number.
pub(super) fn id(round: usize) -> RoundId {
    RoundId::new(1, &round.to_string()).expect("a number is an id")
}

/// The place of every blob of a round.
pub(super) fn context(round: usize) -> Context {
    Context { round: id(round), role: Role::AtRest, purpose: Purpose::Keyshare }
}
