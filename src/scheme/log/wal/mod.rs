//! The write-ahead log: its records, byte for byte those of the reference (specification §2).
//!
//! A log is records and nothing else. A record is a header of 24 bytes, little-endian (magic, version,
//! operation, a reserved byte, the sizes of key, value and request id, a checksum), and then key, value and
//! request id. The checksum covers the first 20 bytes and the payload; the reserved byte is covered, and its
//! value is never looked at. [`Reader`] replays a log and [`Append`] writes one. Not here: which files make
//! up a log, and what a record does.

use std::fmt;
use std::io;
use std::path::Path;

use super::{Code, Damage, Error, limit};
use crate::disk::{Disk, OpenFile};
use crate::primitive::crc32c;

mod append;
mod reader;
mod tail;
#[cfg(test)]
mod tests;

pub use append::{Append, MAX_BATCH_LEN};
pub use reader::Reader;
pub use tail::Tail;

/// What a record begins with: 0x4b565741, little-endian.
pub const MAGIC: [u8; 4] = *b"AWVK";
/// The only version.
pub const VERSION: u16 = 1;
/// Length of a record's header in bytes.
pub const HEADER_LEN: usize = 24;
/// Length of the part of the header that the checksum covers, in bytes. The checksum follows it.
pub const COVERED_LEN: usize = 20;
/// Length of the longest record in bytes.
pub const MAX_RECORD_LEN: usize =
    HEADER_LEN + limit::MAX_KEY_LEN + limit::MAX_VALUE_LEN + limit::MAX_REQUEST_ID_LEN;

/// What a record does to its key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Operation {
    /// Gives it a value.
    Put = 1,
    /// Removes it.
    Delete = 2,
}

impl Operation {
    /// The operation with this byte.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Put),
            2 => Some(Self::Delete),
            _ => None,
        }
    }
}

/// A record. Its `Debug` shows lengths only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// The operation.
    pub op: Operation,
    /// The key.
    pub key: &'a [u8],
    /// The value. The engine writes none with a delete, but a reader accepts one.
    pub value: &'a [u8],
    /// The id of the request. The engine refuses an empty one, but a reader accepts it.
    pub request_id: &'a [u8],
}

impl<'a> Record<'a> {
    /// A put.
    pub const fn put(key: &'a [u8], value: &'a [u8], request_id: &'a [u8]) -> Self {
        Self { op: Operation::Put, key, value, request_id }
    }

    /// A delete.
    pub const fn delete(key: &'a [u8], request_id: &'a [u8]) -> Self {
        Self { op: Operation::Delete, key, value: &[], request_id }
    }

    /// Its length in a log, in bytes.
    pub const fn encoded_len(&self) -> usize {
        HEADER_LEN + self.key.len() + self.value.len() + self.request_id.len()
    }
}

impl fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [key, value, request_id] = [self.key, self.value, self.request_id].map(<[u8]>::len);
        write!(f, "Record {{ {:?}, key {key} B, value {value} B, request id {request_id} B }}", self.op)
    }
}

/// A record's header, every field of which is within its bounds. The checksum is still to be verified.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The operation.
    pub op: Operation,
    /// Length of the key in bytes.
    pub key_len: usize,
    /// Length of the value in bytes.
    pub value_len: usize,
    /// Length of the request id in bytes.
    pub request_id_len: usize,
    /// The checksum as written.
    pub checksum: u32,
}

impl Header {
    /// Reads a header, with the reference's checks in its order.
    ///
    /// # Errors
    /// [`Code::InvalidMagic`], [`Code::UnsupportedVersion`], [`Code::InvalidOperation`],
    /// [`Code::InvalidRecord`] for a size above its limit, each with the reason.
    #[inline]
    pub fn parse(bytes: &[u8; HEADER_LEN]) -> Result<Self, (Code, &'static str)> {
        Self::sound(bytes).ok_or_else(|| Self::first_failure(bytes))
    }

