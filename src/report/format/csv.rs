//! CSV: every tally and every row for programs, after RFC 4180 with a header line.
//!
//! Numbers are those of the result files, unrounded. A word that a spreadsheet would take for a formula gets
//! an apostrophe in front.

use super::Format;
use crate::measure::{Row, Tails};
use crate::report::entry::What;
use crate::report::finding::Kind;
use crate::report::number::plain;
use crate::report::rows::{NO_TIME, replicas, time, widths};
use crate::report::section::Report;
use crate::timing::interval;
use crate::verify::FileState;

pub(super) const FORMAT: Format =
    Format { name: "csv", about: "One line for each tally and each row", draw: |all, _| Ok(csv(all)) };

const HEADER: [&str; 29] = [
    "kind",
    "fingerprint",
    "cpu",
    "started",
    "sealmark",
    "name",
    "engine",
    "declared",
    "agree",
    "stricter",
    "unsupported",
    "wrong",
    "bytes",
    "ns",
    "ns_low",
    "ns_high",
    "gb_per_s",
    "cycles",
    "limit_cycles",
    "limit_percent",
    "p50",
    "p99",
    "p999",
    "processes",
    "samples",
    "error",
    "aes",
    "multiplies",
    "coverage",
];

/// Every tally and every row as CSV. `kind` is `verify` for a tally and `bench` for a row, whose `name` is
/// the set or the workload; `file` for a file of a folder of vectors; `finding` for a failure that has no
/// row, such as that of a whole set, an engine or a run that ended early; `absent` for an engine that took no
/// part. `error` is the reason for a missing number. Findings come first.
pub(super) fn csv(report: &Report) -> String {
    let mut out = String::new();
    line(&mut out, &HEADER.map(str::to_owned));
    for section in report.sections() {
        let head = |kind: &str, started: &str, sealmark: &str, name: &str, engine: &str| {
            let host = &section.host;
            [kind, &host.fingerprint, &host.cpu, started, sealmark, name, engine].map(words).to_vec()
        };
        let said = |kind: &str, name: &str, engine: &str, why: &str| {
            let mut fields = head(kind, section.started(), "", name, engine);
            fields.resize(HEADER.len(), String::new());
            fields[ERROR] = words(why);
            fields
        };
        let entries = section.entries();
        for finding in entries.iter().filter_map(|entry| entry.finding.as_ref()) {
            if finding.kind != Kind::Row {
                line(&mut out, &said("finding", &finding.place, &finding.engine, &finding.why));
            }
        }
        for (engine, why) in section.absent() {
            line(&mut out, &said("absent", "", &engine, &why));
        }
        for entry in &entries {
            match entry.what {
                What::File(file) => {
                    let why = if file.state == FileState::Read { "" } else { &file.what };
                    line(&mut out, &said("file", &file.file, "", why));
                }
                What::Tally(report, set, engine, tally) => {
                    let mut fields = head("verify", &report.started, &report.sealmark, &set.set, engine);
                    let numbers = [set.declared, tally.agree, tally.stricter, tally.unsupported, tally.wrong];
                    fields.extend(numbers.map(|n| n.to_string()));
                    fields.resize(HEADER.len(), String::new());
                    line(&mut out, &fields);
                }
                What::Row(run, row) => {
                    let mut fields = head("bench", &run.started, &run.sealmark, &row.workload, &row.engine);
                    fields.extend(vec![String::new(); 5]);
                    fields.extend(bench(row));
                    line(&mut out, &fields);
                }
                // Absent engines and findings about the whole are written above.
                What::Engine(..) | What::Whole => {}
            }
        }
    }
    out
}

/// The place of `error`.
const ERROR: usize = 25;

/// The fields from `bytes` on.
fn bench(row: &Row) -> [String; 17] {
    let ns = time(row);
    let timed = ns.is_some();
    let [median, low, high] =
        ns.map_or([const { String::new() }; 3], |ns| [ns.median, ns.low, ns.high].map(|x| x.to_string()));
    let speed = row.gb_per_s.filter(|_| timed).map_or_else(String::new, |speed| speed.to_string());
    let samples: Vec<_> = row.samples.iter().filter(|_| timed).map(f64::to_string).collect();
    let error = words(row.error.as_deref().unwrap_or_else(|| if ns.is_some() { "" } else { NO_TIME }));
    let (bytes, processes) = (row.bytes.to_string(), row.processes.to_string());
    let number = |x: Option<f64>| x.filter(|_| timed).map_or_else(String::new, |x| x.to_string());
    let cycles = number(row.cycles.map(|cycles| cycles.median));
    let limit = number(row.limit.as_ref().map(|limit| limit.bound.cycles));
    let percent = number(row.limit.as_ref().map(|limit| limit.percent));
    let [p50, p99, p999] = match row.tails {
        Some(Tails::Ns { p50, p99, p999 }) => [p50, p99, p999].map(|one| number(Some(one.median))),
        _ => [const { String::new() }; 3],
    };
    let samples = samples.join(" ");
    let [aes, multiplies] = match &row.witness {
        Some(witness) => widths(witness).map(str::to_owned),
        None => [const { String::new() }; 2],
    };
    [
        bytes,
        median,
        low,
        high,
        speed,
        cycles,
        limit,
        percent,
        p50,
        p99,
        p999,
        processes,
        samples,
        error,
        aes,
        multiplies,
        number(Some(interval::coverage(replicas(row) as usize))),
    ]
}

