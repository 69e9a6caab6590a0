//! The failures of the verification: one row for each that the file lists, and for each that only its counts
//! show.

use crate::report::block::{Block, Cell, Mark, Table};
use crate::report::finding::{Finding, Kind};
use crate::report::number::{count, counted};
use crate::report::section::Section;
use crate::report::tally::wrong;

/// The failures, where there are any.
pub(super) fn blocks(section: &Section) -> Vec<Block<'_>> {
    let Some(report) = &section.verify else { return Vec::new() };
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
    if 0 < shown && shown < all {
        table = table.note(&format!("{} of {}.", counted(shown, "failure"), count(all)));
    }
    // Found by adding up: a tally that falls short of its declaration, an engine that ran nothing.
    let counted_only = |finding: &Finding| finding.kind == Kind::Verification && finding.details.is_empty();
    for finding in section.findings().into_iter().filter(counted_only) {
        let why = Cell::new(&finding.why).mark(Mark::Bad);
        table.push(vec![or_none(&finding.place), or_none(&finding.engine), Cell::none(), why]);
    }
    if table.rows.is_empty() { Vec::new() } else { vec![Block::new(table)] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::verify::Tally;

    #[test]
    fn failures_are_listed_only_when_there_are_any() {
        let table = |section: &Section| blocks(section).pop().map(|block| block.table);
        let mut section = Section { host: sample::host(), verify: Some(sample::report()), bench: None };
        let found = table(&section).unwrap();
        assert_eq!(found.rows.len(), 1);
        assert_eq!(found.rows[0][2].text, "tc 92");
        section.verify.as_mut().unwrap().wrong = 9;
        assert_eq!(table(&section).unwrap().note, "1 failure of 9.");
        let report = section.verify.as_mut().unwrap();
        (report.wrong, report.failures) = (0, Vec::new());
        let right = Tally { agree: 121, unsupported: 195, ..Tally::default() };
        report.sets[1].engines.insert("graviola".into(), right);
        assert!(table(&section).is_none());
        section.verify.as_mut().unwrap().sets[0].engines.get_mut("ring").unwrap().agree -= 1;
        let found = table(&section).expect("a count that falls short is in no list of the file");
        let row: Vec<_> = found.rows[0].iter().map(|cell| cell.text.as_str()).collect();
        let why = "7874 cases came out, 7875 are declared";
        assert_eq!(row, ["nist/gcm-encrypt", "ring", "–", why]);
    }
}
