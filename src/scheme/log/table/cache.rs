//! Blocks whose checksum was verified, kept in memory. A block read from here is not verified again, so a
//! file that rots meanwhile is noticed only once its block has left the cache.

use std::sync::{Arc, Mutex, PoisonError};

/// Blocks that the reference keeps.
pub const CACHED_BLOCKS: usize = 64;

/// Table and block. Tables have numbers instead of paths, because a new table may get an old one's path.
type Place = (u64, usize);

/// Verified blocks of several tables, the least recently used of which make room for others.
pub struct Cache {
    capacity: usize,
    blocks: Mutex<Vec<(Place, Arc<Vec<u8>>)>>,
}

impl Cache {
    /// A cache for this many blocks.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, blocks: Mutex::new(Vec::new()) }
    }

    /// The payload of a block. It is now the most recently used.
    pub(super) fn get(&self, place: Place) -> Option<Arc<Vec<u8>>> {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        let at = blocks.iter().rposition(|(other, _)| *other == place)?;
        blocks[at..].rotate_left(1);
        blocks.last().map(|(_, payload)| Arc::clone(payload))
    }

    /// Keeps a verified payload.
    pub(super) fn put(&self, place: Place, payload: Arc<Vec<u8>>) {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        blocks.retain(|(other, _)| *other != place);
        if blocks.len() >= self.capacity {
            let excess = blocks.len() + 1 - self.capacity.max(1);
            blocks.drain(..excess);
        }
        if self.capacity > 0 {
            blocks.push((place, payload));
        }
    }

    /// How many blocks it holds.
    pub fn len(&self) -> usize {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self::new(CACHED_BLOCKS)
    }
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_block_makes_room() {
        let cache = Cache::new(2);
        let put = |block| cache.put((0, block), Arc::new(vec![block as u8]));
        let got = |block| cache.get((0, block)).map(|payload| payload[0]);
        put(0);
        put(1);
        assert_eq!(got(0), Some(0));
        put(2);
        assert_eq!((got(0), got(1), got(2), cache.len()), (Some(0), None, Some(2), 2));
        assert!(cache.get((1, 0)).is_none(), "another table's block");
        put(2);
        assert_eq!((got(0), cache.len()), (Some(0), 2), "a block that is put again takes its own place");
        let none = Cache::new(0);
        none.put((0, 0), Arc::new(Vec::new()));
        assert!(none.is_empty());
    }
}
