//! The core's clock, by what it does: a chain of additions, each waiting for the one before.
//!
//! An addition of two registers takes one cycle on every 64-bit x86 and ARM core known to us, so the time of
//! `n` of them is that of `n` cycles. The time-stamp counter is no such clock: it keeps its own rate while
//! the core changes its. Additions of a constant are no such chain: some cores do those while renaming
//! registers, in no time.

#![cfg_attr(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    expect(unsafe_code, reason = "an addition that the compiler must neither fold nor merge with others")
)]

/// Additions in a turn of the loop. The loop's own two instructions run beside them, but now and then take an
/// execution unit from one: with 64 the clock seemed up to half a percent slower.
const TURN: u64 = 256;

/// Spends that many cycles of the core, rounded up to a multiple of 256 and at least 256; returns how many.
///
/// On other CPUs than x86-64 and ARM's 64-bit ones it is the compiler's additions, and as many cycles only if
/// it leaves them alone.
pub fn spend_cycles(cycles: u64) -> u64 {
    let turns = cycles.div_ceil(TURN).max(1);
    chain(turns);
    turns * TURN
}

#[cfg(target_arch = "x86_64")]
fn chain(turns: u64) {
    // SAFETY: changes three registers, all declared, and the flags; touches no memory. `turns` is at least 1,
    // so the loop ends.
    unsafe {
        core::arch::asm!(
            "2:",
            ".rept 256",
            "add {sum}, {step}",
            ".endr",
            "dec {turns}",
            "jnz 2b",
            sum = inout(reg) 0u64 => _,
            step = in(reg) 1u64,
            turns = inout(reg) turns => _,
            options(nomem, nostack),
        );
    }
}

#[cfg(target_arch = "aarch64")]
fn chain(turns: u64) {
    // SAFETY: changes three registers, all declared, and the flags; touches no memory. `turns` is at least 1,
    // so the loop ends.
    unsafe {
        core::arch::asm!(
            "2:",
            ".rept 256",
            "add {sum}, {sum}, {step}",
            ".endr",
            "subs {turns}, {turns}, #1",
            "b.ne 2b",
            sum = inout(reg) 0u64 => _,
            step = in(reg) 1u64,
            turns = inout(reg) turns => _,
            options(nomem, nostack),
        );
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn chain(turns: u64) {
    use std::hint::black_box;

    // Sums and exclusive ors by turns, which no compiler known to us folds.
    let (mut sum, step, mask) = (0usize, black_box(1usize), black_box(usize::MAX / 3));
    for _ in 0..turns {
        for _ in 0..TURN / 2 {
            sum = sum.wrapping_add(step) ^ mask;
        }
    }
    black_box(sum);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_are_rounded_up_to_whole_turns() {
        for (asked, spent) in [(0, 256), (1, 256), (256, 256), (257, 512), (10_000, 10_240)] {
            assert_eq!(spend_cycles(asked), spent);
        }
    }
}