    /// The header if it passes every check: in few instructions, because a replay runs them for each record.
    #[inline]
    fn sound(bytes: &[u8; HEADER_LEN]) -> Option<Self> {
        const EXPECTED: u64 = ((VERSION as u64) << 32) | u32::from_le_bytes(MAGIC) as u64;
        let (first, _) = bytes.split_first_chunk().expect("8 of 24 bytes");
        // Operation and reserved byte stand above the version.
        let magic_and_version = u64::from_le_bytes(*first) & 0xffff_ffff_ffff;
        let number = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let op = Operation::from_byte(bytes[6])?;
        // A `usize` holds 32 bits on every system with an address space for these limits. One by one, because
        // a `map` over the array is compiled to a call.
        let (key_len, value_len, request_id_len) =
            (number(8) as usize, number(12) as usize, number(16) as usize);
        let sound = magic_and_version == EXPECTED
            && key_len <= limit::MAX_KEY_LEN
            && value_len <= limit::MAX_VALUE_LEN
            && request_id_len <= limit::MAX_REQUEST_ID_LEN;
        sound.then_some(Self { op, key_len, value_len, request_id_len, checksum: number(COVERED_LEN) })
    }

    /// The first check that a header fails, in the reference's order. Only for a header that fails one.
    #[cold]
    fn first_failure(bytes: &[u8; HEADER_LEN]) -> (Code, &'static str) {
        if bytes[..4] != MAGIC {
            (Code::InvalidMagic, "a record does not begin with its magic number")
        } else if bytes[4..6] != VERSION.to_le_bytes() {
            (Code::UnsupportedVersion, "a record's version is not 1")
        } else if Operation::from_byte(bytes[6]).is_none() {
            (Code::InvalidOperation, "a record's operation is neither put nor delete")
        } else {
            let number =
                |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
            let [key, value, request_id] = [8, 12, 16].map(|at| number(at) as usize);
            (
                Code::InvalidRecord,
                limit::exceeded(key, value, request_id).unwrap_or("a size is over its limit"),
            )
        }
    }

    /// Length of key, value and request id in bytes.
    pub const fn payload_len(&self) -> usize {
        self.key_len + self.value_len + self.request_id_len
    }

    /// The record with this header and this payload, which has the right length.
    #[inline]
    fn record<'p>(&self, payload: &'p [u8]) -> Record<'p> {
        let (key, rest) = payload.split_at(self.key_len);
        let (value, request_id) = rest.split_at(self.value_len);
        Record { op: self.op, key, value, request_id }
    }
}

/// The checksum that belongs into a record: over the first 20 bytes of its header, and its payload.
#[inline]
pub fn record_checksum(covered: &[u8; COVERED_LEN], payload: &[u8]) -> u32 {
    crc32c::extend(crc32c::checksum(covered), payload)
}

/// Appends a record to `out`.
///
/// # Errors
/// [`Code::InvalidRecord`] if key, value or request id is over its limit; `out` is then unchanged.
pub fn encode(record: &Record<'_>, out: &mut Vec<u8>) -> Result<(), Damage> {
    let Record { op, key, value, request_id } = record;
    if let Some(why) = limit::exceeded(key.len(), value.len(), request_id.len()) {
        return Err(Code::InvalidRecord.damage(0, why));
    }
    let mut header = [0; HEADER_LEN];
    header[..4].copy_from_slice(&MAGIC);
    header[4..6].copy_from_slice(&VERSION.to_le_bytes());
    header[6] = *op as u8;
    for (field, len) in
        header[8..COVERED_LEN].chunks_exact_mut(4).zip([key, value, request_id].map(|f| f.len()))
    {
        field.copy_from_slice(&(len as u32).to_le_bytes());
    }
    out.reserve(record.encoded_len());
    let start = out.len();
    out.extend_from_slice(&header);
    [key, value, request_id].iter().for_each(|part| out.extend_from_slice(part));
    let (covered, _) = header.split_first_chunk().expect("20 of 24 bytes");
    let checksum = record_checksum(covered, &out[start + HEADER_LEN..]);
    out[start + COVERED_LEN..start + HEADER_LEN].copy_from_slice(&checksum.to_le_bytes());
    Ok(())
}

/// Opens a log, exclusively. A log that does not exist is empty, and yields `None`.
///
/// # Errors
/// [`Error::Disk`], code `IO_ERROR`.
pub fn open(disk: &dyn Disk, path: &Path) -> Result<Option<Box<dyn OpenFile>>, Error> {
    match disk.open(path) {
        Ok(file) => Ok(Some(file)),
        Err(reason) if reason.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(reason) => Err(Error::disk("opening", path)(reason)),
    }
}
