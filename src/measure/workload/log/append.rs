//! `append`: a record is composed, checksummed or sealed, and written to a file of the system, without a
//! sync: one write for each record. On the file system of the folder for temporary files; what a sync costs
//! is in `commit`. `checksum`, `write` and the bare cipher (`seal/aes-256-gcm`) are its parts.
//!
//! A reset begins a new log in an empty folder. Each operation leaves its record in the file, where another
//! engine reads all of them.

use std::hint::black_box;

use super::disks::{Folder, refused};
use super::fixture::{Mode, Rows, Writer, default_count, holds, key, other_key};
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::compare::none_refused;
use crate::measure::workload::kind::{Kind, Scope, Subject};
use crate::scheme::log::sealed::LogKey;
use crate::timing::Timed;

/// Appends records in that mode.
pub(super) struct Append(pub Mode);

impl Kind for Append {
    fn name(&self) -> &'static str {
        "append"
    }

    fn subject(&self) -> Subject {
        self.0.subject()
    }

    fn prepare(
        &self,
        workload: &Workload,
        engine: &'static dyn Engine,
        count: usize,
    ) -> Result<Box<dyn Timed>, Error> {
        Ok(Box::new(appends(self.0, workload, engine, count, None)?))
    }

    fn scope(&self) -> Scope {
        self.0.scope()
    }

    fn default_count(&self, workload: &Workload) -> usize {
        default_count(workload.bytes)
    }

    /// A part of its time is the file system's.
    fn single_core(&self) -> bool {
        false
    }
}

/// Appends of a pass; also those of `commit`.
pub(super) struct Appends {
    mode: Mode,
    key: LogKey,
    other: LogKey,
    pub folder: Folder,
    rows: Rows,
    /// Records for one sync; `None` for no syncs and a write for each record.
    group: Option<usize>,
    writer: Option<Writer>,
    refused: usize,
}

/// `count` records in a new folder.
pub(super) fn appends(
    mode: Mode,
    workload: &Workload,
    engine: &'static dyn Engine,
    count: usize,
    group: Option<usize>,
) -> Result<Appends, Error> {
    let (key, other, folder) = (key(engine), other_key(engine), Folder::new()?);
    // An engine that refuses the key is found before anything is timed.
    drop(Writer::create(mode, &folder, &key, false)?);
    let rows = Rows::new(workload, count);
    folder.empty().map_err(refused)?;
    Ok(Appends { mode, key, other, folder, rows, group, writer: None, refused: 0 })
}

impl Timed for Appends {
    fn reset(&mut self) {
        self.writer = None;
        let emptied = self.folder.empty().map_err(refused);
        let created =
            emptied.and_then(|()| Writer::create(self.mode, &self.folder, &self.key, self.group.is_some()));
        self.refused += usize::from(created.is_err());
        self.writer = created.ok();
    }

    fn run(&mut self) {
        let Some(writer) = &mut self.writer else { return };
        let mut failed = 0;
        match self.group {
            None => {
                for record in black_box(&self.rows).records() {
                    failed += usize::from(!(writer.append(&record) && writer.write()));
                }
            }
            Some(group) => {
                for rows in black_box(&self.rows).0.chunks(group) {
                    for record in Rows::records_of(rows) {
                        failed += usize::from(!writer.append(&record));
                    }
                    failed += usize::from(!writer.sync());
                }
            }
        }
        self.refused += failed;
    }

    fn count(&self) -> u64 {
        self.rows.0.len() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        none_refused(self.refused)?;
        let held = self.folder.read().map_err(|error| error.to_string())?;
        holds(self.mode, held, self.folder.path(), &self.other, &self.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::measure::workload::catalog;
    use crate::measure::workload::testing::{self, Fault, pass};

    fn of(mode: Mode, engine: &'static dyn Engine, bytes: usize, count: usize) -> Box<dyn Timed> {
        let workload = catalog::find(&format!("append/{}/1024", mode.name())).unwrap().clone();
        Append(mode).prepare(&Workload { bytes, ..workload }, engine, count).unwrap()
    }

    #[test]
    fn every_engine_appends_records_of_any_length() {
        for mode in [Mode::Checked, Mode::Sealed] {
            let make = |engine, bytes, count| of(mode, engine, bytes, count);
            assert!(testing::right_at_every_length(&[0, 1000, 300_000], 3, make) >= 3);
        }
    }

    #[test]
    fn a_wrong_engine_and_work_that_was_not_done_are_caught() {
        let faults = [Fault::DoesNothing, Fault::FlipsTag, Fault::FlipsText];
        testing::caught(&faults, |engine| of(Mode::Sealed, engine, 100, 2));
        for mode in [Mode::Checked, Mode::Sealed] {
            let mut timed = of(mode, find("sealmark").unwrap(), 100, 3);
            assert_eq!(pass(&mut *timed), Ok(()));
            timed.reset();
            assert_eq!(timed.check(), Err("the log has 0 of 3 records".into()), "{mode:?}");
        }
    }

    #[test]
    fn the_folder_is_removed() {
        let workload = catalog::find("append/log/checked/1024").unwrap();
        let timed = appends(Mode::Checked, workload, find("sealmark").unwrap(), 1, None).unwrap();
        let path = timed.folder.path().to_owned();
        assert!(path.exists());
        drop(timed);
        assert!(!path.exists());
    }
}
