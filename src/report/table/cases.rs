//! Tables of what was verified: sets by engines, and the failures.
//!
//! Every declared case shows up in a cell: what agrees as the number, the rest as its detail. Here the tallies
//! are only added up; a tally that does not reach its set's declaration is shown as wrong, never mended.

use crate::report::block::{Cell, Mark, Table};
use crate::report::number::{count, counted};
use crate::verify::{Report, SetReport, Tally};

/// Whether a name stands for an engine: `sealmark` alone is what cases without a cipher are tallied under.
fn is_engine(report: &Report, name: &str) -> bool {
    name != "sealmark" || report.engines.iter().any(|engine| engine.name == name)
}

/// Names that have a tally: the engines in the order of the report, then what else was tallied.
fn columns(report: &Report) -> Vec<&str> {
    let tallied = |name: &str| report.sets.iter().any(|set| set.engines.contains_key(name));
    let mut names: Vec<&str> =
        report.engines.iter().map(|engine| engine.name.as_str()).filter(|name| tallied(name)).collect();
    for name in report.sets.iter().flat_map(|set| set.engines.keys()) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names
}

/// Engines that judged at least one case.
pub(in crate::report) fn engines(report: &Report) -> Vec<&str> {
    let judged = |name: &str| {
        let tallies = report.sets.iter().filter_map(|set| set.engines.get(name));
        tallies.map(|t| t.agree + t.stricter + t.wrong).sum::<u64>() > 0
    };
    columns(report).into_iter().filter(|name| is_engine(report, name) && judged(name)).collect()
}

/// Engines that could run and were put to sets, and ran no case of any.
pub(in crate::report) fn idle(report: &Report) -> Vec<&str> {
    let tallies = |name: &str| {
        let tallies: Vec<&Tally> = report.sets.iter().filter_map(|set| set.engines.get(name)).collect();
        !tallies.is_empty() && tallies.iter().all(|tally| tally.ran() == 0)
    };
    let able = report.engines.iter().filter(|engine| engine.unavailable.is_none());
    able.map(|engine| engine.name.as_str()).filter(|name| tallies(name)).collect()
}

/// Declared cases of the sets that at least one engine ran.
pub(in crate::report) fn cases(report: &Report) -> u64 {
    let ran = |set: &&SetReport| set.engines.values().any(|t| t.agree + t.stricter + t.wrong > 0);
    report.sets.iter().filter(ran).map(|set| set.declared).sum()
}

/// What came out wrong: as the report counts it, or as its tallies do, whichever is more.
pub(in crate::report) fn wrong(report: &Report) -> u64 {
    let tallied = report.sets.iter().flat_map(|set| set.engines.values()).map(|t| t.wrong).sum();
    report.wrong.max(tallied)
}

/// Sets by engines.
pub(in crate::report) fn sets(report: &Report) -> Table {
    let names = columns(report);
    let mut table = Table::new(
        "cases",
        "Cases by set and engine",
        ["set", "declared"].into_iter().chain(names.iter().copied()),
    );
    let mut sums = vec![(0, Tally::default()); names.len()];
    for set in &report.sets {
        let mut row = vec![Cell::new(&set.set).detail(&set.source), Cell::new(count(set.declared))];
        for (name, (declared, sum)) in names.iter().zip(&mut sums) {
            let Some(tally) = set.engines.get(*name) else {
                row.push(Cell::none());
                continue;
            };
            row.push(cell(tally, set.declared));
            *declared += set.declared;
            sum.agree += tally.agree;
            sum.stricter += tally.stricter;
            sum.unsupported += tally.unsupported;
            sum.wrong += tally.wrong;
        }
        table.push(row);
    }
    if report.sets.len() > 1 {
        let declared = report.sets.iter().map(|set| set.declared).sum();
        let mut row = vec![Cell::new("all sets"), Cell::new(count(declared))];
        row.extend(sums.iter().map(|(declared, sum)| cell(sum, *declared)));
        table.push(row);
    }
    let mut note =
        "The number is the cases that agree; stricter, unsupported and wrong ones stand below it. \
                    Together they are the cases that the set declares."
            .to_owned();
    if names.iter().any(|name| !is_engine(report, name)) {
        note.push_str(" Cases that use no cipher are judged once, under the name sealmark.");
    }
    table.note(&note)
}

