//! What was verified: sets by engines.
//!
//! Every declared case shows up in a cell: what agrees as the number, the rest as its detail. Here the
//! tallies are only added up; a tally that does not reach its set's declaration is shown as wrong, never
//! mended.

use crate::report::block::{Block, Cell, Mark, Table};
use crate::report::number::count;
use crate::report::section::Section;
use crate::report::tally::{columns, is_engine};
use crate::verify::{Report, Tally};

/// Its one table, where something was verified.
pub(super) fn blocks(section: &Section) -> Vec<Block<'_>> {
    section.verify.iter().map(|report| Block::new(sets(report))).collect()
}

/// Sets by engines.
fn sets(report: &Report) -> Table {
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
}
