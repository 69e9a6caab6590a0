//! The two headers of the compatible stream (spec §1, §2, §8). All integers are 32 bits, big-endian.

use super::Error;
use super::config::{HEADER_LENS, MAX_CHUNK_LEN};
use crate::primitive::cbc::BLOCK_LEN;

/// The first four bytes of a stream. The reference's comment quotes a decimal number with these digits, which
/// is another number.
pub const MAGIC: u32 = 0x6464_0001;
/// The only command.
pub const COMMAND: u32 = 1;
/// Length of the negotiation in bytes.
pub const NEGOTIATION_LEN: usize = 20;
/// The longest snapshot that a receiver accepts, in bytes.
pub const MAX_SNAPSHOT_LEN: u32 = u32::MAX - 1;

/// The first header: sizes. A receiver uses only the header's and, as the longest chunk, the ciphertext's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Negotiation {
    /// Bytes of the snapshot header.
    pub header_size: u32,
    /// Bytes of text in a chunk.
    pub buffer_size: u32,
    /// The most bytes of a chunk on the wire.
    pub cipher_size: u32,
}

impl Negotiation {
    /// What a sender with these sizes announces: chunks grow by up to 16 bytes, encrypted or not.
    ///
    /// # Errors
    /// [`Error::Config`] if a size does not fit into 32 bits.
    pub fn of(header_size: usize, buffer_size: usize) -> Result<Self, Error> {
        let fits = |size: usize| u32::try_from(size).map_err(|_| Error::Config("a size exceeds 2^32".into()));
        let cipher_size = fits(buffer_size.saturating_add(BLOCK_LEN))?;
        Ok(Self { header_size: fits(header_size)?, buffer_size: fits(buffer_size)?, cipher_size })
    }

    /// Its bytes.
    pub fn to_wire(&self) -> [u8; NEGOTIATION_LEN] {
        let words = [MAGIC, COMMAND, self.header_size, self.buffer_size, self.cipher_size];
        let mut wire = [0; NEGOTIATION_LEN];
        let (places, _) = wire.as_chunks_mut();
        places.iter_mut().zip(words).for_each(|(place, word)| *place = word.to_be_bytes());
        wire
    }

    /// Reads it, checking magic, command, header, buffer and ciphertext size, in this order.
    ///
    /// # Errors
    /// [`Error::Protocol`] for the first check that fails.
    pub fn from_wire(wire: &[u8; NEGOTIATION_LEN]) -> Result<Self, Error> {
        let (words, _) = wire.as_chunks();
        let word = |i: usize| u32::from_be_bytes(words[i]);
        let (header_size, buffer_size, cipher_size) = (word(2), word(3), word(4));
        let fits = |size: u32, least: usize, most: usize| (least..=most).contains(&(size as usize));
        let (least, most) = HEADER_LENS.into_inner();
        let why = if word(0) != MAGIC {
            format!("the magic is {:#010x}, not {MAGIC:#010x}: this is no snapshot stream", word(0))
        } else if word(1) != COMMAND {
            format!("the command {} is unknown", word(1))
        } else if !fits(header_size, least, most) {
            format!("header_size is {header_size}: it must be {least} to {most}")
        } else if !fits(buffer_size, 1, MAX_CHUNK_LEN) {
            format!("buffer_size is {buffer_size}: it must be 1 to {MAX_CHUNK_LEN}")
        } else if !fits(cipher_size, 1, MAX_CHUNK_LEN) {
            format!("cipher_size is {cipher_size}: it must be 1 to {MAX_CHUNK_LEN}")
        } else {
            return Ok(Self { header_size, buffer_size, cipher_size });
        };
        Err(Error::Protocol(why))
    }
}

/// The second header: what follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SnapshotHeader {
    /// Bytes of the snapshot.
    pub total_len: u32,
    /// Whether the chunks are encrypted.
    pub encrypted: bool,
}

