//! Verification: a compact matrix by kind of set, then every set, then where the cases come from.
//!
//! Every declared case is in a cell: those that agree as its number, the rest as its detail. Tallies are only
//! added up here; one that does not reach its set's declaration is marked as wrong, never mended.

use crate::report::block::{Block, Cell, Mark, Table};
use crate::report::number::count;
use crate::report::rows::distinct;
use crate::report::section::Section;
use crate::report::tally::{columns, is_engine};
use crate::verify::{Report, SetReport, Tally};

/// Its three tables, where something was verified: the second and the third are details of the first.
pub(super) fn blocks(section: &Section) -> Vec<Block<'_>> {
    let of = |report| {
        let details = [Block::new(sets(report)).folded(), Block::new(sources(report)).folded()];
        std::iter::once(Block::new(matrix(report))).chain(details)
    };
    section.verify.iter().flat_map(of).collect()
}

/// Kinds of sets by engines: `nist` has every set whose name begins with `nist/`.
fn matrix(report: &Report) -> Table {
    let kind = |set: &SetReport| set.set.split('/').next().unwrap_or_default().to_owned();
    let kinds = distinct(report.sets.iter().map(kind));
    let rows = kinds.into_iter().map(|name| {
        let sets = report.sets.iter().filter(|set| kind(set) == name).collect();
        (name, sets)
    });
    let mut note = "The number counts the cases that agree with the reference.".to_owned();
    if columns(report).iter().any(|name| !is_engine(report, name)) {
        note.push_str(" Cases that use no cipher run once, under the name sealmark.");
    }
    tallied(report, "matrix", "Verification", "sets", rows.collect()).note(&note)
}

/// Sets by engines.
fn sets(report: &Report) -> Table {
    let rows = report.sets.iter().map(|set| (set.set.clone(), vec![set]));
    tallied(report, "cases", "Cases by set and engine", "set", rows.collect())
        .note("Agree, stricter, unsupported and wrong add up to the cases that a set declares.")
}

/// A table of groups of sets by engines, and their sum.
fn tallied(
    report: &Report,
    id: &str,
    title: &str,
    what: &str,
    groups: Vec<(String, Vec<&SetReport>)>,
) -> Table {
    let names = columns(report);
    let mut table = Table::new(id, title, [what, "cases"].into_iter().chain(names.iter().copied()));
    let row = |name: &str, sets: &[&SetReport]| {
        let declared = sets.iter().map(|set| set.declared).sum();
        let cells = names.iter().map(|engine| sum(engine, sets));
        [Cell::new(name), Cell::new(count(declared))].into_iter().chain(cells).collect()
    };
    for (name, sets) in &groups {
        table.push(row(name, sets));
    }
    if groups.len() > 1 {
        table.push(row("all sets", &report.sets.iter().collect::<Vec<_>>()));
        table.footed = true;
    }
    table
}

/// An engine on some sets. One set that falls short is marked even where another has a case too many.
fn sum(engine: &str, sets: &[&SetReport]) -> Cell {
    let found: Vec<(&Tally, u64)> =
        sets.iter().filter_map(|set| Some((set.engines.get(engine)?, set.declared))).collect();
    if found.is_empty() {
        return Cell::none();
    }
    let mut all = Tally::default();
    for (tally, _) in &found {
        all.agree += tally.agree;
        all.stricter += tally.stricter;
        all.unsupported += tally.unsupported;
        all.wrong += tally.wrong;
    }
    let cell = cell(&all, found.iter().map(|(_, declared)| declared).sum());
    let short = found.iter().any(|(tally, declared)| tally.total() != *declared);
    if short { cell.mark(Mark::Bad) } else { cell }
}

/// Where the cases of each set come from.
fn sources(report: &Report) -> Table {
    let mut table = Table::new("sources", "Where the cases come from", ["set", "cases", "source"]);
    table.columns[2].number = false;
    for set in &report.sets {
        table.push(vec![Cell::new(&set.set), Cell::new(count(set.declared)), Cell::new(&set.source)]);
    }
    table
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
        Mark::Right
    };
    Cell::new(text).detail(rest.join(", ")).mark(mark)
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
        assert_eq!(names[..2], ["set", "cases"]);
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
    }

    #[test]
    fn the_matrix_has_a_row_for_each_kind_of_set() {
        let mut report = sample::report();
        let mut second = report.sets[0].clone();
        second.set = "nist/gcm-decrypt".into();
        report.sets.push(second);
        let table = matrix(&report);
        let cells = |row: usize| {
            let cells = table.rows[row].iter().map(|cell| cell.text.as_str());
            cells.take(4).collect::<Vec<_>>()
        };
        assert_eq!(cells(0), ["nist", "15,750", "15,750", "15,750"]);
        assert_eq!(cells(1), ["wycheproof", "316", "310", "310"]);
        assert_eq!((table.rows[0][5].text.as_str(), table.rows[0][5].mark), ("750", Mark::Right));
        assert_eq!((table.rows[1][7].text.as_str(), table.rows[1][7].mark), ("1 wrong", Mark::Bad));
        assert_eq!(table.rows.last().unwrap()[0].text, "all sets");
        // Two faults that cancel each other out in the sum.
        report.sets[0].engines.get_mut("ring").unwrap().agree -= 1;
        report.sets[4].engines.get_mut("ring").unwrap().agree += 1;
        assert_eq!(matrix(&report).rows[0][5].mark, Mark::Bad);
    }

    #[test]
    fn a_source_stands_beside_its_set() {
        let table = sources(&sample::report());
        assert_eq!(table.rows[0][2].text, "NIST CAVP, gcmEncryptExtIV");
        assert_eq!(table.rows.len(), 4);
    }

    #[test]
    fn a_tally_that_does_not_add_up_is_marked() {
        let tally = Tally { agree: 3, ..Tally::default() };
        assert_eq!(cell(&tally, 3).mark, Mark::Right);
        let short = cell(&tally, 4);
        assert_eq!((short.mark, short.detail.as_str()), (Mark::Bad, "3 of 4 judged"));
        let quiet = cell(&Tally { unsupported: 4, ..Tally::default() }, 4);
        assert_eq!((quiet.mark, quiet.detail.as_str()), (Mark::Quiet, "4 unsupported"));
    }
}