fn words(words: &str) -> String {
    let words = plain(words);
    if words.starts_with(['=', '+', '-', '@']) { format!("'{words}") } else { words }
}

fn line(out: &mut String, fields: &[String]) {
    let quoted = |field: &String| {
        if field.contains([',', '"']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.clone() }
    };
    *out += &fields.iter().map(quoted).collect::<Vec<_>>().join(",");
    *out += "\r\n";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{File, sample};
    use crate::trace::Witness;

    /// A reader of RFC 4180, for the test.
    fn parse(csv: &str) -> Vec<Vec<String>> {
        let (mut rows, mut row, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
        let mut chars = csv.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '"' if quoted && chars.peek() == Some(&'"') => field.extend(chars.next()),
                '"' => quoted = !quoted,
                ',' if !quoted => row.push(std::mem::take(&mut field)),
                '\r' if !quoted => {
                    assert_eq!(chars.next(), Some('\n'));
                    row.push(std::mem::take(&mut field));
                    rows.push(std::mem::take(&mut row));
                }
                c => field.push(c),
            }
        }
        assert!(!quoted && field.is_empty() && row.is_empty(), "the last line ends");
        rows
    }

    #[test]
    fn csv_has_every_tally_and_row_and_an_error_has_no_time() {
        let (verify, mut bench) = (sample::report(), sample::run());
        bench.rows[0].engine = "=cmd|\"x\",1".into();
        let expected = 3 + verify.sets.iter().map(|set| set.engines.len()).sum::<usize>() + bench.rows.len();
        let report = Report::build(vec![File::Verify(verify), File::Bench(bench.clone())]);
        let rows = parse(&csv(&report));
        assert_eq!(rows.len(), expected);
        assert!(rows.iter().all(|row| row.len() == HEADER.len()));
        let column = |name: &str| HEADER.iter().position(|column| *column == name).unwrap();
        assert_eq!(rows.iter().filter(|row| row[6] == "'=cmd|\"x\",1").count(), 1, "no formula");
        assert_eq!(column("error"), ERROR);
        let failed = |kind: &str| {
            let failed = rows.iter().skip(1).filter(|row| row[0] == kind && !row[ERROR].is_empty());
            failed.collect::<Vec<_>>()
        };
        let wrong = failed("bench");
        assert_eq!((wrong.len(), failed("finding").len(), failed("absent").len()), (1, 1, 1));
        assert!(failed("finding")[0][ERROR].contains("tc 92: a modified tag was accepted"));
        assert_eq!(wrong[0][column("error")], sample::WRONG_WHAT);
        for empty in ["ns", "ns_low", "ns_high", "gb_per_s", "samples"] {
            assert_eq!(wrong[0][column(empty)], "", "{empty}");
        }
        let timed = rows.iter().find(|row| row[5] == "seal/aes-256-gcm/16384" && row[6] == "ring").unwrap();
        let row = bench.rows.iter().find(|r| r.workload == timed[5] && r.engine == "ring").unwrap();
        assert_eq!(timed[column("ns")].parse::<f64>().unwrap(), row.ns.unwrap().median);
        assert_eq!(timed[column("samples")].split(' ').count(), row.samples.len());
    }

    #[test]
    fn an_error_beside_a_time_in_the_file_still_has_no_time() {
        let mut row = sample::row("seal", "a", 16, "ring", &[5.0, 6.0, 7.0]);
        assert_eq!((bench(&row)[1].as_str(), bench(&row)[16].as_str()), ("6", "0.75"));
        row.error = Some("wrong".into());
        row.witness = Some(Witness::default());
        let bare = ["16", "", "", "", "", "", "", "", "", "", "", "3", "", "wrong", "none", "none", ""];
        assert_eq!(bench(&row), bare);
    }
}
