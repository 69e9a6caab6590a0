//! How many times as fast each engine is as the best peer.
//!
//! For each curve a table of ratios by engine and size, and for every workload of a cipher the same with
//! intervals. A ratio pairs the samples of one process, in which both engines ran in the same rounds; rows of
//! different processes have none.

use crate::measure::publication;
use crate::measure::ratio::{best_peer, is_own, speed};
use crate::measure::{Row, Run};
use crate::report::block::{Block, Cell, Mark, Table};
use crate::report::curve::{Curve, curves, rows_of};
use crate::report::number::{size, three};
use crate::report::rows::{distinct, engines_of, operation, processes, time, without, workload};
use crate::report::section::Section;
use crate::timing::Interval;

/// Ratios from which a cell is one step warmer; their inverses are the steps down.
const STEPS: [f64; 3] = [1.02, 1.25, 2.0];

/// A table for each curve that has peers, and one of every workload that has: ours and the peers. All but
/// those of the curves whose ratios decide on publication are folded.
pub(super) fn blocks(section: &Section) -> Vec<Block<'_>> {
    let Some(run) = &section.bench else { return Vec::new() };
    let of_curve = |curve: &Curve<'_>| {
        let block = Block::new(by_size(run, curve)?);
        Some(if publication::is_judged(curve.op, curve.algorithm) { block } else { block.folded() })
    };
    let curves = curves(run);
    let mut blocks: Vec<Block<'_>> = curves.iter().filter_map(of_curve).collect();
    blocks.extend(all(run).map(|table| Block::new(table).folded()));
    blocks
}

/// The ratios of a curve: engines by sizes, and in the last row the best peer of each size. `None` where no
/// size has a peer.
fn by_size(run: &Run, curve: &Curve<'_>) -> Option<Table> {
    let columns: Vec<Column<'_>> =
        curve.sizes.iter().map(|&bytes| Column::of(run, curve.rows_at(bytes))).collect();
    let fastest: Vec<Option<&str>> = curve.sizes.iter().map(|&bytes| curve.clear(bytes)).collect();
    if columns.iter().all(|column| column.peers.is_empty()) {
        return None;
    }
    let sizes = curve.sizes.iter().map(|&bytes| size(bytes));
    let title = format!("{}: speed relative to the best peer", curve.title());
    let mut table = Table::new(
        &format!("ratio-{}", curve.id()),
        &title,
        std::iter::once("engine".to_owned()).chain(sizes),
    );
    for &engine in &curve.engines {
        let mut row = vec![Cell::new(engine)];
        row.extend(columns.iter().zip(&fastest).map(|(column, fastest)| match column.cell(engine) {
            Found::Ratio(ratio) => {
                let mark = if *fastest == Some(engine) { Mark::Best } else { Mark::Plain };
                Cell::new(times(ratio.median)).mark(mark)
            }
            Found::Lack(cell) => cell,
        }));
        table.push(row);
    }
    table.push(std::iter::once(Cell::new("best peer")).chain(columns.iter().map(Column::peer)).collect());
    let ends = columns.iter().flat_map(|column| column.ratios.iter().map(|(_, ratio)| ratio));
    let (down, up) = ends.fold((0.0_f64, 0.0_f64), |(down, up), ratio| {
        (down.max(1.0 - ratio.low / ratio.median), up.max(ratio.high / ratio.median - 1.0))
    });
    let marked = if table.has(Mark::Best) {
        " Bold or *: the fastest, where this run can tell it from all others."
    } else {
        ""
    };
    Some(table.note(&format!(
        "2.00x is twice as fast as the best peer at that size, which the last row names: its time over the \
         engine's, the median over {}. The widest interval of these ratios is −{:.1} % to +{:.1} %.{marked}",
        processes(run),
        100.0 * down,
        100.0 * up,
    )))
}

