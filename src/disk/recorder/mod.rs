//! A disk in memory that records every step, fails where it is told to, and knows what a power loss may leave.
//!
//! POSIX promises little. Bytes that were not synced may be there in part, in full, as zeros or not at all, and of
//! the names changed since their folder was synced any may have changed and any not, each rename as a whole. The
//! states of [`Recorder::after_power_loss`] are all of these within a bound: the last six changes of names
//! vary, those before them were made; the unsynced bytes of each file that is still named are absent, there by half,
//! zeros, or there. Not here: bytes that rot, sectors that tear, folders that are made or removed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, NewFile, parent};

/// Unsynced changes of names that vary freely after a power loss: 2^6 subsets.
const FREE_NAMES: usize = 6;

/// What was asked of the disk, done or not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// A file was made.
    Create(PathBuf),
    /// So many bytes were put behind those it had.
    Write(PathBuf, usize),
    /// Its bytes were synced.
    Sync(PathBuf),
    /// It was given another name.
    Rename(PathBuf, PathBuf),
    /// Its name was taken away.
    Remove(PathBuf),
    /// A folder's names were synced.
    SyncDir(PathBuf),
}

/// How a step fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The power is gone: this and all that follows is not done, nor anything read.
    Power,
    /// The disk is full: this step fails, a write half done.
    NoSpace,
    /// The medium fails this step; a sync that fails has lost its bytes for good, as on Linux.
    Io,
    /// From this step on nothing can be changed.
    ReadOnly,
}

#[derive(Clone, Default, Debug)]
struct File {
    /// The name that it was made under.
    path: PathBuf,
    bytes: Vec<u8>,
    /// How many of them are on the medium.
    synced: usize,
    /// A sync failed: no later one helps.
    lost: bool,
}

#[derive(Clone, Debug)]
enum NameChange {
    Link(PathBuf, usize),
    Rename(PathBuf, PathBuf, usize),
    Unlink(PathBuf),
}

impl NameChange {
    fn make(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Link(path, file) => {
                names.insert(path.clone(), *file);
            }
            Self::Rename(from, to, file) => {
                names.remove(from);
                names.insert(to.clone(), *file);
            }
            Self::Unlink(path) => {
                names.remove(path);
            }
        }
    }

    fn dir(&self) -> &Path {
        let (Self::Link(path, _) | Self::Rename(_, path, _) | Self::Unlink(path)) = self;
        parent(path)
    }
}

#[derive(Default, Debug)]
struct State {
    dirs: BTreeSet<PathBuf>,
    files: Vec<File>,
    names: BTreeMap<PathBuf, usize>,
    synced_names: BTreeMap<PathBuf, usize>,
    unsynced: Vec<NameChange>,
    steps: Vec<Step>,
    plan: Option<(usize, Fault)>,
    dead: bool,
}

/// A disk that remembers. Clones share it.
#[derive(Clone, Default, Debug)]
pub struct Recorder(Arc<Mutex<State>>);

fn failure(kind: ErrorKind, what: &'static str) -> io::Error {
    io::Error::new(kind, what)
}

impl State {
    /// Records a step, and what becomes of it.
    fn begin(&mut self, step: Step) -> io::Result<Option<Fault>> {
        self.alive()?;
        let at = self.steps.len();
        self.steps.push(step);
        match self.plan {
            Some((planned, Fault::Power)) if at >= planned => {
                self.dead = true;
                self.alive().map(|()| None)
            }
            Some((planned, Fault::ReadOnly)) if at >= planned => {
                Err(failure(ErrorKind::ReadOnlyFilesystem, "planned: read-only"))
            }
            Some((planned, fault)) if at == planned => Ok(Some(fault)),
            _ => Ok(None),
        }
    }

    fn alive(&self) -> io::Result<()> {
        if self.dead { Err(failure(ErrorKind::Other, "planned: the power is gone")) } else { Ok(()) }
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| failure(ErrorKind::NotFound, "no such file"))
    }

    fn change(&mut self, change: NameChange) {
        change.make(&mut self.names);
        self.unsynced.push(change);
    }
}

fn fail(fault: Option<Fault>) -> io::Result<()> {
    match fault {
        None => Ok(()),
        Some(Fault::NoSpace) => Err(failure(ErrorKind::StorageFull, "planned: the disk is full")),
        Some(_) => Err(failure(ErrorKind::Other, "planned: input/output error")),
    }
}

