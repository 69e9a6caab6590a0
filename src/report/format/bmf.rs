//! Bencher Metric Format.
//!
//! `latency` is Bencher's own measure, in nanoseconds. `gb-per-s` is ours, because Bencher's `throughput`
//! counts operations. `errors` is ours too: 0 for a row with a time; 1 alone for a row without one; for other
//! findings, their number. A threshold on it makes Bencher alert.

use serde_json::{Map, Value, json};

use super::{Format, pretty, series, unique};
use crate::measure::{Estimate, Row};
use crate::report::Error;
use crate::report::entry::What;
use crate::report::rows::{has_throughput, time};
use crate::report::section::Report;

pub(super) const FORMAT: Format = Format {
    name: "bmf",
    about: "Bencher Metric Format: `latency` in nanoseconds, our own `gb-per-s`, and `errors`",
    draw: |report, _| bmf(report),
};

/// Draws it.
///
/// # Errors
/// [`Error::NameTwice`].
fn bmf(report: &Report) -> Result<String, Error> {
    let (mut all, mut names) = (Map::new(), Vec::new());
    for section in report.sections() {
        let host = &section.host.fingerprint;
        for entry in section.entries() {
            if let What::Row(_, row) = entry.what {
                let name = series(&row.workload, &row.engine, host);
                names.push(name.clone());
                all.insert(name, Value::Object(measures(row)));
            } else if let Some(finding) = entry.finding {
                // A run that ended early may also have no row: two findings of one name.
                let name = series(&finding.place, &finding.engine, host);
                let before = all.get(&name).and_then(|found| found["errors"]["value"].as_u64());
                all.insert(name, json!({ "errors": { "value": before.unwrap_or(0) + 1 } }));
            }
        }
    }
    unique("bmf", names)?;
    Ok(pretty(&Value::Object(all)))
}

fn measures(row: &Row) -> Map<String, Value> {
    let interval =
        |value: f64, low: f64, high: f64| json!({ "value": value, "lower_value": low, "upper_value": high });
    let mut measures = Map::new();
    measures.insert("errors".into(), json!({ "value": u64::from(time(row).is_none()) }));
    if let Some(Estimate { median, low, high }) = time(row) {
        measures.insert("latency".into(), interval(median, low, high));
        if has_throughput(row) {
            let speed = |ns: f64| row.bytes as f64 / ns;
            measures.insert("gb-per-s".into(), interval(speed(median), speed(high), speed(low)));
        }
    }
    measures
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Run;
    use crate::report::format::tests::{both, parse};
    use crate::report::{File, sample};

    #[test]
    fn bmf_has_latency_in_nanoseconds_our_gb_per_s_and_errors() {
        let (report, run) = (both(), sample::run());
        let drawn = parse(bmf(&report));
        let all = drawn.as_object().unwrap();
        assert_eq!(all.len(), run.rows.len() + 1, "the rows, and the wrong case");
        for row in &run.rows {
            let measures =
                all[&format!("{} {} @3f9ac27be01d5586", row.workload, row.engine)].as_object().unwrap();
            let names: Vec<_> = measures.keys().map(String::as_str).collect();
            let expected: &[&str] = match (&row.error, row.bytes) {
                (Some(_), _) => &["errors"],
                (None, 0) => &["errors", "latency"],
                (None, _) => &["errors", "gb-per-s", "latency"],
            };
            assert_eq!(names, expected, "{}", row.workload);
            assert_eq!(measures["errors"]["value"], u64::from(row.error.is_some()));
            for measures in measures.iter().filter(|(name, _)| *name != "errors").map(|(_, all)| all) {
                let of = |name: &str| measures[name].as_f64().unwrap();
                assert!(of("lower_value") <= of("value") && of("value") <= of("upper_value"));
            }
        }
        assert_eq!(all["wycheproof/aes-gcm graviola @3f9ac27be01d5586"]["errors"]["value"], 1);
        let empty = Run { rows: Vec::new(), partial: true, ..run };
        let drawn = parse(bmf(&Report::build(vec![File::Bench(empty)])));
        assert_eq!(
            drawn["the run @3f9ac27be01d5586"]["errors"]["value"], 2,
            "it ended early, and has no row"
        );
    }
}
