//! A folder of a log: its files, and what the engine says when whole files are missing, repeated or
//! exchanged.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::Error;
use super::alter::Fault;
use super::layout::Kind;
use super::read::{Found, refusal};
use super::result::Coverage;
use super::tally::{Tally, of_files};
use crate::disk::{Disk, Recorder};
use crate::scheme::log::engine::{Engine, Options, is_own};

/// Where copies lie on their own disk.
const ROOT: &str = "/log";
/// The folder of tables within a log.
const TABLES: &str = "sst";

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
    own: Vec<(PathBuf, Vec<u8>)>,
}

/// The live rows of a log.
type Rows = Vec<(Vec<u8>, Vec<u8>)>;

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
            // What cannot be listed is a file.
            match disk.list(&inner) {
                Ok(names) => {
                    for inside in names {
                        folder.take(disk, path, &Path::new(&name).join(inside))?;
                    }
                }
                Err(_) => folder.take(disk, path, Path::new(&name))?,
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

    /// Alters whole files. Returns the coverage of each file.
    pub fn alter_files(
        &self,
        tally: &mut Tally,
        until: Instant,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(&str, (u64, u64)),
    ) -> Vec<Coverage> {
        let all: Vec<usize> = (0..self.files.len()).collect();
        // A log that the engine refuses as it is has nothing to compare with.
        let Ok(rows) = self.rows(&self.arranged(None)) else {
            return all.iter().map(|_| of_files(0, 0)).collect();
        };
        let trials = self.trials();
        let mut tried = vec![0; self.files.len()];
        for (number, trial) in trials.iter().enumerate() {
            if stop.load(Ordering::Relaxed) || Instant::now() >= until {
                break;
            }
            let file = &self.files[trial.file];
            progress(&file.name, (number as u64, trials.len() as u64));
            let found = match self.rows(&self.arranged(Some(trial))) {
                Ok(given) => Found { refusal: None, drift: given != rows },
                Err(refused) => Found { refusal: Some(refused), drift: false },
            };
            tally.file(trial.file).count(file.kind, trial.fault, 0, "file", found);
            tried[trial.file] += 1;
        }
        let of = |place| trials.iter().filter(|trial| trial.file == place).count() as u64;
        all.iter().map(|&place| of_files(tried[place], of(place))).collect()
    }

    /// What the engine gives for these files.
    fn rows(&self, files: &[(String, &[u8])]) -> Result<Rows, super::read::Refusal> {
        let here = files.iter().map(|(name, bytes)| (Path::new(ROOT).join(name), bytes.to_vec()));
        let own = self.own.iter().map(|(name, bytes)| (Path::new(ROOT).join(name), bytes.clone()));
        let disk = Recorder::with_files(Path::new(ROOT).join(TABLES), here.chain(own));
        let engine = Engine::open(Arc::new(disk), ROOT, Options::default());
        engine.and_then(|engine| engine.scan()).map_err(|error| refusal(&error))
    }

    /// Every alteration of whole files.
    fn trials(&self) -> Vec<Trial> {
        let mut trials = Vec::new();
        for (file, found) in self.files.iter().enumerate().filter(|(_, file)| in_engine(file)) {
            trials.push(Trial { fault: Fault::DropFile, file, other: file });
            trials.push(Trial { fault: Fault::CopyFile, file, other: file });
            let next = (file + 1..self.files.len())
                .find(|&other| in_engine(&self.files[other]) && self.files[other].kind == found.kind);
            if let Some(other) = next.filter(|&other| self.files[other].bytes != found.bytes) {
                trials.push(Trial { fault: Fault::SwapFiles, file, other });
            }
        }
        trials
    }

    /// The files that the engine reads, altered.
    fn arranged(&self, trial: Option<&Trial>) -> Vec<(String, &[u8])> {
        let mut files: Vec<(String, &[u8])> =
            self.files.iter().map(|file| (file.name.clone(), &file.bytes[..])).collect();
        match trial {
            Some(Trial { fault: Fault::SwapFiles, file, other }) => {
                (files[*file].1, files[*other].1) = (files[*other].1, files[*file].1);
            }
            Some(Trial { fault: Fault::CopyFile, file, .. }) => {
                files.push((self.next_name(*file), &self.files[*file].bytes));
            }
            Some(Trial { file, .. }) => drop(files.remove(*file)),
            None => {}
        }
        files
    }

    /// The name after the last one of a file's kind.
    fn next_name(&self, file: usize) -> String {
        let found = &self.files[file];
        let number = |name: &str| Path::new(name).file_stem()?.to_str()?.parse::<u64>().ok();
        let alike = self.files.iter().filter(|other| other.kind == found.kind);
        let last = alike.filter_map(|other| number(&other.name)).max().unwrap_or(0);
        let extension = if found.kind == Kind::Wal { "wal" } else { "sst" };
        let next = format!("{:06}.{extension}", last.saturating_add(1));
        Path::new(&found.name).with_file_name(next).to_string_lossy().into_owned()
    }
}

/// Whether the engine reads a file: WALs of the folder, and tables of its folder `sst`.
fn in_engine(file: &File) -> bool {
    let dir = Path::new(&file.name).parent().unwrap_or(Path::new(""));
    match file.kind {
        Kind::Wal => dir == Path::new(""),
        Kind::Table => dir == Path::new(TABLES),
        Kind::RaftMeta | Kind::RaftLog => false,
    }
}

/// One alteration of whole files.
#[derive(Clone, Copy, Debug)]
struct Trial {
    fault: Fault,
    file: usize,
    other: usize,
}
