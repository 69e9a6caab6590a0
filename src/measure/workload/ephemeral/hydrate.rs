//! `hydrate`: a node's start with many rounds, until each key is in use again.
//!
//! Each operation leaves a node with every key in memory, and each key must open what another engine
//! sealed; a reset drops the nodes.

use std::hint::black_box;

use super::fixture::{SUBJECT, all_open, disk_of, round, start};
use crate::aead::Alg;
use crate::disk::Recorder;
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::compare::none_refused;
use crate::measure::workload::fixture::reference::reference;
use crate::measure::workload::kind::{Kind, Scope, Size, Subject};
use crate::scheme::ephemeral::{self, Rounds};
use crate::timing::Timed;

/// The number of keys restored in one pass.
const RESTORED_KEYS: usize = 5_000;

/// Starts a node and restores every key.
pub(super) struct Hydrate;

impl Kind for Hydrate {
    fn name(&self) -> &'static str {
        "hydrate"
    }

    fn subject(&self) -> Subject {
        Subject::One(SUBJECT)
    }

    fn prepare(
        &self,
        workload: &Workload,
        engine: &'static dyn Engine,
        count: usize,
    ) -> Result<Box<dyn Timed>, Error> {
        Ok(Box::new(hydrates(engine, workload.items, count)?))
    }

    fn scope(&self) -> Scope {
        Scope::CipherFree
    }

    fn size(&self) -> Size {
        Size::Items
    }

    fn default_count(&self, workload: &Workload) -> usize {
        (RESTORED_KEYS / workload.items.max(1) as usize).max(2)
    }
}

struct Hydrates {
    engine: &'static dyn Engine,
    rounds: u32,
    /// A disk for each operation: only one node at a time opens a file.
    disks: Vec<Recorder>,
    nodes: Vec<Rounds>,
    refused: usize,
}

/// Restores all of `rounds` keys, `count` times.
fn hydrates(engine: &'static dyn Engine, rounds: u32, count: usize) -> Result<Hydrates, Error> {
    let disk = disk_of(engine, rounds)?;
    let disks = (0..count).map(|_| disk.after_restart()).collect();
    Ok(Hydrates { engine, rounds, disks, nodes: Vec::with_capacity(count), refused: 0 })
}

impl Hydrates {
    fn restored(&self, disk: &Recorder) -> Result<Rounds, ephemeral::Error> {
        let node = start(disk, self.engine)?;
        (1..=self.rounds).try_for_each(|number| node.hydrate(&round(number), true).map(drop))?;
        Ok(node)
    }
}

impl Timed for Hydrates {
    fn reset(&mut self) {
        self.nodes.clear();
    }

    fn run(&mut self) {
        for i in 0..self.disks.len() {
            match self.restored(black_box(&self.disks[i])) {
                Ok(node) => self.nodes.push(black_box(node)),
                Err(_) => self.refused += 1,
            }
        }
    }

    fn count(&self) -> u64 {
        self.disks.len() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        none_refused(self.refused)?;
        if self.nodes.len() != self.disks.len() {
            return Err(format!("keys were restored {} times, not {}", self.nodes.len(), self.disks.len()));
        }
        let other = reference(self.engine, Alg::Aes256Gcm);
        self.nodes.iter().try_for_each(|node| match node.cached() {
            cached if cached == self.rounds as usize => all_open(node, self.rounds, other),
            cached => Err(format!("{cached} keys are in memory, not {}", self.rounds)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::measure::workload::testing::{Broken, Fault, pass};

    #[test]
    fn keys_are_restored_as_often_as_it_says() {
        for rounds in [1, 10] {
            let mut timed = hydrates(find("sealmark").unwrap(), rounds, 3).unwrap();
            assert_eq!(timed.count(), 3);
            assert_eq!(pass(&mut timed), Ok(()));
            assert_eq!(pass(&mut timed), Ok(()), "again");
        }
    }

    #[test]
    fn a_wrong_engine_and_work_that_was_not_done_are_caught() {
        let mut wrong = hydrates(Broken::with(Fault::FlipsTag), 2, 2).unwrap();
        assert!(pass(&mut wrong).is_err());
        let mut timed = hydrates(find("sealmark").unwrap(), 2, 2).unwrap();
        timed.reset();
        assert!(timed.check().is_err_and(|why| why.contains("were restored 0 times")));
        timed.rounds = 1;
        timed.run();
        timed.rounds = 2;
        assert!(timed.check().is_err_and(|why| why.contains("1 keys are in memory, not 2")));
    }
}
