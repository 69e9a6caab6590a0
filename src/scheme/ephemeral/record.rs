//! A round's wrapped key and its stored form (spec §2): the 60 bytes of the wrap, stored as a byte vector of
//! bincode 1, a little-endian 64-bit length before them.
//!
//! The reference deletes a record by writing the single byte 0. Ours erases it ([`slots`](super::slots));
//! reading that byte still means that there is no key.

use zeroize::Zeroizing;

use super::Error;
use crate::envelope::wrap::WRAPPED_LEN;

/// Bytes of the stored form.
pub const STORED_LEN: usize = 8 + WRAPPED_LEN;
/// The reference's mark of a deleted record: bincode's `None`.
pub const TOMBSTONE: [u8; 1] = [0];

/// A round's key, wrapped under the master key: nonce, ciphertext, tag.
///
/// Wiped when dropped: with the master key, which stays in memory, a record that outlives its purge there
/// would be as good as the key. It stays in one place on the heap, so moving it leaves no copy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record(pub Box<Zeroizing<[u8; WRAPPED_LEN]>>);

impl Record {
    /// The record with these bytes.
    pub fn new(bytes: &[u8; WRAPPED_LEN]) -> Self {
        let mut record = Self(Box::new(Zeroizing::new([0; WRAPPED_LEN])));
        record.0.copy_from_slice(bytes);
        record
    }

    /// The stored form; wiped when dropped.
    pub fn to_stored(&self) -> Zeroizing<[u8; STORED_LEN]> {
        let mut stored = Zeroizing::new([0; STORED_LEN]);
        stored[..8].copy_from_slice(&(WRAPPED_LEN as u64).to_le_bytes());
        stored[8..].copy_from_slice(&self.0[..]);
        stored
    }

    /// Reads the stored form; `None` for the mark of a deleted record.
    ///
    /// # Errors
    /// [`Error::Record`] for any other length, or if the length in it is not 60.
    pub fn from_stored(stored: &[u8]) -> Result<Option<Self>, Error> {
        if stored == TOMBSTONE {
            return Ok(None);
        }
        let stored: &[u8; STORED_LEN] =
            stored.try_into().map_err(|_| Error::Record("it is not 68 bytes long"))?;
        let (len, wrapped) = stored.split_first_chunk::<8>().ok_or(Error::Record("it has no length"))?;
        if u64::from_le_bytes(*len) != WRAPPED_LEN as u64 {
            return Err(Error::Record("its length is not 60"));
        }
        let wrapped = wrapped.try_into().map_err(|_| Error::Record("its key is not 60 bytes long"))?;
        Ok(Some(Self::new(wrapped)))
    }

    /// Whatever looks like a stored form in these bytes, at any offset, for the attackers of the campaigns.
    /// Other bytes may look like one: eight bytes, the length, are all that shows it.
    #[doc(hidden)]
    pub fn all_in(bytes: &[u8]) -> impl Iterator<Item = Self> {
        bytes.windows(STORED_LEN).filter_map(|window| Self::from_stored(window).ok().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_stored_with_its_length_and_nothing_else_is_read() {
        let record = Record::new(&[7; WRAPPED_LEN]);
        let stored = record.to_stored();
        assert_eq!(stored[..8], [60, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Record::from_stored(&stored[..]).unwrap(), Some(record));
        assert_eq!(Record::from_stored(&[0]).unwrap(), None);
        for (stored, reason) in [
            (&[][..], "not 68 bytes"),
            (&[1], "not 68 bytes"),
            (&stored[..67], "not 68 bytes"),
            (&[&stored[..], &[0]].concat(), "not 68 bytes"),
            (&[&[61, 0, 0, 0, 0, 0, 0, 0], &stored[8..]].concat(), "length is not 60"),
            (&[&[60, 0, 0, 0, 0, 0, 0, 1], &stored[8..]].concat(), "length is not 60"),
        ] {
            let refused = Record::from_stored(stored).unwrap_err().to_string();
            assert!(refused.contains(reason), "{refused}");
        }
    }
}
