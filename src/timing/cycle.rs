//! Counts core clock cycles with a chain of dependent additions.
//!
//! A register-register addition has a latency of one cycle on every 64-bit x86 and ARM core known to us, so
//! `n` dependent additions take `n` cycles. The time-stamp counter does not count core cycles: it ticks at a
//! constant rate while the core changes its frequency. Additions of a constant would not work: some cores
//! execute them in zero cycles, during register renaming.

#![cfg_attr(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    expect(unsafe_code, reason = "an addition that the compiler must neither fold nor merge with others")
)]

/// Additions per loop iteration. The loop's own two instructions run in parallel with them, but now and then
/// take an execution unit from one: with 64 additions the clock appeared up to half a percent slower.
const TURN: u64 = 256;

/// Spends that many core cycles, rounded up to a multiple of 256 and at least 256; returns the number spent.
///
/// On CPUs other than x86-64 and 64-bit ARM the additions are compiled code, so the count holds only if the
/// compiler leaves them alone.
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

    // Alternates additions and exclusive ors, which no compiler known to us folds.
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
