//! Benchmarks for other people's tools: github-action-benchmark, Bencher, benchstat.
//!
//! Each follows what its reader documents. A row without a time has no number that would be true, so each
//! format shows it in its own way; findings that are of no row have a place in two of them, and the command's
//! exit code says the rest. A name is one series of numbers to these tools, so it holds the host wherever the
//! format has no other place for it.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use crate::measure::{Estimate, Row, Run};
use crate::report::finding::Kind;
use crate::report::number::plain;
use crate::report::rows::{NO_TIME, time};
use crate::report::{Error, Section};

/// The runs, each with its section.
fn runs(sections: &[Section]) -> impl Iterator<Item = (&Section, &Run)> {
    sections.iter().filter_map(|section| Some((section, section.bench.as_ref()?)))
}

/// The name of a place and an engine on a host: one for each series.
fn name(place: &str, engine: &str, host: &str) -> String {
    let words: Vec<&str> = [place, engine].into_iter().filter(|word| !word.is_empty()).collect();
    let words = if words.is_empty() { "the run".to_owned() } else { words.join(" ") };
    plain(&format!("{words} @{host}"))
}

/// Why a row has no time.
fn why(row: &Row) -> &str {
    row.error.as_deref().unwrap_or(NO_TIME)
}

/// Whether bytes over its time are a throughput.
fn has_throughput(row: &Row) -> bool {
    row.bytes > 0 && !row.is_latency()
}

/// Names that a format for programs may hold once only.
///
/// # Errors
/// [`Error::NameTwice`] with the first that stands there again.
pub(in crate::report) fn unique<S: AsRef<str>>(
    format: &'static str,
    names: impl IntoIterator<Item = S>,
) -> Result<(), Error> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name.as_ref().to_owned()) {
            return Err(Error::NameTwice { format, name: name.as_ref().to_owned() });
        }
    }
    Ok(())
}

/// github-action-benchmark's `customBiggerIsBetter`: GB/s, or operations a second where that is no
/// throughput.
///
/// A row without a time has the value 0, which that tool takes for the worst there is and alerts of, with the
/// reason beside it.
///
/// # Errors
/// [`Error::NameTwice`].
pub fn gha(sections: &[Section]) -> Result<String, Error> {
    let mut entries = Vec::new();
    for (_, run) in runs(sections) {
        let source =
            plain(&format!("{} ({}), sealmark {}", run.host.cpu, run.host.fingerprint, run.sealmark));
        for row in &run.rows {
            let (unit, amount) = if has_throughput(row) { ("GB/s", row.bytes as f64) } else { ("op/s", 1e9) };
            let name = name(&row.workload, &row.engine, &run.host.fingerprint);
            entries.push(match time(row) {
                Some(ns) => json!({
                    "name": name,
                    "unit": unit,
                    "value": amount / ns.median,
                    "range": format!("{:.4}", amount / ns.low - amount / ns.high),
                    "extra": source,
                }),
                None => json!({
                    "name": name,
                    "unit": unit,
                    "value": 0,
                    "extra": plain(&format!("no time: {}; {source}", why(row))),
                }),
            });
        }
    }
    unique("gha", entries.iter().map(|entry| entry["name"].as_str().unwrap_or_default()))?;
    Ok(pretty(&Value::Array(entries)))
}

/// Bencher Metric Format.
///
/// `latency` is Bencher's own measure, in nanoseconds. `gb-per-s` is ours: Bencher's `throughput` counts operations.
/// `errors` is ours too: 0 for a row with a time; 1, and nothing beside it, for one without; the count of other findings.
/// A threshold on it makes Bencher alert.
///
/// # Errors
/// [`Error::NameTwice`].
pub fn bmf(sections: &[Section]) -> Result<String, Error> {
    let mut all = Map::new();
    let mut names = Vec::new();
    let interval =
        |value: f64, low: f64, high: f64| json!({ "value": value, "lower_value": low, "upper_value": high });
    for (_, run) in runs(sections) {
        for row in &run.rows {
            let mut measures = Map::new();
            measures.insert("errors".into(), json!({ "value": u64::from(time(row).is_none()) }));
            if let Some(Estimate { median, low, high }) = time(row) {
                measures.insert("latency".into(), interval(median, low, high));
                if has_throughput(row) {
                    let speed = |ns: f64| row.bytes as f64 / ns;
                    measures.insert("gb-per-s".into(), interval(speed(median), speed(high), speed(low)));
                }
            }
            let name = name(&row.workload, &row.engine, &run.host.fingerprint);
            names.push(name.clone());
            all.insert(name, Value::Object(measures));
        }
    }
    unique("bmf", names)?;
    for section in sections {
        for finding in section.findings().iter().filter(|finding| finding.kind != Kind::Row) {
            // A run may have ended early and have no row either: two findings of one name.
            let name = name(&finding.place, &finding.engine, &section.host.fingerprint);
            let before = all.get(&name).and_then(|found| found["errors"]["value"].as_u64());
            all.insert(name, json!({ "errors": { "value": before.unwrap_or(0) + 1 } }));
        }
    }
    Ok(pretty(&Value::Object(all)))
}

