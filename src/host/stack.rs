//! Wipes the part of the stack that finished calls used.
//!
//! A compiler keeps values in a frame as it sees fit, also the round keys that a kernel has in registers, and
//! no code can name those copies. They stay until another call happens to overwrite them. Not here:
//! registers, and the stacks of other threads. `tests/forget` shows how deep a wipe reaches.

use zeroize::optimization_barrier;

/// Makes a call in frames of its own, and then overwrites these frames with zeros, down to this many bytes.
pub fn wiped<const BYTES: usize, T>(call: impl FnOnce() -> T) -> T {
    let result = in_its_own_frame(call);
    wipe::<BYTES>();
    result
}

/// Never inlined: a part of the call that ran in the caller's frame would not be wiped.
#[inline(never)]
fn in_its_own_frame<T>(call: impl FnOnce() -> T) -> T {
    call()
}

/// Overwrites this many bytes below the caller's frame with zeros.
#[inline(never)]
pub fn wipe<const BYTES: usize>() {
    let room = [0_u8; BYTES];
    optimization_barrier(&room);
}
