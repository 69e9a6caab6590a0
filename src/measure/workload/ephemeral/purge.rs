//! `purge`: erasing the key of a round, on the disk and in memory.
//!
//! The disk is in memory; on a real medium, three syncs come on top (`purge_syncs`). The workload says how
//! many rounds there are before the first purge. Each operation removes one from memory and from the disk; a
//! reset restores the node.

use std::hint::black_box;

use super::fixture::{SUBJECT, disk_of, refused, round, start};
use crate::disk::Recorder;
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::compare::none_refused;
use crate::measure::workload::kind::{Kind, Scope, Size, Subject};
use crate::scheme::ephemeral::{RoundId, Rounds};
use crate::timing::Timed;

/// Purges rounds.
pub(super) struct Purge;

impl Kind for Purge {
    fn name(&self) -> &'static str {
        "purge"
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
        Ok(Box::new(purges(engine, workload.items, count)?))
    }

    fn scope(&self) -> Scope {
        Scope::CipherFree
    }

    fn size(&self) -> Size {
        Size::Items
    }

    /// No more than there are rounds.
    fn default_count(&self, workload: &Workload) -> usize {
        (workload.items as usize).clamp(2, 16)
    }
}

struct Purges {
    engine: &'static dyn Engine,
    rounds: u32,
    ids: Vec<RoundId>,
    before: Recorder,
    disk: Recorder,
    node: Option<Rounds>,
    refused: usize,
}

/// `count` purges on a node that has `rounds` rounds, or `count` of them if that is more.
fn purges(engine: &'static dyn Engine, rounds: u32, count: usize) -> Result<Purges, Error> {
    let rounds = rounds.max(count as u32);
    let before = disk_of(engine, rounds)?;
    let disk = before.after_restart();
    start(&disk, engine).map_err(refused)?;
    let ids = (1..=count as u32).map(round).collect();
    Ok(Purges { engine, rounds, ids, before, disk, node: None, refused: 0 })
}

impl Timed for Purges {
    /// The keys of the rounds are in memory, as those of active rounds are.
    fn reset(&mut self) {
        self.node = None;
        self.disk = self.before.after_restart();
        let node = start(&self.disk, self.engine);
        self.node = node.ok().filter(|node| self.ids.iter().all(|id| node.hydrate(id, true).is_ok()));
    }

    fn run(&mut self) {
        let Some(node) = &self.node else { return };
        for id in &self.ids {
            self.refused += usize::from(node.purge(black_box(id)).is_err());
        }
    }

    fn count(&self) -> u64 {
        self.ids.len() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        none_refused(self.refused)?;
        let node = self.node.as_ref().ok_or("the node did not start")?;
        let left =
            start(&self.disk.after_restart(), self.engine).map_err(|error| error.to_string())?.rounds();
        let expected = self.rounds as usize - self.ids.len();
        if node.cached() != 0 || left.len() != expected {
            let (cached, left) = (node.cached(), left.len());
            return Err(format!("{cached} keys are in memory and {left} on the disk, not 0 and {expected}"));
        }
        match self.ids.iter().find(|id| left.contains(id)) {
            Some(id) => Err(format!("round {id} has a key")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::measure::workload::testing::pass;

    #[test]
    fn keys_are_purged_as_often_as_it_says() {
        for rounds in [3, 10] {
            let mut timed = purges(find("sealmark").unwrap(), rounds, 3).unwrap();
            assert_eq!(timed.count(), 3);
            assert_eq!(pass(&mut timed), Ok(()));
            assert_eq!(pass(&mut timed), Ok(()), "again");
        }
    }

    #[test]
    fn work_that_was_not_done_shows_in_what_is_left() {
        let mut timed = purges(find("sealmark").unwrap(), 5, 3).unwrap();
        timed.reset();
        assert!(timed.check().is_err_and(|why| why.contains("3 keys are in memory and 5 on the disk")));
        let last = timed.ids.pop().unwrap();
        timed.run();
        timed.ids.push(last);
        assert!(timed.check().is_err_and(|why| why.contains("1 keys are in memory and 3 on the disk")));
    }
}
