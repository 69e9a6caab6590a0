//! The buffers that a batch walks through: slots of equal size, each on its own cache lines.

/// A cache line.
const LINE: usize = 64;

/// Bytes from one slot to the next, for messages of `len` bytes: whole cache lines.
pub(in crate::measure) fn stride(len: usize) -> usize {
    len.next_multiple_of(LINE).max(LINE)
}

/// The seed of the content of buffers: messages of another length or under another seed are other messages.
pub(in crate::measure) fn drawn_from(len: usize, seed: u64) -> u64 {
    len as u64 ^ seed.rotate_left(32)
}

/// Slots for messages of equal length, each so many bytes behind the beginning of a cache line.
pub(in crate::measure) struct Slots {
    bytes: Vec<u8>,
    start: usize,
    offset: usize,
    len: usize,
    count: usize,
}

impl Slots {
    /// `count` slots of `len` bytes, all zero, 64-byte aligned.
    pub fn new(count: usize, len: usize) -> Self {
        Self::at(0, count, len)
    }

    /// `count` slots of `len` bytes, all zero, each `offset` bytes behind the beginning of a cache line.
    pub fn at(offset: usize, count: usize, len: usize) -> Self {
        let bytes = vec![0; count * stride(offset + len) + LINE];
        // The vector never grows, so its address and with it the alignment stay.
        let start = bytes.as_ptr().align_offset(LINE);
        // `align_offset` may give up by contract; then the slots are unaligned but whole.
        let start = if start < LINE { start } else { 0 };
        Self { bytes, start, offset, len, count }
    }

    /// As many slots of the same shape and content, aligned anew.
    pub fn copied(&self) -> Self {
        let mut copy = Self::at(self.offset, self.count, self.len);
        copy.copy_from(self);
        copy
    }

    /// The slots, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let stride = stride(self.offset + self.len);
        let end = self.start + self.count * stride;
        self.bytes[self.start..end]
            .chunks_exact(stride)
            .map(|slot| &slot[self.offset..self.offset + self.len])
    }

    /// The slots, in order, to be written.
    #[inline]
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let (stride, message) = (stride(self.offset + self.len), self.offset..self.offset + self.len);
        let end = self.start + self.count * stride;
        self.bytes[self.start..end].chunks_exact_mut(stride).map(move |slot| &mut slot[message.clone()])
    }

    /// Takes over the content of slots of the same shape.
    pub fn copy_from(&mut self, other: &Self) {
        let size = self.count * stride(self.offset + self.len);
        let (to, from) = (self.start..self.start + size, other.start..other.start + size);
        self.bytes[to].copy_from_slice(&other.bytes[from]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_aligned_whole_and_apart() {
        for (count, len) in [(1, 0), (2, 1), (3, 64), (5, 65), (2, 1350)] {
            let mut slots = Slots::new(count, len);
            for (i, slot) in slots.iter_mut().enumerate() {
                assert_eq!(slot.as_ptr().align_offset(LINE), 0, "{count} {len}");
                slot.fill(i as u8 + 1);
            }
            let mut copy = Slots::new(count, len);
            copy.copy_from(&slots);
            assert_eq!(copy.iter().count(), count);
            for (i, slot) in copy.iter().enumerate() {
                assert_eq!(slot, vec![i as u8 + 1; len]);
            }
        }
    }

    #[test]
    fn a_slot_may_lie_off_the_line() {
        let mut slots = Slots::at(3, 4, 61);
        slots.iter_mut().enumerate().for_each(|(i, slot)| slot.fill(i as u8));
        for (i, slot) in slots.iter().enumerate() {
            assert_eq!((slot.as_ptr() as usize % LINE, slot), (3, &[i as u8; 61][..]));
        }
        let mut copy = Slots::at(3, 4, 61);
        copy.copy_from(&slots);
        assert!(copy.iter().eq(slots.iter()));
    }

    #[test]
    fn a_stride_is_whole_cache_lines() {
        assert_eq!([0, 1, 64, 65, 1024].map(stride), [64, 64, 64, 128, 1024]);
    }
}
