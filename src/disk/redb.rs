//! A store in a redb database: one file, a B-tree, copy on write, every commit synced.
//!
//! redb because it needs no C compiler, has a stable file format and frequent releases, and because its commits are
//! durable when they return, which is what a registry needs. Not taken: `sled` (no stable release), `fjall` (durable
//! only on request), `rusqlite` (C). Its file is its own: the recorder does not see it.

use std::fmt;
use std::path::Path;

use ::redb::{Database, ReadableDatabase, TableDefinition};

use super::{Change, Error, Row, Store};

const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");

/// Rows of one database file.
pub struct Redb(Database);

impl Redb {
    /// Opens the database of that file, or makes it.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let database = Database::create(path).map_err(refused)?;
        let begun = database.begin_write().map_err(refused)?;
        begun.open_table(ROWS).map_err(refused)?;
        begun.commit().map_err(refused)?;
        Ok(Self(database))
    }
}

fn refused(error: impl fmt::Display) -> Error {
    Error::Database(error.to_string())
}

impl Store for Redb {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let rows = self.0.begin_read().map_err(refused)?.open_table(ROWS).map_err(refused)?;
        Ok(rows.get(key).map_err(refused)?.map(|value| value.value().to_vec()))
    }

    fn commit(&self, changes: &[Change]) -> Result<(), Error> {
        let begun = self.0.begin_write().map_err(refused)?;
        let mut rows = begun.open_table(ROWS).map_err(refused)?;
        for (key, value) in changes {
            match value {
                Some(value) => rows.insert(&key[..], &value[..]).map_err(refused)?,
                None => rows.remove(&key[..]).map_err(refused)?,
            };
        }
        drop(rows);
        begun.commit().map_err(refused)
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, Error> {
        let rows = self.0.begin_read().map_err(refused)?.open_table(ROWS).map_err(refused)?;
        let from = after.filter(|after| *after >= prefix).unwrap_or(prefix);
        let mut found = Vec::new();
        for row in rows.range(from..).map_err(refused)? {
            let (key, value) = row.map_err(refused)?;
            if found.len() == limit || !key.value().starts_with(prefix) {
                break;
            }
            if Some(key.value()) != after {
                found.push((key.value().to_vec(), value.value().to_vec()));
            }
        }
        Ok(found)
    }
}

impl fmt::Debug for Redb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redb").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_behaves_and_is_there_when_it_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.redb");
        crate::disk::store::behaves(&Redb::open(&path).unwrap());
        assert_eq!(Redb::open(&path).unwrap().scan(b"", None, 9).unwrap().len(), 3);
        std::fs::write(&path, "no database").unwrap();
        assert!(matches!(Redb::open(&path), Err(Error::Database(_))));
    }
}
