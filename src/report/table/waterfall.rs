//! The cost of sealing a record, part by part: nonce, key lookup, header, AAD, copy, cipher, and the rest.

use crate::measure::{Row, Run};
use crate::report::block::{Block, Cell, Mark, Table};
use crate::report::figure::{Bar, Bars, Figure};
use crate::report::number::{size, three};
use crate::report::rows::{RECORD, RECORD_AAD, RECORD_CIPHER, SEAL, distinct, time, workload};
use crate::report::section::Section;

/// The parts that use no cipher: name, operation and its subject. A part with a message has the record's.
const PARTS: [(&str, &str, &str); 5] = [
    ("nonce", "nonce", "nonce"),
    ("key lookup", "lookup", "keystore"),
    ("header", "header", RECORD),
    ("AAD", "aad", RECORD),
    ("copy", "copy", RECORD),
];

/// A table with its figure for each size of record.
pub(super) fn blocks(section: &Section) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    if let Some(run) = &section.bench {
        let all = waterfalls(run);
        for bytes in distinct(all.iter().map(|one| one.bytes)) {
            let of_size: Vec<&Waterfall<'_>> = all.iter().filter(|one| one.bytes == bytes).collect();
            blocks.push(Block::new(table(bytes, &of_size)).figure(Figure::Bars(bars(bytes, &of_size))));
        }
    }
    blocks
}

/// The cost of one record on one engine, in nanoseconds.
#[derive(Clone, PartialEq, Debug)]
struct Waterfall<'a> {
    engine: &'a str,
    bytes: u64,
    /// Each part, the cipher last; none where it was measured and has an error.
    parts: Vec<(&'static str, Option<f64>)>,
    /// The whole record as measured; none where it has an error.
    record: Option<f64>,
}

impl Waterfall<'_> {
    /// The whole less its parts; negative where parts overlap in the record.
    fn rest(&self) -> Option<f64> {
        let parts: Option<f64> = self.parts.iter().map(|(_, ns)| *ns).sum();
        Some(self.record? - parts?)
    }
}

/// Every record that was measured with all its parts, errors included.
fn waterfalls(run: &Run) -> Vec<Waterfall<'_>> {
    let ns = |is: &dyn Fn(&Row) -> bool| Some(time(run.rows.iter().find(|row| is(row))?).map(|ns| ns.median));
    let of = |record: &Row| {
        let mut parts = Vec::new();
        for (name, op, of) in PARTS {
            let sized = |row: &Row| row.bytes == 0 || row.bytes == record.bytes;
            parts.push((name, ns(&|row| row.op == op && row.algorithm == of && sized(row))?));
        }
        let cipher = |row: &Row| {
            (row.op.as_str(), row.algorithm.as_str(), row.bytes) == (SEAL, RECORD_CIPHER, record.bytes)
                && row.engine == record.engine
                && workload(row).is_some_and(|known| known.aad == RECORD_AAD)
        };
        parts.push(("cipher", ns(&cipher)?));
        Some(parts)
    };
    let records = run.rows.iter().filter(|row| row.op == SEAL && row.algorithm == RECORD);
    let made = records.filter_map(|row| {
        let (parts, record) = (of(row)?, time(row).map(|ns| ns.median));
        Some(Waterfall { engine: &row.engine, bytes: row.bytes, parts, record })
    });
    made.collect()
}

/// The records of one size: a row for each engine.
fn table(bytes: u64, all: &[&Waterfall<'_>]) -> Table {
    let names = PARTS.iter().map(|(name, ..)| *name);
    let columns = ["engine"].into_iter().chain(names).chain(["cipher", "rest", "record", "record / cipher"]);
    let title = format!("Cost of sealing a record of {}: nanoseconds", size(bytes));
    let mut table = Table::new(&format!("waterfall-{bytes}"), &title, columns);
    for one in all {
        let mut row = vec![Cell::new(one.engine)];
        let number = |ns: Option<f64>| ns.map_or_else(Cell::error, |ns| Cell::new(three(ns)));
        row.extend(one.parts.iter().map(|(_, ns)| number(*ns)));
        row.push(one.rest().map_or_else(Cell::error, signed));
        row.push(number(one.record));
        let cipher = one.parts.last().and_then(|(_, ns)| *ns);
        row.push(number(one.record.zip(cipher).map(|(record, cipher)| record / cipher)));
        table.push(row);
    }
    table.note(
        "Each part was measured alone, in the same run as the whole record. The rest is the difference: \
         checks and calls. It is negative where the CPU overlaps parts within a record.",
    )
}

fn signed(x: f64) -> Cell {
    if x < 0.0 { Cell::new(format!("−{}", three(-x))).mark(Mark::Quiet) } else { Cell::new(three(x)) }
}

/// The same as stacked bars.
fn bars<'a>(bytes: u64, all: &[&Waterfall<'a>]) -> Bars<'a> {
    let names = PARTS.iter().map(|(name, ..)| *name);
    Bars {
        of: format!("Sealing a record of {}", size(bytes)),
        parts: names.chain(["cipher", "rest"]).collect(),
        bars: all.iter().filter_map(|one| bar(one)).collect(),
        failed: all.iter().filter(|one| bar(one).is_none()).map(|one| one.engine).collect(),
    }
}

