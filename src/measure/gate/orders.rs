//! Are the two sides further apart than builds of one side are?
//!
//! Where the linker puts the code moves times by more than most changes do, and no number of pairs removes
//! that: with two builds, the median over pairs is exact about those two files and says nothing about the
//! next link. So each side has several link orders, and a verdict needs more than a clear median: the head's
//! builds must rank above the base's more clearly than builds drawn from one population would (the rank-sum
//! test of Wilcoxon, with its exact distribution). The test asks nothing of the shape of the noise. A row
//! that fails it stays `Unsure`: the truth is hidden behind the place of the code.

use crate::timing::interval::median;

/// Link orders a side in a comparison that builds both.
pub const A_SIDE: usize = 40;

/// Rounds of the fit, which settles after a few.
const ROUNDS: usize = 8;

/// The chance that builds of equal programs rank the second side's times at least so far above the first's.
///
/// `logs` holds ln(second / first) of each pair, and `builds` which build of each side ran in it. `None`
/// where a side has only one build: then nothing is known about link orders.
pub fn chance(logs: &[f64], builds: &[[usize; 2]]) -> Option<f64> {
    let sides = fit(logs, builds);
    let [first, second] = &sides;
    (first.len() > 1 && second.len() > 1).then(|| tail(wins(second, first), second.len(), first.len()))
}

/// The least chance that so many builds can give: every build of one side above every one of the other.
pub fn least(builds: [usize; 2]) -> f64 {
    tail((builds[0] * builds[1]) as f64, builds[1], builds[0])
}

/// Splits the pairs into one level for each build: ln(second / first) is about level - level. Alternating
/// medians, which a few wild pairs do not move.
fn fit(logs: &[f64], builds: &[[usize; 2]]) -> [Vec<f64>; 2] {
    // For each build of a side: with which build of the other one it was paired, and what that gave.
    let mut of_build: [Vec<Vec<(usize, f64)>>; 2] = [Vec::new(), Vec::new()];
    for (pair, log) in builds.iter().zip(logs) {
        for (side, pairs) in of_build.iter_mut().enumerate() {
            if pairs.len() <= pair[side] {
                pairs.resize(pair[side] + 1, Vec::new());
            }
            pairs[pair[side]].push((pair[1 - side], if side == 1 { *log } else { -log }));
        }
    }
    let mut levels = [vec![Some(0.0); of_build[0].len()], vec![None; of_build[1].len()]];
    for round in 0..2 * ROUNDS {
        let (side, other) = ((round + 1) % 2, round % 2);
        for build in 0..levels[side].len() {
            let pairs = of_build[side][build].iter();
            let values: Vec<f64> =
                pairs.filter_map(|&(with, log)| Some(levels[other][with]? + log)).collect();
            levels[side][build] = median(&values);
        }
    }
    levels.map(|side| side.into_iter().flatten().collect())
}

/// Of all combinations, in how many the upper level is above the lower one; equal ones count half.
fn wins(upper: &[f64], lower: &[f64]) -> f64 {
    let of = |one: f64, other: f64| match one.total_cmp(&other) {
        std::cmp::Ordering::Greater => 1.0,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Less => 0.0,
    };
    upper.iter().map(|&one| lower.iter().map(|&other| of(one, other)).sum::<f64>()).sum()
}

