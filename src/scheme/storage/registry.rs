//! The writer registry: which node has used which epoch of which key (spec §6).
//!
//! Follows elastickv `internal/encryption/registry.go`. A row's key holds the key id and 16 bits of the node
//! id; its value holds the whole node id and the first and last epoch seen. Rows lie among the users' keys in
//! a store with durable commits. Users must not write under the prefix; elastickv documents this, but we
//! found no check there.
//!
//! No row is ever deleted, even when its key is retired, whereas elastickv's design deletes rows in the entry
//! that retires the key. This is deliberate. The rows prevent a retired id from coming back at an epoch that
//! it already had, they keep the nonces of a member that left apart from another's with the same 16 bits, and
//! they tell a node that lost its sidecar that it had keys ([`missing`](super::missing)). They take 39 bytes
//! for each node and key.

use super::Error;
use std::collections::{BTreeMap, HashMap};

use super::wire::Registration;
use crate::disk::{Change, Store};
use crate::envelope::nonce::node_id16;

/// The prefix of every row's key. No user's key may begin with it.
pub const PREFIX: &[u8; 20] = b"!encryption|writers|";
/// Length of a row's key in bytes.
pub const KEY_LEN: usize = 27;
/// Length in bytes of the common prefix of one data key's rows.
pub const DEK_PREFIX_LEN: usize = 25;
/// Length of a row's value in bytes.
pub const VALUE_LEN: usize = 12;

/// The registry's entry for a node under one data key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Writer {
    /// The whole node id; the row's key has only 16 bits of it.
    pub full_node_id: u64,
    /// The first epoch that it registered.
    pub first_seen: u16,
    /// The last epoch that it registered.
    pub last_seen: u16,
}

/// The common prefix of a data key's rows.
pub fn dek_prefix(dek_id: u32) -> [u8; DEK_PREFIX_LEN] {
    let mut bytes = [b'|'; DEK_PREFIX_LEN];
    bytes[..20].copy_from_slice(PREFIX);
    bytes[20..24].copy_from_slice(&dek_id.to_be_bytes());
    bytes
}

/// The key of a row.
pub fn encode_key(dek_id: u32, node_id: u16) -> [u8; KEY_LEN] {
    let mut bytes = [0; KEY_LEN];
    bytes[..DEK_PREFIX_LEN].copy_from_slice(&dek_prefix(dek_id));
    bytes[DEK_PREFIX_LEN..].copy_from_slice(&node_id.to_be_bytes());
    bytes
}

/// The data key and node of a row's key.
///
/// # Errors
/// [`Error::RegistryKeyMalformed`].
pub fn decode_key(bytes: &[u8]) -> Result<(u32, u16), Error> {
    let bytes: &[u8; KEY_LEN] = bytes.try_into().map_err(|_| Error::RegistryKeyMalformed)?;
    match bytes.strip_prefix(PREFIX) {
        Some(&[a, b, c, d, b'|', e, f]) => Ok((u32::from_be_bytes([a, b, c, d]), u16::from_be_bytes([e, f]))),
        _ => Err(Error::RegistryKeyMalformed),
    }
}

/// Whether the key has exactly a row's shape; the reference's scans of users' keys skip these.
pub fn is_row(key: &[u8]) -> bool {
    decode_key(key).is_ok()
}

/// Whether a scan of users' keys must skip this key: only the scheme's own rows and cursors lie under the
/// prefix.
pub fn is_reserved(key: &[u8]) -> bool {
    key.starts_with(PREFIX)
}

/// Whether maintenance skips this row because the scheme owns it: a writer's row, the last registration's
/// index, or a rewrite's cursor.
///
/// # Errors
/// [`Error::StrayRow`] for any other row under the prefix. It may be a user's, and sealed: skipping it would
/// leave it under a key that is then thrown away.
pub(super) fn is_own((key, value): (&[u8], &[u8])) -> Result<bool, Error> {
    let Some(rest) = key.strip_prefix(PREFIX) else { return Ok(false) };
    let own = match value.len() {
        VALUE_LEN if is_row(key) => true,
        8 => rest == APPLIED,
        _ => false,
    };
    if own || (rest.len() == CURSOR.len() + 4 && rest.starts_with(CURSOR)) {
        return Ok(true);
    }
    Err(Error::StrayRow("it lies under !encryption|writers|, which is reserved"))
}

