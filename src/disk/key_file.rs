//! Reads keys from files, and sets the rules that a file of raw key bytes must meet before it is used.
//!
//! These files bypass [`Disk`](super::Disk), because only the operating system knows about permissions, pipes
//! and devices. Symbolic links are followed, because mounted secrets are links. The rules apply to the link's
//! target and are checked on the opened file, so that nobody can swap the file between check and read.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroize;

/// Why a key could not be read from a file. Reveals nothing about the content.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The operating system refused.
    #[error("reading the key file {}: {reason}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: io::Error,
    },
    /// The path names a folder, a pipe or a device.
    #[error("the key file {} is not a regular file: name a file that holds the raw key", path.display())]
    NotRegular {
        /// The path.
        path: PathBuf,
    },
    /// Users other than its owner may read or write it.
    #[error(
        "the key file {} has mode {mode:04o}: remove all permissions of group and others (chmod 0600)",
        path.display()
    )]
    Insecure {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file is shorter or longer than the key.
    #[error(
        "the key file {} is not exactly {expected} bytes long: write the raw key into it, without a line end",
        path.display()
    )]
    Length {
        /// The file.
        path: PathBuf,
        /// The required length in bytes.
        expected: usize,
    },
}

/// Fills `key` from a regular file of exactly as many raw bytes, to which group and others have no
/// permissions (on Unix; elsewhere permissions are not checked). A pipe does not block the call. After an
/// error `key` is zeros.
///
/// # Errors
/// In this order: [`KeyFileError::Io`] if it cannot be opened, [`KeyFileError::NotRegular`],
/// [`KeyFileError::Insecure`], [`KeyFileError::Io`] if it cannot be read, [`KeyFileError::Length`].
pub fn read_key_file<const N: usize>(path: &Path, key: &mut [u8; N]) -> Result<(), KeyFileError> {
    let filled = fill(path, key);
    if filled.is_err() {
        key.zeroize();
    }
    filled
}

fn fill(path: &Path, key: &mut [u8]) -> Result<(), KeyFileError> {
    let io = |reason| KeyFileError::Io { path: path.into(), reason };
    let mut file = open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if !metadata.is_file() {
        return Err(KeyFileError::NotRegular { path: path.into() });
    }
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyFileError::Insecure { path: path.into(), mode });
        }
    }
    let expected = key.len();
    // Read directly into `key`, so that no copy is left, then try to read one more byte, which must not
    // exist.
    let mut more = [0];
    let whole = read_full(&mut file, key).map_err(io)? && !read_full(&mut file, &mut more).map_err(io)?;
    more.zeroize();
    if whole { Ok(()) } else { Err(KeyFileError::Length { path: path.into(), expected }) }
}

/// Fills `out`; false if the file is too short.
fn read_full(file: &mut File, out: &mut [u8]) -> io::Result<bool> {
    let mut len = 0;
    while len < out.len() {
        match file.read(&mut out[len..])? {
            0 => return Ok(false),
            read => len += read,
        }
    }
    Ok(true)
}

#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The result of reading a file; the key must be complete or wiped.
    fn read(path: &Path) -> Result<(), KeyFileError> {
        let mut key = [0xee; 32];
        let read = read_key_file(path, &mut key);
        assert_eq!(key, if read.is_ok() { [7; 32] } else { [0; 32] });
        read
    }

    fn write(path: &Path, len: usize, mode: u32) {
        std::fs::write(path, vec![7; len]).unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        let _ = mode;
    }

    #[test]
    fn a_file_of_exactly_the_keys_bytes_is_read_and_every_other_length_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        for len in [0, 1, 31, 32, 33, 64] {
            write(&path, len, 0o600);
            match read(&path) {
                Ok(()) => assert_eq!(len, 32),
                Err(KeyFileError::Length { expected: 32, .. }) => assert_ne!(len, 32),
                Err(other) => panic!("{len}: {other}"),
            }
        }
        let absent = read(&folder.path().join("absent")).unwrap_err();
        assert!(
            matches!(&absent, KeyFileError::Io { reason, .. } if reason.kind() == io::ErrorKind::NotFound)
        );
    }

    #[test]
    #[cfg(unix)]
    fn permissions_of_group_or_others_are_refused_before_the_length_and_a_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("key"), folder.path().join("link"));
        std::os::unix::fs::symlink(&path, &link).unwrap();
        for mode in [0o640, 0o604, 0o610, 0o602, 0o660, 0o644] {
            write(&path, 31, mode);
            for name in [&path, &link] {
                let refused = read(name).unwrap_err();
                let expected = mode;
                assert!(
                    matches!(&refused, KeyFileError::Insecure { mode, .. } if *mode == expected),
                    "{mode:o}: {refused}"
                );
            }
        }
        write(&path, 32, 0o400);
        read(&path).unwrap();
        read(&link).unwrap();
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_pipe_a_device_and_a_folder_are_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg("-m").arg("600").arg(&pipe).status();
        assert!(made.is_ok_and(|status| status.success()), "Linux has mkfifo");
        for path in [pipe.as_path(), Path::new("/dev/zero"), folder.path()] {
            let refused = read(path).unwrap_err();
            assert!(matches!(refused, KeyFileError::NotRegular { .. }), "{refused}");
        }
    }
}
