//! What other people's tools read: JUnit, github-action-benchmark, Bencher, benchstat.
//!
//! Each follows what its reader documents. A row without a time is no metric; JUnit has verification's failures.

use serde_json::{Map, Value, json};

use super::Section;
use super::number::plain;
use super::speed::time;
use crate::measure::{Row, Run};
use crate::verify;

/// JUnit XML: a test suite for each set of cases, a test case for each engine in it. The form that Jenkins and GitLab
/// read (junit.xsd of the Jenkins xUnit plugin).
pub fn junit(sections: &[Section]) -> String {
    let mut out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n".to_owned();
    for report in sections.iter().filter_map(|section| section.verify.as_ref()) {
        for set in &report.sets {
            let wrong = |tally: &verify::Tally| tally.wrong > 0;
            let (tests, failures) =
                (set.engines.len(), set.engines.values().filter(|tally| wrong(tally)).count());
            let skipped = set.engines.values().filter(|tally| ran(tally) == 0).count();
            out += &format!(
                "  <testsuite name=\"{}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\" \
                 timestamp=\"{}\">\n",
                xml(&set.set),
                xml(report.started.split(['.', 'Z']).next().unwrap_or_default()),
            );
            for (engine, tally) in &set.engines {
                out += &format!(
                    "    <testcase classname=\"{}\" name=\"{}\" time=\"0\"",
                    xml(&set.set),
                    xml(engine)
                );
                let counts = format!(
                    "{} agree, {} stricter, {} unsupported, {} wrong of {}",
                    tally.agree, tally.stricter, tally.unsupported, tally.wrong, set.declared
                );
                if wrong(tally) {
                    out += &format!(">\n      <failure message=\"{}\">", xml(&counts));
                    for failure in report.failures.iter().filter(|f| f.set == set.set && f.engine == *engine)
                    {
                        out += &format!("{}: {}\n", xml(&failure.case), xml(&failure.what));
                    }
                    out += "</failure>\n    </testcase>\n";
                } else if ran(tally) == 0 {
                    out += &format!(">\n      <skipped message=\"{}\"/>\n    </testcase>\n", xml(&counts));
                } else {
                    out += "/>\n";
                }
            }
            out += "  </testsuite>\n";
        }
    }
    // What no engine is to blame for: a set that could not be read, or that ran nothing.
    let blameless =
        sections.iter().filter_map(|section| section.verify.as_ref()).flat_map(|report| &report.failures);
    let blameless: Vec<_> = blameless.filter(|failure| failure.engine.is_empty()).collect();
    if !blameless.is_empty() {
        let n = blameless.len();
        out += &format!(
            "  <testsuite name=\"sets\" tests=\"{n}\" failures=\"{n}\" errors=\"0\" skipped=\"0\">\n"
        );
        for failure in blameless {
            out += &format!(
                "    <testcase classname=\"sets\" name=\"{}\" time=\"0\">\n      <failure message=\"{}\"/>\n    \
                 </testcase>\n",
                xml(&failure.set),
                xml(&format!("{} {}", failure.case, failure.what)),
            );
        }
        out += "  </testsuite>\n";
    }
    out + "</testsuites>\n"
}

fn ran(tally: &verify::Tally) -> u64 {
    tally.agree + tally.stricter + tally.wrong
}

