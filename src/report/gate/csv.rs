//! Gate results and histories as CSV: one line for each row of each run, unrounded, with every pair.

use crate::measure::gate::exact::Counts;
use crate::measure::gate::history::{Entry, History};
use crate::measure::gate::{Gate, Ratio, Row};
use crate::report::format::csv::{line, words};

const HEADER: [&str; 21] = [
    "kind",
    "fingerprint",
    "cpu",
    "started",
    "sealmark",
    "base",
    "head",
    "workload",
    "engine",
    "verdict",
    "changed",
    "ratio",
    "ratio_low",
    "ratio_high",
    "instructions_base",
    "instructions_head",
    "smallest_detectable",
    "margin",
    "why",
    "samples",
    "confirming",
];

/// Draws them. `kind` is `gate` for a row of a result, and `history` for one of a history, which has no
/// pairs.
pub(super) fn csv(gates: &[Gate], history: &History) -> String {
    let mut out = String::new();
    line(&mut out, &HEADER.map(str::to_owned));
    for gate in gates {
        let entry = Entry::of(gate);
        for (row, point) in gate.rows.iter().zip(0..) {
            let mut fields = fields("gate", &entry, point);
            fields.extend(further(row));
            line(&mut out, &fields);
        }
    }
    for entry in &history.entries {
        for point in 0..entry.rows.len() {
            let mut fields = fields("history", entry, point);
            fields.resize(HEADER.len(), String::new());
            line(&mut out, &fields);
        }
    }
    out
}

/// The fields that a result and a history have in common.
fn fields(kind: &str, entry: &Entry, point: usize) -> Vec<String> {
    let row = &entry.rows[point];
    let [base, head] = match &entry.commits {
        Some(commits) => [commits.base.as_str(), commits.head.as_str()],
        None => [""; 2],
    };
    let verdict = super::sentence::name(row.verdict).to_lowercase();
    let changed = row.changed.map_or_else(String::new, |changed| changed.to_string());
    let texts = [
        kind,
        &entry.fingerprint,
        &entry.cpu,
        &entry.started,
        &entry.sealmark,
        base,
        head,
        &row.workload,
        &row.engine,
        &verdict,
        &changed,
    ];
    let [estimate, low, high] = match row.ratio {
        Some(Ratio { estimate, low, high }) => [Some(estimate), Some(low), high],
        None => [None; 3],
    };
    let [base, head] = match row.instructions {
        Some(Counts { base, head }) => [base, head].map(|count| count.to_string()),
        None => [const { String::new() }; 2],
    };
    texts.into_iter().map(words).chain([estimate, low, high].map(number)).chain([base, head]).collect()
}

/// The fields that only a result has.
fn further(row: &Row) -> [String; 5] {
    let samples = |samples: &[f64]| samples.iter().map(f64::to_string).collect::<Vec<_>>().join(" ");
    [
        number(row.smallest_detectable),
        row.margin.to_string(),
        words(&super::sentence::reason(row)),
        samples(&row.samples),
        samples(&row.confirming),
    ]
}

fn number(x: Option<f64>) -> String {
    x.map_or_else(String::new, |x| x.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::gate::sample;

    #[test]
    fn every_row_of_results_and_histories_is_a_line_with_all_fields() {
        let gate = sample::gate();
        let history = History { entries: vec![Entry::of(&gate)], torn: Vec::new() };
        let text = csv(std::slice::from_ref(&gate), &history);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
        assert_eq!(lines.len(), 1 + 2 * gate.rows.len());
        // Of the sample's words, only the reason of the open row has a comma to be quoted.
        for fields in lines.iter().filter(|fields| !fields.iter().any(|field| field.starts_with('"'))) {
            assert_eq!(fields.len(), HEADER.len(), "{fields:?}");
        }
        let slower = &lines[3];
        assert_eq!(slower[7..12], ["open/aes-256-gcm/1024", "sealmark", "slower", "true", "1.024"]);
        assert_eq!(slower[14..18], ["10340", "10404", "0.008", "0.005"]);
        assert_eq!(slower[19].split(' ').count(), 96);
        assert_eq!((lines[8][0], lines[8][9], lines[8][19]), ("history", "slower", ""));
    }
}
