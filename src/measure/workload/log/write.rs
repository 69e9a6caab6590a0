//! `write`: bytes as long as a record's value, written to a file of the system without a sync and without a
//! record around them: the part of an `append` that is the system's.
//!
//! Each operation writes its bytes behind those of the one before; a reset truncates the file. The file shows
//! every write.

use std::hint::black_box;

use super::disks::{Folder, refused};
use super::fixture::{Rows, default_count};
use crate::disk::{Disk, OpenFile, Os};
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::compare::none_refused;
use crate::measure::workload::kind::{Kind, Scope, Subject};
use crate::timing::Timed;

/// Writes to a file.
pub(super) struct Write;

impl Kind for Write {
    fn name(&self) -> &'static str {
        "write"
    }

    fn subject(&self) -> Subject {
        Subject::One("log")
    }

    fn prepare(
        &self,
        workload: &Workload,
        _: &'static dyn Engine,
        count: usize,
    ) -> Result<Box<dyn Timed>, Error> {
        Ok(Box::new(writes(workload, count)?))
    }

    fn scope(&self) -> Scope {
        Scope::CipherFree
    }

    fn default_count(&self, workload: &Workload) -> usize {
        default_count(workload.bytes)
    }

    fn single_core(&self) -> bool {
        false
    }
}

struct Writes {
    /// Removed after the file was closed.
    file: Box<dyn OpenFile>,
    _folder: Folder,
    rows: Rows,
    refused: usize,
}

fn writes(workload: &Workload, count: usize) -> Result<Writes, Error> {
    let folder = Folder::new()?;
    let path = folder.path().join("bytes");
    Os.create(&path).map_err(refused)?;
    let file = Os.open(&path).map_err(refused)?;
    Ok(Writes { file, _folder: folder, rows: Rows::new(workload, count), refused: 0 })
}

impl Timed for Writes {
    fn reset(&mut self) {
        self.refused += usize::from(self.file.set_size(0).is_err());
    }

    fn run(&mut self) {
        let (mut at, mut failed) = (0, 0);
        for (_, value) in &black_box(&self.rows).0 {
            failed += usize::from(self.file.write_at(at, value).is_err());
            at += value.len() as u64;
        }
        self.refused += failed;
    }

    fn count(&self) -> u64 {
        self.rows.0.len() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        none_refused(self.refused)?;
        let mut at = 0;
        for (i, (_, value)) in self.rows.0.iter().enumerate() {
            let mut found = vec![0; value.len()];
            match self.file.read_at(at, &mut found) {
                Ok(()) if found == *value => at += value.len() as u64,
                _ => return Err(format!("write {i} was not done")),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::workload::catalog;
    use crate::measure::workload::testing::pass;

    #[test]
    fn every_write_shows_in_the_file() {
        let mut timed = writes(catalog::find("write/log/1024").unwrap(), 3).unwrap();
        assert_eq!(timed.check(), Err("write 0 was not done".into()), "not run yet");
        assert_eq!(pass(&mut timed), Ok(()));
        assert_eq!(pass(&mut timed), Ok(()), "again");
        timed.file.set_size(2500).unwrap();
        assert_eq!(timed.check(), Err("write 2 was not done".into()));
    }
}
