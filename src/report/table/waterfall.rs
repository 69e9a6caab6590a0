//! What sealing a record costs, part by part: nonce, key lookup, header, AAD, copy, cipher, and what is left.

use maud::{Markup, html};

use crate::measure::Run;
use crate::report::block::{Cell, Mark, Table};
use crate::report::number::{size, three};
use crate::report::rows::{distinct, time};

/// The parts that use no cipher: name, workload; `{}` is the size.
const PARTS: [(&str, &str); 5] = [
    ("nonce", "nonce"),
    ("key lookup", "keystore/lookup"),
    ("header", "record/header"),
    ("AAD", "record/aad"),
    ("copy", "record/copy/{}"),
];
const CIPHER: &str = "seal/aes-256-gcm/{}/as-in-a-record";
const RECORD: &str = "seal/record/{}";

/// The cost of one record on one engine, in nanoseconds.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::report) struct Waterfall<'a> {
    pub engine: &'a str,
    pub bytes: u64,
    /// Each part, the cipher last; none where it was measured and has an error.
    pub parts: Vec<(&'static str, Option<f64>)>,
    /// The whole record as measured; none where it has an error.
    pub record: Option<f64>,
}

impl Waterfall<'_> {
    /// What the parts leave of the whole; below zero where parts overlap in the record.
    pub fn rest(&self) -> Option<f64> {
        let parts: Option<f64> = self.parts.iter().map(|(_, ns)| *ns).sum();
        Some(self.record? - parts?)
    }
}

/// Every record that was measured with all its parts, whatever came of it.
pub(in crate::report) fn waterfalls(run: &Run) -> Vec<Waterfall<'_>> {
    let ns = |path: &str, engine: Option<&str>| {
        let mut rows = run.rows.iter().filter(|row| row.workload == path);
        let row = rows.find(|row| engine.is_none_or(|engine| row.engine == engine))?;
        Some(time(row).map(|ns| ns.median))
    };
    let records = run.rows.iter().filter(|row| row.op == "seal" && row.algorithm == "record");
    let of = |row: &'_ crate::measure::Row| {
        let path = |pattern: &str| pattern.replace("{}", &row.bytes.to_string());
        let mut parts = Vec::new();
        for (name, pattern) in PARTS {
            parts.push((name, ns(&path(pattern), None)?));
        }
        parts.push(("cipher", ns(&path(CIPHER), Some(&row.engine))?));
        Some((parts, ns(&path(RECORD), Some(&row.engine))?))
    };
    let made = records.filter_map(|row| {
        let (parts, record) = of(row)?;
        Some(Waterfall { engine: &row.engine, bytes: row.bytes, parts, record })
    });
    made.collect()
}

/// One table for each size: a row for each engine.
pub(in crate::report) fn tables(run: &Run) -> Vec<Table> {
    let all = waterfalls(run);
    let of_size = |bytes: u64| {
        let names = PARTS.iter().map(|(name, _)| *name);
        let columns =
            ["engine"].into_iter().chain(names).chain(["cipher", "rest", "record", "record / cipher"]);
        let title = format!("What sealing a record of {} costs: nanoseconds", size(bytes));
        let mut table = Table::new(&format!("waterfall-{bytes}"), &title, columns);
        for one in all.iter().filter(|one| one.bytes == bytes) {
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
            "Each part was measured alone, in the same run; the record as a whole. The rest is what they leave: checks, \
             and the calls between. It is below zero where the CPU does parts of a record at once that it does one \
             after the other when they are alone.",
        )
    };
    distinct(all.iter().map(|one| one.bytes)).into_iter().map(of_size).collect()
}

fn signed(x: f64) -> Cell {
    if x < 0.0 { Cell::new(format!("−{}", three(-x))).mark(Mark::Quiet) } else { Cell::new(three(x)) }
}

/// The records of one size as stacked bars, one for each engine.
pub(in crate::report) fn figure(run: &Run, bytes: u64) -> Markup {
    const LEFT: f64 = 150.0;
    const WIDTH: f64 = 820.0;
    const BAR: f64 = 22.0;
    let (all, failed): (Vec<_>, Vec<_>) = waterfalls(run)
        .into_iter()
        .filter(|one| one.bytes == bytes)
        .map(|one| Bar::of(&one).ok_or(one.engine))
        .partition(Result::is_ok);
    let all: Vec<Bar<'_>> = all.into_iter().flatten().collect();
    let failed: Vec<&str> = failed.into_iter().filter_map(Result::err).collect();
    // The slowest would leave nothing to see of the others: a bar that is longer is cut, and says its length.
    let mut lengths: Vec<f64> = all.iter().map(|one| one.record).collect();
    lengths.sort_by(f64::total_cmp);
    let most = lengths.get(lengths.len() / 2).copied().unwrap_or(1.0) * 2.0;
    let most = most.min(lengths.last().copied().unwrap_or(1.0));
    let x = |ns: f64| (ns / most).min(1.0) * (WIDTH - LEFT - 120.0);
    let height = 34.0 + (all.len() + failed.len()) as f64 * (BAR + 8.0);
    let names: Vec<&str> = PARTS.iter().map(|(name, _)| *name).chain(["cipher", "rest"]).collect();
    let words = all.iter().map(|one| format!("{}: {} ns", one.engine, three(one.record)));
    let words: Vec<String> = words.chain(failed.iter().map(|engine| format!("{engine}: error"))).collect();
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {height}")) role="img"
            aria-label=(format!("Cost of a record of {} by part. {}.", size(bytes), words.join(", "))) {
            @for (i, name) in names.iter().enumerate() {
                rect x=(LEFT + i as f64 * 92.0) y="4" width="11" height="11" fill=(color(i)) {}
                text x=(LEFT + i as f64 * 92.0 + 16.0) y="14" font-size="12" fill="currentColor" { (name) }
            }
            @for (n, one) in all.iter().enumerate() {
                @let y = 30.0 + n as f64 * (BAR + 8.0);
                text x=(LEFT - 8.0) y=(y + 16.0) font-size="13" text-anchor="end" fill="currentColor" { (one.engine) }
                @for (i, &(from, to)) in one.stacked.iter().enumerate() {
                    rect x=(format!("{:.1}", LEFT + x(from))) y=(y) width=(format!("{:.1}", x(to) - x(from)))
                        height=(BAR) fill=(color(i)) {}
                }
                text x=(format!("{:.1}", LEFT + x(one.record) + 6.0)) y=(y + 16.0) font-size="13" fill="currentColor" {
                    (three(one.record)) " ns" @if one.record > most { " (cut)" }
                }
            }
            @for (n, engine) in failed.iter().enumerate() {
                @let y = 46.0 + (all.len() + n) as f64 * (BAR + 8.0);
                text x=(LEFT - 8.0) y=(y) font-size="13" text-anchor="end" fill="currentColor" { (engine) }
                text x=(LEFT) y=(y) font-size="13" fill="currentColor" { "error: see the table" }
            }
        }
    }
}

