//! The harms that each scheme keeps rare without preventing them, with the use that makes each likely.

use crate::report::block::{Block, Cell, Table};
use crate::report::number::count;
use crate::report::section::Section;
use crate::verify::{SchemeReport, SchemeRisk};

/// Its one table, where a verified scheme has such a risk.
pub(super) fn blocks(section: &Section) -> Vec<Block<'_>> {
    let risky =
        section.verify.iter().filter(|report| report.schemes.iter().any(|scheme| !scheme.risks.is_empty()));
    risky.map(|report| Block::new(table(&report.schemes)).folded()).collect()
}

/// The harm and its chance in words: `a nonce repeats: chance over 2^-32 after 2, over 2^-1 after 38,582
/// sessions`.
pub fn sentence(risk: &SchemeRisk) -> String {
    let levels =
        risk.levels.iter().map(|level| format!("over 2^-{} after {}", level.bits, count(level.after)));
    format!("{}: chance {} {}", risk.harm, levels.collect::<Vec<_>>().join(", "), risk.counted)
}

/// A row for each bound of each risk.
fn table(schemes: &[SchemeReport]) -> Table {
    let columns = ["scheme", "chance over", "after", "of", "harm", "why"];
    let mut table = Table::new("risks", "Harms that a scheme does not prevent but keeps rare", columns)
        .words()
        .note("Computed, not measured. The count is the smallest at which the chance exceeds the bound.");
    for scheme in schemes {
        for risk in &scheme.risks {
            for level in &risk.levels {
                table.push(vec![
                    Cell::new(&scheme.name),
                    Cell::new(format!("2^-{}", level.bits)),
                    Cell::new(count(level.after)),
                    Cell::new(&risk.counted),
                    Cell::new(&risk.harm),
                    Cell::new(&risk.why),
                ]);
            }
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::verify::{RiskLevel, SchemeRisk};

    #[test]
    fn every_bound_of_a_risk_has_its_row_and_no_risk_has_no_table() {
        let scheme = |name: &str, risks| SchemeReport {
            name: name.into(),
            law: "each".into(),
            blind: Vec::new(),
            blind_media: Vec::new(),
            blind_histories: Vec::new(),
            risks,
        };
        let risk = SchemeRisk {
            harm: "a nonce repeats".into(),
            counted: "sessions".into(),
            why: "the prefix is short".into(),
            levels: vec![RiskLevel { bits: 32, after: 2 }, RiskLevel { bits: 1, after: 38_582 }],
        };
        let words = "a nonce repeats: chance over 2^-32 after 2, over 2^-1 after 38,582 sessions";
        assert_eq!(sentence(&risk), words);
        let mut report = sample::report();
        report.schemes = vec![scheme("storage", Vec::new()), scheme("tunnel/compat", vec![risk])];
        let mut section = Section { host: sample::host(), verify: Some(report), bench: None };
        let table = blocks(&section).remove(0).table;
        let rows: Vec<Vec<_>> =
            table.rows.iter().map(|row| row.iter().map(|cell| cell.text.as_str()).collect()).collect();
        let expected = [
            ["tunnel/compat", "2^-32", "2", "sessions", "a nonce repeats", "the prefix is short"],
            ["tunnel/compat", "2^-1", "38,582", "sessions", "a nonce repeats", "the prefix is short"],
        ];
        assert_eq!(rows, expected);
        section.verify.as_mut().unwrap().schemes.truncate(1);
        assert!(blocks(&section).is_empty());
    }
}
