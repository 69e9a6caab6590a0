//! A block's payload: entries one after the other, each a kind (1 value, 2 tombstone), the sizes of key and
//! value, the key and the value.

use std::fmt;

use super::u32_at;
use crate::scheme::log::{Code, Damage};

const VALUE: u8 = 1;
const TOMBSTONE: u8 = 2;
/// Length of an entry without key and value, in bytes.
const HEADER_LEN: usize = 9;

/// An entry of a table. Its `Debug` shows lengths only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The value; `None` for a tombstone, which hides the key in older tables.
    pub value: Option<&'a [u8]>,
}

impl Entry<'_> {
    /// Its length in a block, in bytes.
    pub(super) const fn encoded_len(&self) -> usize {
        HEADER_LEN + self.key.len() + if let Some(value) = self.value { value.len() } else { 0 }
    }

    /// Appends it to a block. Its key and value are within their limits.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let value = self.value.unwrap_or_default();
        out.push(if self.value.is_some() { VALUE } else { TOMBSTONE });
        out.extend_from_slice(&(self.key.len() as u32).to_le_bytes());
        out.extend_from_slice(&(value.len() as u32).to_le_bytes());
        out.extend_from_slice(self.key);
        out.extend_from_slice(value);
    }
}

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value {
            Some(value) => write!(f, "Entry {{ key {} B, value {} B }}", self.key.len(), value.len()),
            None => write!(f, "Entry {{ key {} B, tombstone }}", self.key.len()),
        }
    }
}

/// Reads the entry at `at` in the payload of the block with this number. Returns it with the place of the
/// next one; `None` at the end.
///
/// # Errors
/// [`Code::InvalidRecord`], for an unknown kind, sizes past the end, and bytes that are left over.
pub(super) fn entry_at(
    payload: &[u8],
    at: usize,
    block: usize,
) -> Result<Option<(Entry<'_>, usize)>, Damage> {
    let damage = |why| Code::InvalidRecord.damage(block as u64, why);
    let left = payload.get(at..).unwrap_or_default();
    let Some(kind) = left.first() else { return Ok(None) };
    let (Some(key_len), Some(value_len)) = (u32_at(left, 1), u32_at(left, 5)) else {
        return Err(damage("bytes are left over after the last entry of a block"));
    };
    if !matches!(*kind, VALUE | TOMBSTONE) {
        return Err(damage("an entry is neither a value nor a tombstone"));
    }
    let body = left[HEADER_LEN..].split_at_checked(key_len as usize);
    let Some((key, body)) = body else { return Err(damage("an entry's key is longer than the block")) };
    let Some(value) = body.get(..value_len as usize) else {
        return Err(damage("an entry's value is longer than the block"));
    };
    let next = at + HEADER_LEN + key.len() + value.len();
    let value = (*kind == VALUE).then_some(value);
    Ok(Some((Entry { key, value }, next)))
}