fn cell(tally: &Tally, declared: u64) -> Cell {
    let &Tally { agree, stricter, unsupported, wrong } = tally;
    let sum = agree + stricter + unsupported + wrong;
    let mut rest = Vec::new();
    let mut part = |n: u64, word: &str| {
        if n > 0 {
            rest.push(format!("{} {word}", count(n)));
        }
    };
    if wrong > 0 {
        part(agree, "agree");
    }
    part(stricter, "stricter");
    part(unsupported, "unsupported");
    if sum != declared {
        rest.push(format!("{} of {} judged", count(sum), count(declared)));
    }
    let text = if wrong > 0 { format!("{} wrong", count(wrong)) } else { count(agree) };
    let mark = if wrong > 0 || sum != declared {
        Mark::Bad
    } else if agree + stricter == 0 {
        Mark::Quiet
    } else {
        Mark::Plain
    };
    Cell::new(text).detail(rest.join(", ")).mark(mark)
}

/// The failures, where there are any.
pub(in crate::report) fn failures(report: &Report) -> Option<Table> {
    if report.failures.is_empty() {
        return None;
    }
    let mut table =
        Table::new("failures", "Failures", ["set", "engine", "case", "expected and seen"]).words();
    let or_none = |words: &str| if words.is_empty() { Cell::none() } else { Cell::new(words) };
    for failure in &report.failures {
        table.push(vec![
            Cell::new(&failure.set),
            or_none(&failure.engine),
            or_none(&failure.case),
            Cell::new(&failure.what).mark(Mark::Bad),
        ]);
    }
    let (shown, all) = (report.failures.len() as u64, wrong(report));
    if shown < all {
        return Some(table.note(&format!("{} of {}.", counted(shown, "failure"), count(all))));
    }
    Some(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn every_set_and_engine_has_its_cell_and_the_sums_are_right() {
        let report = sample::report();
        let table = sets(&report);
        let names: Vec<_> = table.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names[..2], ["set", "declared"]);
        assert_eq!(names[2..8], sample::ENGINES);
        assert_eq!(names[8..], ["sealmark"], "an engine that this CPU cannot run has no column");
        assert_eq!(table.rows.len(), 5);
        let sums: Vec<_> = table.rows[4].iter().map(|cell| cell.text.as_str()).collect();
        assert_eq!(
            sums,
            ["all sets", "23,971", "23,941", "23,941", "23,941", "16,264", "23,941", "1 wrong", "24"]
        );
        assert_eq!(table.rows[1][7].detail, "120 agree, 195 unsupported");
        assert_eq!(table.rows[1][7].mark, Mark::Bad);
        assert_eq!(table.rows[0][8], Cell::none());
        assert_eq!(engines(&report), sample::ENGINES);
        assert_eq!((cases(&report), wrong(&report)), (23_971, 1));
    }

    #[test]
    fn a_tally_that_does_not_add_up_is_marked() {
        let tally = Tally { agree: 3, ..Tally::default() };
        assert_eq!(cell(&tally, 3).mark, Mark::Plain);
        let short = cell(&tally, 4);
        assert_eq!((short.mark, short.detail.as_str()), (Mark::Bad, "3 of 4 judged"));
        let quiet = cell(&Tally { unsupported: 4, ..Tally::default() }, 4);
        assert_eq!((quiet.mark, quiet.detail.as_str()), (Mark::Quiet, "4 unsupported"));
    }

    #[test]
    fn failures_are_listed_only_when_there_are_any() {
        let mut report = sample::report();
        let table = failures(&report).unwrap();
        assert_eq!(table.rows.len(), 1);
        assert_eq!(table.rows[0][2].text, "tc 92");
        report.wrong = 9;
        assert_eq!(failures(&report).unwrap().note, "1 failure of 9.");
        report.failures.clear();
        assert!(failures(&report).is_none());
    }

    #[test]
    fn a_set_that_ran_nothing_counts_no_case() {
        let mut report = sample::report();
        report.sets.truncate(1);
        report.sets[0].engines.clear();
        assert_eq!(cases(&report), 0);
        assert_eq!(sets(&report).rows.len(), 1);
    }
}