/// The chance of at least so many wins, if every order of `upper` + `lower` ranks is as likely.
fn tail(wins: f64, upper: usize, lower: usize) -> f64 {
    // ways[k][w]: in how many ways k of the ranks seen so far belong to the upper side and win w times.
    let mut ways = vec![vec![0.0; upper * lower + 1]; upper + 1];
    ways[0][0] = 1.0;
    for seen in 0..upper + lower {
        // The next rank is of the upper side: it wins against each of the lower side below it.
        for taken in (0..upper.min(seen + 1)).rev() {
            let below = seen - taken;
            if below > lower {
                continue;
            }
            for won in (0..=upper * lower - below.min(upper * lower)).rev() {
                let more = ways[taken][won];
                ways[taken + 1][won + below] += more;
            }
        }
        // Otherwise it is of the lower side, which is not counted; too many of those are cut off above.
    }
    let all: f64 = ways[upper].iter().sum();
    let few = wins.ceil().max(0.0) as usize;
    ways[upper].iter().skip(few).sum::<f64>() / all
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Every order of the ranks, counted by hand.
    fn counted(wins: usize, upper: u32, lower: u32) -> f64 {
        let all = upper + lower;
        let (mut orders, mut found) = (0, 0);
        for set in 0_u32..1 << all {
            if set.count_ones() != upper {
                continue;
            }
            orders += 1;
            let won: u32 = (0..all)
                .filter(|rank| set >> rank & 1 == 1)
                .map(|rank| (0..rank).filter(|below| set >> below & 1 == 0).count() as u32)
                .sum();
            found += usize::from(won as usize >= wins);
        }
        found as f64 / f64::from(orders)
    }

    #[test]
    fn the_distribution_is_that_of_all_orders() {
        for (upper, lower) in [(1, 1), (2, 3), (3, 3), (4, 2), (5, 5)] {
            for wins in 0..=upper * lower {
                let (found, expected) =
                    (tail(wins as f64, upper, lower), counted(wins, upper as u32, lower as u32));
                assert!((found - expected).abs() < 1e-12, "{wins} of {upper} x {lower}: {found} {expected}");
            }
        }
        assert!((least([3, 3]) - 1.0 / 20.0).abs() < 1e-12);
        assert!((least([10, 10]) - 1.0 / 184_756.0).abs() < 1e-15);
    }

    /// Pairs over all combinations of builds whose levels are these, with noise.
    fn pairs(base: &[f64], head: &[f64], each: usize, rng: &mut ChaCha8Rng) -> (Vec<f64>, Vec<[usize; 2]>) {
        let mut all = (Vec::new(), Vec::new());
        for _ in 0..each {
            for (i, low) in base.iter().enumerate() {
                for (j, high) in head.iter().enumerate() {
                    all.0.push(
                        high - low + 0.01 * (rng.random_range(-1.0..1.0) + rng.random_range(-1.0..1.0)),
                    );
                    all.1.push([i, j]);
                }
            }
        }
        all
    }

    #[test]
    fn a_slowdown_of_every_build_is_told_from_builds_that_differ() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let base: Vec<f64> = (0..10).map(|i| 0.001 * f64::from(i % 3)).collect();
        let slower: Vec<f64> = base.iter().map(|level| level + 0.02).collect();
        let (logs, builds) = pairs(&base, &slower, 2, &mut rng);
        assert!(chance(&logs, &builds).unwrap() < 1e-4);
        let faster: Vec<f64> = logs.iter().map(|log| -log).collect();
        assert!(chance(&faster, &builds).unwrap() > 0.999);
        // Three of ten builds are 6 % slower: a clear difference of the means, and no ranking.
        let some: Vec<f64> = (0..10).map(|i| if i < 3 { 0.06 } else { 0.0 }).collect();
        let (logs, builds) = pairs(&[0.0; 10], &some, 2, &mut rng);
        assert!(chance(&logs, &builds).unwrap() > 0.001);
    }

    #[test]
    fn builds_of_one_population_fail_as_often_as_stated_at_most() {
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        const TRIALS: usize = 400;
        let level = |rng: &mut ChaCha8Rng| if rng.random::<bool>() { 0.03 } else { 0.0 };
        let found = (0..TRIALS)
            .filter(|_| {
                let [base, head] = [0; 2].map(|_| (0..5).map(|_| level(&mut rng)).collect::<Vec<_>>());
                let (logs, builds) = pairs(&base, &head, 2, &mut rng);
                chance(&logs, &builds).unwrap() <= 0.05
            })
            .count();
        // 0.05 is the bound: 20 of 400, with four standard deviations on top.
        assert!(found < 38, "{found} of {TRIALS}");
    }

    #[test]
    fn one_build_a_side_tells_nothing() {
        assert_eq!(chance(&[0.1, 0.2], &[[0, 0], [0, 0]]), None);
        assert_eq!(chance(&[0.1, 0.2], &[[0, 0], [1, 0]]), None);
        assert_eq!(chance(&[], &[]), None);
        assert!(chance(&[0.1, 0.2, 0.1, 0.2], &[[0, 0], [1, 0], [0, 1], [1, 1]]).is_some());
    }
}
