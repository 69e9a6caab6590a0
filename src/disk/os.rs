//! The operating system's own files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use super::{Disk, NewFile};

/// The disk of this machine.
#[derive(Clone, Copy, Default, Debug)]
pub struct Os;

impl Disk for Os {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(Box::new(options.open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        open_dir(dir)?.sync_all()
    }
}

impl NewFile for File {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        Write::write_all(self, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

#[cfg(not(windows))]
fn open_dir(dir: &Path) -> io::Result<File> {
    File::open(dir)
}

/// Windows opens a folder only on request, and flushes only what is open for writing.
#[cfg(windows)]
fn open_dir(dir: &Path) -> io::Result<File> {
    use std::os::windows::fs::OpenOptionsExt;
    const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;
    OpenOptions::new().write(true).custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(dir)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{durable_write, probe};

    #[test]
    fn a_file_is_replaced_and_the_probe_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        for bytes in [&b"one"[..], b"two, longer"] {
            durable_write(&Os, &path, bytes).unwrap();
            assert_eq!(Os.read(&path).unwrap(), bytes);
        }
        probe(&Os, folder.path(), ".probe-").unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(Os.create(&path).is_err(), "it is there already");
        assert!(durable_write(&Os, &folder.path().join("absent/x"), b"").unwrap_err().is_not_found());
    }

    #[test]
    #[cfg(unix)]
    fn a_file_is_for_its_owner_alone_whatever_was_left_behind() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let stale = folder.path().join("keys.json.tmp");
        fs::write(&stale, "left behind").unwrap();
        fs::set_permissions(&stale, PermissionsExt::from_mode(0o666)).unwrap();
        durable_write(&Os, &path, b"secret").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!stale.exists());
    }
}
