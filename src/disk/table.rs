//! A store in one file that is rewritten whole at each commit: for tables of a few thousand rows, such as a registry
//! of writers, which change rarely and must survive a power cut. A larger one takes a database.
//!
//! The file: `SMTABLE1`, then for each row the lengths of key and value (u32, big-endian) and their bytes, then
//! SHA-256 of all that. The hash finds damage, not malice.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use sha2::{Digest, Sha256};

use super::store::{apply, range};
use super::{Change, Disk, Error, Row, Store, durable_write, read};

const MAGIC: &[u8; 8] = b"SMTABLE1";
const HASH_LEN: usize = 32;

/// Rows of one file, all of them in memory as well.
#[derive(Debug)]
pub struct Table {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    /// `None` after a write that may or may not be on the disk: then only opening it anew can tell.
    rows: RwLock<Option<BTreeMap<Vec<u8>, Vec<u8>>>>,
}

impl Table {
    /// Reads the table of that file, or begins an empty one where there is none.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Damaged`].
    pub fn open(disk: Arc<dyn Disk>, path: &Path) -> Result<Self, Error> {
        let rows = match read(&disk, path) {
            Ok(bytes) => decode(&bytes).map_err(|why| Error::Damaged { path: path.into(), why })?,
            Err(error) if error.is_not_found() => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        Ok(Self { disk, path: path.into(), rows: RwLock::new(Some(rows)) })
    }

    fn unsure(&self) -> Error {
        Error::Damaged { path: self.path.clone(), why: "a write failed: open it anew" }
    }
}

impl Store for Table {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        Ok(rows.as_ref().ok_or_else(|| self.unsure())?.get(key).cloned())
    }

    fn commit(&self, changes: &[Change]) -> Result<(), Error> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut held = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        let mut rows = held.take().ok_or_else(|| self.unsure())?;
        apply(&mut rows, changes);
        durable_write(&self.disk, &self.path, &encode(&rows))?;
        *held = Some(rows);
        Ok(())
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, Error> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        Ok(range(rows.as_ref().ok_or_else(|| self.unsure())?, prefix, after, limit))
    }
}

fn encode(rows: &BTreeMap<Vec<u8>, Vec<u8>>) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    for (key, value) in rows {
        for part in [key, value] {
            let len = u32::try_from(part.len()).expect("rows of this table are shorter than 4 GiB");
            bytes.extend(len.to_be_bytes());
        }
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value);
    }
    let hash = Sha256::digest(&bytes);
    bytes.extend_from_slice(&hash);
    bytes
}

fn decode(bytes: &[u8]) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, &'static str> {
    let (table, hash) = bytes.split_last_chunk::<HASH_LEN>().ok_or("it is cut")?;
    if Sha256::digest(table)[..] != hash[..] {
        return Err("its hash differs");
    }
    let mut rest = table.strip_prefix(MAGIC).ok_or("it is no table of version 1")?;
    let mut rows = BTreeMap::new();
    let part = |rest: &mut &[u8], len: [u8; 4]| {
        let len = usize::try_from(u32::from_be_bytes(len)).ok()?;
        let (part, after) = rest.split_at_checked(len)?;
        *rest = after;
        Some(part.to_vec())
    };
    while let Some((lens, after)) = rest.split_first_chunk::<8>() {
        rest = after;
        let [a, b, c, d, e, f, g, h] = *lens;
        let key = part(&mut rest, [a, b, c, d]).ok_or("a row is cut")?;
        let value = part(&mut rest, [e, f, g, h]).ok_or("a row is cut")?;
        rows.insert(key, value);
    }
    if rest.is_empty() { Ok(rows) } else { Err("a row is cut") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Fault, Recorder};

    const FILE: &str = "/data/registry";

    fn open(disk: &Arc<Recorder>) -> Result<Table, Error> {
        Table::open(Arc::clone(disk) as Arc<dyn Disk>, Path::new(FILE))
    }

    #[test]
    fn a_table_behaves_and_is_there_when_it_is_opened_again() {
        let disk = Arc::new(Recorder::with_dir("/data"));
        crate::disk::store::behaves(&open(&disk).unwrap());
        assert_eq!(open(&disk).unwrap().scan(b"", None, 9).unwrap().len(), 3);
    }

    #[test]
    fn a_changed_byte_anywhere_or_a_cut_is_found() {
        let disk = Arc::new(Recorder::with_dir("/data"));
        open(&disk).unwrap().commit(&[(b"key".to_vec(), Some(b"value".to_vec()))]).unwrap();
        let good = disk.read(Path::new(FILE)).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(decode(&bad).is_err(), "{at}");
            assert!(decode(&good[..at]).is_err(), "{at}");
        }
        assert_eq!(decode(&good).unwrap().len(), 1);
    }

    #[test]
    fn after_a_failed_write_the_table_says_nothing_until_it_is_opened_again() {
        let disk = Arc::new(Recorder::with_dir("/data"));
        let table = open(&disk).unwrap();
        let row = |n: u8| [(vec![n], Some(vec![n]))];
        table.commit(&row(1)).unwrap();
        disk.plan(disk.steps().len() + 5, Fault::Io);
        assert!(table.commit(&row(2)).is_err());
        assert!(
            table.get(&[1]).is_err() && table.commit(&row(3)).is_err() && table.scan(b"", None, 1).is_err()
        );
        assert_eq!(open(&disk).unwrap().get(&[1]).unwrap(), Some(vec![1]));
    }

    #[test]
    fn a_power_cut_at_any_step_leaves_all_changes_of_a_commit_or_none() {
        for cut in 0..=6 {
            let disk = Arc::new(Recorder::with_dir("/data"));
            let table = open(&disk).unwrap();
            table.commit(&[(vec![1], Some(vec![1]))]).unwrap();
            disk.plan(6 + cut, Fault::Power);
            let done = table.commit(&[(vec![1], None), (vec![2], Some(vec![2]))]).is_ok();
            for left in disk.after_power_loss() {
                let rows = open(&Arc::new(left)).unwrap().scan(b"", None, 9).unwrap();
                let (old, new) = ([(vec![1], vec![1])], [(vec![2], vec![2])]);
                assert!(rows == new || (rows == old && !done), "{cut}: {rows:?}");
            }
        }
    }
}
