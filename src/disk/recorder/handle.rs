//! Open files of the recorder.

use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;

use super::file::{Edit, File};
use super::{Fault, Recorder, Step, fail, failure};
use crate::disk::{NewFile, OpenFile};

#[derive(Debug)]
pub(super) struct Handle {
    pub(super) disk: Recorder,
    pub(super) file: usize,
}

impl Handle {
    /// Takes a step and applies it to the file as far as its fault, if any, allows.
    fn step(
        &self,
        step: impl FnOnce(PathBuf) -> Step,
        act: impl FnOnce(&mut File, Option<Fault>),
    ) -> io::Result<()> {
        let mut state = self.disk.state();
        let path = state.files[self.file].path.clone();
        let fault = state.begin(step(path))?;
        act(Arc::make_mut(&mut state.files[self.file]), fault);
        fail(fault)
    }
}

pub(super) struct New(pub(super) Handle);

impl NewFile for New {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let step = |path| Step::Write(path, bytes.len());
        self.0.step(step, |file, fault| file.write(file.now.len(), bytes, fault))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.step(Step::Sync, File::sync)
    }
}

/// An exclusively opened file, released when dropped.
#[derive(Debug)]
pub(super) struct Held(pub(super) Handle);

/// Converts an offset or length in a file to a `usize`.
fn place(at: u64) -> io::Result<usize> {
    usize::try_from(at).map_err(|_| failure(ErrorKind::FileTooLarge, "larger than the address space"))
}

impl OpenFile for Held {
    fn size(&self) -> io::Result<u64> {
        let state = self.0.disk.state();
        state.alive()?;
        Ok(state.files[self.0.file].now.len() as u64)
    }

    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.0.disk.state();
        state.alive()?;
        if state.files[self.0.file].now.read(place(at)?, out) {
            Ok(())
        } else {
            Err(failure(ErrorKind::UnexpectedEof, "the file is too short"))
        }
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let from = place(at)?;
        self.0.step(|path| Step::WriteAt(path, at, bytes.len()), |file, fault| file.write(from, bytes, fault))
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        let len = place(size)?;
        self.0.step(
            |path| Step::SetSize(path, size),
            |file, fault| {
                if fault.is_none() {
                    file.edit(Edit::SetLen(len));
                }
            },
        )
    }

    fn sync(&self) -> io::Result<()> {
        self.0.step(Step::Sync, File::sync)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        Arc::make_mut(&mut self.0.disk.state().files[self.0.file]).held = false;
    }
}
