//! A user's own folder of vectors, in place of the built-in sets.
//!
//! Every file in the tree is decoded by its content, in the order of its path. A file or subfolder that
//! cannot be read does not stop the others; it is listed next to them. Files of other algorithms, documents
//! and programs are listed too but set aside ([`stray`]), so a clone of a whole project works. Links to files
//! are followed, links to folders are not. A version control system's folder is skipped as a whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::vectors::acvp::{self, Half, Holds};
use super::vectors::{Decoded, Problem, Vectors, decode, recognise, stray, unpack};
use super::{FileReport, FileState, Set};

/// The content of a folder.
#[derive(Debug)]
pub struct Folder {
    /// The readable files, each as a set named after its path.
    pub sets: Vec<Set>,
    /// The files and subfolders that should have been readable but were not.
    pub unread: Vec<Error>,
    /// A report on each file, in the order of its path.
    pub files: Vec<FileReport>,
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
    /// The folder contains no file.
    #[error("{}: there is no file in this folder", folder.display())]
    Empty {
        /// The folder.
        folder: PathBuf,
    },
    /// The file is damaged, or its format is unknown.
    #[error("{}: {problem}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The place in the file, and what is wrong there.
        problem: Problem,
    },
}

impl Error {
    fn parts(&self) -> (&Path, String) {
        match self {
            Self::Io { file, reason } => (file, reason.to_string()),
            Self::Empty { folder } => (folder, "there is no file in this folder".into()),
            Self::Unreadable { file, problem } => (file, problem.to_string()),
        }
    }
}

/// Reads every file below `folder`.
///
/// # Errors
/// [`Error::Io`] for the folder itself; [`Error::Empty`] if all of it was read and it contains no file.
pub fn read(folder: &Path) -> Result<Folder, Error> {
    let mut reader = Reader::new(folder);
    let mut files = Vec::new();
    reader.list(folder, &mut files)?;
    if files.is_empty() && reader.found.unread.is_empty() {
        return Err(Error::Empty { folder: folder.into() });
    }
    files.sort();
    for file in files {
        reader.take(file);
    }
    reader.pair();
    let Reader { mut found, .. } = reader;
    found.sets.sort_by(|a, b| a.name.cmp(&b.name));
    for error in &found.unread {
        let (file, what) = error.parts();
        found.files.push(FileReport {
            file: file.display().to_string(),
            state: FileState::Unreadable,
            what,
            remarks: Vec::new(),
        });
    }
    found.files.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(found)
}

/// Folders in which version control systems keep their data.
const VERSION_CONTROL: [&str; 4] = [".git", ".hg", ".svn", ".jj"];

struct Reader<'a> {
    folder: &'a Path,
    found: Folder,
    /// Halves of ACVP exchanges; two of them become a set.
    halves: Vec<(PathBuf, Half)>,
}

impl<'a> Reader<'a> {
    fn new(folder: &'a Path) -> Self {
        let found = Folder { sets: Vec::new(), unread: Vec::new(), files: Vec::new() };
        Self { folder, found, halves: Vec::new() }
    }