/// Checks that a user may write a value with this key and timestamp. The stored key counts, which is both
/// together: a timestamp can complete the prefix, and the value would then lie where a writer's row does.
///
/// # Errors
/// [`Error::ReservedPrefix`].
#[inline]
pub fn check_user_key(user_key: &[u8], commit_ts: u64) -> Result<(), Error> {
    let reserved = match PREFIX.split_at_checked(user_key.len()) {
        None => is_reserved(user_key),
        Some((head, rest)) => head == user_key && (!commit_ts).to_be_bytes().starts_with(rest),
    };
    if reserved { Err(Error::ReservedPrefix) } else { Ok(()) }
}

impl Writer {
    /// Its 12 bytes.
    pub fn encode(&self) -> [u8; VALUE_LEN] {
        let mut bytes = [0; VALUE_LEN];
        bytes[..8].copy_from_slice(&self.full_node_id.to_be_bytes());
        bytes[8..10].copy_from_slice(&self.first_seen.to_be_bytes());
        bytes[10..].copy_from_slice(&self.last_seen.to_be_bytes());
        bytes
    }

    /// Decodes it.
    ///
    /// # Errors
    /// [`Error::RegistryValueMalformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let bytes: &[u8; VALUE_LEN] = bytes.try_into().map_err(|_| Error::RegistryValueMalformed)?;
        let [id @ .., a, b, c, d] = bytes;
        let id: &[u8; 8] = id;
        Ok(Self {
            full_node_id: u64::from_be_bytes(*id),
            first_seen: u16::from_be_bytes([*a, *b]),
            last_seen: u16::from_be_bytes([*c, *d]),
        })
    }
}

/// The registry in a store.
#[derive(Clone, Copy, Debug)]
pub struct Registry<'a>(pub &'a dyn Store);

impl Registry<'_> {
    /// The row for those 16 bits of node id, regardless of its node.
    ///
    /// # Errors
    /// [`Error::Disk`], [`Error::RegistryValueMalformed`].
    pub fn find(&self, dek_id: u32, node_id: u16) -> Result<Option<Writer>, Error> {
        self.0.get(&encode_key(dek_id, node_id))?.map(|value| Writer::decode(&value)).transpose()
    }

    /// Every row of a data key, with its node.
    ///
    /// # Errors
    /// Those of [`find`](Self::find), and [`Error::RegistryKeyMalformed`].
    pub fn writers(&self, dek_id: u32) -> Result<Vec<(u16, Writer)>, Error> {
        let rows = self.0.scan(&dek_prefix(dek_id), None, usize::from(u16::MAX) + 1)?;
        rows.iter().map(|(key, value)| Ok((decode_key(key)?.1, Writer::decode(value)?))).collect()
    }

    /// A node's last registered epoch under each data key.
    ///
    /// # Errors
    /// Those of [`writers`](Self::writers).
    pub fn of_node(&self, full_node_id: u64) -> Result<HashMap<u32, u16>, Error> {
        let rows = self.of_slot(node_id16(full_node_id))?;
        let own = rows.into_iter().filter(|(_, writer)| writer.full_node_id == full_node_id);
        Ok(own.map(|(dek_id, writer)| (dek_id, writer.last_seen)).collect())
    }

    /// The rows for those 16 bits of node id, with their data keys, regardless of their nodes.
    ///
    /// # Errors
    /// Those of [`writers`](Self::writers).
    pub fn of_slot(&self, slot: u16) -> Result<Vec<(u32, Writer)>, Error> {
        const ROWS: usize = 1024;
        let (mut found, mut after) = (Vec::new(), None::<Vec<u8>>);
        loop {
            let rows = self.0.scan(PREFIX, after.as_deref(), ROWS)?;
            for (key, value) in rows.iter().filter(|(key, _)| is_row(key)) {
                let (dek_id, node_id) = decode_key(key)?;
                if node_id == slot {
                    found.push((dek_id, Writer::decode(value)?));
                }
            }
            match rows.last() {
                Some((key, _)) if rows.len() == ROWS => after = Some(key.clone()),
                _ => return Ok(found),
            }
        }
    }

    /// Registers an epoch: adds a row (1), raises the epoch in the node's row (2), or finds the same epoch
    /// there.
    ///
    /// # Errors
    /// [`Error::Apply`] for a lower epoch (3) or another node's row (4); those of [`find`](Self::find).
    pub fn register(&self, new: &Registration) -> Result<(), Error> {
        Ok(self.0.commit(&self.changes(&[*new])?)?)
    }

    /// Registers again an epoch that an applied entry had registered: the node's row is raised if it is
    /// lower, and otherwise stays.
    ///
    /// # Errors
    /// [`Error::Apply`] for another node's row; those of [`find`](Self::find).
    pub fn ensure(&self, old: &Registration) -> Result<(), Error> {
        match self.find(old.dek_id, node_id16(old.full_node_id))? {
            Some(row) if row.full_node_id == old.full_node_id && row.last_seen >= old.local_epoch => Ok(()),
            _ => self.register(old),
        }
    }

    /// Registers an epoch for the registration at that log index; if that was applied before, does the same
    /// as [`ensure`](Self::ensure). Row and index are committed together. Index 0 means unknown and is not
    /// remembered.
    ///
    /// # Errors
    /// Those of [`register`](Self::register).
    pub fn register_at(&self, index: u64, new: &Registration) -> Result<(), Error> {
        if index == 0 {
            return self.register(new);
        }
        if index <= self.applied_index()? {
            return self.ensure(new);
        }
        let mut changes = self.changes(&[*new])?;
        changes.push((applied_key(), Some(index.to_be_bytes().into())));
        Ok(self.0.commit(&changes)?)
    }

    fn applied_index(&self) -> Result<u64, Error> {
        match self.0.get(&applied_key())? {
            None => Ok(0),
            Some(bytes) => {
                Ok(u64::from_be_bytes(bytes[..].try_into().map_err(|_| Error::RegistryValueMalformed)?))
            }
        }
    }

    /// The changes that [`register`](Self::register) would commit for these registrations, one after the
    /// other. The caller can thus refuse them before it changes anything else, and commit them afterwards.
    ///
    /// # Errors
    /// Those of `register`.
    pub(super) fn changes(&self, new: &[Registration]) -> Result<Vec<Change>, Error> {
        let mut rows = BTreeMap::<[u8; KEY_LEN], Writer>::new();
        for new in new {
            let key = encode_key(new.dek_id, node_id16(new.full_node_id));
            let row = match rows.get(&key) {
                Some(row) => Some(*row),
                None => self.find(new.dek_id, node_id16(new.full_node_id))?,
            };
            let first_seen = match row {
                None => new.local_epoch,
                Some(row) if row.full_node_id != new.full_node_id => {
                    return Err(Error::Apply("two nodes share the 16 bits of node id in one registry row"));
                }
                Some(row) if row.last_seen > new.local_epoch => {
                    return Err(Error::Apply("a node registers a lower epoch than before"));
                }
                Some(row) if row.last_seen == new.local_epoch => continue,
                Some(row) => row.first_seen,
            };
            let (full_node_id, last_seen) = (new.full_node_id, new.local_epoch);
            rows.insert(key, Writer { full_node_id, first_seen, last_seen });
        }
        Ok(rows.into_iter().map(|(key, row)| (key.into(), Some(row.encode().into()))).collect())
    }
}

