//! A table of rows sorted by key, with durable, atomic changes: the minimum that a database offers.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock};

use super::Error;

/// A key and its value.
pub type Row = (Vec<u8>, Vec<u8>);
/// A key, and its new value, or `None` to delete it.
pub type Change = (Vec<u8>, Option<Vec<u8>>);

/// Rows by key. Any number of threads may share it.
pub trait Store: Send + Sync + fmt::Debug {
    /// The value of a key.
    ///
    /// # Errors
    /// The store's error.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error>;

    /// Makes all of these changes if the rows in `seen` still have the same values. Once it returns without
    /// an error, the changes survive a power cut; on an error either none or all were made. Returns `false`
    /// and changes nothing if a row in `seen` differs or is missing.
    ///
    /// # Errors
    /// The store's error.
    fn commit_if(&self, seen: &[Row], changes: &[Change]) -> Result<bool, Error>;

    /// Makes all of these changes unconditionally.
    ///
    /// # Errors
    /// As for [`commit_if`](Self::commit_if).
    fn commit(&self, changes: &[Change]) -> Result<(), Error> {
        self.commit_if(&[], changes).map(drop)
    }

    /// Up to `limit` rows in key order whose key starts with `prefix` and is greater than `after`.
    ///
    /// # Errors
    /// The store's error.
    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, Error>;
}

/// Rows in memory, lost when the process ends. For tests, measurements and tables that can be rebuilt.
#[derive(Default, Debug)]
pub struct Memory {
    rows: RwLock<BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl Store for Memory {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.rows.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    fn commit_if(&self, seen: &[Row], changes: &[Change]) -> Result<bool, Error> {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        if seen.iter().any(|(key, value)| rows.get(key) != Some(value)) {
            return Ok(false);
        }
        for (key, value) in changes {
            match value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
        Ok(true)
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, Error> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        let rows = rows.range::<[u8], _>((from, Bound::Unbounded));
        let found = rows.take_while(|(key, _)| key.starts_with(prefix)).take(limit);
        Ok(found.map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

/// Checks the behaviour required of every store, for the tests of each.
#[cfg(test)]
pub(super) fn behaves(store: &dyn Store) {
    let put = |key: &[u8], value: &[u8]| (key.to_vec(), Some(value.to_vec()));
    assert_eq!(store.get(b"a").unwrap(), None);
    store.commit(&[put(b"b", b"2"), put(b"a", b"1"), put(b"ab", b""), put(b"\xff", b"4")]).unwrap();
    store.commit(&[put(b"b", b"22"), (b"\xff".to_vec(), None), (b"none".to_vec(), None)]).unwrap();
    assert_eq!(store.get(b"b").unwrap().as_deref(), Some(&b"22"[..]));
    assert_eq!(store.get(b"ab").unwrap().as_deref(), Some(&b""[..]));
    assert_eq!(store.get(b"\xff").unwrap(), None);
    let (row, gone) = ((b"b".to_vec(), b"22".to_vec()), (b"\xff".to_vec(), b"4".to_vec()));
    assert!(!store.commit_if(&[row.clone(), gone], &[put(b"b", b"3")]).unwrap());
    assert!(!store.commit_if(&[(b"b".to_vec(), b"2".to_vec())], &[put(b"b", b"3")]).unwrap());
    assert_eq!(store.get(b"b").unwrap().as_deref(), Some(&b"22"[..]));
    assert!(store.commit_if(&[row], &[put(b"b", b"3")]).unwrap());
    assert_eq!(store.get(b"b").unwrap().as_deref(), Some(&b"3"[..]));
    let keys = |prefix: &[u8], after: Option<&[u8]>, limit| -> Vec<Vec<u8>> {
        store.scan(prefix, after, limit).unwrap().into_iter().map(|(key, _)| key).collect()
    };
    assert_eq!(keys(b"", None, 9), [&b"a"[..], b"ab", b"b"]);
    assert_eq!(keys(b"a", None, 9), [&b"a"[..], b"ab"]);
    assert_eq!(keys(b"a", Some(b"a"), 9), [&b"ab"[..]]);
    assert_eq!(keys(b"", Some(b"a"), 1), [&b"ab"[..]]);
    assert_eq!(keys(b"b", Some(b"a"), 9), [&b"b"[..]]);
    assert_eq!(keys(b"a", Some(b"b"), 9), [&b""[..]; 0]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_in_memory_behave() {
        behaves(&Memory::default());
    }
}
