//! The table of what each engine really executed.

use super::number::size;
use super::table::{Cell, Mark, Table};
use crate::measure::{Row, Run};
use crate::trace::{Seen, Width, Witness};

/// One row for each engine, algorithm and range of lengths with one witness; `None` where there is no witness at all.
pub(super) fn table(run: &Run) -> Option<Table> {
    let mut table = Table::new(
        "witnesses",
        "What was executed",
        ["engine", "algorithm", "from", "to", "AES", "multiplies", "most of the AES in"],
    )
    .words()
    .note(
        "The widest vector registers of AES instructions and of carry-less multiplies in one seal, single-stepped \
         apart from the timing. One seal stands for all lengths from and to.",
    );
    for range in ranges(&run.rows) {
        let width = |seen: &Option<Seen>| match seen {
            Some(seen) => Cell::new(seen.width.map_or("general", Width::name)),
            None => Cell::new("none").mark(Mark::Quiet),
        };
        table.push(vec![
            Cell::new(range.engine),
            Cell::new(range.algorithm),
            Cell::new(size(range.from)),
            Cell::new(size(range.to)),
            width(&range.witness.aes),
            width(&range.witness.multiply),
            range.witness.aes.as_ref().map_or_else(Cell::none, |seen| Cell::new(&seen.symbol)),
        ]);
    }
    (!table.rows.is_empty()).then_some(table)
}

/// Lengths that one witness stands for.
struct Range<'a> {
    engine: &'a str,
    algorithm: &'a str,
    witness: &'a Witness,
    from: u64,
    to: u64,
}

fn ranges(rows: &[Row]) -> Vec<Range<'_>> {
    let mut ranges = Vec::<Range<'_>>::new();
    for row in rows.iter().filter(|row| row.bytes > 0 && row.op == "seal") {
        let Some(witness) = &row.witness else { continue };
        let (engine, algorithm) = (row.engine.as_str(), row.algorithm.as_str());
        let known = ranges
            .iter_mut()
            .find(|r| (r.engine, r.algorithm, r.witness) == (engine, algorithm, witness));
        match known {
            Some(range) => (range.from, range.to) = (range.from.min(row.bytes), range.to.max(row.bytes)),
            None => ranges.push(Range { engine, algorithm, witness, from: row.bytes, to: row.bytes }),
        }
    }
    ranges.sort_by_key(|range| range.engine);
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_witness_stands_for_a_range_of_lengths() {
        let mut run = sample::run();
        run.rows.clear();
        assert!(table(&run).is_none());
        let seen = |width| Some(Seen { width: Some(width), symbol: "kernel".into(), count: 1 });
        for (bytes, width) in [(16, Width::Xmm), (64, Width::Xmm), (1024, Width::Zmm), (4096, Width::Zmm)] {
            let row = sample::row("seal", "aes-256-gcm", bytes, "ring", &[1.0]);
            let witness = Some(Witness { aes: seen(width), multiply: None });
            run.rows.push(Row { witness, ..row });
        }
        let table = table(&run).unwrap();
        let words: Vec<Vec<_>> =
            table.rows.iter().map(|row| row.iter().map(|cell| cell.text.as_str()).collect()).collect();
        assert_eq!(
            words,
            [
                ["ring", "aes-256-gcm", "16 B", "64 B", "xmm", "none", "kernel"],
                ["ring", "aes-256-gcm", "1 KiB", "4 KiB", "zmm", "none", "kernel"],
            ]
        );
    }
}
