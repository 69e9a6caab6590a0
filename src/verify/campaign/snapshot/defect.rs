//! Defects that can be planted in a receiver. The campaign must find each of them.

use std::path::Path;
use std::sync::Arc;

use super::super::storage::sync_skipping::{Skipped, SyncSkippingDisk};
use super::FILE;
use crate::disk::{Disk, NewFile, Recorder};
use crate::scheme::snapshot::{BoxError, FileSink, Sink, Transfer};

/// A defect to plant in a receiver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Defect {
    /// The folder is not synced after the rename.
    FolderNotSynced,
    /// The file is written in place, without a temporary name.
    InPlace,
    /// A transfer that is aborted commits what it has.
    AbortCommits,
}

/// The receiver's sink on this disk, with that defect if any.
pub(super) fn sink(disk: &Recorder, planted: Option<Defect>) -> Box<dyn Sink> {
    match planted {
        None => Box::new(FileSink::new(Arc::new(disk.clone()), FILE)),
        Some(Defect::FolderNotSynced) => {
            Box::new(FileSink::new(Arc::new(SyncSkippingDisk(disk.clone(), Skipped::Folders)), FILE))
        }
        Some(Defect::InPlace) => Box::new(InPlace(disk.clone())),
        Some(Defect::AbortCommits) => Box::new(AbortCommits(FileSink::new(Arc::new(disk.clone()), FILE))),
    }
}

struct InPlace(Recorder);

impl Sink for InPlace {
    fn begin(&self) -> Result<Box<dyn Transfer + '_>, BoxError> {
        self.0.remove(Path::new(FILE))?;
        Ok(Box::new(Written(self.0.create(Path::new(FILE))?)))
    }
}

struct Written(Box<dyn NewFile>);

impl Transfer for Written {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BoxError> {
        Ok(self.0.write_all(bytes)?)
    }

    fn commit(mut self: Box<Self>) -> Result<(), BoxError> {
        Ok(self.0.sync()?)
    }
}

struct AbortCommits(FileSink);

impl Sink for AbortCommits {
    fn begin(&self) -> Result<Box<dyn Transfer + '_>, BoxError> {
        Ok(Box::new(Committing(self.0.begin()?)))
    }
}

struct Committing<'a>(Box<dyn Transfer + 'a>);

impl Transfer for Committing<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BoxError> {
        self.0.write(bytes)
    }

    fn commit(self: Box<Self>) -> Result<(), BoxError> {
        self.0.commit()
    }

    fn abort(self: Box<Self>) {
        // The defect: its error would be nobody's.
        let _ = self.0.commit();
    }
}
