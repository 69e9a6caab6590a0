//! `table_scan`: every value of a table of 4 KiB blocks, in order: each block is read from the file and
//! checked or opened, and each value copied. The file is in the system's cache.
//!
//! A pass is one scan; one operation is one value, which is stored in its own place. A reset zeros them. The
//! rows that another engine wrote are the expected ones.

use std::hint::black_box;

use super::fixture::{Mode, OpenTable, Rows, default_count, key, other_key};
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::kind::{Kind, Scope, Subject};
use crate::timing::Timed;

/// Scans a table of that mode.
pub(super) struct Scan(pub Mode);

impl Kind for Scan {
    fn name(&self) -> &'static str {
        "table_scan"
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
        Ok(Box::new(scans(self.0, workload, engine, count)?))
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

struct Scans {
    open: OpenTable,
    rows: Rows,
    /// One value after the other.
    values: Vec<u8>,
    why: Result<(), String>,
}

fn scans(mode: Mode, workload: &Workload, engine: &'static dyn Engine, count: usize) -> Result<Scans, Error> {
    let rows = Rows::new(workload, count);
    let open = OpenTable::new(mode, &other_key(engine), &key(engine), &rows)?;
    Ok(Scans { open, values: vec![0; workload.bytes * count], rows, why: Err("it was not scanned".into()) })
}

impl Timed for Scans {
    fn reset(&mut self) {
        self.values.fill(0);
        self.why = Err("it was not scanned".into());
    }

    fn run(&mut self) {
        let mut rest = &mut self.values[..];
        self.why = black_box(&self.open.table).scan(&mut |value| {
            let (to, more) = std::mem::take(&mut rest).split_at_mut(value.len());
            to.copy_from_slice(value);
            rest = more;
        });
        black_box(&self.values);
    }

    fn count(&self) -> u64 {
        self.rows.0.len() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        self.why.clone().map_err(|why| format!("a block was refused, by {why}"))?;
        let mut rest = &self.values[..];
        for (i, (_, value)) in self.rows.0.iter().enumerate() {
            let (found, more) = rest.split_at(value.len());
            if found != value {
                return Err(format!("value {i} does not open to what was sealed"));
            }
            rest = more;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::measure::workload::catalog;
    use crate::measure::workload::testing::{self, pass};

    fn of(mode: Mode, engine: &'static dyn Engine, bytes: usize, count: usize) -> Scans {
        let workload = catalog::find(&format!("table_scan/{}/1024", mode.name())).unwrap().clone();
        scans(mode, &Workload { bytes, ..workload }, engine, count).unwrap()
    }

    #[test]
    fn every_engine_scans_values_of_any_length_in_one_block_or_several() {
        for mode in [Mode::Checked, Mode::Sealed] {
            let make = |engine, bytes, count| Box::new(of(mode, engine, bytes, count)) as Box<dyn Timed>;
            assert!(testing::right_at_every_length(&[1, 100, 5000], 50, make) >= 3);
        }
    }

    #[test]
    fn a_scan_that_was_not_done_or_left_a_value_out_is_named() {
        for mode in [Mode::Checked, Mode::Sealed] {
            let mut timed = of(mode, find("sealmark").unwrap(), 100, 60);
            assert!(timed.check().is_err_and(|why| why.contains("it was not scanned")));
            assert_eq!(pass(&mut timed), Ok(()));
            timed.values[59 * 100..].fill(0);
            assert_eq!(timed.check(), Err("value 59 does not open to what was sealed".into()), "{mode:?}");
        }
    }
}
