//! The data that a record's tag binds besides its ciphertext: the place where it is stored, the fact that it
//! is a raft entry, or a scheme's own bytes.
//!
//! Follows elastickv `store/mvcc_store.go` (value header, key) and `internal/encryption` (both AADs).
//! elastickv's design document leaves the value header out of the storage AAD, but its code includes it, and
//! so does this file.

use arrayvec::ArrayVec;

use super::Error;
use super::record::VERSION;

/// Bytes of a value header.
pub const VALUE_HEADER_LEN: usize = 9;
/// The longest key whose AAD is composed on the stack. For longer keys each seal and open allocates once.
pub const STACK_KEY_LEN: usize = 1024;
/// Bytes of the storage AAD before the key: version, flag, key id, value header.
const STORAGE_PREFIX_LEN: usize = 6 + VALUE_HEADER_LEN;
/// Bytes of the raft AAD: `R`, version, key id.
const RAFT_LEN: usize = 6;

/// The context that a record is bound to, besides its own version, flag (storage only) and key id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Aad<'a> {
    /// A stored value: its header and its key in the store.
    Storage {
        /// The nine bytes stored before the record; see [`ValueHeader`].
        value_header: &'a [u8; VALUE_HEADER_LEN],
        /// The store key; see [`pebble_key`].
        pebble_key: &'a [u8],
    },
    /// A raft entry. Its flag byte is written as 0 and is not bound: a record with a changed flag still
    /// opens.
    Raft,
    /// A scheme's own bytes, used unchanged, for a record that the scheme stores under its own rules. They
    /// bind neither flag nor key id. The flag byte is written as 0, and a record with another flag is not
    /// authentic.
    Own(&'a [u8]),
}

impl Aad<'_> {
    /// Whether the tag binds the flag byte. An unbound flag byte is written as 0.
    #[inline]
    pub(super) fn binds_flag(&self) -> bool {
        matches!(self, Self::Storage { .. })
    }

    /// Passes the composed bytes to `use_it`: from the stack for keys of up to [`STACK_KEY_LEN`] bytes,
    /// otherwise from one allocation.
    #[inline]
    pub fn compose<R>(&self, flag: u8, key_id: u32, use_it: impl FnOnce(&[u8]) -> R) -> R {
        if let Self::Own(bytes) = self {
            return use_it(bytes);
        }
        let mut stack = ArrayVec::<u8, { STORAGE_PREFIX_LEN + STACK_KEY_LEN }>::new();
        if self.append(flag, key_id, &mut stack) {
            use_it(&stack)
        } else {
            use_it(&self.to_vec(flag, key_id))
        }
    }

    /// The composed bytes, in a new allocation.
    pub fn to_vec(&self, flag: u8, key_id: u32) -> Vec<u8> {
        match self {
            Self::Raft => raft_aad(key_id).into(),
            Self::Own(bytes) => bytes.to_vec(),
            Self::Storage { value_header, pebble_key } => {
                [&storage_prefix(flag, key_id, value_header)[..], pebble_key].concat()
            }
        }
    }

    /// Appends the composed bytes to `bytes`; returns false and adds nothing if there is no room.
    #[inline]
    pub(super) fn append<const N: usize>(&self, flag: u8, key_id: u32, bytes: &mut ArrayVec<u8, N>) -> bool {
        if bytes.remaining_capacity() < self.composed_len() {
            return false;
        }
        match self {
            Self::Raft => bytes.try_extend_from_slice(&raft_aad(key_id)).is_ok(),
            Self::Own(own) => bytes.try_extend_from_slice(own).is_ok(),
            Self::Storage { value_header, pebble_key } => {
                bytes.try_extend_from_slice(&storage_prefix(flag, key_id, value_header)).is_ok()
                    && bytes.try_extend_from_slice(pebble_key).is_ok()
            }
        }
    }

    #[inline]
    fn composed_len(&self) -> usize {
        match self {
            Self::Raft => RAFT_LEN,
            Self::Own(bytes) => bytes.len(),
            Self::Storage { pebble_key, .. } => STORAGE_PREFIX_LEN + pebble_key.len(),
        }
    }
}

#[inline]
fn raft_aad(key_id: u32) -> [u8; RAFT_LEN] {
    let [a, b, c, d] = key_id.to_be_bytes();
    [b'R', VERSION, a, b, c, d]
}

#[inline]
fn storage_prefix(flag: u8, key_id: u32, value_header: &[u8; VALUE_HEADER_LEN]) -> [u8; STORAGE_PREFIX_LEN] {
    let mut prefix = [VERSION; STORAGE_PREFIX_LEN];
    prefix[1] = flag;
    prefix[2..6].copy_from_slice(&key_id.to_be_bytes());
    prefix[6..].copy_from_slice(value_header);
    prefix
}

/// Whether a stored value is sealed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum State {
    /// The bytes after the value header are the value.
    #[default]
    Clear,
    /// The bytes after the value header are a record.
    Encrypted,
}

/// The nine bytes before every stored value: tombstone and encryption state, then the expiry time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct ValueHeader {
    /// The key was deleted at this version.
    pub tombstone: bool,
    /// Whether a record follows.
    pub state: State,
    /// When the value expires; 0 means never. The format's only little-endian integer.
    pub expire_at: u64,
}

