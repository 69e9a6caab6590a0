//! The cost of a record or a frame, part by part: nonce, key lookup, header, AAD, copy, cipher, and the rest.

use crate::measure::{Row, Run};
use crate::report::block::{Block, Cell, Mark, Table};
use crate::report::figure::{Bar, Bars, Figure};
use crate::report::number::{capital, size, three};
use crate::report::rows::{FRAME, FRAME_AAD, OPEN, RECORD, RECORD_AAD, SEAL, distinct, is_cipher, time};
use crate::report::section::Section;

/// An operation that was measured as a whole and part by part.
struct Whole {
    /// Begins the ids of its tables; the size follows.
    id: &'static str,
    /// In words: `sealing a record`.
    words: &'static str,
    op: &'static str,
    of: &'static str,
    /// The parts that use no cipher: name, operation and its subject. A part with a message has the whole's.
    parts: &'static [(&'static str, &'static str, &'static str)],
    /// The cipher's additional data, in bytes.
    aad: usize,
}

const WHOLES: [Whole; 3] = [
    Whole {
        id: "waterfall",
        words: "sealing a record",
        op: SEAL,
        of: RECORD,
        parts: &[
            ("nonce", "nonce", "nonce"),
            ("key lookup", "lookup", "keystore"),
            ("header", "header", RECORD),
            ("AAD", "aad", RECORD),
            ("copy", "copy", RECORD),
        ],
        aad: RECORD_AAD,
    },
    Whole {
        id: "waterfall-seal-frame",
        words: "sealing a frame",
        op: SEAL,
        of: FRAME,
        parts: &[
            ("lookup", "lookup", FRAME),
            ("header", "header", FRAME),
            ("copy", "copy", FRAME),
            ("salvage", "salvage", FRAME),
        ],
        aad: FRAME_AAD,
    },
    Whole {
        id: "waterfall-open-frame",
        words: "opening a frame",
        op: OPEN,
        of: FRAME,
        parts: &[("header", "parse", FRAME), ("lookup", "lookup", FRAME), ("window", "window", FRAME)],
        aad: FRAME_AAD,
    },
];

/// A table with its figure for each operation and size.
pub(super) fn blocks(section: &Section) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    if let Some(run) = &section.bench {
        for (whole, bytes, all) in by_size(run) {
            let drawing = Figure::Bars(bars(whole, bytes, &all));
            blocks.push(Block::new(table(whole, bytes, &all)).figure(drawing));
        }
    }
    blocks
}

/// The waterfalls of each operation and size.
fn by_size(run: &Run) -> Vec<(&'static Whole, u64, Vec<Waterfall<'_>>)> {
    let mut found = Vec::new();
    for whole in &WHOLES {
        let all = waterfalls(run, whole);
        for bytes in distinct(all.iter().map(|one| one.bytes)) {
            let of_size = all.iter().filter(|one| one.bytes == bytes).cloned().collect();
            found.push((whole, bytes, of_size));
        }
    }
    found
}

/// The cost of one operation on one engine, in nanoseconds.
#[derive(Clone, PartialEq, Debug)]
struct Waterfall<'a> {
    engine: &'a str,
    bytes: u64,
    /// Each part, the cipher last; none where it was measured and has an error.
    parts: Vec<(&'static str, Option<f64>)>,
    /// The whole as measured; none where it has an error.
    whole: Option<f64>,
}

impl Waterfall<'_> {
    /// The whole less its parts; negative where parts overlap in it.
    fn rest(&self) -> Option<f64> {
        let parts: Option<f64> = self.parts.iter().map(|(_, ns)| *ns).sum();
        Some(self.whole? - parts?)
    }
}

/// Every record or frame that was measured with all its parts, errors included.
fn waterfalls<'a>(run: &'a Run, whole: &Whole) -> Vec<Waterfall<'a>> {
    let ns = |is: &dyn Fn(&Row) -> bool| Some(time(run.rows.iter().find(|row| is(row))?).map(|ns| ns.median));
    let of = |one: &Row| {
        let mut parts = Vec::new();
        for &(name, op, of) in whole.parts {
            let sized = |row: &Row| row.bytes == 0 || row.bytes == one.bytes;
            parts.push((name, ns(&|row| row.op == op && row.algorithm == of && sized(row))?));
        }
        let alike = |row: &Row| row.bytes == one.bytes && row.engine == one.engine;
        parts.push(("cipher", ns(&|row| alike(row) && is_cipher(row, whole.op, whole.aad))?));
        Some(parts)
    };
    let wholes = run.rows.iter().filter(|row| row.op == whole.op && row.algorithm == whole.of);
    let made = wholes.filter_map(|row| {
        let (parts, whole) = (of(row)?, time(row).map(|ns| ns.median));
        Some(Waterfall { engine: &row.engine, bytes: row.bytes, parts, whole })
    });
    made.collect()
}

