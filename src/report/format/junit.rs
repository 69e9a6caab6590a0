//! JUnit XML as Jenkins and GitLab read it (junit.xsd of the Jenkins xUnit plugin).
//!
//! A test suite for each set of cases, with a test case for each engine in it; one for the files of a folder;
//! one for the engines; and one for each measurement, with a test case for each row. Readers identify a test
//! case by class name and name, so the class name ends with the host. Every finding becomes a failure or an
//! error of a test case; a finding that belongs to none gets its own.

use super::{Format, unique};
use crate::report::Error;
use crate::report::entry::{Entry, What};
use crate::report::finding::{Finding, Kind};
use crate::report::number::plain;
use crate::report::section::{Report, Section};
use crate::verify::{self, FileState};

pub(super) const FORMAT: Format = Format {
    name: "junit",
    about: "JUnit XML: a test case for each engine and set, and for each measurement",
    draw: |report, _| junit(report),
};

/// The suite of the engines themselves.
const ENGINES: &str = "engines";

/// The result of a test case.
enum Verdict {
    Passed,
    Skipped(String),
    /// A check failed.
    Failed(Finding),
    /// There is no result.
    Broken(Finding),
}

struct Case {
    class: String,
    name: String,
    verdict: Verdict,
}

struct Suite {
    name: String,
    started: String,
    cases: Vec<Case>,
}

/// Draws JUnit XML.
///
/// # Errors
/// [`Error::NameTwice`] where two runs of one host have a test case in common: one would hide the other.
fn junit(report: &Report) -> Result<String, Error> {
    let mut out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n".to_owned();
    let mut names: Vec<String> = Vec::new();
    let name = |case: &Case| format!("{} in {}", case.name, case.class);
    for section in report.sections() {
        for mut suite in suites(section) {
            // Every run of a host lists its engines; a passing engine is written once.
            let is_well = |case: &Case| matches!(case.verdict, Verdict::Passed | Verdict::Skipped(_));
            if suite.name == ENGINES {
                suite.cases.retain(|case| !is_well(case) || !names.contains(&name(case)));
            }
            if suite.cases.is_empty() {
                continue;
            }
            names.extend(suite.cases.iter().map(name));
            write(&mut out, &suite, &section.host.fingerprint);
        }
    }
    unique("junit", names)?;
    Ok(out + "</testsuites>\n")
}

/// A suite for each set, one for the files, one for each measurement, one for the engines, one for the rest.
fn suites(section: &Section) -> Vec<Suite> {
    let mut suites: Vec<Suite> = Vec::new();
    for Entry { what, finding } in section.entries() {
        let (suite, started, class, name) = match &what {
            What::File(file) => ("files".to_owned(), section.started(), "files", file.file.clone()),
            What::Tally(report, set, engine, _) => {
                (set.set.clone(), report.started.as_str(), set.set.as_str(), (*engine).to_owned())
            }
            What::Row(run, row) => {
                let suite = format!("bench {}", run.suite);
                (suite, run.started.as_str(), row.workload.as_str(), row.engine.clone())
            }
            What::Engine(name, _) => (ENGINES.to_owned(), section.started(), ENGINES, (*name).to_owned()),
            What::Whole => ("results".to_owned(), section.started(), "results", whole(section, &finding)),
        };
        let class = format!("{class} @{}", section.host.fingerprint);
        let verdict = finding.map_or_else(|| passed(&what), failed);
        if suites.last().is_none_or(|last| last.name != suite) {
            suites.push(Suite { name: suite, started: started.to_owned(), cases: Vec::new() });
        }
        suites.last_mut().expect("one was just pushed").cases.push(Case { class, name, verdict });
    }
    suites
}

/// The name of a finding that belongs to no test case.
fn whole(section: &Section, finding: &Option<Finding>) -> String {
    let Some(finding) = finding else { return section.started().to_owned() };
    let at = finding.at();
    if at.is_empty() { format!("the run of {}: {}", section.started(), kind(finding.kind)) } else { at }
}

