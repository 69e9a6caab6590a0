//! Planted slowdowns: how large they really are.
//!
//! A worker is asked to delay each slice by a share of the time that the slice takes. What comes of it is
//! measured, never taken as asked: the clock's readings are part of the delay, and the slice's time is known
//! only roughly when the delay is chosen. The measure is the difference between two kinds of pairs of the
//! same programs, with the delay and without, recorded in turn into one bank.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::measure::gate::calibrate::line::Pair;
use crate::timing::interval::median;

/// How large a planted slowdown is, as a ratio less one.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Effect {
    /// The median over workloads.
    pub median: f64,
    /// The workload with the least.
    pub least: f64,
    /// The workload with the most.
    pub most: f64,
    /// How many pairs with the delay it is over.
    pub pairs: usize,
}

/// The slowdown of each workload: the difference of the medians with and without it.
pub fn by_workload(without: &[&Pair], with: &[&Pair]) -> BTreeMap<String, f64> {
    let [without, with] = [without, with].map(medians);
    with.into_iter()
        .filter_map(|(workload, slowed)| {
            let usual = without.get(&workload)?;
            Some((workload, (slowed - usual).exp_m1()))
        })
        .collect()
}

/// The slowdown over all workloads; `None` where either kind has no pair.
pub fn effect(without: &[&Pair], with: &[&Pair]) -> Option<Effect> {
    let effects: Vec<f64> = by_workload(without, with).into_values().collect();
    Some(Effect {
        median: median(&effects)?,
        least: effects.iter().copied().fold(f64::INFINITY, f64::min),
        most: effects.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        pairs: with.len(),
    })
}

fn medians(pairs: &[&Pair]) -> BTreeMap<String, f64> {
    let mut logs: BTreeMap<&String, Vec<f64>> = BTreeMap::new();
    for (workload, log) in pairs.iter().flat_map(|pair| &pair.logs) {
        logs.entry(workload).or_default().push(*log);
    }
    logs.into_iter().filter_map(|(workload, logs)| Some((workload.clone(), median(&logs)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(logs: &[(&str, f64)]) -> Pair {
        let logs = logs.iter().map(|&(name, log)| (name.to_owned(), log)).collect();
        Pair { base: 0, head: 1, logs }
    }

    #[test]
    fn an_effect_is_what_the_delay_adds_to_what_the_programs_differ_by_anyway() {
        let without = [-0.001, 0.003, 0.001].map(|log| pair(&[("a", log), ("b", 0.0), ("c", 0.01)]));
        let with = [0.5, 0.021, 0.020].map(|log| pair(&[("a", log), ("b", 0.01), ("d", 0.4)]));
        let [without, with] = [&without, &with].map(|pairs| pairs.iter().collect::<Vec<_>>());
        let found = by_workload(&without, &with);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["a", "b"], "only where both kinds have pairs");
        assert!((found["a"] - 0.02_f64.exp_m1()).abs() < 1e-12, "{found:?}");
        let all = effect(&without, &with).unwrap();
        assert_eq!((all.least, all.most, all.pairs), (found["b"], found["a"], 3));
        assert!((all.median - (found["a"] + found["b"]) / 2.0).abs() < 1e-12);
        assert_eq!(effect(&without, &[]), None);
        assert_eq!(effect(&[], &with), None);
    }
}
