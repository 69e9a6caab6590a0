//! A folder of a log, read into memory: the files of the format, the engine's own, and the names of others.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Error;
use super::layout::Kind;
use crate::disk::Disk;
use crate::scheme::log::engine::{TABLES, is_own};

/// A file of the format.
#[derive(Clone, Debug)]
pub(super) struct File {
    /// Its path within the folder.
    pub name: String,
    pub kind: Kind,
    pub bytes: Arc<[u8]>,
}

/// A folder as it was found.
#[derive(Debug)]
pub(super) struct Folder {
    pub files: Vec<File>,
    /// Files that are not of the format.
    pub others: Vec<String>,
    /// The engine's own files, which KVStore ignores.
    pub own: Vec<(PathBuf, Vec<u8>)>,
}

impl Folder {
    /// Reads a folder and the folders in it.
    pub fn read(disk: &dyn Disk, path: &Path) -> Result<Self, Error> {
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            move |reason: io::Error| Error::Unreadable { path, reason }
        };
        let mut folder = Self { files: Vec::new(), others: Vec::new(), own: Vec::new() };
        for name in disk.list(path).map_err(unreadable(path))? {
            let inner = path.join(&name);
            match disk.list(&inner) {
                // The engine would take it for a file, and refuse it.
                Ok(_) if Kind::of(&name).is_some() => {
                    return Err(unreadable(&inner)(io::ErrorKind::IsADirectory.into()));
                }
                Ok(names) => {
                    for inside in names {
                        folder.take(disk, path, &Path::new(&name).join(inside))?;
                    }
                }
                Err(reason) if is_file(&reason) && name != TABLES => {
                    folder.take(disk, path, Path::new(&name))?;
                }
                Err(reason) => return Err(unreadable(&inner)(reason)),
            }
        }
        if folder.files.is_empty() {
            return Err(Error::NoLog { path: path.to_owned() });
        }
        Ok(folder)
    }

    fn take(&mut self, disk: &dyn Disk, root: &Path, name: &Path) -> Result<(), Error> {
        let shown = name.to_string_lossy().into_owned();
        let last = name.file_name().unwrap_or_default();
        let read = || {
            let path = root.join(name);
            disk.read(&path).map_err(|reason| Error::Unreadable { path, reason })
        };
        match Kind::of(last) {
            Some(kind) => self.files.push(File { name: shown, kind, bytes: read()?.into() }),
            None => {
                if last.to_str().is_some_and(is_own) {
                    self.own.push((name.to_owned(), read()?));
                }
                self.others.push(shown);
            }
        }
        Ok(())
    }
}

/// Whether a name that cannot be listed is a file: a recorder does not find a folder there, and the system
/// does not behind a link to nothing.
fn is_file(reason: &io::Error) -> bool {
    matches!(reason.kind(), io::ErrorKind::NotADirectory | io::ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Recorder;
    use crate::verify::log_faults::testing;

    #[test]
    fn a_name_that_is_no_folder_is_a_file_and_any_other_refusal_of_a_list_is_an_error() {
        for (name, kind, is_read) in [
            ("notes.txt", io::ErrorKind::NotADirectory, true),
            ("notes.txt", io::ErrorKind::NotFound, true),
            ("notes.txt", io::ErrorKind::Other, false),
            ("sst", io::ErrorKind::NotADirectory, false),
            ("sst", io::ErrorKind::PermissionDenied, false),
        ] {
            let disk = testing::log(&testing::history());
            disk.create(&Path::new(testing::ROOT).join("notes.txt")).unwrap();
            let path = Path::new(testing::ROOT).join(name);
            let read = Folder::read(&testing::Unlistable(disk, path.clone(), kind), Path::new(testing::ROOT));
            match read {
                Ok(folder) => assert!(is_read && folder.others.contains(&"notes.txt".to_owned()), "{kind}"),
                Err(Error::Unreadable { path: named, reason }) => {
                    assert_eq!((named, reason.kind(), is_read), (path, kind, false));
                }
                Err(other) => panic!("{other}"),
            }
        }
    }

    #[test]
    fn a_folder_with_the_name_of_a_log_is_an_error() {
        let disk = Recorder::with_files("/log/sst", [("/log/000001.wal/x".into(), Vec::new())]);
        let refused = Folder::read(&disk, Path::new(testing::ROOT)).unwrap_err();
        let Error::Unreadable { path, reason } = refused else { panic!("{refused}") };
        assert_eq!(
            (path.as_path(), reason.kind()),
            (Path::new("/log/000001.wal"), io::ErrorKind::IsADirectory)
        );
    }
}
