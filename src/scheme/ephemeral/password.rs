//! The password file's rules (spec §1): its bytes are the password, a line end included.
//!
//! As in the reference, reading tightens the file's mode to 0400 instead of refusing a looser one; ours
//! reports the mode that it found, so that the caller can warn. The rules concern permissions and kinds of
//! files, so these calls bypass `disk::Disk`. On systems without modes, none are set.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use zeroize::Zeroizing;

use super::Error;
use crate::disk;

/// More than any password; a larger file is another one.
const MAX_PASSWORD_LEN: u64 = 64 * 1024;

/// A password as read from its file.
pub struct Password {
    /// The file's bytes; wiped when dropped.
    pub bytes: Zeroizing<Vec<u8>>,
    /// The file's mode, if it permitted more than reading by its owner; it no longer does.
    pub was_looser: Option<u32>,
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Password").field("was_looser", &self.was_looser).finish_non_exhaustive()
    }
}

/// Reads the password, and first sets the file's mode to 0400. An empty file is an empty password.
///
/// # Errors
/// [`Error::Disk`] if the file cannot be read or its mode cannot be set; [`Error::PasswordFile`] if it is
/// not a regular file, or larger than 64 KiB.
pub fn read(path: &Path) -> Result<Password, Error> {
    // Looked at before it is opened: opening a pipe would block.
    let found = fs::metadata(path).map_err(io_error("looking at", path))?;
    if !found.is_file() {
        return Err(rule(path, "it is not a regular file: name a file that holds the password"));
    }
    let was_looser = tighten(path, &found).map_err(io_error("setting the mode of", path))?;
    let file = File::open(path).map_err(io_error("reading", path))?;
    // Allocated once: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_PASSWORD_LEN as usize + 1));
    file.take(MAX_PASSWORD_LEN + 1).read_to_end(&mut bytes).map_err(io_error("reading", path))?;
    if bytes.len() as u64 > MAX_PASSWORD_LEN {
        return Err(rule(path, "it is larger than 64 KiB: name a file that holds the password"));
    }
    Ok(Password { bytes, was_looser })
}

/// Writes a new password file of mode 0400, with the folders that it needs, and syncs it. After an error the
/// file is removed if the disk permits it.
///
/// # Errors
/// [`Error::PasswordFile`] for an empty password, or if the file exists; [`Error::Disk`].
pub fn set(path: &Path, password: &[u8]) -> Result<(), Error> {
    set_with(path, password, File::write_all)
}

fn set_with(
    path: &Path,
    password: &[u8],
    write: impl FnOnce(&mut File, &[u8]) -> io::Result<()>,
) -> Result<(), Error> {
    if password.is_empty() {
        return Err(rule(path, "the password is empty: give at least one byte"));
    }
    let folder = disk::parent(path);
    fs::create_dir_all(folder).map_err(io_error("creating the folder", folder))?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(|reason| match reason.kind() {
        io::ErrorKind::AlreadyExists => rule(path, "it exists and is never overwritten: delete it first"),
        _ => io_error("creating", path)(reason),
    })?;
    let written = write(&mut file, password)
        .map_err(io_error("writing", path))
        .and_then(|()| set_mode(path, 0o400).map_err(io_error("setting the mode of", path)))
        .and_then(|()| file.sync_all().map_err(io_error("syncing", path)))
        .and_then(|()| {
            disk::Disk::sync_dir(&disk::Os, folder).map_err(io_error("syncing the folder", folder))
        });
    drop(file);
    if written.is_err() {
        // A file that was cut short would pass for a password. The write has failed already; the result of
        // this clean-up changes nothing for the caller.
        let _ = fs::remove_file(path);
    }
    written
}

/// Removes the password file. Its bytes may stay on the medium.
///
/// # Errors
/// [`Error::Disk`].
pub fn delete(path: &Path) -> Result<(), Error> {
    set_mode(path, 0o600).map_err(io_error("setting the mode of", path))?;
    fs::remove_file(path).map_err(io_error("removing", path))
}

fn io_error<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + 'a {
    move |reason| disk::Error::Io { doing, path: path.into(), reason }.into()
}

fn rule(path: &Path, why: &str) -> Error {
    Error::PasswordFile { path: path.into(), why: why.into() }
}

/// Sets the mode to 0400; returns the mode found, if it permitted more.
#[cfg(unix)]
fn tighten(path: &Path, found: &fs::Metadata) -> io::Result<Option<u32>> {
    let mode = std::os::unix::fs::PermissionsExt::mode(&found.permissions()) & 0o777;
    if mode != 0o400 {
        set_mode(path, 0o400)?;
    }
    Ok(Some(mode).filter(|mode| mode & !0o400 != 0))
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))
}

#[cfg(not(unix))]
fn tighten(_: &Path, _: &fs::Metadata) -> io::Result<Option<u32>> {
    Ok(None)
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    fn mode(path: &Path) -> u32 {
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions()) & 0o777
    }

    #[test]
    fn a_password_is_its_files_bytes_with_the_line_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/password");
        set(&path, b"pass word\n").unwrap();
        let read = read(&path).unwrap();
        assert_eq!((&read.bytes[..], read.was_looser), (&b"pass word\n"[..], None));
        #[cfg(unix)]
        assert_eq!(mode(&path), 0o400);
        delete(&path).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn an_empty_password_is_refused_when_it_is_set_and_accepted_when_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let refused = set(&path, b"").unwrap_err();
        assert!(refused.to_string().contains("the password is empty"), "{refused}");
        fs::write(&path, b"").unwrap();
        assert_eq!(read(&path).unwrap().bytes[..], [0; 0]);
    }

    #[test]
    fn a_write_that_fails_leaves_no_part_of_the_password() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let refused = set_with(&path, b"pass word", |file, bytes| {
            file.write_all(&bytes[..4])?;
            Err(io::ErrorKind::StorageFull.into())
        });
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("writing"), "{refused}");
        assert!(!path.exists());
        set(&path, b"pass word").unwrap();
        assert_eq!(read(&path).unwrap().bytes[..], *b"pass word");
    }

    #[test]
    fn a_file_is_never_overwritten_and_other_kinds_and_sizes_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        set(&path, b"old").unwrap();
        let refused = set(&path, b"new").unwrap_err();
        assert!(refused.to_string().contains("never overwritten"), "{refused}");
        assert_eq!(read(&path).unwrap().bytes[..], *b"old");
        let refused = read(folder.path()).unwrap_err();
        assert!(refused.to_string().contains("not a regular file"), "{refused}");
        let large = folder.path().join("large");
        fs::write(&large, vec![7; MAX_PASSWORD_LEN as usize + 1]).unwrap();
        let refused = read(&large).unwrap_err();
        assert!(refused.to_string().contains("larger than 64 KiB"), "{refused}");
        for absent in [read(&folder.path().join("none")).map(drop), delete(&folder.path().join("none"))] {
            assert!(matches!(absent, Err(Error::Disk(error)) if error.is_not_found()));
        }
    }

    #[test]
    #[cfg(unix)]
    fn reading_tightens_a_loose_mode_and_reports_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        fs::write(&path, b"p").unwrap();
        for (found, reported) in [(0o644, Some(0o644)), (0o600, Some(0o600)), (0o400, None), (0o000, None)] {
            set_mode(&path, found).unwrap();
            assert_eq!(read(&path).unwrap().was_looser, reported, "{found:o}");
            assert_eq!(mode(&path), 0o400);
        }
    }
}
