//! The faults that each scheme cannot detect, by its own account. The verification asserts both directions.

use crate::report::block::{Block, Cell, Table};
use crate::report::number::count;
use crate::report::section::Section;
use crate::verify::{BlindHistory, BlindKind, BlindMedium, BlindSpot, SchemeReport};

/// Its one table, where schemes were verified.
pub(super) fn blocks(section: &Section) -> Vec<Block<'_>> {
    let judged = section.verify.iter().filter(|report| !report.schemes.is_empty());
    judged.map(|report| Block::new(table(&report.schemes)).folded()).collect()
}

/// A row for each blind spot, and for each scheme that has none.
fn table(schemes: &[SchemeReport]) -> Table {
    let columns = ["scheme", "law", "fault", "part, medium or history", "consequence", "why"];
    let mut table = Table::new("blind", "Faults that each scheme cannot detect", columns).words().note(
        "Every fault was tried on every part. An unlisted fault that passes is an error, and so is a listed \
         fault that is caught. The campaign plays every history in every mode of its scheme, with the same \
         consequence. Media are the scheme's own account.",
    );
    for SchemeReport { name, law, blind, blind_media, blind_histories, .. } in schemes {
        if blind.is_empty() {
            let none = [Cell::none(), Cell::none(), Cell::new("detects every fault"), Cell::none()];
            table.push([Cell::new(name), Cell::new(law)].into_iter().chain(none).collect());
        }
        for spot in blind {
            let part = if spot.part.is_empty() { "the whole piece" } else { &spot.part };
            let fault = [Cell::new(&spot.fault), Cell::new(part), outcome(spot), Cell::new(&spot.why)];
            table.push([Cell::new(name), Cell::new(law)].into_iter().chain(fault).collect());
        }
        for BlindMedium { medium, why } in blind_media {
            let kept =
                [Cell::new("erase"), Cell::new(medium), Cell::new("erased bytes stay"), Cell::new(why)];
            table.push([Cell::new(name), Cell::new(law)].into_iter().chain(kept).collect());
        }
        for BlindHistory { history, why } in blind_histories {
            let played =
                [Cell::new("history"), Cell::new(history), Cell::new("is not withstood"), Cell::new(why)];
            table.push([Cell::new(name), Cell::new(law)].into_iter().chain(played).collect());
        }
    }
    table
}

fn outcome(spot: &BlindSpot) -> Cell {
    let cell = match spot.kind {
        BlindKind::Blind => Cell::new("passes undetected"),
        BlindKind::Alters => Cell::new("returns a message that was never protected"),
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
        let scheme = |name: &str, blind| SchemeReport {
            name: name.into(),
            law: "each".into(),
            blind,
            blind_media: Vec::new(),
            blind_histories: Vec::new(),
            risks: Vec::new(),
        };
        let spots = vec![
            spot("drop", "", BlindKind::Blind),
            spot("flip", "length", BlindKind::Alters),
            spot("flip", "crc", BlindKind::Chance),
        ];
        let mut report = sample::report();
        report.schemes = vec![scheme("storage", Vec::new()), scheme("tunnel/compat", spots)];
        let kept = BlindMedium { medium: "flash".into(), why: "the drive writes to other cells".into() };
        report.schemes[1].blind_media.push(kept);
        let history = BlindHistory { history: "forged-counter".into(), why: "the window moves first".into() };
        report.schemes[1].blind_histories.push(history);
        let mut section = Section { host: sample::host(), verify: Some(report), bench: None };
        let table = blocks(&section).remove(0).table;
        let rows: Vec<Vec<_>> =
            table.rows.iter().map(|row| row[..5].iter().map(|cell| cell.text.as_str()).collect()).collect();
        let expected = [
            ["storage", "each", "–", "–", "detects every fault"],
            ["tunnel/compat", "each", "drop", "the whole piece", "passes undetected"],
            ["tunnel/compat", "each", "flip", "length", "returns a message that was never protected"],
            ["tunnel/compat", "each", "flip", "crc", "passes by chance"],
            ["tunnel/compat", "each", "erase", "flash", "erased bytes stay"],
            ["tunnel/compat", "each", "history", "forged-counter", "is not withstood"],
        ];
        assert_eq!(rows, expected);
        assert_eq!(table.rows[3][4].detail, "15 of 4,096 trials");
        section.verify.as_mut().unwrap().schemes.clear();
        assert!(blocks(&section).is_empty(), "a file from before schemes said so");
    }
}