/// Checks that no other node has a new member's 16 bits of node id, neither a member nor a writer in the
/// registry. Call this before you propose the change of membership. A writer that left counts too, under
/// every key, since its nonces would repeat. The same whole id does not count, since its epochs continue.
///
/// # Errors
/// [`Error::WriterUint16Collision`] with the first node that has them; those of [`Registry::of_node`].
pub fn check_new_member(registry: Option<Registry<'_>>, members: &[u64], new: u64) -> Result<(), Error> {
    let writers = registry.map_or(Ok(Vec::new()), |registry| registry.of_slot(node_id16(new)))?;
    let others = members.iter().copied().chain(writers.into_iter().map(|(_, writer)| writer.full_node_id));
    match others.into_iter().find(|other| node_id16(*other) == node_id16(new) && *other != new) {
        Some(other) => Err(Error::WriterUint16Collision { new, other }),
        None => Ok(()),
    }
}

/// Follows the prefix in the key of the last registration's index. Its shape differs from a row's.
const APPLIED: &[u8] = b"applied";
/// Follows the prefix in the keys of cursors, before the id of a data key.
const CURSOR: &[u8] = b"rewrite|";

/// The key of the last registration's index.
fn applied_key() -> Vec<u8> {
    [PREFIX, APPLIED].concat()
}