/// The bar of a record; none where any part has an error. The rest is last; where parts overlap, the cipher
/// gets the remainder of the whole.
fn bar<'a>(one: &Waterfall<'a>) -> Option<Bar<'a>> {
    let whole = one.record?;
    let (mut stacked, mut at) = (Vec::new(), 0.0);
    for (_, ns) in &one.parts {
        let to = f64::min(at + (*ns)?, whole);
        stacked.push((at, to));
        at = to;
    }
    stacked.push((at, whole.max(at)));
    Some(Bar { engine: one.engine, whole, stacked })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn run() -> Run {
        let own = |op, algorithm, bytes, ns: f64| sample::row(op, algorithm, bytes, "sealmark", &[ns]);
        let mut rows = vec![
            own("nonce", "nonce", 0, 2.0),
            own("contended/lookup", "keystore", 0, 800.0),
            own("lookup", "keystore", 0, 8.0),
            own("header", "record", 0, 1.0),
            own("aad", "record", 0, 4.0),
            own("copy", "record", 64, 3.0),
            own("copy", "record", 1024, 15.0),
        ];
        for (engine, cipher, record) in [("ring", 100.0, 140.0), ("sealmark/aesni", 90.0, 115.0)] {
            rows.push(sample::row("seal", "aes-256-gcm", 1024, engine, &[cipher / 2.0]));
            let mut row = sample::row("seal", "aes-256-gcm", 1024, engine, &[cipher]);
            row.workload += "/as-in-a-record";
            rows.push(row);
            rows.push(sample::row("seal", "record", 1024, engine, &[record]));
        }
        Run { rows, ..sample::run() }
    }

    /// The tables with their bars.
    fn drawn(run: &Run) -> Vec<(Table, Bars<'_>)> {
        let all = waterfalls(run);
        let sizes = distinct(all.iter().map(|one| one.bytes)).into_iter();
        let of_size = |bytes| {
            let all: Vec<_> = all.iter().filter(|one| one.bytes == bytes).collect();
            (table(bytes, &all), bars(bytes, &all))
        };
        sizes.map(of_size).collect()
    }

    #[test]
    fn parts_and_the_rest_are_the_whole() {
        let run = run();
        let all = waterfalls(&run);
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].engine, all[0].rest()), ("ring", Some(10.0)));
        assert_eq!(all[1].rest(), Some(-5.0));
        let drawn = drawn(&run);
        assert_eq!(drawn.len(), 1);
        let last: Vec<_> = drawn[0].0.rows[1].iter().rev().take(3).map(|cell| cell.text.as_str()).collect();
        assert_eq!(last, ["1.28", "115", "−5.00"]);
        for one in &all {
            let ends = bar(one).unwrap().stacked;
            assert_eq!(Some(ends.last().unwrap().1), one.record);
            assert!(ends.iter().all(|(from, to)| from <= to));
        }
        let bars = &drawn[0].1;
        assert_eq!((bars.parts.len(), bars.bars.len(), bars.failed.len()), (7, 2, 0));
    }

    #[test]
    fn an_error_in_a_part_leaves_the_record_in_the_table() {
        let mut run = run();
        let row = |row: &&mut Row| row.workload == "seal/record/1024" && row.engine == "ring";
        run.rows.iter_mut().find(row).unwrap().error = Some("wrong".into());
        let words = |run: &Run, row: usize| {
            let (table, _) = drawn(run).remove(0);
            table.rows[row].iter().skip(5).map(|cell| cell.text.clone()).collect::<Vec<_>>()
        };
        assert_eq!(words(&run, 0), ["15.0", "100", "error", "error", "error"]);
        assert_eq!(
            words(&run, 1),
            ["15.0", "90.0", "−5.00", "115", "1.28"],
            "the other engine keeps its own"
        );
        assert_eq!(drawn(&run)[0].1.failed, ["ring"]);
        let copy = |row: &&mut Row| row.op == "copy" && row.bytes == 1024;
        run.rows.iter_mut().find(copy).unwrap().error = Some("removed".into());
        assert_eq!(words(&run, 1), ["error", "90.0", "error", "115", "1.28"]);
        assert_eq!(drawn(&run)[0].1.failed, ["ring", "sealmark/aesni"]);
    }

    #[test]
    fn a_record_without_its_parts_has_none() {
        let mut run = run();
        run.rows.retain(|row| row.op != "nonce");
        assert!(waterfalls(&run).is_empty() && drawn(&run).is_empty());
    }
}
