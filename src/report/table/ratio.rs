//! Our engines against the best peer: ratios of nanoseconds.
//!
//! A ratio pairs the samples of one process, in which both engines ran in the same rounds. Two rows from
//! different numbers of processes have no ratio.

use crate::measure::{Row, Run};
use crate::report::block::{Block, Cell, Mark, Table};
use crate::report::curve::rows_of;
use crate::report::number::{size, three};
use crate::report::rows::{OWN, distinct, engines_of, operation, pairs, time, without, workload};
use crate::report::section::Section;
use crate::timing::interval::median;

/// The ratios of two rows' samples: the median, the least and the greatest.
fn ratio(run: &Run, ours: &Row, peer: &Row) -> Option<(f64, f64, f64)> {
    let mut ratios = pairs(run, ours, peer)?;
    ratios.sort_by(f64::total_cmp);
    Some((median(&ratios)?, *ratios.first()?, *ratios.last()?))
}

/// The rows of one workload: ours, and the peers'.
struct Pair<'a> {
    own: Vec<&'a Row>,
    peers: Vec<&'a Row>,
}

impl<'a> Pair<'a> {
    fn of(run: &'a Run, workload: &str) -> Self {
        let rows = run.rows.iter().filter(|row| row.workload == workload);
        let (own, peers) = rows.partition(|row| row.engine.starts_with(OWN));
        Self { own, peers }
    }

    /// The fastest peer that has a time.
    fn best(&self) -> Option<&'a Row> {
        let timed = self.peers.iter().filter_map(|row| Some((*row, time(row)?.median)));
        timed.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(row, _)| row)
    }
}

/// Its one table, where a workload has rows of ours and of a peer.
pub(super) fn blocks(section: &Section) -> Vec<Block<'_>> {
    section.bench.iter().filter_map(table).map(|table| Block::new(table).folded()).collect()
}

/// Our times over those of the best peer, one row for each workload that both ran.
fn table(run: &Run) -> Option<Table> {
    let workloads = distinct(run.rows.iter().map(|row| row.workload.as_str()));
    let found: Vec<Pair<'_>> = workloads
        .into_iter()
        .map(|workload| Pair::of(run, workload))
        .filter(|pair| !pair.own.is_empty() && !pair.peers.is_empty())
        .collect();
    let all: Vec<&Row> = found.iter().flat_map(|pair| pair.own.iter().copied()).collect();
    if all.is_empty() {
        return None;
    }
    let engines = engines_of(run, &all);
    let mut table = Table::new(
        "ratios",
        "Our time over the best peer's",
        ["workload", "best peer"].into_iter().chain(engines.iter().copied()),
    );
    table.columns[1].number = false;
    for pair in &found {
        let best = pair.best();
        let quickest = best.map_or_else(Cell::error, |best| Cell::new(&best.engine));
        let mut row = vec![Cell::new(name(run, pair.own[0])), quickest.detail(without(&pair.peers))];
        for engine in &engines {
            let ours = pair.own.iter().find(|row| row.engine == *engine).copied();
            row.push(ours.map_or_else(Cell::none, |ours| cell(run, ours, best)));
        }
        table.push(row);
    }
    Some(table.note(
        "Below 1, ours is faster than the fastest peer at that size. Median, least and greatest of the \
         processes' ratios; bold or *: all are below 1.",
    ))
}

/// One of ours over the best peer.
fn cell(run: &Run, ours: &Row, best: Option<&Row>) -> Cell {
    if time(ours).is_none() {
        return Cell::error();
    }
    // No peer has a time; the peer's column shows the error.
    let Some(best) = best else { return Cell::none() };
    let Some((median, low, high)) = ratio(run, ours, best) else {
        return Cell::none().detail("a process was lost");
    };
    let mark = if high < 1.0 { Mark::Best } else { Mark::Plain };
    Cell::new(three(median)).detail(format!("{}–{}", three(low), three(high))).mark(mark)
}

