//! The price of integrity: an append to the checked log and to the sealed one, part by part.

use crate::measure::{Row, Run};
use crate::report::block::{Block, Cell, Mark, Table};
use crate::report::figure::{Bar, Bars, Figure};
use crate::report::number::{size, three};
use crate::report::rows::{CHECKED_LOG, LOG, RECORD_CIPHER, SEAL, SEALED_LOG, distinct, is_usual, time};
use crate::report::section::Section;

const APPEND: &str = "append";
/// What the checked log's row is called, which no engine works for.
const CHECKED: &str = "checked";

/// A table with its figure for each size of record that was measured in both logs with its parts.
pub(super) fn blocks(section: &Section) -> Vec<Block<'_>> {
    let Some(run) = &section.bench else { return Vec::new() };
    let checked = run.rows.iter().filter(|row| is(row, APPEND, CHECKED_LOG));
    let drawn = distinct(checked.map(|row| row.bytes)).into_iter().filter_map(|bytes| {
        let all = appends(run, bytes)?;
        Some(Block::new(table(bytes, &all)).figure(Figure::Bars(bars(bytes, &all))))
    });
    drawn.collect()
}

/// One append, in nanoseconds. A part that was measured and has an error is none.
#[derive(Clone, PartialEq, Debug)]
struct Append<'a> {
    engine: &'a str,
    write: Option<f64>,
    /// The CRC-32C of the checked log, or the cipher of the sealed one.
    check: Option<f64>,
    whole: Option<f64>,
}

impl Append<'_> {
    /// The whole less its parts; negative where parts overlap in it.
    fn rest(&self) -> Option<f64> {
        Some(self.whole? - self.write? - self.check?)
    }
}

fn is(row: &Row, op: &str, of: &str) -> bool {
    (row.op.as_str(), row.algorithm.as_str()) == (op, of)
}

/// The append to the checked log, then those to the sealed one, an engine each; none without all parts.
fn appends(run: &Run, bytes: u64) -> Option<Vec<Append<'_>>> {
    let of_size = || run.rows.iter().filter(move |row| row.bytes == bytes);
    let ns = |row: &Row| time(row).map(|ns| ns.median);
    let one = |op: &str, of: &str| of_size().find(|row| is(row, op, of));
    let write = ns(one("write", LOG)?);
    let (check, whole) = (ns(one("checksum", LOG)?), ns(one(APPEND, CHECKED_LOG)?));
    let mut all = vec![Append { engine: CHECKED, write, check, whole }];
    for row in of_size().filter(|row| is(row, APPEND, SEALED_LOG)) {
        let is_its =
            |other: &Row| other.engine == row.engine && is(other, SEAL, RECORD_CIPHER) && is_usual(other);
        let Some(cipher) = of_size().find(|other| is_its(other)) else { continue };
        all.push(Append { engine: &row.engine, write, check: ns(cipher), whole: ns(row) });
    }
    (all.len() > 1).then_some(all)
}