/// Every workload that has peers, with the interval of each ratio.
fn all(run: &Run) -> Option<Table> {
    let workloads = distinct(run.rows.iter().map(|row| row.workload.as_str()));
    let rows = |workload: &str| run.rows.iter().filter(|row| row.workload == workload).collect::<Vec<_>>();
    let columns: Vec<(Vec<&Row>, Column<'_>)> = workloads
        .into_iter()
        .map(|workload| (rows(workload), Column::of(run, rows(workload).into_iter())))
        .filter(|(rows, column)| !column.peers.is_empty() && rows.len() > column.peers.len())
        .collect();
    let every: Vec<&Row> = columns.iter().flat_map(|(rows, _)| rows.iter().copied()).collect();
    if every.is_empty() {
        return None;
    }
    let engines = engines_of(run, &every);
    let head = ["workload", "best peer"].into_iter().chain(engines.iter().copied());
    let mut table = Table::new("ratios", "Speed relative to the best peer, with intervals", head);
    table.columns[1].number = false;
    for (rows, column) in &columns {
        let mut cells = vec![Cell::new(name(run, rows[0])), column.peer()];
        cells.extend(engines.iter().map(|engine| match column.cell(engine) {
            Found::Ratio(ratio) => {
                let interval = format!("{}–{}", three(ratio.low), three(ratio.high));
                Cell::new(three(ratio.median)).detail(interval).mark(Mark::Heat(warmth(ratio.median)))
            }
            Found::Lack(cell) => cell,
        }));
        table.push(cells);
    }
    Some(table.note(
        "2 is twice as fast as the best peer on that workload: the peer's time over the engine's, the median \
         over processes and its interval.",
    ))
}

/// The rows of one workload.
struct Column<'a> {
    rows: Vec<&'a Row>,
    peers: Vec<&'a Row>,
    best: Option<&'a Row>,
    /// Of each row that can be paired with the best peer, the engine and its ratio.
    ratios: Vec<(&'a str, Interval)>,
}

/// What is known of an engine on a workload.
enum Found<'a> {
    Ratio(&'a Interval),
    Lack(Cell),
}

impl<'a> Column<'a> {
    fn of(run: &'a Run, rows: impl Iterator<Item = &'a Row>) -> Self {
        let rows: Vec<&Row> = rows.collect();
        let peers = rows.iter().copied().filter(|row| !is_own(&row.engine)).collect();
        let best = rows.first().and_then(|row| best_peer(run, &row.workload));
        let ratio = |row: &&'a Row| {
            Some((row.engine.as_str(), speed(run, row, best?).filter(|_| time(row).is_some())?))
        };
        let ratios = rows.iter().filter_map(ratio).collect();
        Self { rows, peers, best, ratios }
    }

    fn cell(&self, engine: &str) -> Found<'_> {
        let Some(row) = self.rows.iter().find(|row| row.engine == engine) else {
            return Found::Lack(Cell::none());
        };
        if time(row).is_none() {
            return Found::Lack(Cell::error());
        }
        match (self.ratios.iter().find(|(one, _)| *one == engine), self.best) {
            (Some((_, ratio)), _) => Found::Ratio(ratio),
            // No peer has a time, which the peer's own cell says.
            (None, None) => Found::Lack(Cell::none()),
            (None, Some(_)) => Found::Lack(Cell::none().detail("a process was lost")),
        }
    }

    /// The name of the best peer, and the peers that it was chosen without.
    fn peer(&self) -> Cell {
        let name = match self.best {
            Some(best) => Cell::new(&best.engine),
            None if self.peers.is_empty() => Cell::none(),
            None => Cell::error(),
        };
        name.detail(without(&self.peers))
    }
}

/// A ratio as a table of ratios shows it: `2.31x`.
fn times(ratio: f64) -> String {
    format!("{}x", three(ratio))
}

/// A ratio's place on the scale of heat.
fn warmth(ratio: f64) -> i8 {
    let steps = |ratio: f64| STEPS.iter().filter(|&&step| ratio >= step).count() as i8;
    steps(ratio) - steps(1.0 / ratio)
}

