//! Groups: workloads whose rounds take turns in one process, as many as fit into its memory.

use crate::measure::Workload;

/// The most bytes that the buffers of a group's workloads take on all engines.
const GROUP_LEN: usize = 128 * 1024 * 1024;
/// Buffers of each engine for one arena: what is sealed, its copy, and its result.
const COPIES: usize = 3;
/// What a workload without an arena counts as.
const NO_ARENA: usize = 1024 * 1024;

/// The most workloads of a group. Its results come at its end, so this limits what a kill destroys.
const GROUP: usize = 16;

/// Whether the buffers of any group stay within [`GROUP_LEN`], so that several processes can be in memory
/// together. A single workload can need more.
pub(in crate::measure) fn is_small(workloads: &[&Workload], engines: usize) -> bool {
    workloads.iter().all(|workload| len(workload, engines) <= GROUP_LEN)
}

/// The bytes of a workload's buffers on all engines.
fn len(workload: &Workload, engines: usize) -> usize {
    workload.arena_len(workload.count()).map_or(NO_ARENA, |len| len * COPIES) * engines.max(1)
}

/// Splits workloads into groups of neighbours whose rounds take turns. A workload that uses several cores is
/// a group of its own, because its threads run between its rounds too.
pub(super) fn groups<'a>(workloads: &'a [&'a Workload], engines: usize) -> Vec<&'a [&'a Workload]> {
    let mut groups = Vec::new();
    let (mut start, mut sum) = (0, 0);
    for (at, workload) in workloads.iter().enumerate() {
        let alone = |workload: &Workload| !workload.on_one_core();
        let before = at.checked_sub(1).map(|before| workloads[before]);
        let full = at - start == GROUP || sum + len(workload, engines) > GROUP_LEN;
        if at > start && (full || alone(workload) || before.is_some_and(alone)) {
            groups.push(&workloads[start..at]);
            (start, sum) = (at, 0);
        }
        sum += len(workload, engines);
    }
    if start < workloads.len() {
        groups.push(&workloads[start..]);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::workload::catalog;

    #[test]
    fn neighbours_share_their_rounds_within_the_memory_that_a_group_may_take() {
        let all: Vec<&Workload> = catalog::workloads().iter().collect();
        let groups = groups(&all, 8);
        assert_eq!(groups.concat().len(), all.len(), "every workload is in one group, in order");
        assert!(groups.concat().iter().zip(&all).all(|(a, b)| a.path == b.path));
        assert!(groups.len() > 1 && groups.iter().any(|group| group.len() > 10));
        for group in groups.iter().filter(|group| group.len() > 1) {
            assert!(group.iter().all(|workload| workload.on_one_core()));
            let arenas: usize = group.iter().filter_map(|w| w.arena_len(w.count())).sum();
            assert!(arenas * COPIES * 8 <= GROUP_LEN);
        }
    }
}
