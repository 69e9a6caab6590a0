//! The record: version, flag, key id, nonce, ciphertext and tag as one byte string, big-endian.
//!
//! Follows elastickv `internal/encryption/envelope.go`. Decoding borrows and authenticates nothing. It
//! accepts reserved flag bits, because only the AAD protects the flag byte.

use super::Error;
use crate::aead::{NONCE_LEN, Nonce, TAG_LEN};

/// The only supported version; 2 to 15 are reserved.
pub const VERSION: u8 = 1;
/// Bytes before the ciphertext.
pub const HEADER_LEN: usize = 18;
/// Bytes that a record adds to its plaintext: header and tag.
pub const OVERHEAD: usize = HEADER_LEN + TAG_LEN;
/// Flag bit 0: the plaintext was compressed with Snappy. No writer sets it yet.
pub const FLAG_SNAPPY: u8 = 1;

/// The fields before the ciphertext, without the version.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Header {
    /// Bit 0 is [`FLAG_SNAPPY`], the others are reserved and zero.
    pub flag: u8,
    /// The id of the data key; 0 means none.
    pub key_id: u32,
    /// The nonce that the record was sealed under.
    pub nonce: Nonce,
}

impl Header {
    /// Its 18 bytes.
    #[inline]
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [VERSION; HEADER_LEN];
        bytes[1] = self.flag;
        bytes[2..6].copy_from_slice(&self.key_id.to_be_bytes());
        bytes[6..].copy_from_slice(&self.nonce);
        bytes
    }

    /// Reads the header of a record, after checking first the record's length, then its version.
    ///
    /// # Errors
    /// [`Error::EnvelopeShort`] below [`OVERHEAD`] bytes, then [`Error::EnvelopeVersion`].
    #[inline]
    pub fn decode(record: &[u8]) -> Result<Self, Error> {
        if record.len() < OVERHEAD {
            return Err(Error::EnvelopeShort);
        }
        let (bytes, _) = record.split_first_chunk::<HEADER_LEN>().ok_or(Error::EnvelopeShort)?;
        let [version, flag, a, b, c, d, nonce @ ..] = bytes;
        if *version != VERSION {
            return Err(Error::EnvelopeVersion(*version));
        }
        let nonce: &[u8; NONCE_LEN] = nonce;
        Ok(Self { flag: *flag, key_id: u32::from_be_bytes([*a, *b, *c, *d]), nonce: *nonce })
    }
}

/// A decoded record that borrows its body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record<'a> {
    /// The fields before the body.
    pub header: Header,
    /// The ciphertext, then the tag: 16 bytes or more.
    pub body: &'a [u8],
}

impl<'a> Record<'a> {
    /// Reads a record without copying its body. Nothing is authenticated.
    ///
    /// # Errors
    /// As for [`Header::decode`].
    #[inline]
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Error> {
        Ok(Self { header: Header::decode(bytes)?, body: &bytes[HEADER_LEN..] })
    }
}

/// Writes a record of header and body (ciphertext, then tag) into the first bytes of `out`; returns its
/// length.
///
/// # Errors
/// [`Error::EnvelopeVersion`] unless `version` is [`VERSION`], then [`Error::EnvelopeShort`] for a body
/// shorter than a tag, then [`Error::BufferTooSmall`] if `out` is too short.
pub fn encode(version: u8, header: &Header, body: &[u8], out: &mut [u8]) -> Result<usize, Error> {
    if version != VERSION {
        return Err(Error::EnvelopeVersion(version));
    }
    if body.len() < TAG_LEN {
        return Err(Error::EnvelopeShort);
    }
    let len = HEADER_LEN + body.len();
    let (head, rest) = out.get_mut(..len).ok_or(Error::BufferTooSmall)?.split_at_mut(HEADER_LEN);
    head.copy_from_slice(&header.encode());
    rest.copy_from_slice(body);
    Ok(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header { flag: 0x80, key_id: 0x0102_0304, nonce: [9; 12] };

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        let mut out = [0xee; 40];
        assert_eq!(encode(VERSION, &HEADER, &[7; 20], &mut out), Ok(38));
        assert_eq!(out[..8], [1, 0x80, 1, 2, 3, 4, 9, 9]);
        assert_eq!(out[38..], [0xee; 2]);
        let record = Record::decode(&out[..38]).unwrap();
        assert_eq!(record, Record { header: HEADER, body: &[7; 20] });
        assert!(std::ptr::eq(record.body, &raw const out[18..38]));
    }

    #[test]
    fn decoding_checks_length_before_version() {
        assert_eq!(Record::decode(&[2; 33]), Err(Error::EnvelopeShort));
        assert_eq!(Record::decode(&[2; 34]), Err(Error::EnvelopeVersion(2)));
        assert_eq!(Record::decode(&[1; 34]).map(|r| r.body.len()), Ok(16));
    }

    #[test]
    fn encoding_checks_version_then_body_then_buffer() {
        let mut out = [0; 34];
        assert_eq!(encode(2, &HEADER, &[0; 15], &mut []), Err(Error::EnvelopeVersion(2)));
        assert_eq!(encode(1, &HEADER, &[0; 15], &mut []), Err(Error::EnvelopeShort));
        assert_eq!(encode(1, &HEADER, &[0; 16], &mut out[..33]), Err(Error::BufferTooSmall));
        assert_eq!(encode(1, &HEADER, &[0; 16], &mut out), Ok(34));
    }
}
