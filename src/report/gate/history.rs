//! A gate's history: ratios and counts over runs, one table with its pictures for each machine.
//!
//! Runs of different machines are never put into one picture: their instructions and times differ for other
//! reasons than a commit.

use super::sentence::name;
use crate::measure::gate::history::{Entry, History, Point as Row};
use crate::measure::gate::rule::Verdict;
use crate::report::block::{Block, Cell, Mark, Table};
use crate::report::figure::trend::{Point, Series};
use crate::report::figure::{Figure, Trend};
use crate::report::number::{change, count, counted, plain};
use crate::report::rows::distinct;

/// The letters of a commit that name it.
const SHORT: usize = 10;

/// What a history holds, in one sentence.
pub(super) fn sentence(history: &History) -> String {
    let runs = &history.entries;
    let of = |verdict| runs.iter().filter(|run| run.verdict == verdict).count() as u64;
    let torn = match history.torn.len() as u64 {
        0 => String::new(),
        n => format!(
            " {} cut short and left out.",
            if n == 1 { "1 line was".into() } else { format!("{n} lines were") }
        ),
    };
    let [slower, unsure] = [Verdict::Slower, Verdict::Unsure].map(of);
    format!("{}: {slower} slower, {unsure} unsure.{torn}", counted(runs.len() as u64, "run"))
}

/// A table with its pictures for each machine.
pub(super) fn blocks(history: &History) -> Vec<Block<'_>> {
    let machines = distinct(history.entries.iter().map(|run| run.fingerprint.as_str()));
    let block = |machine: &str| {
        let runs: Vec<&Entry> = history.entries.iter().filter(|run| run.fingerprint == machine).collect();
        Block::new(table(machine, &runs)).figure(Figure::Trend(trend(&runs)))
    };
    machines.into_iter().map(block).collect()
}

/// The name of a run: the head's commit, or else when it began.
pub(super) fn run_name(run: &Entry) -> String {
    let Some(commits) = &run.commits else {
        return plain(&run.started.chars().take(16).collect::<String>().replace('T', " "));
    };
    let (commit, dirty) = match commits.head.strip_suffix("-dirty") {
        Some(commit) => (commit, "-dirty"),
        None => (commits.head.as_str(), ""),
    };
    plain(&format!("{}{dirty}", commit.chars().take(SHORT).collect::<String>()))
}

/// The workloads of all runs, each with its engine.
fn subjects<'a>(runs: &[&'a Entry]) -> Vec<(&'a str, &'a str)> {
    let rows = runs.iter().flat_map(|run| &run.rows);
    distinct(rows.map(|row| (row.workload.as_str(), row.engine.as_str())))
}

fn row_of<'a>(run: &'a Entry, (workload, engine): (&str, &str)) -> Option<&'a Row> {
    run.rows.iter().find(|row| row.workload == workload && row.engine == engine)
}

fn table(machine: &str, runs: &[&Entry]) -> Table {
    let subjects = subjects(runs);
    let columns = subjects.iter().map(|(workload, engine)| format!("{workload} {engine}"));
    let columns = ["run", "base", "verdict"].map(str::to_owned).into_iter().chain(columns);
    let cpu = runs.last().map_or("", |run| run.cpu.as_str());
    let title = format!("Runs on {cpu} ({machine})");
    let mut table = Table::new(&format!("gate-history-{machine}"), &title, columns).note(
        "Head's time over base's, and the instructions of the head. “Unchanged”: the same instructions, so \
         nothing was timed.",
    );
    for column in &mut table.columns[1..3] {
        column.number = false;
    }
    for run in runs {
        let base = run.commits.as_ref().map_or_else(Cell::none, |commits| {
            Cell::new(commits.base.chars().take(SHORT).collect::<String>())
        });
        let first = [Cell::new(run_name(run)), base, verdict(run.verdict, name(run.verdict))];
        let rest = subjects.iter().map(|subject| row_of(run, *subject).map_or_else(Cell::none, cell));
        table.push(first.into_iter().chain(rest).collect());
    }
    table
}

fn verdict(verdict: Verdict, words: &str) -> Cell {
    Cell::new(words).mark(if verdict == Verdict::Slower { Mark::Bad } else { Mark::Plain })
}

fn cell(row: &Row) -> Cell {
    let words = match (row.ratio, row.changed) {
        (Some(ratio), _) => change(ratio.estimate),
        (None, Some(false)) => "unchanged".to_owned(),
        (None, _) => name(row.verdict).to_lowercase(),
    };
    let count = row.instructions.map(|counts| count(counts.head));
    verdict(row.verdict, &words).detail(count.unwrap_or_default())
}

fn trend(runs: &[&Entry]) -> Trend {
    let point = |row: &Row| Point {
        ratio: row.ratio.map(|ratio| {
            let low = if ratio.low > 0.0 { ratio.low } else { ratio.estimate };
            [ratio.estimate, low, ratio.high.unwrap_or(ratio.estimate)]
        }),
        instructions: row.instructions.map(|counts| counts.head),
        slower: row.verdict == Verdict::Slower,
    };
    let series = subjects(runs).into_iter().map(|subject| Series {
        workload: subject.0.to_owned(),
        engine: subject.1.to_owned(),
        points: runs.iter().map(|run| row_of(run, subject).map(point)).collect(),
    });
    Trend { runs: runs.iter().map(|run| run_name(run)).collect(), series: series.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::gate::sample;

    fn history() -> History {
        let first = Entry::of(&sample::gate());
        let mut second = first.clone();
        second.rows.remove(0);
        (second.verdict, second.commits) = (Verdict::Unsure, None);
        let mut elsewhere = first.clone();
        elsewhere.fingerprint = "0".repeat(16);
        History { entries: vec![first, second, elsewhere], torn: vec![7] }
    }

    #[test]
    fn each_machine_has_its_own_table_and_picture() {
        let history = history();
        assert_eq!(sentence(&history), "3 runs: 2 slower, 1 unsure. 1 line was cut short and left out.");
        let blocks = blocks(&history);
        let shapes: Vec<_> =
            blocks.iter().map(|block| (block.table.rows.len(), block.table.columns.len())).collect();
        assert_eq!(shapes, [(2, 8), (1, 8)]);
        let Some(Figure::Trend(trend)) = &blocks[0].figure else { panic!("a trend") };
        assert_eq!(trend.runs, ["abcdef0123-dirty", "2026-11-03 09:12"]);
        assert_eq!((trend.series.len(), trend.series[0].points[1]), (5, None), "that run did not have it");
    }

    #[test]
    fn a_cell_says_what_is_known() {
        let history = history();
        let table = &blocks(&history)[0].table;
        let first: Vec<&str> = table.rows[0].iter().map(|cell| cell.text.as_str()).collect();
        assert_eq!(
            first,
            [
                "abcdef0123-dirty",
                "0123456789",
                "Slower",
                "unchanged",
                "+0.04 %",
                "+2.40 %",
                "+0.40 %",
                "−3.00 %"
            ]
        );
        assert_eq!((table.rows[0][3].detail.as_str(), table.rows[0][5].mark), ("1,210", Mark::Bad));
        assert_eq!(table.rows[1][3].text, "–");
    }
}
