//! What an engine knows in memory: the rows since the last flush, the tables, and the request ids.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::super::table::{Found, Table};
use super::super::wal::Operation;
use super::super::{Error, Record};
use crate::primitive::sha256;

/// A write.
#[derive(Clone, PartialEq, Eq)]
pub struct Mutation {
    /// Put or delete.
    pub op: Operation,
    /// The key.
    pub key: Vec<u8>,
    /// The new value; empty for a delete.
    pub value: Vec<u8>,
    /// The request's own name.
    pub request_id: Vec<u8>,
}

impl Mutation {
    /// A new value.
    pub fn put(key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>, request_id: impl Into<Vec<u8>>) -> Self {
        Self { op: Operation::Put, key: key.into(), value: value.into(), request_id: request_id.into() }
    }

    /// The end of a key.
    pub fn delete(key: impl Into<Vec<u8>>, request_id: impl Into<Vec<u8>>) -> Self {
        Self { op: Operation::Delete, key: key.into(), value: Vec::new(), request_id: request_id.into() }
    }

    /// The same, borrowed, as a record of the log. A delete has no value, even if the mutation carries one.
    pub fn record(&self) -> Record<'_> {
        match self.op {
            Operation::Put => Record::put(&self.key, &self.value, &self.request_id),
            Operation::Delete => Record::delete(&self.key, &self.request_id),
        }
    }

    /// The digest that stands for what was asked: SHA-256 of the operation, the key's length, the key and the
    /// value.
    pub fn content(&self) -> [u8; 32] {
        content(&self.record(), &mut Vec::new())
    }
}

/// Lengths only: keys and values are the user's.
impl fmt::Debug for Mutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { op, key, value, request_id } = self;
        let (key, value, request_id) = (key.len(), value.len(), request_id.len());
        write!(
            f,
            "Mutation {{ {op:?}, key: {key} bytes, value: {value} bytes, request_id: {request_id} bytes }}"
        )
    }
}

/// [`Mutation::content`] of a record. `scratch` is any vector.
pub(super) fn content(record: &Record<'_>, scratch: &mut Vec<u8>) -> [u8; 32] {
    scratch.clear();
    scratch.push(record.op as u8);
    scratch.extend_from_slice(&(record.key.len() as u64).to_le_bytes());
    scratch.extend_from_slice(record.key);
    scratch.extend_from_slice(record.value);
    sha256::digest(scratch)
}

/// What became of a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Applied {
    /// It is durable.
    New,
    /// Its request id was used before, so nothing was written.
    Duplicate,
}

/// A request that was carried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Done {
    /// [`Mutation::content`].
    pub content: [u8; 32],
    /// Whether the key had a value before.
    pub existed: bool,
}

/// What an engine knows of a request id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Known {
    /// It was never used.
    Never,
    /// It was used for this.
    Done(Done),
    /// It was used before a snapshot that did not say for what.
    Forgotten,
}

/// A table of the folder.
pub(super) struct TableFile {
    pub path: PathBuf,
    pub table: Table,
}

/// Rows by key. `None` is a tombstone, which hides a value in a table.
pub(super) type Rows = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

#[derive(Default)]
pub(super) struct State {
    /// Since the last flush.
    pub rows: Rows,
    /// Every request id ever used. `None`: what for is not known.
    pub ids: HashMap<Vec<u8>, Option<Done>>,
    /// Oldest first.
    pub tables: Arc<Vec<Arc<TableFile>>>,
}

impl State {
    /// Applies a record that is in the log and whose id is new.
    pub fn apply(&mut self, record: &Record<'_>, done: Done) {
        let value = match record.op {
            Operation::Put => Some(record.value.to_vec()),
            Operation::Delete => None,
        };
        self.rows.insert(record.key.to_vec(), value);
        self.ids.insert(record.request_id.to_vec(), Some(done));
    }
}

/// Reads an engine's rows and request ids, from any thread, also while the engine waits for a sync. It sees
/// only what is durable.
#[derive(Clone)]
pub struct View(Arc<RwLock<State>>);

impl View {
    pub(super) fn new(state: State) -> Self {
        Self(Arc::new(RwLock::new(state)))
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value of a key: of the newest row or table that names it.
    ///
    /// # Errors
    /// The damage in a table that had to be read. The key is then never called absent.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let tables = {
            let state = self.read();
            if let Some(value) = state.rows.get(key) {
                return Ok(value.clone());
            }
            Arc::clone(&state.tables)
        };
        for file in tables.iter().rev() {
            match file.table.get(key).map_err(|error| error.in_file(&file.path))? {
                Some(Found::Value(value)) => return Ok(Some(value)),
                Some(Found::Tombstone) => return Ok(None),
                None => {}
            }
        }
        Ok(None)
    }

    /// What is known of a request id.
    pub fn known(&self, request_id: &[u8]) -> Known {
        match self.read().ids.get(request_id) {
            None => Known::Never,
            Some(None) => Known::Forgotten,
            Some(Some(done)) => Known::Done(*done),
        }
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.read();
        f.debug_struct("View")
            .field("rows", &state.rows.len())
            .field("request_ids", &state.ids.len())
            .field("tables", &state.tables.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_differ_in_anything_but_the_id_have_other_contents() {
        let requests = [
            Mutation::put("k", "v", "r"),
            Mutation::put("kv", "", "r"),
            Mutation::put("", "kv", "r"),
            Mutation::put("k", "", "r"),
            Mutation::delete("k", "r"),
            Mutation::delete("", "r"),
        ];
        for (i, a) in requests.iter().enumerate() {
            for (j, b) in requests.iter().enumerate() {
                assert_eq!(a.content() == b.content(), i == j, "{i} {j}");
            }
        }
        assert_eq!(requests[0].content(), Mutation::put("k", "v", "other").content());
        let carrying = Mutation { value: b"v".to_vec(), ..Mutation::delete("k", "r") };
        assert_eq!(carrying.content(), Mutation::delete("k", "r").content());
    }

    #[test]
    fn a_mutation_shows_no_content() {
        let shown = format!("{:?}", Mutation::put("secret", "secret", "secret"));
        assert!(!shown.contains("secret"), "{shown}");
        assert!(shown.contains("Put") && shown.contains("6 bytes"), "{shown}");
    }
}
