//! The numbers of each curve by engine and size: GB/s, or nanoseconds of a latency; and percent of the CPU's
//! limit.

use crate::measure::limit::roofline::By;
use crate::measure::{Estimate, Run};
use crate::report::answer::leads_among;
use crate::report::block::{Block, Cell, Mark, Table};
use crate::report::curve::Lead;
use crate::report::curve::{Curve, Speed, Unit, curves};
use crate::report::figure::Figure;
use crate::report::number::{size, three};
use crate::report::rows::{RECORD_CIPHER, interval, processes, steered, time};
use crate::report::section::Section;

/// The curves of AES-256-GCM: seal, open, latency, batches.
pub(super) fn blocks(section: &Section) -> Vec<Block<'_>> {
    of(section, |algorithm| algorithm == RECORD_CIPHER)
}

/// The curves of some algorithms: for each its numbers, then its distance from the CPU's limit where that is
/// known.
pub(super) fn of(section: &Section, wanted: impl Fn(&str) -> bool) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    if let Some(run) = &section.bench {
        for curve in curves(run).into_iter().filter(|curve| wanted(curve.algorithm)) {
            let limit = curve.of_limit();
            let numbers = Block::new(table(run, &curve));
            // Nanoseconds from call to call rise with the size: a picture of them shows nothing, so the one
            // of the limit stays open.
            let is_latency = curve.is_latency();
            let words = finding(run, &curve);
            blocks.push(if is_latency { numbers } else { numbers.figure(Figure::Curve(curve, words)) });
            blocks.extend(limit.map(|limit| {
                let (table, words) = (table(run, &limit), finding(run, &limit));
                let block = Block::new(table).figure(Figure::Curve(limit, words));
                if is_latency { block } else { block.folded() }
            }));
        }
    }
    blocks
}

/// Who is fastest with a short message and with a long one, as the answer says it.
fn finding(run: &Run, curve: &Curve<'_>) -> String {
    let (what, said): (_, fn(&Lead) -> Option<String>) = match curve.unit {
        Unit::Throughput => ("Fastest", |lead| Some(lead.name_or_tie())),
        Unit::Limit => ("Closest to the limit", |lead| {
            Some(format!("{} at {} %{}", lead.engine, three(lead.percent?), lead.tie()))
        }),
    };
    let leads = leads_among(run, &curve.rows);
    let words = |lead: &Lead| Some(format!("at {}: {}", size(lead.bytes), said(lead)?));
    let words: Vec<String> = leads.iter().flatten().filter_map(words).collect();
    if words.is_empty() { String::new() } else { format!("{what} {}.", words.join("; ")) }
}

/// What a curve shows, by engine and size.
fn table(run: &Run, curve: &Curve<'_>) -> Table {
    let sizes = curve.sizes.iter().map(|&bytes| size(bytes));
    let columns = std::iter::once("engine".to_owned()).chain(sizes);
    let mut table = Table::new(&curve.id(), &title(curve), columns);
    table.details = false;
    for &engine in &curve.engines {
        let mut row = vec![Cell::new(engine)];
        row.extend(curve.sizes.iter().map(|&bytes| cell(run, curve, engine, bytes)));
        table.push(row);
    }
    let note = match curve.unit {
        Unit::Throughput => note(run, curve, &table),
        Unit::Limit => limit_note(run, curve, &table),
    };
    if curve.unit == Unit::Limit {
        table.push(bounds(curve));
        table.footed = true;
    }
    table.note(&note)
}

fn title(curve: &Curve<'_>) -> String {
    let title = curve.title();
    match curve.unit {
        Unit::Limit => format!("{title}, by message size"),
        Unit::Throughput if curve.is_latency() => format!("{title}: nanoseconds by message size"),
        Unit::Throughput => format!("{title}: GB/s by message size"),
    }
}

fn cell(run: &Run, curve: &Curve<'_>, engine: &str, bytes: u64) -> Cell {
    let found = curve.row(engine, bytes);
    let number = match curve.unit {
        Unit::Throughput if curve.is_latency() => {
            let ns = |ns: Estimate| Speed { median: ns.median, low: ns.low, high: ns.high };
            found.and_then(time).map(ns)
        }
        _ => curve.value(engine, bytes),
    };
    match found.zip(number) {
        Some((row, Speed { median, low, high })) => {
            let mark = if curve.clear(bytes) == Some(engine) { Mark::Best } else { Mark::Plain };
            let number = Cell::new(three(median)).mark(mark);
            // How sure a percentage is says the time that it is made of.
            if curve.unit == Unit::Limit { number } else { number.detail(interval(run, row, low, high)) }
        }
        None if curve.has_failed(engine, bytes) => Cell::error(),
        None => Cell::none(),
    }
}