/// The verdict where there is no finding.
fn passed(what: &What<'_>) -> Verdict {
    match what {
        What::Tally(_, set, _, tally) if tally.ran() == 0 => Verdict::Skipped(counts(set, tally)),
        What::File(file) if file.state == FileState::SetAside => Verdict::Skipped(file.what.clone()),
        What::Engine(_, Some(why)) => Verdict::Skipped(why.clone()),
        What::Tally(..) | What::File(_) | What::Row(..) | What::Engine(_, None) | What::Whole => {
            Verdict::Passed
        }
    }
}

fn failed(finding: Finding) -> Verdict {
    match finding.kind {
        Kind::Verification => Verdict::Failed(finding),
        Kind::Row | Kind::Partial | Kind::Nothing => Verdict::Broken(finding),
    }
}

fn counts(set: &verify::SetReport, tally: &verify::Tally) -> String {
    let verify::Tally { agree, stricter, unsupported, wrong } = tally;
    let declared = set.declared;
    format!("{agree} agree, {stricter} stricter, {unsupported} unsupported, {wrong} wrong of {declared}")
}

fn write(out: &mut String, suite: &Suite, host: &str) {
    let count = |of: fn(&Verdict) -> bool| suite.cases.iter().filter(|case| of(&case.verdict)).count();
    *out += &format!(
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" timestamp=\"{}\" \
         hostname=\"{}\" time=\"0\">\n",
        xml(&suite.name),
        suite.cases.len(),
        count(|verdict| matches!(verdict, Verdict::Failed(_))),
        count(|verdict| matches!(verdict, Verdict::Broken(_))),
        count(|verdict| matches!(verdict, Verdict::Skipped(_))),
        // Readers expect a time without a zone.
        xml(suite.started.split(['.', 'Z']).next().unwrap_or_default()),
        xml(host),
    );
    for Case { class, name, verdict } in &suite.cases {
        *out += &format!("    <testcase classname=\"{}\" name=\"{}\" time=\"0\"", xml(class), xml(name));
        let bad = |tag: &str, finding: &Finding| {
            let lines: Vec<String> = finding.details.iter().map(|detail| xml(detail)).collect();
            let (kind, why) = (kind(finding.kind), xml(&finding.why));
            format!("<{tag} type=\"{kind}\" message=\"{why}\">{}</{tag}>", lines.join("\n"))
        };
        let inside = match verdict {
            Verdict::Passed => {
                *out += "/>\n";
                continue;
            }
            Verdict::Failed(finding) => bad("failure", finding),
            Verdict::Broken(finding) => bad("error", finding),
            Verdict::Skipped(why) => format!("<skipped message=\"{}\"/>", xml(why)),
        };
        *out += &format!(">\n      {inside}\n    </testcase>\n");
    }
    *out += "  </testsuite>\n";
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Verification => "wrong",
        Kind::Row => "no time",
        Kind::Partial => "partial",
        Kind::Nothing => "nothing ran",
    }
}

