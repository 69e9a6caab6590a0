//! Single blocks as integers: counter blocks, lengths, and the partial block at the end of a message.

/// The block of the two lengths, in bits, as a field element.
#[inline(always)]
pub(super) fn lengths(aad: usize, message: usize) -> u128 {
    u128::from(aad as u64 * 8) << 64 | u128::from(message as u64 * 8)
}

/// The number of blocks in a message of this many bytes, less than 2^63; the last block may be partial. It
/// takes fewer instructions than `div_ceil`.
#[inline(always)]
pub(super) const fn blocks_of(bytes: usize) -> usize {
    (bytes + 15) >> 4
}

/// Up to 16 bytes as a zero-padded block, as a little-endian integer; avoids a call to `memcpy`.
#[inline(always)]
pub(super) fn short_block(bytes: &[u8]) -> u128 {
    let len = bytes.len();
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    let half = |at: usize| u64::from(u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")));
    match len {
        16.. => u128::from(word(0)) | u128::from(word(8)) << 64,
        // Shifted in two steps, because a word cannot be shifted by 64.
        8..16 => u128::from(word(0)) | u128::from(word(len - 8) >> 1 >> (63 - 8 * (len - 8))) << 64,
        4..8 => u128::from(half(0) | half(len - 4) << (8 * (len - 4))),
        _ => u128::from(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))),
    }
}

/// Writes the first bytes of a block, as many as fit; avoids a call to `memcpy`.
#[inline(always)]
pub(super) fn store_short(to: &mut [u8], value: u128) {
    let len = to.len();
    match len {
        16.. => to[..16].copy_from_slice(&value.to_le_bytes()),
        8..16 => {
            to[..8].copy_from_slice(&(value as u64).to_le_bytes());
            to[len - 8..].copy_from_slice(&((value >> (8 * (len - 8))) as u64).to_le_bytes());
        }
        4..8 => {
            to[..4].copy_from_slice(&(value as u32).to_le_bytes());
            to[len - 4..].copy_from_slice(&((value >> (8 * (len - 4))) as u32).to_le_bytes());
        }
        _ => {
            for (i, byte) in to.iter_mut().enumerate() {
                *byte = (value >> (8 * i)) as u8;
            }
        }
    }
}
