//! A disk in memory that records every step, fails on request, and computes every state that a power loss may
//! leave.
//!
//! POSIX guarantees little. After a power loss, unsynced writes may be present in part, in full, as zeros or
//! not at all, and any subset of the name changes since the last sync of their folder may have taken effect,
//! each rename as a whole. So in this model each unsynced write is lost, half done, done or, if it extended
//! the file, zeros; each unsynced change of length or name is lost or done.
//! [`Recorder::some_after_power_loss`] samples all combinations. [`Recorder::after_power_loss`] lists them
//! within a bound: the last six name changes and the last three changes of each file that still has a name
//! vary, and earlier ones were done. [`Recorder::remanence`] lists the bytes that the medium still holds
//! although no file contains them any more. [`Recorder::after_kill`] gives the disk to the next process on a
//! machine that runs on. Not here: bit rot, sectors that tear into more than two parts, creation or removal
//! of folders.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, NewFile, OpenFile, parent};
use file::File;
use handle::{Handle, Held, New};
use image::Image;
pub use remanence::{Medium, Remnant};
pub use step::{Fault, Step};

mod file;
mod handle;
mod image;
mod kill;
mod remanence;
mod step;

/// Unsynced name changes that vary in the list: 2^6 subsets.
const FREE_NAMES: usize = 6;
/// Unsynced changes of each file that vary in the list: at most 4^3 outcomes.
const FREE_EDITS: usize = 3;

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
    /// Shared with the disks left by a power loss until one of them changes.
    files: Vec<Arc<File>>,
    names: BTreeMap<PathBuf, usize>,
    synced_names: BTreeMap<PathBuf, usize>,
    unsynced: Vec<NameChange>,
    steps: Vec<Step>,
    plan: Option<(usize, Fault)>,
    dead: bool,
    medium: Medium,
    /// Files without a name when the power came back: nobody can read them, but their bytes are still there.
    ghosts: Vec<Arc<File>>,
}

/// A disk in memory that records every step. Clones share the same disk.
#[derive(Clone, Default, Debug)]
pub struct Recorder(Arc<Mutex<State>>);

fn failure(kind: ErrorKind, what: &'static str) -> io::Error {
    io::Error::new(kind, what)
}

impl State {
    /// Records a step and returns its fault, if one is planned.
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

