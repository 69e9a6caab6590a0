//! A head or a table of any length costs no more memory than one of the right length.

use std::ffi::OsString;
use std::io;

use super::subject::Folder;
use super::*;
use crate::disk::{NewFile, OpenFile};

/// A folder in which one file goes on for ever after its content: reading all of it never ends.
#[derive(Debug)]
struct Endless(Folder, &'static str);

impl Endless {
    fn is_endless(&self, path: &Path) -> bool {
        path.ends_with(self.1)
    }
}

impl Disk for Endless {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        if self.is_endless(path) { Err(ErrorKind::OutOfMemory.into()) } else { self.0.read(path) }
    }

    fn read_start(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        let mut bytes = self.0.read(path)?;
        if self.is_endless(path) {
            bytes.resize(bytes.len().max(most as usize), 0);
        }
        bytes.truncate(most as usize);
        Ok(bytes)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.0.exists(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        self.0.list(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        self.0.create(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn OpenFile>> {
        self.0.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.sync_dir(dir)
    }
}

#[test]
fn a_head_or_a_table_that_is_too_long_is_refused_before_all_of_it_is_read() {
    let (disk, mut log) = new_log();
    log.add_table([Entry { key: b"k", value: Some(b"v") }]).unwrap();
    drop(log);
    let name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    let all: subject::Files = files(&disk).into_iter().map(|(path, bytes)| (name(path), bytes)).collect();
    for (endless, expected) in
        [("none", None), ("head", Some("NOT_AUTHENTIC")), ("000001.sst", Some("INVALID_LENGTH"))]
    {
        let disk: Arc<dyn Disk> = Arc::new(Endless(Folder(all.clone()), endless));
        let checked = check(&disk, Path::new(DIR), &key(), &strict(), &mut |_| {});
        assert_eq!(checked.err().map(|error| error.spec_name()), expected, "{endless}");
    }
}