impl Recorder {
    /// An empty disk with that one folder and the one that it is in, which are there for good.
    pub fn with_dir(dir: impl Into<PathBuf>) -> Self {
        let (recorder, dir) = (Self::default(), dir.into());
        recorder.state().dirs.extend([parent(&dir).into(), dir]);
        recorder
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was asked of it so far.
    pub fn steps(&self) -> Vec<Step> {
        self.state().steps.clone()
    }

    /// Lets the step of that number fail, counted from 0 and from the disk's beginning; one fault at a time.
    pub fn plan(&self, step: usize, fault: Fault) {
        self.state().plan = Some((step, fault));
    }

    /// Every file that has a name.
    pub fn names(&self) -> Vec<PathBuf> {
        self.state().names.keys().cloned().collect()
    }

    /// Every disk, none twice, that may be found when the power comes back, without faults and without history.
    pub fn after_power_loss(&self) -> Vec<Self> {
        let state = self.state();
        let mut found = BTreeSet::<BTreeMap<PathBuf, Vec<u8>>>::new();
        let free = state.unsynced.len().min(FREE_NAMES);
        let (made, varying) = state.unsynced.split_at(state.unsynced.len() - free);
        for chosen in 0..1_u32 << free {
            let mut names = state.synced_names.clone();
            made.iter().for_each(|change| change.make(&mut names));
            for (i, change) in varying.iter().enumerate() {
                if chosen >> i & 1 == 1 {
                    change.make(&mut names);
                }
            }
            let mut disks = vec![BTreeMap::new()];
            for (path, &file) in &names {
                let contents = state.files[file].after_power_loss();
                let with = |disk: &BTreeMap<PathBuf, Vec<u8>>, bytes: &Vec<u8>| {
                    let mut disk = disk.clone();
                    disk.insert(path.clone(), bytes.clone());
                    disk
                };
                disks = disks.iter().flat_map(|disk| contents.iter().map(|c| with(disk, c))).collect();
            }
            found.extend(disks);
        }
        found.into_iter().map(|files| Self::holding(state.dirs.clone(), files)).collect()
    }

    fn holding(dirs: BTreeSet<PathBuf>, contents: BTreeMap<PathBuf, Vec<u8>>) -> Self {
        let mut state = State { dirs, ..State::default() };
        for (path, bytes) in contents {
            state.names.insert(path.clone(), state.files.len());
            state.files.push(File { path, synced: bytes.len(), bytes, lost: false });
        }
        state.synced_names = state.names.clone();
        Self(Arc::new(Mutex::new(state)))
    }

    /// The same disk as a reboot without a power loss would find it: everything is there, no fault is planned.
    pub fn after_restart(&self) -> Self {
        let state = self.state();
        let contents =
            state.names.iter().map(|(path, &file)| (path.clone(), state.files[file].bytes.clone()));
        Self::holding(state.dirs.clone(), contents.collect())
    }
}

impl File {
    /// What may be found of it, each once.
    fn after_power_loss(&self) -> BTreeSet<Vec<u8>> {
        let (synced, rest) = self.bytes.split_at(self.synced);
        let with = |more: &[u8]| [synced, more].concat();
        [with(&[]), with(&rest[..rest.len() / 2]), with(&vec![0; rest.len()]), with(rest)].into()
    }
}

impl Disk for Recorder {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.state();
        state.alive()?;
        Ok(state.files[state.file(path)?].bytes.clone())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let state = self.state();
        state.alive()?;
        Ok(state.names.contains_key(path))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        let mut state = self.state();
        let fault = state.begin(Step::Create(path.into()))?;
        fail(fault)?;
        if !state.dirs.contains(parent(path)) {
            return Err(failure(ErrorKind::NotFound, "no such folder"));
        }
        if state.names.contains_key(path) {
            return Err(failure(ErrorKind::AlreadyExists, "the file is there"));
        }
        let file = state.files.len();
        state.files.push(File { path: path.into(), ..File::default() });
        state.change(NameChange::Link(path.into(), file));
        Ok(Box::new(Handle { disk: self.clone(), file }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        let fault = state.begin(Step::Rename(from.into(), to.into()))?;
        fail(fault)?;
        let file = state.file(from)?;
        if parent(from) != parent(to) {
            return Err(failure(ErrorKind::CrossesDevices, "another folder"));
        }
        state.change(NameChange::Rename(from.into(), to.into(), file));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let fault = state.begin(Step::Remove(path.into()))?;
        fail(fault)?;
        state.file(path)?;
        state.change(NameChange::Unlink(path.into()));
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        let fault = state.begin(Step::SyncDir(dir.into()))?;
        fail(fault)?;
        if !state.dirs.contains(dir) {
            return Err(failure(ErrorKind::NotFound, "no such folder"));
        }
        let (synced, unsynced) =
            std::mem::take(&mut state.unsynced).into_iter().partition(|c| c.dir() == dir);
        state.unsynced = unsynced;
        let synced: Vec<NameChange> = synced;
        synced.iter().for_each(|change| change.make(&mut state.synced_names));
        Ok(())
    }
}

struct Handle {
    disk: Recorder,
    file: usize,
}

impl NewFile for Handle {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        let path = state.files[self.file].path.clone();
        let fault = state.begin(Step::Write(path, bytes.len()))?;
        let done = match fault {
            None => bytes,
            Some(Fault::NoSpace) => &bytes[..bytes.len() / 2],
            Some(_) => &[],
        };
        state.files[self.file].bytes.extend_from_slice(done);
        fail(fault)
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.state();
        let path = state.files[self.file].path.clone();
        let fault = state.begin(Step::Sync(path))?;
        let file = &mut state.files[self.file];
        file.lost |= fault.is_some();
        if !file.lost {
            file.synced = file.bytes.len();
        }
        fail(fault)
    }
}

#[cfg(test)]
mod tests;
