//! The gate's operating characteristic as tables and a picture.
//!
//! Every count stands with its number of runs and its exact bound. An estimate is called one. Where there
//! were no runs, or no target, the cell is empty: nothing here fills a gap.

use crate::measure::gate::calibrate::characteristic::{Case, Characteristic};
use crate::measure::gate::calibrate::criterion::Criterion;
use crate::measure::gate::calibrate::kind::{Builds, Wanted};
use crate::measure::gate::calibrate::proportion::Share;
use crate::report::block::{Cell, Mark, Table};
use crate::report::figure::Power;
use crate::report::figure::power::{Point, Series};
use crate::report::number::{count, three};

/// The tables, each under the name of its marker: `gate-false` and `gate-power`. A table without rows is left
/// out.
pub fn tables(found: &Characteristic, criterion: Option<Criterion>) -> Vec<Table> {
    let tables = [without_change(found, criterion), with_slowdown(found)];
    tables.into_iter().filter(|table| !table.rows.is_empty()).collect()
}

/// The power curve as a picture of its own; `None` where no slowdown was planted. `host` is where it was
/// measured.
pub fn picture(found: &Characteristic, host: &str) -> Option<String> {
    let series: Vec<Series> = [Builds::Orders, Builds::Single]
        .into_iter()
        .map(|builds| {
            let planted = |case: &&Case| case.kind.builds == builds && case.kind.is_planted();
            let mut points: Vec<Point> = found.cases.iter().filter(planted).map(point).collect();
            points.sort_by(|a, b| a.effect.total_cmp(&b.effect));
            Series { name: sides(builds).to_owned(), points }
        })
        .filter(|series| !series.points.is_empty())
        .collect();
    let title = format!("Slowdowns that the gate finds, on {host}");
    (!series.is_empty()).then(|| Power { title, series }.picture())
}

fn point(case: &Case) -> Point {
    let found = case.found;
    Point {
        effect: case.effect.map_or(case.kind.plant, |effect| effect.median),
        found: found.rate().map(|rate| [rate, found.lower(), found.upper()]),
        estimate: case.estimate.map(|estimate| estimate.rate),
    }
}

fn without_change(found: &Characteristic, criterion: Option<Criterion>) -> Table {
    let columns =
        ["compared", "runs", "false", "at most", "target", "unsure", "estimate", "median s", "worst s"];
    let mut table = Table::new("gate-false", "Runs that call a change where there is none", columns).note(
        "False: runs that call any of the workloads slower or faster. At most: the upper bound of Clopper \
         and Pearson, one-sided, at 95 %. Unsure: runs that leave any workload undecided. An estimate is the \
         share of simulated runs, over pairs that are drawn again from a bank of real ones.",
    );
    for case in found.cases.iter().filter(|case| !case.kind.is_planted()) {
        let mut row = vec![Cell::new(compared(case))];
        row.extend(counts(case, case.wrong, case.wrong.upper()));
        row.extend([unsure(case), estimate(case), seconds(case, 0), seconds(case, 1)]);
        table.push(row);
    }
    if let Some(Criterion { comparisons, runs }) = criterion {
        let words = format!("{} of {} comparisons", count(comparisons.hits), count(comparisons.of));
        let mut row = vec![Cell::new("Criterion, one binary").detail(words)];
        row.extend([
            Cell::new(count(runs.of)),
            Cell::new(count(runs.hits)).detail(percent(runs.rate().unwrap_or_default())),
            Cell::new(percent(runs.upper())),
        ]);
        row.resize(table.columns.len(), Cell::none());
        table.push(row);
    }
    table
}