    /// Adds a file with its name synced.
    fn add(&mut self, mut file: File) {
        file.keeps = self.medium == Medium::CopyOnWrite;
        let at = self.files.len();
        self.names.insert(file.path.clone(), at);
        self.synced_names.insert(file.path.clone(), at);
        self.files.push(Arc::new(file));
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
    /// An empty disk with this folder and its parent, which are permanent.
    pub fn with_dir(dir: impl Into<PathBuf>) -> Self {
        Self::with_files(dir, [])
    }

    /// A disk with this folder, its parent, and these files, synced, in it or in folders of their own.
    pub fn with_files(dir: impl Into<PathBuf>, files: impl IntoIterator<Item = (PathBuf, Vec<u8>)>) -> Self {
        let (recorder, dir) = (Self::default(), dir.into());
        let mut state = recorder.state();
        state.dirs.extend([parent(&dir).into(), dir]);
        for (path, bytes) in files {
            let mut now = Image::default();
            now.write(0, &bytes);
            state.dirs.insert(parent(&path).into());
            state.add(File { path, synced: now.clone(), now, ..File::default() });
        }
        drop(state);
        recorder
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The steps requested so far.
    pub fn steps(&self) -> Vec<Step> {
        self.state().steps.clone()
    }

    /// Plans a fault for the step with this number, counted from 0 since the disk was created. Only one fault
    /// is planned at a time.
    pub fn plan(&self, step: usize, fault: Fault) {
        self.state().plan = Some((step, fault));
    }

    /// Every file that has a name.
    pub fn names(&self) -> Vec<PathBuf> {
        self.state().names.keys().cloned().collect()
    }

    /// Every distinct disk within the bound that may be found when the power comes back, without faults and
    /// without history.
    pub fn after_power_loss(&self) -> Vec<Self> {
        let state = self.state();
        let mut found = Vec::new();
        // For each choice on the way to a disk, the chosen outcome and the number of outcomes; counts up like
        // an odometer.
        let mut choices: Vec<(usize, usize)> = Vec::new();
        loop {
            let mut at = 0;
            let files = state.left(FREE_NAMES, FREE_EDITS, &mut |of| {
                if at == choices.len() {
                    choices.push((0, of));
                }
                at += 1;
                choices[at - 1].0
            });
            push_new(&mut found, files);
            while let Some((chosen, of)) = choices.pop() {
                if chosen + 1 < of {
                    choices.push((chosen + 1, of));
                    break;
                }
            }
            if choices.is_empty() {
                break;
            }
        }
        found.into_iter().map(|files| Self::holding(&state, files)).collect()
    }

    /// Up to `most` distinct disks that may be found after a power loss: one on which everything unsynced is
    /// lost, one on which all of it is present, and others chosen by `draw`, which receives a number of
    /// outcomes and returns the index of one.
    pub fn some_after_power_loss(&self, most: usize, mut draw: impl FnMut(usize) -> usize) -> Vec<Self> {
        let state = self.state();
        let mut found = Vec::new();
        for i in 0..most {
            let files = state.left(usize::MAX, usize::MAX, &mut |of| match i {
                0 => 0,
                1 => of - 1,
                _ => draw(of),
            });
            push_new(&mut found, files);
        }
        found.into_iter().map(|files| Self::holding(&state, files)).collect()
    }

    /// A disk with these contents whose medium also holds the earlier bytes.
    fn holding(before: &State, contents: Files) -> Self {
        let named: BTreeSet<usize> = contents.values().map(|(file, _)| *file).collect();
        let nameless = before.files.iter().enumerate().filter(|(file, _)| !named.contains(file));
        let ghosts = before.ghosts.iter().chain(nameless.map(|(_, file)| file)).cloned().collect();
        let mut state =
            State { dirs: before.dirs.clone(), medium: before.medium, ghosts, ..State::default() };
        for (path, (file, now)) in contents {
            let file = &before.files[file];
            let kept = if file.keeps { file.held_images() } else { Vec::new() };
            state.add(File { path, synced: now.clone(), now, kept, ..File::default() });
        }
        Self(Arc::new(Mutex::new(state)))
    }

    /// The same disk after a reboot without a power loss: everything is present and no fault is planned.
    pub fn after_restart(&self) -> Self {
        let state = self.state();
        let of = |file: usize| (file, state.files[file].now.clone());
        let contents = state.names.iter().map(|(path, &file)| (path.clone(), of(file))).collect();
        Self::holding(&state, contents)
    }
}

/// A disk's files by name: the index of each file before, and its content now.
type Files = BTreeMap<PathBuf, (usize, Image)>;

/// Adds a disk unless an equal one is already listed.
fn push_new(found: &mut Vec<Files>, files: Files) {
    let reads_alike = |other: &Files| {
        let mut names = other.iter().zip(&files);
        other.len() == files.len() && names.all(|(a, b)| a.0 == b.0 && a.1.1 == b.1.1)
    };
    if !found.iter().any(reads_alike) {
        found.push(files);
    }
}

impl State {
    /// The files left by a power loss if the last `names` name changes and the last `edits` edits of each
    /// file vary by `choose`: outcome 0 is lost, the last outcome is done.
    fn left(&self, names: usize, edits: usize, choose: &mut dyn FnMut(usize) -> usize) -> Files {
        let mut left = self.synced_names.clone();
        let (made, varying) = self.unsynced.split_at(self.unsynced.len().saturating_sub(names));
        made.iter().for_each(|change| change.make(&mut left));
        for change in varying {
            if choose(2) == 1 {
                change.make(&mut left);
            }
        }
        left.into_iter().map(|(path, file)| (path, (file, self.files[file].left(edits, choose)))).collect()
    }
}

impl Disk for Recorder {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.state();
        state.alive()?;
        Ok(state.files[state.file(path)?].now.to_vec())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let state = self.state();
        state.alive()?;
        Ok(state.names.contains_key(path))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        let state = self.state();
        state.alive()?;
        if !state.dirs.contains(dir) {
            return Err(failure(ErrorKind::NotFound, "no such folder"));
        }
        // `parent` returns the folder itself for a path without one.
        let inside = |path: &&PathBuf| parent(path) == dir && path.as_path() != dir;
        let paths = state.names.keys().chain(&state.dirs).filter(inside);
        let names: BTreeSet<OsString> = paths.filter_map(|path| Some(path.file_name()?.to_owned())).collect();
        Ok(names.into_iter().collect())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        let mut state = self.state();
        let fault = state.begin(Step::Create(path.into()))?;
        fail(fault)?;
        if !state.dirs.contains(parent(path)) {
            return Err(failure(ErrorKind::NotFound, "no such folder"));
        }
        if state.names.contains_key(path) {
            return Err(failure(ErrorKind::AlreadyExists, "the file exists"));
        }
        let file = state.files.len();
        let keeps = state.medium == Medium::CopyOnWrite;
        state.files.push(Arc::new(File { path: path.into(), keeps, ..File::default() }));
        state.change(NameChange::Link(path.into(), file));
        Ok(Box::new(New(Handle { disk: self.clone(), file })))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn OpenFile>> {
        let mut state = self.state();
        state.alive()?;
        let file = state.file(path)?;
        if std::mem::replace(&mut Arc::make_mut(&mut state.files[file]).held, true) {
            return Err(failure(ErrorKind::WouldBlock, "another holder has it open"));
        }
        Ok(Box::new(Held(Handle { disk: self.clone(), file })))
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

#[cfg(test)]
mod tests;
