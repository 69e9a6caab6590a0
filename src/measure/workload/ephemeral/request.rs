//! `request`: giving a round its key, stored before it returns.
//!
//! The disk is in memory; on a real medium, two syncs come on top. Before the first request there are as many
//! rounds as the workload says. Each operation leaves a key on the disk, with which another engine opens what
//! this one seals; a reset restores the node.

use std::hint::black_box;

use super::fixture::{PLAINTEXT, SUBJECT, context, disk_of, refused, round, start};
use crate::aead::Alg;
use crate::disk::Recorder;
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::compare::none_refused;
use crate::measure::workload::fixture::reference::reference;
use crate::measure::workload::kind::{Kind, Scope, Size, Subject};
use crate::scheme::ephemeral::{RoundId, Rounds};
use crate::timing::Timed;

/// Gives rounds their keys.
pub(super) struct Request;

impl Kind for Request {
    fn name(&self) -> &'static str {
        "request"
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
        Ok(Box::new(requests(engine, workload.items, count)?))
    }

    fn scope(&self) -> Scope {
        Scope::CipherFree
    }

    fn size(&self) -> Size {
        Size::Items
    }

    fn default_count(&self, _: &Workload) -> usize {
        16
    }
}

struct Requests {
    engine: &'static dyn Engine,
    numbers: Vec<u32>,
    ids: Vec<RoundId>,
    before: Recorder,
    disk: Recorder,
    node: Option<Rounds>,
    refused: usize,
}

/// `count` requests on a node that has `rounds` rounds.
fn requests(engine: &'static dyn Engine, rounds: u32, count: usize) -> Result<Requests, Error> {
    let before = disk_of(engine, rounds)?;
    let disk = before.after_restart();
    start(&disk, engine).map_err(refused)?;
    let numbers: Vec<u32> = (0..count as u32).map(|i| rounds + 1 + i).collect();
    let ids = numbers.iter().map(|number| round(*number)).collect();
    Ok(Requests { engine, numbers, ids, before, disk, node: None, refused: 0 })
}

impl Timed for Requests {
    fn reset(&mut self) {
        self.node = None;
        self.disk = self.before.after_restart();
        self.node = start(&self.disk, self.engine).ok();
    }

    fn run(&mut self) {
        let Some(node) = &self.node else { return };
        for id in &self.ids {
            self.refused += usize::from(node.request(black_box(id)).is_err());
        }
    }

    fn count(&self) -> u64 {
        self.ids.len() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        none_refused(self.refused)?;
        let node = self.node.as_ref().ok_or("the node did not start")?;
        let text = |error: crate::scheme::ephemeral::Error| error.to_string();
        let other =
            start(&self.disk.after_restart(), reference(self.engine, Alg::Aes256Gcm)).map_err(text)?;
        for number in &self.numbers {
            let blob = node.seal(&context(*number), &mut PLAINTEXT.to_vec()).map_err(text)?;
            let opened = other.open(&context(*number), &blob).map_err(text)?;
            if opened[..] != *PLAINTEXT {
                return Err(format!("the key of round {number} is another on the disk"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::measure::workload::testing::{Broken, Fault, pass};

    #[test]
    fn keys_are_created_as_often_as_it_says() {
        for rounds in [0, 10] {
            let mut timed = requests(find("sealmark").unwrap(), rounds, 3).unwrap();
            assert_eq!(timed.count(), 3);
            assert_eq!(pass(&mut timed), Ok(()));
            assert_eq!(pass(&mut timed), Ok(()), "again");
        }
    }

    #[test]
    fn a_wrong_engine_and_work_that_was_not_done_are_caught() {
        let mut wrong = requests(Broken::with(Fault::FlipsTag), 2, 2).unwrap();
        assert!(pass(&mut wrong).is_err());
        let mut timed = requests(find("sealmark").unwrap(), 2, 2).unwrap();
        timed.reset();
        assert!(timed.check().is_err_and(|why| why.contains("has no key")), "nothing was run");
        timed.ids.pop();
        timed.run();
        assert!(timed.check().is_err_and(|why| why.contains("round 1:4 has no key")), "one was left out");
    }
}
