//! What the log should hold: rows and request ids, and what it may hold while a write is under way.

use std::collections::{BTreeMap, BTreeSet};

use crate::scheme::log::engine::Mutation;
use crate::scheme::log::wal::Operation;

/// A state of the log.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Model {
    pub rows: BTreeMap<Vec<u8>, Vec<u8>>,
    pub ids: BTreeSet<Vec<u8>>,
}

impl Model {
    /// Applies a write, unless its request id was seen.
    pub fn apply(&mut self, mutation: &Mutation) {
        if !self.ids.insert(mutation.request_id.clone()) {
            return;
        }
        match mutation.op {
            Operation::Put => drop(self.rows.insert(mutation.key.clone(), mutation.value.clone())),
            Operation::Delete => drop(self.rows.remove(&mutation.key)),
        }
    }
}

/// A snapshot of another member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Snapshot {
    pub payload: Vec<u8>,
    pub history: Vec<u8>,
    pub model: Model,
}

/// What was asked for and not acknowledged.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) enum Pending {
    #[default]
    Nothing,
    Writes(Vec<Mutation>),
    Install(usize),
}

impl Pending {
    /// Every state that the log may be in if `before` was acknowledged, the oldest first.
    pub fn states(&self, before: &Model, snapshots: &[Snapshot]) -> Vec<Model> {
        let mut states = vec![before.clone()];
        match self {
            Self::Nothing => {}
            Self::Writes(mutations) => {
                for mutation in mutations {
                    let mut next = states[states.len() - 1].clone();
                    next.apply(mutation);
                    states.push(next);
                }
            }
            Self::Install(number) => states.push(snapshots[*number].model.clone()),
        }
        states
    }

    /// Every request id of these states.
    pub fn ids(&self, before: &Model, snapshots: &[Snapshot]) -> BTreeSet<Vec<u8>> {
        self.states(before, snapshots).into_iter().flat_map(|state| state.ids).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_may_leave_any_beginning_of_itself_and_an_install_all_or_nothing() {
        let installed = Model { ids: [b"z".to_vec()].into(), ..Model::default() };
        let snapshot = Snapshot { payload: Vec::new(), history: Vec::new(), model: installed.clone() };
        let (one, two) = (Mutation::put("a", "1", "x"), Mutation::put("b", "2", "y"));
        let before = Model::default();
        let states = Pending::Writes(vec![one.clone(), two]).states(&before, &[]);
        let rows: Vec<usize> = states.iter().map(|state| state.rows.len()).collect();
        assert_eq!(rows, [0, 1, 2]);
        let install = Pending::Install(0).states(&states[2], &[snapshot]);
        assert_eq!(install, [states[2].clone(), installed]);
        let mut again = states[1].clone();
        again.apply(&Mutation::delete("a", "x"));
        assert_eq!(again, states[1], "a request id that was seen changes nothing");
    }
}
