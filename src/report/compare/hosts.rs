//! Several runs side by side: the same workload on several hosts, or on one host over time.
//!
//! It compares only runs of one build profile, and only rows of the same workload with buffers in the same
//! cache level and batches of the same size; it names the rest with the reason. Times of different hosts
//! stand side by side without a ratio, because they were not measured in the same rounds.

use crate::host::Variable;
use crate::measure::{Row, Run};
use crate::report::block::{Cell, Mark, Table};
use crate::report::curve::{curves, rows_of};
use crate::report::number::{counted, size, three};
use crate::report::rows::{distinct, operation, time};
use crate::report::section::Section;

/// Tables over several runs, and the reasons why some are left out.
#[derive(Clone, PartialEq, Default, Debug)]
pub(in crate::report) struct Compared {
    pub tables: Vec<Table>,
    pub refused: Vec<String>,
}

/// Puts the runs of a report side by side; empty where there is only one.
pub(in crate::report) fn compare(sections: &[Section]) -> Compared {
    let runs: Vec<&Run> = sections.iter().filter_map(|section| section.bench.as_ref()).collect();
    let mut compared = Compared::default();
    let Some((first, others)) = runs.split_first() else { return compared };
    let mut kept = vec![*first];
    for &run in others {
        match apart(first, run) {
            None => kept.push(run),
            Some(why) => compared.refused.push(format!("{} is not compared: {why}.", name(run))),
        }
    }
    if kept.len() < 2 {
        return compared;
    }
    for (op, algorithm) in
        distinct(kept.iter().flat_map(|run| curves(run)).map(|c| (c.op.to_owned(), c.algorithm.to_owned())))
    {
        compared.tables.extend(table(&kept, &op, &algorithm, &mut compared.refused));
    }
    compared
}

/// Why two runs may not be compared at all.
fn apart(first: &Run, run: &Run) -> Option<String> {
    let profile = |run: &Run| run.build.rsplit(", ").next().unwrap_or_default().to_owned();
    let (ours, theirs) = (profile(first), profile(run));
    (ours != theirs).then(|| format!("its build profile is {theirs:?}, that of the first is {ours:?}"))
}

/// The name of a run: its host and its start.
fn name(run: &Run) -> String {
    format!("{} ({}), {}", run.host.cpu, &run.host.fingerprint, run.started)
}

/// One operation: a row for each engine and size, a column for each run.
fn table(runs: &[&Run], op: &str, algorithm: &str, refused: &mut Vec<String>) -> Option<Table> {
    let hosts = distinct(runs.iter().map(|run| run.host.fingerprint.as_str()));
    let column = |run: &&Run| if hosts.len() == 1 { run.started.clone() } else { run.host.cpu.clone() };
    let mut names: Vec<String> = runs.iter().map(column).collect();
    for i in 1..names.len() {
        // Two machines of one kind, or two runs on one host among several.
        if names[..i].contains(&names[i]) {
            names[i] = format!("{}, {}", names[i], runs[i].started);
        }
    }
    let rows: Vec<Vec<&Row>> = runs.iter().map(|run| rows_of(run, op, algorithm)).collect();
    let latency = rows.iter().flatten().any(|row| row.is_latency());
    let unit = if latency { "nanoseconds" } else { "GB/s" };
    let what = if hosts.len() == 1 { "over time" } else { "by host" };
    let words = operation(op);
    let title = format!("{words} {algorithm}, {what}: {unit}");
    let mut table = Table::new(
        &format!("hosts-{op}-{algorithm}"),
        &title,
        std::iter::once("engine, size".to_owned()).chain(names),
    );
    let mut alone = Vec::new();
    let keys = distinct(rows.iter().flatten().map(|row| (row.bytes, row.engine.clone())));
    for (bytes, engine) in keys {
        let found: Vec<Option<&Row>> = rows
            .iter()
            .map(|rows| rows.iter().copied().find(|row| row.bytes == bytes && row.engine == engine))
            .collect();
        let first = found.iter().zip(runs).find_map(|(row, run)| Some(((*row)?, *run)));
        if found.iter().flatten().count() < 2 {
            alone.extend(first.map(|(row, _)| format!("{} on {engine}", row.workload)));
            continue;
        }
        let mut cells = vec![Cell::new(format!("{engine}, {}", size(bytes)))];
        for (row, run) in found.iter().zip(runs) {
            let differ = |(first, of): (&Row, &Run), row: &Row| {
                differ(first, row).or_else(|| otherwise_steered(of, run, &row.engine))
            };
            let why = first.zip(*row).and_then(|(first, row)| differ(first, row));
            cells.push(match (row, why) {
                (_, Some(why)) => {
                    let words = format!("{} on {engine} is left out of a comparison: {why}.", row_name(*row));
                    if !refused.contains(&words) {
                        refused.push(words);
                    }
                    Cell::new("not comparable").mark(Mark::Quiet)
                }
                (Some(row), None) => value(row, latency),
                (None, None) => Cell::none(),
            });
        }
        table.push(cells);
    }
    if let Some(first) = alone.first() {
        let rest = match alone.len() {
            1 => String::new(),
            n => format!(" and {} of {op} {algorithm}", counted(n as u64 - 1, "more row")),
        };
        refused.push(format!("{first}{rest} cannot be compared: only one run has a row of it."));
    }
    (!table.rows.is_empty()).then_some(table)
}