impl ValueHeader {
    /// Its nine bytes.
    #[inline]
    pub const fn encode(&self) -> [u8; VALUE_HEADER_LEN] {
        let state = match self.state {
            State::Clear => 0,
            State::Encrypted => 0b10,
        };
        let [a, b, c, d, e, f, g, h] = self.expire_at.to_le_bytes();
        [self.tombstone as u8 | state, a, b, c, d, e, f, g, h]
    }

    /// Reads the value header at the start of a stored value; returns it with the remaining bytes.
    ///
    /// # Errors
    /// [`Error::ValueHeaderShort`] below nine bytes; [`Error::EncryptedValueReservedState`] if a reserved bit
    /// is set (bits 3 to 7, and bit 2, which only states 2 and 3 use).
    #[inline]
    pub fn decode(stored: &[u8]) -> Result<(Self, &[u8]), Error> {
        let ([bits, expire_at @ ..], rest) =
            stored.split_first_chunk::<VALUE_HEADER_LEN>().ok_or(Error::ValueHeaderShort)?;
        if bits & !0b11 != 0 {
            return Err(Error::EncryptedValueReservedState);
        }
        let expire_at: &[u8; 8] = expire_at;
        let header = Self {
            tombstone: bits & 1 != 0,
            state: if bits & 2 != 0 { State::Encrypted } else { State::Clear },
            expire_at: u64::from_le_bytes(*expire_at),
        };
        Ok((header, rest))
    }
}

/// The store key of a version of a value: the user's key, then the complement of the commit timestamp, so
/// that newer versions sort first.
pub fn pebble_key(user_key: &[u8], commit_ts: u64) -> Vec<u8> {
    [user_key, &(!commit_ts).to_be_bytes()].concat()
}

/// [`pebble_key`] written into the caller's buffer; returns the part that it fills.
///
/// # Errors
/// [`Error::BufferTooSmall`] unless `out` is at least eight bytes longer than `user_key`.
#[inline]
pub fn pebble_key_into<'a>(user_key: &[u8], commit_ts: u64, out: &'a mut [u8]) -> Result<&'a [u8], Error> {
    let out = out.get_mut(..user_key.len() + 8).ok_or(Error::BufferTooSmall)?;
    let (key, version) = out.split_at_mut(user_key.len());
    key.copy_from_slice(user_key);
    version.copy_from_slice(&(!commit_ts).to_be_bytes());
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_storage_aad_is_version_flag_key_id_value_header_and_key() {
        let value_header = [2, 1, 2, 3, 4, 5, 6, 7, 8];
        for len in [0, 1, STACK_KEY_LEN, STACK_KEY_LEN + 1] {
            let key = vec![0xaa; len];
            let aad = Aad::Storage { value_header: &value_header, pebble_key: &key };
            let expected = [&[1, 0x81, 0, 0, 1, 2, 2, 1, 2, 3, 4, 5, 6, 7, 8][..], &key].concat();
            aad.compose(0x81, 0x0102, |bytes| assert_eq!(bytes, expected));
            assert_eq!(aad.to_vec(0x81, 0x0102), expected);
        }
    }

    #[test]
    fn the_raft_aad_is_six_bytes_without_the_flag() {
        Aad::Raft.compose(0xff, 7, |bytes| assert_eq!(bytes, [b'R', 1, 0, 0, 0, 7]));
        assert_eq!(Aad::Raft.to_vec(0, 7), [b'R', 1, 0, 0, 0, 7]);
    }

    #[test]
    fn nothing_is_appended_without_room_for_all_of_it() {
        let mut arena = ArrayVec::<u8, 7>::new();
        assert!(Aad::Raft.append(0, 1, &mut arena));
        assert!(!Aad::Raft.append(0, 1, &mut arena));
        assert_eq!(arena.len(), 6);
    }

    #[test]
    fn value_headers_of_every_first_byte_read_back_or_are_refused() {
        let mut accepted = 0;
        for bits in 0..=255u8 {
            let stored = [bits, 1, 0, 0, 0, 0, 0, 0, 0x80, 0xee];
            match ValueHeader::decode(&stored) {
                Ok((header, rest)) => {
                    assert_eq!((header.encode(), rest), (stored[..9].try_into().unwrap(), &[0xee][..]));
                    assert_eq!(header.expire_at, 1 | 1 << 63);
                    accepted += 1;
                }
                Err(error) => assert_eq!(error, Error::EncryptedValueReservedState),
            }
        }
        assert_eq!(accepted, 4);
        assert_eq!(ValueHeader::decode(&[0xff; 8]), Err(Error::ValueHeaderShort));
    }

    #[test]
    fn newer_versions_of_a_key_sort_first() {
        assert!(pebble_key(b"k", 2) < pebble_key(b"k", 1));
        let mut out = [0; 10];
        assert_eq!(pebble_key_into(b"k", 2, &mut out).unwrap(), pebble_key(b"k", 2));
        assert_eq!(pebble_key_into(b"k", 2, &mut out[..8]), Err(Error::BufferTooSmall));
    }
}
