//! A folder of somebody's own vectors, in place of the built-in sets.
//!
//! Every file in the tree is decoded by what it holds, in the order of its path. A file or a folder below
//! that cannot be read does not stop the others; it is returned beside them. Links are followed to files and not to folders.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::vectors::{Problem, decode_any, unpack};
use super::{Case, Set};

/// What a folder holds.
#[derive(Debug)]
pub struct Folder {
    /// The files that could be read, each as a set under its path.
    pub sets: Vec<Set>,
    /// The files, and the folders below, that could not.
    pub unread: Vec<Error>,
}

/// Why a folder, or a file in it, could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("{}: {reason}", file.display())]
    Io {
        /// The file or folder.
        file: PathBuf,
        /// Its reason.
        reason: io::Error,
    },
    /// There is no file in the folder.
    #[error("{}: there is no file in this folder", folder.display())]
    Empty {
        /// The folder.
        folder: PathBuf,
    },
    /// The file is not one of vectors, or is damaged.
    #[error("{}: {problem}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Where in it, and what is wrong there.
        problem: Problem,
    },
}

/// Reads every file below `folder`.
///
/// # Errors
/// [`Error::Io`] for the folder itself; [`Error::Empty`] when all of it was read and holds no file.
pub fn read(folder: &Path) -> Result<Folder, Error> {
    let (mut files, mut unread) = (Vec::new(), Vec::new());
    list(folder, &mut files, &mut unread)?;
    if files.is_empty() && unread.is_empty() {
        return Err(Error::Empty { folder: folder.into() });
    }
    files.sort();
    let mut read = Folder { sets: Vec::new(), unread };
    for file in files {
        match cases(&file) {
            Ok(cases) => read.sets.push(Set {
                name: file.display().to_string(),
                source: format!("a file of {}", folder.display()),
                declared: cases.len() as u64,
                must_run: BTreeMap::new(),
                cases,
                broken: Vec::new(),
            }),
            Err(error) => read.unread.push(error),
        }
    }
    Ok(read)
}

/// Collects the files of a folder and of those below; what fails below stands in `unread`.
fn list(folder: &Path, files: &mut Vec<PathBuf>, unread: &mut Vec<Error>) -> Result<(), Error> {
    let io = |file: &Path, reason| Error::Io { file: file.into(), reason };
    for entry in fs::read_dir(folder).map_err(|e| io(folder, e))? {
        let entry = match entry {
            Ok(entry) => entry,
            Err(reason) => {
                unread.push(io(folder, reason));
                continue;
            }
        };
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => {
                if let Err(error) = list(&path, files, unread) {
                    unread.push(error);
                }
            }
            Ok(_) if path.is_dir() => {}
            Ok(_) => files.push(path),
            Err(reason) => unread.push(io(&path, reason)),
        }
    }
    Ok(())
}

fn cases(file: &Path) -> Result<Vec<Case>, Error> {
    let stored = regular(file).and_then(|()| fs::read(file));
    let stored = stored.map_err(|reason| Error::Io { file: file.into(), reason })?;
    let cases = unpack(&stored).and_then(|bytes| decode_any(&bytes));
    cases.map_err(|problem| Error::Unreadable { file: file.into(), problem })
}

/// Refuses a pipe, a socket or a device: reading one might never end.
fn regular(file: &Path) -> io::Result<()> {
    if fs::metadata(file)?.is_file() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RSP: &str = "[Keylen = 128]\n[IVlen = 96]\n[PTlen = 0]\n[AADlen = 0]\n[Taglen = 128]\n\nCount = 0\n\
        Key = cf063a34d4a9a76c2c86787d3f96db71\nIV = 113b9785971864c83b01c787\nCT =\nAAD =\n\
        Tag = 72ac8493e3a5228b5d130a69d2510e42\nPT =\n";

    #[test]
    fn good_files_are_read_and_bad_ones_stand_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("below")).unwrap();
        fs::write(at("below/b.txt"), RSP).unwrap();
        fs::write(at("a.json"), RSP).unwrap();
        fs::write(at("c.rsp"), &RSP[..RSP.len() - 20]).unwrap();
        fs::write(at("d"), "").unwrap();
        fs::write(at("e.json"), "{\"testGroups\": ").unwrap();
        fs::write(at("f.md"), "Vectors of ours.").unwrap();
        let read = read(folder.path()).unwrap();
        let names: Vec<_> = read.sets.iter().map(|set| &*set.name).collect();
        assert_eq!(names, [at("a.json"), at("below/b.txt")].map(|p| p.display().to_string()));
        assert!(read.sets.iter().all(|set| set.declared == 1 && set.cases.len() == 1));
        let unread: Vec<_> = read.unread.iter().map(ToString::to_string).collect();
        let begins = |name: &str, place: &str| format!("{}: {place}", at(name).display());
        assert_eq!(unread.len(), 4);
        assert!(unread[0].starts_with(&begins("c.rsp", "line 12, column 7")), "{}", unread[0]);
        assert!(unread[1].starts_with(&begins("d", "line 1, column 1: the file is empty")), "{}", unread[1]);
        assert!(
            unread[2].starts_with(&begins("e.json", "line 1, column 15: the JSON is cut")),
            "{}",
            unread[2]
        );
        assert!(unread[3].starts_with(&begins("f.md", "line 1, column 1: not a format")), "{}", unread[3]);
    }

    /// A folder whose path is longer than Linux takes: nobody can list it, root neither.
    #[test]
    #[cfg(target_os = "linux")]
    fn an_unreadable_folder_below_stands_beside_the_good_files() {
        let folder = tempfile::tempdir().unwrap();
        let chain = |name: &str| {
            let (top, step) = (folder.path().join(name), "x".repeat(250));
            let deep = (0..10).fold(top.clone(), |path, _| path.join(&step));
            fs::create_dir_all(&deep).unwrap();
            (top, deep)
        };
        let ((_, deep), (other, _)) = (chain("a"), chain("b"));
        fs::rename(other, deep.join("b")).unwrap();
        fs::write(folder.path().join("z.rsp"), RSP).unwrap();
        let found = read(folder.path()).unwrap();
        assert_eq!((found.sets.len(), found.unread.len()), (1, 1), "{:?}", found.unread);
        assert!(matches!(&found.unread[0], Error::Io { file, .. } if file.starts_with(&deep)));
        fs::remove_file(folder.path().join("z.rsp")).unwrap();
        let found = read(folder.path()).unwrap();
        assert_eq!((found.sets.len(), found.unread.len()), (0, 1));
    }

    #[test]
    fn an_empty_or_absent_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(read(folder.path()), Err(Error::Empty { .. })));
        fs::create_dir(folder.path().join("below")).unwrap();
        assert!(matches!(read(folder.path()), Err(Error::Empty { .. })));
        assert!(matches!(read(&folder.path().join("absent")), Err(Error::Io { .. })));
    }

    #[test]
    fn a_compressed_file_is_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let packed = include_bytes!("../../vectors/nist/gcmDecrypt256.rsp.zst");
        fs::write(folder.path().join("x"), packed).unwrap();
        fs::write(folder.path().join("y"), &packed[..packed.len() - 100]).unwrap();
        let read = read(folder.path()).unwrap();
        assert_eq!((read.sets.len(), read.sets[0].declared, read.unread.len()), (1, 7_875, 1));
    }
}
