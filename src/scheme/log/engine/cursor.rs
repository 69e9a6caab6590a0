//! Little-endian fields, read and written, for the files and payloads of the engine that are not records.

use super::super::{Code, Damage};

/// The rest of some bytes, and the number of the entry that damage is reported at.
pub(super) struct Cursor<'a> {
    pub bytes: &'a [u8],
    pub index: u64,
}

impl<'a> Cursor<'a> {
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, index: 0 }
    }

    /// The next bytes.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], Damage> {
        let (taken, rest) = self
            .bytes
            .split_at_checked(len)
            .ok_or_else(|| self.damage(Code::TruncatedRecord, "it is cut short"))?;
        self.bytes = rest;
        Ok(taken)
    }

    /// The next bytes, as many as an array has.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        Ok(self.take(N)?.try_into().expect("as many were taken"))
    }

    pub fn u16(&mut self) -> Result<u16, Damage> {
        self.array().map(u16::from_le_bytes)
    }

    /// A length or a count.
    pub fn len(&mut self) -> Result<usize, Damage> {
        Ok(u32::from_le_bytes(self.array()?) as usize)
    }

    /// A count of entries that take at least `least` bytes each, so that a forged one cannot take memory.
    pub fn count(&mut self, least: usize) -> Result<usize, Damage> {
        let count = self.len()?;
        if count > self.bytes.len() / least {
            return Err(self.damage(Code::InvalidRecord, "it has fewer entries than it says"));
        }
        Ok(count)
    }

    /// A length of at most this.
    pub fn len_within(&mut self, most: usize) -> Result<usize, Damage> {
        let len = self.len()?;
        if len > most { Err(self.damage(Code::InvalidRecord, "a field is over its limit")) } else { Ok(len) }
    }

    /// A length of at most this, then as many bytes.
    pub fn field(&mut self, most: usize) -> Result<&'a [u8], Damage> {
        let len = self.len_within(most)?;
        self.take(len)
    }

    /// Nothing may follow.
    pub fn end(&self) -> Result<(), Damage> {
        if self.bytes.is_empty() {
            Ok(())
        } else {
            Err(self.damage(Code::InvalidRecord, "bytes follow its end"))
        }
    }

    pub const fn damage(&self, code: Code, why: &'static str) -> Damage {
        code.damage(self.index, why)
    }
}

/// Appends a length or a count.
pub(super) fn put_len(out: &mut Vec<u8>, len: usize) -> Result<(), Damage> {
    let len = u32::try_from(len).map_err(|_| Code::InvalidRecord.damage(0, "it has more than 4 GiB"))?;
    out.extend_from_slice(&len.to_le_bytes());
    Ok(())
}

/// Appends a length and the bytes.
pub(super) fn put_field(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Damage> {
    put_len(out, bytes.len())?;
    out.extend_from_slice(bytes);
    Ok(())
}
