//! The operating system's own files.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::Path;

use super::{Disk, NewFile, OpenFile};

/// The disk of this machine.
#[derive(Clone, Copy, Default, Debug)]
pub struct Os;

impl Disk for Os {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn read_start(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn is_link(&self, path: &Path) -> io::Result<bool> {
        match fs::symlink_metadata(path) {
            Ok(metadata) => Ok(metadata.file_type().is_symlink()),
            Err(reason) if reason.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(reason) => Err(reason),
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        let entries = fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name()));
        let mut names = entries.collect::<io::Result<Vec<_>>>()?;
        names.sort_unstable();
        Ok(names)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(Box::new(options.open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn OpenFile>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        match file.try_lock() {
            Err(TryLockError::Error(reason)) if reason.kind() == io::ErrorKind::Unsupported => {}
            locked => locked?,
        }
        Ok(Box::new(file))
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

impl OpenFile for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    #[cfg(unix)]
    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, out, at)
    }

    #[cfg(windows)]
    fn read_at(&self, mut at: u64, mut out: &mut [u8]) -> io::Result<()> {
        while !out.is_empty() {
            match std::os::windows::fs::FileExt::seek_read(self, out, at)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => {
                    out = &mut out[count..];
                    at += count as u64;
                }
            }
        }
        Ok(())
    }

    #[cfg(unix)]
    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(self, bytes, at)
    }

    #[cfg(windows)]
    fn write_at(&self, mut at: u64, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match std::os::windows::fs::FileExt::seek_write(self, bytes, at)? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => {
                    bytes = &bytes[count..];
                    at += count as u64;
                }
            }
        }
        Ok(())
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.set_len(size)
    }

    /// `sync_data` includes the length, without which the bytes could not be read.
    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

#[cfg(not(windows))]
fn open_dir(dir: &Path) -> io::Result<File> {
    File::open(dir)
}

/// Windows opens a folder only with a special flag, and flushes only handles opened for writing.
#[cfg(windows)]
fn open_dir(dir: &Path) -> io::Result<File> {
    use std::os::windows::fs::OpenOptionsExt;
    const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;
    OpenOptions::new().write(true).custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(dir)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Error, durable_write, probe};

    #[test]
    fn a_file_is_replaced_and_the_probe_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        for bytes in [&b"one"[..], b"two, longer"] {
            durable_write(&Os, &path, bytes).unwrap();
            assert_eq!(Os.read(&path).unwrap(), bytes);
            assert_eq!(Os.read_start(&path, u64::MAX).unwrap(), bytes);
            assert_eq!(
                (Os.read_start(&path, 2).unwrap(), Os.read_start(&path, 0).unwrap().len()),
                (bytes[..2].to_vec(), 0)
            );
        }
        assert_eq!(
            Os.read_start(&folder.path().join("absent"), 1).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        probe(&Os, folder.path(), ".probe-").unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(Os.create(&path).is_err(), "it already exists");
        assert!(durable_write(&Os, &folder.path().join("absent/x"), b"").unwrap_err().is_not_found());
    }

    #[test]
    fn the_names_in_a_folder_are_listed_sorted_and_a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Os.list(folder.path()).unwrap(), [""; 0]);
        for name in ["b", "a.tmp", "a"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        fs::create_dir(folder.path().join("c")).unwrap();
        fs::write(folder.path().join("c/inner"), "").unwrap();
        assert_eq!(Os.list(folder.path()).unwrap(), ["a", "a.tmp", "b", "c"]);
        let absent = Os.list(&folder.path().join("absent")).unwrap_err();
        assert_eq!(absent.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_file_is_written_in_place_by_one_holder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows");
        assert_eq!(Os.open(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        durable_write(&Os, &path, b"0123").unwrap();
        let file = Os.open(&path).unwrap();
        assert_eq!(Os.open(&path).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        file.write_at(2, b"ab").unwrap();
        file.write_at(6, b"cd").unwrap();
        file.sync().unwrap();
        let mut bytes = [9; 8];
        file.read_at(0, &mut bytes).unwrap();
        assert_eq!(&bytes, b"01ab\0\0cd");
        assert_eq!(file.read_at(1, &mut bytes).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        file.set_size(3).unwrap();
        assert_eq!(file.size().unwrap(), 3);
        drop(file);
        Os.open(&path).unwrap();
    }

    #[test]
    #[cfg(unix)]
    fn a_link_is_refused_before_anything_is_written_but_a_linked_folder_is_accepted() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("real")).unwrap();
        fs::write(at("real/keys.json"), "old").unwrap();
        symlink(at("real/keys.json"), at("keys.json")).unwrap();
        symlink(at("real/none"), at("dangling.json")).unwrap();
        fs::write(at("keys.json.tmp"), "left behind").unwrap();
        for name in ["keys.json", "dangling.json"] {
            let refused = durable_write(&Os, &at(name), b"new").unwrap_err();
            assert!(matches!(&refused, Error::SymbolicLink { path } if *path == at(name)), "{refused}");
            assert!(Os.is_link(&at(name)).unwrap(), "{name} is still the link");
        }
        assert_eq!(fs::read(at("real/keys.json")).unwrap(), b"old");
        assert_eq!(
            fs::read(at("keys.json.tmp")).unwrap(),
            b"left behind",
            "even the stale file is unchanged"
        );
        symlink(at("real"), at("linked")).unwrap();
        durable_write(&Os, &at("linked/keys.json"), b"new").unwrap();
        assert_eq!(fs::read(at("real/keys.json")).unwrap(), b"new");
        probe(&Os, &at("linked"), ".probe-").unwrap();
        // If the temporary name is a link, it is removed and not written through.
        symlink(at("real/keys.json"), at("other.tmp")).unwrap();
        durable_write(&Os, &at("other"), b"other").unwrap();
        assert_eq!(fs::read(at("real/keys.json")).unwrap(), b"new");
    }

    #[test]
    #[cfg(unix)]
    fn only_the_owner_can_access_a_file_whatever_was_left_behind() {
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