/// A row for the checked log, and one for the sealed log with each engine.
fn table(bytes: u64, all: &[Append<'_>]) -> Table {
    let columns = ["engine", "write", "checksum", "cipher", "rest", APPEND, "append / checked"];
    let title = format!("Price of integrity: appending a record of {}: nanoseconds", size(bytes));
    let mut table = Table::new(&format!("integrity-append-{bytes}"), &title, columns);
    let number = |ns: Option<f64>| ns.map_or_else(Cell::error, |ns| Cell::new(three(ns)));
    let checked = all[0].whole;
    for one in all {
        let check = number(one.check);
        let (checksum, cipher) =
            if one.engine == CHECKED { (check, Cell::none()) } else { (Cell::none(), check) };
        let rest = match one.rest() {
            Some(rest) if rest < 0.0 => Cell::new(format!("−{}", three(-rest))).mark(Mark::Quiet),
            rest => number(rest),
        };
        let ratio = one.whole.zip(checked).map(|(whole, checked)| whole / checked);
        table.push(vec![
            Cell::new(one.engine),
            number(one.write),
            checksum,
            cipher,
            rest,
            number(one.whole),
            number(ratio),
        ]);
    }
    table.note(
        "“checked” is the log with checksums, the other rows are the sealed log with each engine; neither \
         append is synced. Each part was measured alone, in the same run: the same bytes written to a file, \
         their CRC-32C, and the cipher with a short AAD. The rest is the difference: composing the record, \
         checks and calls. It is negative where the CPU overlaps parts.",
    )
}

/// The same as stacked bars. Where parts overlap, the last gets the remainder of the whole.
fn bars<'a>(bytes: u64, all: &[Append<'a>]) -> Bars<'a> {
    let bar = |one: &Append<'a>| {
        let (whole, mut at, mut stacked) = (one.whole?, 0.0, Vec::new());
        let check = one.check?;
        let (checksum, cipher) = if one.engine == CHECKED { (check, 0.0) } else { (0.0, check) };
        for ns in [one.write?, checksum, cipher] {
            let to = f64::min(at + ns, whole);
            stacked.push((at, to));
            at = to;
        }
        stacked.push((at, whole.max(at)));
        Some(Bar { engine: one.engine, whole, stacked })
    };
    Bars {
        of: format!("Appending a record of {}", size(bytes)),
        parts: vec!["write", "checksum", "cipher", "rest"],
        bars: all.iter().filter_map(bar).collect(),
        failed: all.iter().filter(|one| bar(one).is_none()).map(|one| one.engine).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn run() -> Run {
        let own = |op, of, ns: f64| sample::row(op, of, 4096, "sealmark", &[ns]);
        let mut rows = vec![
            own("write", "log", 2_000.0),
            own("checksum", "log", 70.0),
            own("append", "log/checked", 2_200.0),
            sample::row("append", "log/checked", 64, "sealmark", &[500.0]),
        ];
        for (engine, cipher, whole) in [("ring", 1_000.0, 2_900.0), ("sealmark/vaes512", 300.0, 2_420.0)] {
            let mut variant = sample::row("seal", "aes-256-gcm", 4096, engine, &[cipher / 2.0]);
            variant.workload += "/cold";
            rows.push(sample::row("seal", "aes-256-gcm", 4096, engine, &[cipher]));
            rows.push(sample::row("append", "log/sealed", 4096, engine, &[whole]));
        }
        Run { rows, ..sample::run() }
    }

    fn words(table: &Table, row: usize) -> Vec<&str> {
        table.rows[row].iter().map(|cell| cell.text.as_str()).collect()
    }

    #[test]
    fn the_parts_and_the_rest_are_the_append_and_the_ratio_is_to_the_checked_log() {
        let run = run();
        let all = appends(&run, 4096).unwrap();
        let table = table(4096, &all);
        let none = Cell::none().text;
        assert_eq!(words(&table, 0), ["checked", "2,000", "70.0", &none, "130", "2,200", "1.00"]);
        assert_eq!(words(&table, 1), ["ring", "2,000", &none, "1,000", "−100", "2,900", "1.32"]);
        assert_eq!(words(&table, 2), ["sealmark/vaes512", "2,000", &none, "300", "120", "2,420", "1.10"]);
        let bars = bars(4096, &all);
        for bar in &bars.bars {
            assert_eq!((bar.stacked.len(), bar.stacked.last().unwrap().1), (bars.parts.len(), bar.whole));
            assert!(bar.stacked.iter().all(|(from, to)| from <= to));
        }
        assert_eq!((bars.bars.len(), bars.failed.len()), (3, 0));
        assert_eq!(appends(&run, 64), None, "its parts were not measured");
    }

    #[test]
    fn an_error_is_shown_where_it_is_and_in_what_is_computed_from_it() {
        let mut run = run();
        let row = |row: &&mut Row| row.op == "append" && row.engine == "ring";
        run.rows.iter_mut().find(row).unwrap().error = Some("no room".into());
        let all = appends(&run, 4096).unwrap();
        let none = Cell::none().text;
        assert_eq!(
            words(&table(4096, &all), 1),
            ["ring", "2,000", &none, "1,000", "error", "error", "error"]
        );
        assert_eq!(words(&table(4096, &all), 2)[6], "1.10", "the other engine keeps its own");
        assert_eq!(bars(4096, &all).failed, ["ring"]);
        run.rows.iter_mut().find(|row| row.op == "write").unwrap().error = Some("no room".into());
        let all = appends(&run, 4096).unwrap();
        assert_eq!(words(&table(4096, &all), 2)[4..], ["error", "2,420", "1.10"]);
    }
}
