//! Every row that no other table shows: nanoseconds by workload and engine.

use super::key;
use crate::measure::{Row, Run};
use crate::report::block::{Block, Cell, Table};
use crate::report::curve::curves;
use crate::report::number::three;
use crate::report::rows::{OWN, distinct, engines_of, interval, time};
use crate::report::section::Section;

/// Its one table, where there is such a row.
pub(super) fn blocks(section: &Section) -> Vec<Block<'_>> {
    section.bench.iter().filter_map(table).map(|table| Block::new(table).folded()).collect()
}

/// One row for each workload, one column for each engine.
fn table(run: &Run) -> Option<Table> {
    let curves = curves(run);
    let keys = key::rows(run);
    let shown = || curves.iter().flat_map(|curve| &curve.rows).chain(&keys);
    let drawn = |row: &Row| shown().any(|one| std::ptr::eq(*one, row));
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
    let note = if engines.contains(&OWN) {
        "Operations that use no cipher are under the name sealmark."
    } else {
        ""
    };
    Some(table.note(note))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_row_that_no_other_table_shows_is_here() {
        let mut run = sample::run();
        let names = |run: &Run| {
            let rows = table(run).unwrap().rows;
            rows.iter().map(|row| row[0].text.clone()).collect::<Vec<_>>()
        };
        let expected = ["seal/record/1024", "nonce/counter", "keystore/lookup"];
        assert_eq!(names(&run), expected);
        assert_eq!(table(&run).unwrap().rows[1][7].text, "8.30");
        run.rows[0].workload += "/of-a-later-version";
        assert_eq!(
            names(&run)[0],
            "seal/aes-256-gcm/16/of-a-later-version",
            "the curve has that size already"
        );
    }
}
