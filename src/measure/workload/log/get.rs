//! `table_get`: the value of a key in a table of 4 KiB blocks: the index is searched, one block is read from
//! the file and checked or opened, and the value is copied. The file is in the system's cache, and no block
//! in the table's.
//!
//! Each operation looks up another key, in an order that no cache predicts, and keeps its value; a reset
//! drops the values. The rows that another engine wrote are the expected ones. Even a few look-ups are spread
//! over several blocks: an engine that copied the first one would be right in one block.

use std::hint::black_box;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::fixture::{Mode, OpenTable, Rows, default_count, key, other_key};
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::kind::{Kind, Scope, Subject};
use crate::scheme::log::table::DEFAULT_BLOCK_LEN;
use crate::timing::Timed;

/// Blocks that a table has at least, or so.
const BLOCKS: usize = 8;

/// Looks up keys in a table of that mode.
pub(super) struct Get(pub Mode);

impl Kind for Get {
    fn name(&self) -> &'static str {
        "table_get"
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
        Ok(Box::new(gets(self.0, workload, engine, count)?))
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

struct Gets {
    open: OpenTable,
    rows: Rows,
    /// The order of the look-ups.
    order: Vec<usize>,
    found: Vec<Result<Vec<u8>, String>>,
}

fn gets(mode: Mode, workload: &Workload, engine: &'static dyn Engine, count: usize) -> Result<Gets, Error> {
    let total = count.max(BLOCKS * DEFAULT_BLOCK_LEN as usize / (workload.bytes + 32));
    let rows = Rows::new(workload, total);
    let open = OpenTable::new(mode, &other_key(engine), &key(engine), &rows)?;
    let mut order: Vec<usize> = (0..count).map(|i| i * total / count).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(workload.seed));
    Ok(Gets { open, rows, order, found: Vec::with_capacity(count) })
}

impl Timed for Gets {
    fn reset(&mut self) {
        self.found.clear();
    }

    fn run(&mut self) {
        for row in &self.order {
            self.found.push(self.open.table.get(black_box(&self.rows.0[*row].0)));
        }
        black_box(&self.found);
    }

    fn count(&self) -> u64 {
        self.order.len() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        for (i, row) in self.order.iter().enumerate() {
            match self.found.get(i) {
                None => return Err(format!("look-up {i} was not done")),
                Some(Err(why)) => return Err(format!("look-up {i} was refused, by {why}")),
                Some(Ok(value)) if *value != self.rows.0[*row].1 => {
                    return Err(format!("look-up {i} does not open to what was sealed"));
                }
                Some(Ok(_)) => {}
            }
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

    fn of(mode: Mode, engine: &'static dyn Engine, bytes: usize, count: usize) -> Box<dyn Timed> {
        let workload = catalog::find(&format!("table_get/{}/1024", mode.name())).unwrap().clone();
        Get(mode).prepare(&Workload { bytes, ..workload }, engine, count).unwrap()
    }

    #[test]
    fn every_engine_finds_values_of_any_length_in_one_block_or_several() {
        for mode in [Mode::Checked, Mode::Sealed] {
            let make = |engine, bytes, count| of(mode, engine, bytes, count);
            assert!(testing::right_at_every_length(&[0, 100, 5000], 50, make) >= 3);
        }
    }

    #[test]
    fn a_look_up_that_was_not_done_or_found_another_value_is_named() {
        let workload = catalog::find("table_get/log/sealed/1024").unwrap();
        let mut timed = gets(Mode::Sealed, workload, find("sealmark").unwrap(), 5).unwrap();
        assert_eq!(timed.check(), Err("look-up 0 was not done".into()));
        assert_eq!(pass(&mut timed), Ok(()));
        timed.found.swap(1, 2);
        assert_eq!(timed.check(), Err("look-up 1 does not open to what was sealed".into()));
        timed.found.truncate(1);
        assert_eq!(timed.check(), Err("look-up 1 was not done".into()));
    }
}
