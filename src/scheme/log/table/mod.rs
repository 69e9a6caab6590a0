//! Sorted tables on disk, byte for byte those of the reference (specification §3).
//!
//! ```text
//! header 16   magic | version 1 u16 | 0 u16 | target block length u32 | 0 u32
//! frame *     payload length u32 | payload | checksum of the payload u32        a block of entries each
//! frame       the same framing                                                  the index
//! footer 32   magic | version 1 u16 | 0 u16 | index offset u64 | index frame length u32 | 0 u32 | 0 u32
//!             | checksum of the first 28 bytes u32
//! ```
//!
//! All numbers are little-endian. The last ten bytes of the header are under no checksum, and nobody reads
//! them. The reference's own description of an entry leaves out the byte that tells a value from a tombstone;
//! its code, and this one, has it. A table is written as a whole, durably, and never altered. Not here: which
//! tables there are, and which of them is newer.

mod block;
mod cache;
mod index;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use block::Entry;
pub use cache::{CACHED_BLOCKS, Cache};
pub use reader::{Entries, Found, Table};
pub use writer::{Summary, Writer, encode, write};

/// What a table begins with: 0x4b535354, little-endian.
pub const HEADER_MAGIC: [u8; 4] = *b"TSSK";
/// What a table's footer begins with: 0x4b534654, little-endian.
pub const FOOTER_MAGIC: [u8; 4] = *b"TFSK";
/// The only version.
pub const VERSION: u16 = 1;
/// Length of the header in bytes.
pub const HEADER_LEN: usize = 16;
/// Length of the footer in bytes.
pub const FOOTER_LEN: usize = 32;
/// Length of a frame's payload length and checksum together, in bytes.
pub const FRAME_LEN: usize = 8;
/// The target block length of the reference's engine, in bytes.
pub const DEFAULT_BLOCK_LEN: u32 = 4096;
/// The smallest length of a block's payload at which a writer starts the next block, in bytes.
pub const MIN_BLOCK_LEN: u32 = 128;

/// The little-endian number at this place.
fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The little-endian number at this place.
fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Whether magic number and version stand at the beginning of these bytes.
fn version_at(bytes: &[u8]) -> bool {
    bytes.get(4..6) == Some(&VERSION.to_le_bytes())
}
