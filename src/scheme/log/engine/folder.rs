//! The names in a log's folder: the reference's, and ours, which the reference ignores.
//!
//! ```text
//! NNNNNN.wal         a generation of the log, replayed in numeric order
//! sst/NNNNNN.sst     a table; a higher number is newer
//! sealmark.lock      held open by the one process that writes
//! sealmark.history   what request ids were used for before a snapshot was installed
//! sealmark.install   a snapshot that is being installed
//! ```
//!
//! Both folders must exist. Any other name is left alone.

use std::io;
use std::path::{Path, PathBuf};

use super::super::{Code, Error};
use crate::disk::{self, Disk, OpenFile};

/// The folder of tables, inside the log's folder.
pub const TABLES: &str = "sst";
/// Names of ours begin with this.
const OWN: &str = "sealmark.";

/// Whether a file of this name, in a log's folder, is ours and unknown to the reference.
pub fn is_own(name: &str) -> bool {
    name.starts_with(OWN)
}

/// The paths of one log.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    pub dir: PathBuf,
    pub tables: PathBuf,
    pub history: PathBuf,
    pub install: PathBuf,
}

impl Folder {
    pub fn new(dir: PathBuf) -> Self {
        Self {
            tables: dir.join(TABLES),
            history: dir.join("sealmark.history"),
            install: dir.join("sealmark.install"),
            dir,
        }
    }

    /// The path of a generation.
    pub fn wal(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{number:06}.wal"))
    }

    /// The path of a table.
    pub fn table(&self, number: u64) -> PathBuf {
        self.tables.join(format!("{number:06}.sst"))
    }

    /// Takes the lock, which is free again once the file is dropped.
    pub fn lock(&self, disk: &dyn Disk) -> Result<Box<dyn OpenFile>, Error> {
        let path = self.dir.join("sealmark.lock");
        match disk.create(&path) {
            Err(reason) if reason.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::io("creating the lock")(reason).in_file(&path));
            }
            _ => {}
        }
        disk.open(&path).map_err(|reason| match reason.kind() {
            io::ErrorKind::WouldBlock => Error::Disk(disk::Error::InUse { path: self.dir.clone() }),
            _ => Error::io("taking the lock")(reason).in_file(&path),
        })
    }

    /// The generations, oldest first.
    pub fn wals(&self, disk: &dyn Disk) -> Result<Vec<(u64, PathBuf)>, Error> {
        numbered(disk, &self.dir, ".wal")
    }

    /// The tables, oldest first.
    pub fn table_files(&self, disk: &dyn Disk) -> Result<Vec<(u64, PathBuf)>, Error> {
        numbered(disk, &self.tables, ".sst")
    }
}

/// The files `<digits><extension>` of a folder, by number. A number may have any count of digits, but one
/// that does not fit is an error: the file would be left out in silence.
fn numbered(disk: &dyn Disk, dir: &Path, extension: &str) -> Result<Vec<(u64, PathBuf)>, Error> {
    let names = disk.list(dir).map_err(Error::io("listing")).map_err(|error| error.in_file(dir))?;
    let mut found = Vec::new();
    for name in names {
        let digits = name.to_str().and_then(|name| name.strip_suffix(extension)).unwrap_or_default();
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let path = dir.join(&name);
        match digits.parse() {
            Ok(number) => found.push((number, path)),
            Err(_) => {
                let damage = Code::InvalidRecord.damage(0, "the number in the file's name is too large");
                return Err(Error::from(damage).in_file(&path));
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// The number after this one.
pub(super) fn next(number: u64) -> Result<u64, Error> {
    let after = number.checked_add(1);
    after.ok_or_else(|| Code::InvalidRecord.damage(0, "there is no file number left").into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Recorder;

    #[test]
    fn files_are_found_by_number_and_other_names_are_left_alone() {
        let names = [
            "10.wal",
            "000002.wal",
            "1.wal",
            "a.wal",
            ".wal",
            "3.wal.tmp",
            "4.sst",
            "sealmark.lock",
            "-1.wal",
        ];
        let disk =
            Recorder::with_files("/log/sst", names.map(|name| (Path::new("/log").join(name), Vec::new())));
        let folder = Folder::new("/log".into());
        let found = folder.wals(&disk).unwrap();
        let expected = [(1, "/log/1.wal"), (2, "/log/000002.wal"), (10, "/log/10.wal")];
        assert_eq!(found, expected.map(|(number, path)| (number, PathBuf::from(path))));
        assert_eq!(folder.table_files(&disk).unwrap(), []);
        assert_eq!(folder.wal(7), Path::new("/log/000007.wal"));
        assert_eq!(folder.table(1_234_567), Path::new("/log/sst/1234567.sst"));
        assert!(is_own("sealmark.lock") && !is_own("000001.wal"));
    }

    #[test]
    fn a_number_that_does_not_fit_is_refused_and_not_left_out() {
        let path = PathBuf::from("/log/18446744073709551616.wal");
        let disk = Recorder::with_files("/log/sst", [(path, Vec::new())]);
        let refused = Folder::new("/log".into()).wals(&disk).unwrap_err();
        assert_eq!(refused.code(), Code::InvalidRecord, "{refused}");
        assert!(refused.to_string().contains("too large"), "{refused}");
        assert_eq!(next(u64::MAX).unwrap_err().code(), Code::InvalidRecord);
    }

    #[test]
    fn one_holder_has_the_lock() {
        let disk = Recorder::with_dir("/log");
        let folder = Folder::new("/log".into());
        let held = folder.lock(&disk).unwrap();
        let refused = folder.lock(&disk).unwrap_err();
        assert!(matches!(refused, Error::Disk(disk::Error::InUse { .. })), "{refused}");
        drop(held);
        folder.lock(&disk).unwrap();
    }
}
