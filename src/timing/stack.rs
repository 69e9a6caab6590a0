//! Runs work with the stack a given number of bytes lower than usual.
//!
//! A store delays a load with the same low twelve address bits, so a batch's time depends on the distance
//! between its stack and its buffers. A driver that gives both sides of a comparison the same offsets, and
//! draws new ones again and again, turns that effect into noise that averages out.

use std::hint::black_box;
use std::mem::MaybeUninit;

/// The granularity of offsets: the alignment of a stack frame on every supported CPU.
pub const STEP: u32 = 16;
/// The exclusive limit of offsets: a page, after which aliasing repeats.
pub const LIMIT: u32 = 4096;

/// Binary digits of an offset, counted in steps.
const DIGITS: usize = 8;
/// Every call passes through one frame per digit, so that offsets differ in nothing else.
type Frame = fn(u32, usize, &mut dyn FnMut());

/// The frames of each digit: for 0 and for 1.
const FRAMES: [[Frame; 2]; DIGITS] = [
    [frame::<16>, frame::<32>],
    [frame::<16>, frame::<48>],
    [frame::<16>, frame::<80>],
    [frame::<16>, frame::<144>],
    [frame::<16>, frame::<272>],
    [frame::<16>, frame::<528>],
    [frame::<16>, frame::<1040>],
    [frame::<16>, frame::<2064>],
];

/// Runs `work` with the stack `offset` bytes lower.
///
/// # Panics
/// If the offset is not a multiple of [`STEP`] below [`LIMIT`].
pub fn lowered(offset: u32, work: &mut dyn FnMut()) {
    assert!(offset < LIMIT && offset.is_multiple_of(STEP), "{offset} is no offset of a stack");
    descend(offset / STEP, 0, work);
}

fn descend(steps: u32, digit: usize, work: &mut dyn FnMut()) {
    match FRAMES.get(digit) {
        Some(frames) => frames[(steps >> digit & 1) as usize](steps, digit, work),
        None => work(),
    }
}

/// Takes `BYTES` of stack and continues with the next digit.
#[inline(never)]
fn frame<const BYTES: usize>(steps: u32, digit: usize, work: &mut dyn FnMut()) {
    let room = [const { MaybeUninit::<u8>::uninit() }; BYTES];
    black_box(&room);
    descend(steps, digit + 1, work);
    // The second use keeps the call above from becoming a tail call, which would free the room.
    black_box(&room);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the work's own frame lies.
    #[inline(never)]
    fn address(offset: u32) -> usize {
        let mut seen = 0;
        lowered(offset, &mut || {
            let here = 0_u8;
            seen = std::ptr::from_ref(black_box(&here)).addr();
        });
        seen
    }

    #[test]
    fn every_offset_lowers_the_stack_by_exactly_that() {
        let usual = address(0);
        for offset in (0..LIMIT).step_by(STEP as usize) {
            assert_eq!(usual - address(offset), offset as usize);
        }
    }

    #[test]
    #[should_panic(expected = "8 is no offset of a stack")]
    fn an_offset_that_no_frame_can_have_is_refused() {
        lowered(8, &mut || {});
    }
}