fn color(part: usize) -> String {
    format!("var(--line-{part})")
}

/// A record that can be drawn: nothing of it has an error.
struct Bar<'a> {
    engine: &'a str,
    record: f64,
    /// Where each part begins and ends, the rest last. Where parts overlap, the cipher is what remains of the
    /// whole.
    stacked: Vec<(f64, f64)>,
}

impl<'a> Bar<'a> {
    fn of(one: &Waterfall<'a>) -> Option<Self> {
        let record = one.record?;
        let (mut stacked, mut at) = (Vec::new(), 0.0);
        for (_, ns) in &one.parts {
            let to = f64::min(at + (*ns)?, record);
            stacked.push((at, to));
            at = to;
        }
        stacked.push((at, record.max(at)));
        Some(Self { engine: one.engine, record, stacked })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Row;
    use crate::report::sample;

    fn run() -> Run {
        let own = |path: &str, ns: f64| Row {
            workload: path.into(),
            engine: "sealmark".into(),
            ..sample::row("x", "y", 0, "sealmark", &[ns])
        };
        let mut rows = vec![
            own("nonce", 2.0),
            own("keystore/lookup", 8.0),
            own("record/header", 1.0),
            own("record/aad", 4.0),
            own("record/copy/1024", 15.0),
        ];
        for (engine, cipher, record) in [("ring", 100.0, 140.0), ("sealmark/aesni", 90.0, 115.0)] {
            let mut row = sample::row("seal", "aes-256-gcm", 1024, engine, &[cipher]);
            row.workload += "/as-in-a-record";
            rows.push(row);
            rows.push(sample::row("seal", "record", 1024, engine, &[record]));
        }
        Run { rows, ..sample::run() }
    }

    #[test]
    fn parts_and_the_rest_are_the_whole() {
        let run = run();
        let all = waterfalls(&run);
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].engine, all[0].rest()), ("ring", Some(10.0)));
        assert_eq!(all[1].rest(), Some(-5.0));
        let tables = tables(&run);
        assert_eq!(tables.len(), 1);
        let last: Vec<_> = tables[0].rows[1].iter().rev().take(3).map(|cell| cell.text.as_str()).collect();
        assert_eq!(last, ["1.28", "115", "−5.00"]);
        for one in &all {
            let ends = Bar::of(one).unwrap().stacked;
            assert_eq!(Some(ends.last().unwrap().1), one.record);
            assert!(ends.iter().all(|(from, to)| from <= to));
        }
        let svg = figure(&run, 1024).into_string();
        let document = roxmltree::Document::parse(&svg).unwrap();
        assert_eq!(document.descendants().filter(|node| node.has_tag_name("rect")).count(), 7 + 2 * 7);
    }

    #[test]
    fn an_error_in_a_part_leaves_the_record_in_the_table() {
        let mut run = run();
        let row = |row: &&mut Row| row.workload == "seal/record/1024" && row.engine == "ring";
        run.rows.iter_mut().find(row).unwrap().error = Some("wrong".into());
        let words = |run: &Run, row: usize| {
            let table = tables(run).remove(0);
            table.rows[row].iter().skip(5).map(|cell| cell.text.clone()).collect::<Vec<_>>()
        };
        assert_eq!(words(&run, 0), ["15.0", "100", "error", "error", "error"]);
        assert_eq!(
            words(&run, 1),
            ["15.0", "90.0", "−5.00", "115", "1.28"],
            "the other engine keeps its own"
        );
        let svg = figure(&run, 1024).into_string();
        assert!(svg.contains("error: see the table") && svg.contains("ring: error"), "{svg}");
        run.rows.iter_mut().find(|row| row.workload == "record/copy/1024").unwrap().error =
            Some("removed".into());
        assert_eq!(words(&run, 1), ["error", "90.0", "error", "115", "1.28"]);
        let svg = figure(&run, 1024).into_string();
        assert_eq!(svg.matches("error: see the table").count(), 2);
    }

    #[test]
    fn a_record_without_its_parts_has_none() {
        let mut run = run();
        run.rows.retain(|row| row.workload != "nonce");
        assert!(waterfalls(&run).is_empty() && tables(&run).is_empty());
    }
}