/// A workload in words: `seal aes-256-gcm, 16 KiB`, `latency of seal aes-256-gcm, 16 B`, `seal aes-256-gcm, 1
/// KiB, misaligned`; its path where the catalog cannot tell it from another workload of that name.
fn name(run: &Run, row: &Row) -> String {
    let size = if row.bytes > 0 { format!(", {}", size(row.bytes)) } else { String::new() };
    let usual = || rows_of(run, &row.op, &row.algorithm);
    let variant = match workload(row) {
        Some(known) if known.variant.is_empty() => String::new(),
        Some(known) => format!(", {}", known.variant.replace('-', " ")),
        None if row.bytes == 0 || usual().iter().any(|one| one.workload == row.workload) => String::new(),
        None => return row.workload.clone(),
    };
    format!("{} {}{size}{variant}", operation(&row.op), row.algorithm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn by_hand(rows: Vec<Row>) -> Run {
        Run { rows, ..sample::run() }
    }

    #[test]
    fn a_ratio_pairs_the_samples_of_each_process() {
        let run = by_hand(vec![
            sample::row("seal", "a", 1000, "sealmark/aesni", &[90.0, 220.0, 120.0]),
            sample::row("seal", "a", 1000, "sealmark/portable", &[900.0, 900.0]),
            sample::row("seal", "a", 1000, "ring", &[100.0, 200.0, 150.0]),
            sample::row("seal", "a", 1000, "aws-lc", &[300.0, 300.0, 300.0]),
        ]);
        let found = table(&run).unwrap();
        assert_eq!(found.rows.len(), 1);
        let row: Vec<_> = found.rows[0].iter().map(|c| (c.text.as_str(), c.detail.as_str())).collect();
        // 90/100, 220/200, 120/150: the ratio of the medians, 120/150, is another number.
        assert_eq!(row[..2], [("seal a, 1,000 B", ""), ("ring", "")]);
        let column = |name| found.columns.iter().position(|column| column.name == name).unwrap();
        assert_eq!(row[column("sealmark/aesni")], ("0.900", "0.800–1.10"));
        assert_eq!(found.rows[0][column("sealmark/aesni")].mark, Mark::Plain, "not all are below 1");
        let unpaired = ("–", "a process was lost");
        assert_eq!(row[column("sealmark/portable")], unpaired, "two processes and three make no pairs");
        assert!(table(&by_hand(run.rows[..2].to_vec())).is_none(), "no peer, no ratio");
        let (twice, peer) = (&run.rows[1], sample::row("seal", "a", 1000, "x", &[300.0, 450.0]));
        assert_eq!(ratio(&run, twice, &peer), None, "each of the two lost a process, and not the same one");
        let even = ratio(&by_hand(vec![peer.clone()]), twice, &peer).unwrap();
        assert_eq!(even, (2.5, 2.0, 3.0));
    }

    #[test]
    fn an_error_stays_in_the_table_and_a_peer_that_failed_is_named() {
        let mut run = by_hand(vec![
            sample::row("seal", "a", 1000, "sealmark/aesni", &[90.0]),
            sample::row("seal", "a", 1000, "ring", &[100.0]),
            sample::row("seal", "a", 1000, "aws-lc", &[50.0]),
        ]);
        let cells = |run: &Run| {
            let found = table(run).unwrap();
            assert_eq!(found.rows.len(), 1);
            let cells = found.rows[0].iter().skip(1);
            cells.map(|cell| format!("{} {}", cell.text, cell.detail)).collect::<Vec<_>>()
        };
        assert_eq!(cells(&run), ["aws-lc ", "1.80 1.80–1.80"]);
        run.rows[2].error = Some("wrong".into());
        assert_eq!(cells(&run), ["ring without aws-lc", "0.900 0.900–0.900"]);
        run.rows[1].error = Some("wrong".into());
        assert_eq!(cells(&run), ["error without ring and aws-lc", "– "]);
        run.rows[0].error = Some("wrong".into());
        assert_eq!(cells(&run), ["error without ring and aws-lc", "error "]);
    }

    #[test]
    fn a_workload_is_named_by_what_sets_it_apart() {
        let row = |suffix: &str| {
            let mut row = sample::row("seal", "aes-256-gcm", 1024, "ring", &[1.0]);
            row.workload += suffix;
            row
        };
        let run = by_hand(vec![row(""), row("/misaligned"), row("/in-L9")]);
        let names: Vec<_> = run.rows.iter().map(|row| name(&run, row)).collect();
        let plain = "seal aes-256-gcm, 1 KiB";
        assert_eq!(names, [plain, &format!("{plain}, misaligned"), "seal/aes-256-gcm/1024/in-L9"]);
    }
}
