//! What each scheme does not see, by its own account, which the verification asserts both ways.

use crate::report::block::{Block, Cell, Table};
use crate::report::number::count;
use crate::report::section::Section;
use crate::verify::{BlindKind, BlindSpot, SchemeReport};

/// Its one table, where schemes were verified.
pub(super) fn blocks(section: &Section) -> Vec<Block<'_>> {
    let judged = section.verify.iter().filter(|report| !report.schemes.is_empty());
    judged.map(|report| Block::new(table(&report.schemes))).collect()
}

/// A row for each blind spot, and for each scheme that has none.
fn table(schemes: &[SchemeReport]) -> Table {
    let columns = ["scheme", "law", "fault", "part", "what comes of it", "why"];
    let mut table = Table::new("blind", "What each scheme does not see", columns).words().note(
        "A fault that is not listed is caught or does no harm. Each scheme says so itself, and every fault \
         to every part is tried: one that passes and is not listed is wrong, and so is one that is listed \
         and caught.",
    );
    for SchemeReport { name, law, blind } in schemes {
        if blind.is_empty() {
            let none = [Cell::none(), Cell::none(), Cell::new("sees every fault"), Cell::none()];
            table.push([Cell::new(name), Cell::new(law)].into_iter().chain(none).collect());
        }
        for spot in blind {
            let part = if spot.part.is_empty() { "the whole piece" } else { &spot.part };
            let fault = [Cell::new(&spot.fault), Cell::new(part), outcome(spot), Cell::new(&spot.why)];
            table.push([Cell::new(name), Cell::new(law)].into_iter().chain(fault).collect());
        }
    }
    table
}

fn outcome(spot: &BlindSpot) -> Cell {
    let cell = match spot.kind {
        BlindKind::Blind => Cell::new("passes unseen"),
        BlindKind::Alters => Cell::new("gives what was never protected"),
        BlindKind::Chance => Cell::new("passes by chance"),
    };
    match (spot.unseen, spot.trials) {
        (Some(unseen), Some(trials)) => cell.detail(format!("{} of {} trials", count(unseen), count(trials))),
        _ => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn every_blind_spot_has_its_row_and_a_scheme_without_one_says_so() {
        let spot = |fault: &str, part: &str, kind| BlindSpot {
            fault: fault.into(),
            part: part.into(),
            why: "nothing counts the pieces".into(),
            kind,
            trials: (kind == BlindKind::Chance).then_some(4096),
            unseen: (kind == BlindKind::Chance).then_some(15),
        };
        let scheme = |name: &str, blind| SchemeReport { name: name.into(), law: "each".into(), blind };
        let spots = vec![
            spot("drop", "", BlindKind::Blind),
            spot("flip", "length", BlindKind::Alters),
            spot("flip", "crc", BlindKind::Chance),
        ];
        let mut report = sample::report();
        report.schemes = vec![scheme("storage", Vec::new()), scheme("tunnel/compat", spots)];
        let mut section = Section { host: sample::host(), verify: Some(report), bench: None };
        let table = blocks(&section).remove(0).table;
        let rows: Vec<Vec<_>> =
            table.rows.iter().map(|row| row[..5].iter().map(|cell| cell.text.as_str()).collect()).collect();
        let expected = [
            ["storage", "each", "–", "–", "sees every fault"],
            ["tunnel/compat", "each", "drop", "the whole piece", "passes unseen"],
            ["tunnel/compat", "each", "flip", "length", "gives what was never protected"],
            ["tunnel/compat", "each", "flip", "crc", "passes by chance"],
        ];
        assert_eq!(rows, expected);
        assert_eq!(table.rows[3][4].detail, "15 of 4,096 trials");
        section.verify.as_mut().unwrap().schemes.clear();
        assert!(blocks(&section).is_empty(), "a file from before schemes said so");
    }
}