fn with_slowdown(found: &Characteristic) -> Table {
    let columns = [
        "planted", "measured", "runs", "found", "at least", "target", "false", "unsure", "estimate",
        "median s", "worst s",
    ];
    let mut table = Table::new("gate-power", "Runs that find a planted slowdown", columns).note(
        "Each run slows one workload, drawn at random, and found means that this one is called slower. \
         Measured: the median over workloads of the difference between pairs with and without the delay, \
         with the least and the most. At least: the lower bound of Clopper and Pearson, one-sided, at 95 %. \
         False: runs that call another workload slower or faster.",
    );
    for case in found.cases.iter().filter(|case| case.kind.is_planted()) {
        let measured = case.effect.map_or_else(Cell::none, |effect| {
            let range = format!("{} to {}", signed(effect.least), signed(effect.most));
            Cell::new(signed(effect.median)).detail(range)
        });
        let mut row = vec![Cell::new(compared(case)), measured];
        row.extend(counts(case, case.found, case.found.lower()));
        let wrong = case.wrong;
        let others = if wrong.of > 0 { Cell::new(count(wrong.hits)) } else { Cell::none() };
        row.extend([others, unsure(case), estimate(case), seconds(case, 0), seconds(case, 1)]);
        table.push(row);
    }
    table
}

/// How many runs, how many of them had it, the bound of that share, and the target.
fn counts(case: &Case, share: Share, bound: f64) -> [Cell; 4] {
    let target = target(case);
    let Some(rate) = share.rate() else { return [Cell::new("0"), Cell::none(), Cell::none(), target] };
    let hits = Cell::new(count(share.hits)).detail(percent(rate));
    [Cell::new(count(share.of)), hits, Cell::new(percent(bound)), target]
}

/// What the runs must show, and whether they do.
fn target(case: &Case) -> Cell {
    let words = match case.kind.wanted {
        Wanted::Bound(most) => format!("bound ≤ {}", percent(most)),
        Wanted::AtMost(most) => format!("≤ {}", percent(most)),
        Wanted::AtLeast(least) => format!("≥ {}", percent(least)),
        Wanted::Reported => return Cell::none(),
    };
    match case.meets() {
        Some(true) => Cell::new(words).detail("met").mark(Mark::Right),
        Some(false) => Cell::new(words).detail("missed").mark(Mark::Bad),
        None => Cell::new(words).detail(format!("of {} runs", case.kind.runs)),
    }
}

fn compared(case: &Case) -> String {
    let sides = sides(case.kind.builds);
    match (case.kind.is_planted(), case.kind.builds) {
        (true, _) => {
            let percent = case.kind.name.split_once('-').map_or("0", |(_, percent)| percent);
            format!("{percent} %, {sides}")
        }
        (false, Builds::Same) => sides.to_owned(),
        (false, _) => format!("same code, {sides}"),
    }
}

const fn sides(builds: Builds) -> &'static str {
    match builds {
        Builds::Same => "same binary",
        Builds::Orders => "forty link orders a side",
        Builds::Single => "one binary a side",
    }
}

fn unsure(case: &Case) -> Cell {
    if case.unsure.of == 0 {
        return Cell::none();
    }
    let cell = Cell::new(count(case.unsure.hits));
    if case.unfair > 0 { cell.detail(format!("{} by lopsided null pairs", count(case.unfair))) } else { cell }
}

fn estimate(case: &Case) -> Cell {
    case.estimate.map_or_else(Cell::none, |estimate| {
        let over =
            format!("{} runs over {} pairs", count(estimate.runs as u64), count(estimate.pairs as u64));
        Cell::new(percent(estimate.rate)).detail(over)
    })
}

fn seconds(case: &Case, which: usize) -> Cell {
    case.seconds.map_or_else(Cell::none, |seconds| Cell::new(three(seconds[which])))
}

fn percent(share: f64) -> String {
    format!("{} %", three(100.0 * share))
}

