//! What a run's rows say, and tables of what is in no curve: other times, errors.
//!
//! A row with an error has no time, whatever else it holds. Not here: curves over message sizes, which are `curve`,
//! and how engines compare, which is `ratio`.

use super::block::{Cell, Mark, Table};
use super::curve::{curves, is_usual};
use super::number::{count, counted, three};
use crate::host::environment;
use crate::measure::{Estimate, Row, Run};
use crate::timing::interval::coverage;

/// The prefix of our own engines' names; every other engine is a peer.
pub(super) const OWN: &str = "sealmark";

/// A row's time: none where there is an error or the time is no positive number.
pub(super) fn time(row: &Row) -> Option<Estimate> {
    let usable = |x: f64| x.is_finite() && x > 0.0;
    row.ns.filter(|ns| row.error.is_none() && [ns.median, ns.low, ns.high].into_iter().all(usable))
}

/// What is said of a row that has neither a time nor an error.
pub(super) const NO_TIME: &str = "the file holds no time for it";

/// Processes that a row's interval is over.
pub(super) fn replicas(row: &Row) -> u64 {
    if row.samples.is_empty() { row.processes.into() } else { row.samples.len() as u64 }
}

/// Processes of the rows with a time, each number once, the most first.
fn all_replicas(run: &Run) -> Vec<u64> {
    let timed = run.rows.iter().filter(|row| time(row).is_some());
    let mut found: Vec<u64> = timed.map(replicas).collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    found.dedup();
    found
}

/// An interval in words: `8.00–12.5`, and of how many processes where the row lost one.
pub(super) fn interval(run: &Run, row: &Row, low: f64, high: f64) -> String {
    let lost = all_replicas(run).first().is_some_and(|&most| replicas(row) < most);
    let of = if lost { format!(", {}", counted_processes(replicas(row))) } else { String::new() };
    format!("{}–{}{of}", three(low), three(high))
}

fn counted_processes(n: u64) -> String {
    format!("{} process{}", count(n), if n == 1 { "" } else { "es" })
}

/// How sure the intervals of a run are: `93.8 %`, or `93.8 % (5 processes), 87.5 % (4 processes)` where rows
/// lost some. The rows say it themselves: files from before each row had its own claim what the poorest row
/// could.
pub(super) fn coverages(run: &Run) -> String {
    let percent = |n: u64| format!("{} %", three(100.0 * coverage(n as usize)));
    match all_replicas(run)[..] {
        [] => "0 %".to_owned(),
        [n] => percent(n),
        ref several => {
            let each = several.iter().map(|&n| format!("{} ({})", percent(n), counted_processes(n)));
            each.collect::<Vec<_>>().join(", ")
        }
    }
}

/// Distinct values in the order in which they first appear.
pub(super) fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut out = Vec::new();
    for value in values {
        if !out.contains(&value) {
            out.push(value);
        }
    }
    out
}

/// Engines with a row, as the run lists them, then those that it does not list.
pub(super) fn engines_of<'a>(run: &'a Run, rows: &[&'a Row]) -> Vec<&'a str> {
    let listed = run.engines.iter().map(|engine| engine.name.as_str());
    distinct(listed.chain(rows.iter().map(|row| row.engine.as_str())))
        .into_iter()
        .filter(|name| rows.iter().any(|row| row.engine == *name))
        .collect()
}

/// Every engine that some run lists or has a row of: the order that chooses colours.
pub(super) fn all_engines<'a>(runs: impl IntoIterator<Item = &'a Run>) -> Vec<&'a str> {
    let names = |run: &'a Run| {
        let listed = run.engines.iter().map(|engine| engine.name.as_str());
        listed.chain(run.rows.iter().map(|row| row.engine.as_str()))
    };
    distinct(runs.into_iter().flat_map(names))
}

/// Engines with at least one time. `sealmark` alone is what rows without a cipher are measured under.
pub(super) fn engines(run: &Run) -> Vec<&str> {
    let timed: Vec<&Row> = run.rows.iter().filter(|row| time(row).is_some()).collect();
    let listed = |name: &str| run.engines.iter().any(|engine| engine.name == name);
    engines_of(run, &timed).into_iter().filter(|name| *name != OWN || listed(name)).collect()
}

/// Which variables changed what some of these engines executed: sentences to follow others, or nothing.
pub(super) fn steered(run: &Run, names: &[&str]) -> String {
    let engines = run.engines.iter().filter(|engine| names.contains(&engine.name.as_str()));
    let engines = engines.map(|engine| (engine.name.as_str(), engine.environment.as_slice()));
    environment::warnings(engines).into_iter().map(|words| format!(" {words}")).collect()
}