/// A workload in words: `seal aes-256-gcm, 16 KiB`, `latency of seal aes-256-gcm, 16 B`, `seal aes-256-gcm, 1
/// KiB, misaligned`; its path where the catalog does not know what sets it apart from another of these.
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

    /// The cells of a table's row, each with its detail, by the word it begins with.
    fn cells(table: &Table, first: &str) -> Vec<String> {
        let row = table.rows.iter().find(|row| row[0].text == first).expect("it has the row");
        row[1..].iter().map(|cell| format!("{} {}", cell.text, cell.detail).trim_end().to_owned()).collect()
    }

    fn of_first_curve(run: &Run) -> Table {
        by_size(run, &curves(run)[0]).expect("it has peers")
    }

    /// Two sizes of each engine with these times.
    fn two_sizes(engines: &[(&str, &[f64])]) -> Run {
        let rows =
            engines.iter().flat_map(|(engine, ns)| [16, 64].map(|b| sample::row("seal", "a", b, engine, ns)));
        by_hand(rows.collect())
    }

    #[test]
    fn every_engine_of_a_curve_is_compared_with_the_best_peer() {
        let run = two_sizes(&[
            ("sealmark/aesni", &[40.0, 41.0]),
            ("ring", &[100.0, 100.0]),
            ("aws-lc", &[80.0, 80.0]),
        ]);
        let found = of_first_curve(&run);
        assert_eq!(
            (found.id.as_str(), found.title.as_str()),
            ("ratio-seal-a", "Seal, a: speed relative to the best peer")
        );
        assert_eq!(cells(&found, "sealmark/aesni"), ["1.98x", "1.98x"]);
        assert_eq!(cells(&found, "ring"), ["0.800x", "0.800x"]);
        assert_eq!(cells(&found, "aws-lc"), ["1.00x", "1.00x"]);
        assert_eq!(cells(&found, "best peer"), ["aws-lc", "aws-lc"]);
        assert_eq!(found.rows[0][1].mark, Mark::Best);
        assert!(found.note.contains("−1.2 % to +1.2 %"), "{}", found.note);
    }

    #[test]
    fn the_fastest_is_marked_only_where_its_interval_is_clear() {
        let marked = |ours: &[f64]| {
            of_first_curve(&two_sizes(&[("sealmark/aesni", ours), ("ring", &[100.0, 100.0])])).has(Mark::Best)
        };
        assert!(marked(&[90.0, 99.0]));
        assert!(!marked(&[90.0, 100.0]), "level in one process");
    }

    #[test]
    fn errors_stay_in_both_tables_and_failed_peers_are_named() {
        let mut run = two_sizes(&[("sealmark/aesni", &[90.0]), ("ring", &[100.0]), ("aws-lc", &[50.0])]);
        let both = |run: &Run| {
            (
                cells(&of_first_curve(run), "best peer").remove(0),
                cells(&of_first_curve(run), "sealmark/aesni").remove(0),
                {
                    let table = all(run).unwrap();
                    table.rows[0][1..3]
                        .iter()
                        .map(|cell| format!("{} {}", cell.text, cell.detail))
                        .collect::<Vec<_>>()
                },
            )
        };
        let expect = |peer: &str, ours: &str, all: [&str; 2]| {
            (peer.to_owned(), ours.to_owned(), all.map(str::to_owned).to_vec())
        };
        assert_eq!(both(&run), expect("aws-lc", "0.556x", ["aws-lc ", "0.556 0.556–0.556"]));
        run.rows[4].error = Some("wrong".into());
        assert_eq!(
            both(&run),
            expect("ring without aws-lc", "1.11x", ["ring without aws-lc", "1.11 1.11–1.11"])
        );
        run.rows[2].error = Some("wrong".into());
        assert_eq!(
            both(&run),
            expect("error without ring and aws-lc", "–", ["error without ring and aws-lc", "– "])
        );
        run.rows[0].error = Some("wrong".into());
        assert_eq!(
            both(&run),
            expect("error without ring and aws-lc", "error", ["error without ring and aws-lc", "error "])
        );
    }

    #[test]
    fn rows_of_different_processes_have_no_ratio_and_without_peers_there_is_no_table() {
        let run = two_sizes(&[("sealmark/aesni", &[90.0]), ("ring", &[100.0, 100.0])]);
        assert_eq!(cells(&of_first_curve(&run), "sealmark/aesni"), ["– a process was lost"; 2]);
        let run = two_sizes(&[("sealmark/aesni", &[90.0]), ("sealmark/portable", &[100.0])]);
        assert!(by_size(&run, &curves(&run)[0]).is_none() && all(&run).is_none());
    }

    #[test]
    fn a_ratio_has_its_place_on_the_scale() {
        let places = [0.4, 0.6, 0.9, 0.99, 1.0, 1.01, 1.1, 1.5, 3.0].map(warmth);
        assert_eq!(places, [-3, -2, -1, 0, 0, 0, 1, 2, 3]);
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
