//! Key setup: the cost of a fresh key before its first message.

use crate::measure::{Row, Run};
use crate::report::block::{Block, Cell, Mark, Table};
use crate::report::figure::{Bar, Bars, Figure};
use crate::report::number::three;
use crate::report::rows::{KEY, distinct, engines_of, interval, processes, time};
use crate::report::section::Section;

/// Its one table with a bar for each engine, where key setup was measured.
pub(super) fn blocks(section: &Section) -> Vec<Block<'_>> {
    section.bench.iter().filter_map(block).collect()
}

/// The rows of key setup: one for each engine and algorithm. A second one, of a workload that the catalog
/// does not know, is left to the table of other operations.
pub(super) fn rows(run: &Run) -> Vec<&Row> {
    let mut found: Vec<&Row> = Vec::new();
    for row in run.rows.iter().filter(|row| row.op == KEY && row.bytes == 0) {
        if !found.iter().any(|one| (&one.engine, &one.algorithm) == (&row.engine, &row.algorithm)) {
            found.push(row);
        }
    }
    found
}

fn block(run: &Run) -> Option<Block<'_>> {
    let rows = rows(run);
    let algorithms = distinct(rows.iter().map(|row| row.algorithm.as_str()));
    let first = *algorithms.first()?;
    let engines = engines_of(run, &rows);
    let columns = std::iter::once("engine").chain(algorithms.iter().copied());
    let mut table = Table::new("keys", "Key setup: nanoseconds", columns).note(&format!(
        "The key schedule, the powers of H and the object that holds them. Median over {}.",
        processes(run)
    ));
    let of = |engine: &str, algorithm: &str| {
        rows.iter().copied().find(|row| row.engine == engine && row.algorithm == algorithm)
    };
    for engine in &engines {
        let cells = algorithms.iter().map(|algorithm| match of(engine, algorithm) {
            None => Cell::none(),
            Some(row) => time(row).map_or_else(Cell::error, |ns| {
                let is_best = least(&rows, algorithm).is_some_and(|best| std::ptr::eq(best, row));
                let mark = if is_best { Mark::Best } else { Mark::Plain };
                Cell::new(three(ns.median)).detail(interval(run, row, ns.low, ns.high)).mark(mark)
            }),
        });
        table.push(std::iter::once(Cell::new(engine)).chain(cells).collect());
    }
    let of_first: Vec<&Row> = rows.iter().copied().filter(|row| row.algorithm == first).collect();
    let bar = |row: &&'_ Row| time(row).map(|ns| ns.median);
    let bars = Bars {
        of: format!("Key setup of {first}"),
        parts: vec!["key setup"],
        bars: of_first
            .iter()
            .filter_map(|row| {
                let whole = bar(row)?;
                Some(Bar { engine: &row.engine, whole, stacked: vec![(0.0, whole)] })
            })
            .collect(),
        failed: of_first.iter().filter(|row| bar(row).is_none()).map(|row| row.engine.as_str()).collect(),
    };
    Some(Block::new(table).figure(Figure::Bars(bars)))
}

/// The row with the least time, where there are others and its interval overlaps none of theirs.
fn least<'a>(rows: &[&'a Row], algorithm: &str) -> Option<&'a Row> {
    let of_it = rows.iter().copied().filter(|row| row.algorithm == algorithm);
    let mut timed: Vec<_> = of_it.filter_map(|row| Some((row, time(row)?))).collect();
    timed.sort_by(|a, b| a.1.median.total_cmp(&b.1.median));
    let [(best, ns), others @ ..] = timed.as_slice() else { return None };
    let is_clear = !others.is_empty() && others.iter().all(|(_, other)| other.low > ns.high);
    is_clear.then_some(*best)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn section(rows: Vec<Row>) -> Section {
        Section { host: sample::host(), verify: None, bench: Some(Run { rows, ..sample::run() }) }
    }

    #[test]
    fn each_engine_has_its_bar_and_an_error_has_none() {
        let key = |algorithm, engine, ns: &[f64]| sample::row("key", algorithm, 0, engine, ns);
        let mut failed = key("aes-256-gcm", "aws-lc", &[90.0]);
        failed.error = Some("wrong".into());
        let section = section(vec![
            key("aes-256-gcm", "sealmark/aesni", &[40.0, 39.0, 41.0]),
            key("aes-256-gcm", "ring", &[100.0, 90.0, 110.0]),
            failed,
            key("aes-128-gcm", "ring", &[80.0]),
        ]);
        let block = blocks(&section).remove(0);
        let rows: Vec<Vec<_>> =
            block.table.rows.iter().map(|row| row.iter().map(|cell| cell.text.as_str()).collect()).collect();
        assert_eq!(
            rows,
            [["sealmark/aesni", "40.0", "–"], ["ring", "100", "80.0"], ["aws-lc", "error", "–"]]
        );
        assert_eq!(block.table.rows[0][1].mark, Mark::Best);
        assert_eq!(block.table.rows[1][2].mark, Mark::Plain, "one engine alone is not the fastest");
        let Some(Figure::Bars(bars)) = &block.figure else { panic!("bars") };
        assert_eq!((bars.bars.len(), &bars.failed[..]), (2, &["aws-lc"][..]));
        assert_eq!(
            bars.finding(),
            "Key setup of aes-256-gcm: from 40.0 ns on sealmark/aesni to 100 ns on ring."
        );
    }

    #[test]
    fn a_run_without_key_setup_has_no_table() {
        assert!(blocks(&section(vec![sample::row("seal", "a", 16, "ring", &[9.0])])).is_empty());
    }
}