/// The Go benchmark format, for benchstat: one line for each process, so that it has samples to judge by.
///
/// A finding is what `go test` prints of a failed benchmark, which benchstat passes over; a row without a
/// time also has a line in the unit `errors`, which benchstat tabulates. Hosts are told apart by the
/// configuration lines.
///
/// # Errors
/// [`Error::NameTwice`].
pub fn benchstat(sections: &[Section]) -> Result<String, Error> {
    let mut out = String::new();
    let mut names = Vec::new();
    for (section, run) in runs(sections) {
        let (os, arch, cpu) = (plain(&run.host.os), plain(&run.host.arch), plain(&run.host.cpu));
        let host = plain(&run.host.fingerprint);
        out += &format!("goos: {os}\ngoarch: {arch}\npkg: sealmark\ncpu: {cpu}\nhost: {host}\n");
        if run.rows.iter().any(|row| time(row).is_none()) {
            out += "Unit errors better=lower assume=exact\n";
        }
        for row in &run.rows {
            let name = go_name(&format!("{}/engine={}", row.workload, row.engine.replace('/', "-")));
            match time(row) {
                Some(ns) => lines(&mut out, &name, row, ns),
                None => out += &format!("Benchmark{name} 1 1 errors\n"),
            }
            names.push(format!("{name} @{host}"));
        }
        for finding in section.findings() {
            // Indented, so that no reader takes a reason for a line of the format.
            let at = if finding.at().is_empty() { "the run".to_owned() } else { finding.at() };
            out += &format!("--- FAIL: {}\n    {}\n", plain(&at), plain(&finding.why));
        }
    }
    unique("benchstat", names)?;
    Ok(out)
}

/// One line for each process; where the file holds no usable samples, one of the median.
fn lines(out: &mut String, name: &str, row: &Row, ns: Estimate) {
    let median = [ns.median];
    let usable = !row.samples.is_empty() && row.samples.iter().all(|ns| ns.is_finite() && *ns > 0.0);
    for ns in if usable { &row.samples } else { &median[..] } {
        *out += &format!("Benchmark{name} 1 {ns} ns/op");
        if has_throughput(row) {
            // Go's MB are decimal.
            *out += &format!(" {} MB/s", row.bytes as f64 / ns * 1e3);
        }
        out.push('\n');
    }
}

/// The name of a Go benchmark begins with a capital letter and has no spaces.
fn go_name(path: &str) -> String {
    let path = plain(path).replace(char::is_whitespace, "_");
    let mut letters = path.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    first + letters.as_str()
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("strings and numbers are JSON") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{File, Report, sample};

    fn both() -> Report {
        Report::build(vec![File::Verify(sample::report()), File::Bench(sample::run())])
    }

    fn parse(text: Result<String, Error>) -> Value {
        serde_json::from_str(&text.unwrap()).unwrap()
    }

    #[test]
    fn gha_has_every_row_and_an_error_is_the_worst_value_with_its_reason() {
        let (report, run) = (both(), sample::run());
        let gha = parse(gha(report.sections()));
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

    #[test]
    fn bmf_has_latency_in_nanoseconds_our_gb_per_s_and_errors() {
        let (report, run) = (both(), sample::run());
        let drawn = parse(bmf(report.sections()));
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
        let drawn = parse(bmf(Report::build(vec![File::Bench(empty)]).sections()));
        assert_eq!(
            drawn["the run @3f9ac27be01d5586"]["errors"]["value"], 2,
            "it ended early, and has no row"
        );
    }

    #[test]
    fn benchstat_has_a_line_for_each_process_and_go_tests_own_words_for_a_failure() {
        let (report, mut run) = (both(), sample::run());
        let go = benchstat(report.sections()).unwrap();
        let lines: Vec<_> = go.lines().filter(|line| line.starts_with("Benchmark")).collect();
        run.rows.retain(|row| row.error.is_none());
        assert_eq!(lines.len(), 1 + run.rows.iter().map(|row| row.samples.len()).sum::<usize>());
        for line in &lines {
            let fields: Vec<_> = line.split(' ').collect();
            assert!(fields[0].as_bytes()["Benchmark".len()].is_ascii_uppercase(), "{line}");
            assert!(fields[1] == "1" && fields[2].parse::<f64>().is_ok(), "{line}");
            let units: Vec<_> = fields.iter().skip(3).step_by(2).copied().collect();
            assert!(matches!(units[..], ["ns/op"] | ["ns/op", "MB/s"] | ["errors"]), "{line}");
        }
        assert!(lines.contains(&"BenchmarkOpen/aes-256-gcm/4096/engine=graviola 1 1 errors"));
        let failed = format!("--- FAIL: open/aes-256-gcm/4096 on graviola\n    {}\n", sample::WRONG_WHAT);
        assert!(go.contains(&failed) && go.contains("\nUnit errors better=lower assume=exact\n"), "{go}");
        assert!(go.contains("--- FAIL: wycheproof/aes-gcm on graviola\n"), "{go}");
        assert_eq!(go_name("seal\u{a0}x/y z"), "Seal_x/y_z", "Go splits fields at every white space");
    }

    #[test]
    fn a_time_without_samples_is_one_line() {
        let mut run = sample::run();
        run.rows.truncate(1);
        run.rows[0].samples.clear();
        let go = benchstat(Report::build(vec![File::Bench(run)]).sections()).unwrap();
        assert_eq!(go.lines().filter(|line| line.starts_with("Benchmark")).count(), 1, "{go}");
    }

    #[test]
    fn two_rows_of_one_name_are_refused_by_all_three() {
        let files = vec![File::Bench(sample::run()), File::Bench(sample::run())];
        let report = Report::build(files);
        for draw in [gha, bmf, benchstat] {
            let refused = draw(report.sections());
            assert!(matches!(refused, Err(Error::NameTwice { .. })), "{refused:?}");
        }
    }
}