/// The operations of one size: a row for each engine.
fn table(whole: &Whole, bytes: u64, all: &[Waterfall<'_>]) -> Table {
    let ratio = format!("{} / cipher", whole.of);
    let names = whole.parts.iter().map(|(name, ..)| *name);
    let columns = ["engine"].into_iter().chain(names).chain(["cipher", "rest", whole.of, &ratio]);
    let title = format!("Cost of {} of {}: nanoseconds", whole.words, size(bytes));
    let mut table = Table::new(&format!("{}-{bytes}", whole.id), &title, columns);
    for one in all {
        let mut row = vec![Cell::new(one.engine)];
        let number = |ns: Option<f64>| ns.map_or_else(Cell::error, |ns| Cell::new(three(ns)));
        row.extend(one.parts.iter().map(|(_, ns)| number(*ns)));
        row.push(one.rest().map_or_else(Cell::error, signed));
        row.push(number(one.whole));
        let cipher = one.parts.last().and_then(|(_, ns)| *ns);
        row.push(number(one.whole.zip(cipher).map(|(whole, cipher)| whole / cipher)));
        table.push(row);
    }
    table.note(&format!(
        "Each part was measured alone, in the same run as the whole {of}. The rest is the difference: \
         checks and calls. It is negative where the CPU overlaps parts within a {of}.",
        of = whole.of
    ))
}

fn signed(x: f64) -> Cell {
    if x < 0.0 { Cell::new(format!("−{}", three(-x))).mark(Mark::Quiet) } else { Cell::new(three(x)) }
}

/// The same as stacked bars.
fn bars<'a>(whole: &Whole, bytes: u64, all: &[Waterfall<'a>]) -> Bars<'a> {
    let names = whole.parts.iter().map(|(name, ..)| *name);
    Bars {
        of: format!("{} of {}", capital(whole.words), size(bytes)),
        parts: names.chain(["cipher", "rest"]).collect(),
        bars: all.iter().filter_map(bar).collect(),
        failed: all.iter().filter(|one| bar(one).is_none()).map(|one| one.engine).collect(),
    }
}

/// The bar of a whole; none where any part has an error. The rest is last; where parts overlap, the cipher
/// gets the remainder of the whole.
fn bar<'a>(one: &Waterfall<'a>) -> Option<Bar<'a>> {
    let whole = one.whole?;
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
        let drawn = |(whole, bytes, all): (&Whole, u64, Vec<_>)| {
            (table(whole, bytes, &all), bars(whole, bytes, &all))
        };
        by_size(run).into_iter().map(drawn).collect()
    }

    #[test]
    fn parts_and_the_rest_are_the_whole() {
        let run = run();
        let all = waterfalls(&run, &WHOLES[0]);
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].engine, all[0].rest()), ("ring", Some(10.0)));
        assert_eq!(all[1].rest(), Some(-5.0));
        let drawn = drawn(&run);
        assert_eq!(drawn.len(), 1);
        let last: Vec<_> = drawn[0].0.rows[1].iter().rev().take(3).map(|cell| cell.text.as_str()).collect();
        assert_eq!(last, ["1.28", "115", "−5.00"]);
        for one in &all {
            let ends = bar(one).unwrap().stacked;
            assert_eq!(Some(ends.last().unwrap().1), one.whole);
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
        assert!(waterfalls(&run, &WHOLES[0]).is_empty() && drawn(&run).is_empty());
    }

    #[test]
    fn a_frame_has_its_own_parts_on_either_way() {
        let own = |op, of, bytes, ns: f64| sample::row(op, of, bytes, "sealmark", &[ns]);
        let mut rows = vec![own("lookup", "frame", 0, 20.0), own("lookup", "peers", 0, 900.0)];
        for (op, ns) in [("header", 2.0), ("parse", 1.0), ("window", 10.0)] {
            rows.push(own(op, "frame", 0, ns));
        }
        rows.extend([own("copy", "frame", 1350, 15.0), own("salvage", "frame", 1350, 30.0)]);
        for (op, cipher, whole) in [("seal", 150.0, 225.0), ("open", 160.0, 200.0)] {
            let mut row = sample::row(op, "aes-256-gcm", 1350, "ring", &[cipher]);
            row.workload += "/as-in-a-frame";
            rows.extend([row, sample::row(op, "frame", 1350, "ring", &[whole])]);
        }
        let run = Run { rows, ..sample::run() };
        let drawn = drawn(&run);
        let words = |table: &Table| table.rows[0].iter().map(|cell| cell.text.clone()).collect::<Vec<_>>();
        let ids: Vec<_> = drawn.iter().map(|(table, _)| table.id.as_str()).collect();
        assert_eq!(ids, ["waterfall-seal-frame-1350", "waterfall-open-frame-1350"]);
        let [(seal, bars), (open, _)] = &drawn[..] else { panic!("{drawn:?}") };
        assert_eq!(words(seal), ["ring", "20.0", "2.00", "15.0", "30.0", "150", "8.00", "225", "1.50"]);
        assert_eq!(words(open), ["ring", "1.00", "20.0", "10.0", "160", "9.00", "200", "1.25"]);
        assert_eq!(open.columns.last().unwrap().name, "frame / cipher");
        assert_eq!((bars.of.as_str(), bars.parts.len()), ("Sealing a frame of 1,350 B", 6));
    }
}
