//! github-action-benchmark's `customBiggerIsBetter`: GB/s, or operations per second for workloads without a
//! throughput.
//!
//! A row without a time has the value 0, which that tool takes for the worst result and reports, with the
//! reason beside it. The format has no place for a finding without a row; the command's exit code reports it.

use serde_json::{Value, json};

use super::{Format, pretty, series, unique};
use crate::report::Error;
use crate::report::entry::What;
use crate::report::number::plain;
use crate::report::rows::{NO_TIME, has_throughput, time};
use crate::report::section::Report;

pub(super) const FORMAT: Format = Format {
    name: "gha",
    about: "github-action-benchmark, `customBiggerIsBetter`: GB/s, or operations a second; 0 for an error",
    draw: |report, _| gha(report),
};

/// Draws it.
///
/// # Errors
/// [`Error::NameTwice`].
fn gha(report: &Report) -> Result<String, Error> {
    let mut entries = Vec::new();
    for entry in report.sections().iter().flat_map(|section| section.entries()) {
        let (run, row) = match entry.what {
            What::Row(run, row) => (run, row),
            What::File(_) | What::Tally(..) | What::Engine(..) | What::Whole => continue,
        };
        let source =
            plain(&format!("{} ({}), sealmark {}", run.host.cpu, run.host.fingerprint, run.sealmark));
        let (unit, amount) = if has_throughput(row) { ("GB/s", row.bytes as f64) } else { ("op/s", 1e9) };
        let name = series(&row.workload, &row.engine, &run.host.fingerprint);
        entries.push(match time(row) {
            Some(ns) => json!({
                "name": name,
                "unit": unit,
                "value": amount / ns.median,
                "range": format!("{:.4}", amount / ns.low - amount / ns.high),
                "extra": source,
            }),
            None => {
                let why = row.error.as_deref().unwrap_or(NO_TIME);
                let extra = plain(&format!("no time: {why}; {source}"));
                json!({ "name": name, "unit": unit, "value": 0, "extra": extra })
            }
        });
    }
    unique("gha", entries.iter().map(|entry| entry["name"].as_str().unwrap_or_default()))?;
    Ok(pretty(&Value::Array(entries)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::format::tests::{both, parse};
    use crate::report::sample;

    #[test]
    fn gha_has_every_row_and_an_error_is_the_worst_value_with_its_reason() {
        let (report, run) = (both(), sample::run());
        let gha = parse(gha(&report));
        let entries = gha.as_array().unwrap();
        assert_eq!(entries.len(), run.rows.len());
        for (entry, row) in entries.iter().zip(&run.rows) {
            assert_eq!(entry["name"], format!("{} {} @3f9ac27be01d5586", row.workload, row.engine));
            assert_eq!(entry["unit"], if row.bytes > 0 { "GB/s" } else { "op/s" });
            let (value, extra) = (entry["value"].as_f64().unwrap(), entry["extra"].as_str().unwrap());
            match &row.error {
                None => {
                    let ns = row.ns.unwrap().median;
                    let amount = if row.bytes > 0 { row.bytes as f64 } else { 1e9 };
                    assert!(
                        (value * ns / amount - 1.0).abs() < 1e-9 && entry["range"].is_string(),
                        "{entry}"
                    );
                }
                Some(why) => assert!(value == 0.0 && extra.contains(why), "{entry}"),
            }
        }
    }
}