fn xml(words: &str) -> String {
    let words = plain(words);
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Rows with a throughput, and what it is called.
fn speeds(sections: &[Section]) -> impl Iterator<Item = (&Run, &Row, f64)> {
    let runs = sections.iter().filter_map(|section| section.bench.as_ref());
    runs.flat_map(|run| run.rows.iter().map(move |row| (run, row))).filter_map(|(run, row)| {
        time(row)?;
        Some((run, row, row.gb_per_s?))
    })
}

/// github-action-benchmark's `customBiggerIsBetter`: GB/s.
pub fn gha(sections: &[Section]) -> String {
    let entry = |(run, row, speed): (&Run, &Row, f64)| {
        let ns = time(row).expect("a row with a speed has a time");
        let range = row.bytes as f64 / ns.low - row.bytes as f64 / ns.high;
        json!({
            "name": format!("{} {}", row.workload, row.engine),
            "unit": "GB/s",
            "value": speed,
            "range": format!("{range:.4}"),
            "extra": format!("{} ({}), sealmark {}", run.host.cpu, run.host.fingerprint, run.sealmark),
        })
    };
    pretty(&Value::Array(speeds(sections).map(entry).collect()))
}

/// Bencher Metric Format: latency in nanoseconds for every timed row, throughput in bytes a second where there is one.
pub fn bmf(sections: &[Section]) -> String {
    let mut all = Map::new();
    for run in sections.iter().filter_map(|section| section.bench.as_ref()) {
        for row in &run.rows {
            let Some(ns) = time(row) else { continue };
            let mut measures = Map::new();
            let of = |value: f64, low: f64, high: f64| json!({ "value": value, "lower_value": low, "upper_value": high });
            measures.insert("latency".into(), of(ns.median, ns.low, ns.high));
            if row.gb_per_s.is_some() {
                let speed = |ns: f64| row.bytes as f64 / ns * 1e9;
                measures.insert("throughput".into(), of(speed(ns.median), speed(ns.high), speed(ns.low)));
            }
            all.insert(format!("{} {}", row.workload, row.engine), Value::Object(measures));
        }
    }
    pretty(&Value::Object(all))
}

/// The Go benchmark format, for benchstat: one line for each process, so that it has samples to judge by.
pub fn benchstat(sections: &[Section]) -> String {
    let mut out = String::new();
    for run in sections.iter().filter_map(|section| section.bench.as_ref()) {
        let (os, arch) = (plain(&run.host.os), plain(&run.host.arch));
        out += &format!("goos: {os}\ngoarch: {arch}\npkg: sealmark\ncpu: {}\n", plain(&run.host.cpu));
        for row in run.rows.iter().filter(|row| time(row).is_some()) {
            let name = go_name(&format!("{}/engine={}", row.workload, row.engine.replace('/', "-")));
            for &ns in &row.samples {
                out += &format!("Benchmark{name} 1 {ns} ns/op");
                if row.gb_per_s.is_some() {
                    // Go's MB are decimal.
                    out += &format!(" {} MB/s", row.bytes as f64 / ns * 1e3);
                }
                out.push('\n');
            }
        }
    }
    out
}

/// The name of a Go benchmark begins with a capital letter and has no spaces.
fn go_name(path: &str) -> String {
    let path = plain(path).replace(' ', "_");
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

    #[test]
    fn junit_has_a_case_for_each_set_and_engine_and_the_failures() {
        let report = both();
        let xml = junit(report.sections());
        let document = roxmltree::Document::parse(&xml).unwrap();
        let verify = sample::report();
        let of = |name: &'static str| document.descendants().filter(move |node| node.has_tag_name(name));
        assert_eq!(of("testcase").count(), verify.sets.iter().map(|set| set.engines.len()).sum::<usize>());
        let wrong =
            verify.sets.iter().flat_map(|set| set.engines.values()).filter(|tally| tally.wrong > 0).count();
        assert!(wrong > 0);
        assert_eq!(of("failure").count(), wrong);
        for suite in of("testsuite") {
            let count = |tag| suite.descendants().filter(|node| node.has_tag_name(tag)).count().to_string();
            assert_eq!(suite.attribute("tests"), Some(count("testcase").as_str()));
            assert_eq!(suite.attribute("failures"), Some(count("failure").as_str()));
            assert_eq!(suite.attribute("skipped"), Some(count("skipped").as_str()));
        }
    }

    #[test]
    fn a_set_that_no_engine_is_to_blame_for_is_a_failure_too() {
        let mut report = sample::report();
        report.failures = vec![verify::Failure {
            set: "dir/x".into(),
            engine: String::new(),
            case: String::new(),
            what: "is <cut>".into(),
        }];
        let xml = junit(Report::build(vec![File::Verify(report)]).sections());
        assert!(xml.contains("name=\"sets\"") && xml.contains("is &lt;cut&gt;"), "{xml}");
        roxmltree::Document::parse(&xml).unwrap();
    }

    #[test]
    fn metrics_are_the_rows_that_have_a_time() {
        let (report, run) = (both(), sample::run());
        let timed = run.rows.iter().filter(|row| row.error.is_none());
        let fast = timed.clone().filter(|row| row.gb_per_s.is_some()).count();
        let gha: Value = serde_json::from_str(&gha(report.sections())).unwrap();
        let entries = gha.as_array().unwrap();
        assert_eq!(entries.len(), fast);
        for entry in entries {
            assert!(
                entry["name"].is_string()
                    && entry["unit"] == "GB/s"
                    && entry["value"].as_f64().unwrap() > 0.0
            );
        }
        let bmf: Value = serde_json::from_str(&bmf(report.sections())).unwrap();
        let all = bmf.as_object().unwrap();
        assert_eq!(all.len(), timed.clone().count());
        for measures in all.values().flat_map(|measures| measures.as_object().unwrap().values()) {
            let of = |name: &str| measures[name].as_f64().unwrap();
            assert!(of("lower_value") <= of("value") && of("value") <= of("upper_value"));
        }
        let go = benchstat(report.sections());
        let lines: Vec<_> = go.lines().filter(|line| line.starts_with("Benchmark")).collect();
        assert_eq!(lines.len(), timed.map(|row| row.samples.len()).sum::<usize>());
        for line in lines {
            let fields: Vec<_> = line.split(' ').collect();
            assert!(fields[0].as_bytes()["Benchmark".len()].is_ascii_uppercase(), "{line}");
            assert!(fields[1] == "1" && fields[2].parse::<f64>().is_ok() && fields[3] == "ns/op", "{line}");
            assert!(fields.len() == 4 || (fields.len() == 6 && fields[5] == "MB/s"), "{line}");
        }
    }
}
