//! A store in a redb database: one file, a B-tree, copy on write, every commit synced.
//!
//! redb because it needs no C compiler, has a stable file format and frequent releases, and because its commits are
//! durable when they return, which is what a registry needs. Not taken: `sled` (no stable release), `fjall` (durable
//! only on request), `rusqlite` (C). Its file is its own: the recorder does not see it.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use ::redb::{Database, ReadableDatabase, TableDefinition};

use super::{Change, Disk, Error, Os, Row, Store, io_error, parent, unsupported};

const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");

/// Rows of one database file.
pub struct Redb(Database);

impl Redb {
    /// Opens the database of that file, or makes it: under another name first, because a file that redb was killed in
    /// the making of is one that it never opens again.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Io`]; [`Error::UnsupportedFilesystem`] when the folder of a new one cannot be synced.
    pub fn open(path: &Path) -> Result<Self, Error> {
        if !Os.exists(path).map_err(io_error("looking for", path))? {
            let mut name = path.as_os_str().to_owned();
            name.push(".new");
            let new = PathBuf::from(name);
            match Os.remove(&new) {
                Err(reason) if reason.kind() != ErrorKind::NotFound => {
                    return Err(io_error("removing the stale", &new)(reason));
                }
                _ => drop(Self::create(&new)?),
            }
            Os.rename(&new, path).map_err(io_error("renaming to", path))?;
            let dir = parent(path);
            Os.sync_dir(dir).map_err(unsupported("syncing the folder", dir))?;
        }
        Ok(Self(Database::open(path).map_err(refused)?))
    }

    fn create(path: &Path) -> Result<Database, Error> {
        let database = Database::create(path).map_err(refused)?;
        let begun = database.begin_write().map_err(refused)?;
        begun.open_table(ROWS).map_err(refused)?;
        begun.commit().map_err(refused)?;
        Ok(database)
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

    #[test]
    fn a_kill_in_the_making_leaves_nothing_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let (path, half) = (folder.path().join("rows.redb"), folder.path().join("rows.redb.new"));
        // What redb has done before it writes its magic number: the file is grown.
        std::fs::write(&half, [0; 4096]).unwrap();
        assert!(Database::create(&half).is_err(), "or this would not be needed");
        Redb::open(&path).unwrap().commit(&[(vec![1], Some(vec![2]))]).unwrap();
        assert_eq!(Redb::open(&path).unwrap().get(&[1]).unwrap(), Some(vec![2]));
        assert!(!half.exists());
    }
}