impl SnapshotHeader {
    /// Its bytes: 8, and zeros up to `header_size`.
    ///
    /// # Errors
    /// [`Error::Config`] if `header_size` is out of range.
    pub fn to_wire(&self, header_size: usize) -> Result<Vec<u8>, Error> {
        if !HEADER_LENS.contains(&header_size) {
            return Err(Error::Config(format!("a snapshot header cannot have {header_size} bytes")));
        }
        let mut wire = vec![0; header_size];
        wire[..4].copy_from_slice(&self.total_len.to_be_bytes());
        wire[4..8].copy_from_slice(&u32::from(self.encrypted).to_be_bytes());
        Ok(wire)
    }

    /// Reads it. The bytes after the first 8 are not checked, as in the reference; nor is the length, which a
    /// receiver checks after it has loaded its keys.
    ///
    /// # Errors
    /// [`Error::Protocol`] if there are fewer than 8 bytes, or if the flag is neither 0 nor 1.
    pub fn from_wire(wire: &[u8]) -> Result<Self, Error> {
        let Some(([total_len, flag], _)) = wire.split_first_chunk::<8>().map(|(head, rest)| {
            let (words, _) = head.as_chunks();
            ([words[0], words[1]].map(u32::from_be_bytes), rest)
        }) else {
            return Err(Error::Protocol(format!(
                "a snapshot header has 8 bytes or more, not {}",
                wire.len()
            )));
        };
        match flag {
            0 | 1 => Ok(Self { total_len, encrypted: flag == 1 }),
            _ => Err(Error::Protocol(format!("the encryption flag is {flag}: it must be 0 or 1"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Negotiation = Negotiation { header_size: 1024, buffer_size: 16_384, cipher_size: 16_400 };

    #[test]
    fn headers_return_as_they_were_written() {
        assert_eq!(Negotiation::of(1024, 16_384).unwrap(), GOOD);
        assert_eq!(Negotiation::from_wire(&GOOD.to_wire()).unwrap(), GOOD);
        assert_eq!(GOOD.to_wire()[..8], [0x64, 0x64, 0, 1, 0, 0, 0, 1]);
        for (total_len, encrypted) in [(0, false), (1, true), (u32::MAX, true)] {
            let header = SnapshotHeader { total_len, encrypted };
            let wire = header.to_wire(8).unwrap();
            assert_eq!(SnapshotHeader::from_wire(&wire).unwrap(), header);
            let mut long = header.to_wire(1024).unwrap();
            assert_eq!((&long[..8], long.len()), (&wire[..], 1024));
            assert!(long[8..].iter().all(|byte| *byte == 0));
            long[9] = 7;
            assert_eq!(SnapshotHeader::from_wire(&long).unwrap(), header, "the rest is not checked");
        }
    }

    #[test]
    fn the_first_wrong_field_is_the_one_that_is_named() {
        let mut wire = GOOD.to_wire();
        for (at, why) in
            [(16, "cipher_size"), (12, "buffer_size"), (8, "header_size"), (4, "command"), (0, "magic")]
        {
            wire[at..at + 4].fill(0xff);
            let refused = Negotiation::from_wire(&wire).unwrap_err();
            assert_eq!(refused.spec_name(), "Protocol");
            assert!(refused.to_string().contains(why), "{refused}");
        }
    }

    #[test]
    fn unusable_headers_are_refused_when_written_and_when_read() {
        let header = SnapshotHeader { total_len: 1, encrypted: false };
        for len in [0, 7, 1025] {
            assert_eq!(header.to_wire(len).unwrap_err().spec_name(), "Config", "{len}");
        }
        let wire = header.to_wire(8).unwrap();
        assert_eq!(SnapshotHeader::from_wire(&wire[..7]).unwrap_err().spec_name(), "Protocol");
        let refused = SnapshotHeader::from_wire(&[0, 0, 0, 1, 0, 0, 0, 2]).unwrap_err();
        assert!(refused.to_string().contains("the encryption flag is 2"), "{refused}");
    }
}
