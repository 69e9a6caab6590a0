//! A story: operations drawn from a seed, and the snapshots that some of them install.

use std::sync::Arc;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::model::{Model, Snapshot};
use super::{DIR, TABLES};
use crate::disk::Recorder;
use crate::scheme::log::engine::{Engine, Mutation, Options};
use crate::scheme::log::wal::Tail;

/// Operations of a story, besides those that every story has.
const OPS: usize = 10;
/// Keys, so few that writes overwrite each other.
const KEYS: u8 = 6;
/// The longest value: several blocks of a table.
const LONGEST: usize = 700;
/// Rows of a snapshot that is installed.
const INSTALLED: u8 = 5;

/// One operation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Op {
    /// One write, or several under one sync.
    Commit(Vec<Mutation>),
    /// A write with the request id of an earlier one.
    Again(Mutation),
    Flush,
    Compact,
    /// Installs the story's snapshot with this number.
    Install(usize),
    Restart,
}

/// What does not change while a story is played.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Story {
    pub ops: Vec<Op>,
    pub snapshots: Vec<Snapshot>,
}

/// The engine's options in every story: small blocks, and a torn last record is cut off.
pub(super) fn options(tail: Tail) -> Options {
    Options { tail, block_size: 128 }
}

impl Story {
    pub fn draw(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut ops: Vec<Op> = Vec::new();
        // Every story writes, installs, writes again, and starts from what it has.
        let fixed = [Kind::Put, Kind::Batch, Kind::Flush, Kind::Put, Kind::Install, Kind::Put];
        let last = [Kind::Again, Kind::Restart, Kind::Put];
        let drawn: Vec<Kind> = (0..OPS).map(|_| Kind::ALL[rng.random_range(0..Kind::ALL.len())]).collect();
        let mut snapshots = Vec::new();
        for kind in fixed.into_iter().chain(drawn).chain(last) {
            let number = ops.len();
            let op = match kind {
                Kind::Put => Op::Commit(vec![mutation(&mut rng, number, 0)]),
                Kind::Batch => {
                    let count = rng.random_range(2..5);
                    Op::Commit((0..count).map(|i| mutation(&mut rng, number, i)).collect())
                }
                Kind::Again => {
                    let all = ops.iter().filter_map(|op| match op {
                        Op::Commit(mutations) => mutations.last(),
                        _ => None,
                    });
                    let all: Vec<&Mutation> = all.collect();
                    Op::Again(all[rng.random_range(0..all.len())].clone())
                }
                Kind::Flush => Op::Flush,
                Kind::Compact => Op::Compact,
                Kind::Install => {
                    snapshots.push(snapshot(&mut rng, snapshots.len()));
                    Op::Install(snapshots.len() - 1)
                }
                Kind::Restart => Op::Restart,
            };
            ops.push(op);
        }
        Self { ops, snapshots }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Put,
    Batch,
    Again,
    Flush,
    Compact,
    Install,
    Restart,
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::Put,
        Self::Put,
        Self::Batch,
        Self::Again,
        Self::Flush,
        Self::Compact,
        Self::Install,
        Self::Restart,
    ];
}

/// A write of its own: its request id has the place of the operation in the story and its own in the batch.
fn mutation(rng: &mut ChaCha8Rng, op: usize, place: usize) -> Mutation {
    let key = format!("key {}", rng.random_range(0..KEYS));
    let id = format!("request {op}.{place}");
    if rng.random_range(0..4) == 0 {
        return Mutation::delete(key, id);
    }
    // Every value is another, so that a state says which writes made it.
    let mut value = format!("value {op}.{place} ").into_bytes();
    let len = if rng.random() { 0 } else { rng.random_range(0..LONGEST) };
    value.resize(value.len() + len, b'v');
    Mutation::put(key, value, id)
}

/// A snapshot of a member that wrote other rows.
fn snapshot(rng: &mut ChaCha8Rng, number: usize) -> Snapshot {
    let disk = Recorder::with_dir(TABLES);
    let mut engine = Engine::open(Arc::new(disk), DIR, options(Tail::Strict)).expect("an empty folder opens");
    let mut model = Model::default();
    for row in 0..INSTALLED {
        let (key, id) = (format!("key {row}"), format!("installed {number}.{row}"));
        let mut value = format!("installed {number}.{row} ").into_bytes();
        value.resize(value.len() + rng.random_range(0..LONGEST), b'i');
        let put = Mutation::put(key, value, id);
        model.apply(&put);
        engine.commit(&[put]).expect("nothing fails on this disk");
    }
    let payload = engine.snapshot_payload().expect("nothing fails on this disk");
    let history = engine.history().expect("nothing fails on this disk");
    Snapshot { payload, history, model }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_story_is_the_same_each_time_and_its_request_ids_are_its_own() {
        let story = Story::draw(7);
        assert_eq!(story, Story::draw(7));
        assert_ne!(story.ops, Story::draw(8).ops);
        let commits = story.ops.iter().filter_map(|op| match op {
            Op::Commit(mutations) => Some(mutations),
            _ => None,
        });
        let mut ids: Vec<_> = commits.flatten().map(|mutation| &mutation.request_id).collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all);
        assert!(story.ops.iter().any(|op| matches!(op, Op::Install(0))) && !story.snapshots.is_empty());
    }
}