fn row_name(row: Option<&Row>) -> &str {
    row.map_or("a workload", |row| &row.workload)
}

/// Why two rows of one workload may not be compared.
fn differ(first: &Row, row: &Row) -> Option<String> {
    let level = |row: &Row| row.arena.as_ref().map(|arena| arena.level.clone());
    if first.batch != row.batch {
        return Some(format!(
            "its batches have {:?} messages, those of the first {:?}",
            row.batch, first.batch
        ));
    }
    let (ours, theirs) = (level(first)?, level(row)?);
    (ours != theirs).then(|| format!("its buffers are in {theirs}, those of the first in {ours}"))
}

/// Why an engine may have executed other code in the second run: an environment variable set in only one.
fn otherwise_steered(first: &Run, run: &Run, engine: &str) -> Option<String> {
    let of = |run: &Run| -> Vec<Variable> {
        let found = run.engines.iter().find(|listed| listed.name == engine);
        found.map(|listed| listed.environment.clone()).unwrap_or_default()
    };
    let (ours, theirs) = (of(first), of(run));
    let other = theirs.iter().find(|v| !ours.contains(v)).or(ours.iter().find(|v| !theirs.contains(v)))?;
    Some(format!("{}={:?} was set for one of the two", other.name, other.value))
}

fn value(row: &Row, latency: bool) -> Cell {
    let Some(ns) = time(row) else { return Cell::error() };
    let [median, low, high] = if latency {
        [ns.median, ns.low, ns.high]
    } else {
        [ns.median, ns.high, ns.low].map(|ns| row.bytes as f64 / ns)
    };
    Cell::new(three(median)).detail(format!("{}–{}", three(low), three(high)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn section(change: impl Fn(&mut Run)) -> Section {
        let mut run = sample::run();
        change(&mut run);
        Section { host: run.host.clone(), verify: None, bench: Some(run) }
    }

    #[test]
    fn runs_of_two_hosts_stand_side_by_side_and_of_one_over_time() {
        let other = section(|run| {
            run.host.fingerprint = "0".repeat(16);
            run.host.cpu = "Other CPU".into();
        });
        let compared = compare(&[section(|_| {}), other]);
        assert_eq!(compared.refused, Vec::<String>::new());
        let columns: Vec<_> = compared.tables[0].columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(columns[2], "Other CPU");
        assert_eq!(compared.tables[0].rows.len(), sample::ENGINES.len() * sample::SIZES.len());
        let later = compare(&[section(|_| {}), section(|run| run.started = "2026-12-01T00:00:00Z".into())]);
        assert!(later.tables[0].title.contains("over time"));
        assert_eq!(later.tables[0].columns[2].name, "2026-12-01T00:00:00Z");
        assert_eq!(compare(&[section(|_| {})]), Compared::default());
    }

    #[test]
    fn runs_that_may_not_be_compared_are_refused_with_the_reason() {
        let debug = compare(&[section(|_| {}), section(|run| run.build = "rustc 1.95.0, debug".into())]);
        assert!(debug.tables.is_empty());
        assert!(debug.refused[0].contains("\"debug\""), "{:?}", debug.refused);
        let far = section(|run| {
            for row in &mut run.rows {
                row.arena =
                    row.arena.take().map(|arena| crate::measure::Arena { level: "L3".into(), ..arena });
            }
        });
        let far = compare(&[section(|_| {}), far]);
        assert!(far.tables.iter().flat_map(|table| &table.rows).all(|row| row[2].text == "not comparable"));
        assert!(far.refused[0].contains("L3"), "{:?}", far.refused);
        let masked = compare(&[
            section(|_| {}),
            section(|run| {
                let engine = run.engines.iter_mut().find(|engine| engine.name == "aws-lc").unwrap();
                engine.environment = vec![Variable { name: "OPENSSL_ia32cap".into(), value: "~0x1".into() }];
            }),
        ]);
        for row in masked.tables.iter().flat_map(|table| &table.rows) {
            assert_eq!(row[2].text == "not comparable", row[0].text.starts_with("aws-lc, "), "{row:?}");
        }
        assert!(
            masked.refused[0].contains("OPENSSL_ia32cap=\"~0x1\" was set for one"),
            "{:?}",
            masked.refused
        );
    }

    #[test]
    fn a_row_that_only_one_run_has_is_named_and_an_error_stays() {
        let other = section(|run| {
            run.rows.retain(|row| row.engine != "ring" || row.op != "seal");
            let aws = run.rows.iter_mut().find(|row| row.engine == "aws-lc").unwrap();
            aws.error = Some("wrong".into());
        });
        let compared = compare(&[section(|_| {}), other]);
        let rest = "seal/aes-256-gcm/16 on ring and 7 more rows of seal aes-256-gcm cannot be compared: only \
                    one run has a row of it.";
        assert_eq!(compared.refused, [rest]);
        let row = compared.tables[0].rows.iter().find(|row| row[0].text == "aws-lc, 16 B").unwrap();
        assert_eq!(row[2], Cell::error());
    }
}