    /// Collects the files of a folder and its subfolders; failures in subfolders go to `unread`.
    fn list(&mut self, folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
        let io = |file: &Path, reason| Error::Io { file: file.into(), reason };
        for entry in fs::read_dir(folder).map_err(|e| io(folder, e))? {
            let entry = match entry {
                Ok(entry) => entry,
                Err(reason) => {
                    self.found.unread.push(io(folder, reason));
                    continue;
                }
            };
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => {
                    if VERSION_CONTROL.iter().any(|name| entry.file_name() == *name) {
                        self.report(
                            &path,
                            FileState::SetAside,
                            "a version control folder".into(),
                            Vec::new(),
                        );
                    } else if let Err(error) = self.list(&path, files) {
                        self.found.unread.push(error);
                    }
                }
                Ok(_) if path.is_dir() => {}
                Ok(_) => files.push(path),
                Err(reason) => self.found.unread.push(io(&path, reason)),
            }
        }
        Ok(())
    }

    fn report(&mut self, file: &Path, state: FileState, what: String, remarks: Vec<String>) {
        self.found.files.push(FileReport { file: file.display().to_string(), state, what, remarks });
    }

    fn take(&mut self, file: PathBuf) {
        let stored = regular(&file).and_then(|()| fs::read(&file));
        let stored = match stored {
            Ok(stored) => stored,
            Err(reason) => return self.found.unread.push(Error::Io { file, reason }),
        };
        let bytes = match unpack(&stored) {
            Ok(bytes) => bytes,
            Err(problem) => return self.found.unread.push(Error::Unreadable { file, problem }),
        };
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        // A compressed file counts under its name without the ending.
        let name = name.strip_suffix(".zst").unwrap_or(&name);
        match decode(name, &bytes) {
            Ok((format, Decoded::Cases(vectors))) => self.add(&file, format.name, vectors),
            Ok((_, Decoded::Half(half))) => self.halves.push((file, half)),
            Ok((_, Decoded::Other(what))) => self.report(&file, FileState::SetAside, what, Vec::new()),
            Err(problem) => match stray::aside(name, &bytes, recognise(&bytes).is_ok()) {
                Some(what) => self.report(&file, FileState::SetAside, what, Vec::new()),
                None => self.found.unread.push(Error::Unreadable { file, problem }),
            },
        }
    }

    fn add(&mut self, file: &Path, format: &str, vectors: Vectors) {
        let Vectors { cases, remarks } = vectors;
        self.report(file, FileState::Read, format!("{format}, {} cases", cases.len()), remarks);
        self.found.sets.push(Set {
            name: file.display().to_string(),
            source: format!("a file of {}", self.folder.display()),
            declared: cases.len() as u64,
            must_run: BTreeMap::new(),
            cases,
            rulings: None,
            broken: Vec::new(),
        });
    }

    /// Pairs the questions of each vector set with its answers: those in the same folder, or else the only
    /// ones.
    fn pair(&mut self) {
        let (questions, mut answers): (Vec<_>, Vec<_>) = std::mem::take(&mut self.halves)
            .into_iter()
            .partition(|(_, half)| half.holds == Holds::Questions);
        for (file, half) in questions {
            let fits = |answer: &(PathBuf, Half)| answer.1.vs_id == half.vs_id;
            let beside = |answer: &(PathBuf, Half)| fits(answer) && answer.0.parent() == file.parent();
            let at = match answers.iter().position(beside) {
                Some(at) => Some(at),
                None if answers.iter().filter(|answer| fits(answer)).count() == 1 => {
                    answers.iter().position(fits)
                }
                None => None,
            };
            let Some(at) = at else {
                self.found.unread.push(Error::Unreadable { problem: half.alone(), file });
                continue;
            };
            let (answered, answer) = answers.remove(at);
            match acvp::pair(&half, &answer) {
                Ok(vectors) => {
                    self.add(&file, "acvp-gcm", vectors);
                    let what = format!("acvp-gcm, the answers to {}", file.display());
                    self.report(&answered, FileState::Read, what, Vec::new());
                }
                Err(problem) => {
                    let problem = Problem {
                        place: format!("with {}, {}", answered.display(), problem.place),
                        ..problem
                    };
                    self.found.unread.push(Error::Unreadable { file, problem });
                    let what = "acvp-gcm, the answers to a file that could not be read".to_owned();
                    self.report(&answered, FileState::Read, what, Vec::new());
                }
            }
        }
        for (file, half) in answers {
            self.found.unread.push(Error::Unreadable { problem: half.alone(), file });
        }
    }
}

/// Refuses a pipe, a socket or a device, because reading one might never end.
fn regular(file: &Path) -> io::Result<()> {
    if fs::metadata(file)?.is_file() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
}

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