/// The last row of a table of limits: the limit itself.
fn bounds(curve: &Curve<'_>) -> Vec<Cell> {
    let bound = |&bytes: &u64| {
        let limit = curve.rows_at(bytes).find_map(|row| row.limit.as_ref());
        limit.map_or_else(Cell::none, |limit| {
            let by = if limit.bound.by == By::Latency { "latency" } else { "throughput" };
            Cell::new(three(limit.bound.cycles)).detail(format!("{by}, {}", limit.bound.backend))
        })
    };
    std::iter::once(Cell::new("the limit, in cycles")).chain(curve.sizes.iter().map(bound)).collect()
}

fn limit_note(run: &Run, curve: &Curve<'_>, table: &Table) -> String {
    let marked = if table.has(Mark::Best) {
        " Bold or *: the best, where this run can tell it from all others."
    } else {
        ""
    };
    format!(
        "100 % is the least time in which this CPU can do the AES rounds and carry-less multiplies alone; \
         loads, stores and the call come on top. Median over {}.{marked}{}",
        processes(run),
        steered(run, &curve.engines),
    )
}

fn note(run: &Run, curve: &Curve<'_>, table: &Table) -> String {
    let ends: Vec<Estimate> = curve.rows.iter().filter_map(|row| time(row)).collect();
    let slow = ends.iter().map(|ns| ns.high / ns.median - 1.0).fold(0.0, f64::max);
    let quick = ends.iter().map(|ns| 1.0 - ns.low / ns.median).fold(0.0, f64::max);
    let marked = if table.has(Mark::Best) {
        " Bold or *: the fastest, where this run can tell it from all others."
    } else {
        ""
    };
    let failed = if table.has(Mark::Bad) { " An engine with an error is not compared there." } else { "" };
    let unit = if curve.is_latency() {
        "Nanoseconds per call when each call waits for the tag of the one before: median"
    } else {
        "GB/s: 10⁹ message bytes per second, median"
    };
    format!(
        "{unit} over {}; the widest interval reaches {:.1} % below and {:.1} % above its median time.\
         {}{marked}{failed}{}",
        processes(run),
        quick * 100.0,
        slow * 100.0,
        curve.batches(),
        steered(run, &curve.engines),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Row;
    use crate::report::sample;

    fn by_hand(rows: Vec<Row>) -> Run {
        Run { rows, ..sample::run() }
    }

    #[test]
    fn a_cell_has_the_speed_and_its_interval() {
        let run = by_hand(vec![
            sample::row("seal", "a", 1000, "ring", &[100.0, 80.0, 125.0]),
            sample::row("seal", "a", 2000, "ring", &[100.0]),
        ]);
        let cell = &table(&run, &curves(&run)[0]).rows[0][1];
        assert_eq!((cell.text.as_str(), cell.detail.as_str()), ("10.0", "8.00–12.5"));
        assert_eq!(cell.mark, Mark::Plain, "one engine alone is not the quickest");
    }

    #[test]
    fn a_row_with_an_error_has_no_time_even_when_the_file_gives_one() {
        let mut run = by_hand(vec![
            sample::row("seal", "a", 1000, "ring", &[100.0]),
            sample::row("seal", "a", 2000, "ring", &[100.0]),
        ]);
        run.rows[0].error = Some("wrong tag".into());
        assert_eq!(table(&run, &curves(&run)[0]).rows[0][1], Cell::error());
    }

    #[test]
    fn a_curve_has_a_figure_and_a_latency_the_table_alone() {
        let mut section = Section { host: sample::host(), verify: None, bench: Some(sample::run()) };
        assert!(of(&section, |_| true).iter().all(|block| block.figure.is_some() && !block.folded));
        let rows = [16, 64].map(|bytes| sample::row("latency/seal", "a", bytes, "ring", &[9.0]));
        section.bench = Some(by_hand(rows.into()));
        let found = of(&section, |_| true);
        assert!(found.len() == 1 && found[0].figure.is_none());
        assert!(blocks(&section).is_empty(), "of another algorithm");
    }

    #[test]
    fn the_fastest_is_marked_only_where_the_run_can_tell_it_from_all_others() {
        let rows = |peer: &[f64]| {
            by_hand(vec![
                sample::row("seal", "a", 1000, "ring", &[100.0, 90.0, 110.0]),
                sample::row("seal", "a", 1000, "aws-lc", peer),
                sample::row("seal", "a", 2000, "ring", &[200.0]),
            ])
        };
        let (clear, near) = (rows(&[80.0, 79.0, 89.0]), rows(&[80.0, 91.0, 79.0]));
        let lead = |run| {
            let lead = curves(run)[0].lead(1000).unwrap();
            (lead.engine.clone(), lead.gb_per_s, lead.tie())
        };
        assert_eq!(lead(&clear), ("aws-lc".into(), Some(12.5), String::new()));
        assert_eq!(lead(&near), ("aws-lc".into(), Some(12.5), ", too close to ring to call".into()));
        assert!(table(&clear, &curves(&clear)[0]).has(Mark::Best));
        assert!(!table(&near, &curves(&near)[0]).has(Mark::Best));
    }

    #[test]
    fn a_latency_is_in_nanoseconds_and_the_least_is_marked() {
        let run = by_hand(vec![
            sample::row("latency/seal", "a", 16, "ring", &[100.0, 80.0, 125.0]),
            sample::row("latency/seal", "a", 16, "aws-lc", &[40.0, 39.0, 41.0]),
            sample::row("latency/seal", "a", 64, "ring", &[200.0]),
        ]);
        let curves = curves(&run);
        assert_eq!((curves.len(), curves[0].is_latency()), (1, true));
        let table = table(&run, &curves[0]);
        assert_eq!(table.id, "latency-seal-a");
        assert_eq!(table.title, "Latency of seal, a: nanoseconds by message size");
        assert!(
            !table.note.contains("GB/s") && table.note.contains("tag of the one before"),
            "{}",
            table.note
        );
        let cell = |row: usize| (table.rows[row][1].text.as_str(), table.rows[row][1].detail.as_str());
        let row = |engine| table.rows.iter().position(|row| row[0].text == engine).unwrap();
        assert_eq!(cell(row("ring")), ("100", "80.0–125"));
        assert_eq!(cell(row("aws-lc")), ("40.0", "39.0–41.0"));
        assert_eq!(table.rows[row("aws-lc")][1].mark, Mark::Best);
    }

    #[test]
    fn a_batch_says_how_many_messages_it_has() {
        let batch = |bytes, batch| {
            let row = sample::row("seal_batch", "a", bytes, "ring", &[10.0]);
            Row { batch: Some(batch), ..row }
        };
        let run = by_hand(vec![batch(16, 64), batch(64, 64)]);
        let one = table(&run, &curves(&run)[0]);
        assert_eq!(one.title, "Seal batch, a: GB/s by message size");
        assert!(one.note.contains(" 64 messages go to the engine at once"), "{}", one.note);
        let run = by_hand(vec![batch(16, 64), batch(1024, 16)]);
        assert!(table(&run, &curves(&run)[0]).note.contains(" 16 to 64 messages go"));
        let single = sample::run();
        assert!(!table(&single, &curves(&single)[0]).note.contains("at once"));
    }

    #[test]
    fn an_error_is_in_both_tables_and_a_row_that_lost_a_process_says_so() {
        let mut run = by_hand(vec![
            sample::row("seal", "a", 1000, "ring", &[100.0, 80.0, 125.0]),
            sample::row("seal", "a", 1000, "aws-lc", &[100.0, 80.0, 125.0]),
            sample::row("seal", "a", 2000, "ring", &[100.0, 80.0]),
        ]);
        run.rows[1].error = Some("wrong".into());
        let curve = &curves(&run)[0];
        let (numbers, limits) =
            (table(&run, curve), table(&run, &Curve { unit: Unit::Limit, ..curve.clone() }));
        let row = |table: &Table, engine: &str| {
            table.rows.iter().find(|row| row[0].text == engine).unwrap().clone()
        };
        assert_eq!(row(&numbers, "aws-lc")[1..], [Cell::error(), Cell::none()]);
        assert_eq!(row(&limits, "aws-lc")[1..], [Cell::error(), Cell::none()]);
        assert_eq!(row(&numbers, "ring")[1].detail, "8.00–12.5");
        assert_eq!(row(&numbers, "ring")[2].detail, "20.0–25.0, 2 processes");
        assert!(numbers.note.contains("over 2 to 3 processes"), "{}", numbers.note);
        assert!(numbers.note.ends_with("is not compared there."), "{}", numbers.note);
    }
}