/// Words as XML 1.0 allows them: `plain` replaces the control characters, this the two non-characters.
fn xml(words: &str) -> String {
    let words = plain(words).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}");
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Run;
    use crate::report::{File, sample};
    use crate::verify::FileReport;

    fn drawn(files: Vec<File>) -> String {
        junit(&Report::build(files)).unwrap()
    }

    #[test]
    fn every_set_and_engine_and_row_has_a_case_and_the_counts_are_right() {
        let (verify, run) = (sample::report(), sample::run());
        let text = drawn(vec![File::Verify(verify.clone()), File::Bench(run.clone())]);
        let document = roxmltree::Document::parse(&text).unwrap();
        let of = |name: &'static str| document.descendants().filter(move |node| node.has_tag_name(name));
        let tallies = verify.sets.iter().map(|set| set.engines.len()).sum::<usize>();
        assert_eq!(of("testcase").count(), tallies + run.rows.len() + verify.engines.len());
        assert_eq!((of("failure").count(), of("error").count(), of("skipped").count()), (1, 1, 1));
        for suite in of("testsuite") {
            let count = |tag| suite.descendants().filter(|node| node.has_tag_name(tag)).count().to_string();
            for (attribute, tag) in
                [("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")]
            {
                assert_eq!(suite.attribute(attribute), Some(count(tag).as_str()), "{attribute}");
            }
            assert_eq!(suite.attribute("hostname"), Some("3f9ac27be01d5586"));
            assert_eq!(suite.attribute("timestamp").map(str::len), Some("2026-11-03T09:12:44".len()));
        }
    }

    #[test]
    fn a_failure_that_no_case_claims_gets_its_own() {
        let mut report = sample::report();
        let failure = |set: &str, engine: &str| verify::Failure {
            set: set.into(),
            engine: engine.into(),
            case: String::new(),
            what: "is <cut> \u{ffff}".into(),
        };
        report.failures =
            vec![failure("dir/x", ""), failure("", "abacus"), failure("", ""), failure("differential", "x")];
        let text = drawn(vec![File::Verify(report)]);
        let document = roxmltree::Document::parse(&text).unwrap();
        let failed = document.descendants().filter(|node| node.has_tag_name("failure"));
        let names: Vec<_> = failed.map(|node| node.parent().unwrap().attribute("name").unwrap()).collect();
        let whole = "the run of 2026-11-03T09:12:44Z: wrong";
        assert_eq!(names, ["graviola", "dir/x", "abacus", whole, "differential on x"]);
        assert_eq!(text.matches("is &lt;cut&gt; \u{fffd}").count(), 2 * 4, "in the message and in the text");
    }

    #[test]
    fn a_run_that_ended_early_is_an_error() {
        let text = drawn(vec![File::Bench(Run { partial: true, ..sample::run() })]);
        let document = roxmltree::Document::parse(&text).unwrap();
        let errors: Vec<_> = document
            .descendants()
            .filter(|node| node.has_tag_name("error"))
            .filter_map(|node| node.attribute("type"))
            .collect();
        assert_eq!(errors, ["no time", "partial"]);
    }

    #[test]
    fn runs_of_one_host_that_measured_other_workloads_stand_side_by_side() {
        let (mut seal, mut open) = (sample::run(), sample::run());
        seal.rows.retain(|row| row.op == "seal");
        open.rows.retain(|row| row.op == "open");
        let rows = seal.rows.len() + open.rows.len();
        let text = drawn(vec![File::Bench(seal), File::Bench(open)]);
        assert_eq!(text.matches("<testcase ").count(), rows + sample::ENGINES.len(), "engines once");
    }

    #[test]
    fn two_runs_of_one_host_are_refused() {
        let files = vec![File::Bench(sample::run()), File::Bench(sample::run())];
        let refused = junit(&Report::build(files));
        assert!(matches!(refused, Err(Error::NameTwice { format: "junit", .. })), "{refused:?}");
    }

    #[test]
    fn a_file_that_was_set_aside_is_skipped_and_one_that_could_not_be_read_fails() {
        let mut report = sample::report();
        let states = [("a", FileState::Read), ("b", FileState::SetAside), ("c", FileState::Unreadable)];
        report.files = states
            .map(|(file, state)| FileReport {
                file: file.into(),
                state,
                what: "AES-CCM".into(),
                remarks: Vec::new(),
            })
            .into();
        report.failures = vec![verify::Failure {
            set: "c".into(),
            engine: String::new(),
            case: String::new(),
            what: "the file could not be read".into(),
        }];
        let text = drawn(vec![File::Verify(report)]);
        let document = roxmltree::Document::parse(&text).unwrap();
        let mut suites = document.descendants().filter(|node| node.attribute("name") == Some("files"));
        let cases = suites.next().expect("a suite of files").children().filter(|node| node.is_element());
        let inside = cases.map(|case| case.first_element_child().map(|child| child.tag_name().name()));
        assert_eq!(inside.collect::<Vec<_>>(), [None, Some("skipped"), Some("failure")]);
    }
}
