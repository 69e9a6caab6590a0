//! A table's index: for each block its first key, the offset of its frame and the frame's length.

use std::ops::Range;

use super::{u32_at, u64_at};
use crate::scheme::log::{Code, Damage};

/// Length of an index entry without its key, in bytes.
const ENTRY_LEN: usize = 16;

/// A table's index, with the bytes that hold the keys.
pub(super) struct Index {
    payload: Vec<u8>,
    blocks: Vec<Block>,
}

struct Block {
    first_key: Range<usize>,
    offset: u64,
    frame_len: u32,
}

impl Index {
    /// Reads the payload of the index frame. The count of entries is believed only as far as the payload has
    /// room for them (rule `bounded-count`). Bytes after the last entry are ignored, as in the reference.
    ///
    /// # Errors
    /// [`Code::InvalidRecord`] with the number of the entry that does not fit or whose key is not greater
    /// than the one before.
    pub(super) fn parse(payload: Vec<u8>) -> Result<Self, Damage> {
        let damage = |entry: usize, why| Code::InvalidRecord.damage(entry as u64, why);
        let count = u32_at(&payload, 0).ok_or_else(|| damage(0, "the index ends inside its count"))? as usize;
        let mut blocks: Vec<Block> = Vec::with_capacity(count.min(payload.len() / ENTRY_LEN));
        let mut at = 4;
        for entry in 0..count {
            let block = block_at(&payload, at);
            let (block, next) = block.ok_or_else(|| damage(entry, "the index ends inside an entry"))?;
            blocks.push(block);
            at = next;
        }
        let key = |block: &Block| &payload[block.first_key.clone()];
        match blocks.windows(2).position(|pair| key(&pair[0]) >= key(&pair[1])) {
            Some(before) => Err(damage(before + 1, "the first keys of the blocks do not ascend")),
            None => Ok(Self { payload, blocks }),
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.blocks.len()
    }

    /// The only block that may hold this key.
    pub(super) fn find(&self, key: &[u8]) -> Option<usize> {
        self.blocks.partition_point(|block| self.payload[block.first_key.clone()] <= *key).checked_sub(1)
    }

    /// Offset and length in bytes of a block's frame, as the index says.
    pub(super) fn frame(&self, block: usize) -> Option<(u64, u32)> {
        self.blocks.get(block).map(|block| (block.offset, block.frame_len))
    }
}

/// The entry at this place, and the place of the next.
fn block_at(payload: &[u8], at: usize) -> Option<(Block, usize)> {
    let key = at + 4;
    let end = key.checked_add(u32_at(payload, at)? as usize)?;
    let (offset, frame_len) = (u64_at(payload, end)?, u32_at(payload, end.checked_add(8)?)?);
    Some((Block { first_key: key..end, offset, frame_len }, end + 12))
}
