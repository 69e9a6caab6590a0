//! Sums over the tallies of a verification: engines that ran cases, idle engines, cases, wrong cases.

use super::rows::OWN;
use crate::verify::{Report, SetReport, Tally};

/// Whether a name is an engine's: cases without a cipher are tallied under `sealmark`.
pub fn is_engine(report: &Report, name: &str) -> bool {
    name != OWN || report.engines.iter().any(|engine| engine.name == name)
}

/// Names with a tally: the engines in the order of the report, then the others.
pub fn columns(report: &Report) -> Vec<&str> {
    let tallied = |name: &str| report.sets.iter().any(|set| set.engines.contains_key(name));
    let mut names: Vec<&str> =
        report.engines.iter().map(|engine| engine.name.as_str()).filter(|name| tallied(name)).collect();
    for name in report.sets.iter().flat_map(|set| set.engines.keys()) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names
}

/// Engines that ran at least one case.
pub fn engines(report: &Report) -> Vec<&str> {
    let judged = |name: &str| {
        let tallies = report.sets.iter().filter_map(|set| set.engines.get(name));
        tallies.map(|t| t.agree + t.stricter + t.wrong).sum::<u64>() > 0
    };
    columns(report).into_iter().filter(|name| is_engine(report, name) && judged(name)).collect()
}

/// Engines that can run here and have tallies, but ran no case.
pub fn idle(report: &Report) -> Vec<&str> {
    let tallies = |name: &str| {
        let tallies: Vec<&Tally> = report.sets.iter().filter_map(|set| set.engines.get(name)).collect();
        !tallies.is_empty() && tallies.iter().all(|tally| tally.ran() == 0)
    };
    let able = report.engines.iter().filter(|engine| engine.unavailable.is_none());
    able.map(|engine| engine.name.as_str()).filter(|name| tallies(name)).collect()
}

/// Declared cases of the sets that at least one engine ran.
pub fn cases(report: &Report) -> u64 {
    let ran = |set: &&SetReport| set.engines.values().any(|t| t.agree + t.stricter + t.wrong > 0);
    report.sets.iter().filter(ran).map(|set| set.declared).sum()
}

/// Wrong cases: the report's own count or the sum of its tallies, whichever is higher.
pub fn wrong(report: &Report) -> u64 {
    let tallied = report.sets.iter().flat_map(|set| set.engines.values()).map(|t| t.wrong).sum();
    report.wrong.max(tallied)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn engines_judge_and_cases_count_where_a_set_ran() {
        let mut report = sample::report();
        assert_eq!(engines(&report), sample::ENGINES);
        assert_eq!((cases(&report), wrong(&report)), (23_971, 1));
        report.sets.truncate(1);
        report.sets[0].engines.clear();
        assert_eq!(cases(&report), 0, "a set that ran nothing counts no case");
    }
}