/// `3 processes`, or `1 to 3 processes` where rows differ.
pub(super) fn processes(run: &Run) -> String {
    match all_replicas(run)[..] {
        [] => "no process".to_owned(),
        [n] => counted_processes(n),
        [most, .., least] => format!("{} to {} processes", count(least), count(most)),
    }
}

/// Nanoseconds of the workloads that are no part of a curve, by engine.
pub(super) fn other(run: &Run) -> Option<Table> {
    let curves = curves(run);
    let drawn = |row: &Row| {
        is_usual(row) && curves.iter().any(|curve| curve.op == row.op && curve.algorithm == row.algorithm)
    };
    let rows: Vec<&Row> = run.rows.iter().filter(|row| !drawn(row)).collect();
    if rows.is_empty() {
        return None;
    }
    let engines = engines_of(run, &rows);
    let mut table = Table::new(
        "other",
        "Other operations: nanoseconds each",
        std::iter::once("workload").chain(engines.iter().copied()),
    );
    table.details = false;
    for workload in distinct(rows.iter().map(|row| row.workload.as_str())) {
        let of = |engine: &str| rows.iter().find(|row| row.workload == workload && row.engine == engine);
        let mut row = vec![Cell::new(workload)];
        for engine in &engines {
            row.push(match of(engine).map(|row| (row, time(row))) {
                Some((row, Some(ns))) => {
                    Cell::new(three(ns.median)).detail(interval(run, row, ns.low, ns.high))
                }
                Some((_, None)) => Cell::error(),
                None => Cell::none(),
            });
        }
        table.push(row);
    }
    let note =
        if engines.contains(&OWN) { "What uses no cipher stands under the name sealmark." } else { "" };
    Some(table.note(note))
}

/// Rows without a time, and why.
pub(super) fn errors(run: &Run) -> Option<Table> {
    let mut table =
        Table::new("errors", "Measurements without a time", ["workload", "engine", "why"]).words();
    for row in run.rows.iter().filter(|row| time(row).is_none()) {
        let why = row.error.as_deref().unwrap_or(NO_TIME);
        table.push(vec![Cell::new(&row.workload), Cell::new(&row.engine), Cell::new(why).mark(Mark::Bad)]);
    }
    let found = table.rows.len() as u64;
    let note = format!("{}. An engine whose result was wrong gets no time.", counted(found, "measurement"));
    (found > 0).then(|| table.note(&note))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::report::table::curve;

    fn by_hand(rows: Vec<Row>) -> Run {
        Run { rows, ..sample::run() }
    }

    #[test]
    fn only_operations_at_several_sizes_are_curves() {
        let run = sample::run();
        let curves = curves(&run);
        let names: Vec<_> = curves.iter().map(|curve| (curve.op, curve.algorithm)).collect();
        assert_eq!(names, [("seal", "aes-256-gcm"), ("open", "aes-256-gcm")]);
        assert_eq!(curves[0].sizes, sample::SIZES);
        assert_eq!(curves[0].engines, sample::ENGINES);
        let other = other(&run).unwrap();
        let rows: Vec<_> = other.rows.iter().map(|row| row[0].text.as_str()).collect();
        assert_eq!(rows, ["seal/record/1024", "key/aes-256-gcm", "nonce/counter", "keystore/lookup"]);
        assert_eq!(other.rows[2][7].text, "8.30");
    }

    #[test]
    fn a_row_that_lost_a_process_is_marked_and_the_others_keep_what_they_have() {
        let mut run = sample::run();
        assert_eq!(coverages(&run), "75.0 %");
        let (whole, lost) = (run.rows[0].clone(), &mut run.rows[1]);
        lost.samples.pop();
        lost.processes = 2;
        let lost = lost.clone();
        run.coverage = 0.5;
        assert_eq!(coverages(&run), "75.0 % (3 processes), 50.0 % (2 processes)");
        assert_eq!(interval(&run, &whole, 8.0, 12.5), "8.00–12.5");
        assert_eq!(interval(&run, &lost, 8.0, 12.5), "8.00–12.5, 2 processes");
        assert_eq!(processes(&run), "2 to 3 processes");
        assert_eq!(coverages(&by_hand(vec![])), "0 %");
    }

    #[test]
    fn a_row_with_an_error_has_no_time_even_when_the_file_gives_one() {
        let mut run = by_hand(vec![
            sample::row("seal", "a", 1000, "ring", &[100.0]),
            sample::row("seal", "a", 2000, "ring", &[100.0]),
        ]);
        assert!(errors(&run).is_none());
        run.rows[0].error = Some("wrong tag".into());
        let curves = curves(&run);
        assert_eq!(curves[0].speed("ring", 1000), None);
        assert_eq!(curve::table(&run, &curves[0]).rows[0][1], Cell::error());
        let errors = errors(&run).unwrap();
        assert_eq!(errors.rows[0][2].text, "wrong tag");
        assert_eq!(errors.rows.len(), 1);
    }
}
