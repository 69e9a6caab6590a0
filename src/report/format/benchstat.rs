//! The Go benchmark format, for benchstat: one line per process, so that benchstat has samples to compare.
//!
//! A finding is written as `go test` prints a failed benchmark, which benchstat ignores; a row without a time
//! also gets a line in the unit `errors`, which benchstat tabulates. Configuration lines distinguish hosts.

use super::{Format, unique};
use crate::measure::{Estimate, Row};
use crate::report::Error;
use crate::report::entry::What;
use crate::report::number::{capital, plain};
use crate::report::rows::{has_throughput, time};
use crate::report::section::Report;

pub(super) const FORMAT: Format = Format {
    name: "benchstat",
    about: "Go's benchmark text, for benchstat: a line for each process; an error has the unit `errors`",
    draw: |report, _| benchstat(report),
};

/// Draws it.
///
/// # Errors
/// [`Error::NameTwice`].
fn benchstat(report: &Report) -> Result<String, Error> {
    let mut out = String::new();
    let mut names = Vec::new();
    for section in report.sections() {
        // Without a benchmark there is nothing to compare.
        let Some(run) = &section.bench else { continue };
        let (os, arch, cpu) = (plain(&run.host.os), plain(&run.host.arch), plain(&run.host.cpu));
        let host = plain(&run.host.fingerprint);
        out += &format!("goos: {os}\ngoarch: {arch}\npkg: sealmark\ncpu: {cpu}\nhost: {host}\n");
        if run.rows.iter().any(|row| time(row).is_none()) {
            out += "Unit errors better=lower assume=exact\n";
        }
        let entries = section.entries();
        for entry in &entries {
            let What::Row(_, row) = entry.what else { continue };
            let name = go_name(&format!("{}/engine={}", row.workload, row.engine.replace('/', "-")));
            match time(row) {
                Some(ns) => lines(&mut out, &name, row, ns),
                None => out += &format!("Benchmark{name} 1 1 errors\n"),
            }
            names.push(format!("{name} @{host}"));
        }
        for finding in entries.iter().filter_map(|entry| entry.finding.as_ref()) {
            // Indented, so that no reader mistakes a reason for a line of the format.
            let at = if finding.at().is_empty() { "the run".to_owned() } else { finding.at() };
            out += &format!("--- FAIL: {}\n    {}\n", plain(&at), plain(&finding.why));
        }
    }
    unique("benchstat", names)?;
    Ok(out)
}

/// One line per process; if the file has no usable samples, one line with the median.
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
    capital(&plain(path).replace(char::is_whitespace, "_"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::format::tests::both;
    use crate::report::{File, sample};

    #[test]
    fn benchstat_has_a_line_for_each_process_and_go_tests_own_words_for_a_failure() {
        let (report, mut run) = (both(), sample::run());
        let go = benchstat(&report).unwrap();
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
        let go = benchstat(&Report::build(vec![File::Bench(run)])).unwrap();
        assert_eq!(go.lines().filter(|line| line.starts_with("Benchmark")).count(), 1, "{go}");
    }
}