/// A percentage that may be negative.
fn signed(share: f64) -> String {
    let minus = if share < 0.0 { "−" } else { "" };
    minus.to_owned() + &percent(share.abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::gate::calibrate::kind::Kind;
    use crate::measure::gate::calibrate::line::{Origin, SCHEMA};
    use crate::measure::gate::calibrate::plant::Effect;
    use crate::measure::gate::calibrate::simulate::Estimate;

    fn share(hits: u64, of: u64) -> Share {
        Share { hits, of }
    }

    fn case(name: &str, wrong: Share, found: Share) -> Case {
        Case {
            kind: Kind::named(name).unwrap(),
            wrong,
            found,
            unsure: share(0, wrong.of),
            unfair: 0,
            seconds: (wrong.of > 0).then_some([3.25, 12.5]),
            effect: None,
            estimate: None,
        }
    }

    fn sample() -> Characteristic {
        let text = |words: &str| words.to_owned();
        let origin = Origin {
            schema: SCHEMA.into(),
            sealmark: text("0.1.0"),
            host: text("7ce7"),
            set: text("acceptance 1234"),
            driver: text("aa"),
            programs: text("bb"),
        };
        let effect = Some(Effect { median: 0.0204, least: -0.001, most: 0.0251, pairs: 500 });
        let estimate = Some(Estimate { rate: 0.997, runs: 1_000, pairs: 2_000 });
        let cases = vec![
            Case { unsure: share(3, 370), unfair: 2, ..case("same", share(1, 370), share(0, 0)) },
            case("orders", share(9, 150), share(0, 0)),
            Case { effect, estimate, ..case("planted-2", share(1, 150), share(149, 150)) },
            case("planted-1", share(0, 10), share(9, 10)),
            Case { estimate, ..case("single-2", share(0, 0), share(0, 0)) },
        ];
        Characteristic { origin, when: [text("then"), text("now")], cases }
    }

    fn rows(table: &Table) -> Vec<String> {
        let cell = |cell: &Cell| match cell.detail.as_str() {
            "" => cell.text.clone(),
            detail => format!("{} ({detail})", cell.text),
        };
        table.rows.iter().map(|row| row.iter().map(cell).collect::<Vec<_>>().join(" | ")).collect()
    }

    #[test]
    fn every_count_has_its_runs_its_bound_and_its_target() {
        let criterion = Criterion { comparisons: share(28, 48), runs: share(4, 4) };
        let tables = tables(&sample(), Some(criterion));
        let [without, with] = &tables[..] else { panic!("{tables:?}") };
        assert_eq!((without.id.as_str(), with.id.as_str()), ("gate-false", "gate-power"));
        assert_eq!(
            rows(without),
            [
                "same binary | 370 | 1 (0.270 %) | 1.28 % | bound ≤ 1.30 % (met) | \
                 3 (2 by lopsided null pairs) | – | 3.25 | 12.5",
                "same code, forty link orders a side | 150 | 9 (6.00 %) | 10.2 % | ≤ 5.00 % (missed) | 0 | \
                 – | 3.25 | 12.5",
                "Criterion, one binary (28 of 48 comparisons) | 4 | 4 (100 %) | 100 % | – | – | – | – | –",
            ]
        );
        assert_eq!(
            rows(with),
            [
                "2 %, forty link orders a side | 2.04 % (−0.100 % to 2.51 %) | 150 | 149 (99.3 %) | \
                 96.9 % | ≥ 95.0 % (met) | 1 | 0 | 99.7 % (1,000 runs over 2,000 pairs) | 3.25 | 12.5",
                "1 %, forty link orders a side | – | 10 | 9 (90.0 %) | 60.6 % | ≥ 80.0 % (of 75 runs) | 0 | \
                 0 | – | 3.25 | 12.5",
                "2 %, one binary a side | – | 0 | – | – | – | – | – | \
                 99.7 % (1,000 runs over 2,000 pairs) | – | –",
            ]
        );
        assert!(without.has(Mark::Bad) && without.has(Mark::Right) && !with.has(Mark::Bad));
    }

    #[test]
    fn the_picture_has_a_series_for_each_way_to_compare() {
        let svg = picture(&sample(), "a CPU").unwrap();
        assert_eq!(svg.matches("class=\"series\"").count(), 2, "{svg}");
        assert!(svg.contains("forty link orders a side: 90.0 % at 1.00 %, 99.3 % at 2.04 %."), "{svg}");
        assert!(svg.contains("one binary a side: 99.7 % (estimate) at 2.00 %."), "{svg}");
        let mut none = sample();
        none.cases.truncate(2);
        assert_eq!(picture(&none, "a CPU"), None);
        assert_eq!(tables(&none, None).len(), 1, "a table without rows is left out");
    }
}
