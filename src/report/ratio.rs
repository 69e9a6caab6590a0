//! Our engines against the best peer: ratios of nanoseconds.
//!
//! A ratio pairs the samples of the same process, in which both engines ran in the same rounds; where two rows do
//! not come from the same number of processes there is no ratio.

use super::curve::{is_usual, operation};
use super::number::{size, three};
use super::speed::{OWN, distinct, engines_of, time};
use super::table::{Cell, Mark, Table};
use crate::measure::{Row, Run};

/// The ratios of two rows' samples, process by process: the median, the least and the greatest.
fn ratio(ours: &Row, peer: &Row) -> Option<(f64, f64, f64)> {
    if ours.samples.len() != peer.samples.len() {
        return None;
    }
    let mut ratios: Vec<f64> = ours.samples.iter().zip(&peer.samples).map(|(a, b)| a / b).collect();
    if ratios.iter().any(|ratio| !ratio.is_finite() || *ratio <= 0.0) {
        return None;
    }
    ratios.sort_by(f64::total_cmp);
    let (low, high) = (*ratios.first()?, *ratios.last()?);
    let middle = ratios.len() / 2;
    let median =
        if ratios.len() % 2 == 1 { ratios[middle] } else { (ratios[middle - 1] + ratios[middle]) / 2.0 };
    Some((median, low, high))
}

/// Our times over those of the best peer, one row for each workload that both did.
pub(super) fn table(run: &Run) -> Option<Table> {
    let is_own = |row: &&Row| row.engine.starts_with(OWN);
    let mut found = Vec::new();
    for workload in distinct(run.rows.iter().map(|row| row.workload.as_str())) {
        let (own, peers): (Vec<&Row>, Vec<&Row>) =
            run.rows.iter().filter(|row| row.workload == workload && time(row).is_some()).partition(is_own);
        let median = |row: &&&Row| time(row).map_or(f64::INFINITY, |ns| ns.median);
        let best = peers.iter().min_by(|a, b| median(a).total_cmp(&median(b))).copied();
        if let (Some(best), false) = (best, own.is_empty()) {
            found.push((best, own));
        }
    }
    let all: Vec<&Row> = found.iter().flat_map(|(_, own)| own.iter().copied()).collect();
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
    for (best, own) in &found {
        let mut row = vec![Cell::new(name(best)), Cell::new(&best.engine)];
        for engine in &engines {
            let ours = own.iter().find(|row| row.engine == *engine);
            row.push(match ours.and_then(|ours| ratio(ours, best)) {
                Some((median, low, high)) => {
                    let mark = if high < 1.0 { Mark::Best } else { Mark::Plain };
                    Cell::new(three(median)).detail(format!("{}–{}", three(low), three(high))).mark(mark)
                }
                None => Cell::none(),
            });
        }
        table.push(row);
    }
    Some(table.note(
        "Nanoseconds of ours over nanoseconds of the quickest peer at that size: below 1 ours is quicker. The \
         median of the ratios of each process, and the least and greatest of them. Marked (bold, or *): all are below 1.",
    ))
}

/// A workload in words: `seal aes-256-gcm, 16 KiB`, `latency of seal aes-256-gcm, 16 B`.
fn name(row: &Row) -> String {
    let size = if row.bytes > 0 { format!(", {}", size(row.bytes)) } else { String::new() };
    // What sets it apart from the usual workload of that operation stands at the end of its path.
    let variant = row.workload.split('/').next_back().filter(|_| row.bytes > 0 && !is_usual(row));
    let variant = variant.map_or_else(String::new, |variant| format!(", {}", variant.replace('-', " ")));
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
        assert_eq!(row[column("sealmark/portable")], ("–", ""), "two processes and three make no pairs");
        assert!(table(&by_hand(run.rows[..2].to_vec())).is_none(), "no peer, no ratio");
        let even = ratio(&run.rows[1], &sample::row("seal", "a", 1000, "x", &[300.0, 450.0])).unwrap();
        assert_eq!(even, (2.5, 2.0, 3.0));
    }
}