/// The key of a rewrite's cursor under that data key.
pub(super) fn cursor_key(dek_id: u32) -> Vec<u8> {
    [PREFIX, CURSOR, &dek_id.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Memory;

    const NODE: u64 = 0xaaaa_0007;

    fn at(epoch: u16) -> Registration {
        Registration { dek_id: 5, full_node_id: NODE, local_epoch: epoch }
    }

    #[test]
    fn rows_are_listed_by_node_for_one_key_only() {
        let store = Memory::default();
        let registry = Registry(&store);
        for (dek_id, full_node_id) in [(5, 9), (5, 7), (6, 8), (0x057c_0000, 1)] {
            registry.register(&Registration { dek_id, full_node_id, local_epoch: 1 }).unwrap();
        }
        let nodes: Vec<_> = registry.writers(5).unwrap().into_iter().map(|(node, _)| node).collect();
        assert_eq!(nodes, [7, 9]);
    }

    #[test]
    fn a_row_only_rises_and_stays_with_its_node() {
        let store = Memory::default();
        let registry = Registry(&store);
        let row = || registry.find(5, 7).unwrap().map(|row| (row.first_seen, row.last_seen));
        assert!([3, 3, 8].iter().all(|&epoch| registry.register(&at(epoch)).is_ok()));
        assert_eq!(row(), Some((3, 8)));
        assert_eq!(registry.register(&at(7)).unwrap_err().spec_name(), "ErrEncryptionApply");
        registry.ensure(&at(7)).unwrap();
        assert_eq!(row(), Some((3, 8)));
        registry.ensure(&at(9)).unwrap();
        assert_eq!(row(), Some((3, 9)), "a registered epoch is restored if the row is lower");
        let other = Registration { full_node_id: NODE + 0x1_0000, ..at(9) };
        for refused in [registry.register(&other), registry.ensure(&other)] {
            let shared = "two nodes share the 16 bits of node id in one registry row";
            assert!(matches!(refused, Err(Error::Apply(why)) if why == shared), "{refused:?}");
        }
        assert_eq!(row(), Some((3, 9)));
    }

    #[test]
    fn a_replayed_registration_changes_nothing_after_a_later_one_was_applied() {
        let store = Memory::default();
        let registry = Registry(&store);
        for (index, epoch) in [(3, 0), (7, 1), (3, 0), (7, 1), (9, 2), (3, 0)] {
            registry.register_at(index, &at(epoch)).unwrap();
        }
        assert_eq!(registry.find(5, 7).unwrap().unwrap().last_seen, 2);
        let refused = registry.register_at(10, &at(1));
        let lower = "a node registers a lower epoch than before";
        assert!(matches!(refused, Err(Error::Apply(why)) if why == lower), "at a new index: {refused:?}");
        assert_eq!(registry.writers(5).unwrap().len(), 1);
    }

    #[test]
    fn a_timestamp_that_completes_the_prefix_is_refused_like_the_prefix() {
        let mut refused = 0;
        for len in 0..=PREFIX.len() {
            let (user_key, rest) = PREFIX.split_at(len);
            let mut version = [0xa5; 8];
            if let Some(begin) = version.get_mut(..rest.len()) {
                begin.copy_from_slice(rest);
            }
            let composed = [user_key, &version].concat();
            let checked = check_user_key(user_key, !u64::from_be_bytes(version));
            assert_eq!(matches!(checked, Err(Error::ReservedPrefix)), is_reserved(&composed), "{len}");
            refused += usize::from(checked.is_err());
            // One bit away from it.
            version[0] ^= 1;
            let beside = check_user_key(user_key, !u64::from_be_bytes(version));
            assert_eq!(beside.is_err(), len == PREFIX.len(), "{len}");
        }
        assert_eq!(refused, 9, "a timestamp can hold up to 8 bytes of the prefix");
    }

    #[test]
    fn maintenance_skips_only_the_schemes_own_rows_under_the_prefix() {
        let own = |key: &[u8], value: &[u8]| is_own((key, value));
        assert!(!own(b"!encryption|writer", &[0; 12]).unwrap());
        assert!(own(&encode_key(5, 7), &[0; 12]).unwrap());
        assert!(own(&applied_key(), &[0; 8]).unwrap() && own(&cursor_key(5), &[1]).unwrap());
        for (key, value) in [
            (encode_key(5, 7).to_vec(), vec![0; 44]),
            (applied_key(), vec![0; 44]),
            ([PREFIX, &b"rewrite|\0\0\0\x05x"[..]].concat(), vec![1]),
            (PREFIX.to_vec(), vec![0; 12]),
        ] {
            assert!(matches!(own(&key, &value), Err(Error::StrayRow(_))), "{key:?}");
        }
    }

    #[test]
    fn a_user_may_write_next_to_the_prefix_but_not_under_it() {
        let refused = |key: &[u8], ts| matches!(check_user_key(key, ts), Err(Error::ReservedPrefix));
        assert!(!refused(b"!encryption|writer", 7) && !refused(b"", 0));
        assert!(refused(b"!encryption|writers|x", 7) && refused(PREFIX, 7));
        assert!(is_row(&encode_key(0, 0)) && !is_row(&encode_key(0, 0)[..26]));
        assert!(is_reserved(&encode_key(0, 0)) && is_reserved(&applied_key()) && !is_row(&applied_key()));
    }
}
