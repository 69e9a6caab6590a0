//! Findings: everything in a section that is not success, in one list, which decides the command's exit code.
//!
//! A finding is a wrong case, a failed set or engine, a row without a time, a run that ended early, or a run
//! without results. `entry` attaches each to its subject for the formats that programs read: when each format
//! searched for failing rows itself, four of them lost some. An engine that this CPU cannot run is absent,
//! not a finding.

use std::fmt;

use super::rows::{NO_TIME, time};
use super::section::{Report, Section};
use super::tally;
use crate::measure::Run;
use crate::verify;

/// One thing that is not success.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Its kind.
    pub kind: Kind,
    /// The set or the workload; empty for an engine, or for the whole run.
    pub place: String,
    /// The engine; empty where it concerns none.
    pub engine: String,
    /// The reason, in one line.
    pub why: String,
    /// Every failure that it counts: `tc 92: a modified tag was accepted`.
    pub details: Vec<String>,
}

/// Kinds of findings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Kind {
    /// A set, an engine, or an engine on a set, failed the verification.
    Verification,
    /// A row has no time.
    Row,
    /// The run ended before all was measured.
    Partial,
    /// Nothing ran, so nothing is known.
    Nothing,
}

impl Finding {
    fn whole(kind: Kind, why: &str) -> Self {
        Self { kind, place: String::new(), engine: String::new(), why: why.to_owned(), details: Vec::new() }
    }

    /// Its place: `open/aes-256-gcm/4096 on ring`; empty for the whole run.
    pub fn at(&self) -> String {
        match (self.place.as_str(), self.engine.as_str()) {
            (place, "") => place.to_owned(),
            ("", engine) => engine.to_owned(),
            (place, engine) => format!("{place} on {engine}"),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at();
        if at.is_empty() { f.write_str(&self.why) } else { write!(f, "{at}: {}", self.why) }
    }
}

impl Section {
    /// The findings of the verification, then of the measurement; empty where everything is right and
    /// everything was measured.
    pub fn findings(&self) -> Vec<Finding> {
        let mut found = self.verify.as_ref().map(of_verification).unwrap_or_default();
        found.extend(self.bench.iter().flat_map(of_measurement));
        found
    }

    /// Engines that took no part, each with the reason: the CPU cannot run them, or they have no row. These
    /// are no findings: no CPU can run every engine.
    pub fn absent(&self) -> Vec<(String, String)> {
        absent(self)
    }
}

impl Report {
    /// The findings of all sections.
    pub fn findings(&self) -> Vec<Finding> {
        self.sections().iter().flat_map(Section::findings).collect()
    }
}

/// One finding for each failed pair of set and engine.
fn of_verification(report: &verify::Report) -> Vec<Finding> {
    let mut keys: Vec<(&str, &str)> = Vec::new();
    for set in &report.sets {
        let bad = set.engines.iter().filter(|(_, t)| t.wrong > 0 || t.total() != set.declared);
        keys.extend(bad.map(|(engine, _)| (set.set.as_str(), engine.as_str())));
    }
    for failure in &report.failures {
        let key = (failure.set.as_str(), failure.engine.as_str());
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let mut found: Vec<Finding> = keys.into_iter().map(|(set, engine)| failed(report, set, engine)).collect();
    if found.is_empty() && report.wrong > 0 {
        let why = format!("the file counts {} wrong and lists none of them", report.wrong);
        found.push(Finding::whole(Kind::Verification, &why));
    }
    // Older files: today the verification itself fails such an engine.
    for engine in tally::idle(report) {
        if !found.iter().any(|finding| finding.engine == engine) {
            let finding = Finding::whole(Kind::Verification, "it ran no case of any set");
            found.push(Finding { engine: engine.to_owned(), ..finding });
        }
    }
    if found.is_empty() && tally::cases(report) == 0 {
        found.push(Finding::whole(Kind::Nothing, "nothing was verified: no case ran"));
    }
    found
}

/// The finding about an engine in a set, or about one of the two.
fn failed(report: &verify::Report, set: &str, engine: &str) -> Finding {
    let failures = report.failures.iter().filter(|failure| failure.set == set && failure.engine == engine);
    let words = |failure: &verify::Failure| match failure.case.as_str() {
        "" => failure.what.clone(),
        case => format!("{case}: {}", failure.what),
    };
    let details: Vec<String> = failures.map(words).collect();
    let tallied = report.sets.iter().find(|one| one.set == set);
    let counts = tallied.and_then(|one| {
        let tally = one.engines.get(engine)?;
        if tally.wrong > 0 {
            return Some(format!("{} of {} cases wrong", tally.wrong, one.declared));
        }
        let (total, declared) = (tally.total(), one.declared);
        (total != declared).then(|| format!("{total} cases came out, {declared} are declared"))
    });
    let more = match details.len() {
        0 | 1 => String::new(),
        n => format!(" (and {} more)", n - 1),
    };
    let parts: Vec<String> = counts.into_iter().chain(details.first().cloned()).collect();
    Finding {
        kind: Kind::Verification,
        place: set.to_owned(),
        engine: engine.to_owned(),
        why: parts.join(": ") + &more,
        details,
    }
}

/// Rows without a time, and findings about the whole run.
fn of_measurement(run: &Run) -> Vec<Finding> {
    let mut found = Vec::new();
    if run.partial {
        found.push(Finding::whole(Kind::Partial, "the run ended before all was measured"));
    }
    if run.rows.is_empty() {
        found.push(Finding::whole(Kind::Nothing, "nothing was measured: the run has no row"));
    }
    found.extend(run.rows.iter().filter(|row| time(row).is_none()).map(|row| {
        let why = row.error.as_deref().unwrap_or(NO_TIME).to_owned();
        let (place, engine) = (row.workload.clone(), row.engine.clone());
        Finding { kind: Kind::Row, place, engine, details: vec![why.clone()], why }
    }));
    found
}

fn absent(section: &Section) -> Vec<(String, String)> {
    let verified = section.verify.iter().flat_map(|report| &report.engines);
    let measured = || section.bench.iter().flat_map(|run| &run.engines);
    let mut found: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, why: &str| {
        if !found.iter().any(|(known, _)| known == name) {
            found.push((name.to_owned(), why.to_owned()));
        }
    };
    for (name, why) in verified
        .map(|engine| (&engine.name, &engine.unavailable))
        .chain(measured().map(|engine| (&engine.name, &engine.unavailable)))
    {
        why.iter().for_each(|why| add(name, why));
    }
    let rows = section.bench.as_ref().map_or(&[][..], |run| &run.rows);
    for engine in measured().filter(|_| !rows.is_empty()) {
        if !rows.iter().any(|row| row.engine == engine.name) {
            add(&engine.name, "it has no row: it offers none of these workloads, or none was reached");
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::EngineVersion;
    use crate::report::sample;
    use crate::verify::{Failure, Tally};

    fn section(verify: Option<verify::Report>, bench: Option<Run>) -> Section {
        Section { host: sample::host(), verify, bench }
    }

    fn said(section: &Section) -> Vec<(Kind, String)> {
        section.findings().iter().map(|finding| (finding.kind, finding.to_string())).collect()
    }

    fn right() -> verify::Report {
        let mut report = sample::report();
        (report.wrong, report.failures) = (0, Vec::new());
        let tally = report.sets[1].engines.get_mut("graviola").unwrap();
        *tally = Tally { agree: 121, unsupported: 195, ..Tally::default() };
        report
    }

    #[test]
    fn a_right_verification_and_a_whole_run_have_none() {
        let mut run = sample::run();
        run.rows.retain(|row| row.error.is_none());
        assert_eq!(said(&section(Some(right()), Some(run))), []);
    }

    #[test]
    fn a_wrong_case_and_a_row_without_a_time_say_where_and_why() {
        let found = said(&section(Some(sample::report()), Some(sample::run())));
        let case = "wycheproof/aes-gcm on graviola: 1 of 316 cases wrong: tc 92: a modified tag was accepted";
        assert_eq!(found.len(), 2);
        assert!(found[0].0 == Kind::Verification && found[0].1.starts_with(case), "{found:?}");
        let row = format!("open/aes-256-gcm/4096 on graviola: {}", sample::WRONG_WHAT);
        assert_eq!(found[1], (Kind::Row, row));
    }

    #[test]
    fn failures_of_one_set_and_engine_are_one_finding_with_all_of_them() {
        let mut report = sample::report();
        for case in ["tc 93", "tc 94"] {
            let failure = Failure { case: case.into(), what: "differs".into(), ..report.failures[0].clone() };
            report.failures.push(failure);
        }
        let found = section(Some(report), None).findings();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].details.len(), 3);
        assert!(found[0].why.ends_with("(and 2 more)"), "{}", found[0].why);
    }

    #[test]
    fn a_failure_without_a_tally_is_found_and_a_tally_without_a_failure_too() {
        let mut report = right();
        let failure = |set: &str, engine: &str| Failure {
            set: set.into(),
            engine: engine.into(),
            case: String::new(),
            what: "failed".into(),
        };
        report.failures = vec![failure("dir/cut.json", ""), failure("", "sealmark/vaes512"), failure("", "")];
        report.sets[0].engines.get_mut("ring").unwrap().agree -= 1;
        let found: Vec<_> = said(&section(Some(report), None)).into_iter().map(|(_, words)| words).collect();
        let short = "nist/gcm-encrypt on ring: 7874 cases came out, 7875 are declared";
        assert_eq!(found, [short, "dir/cut.json: failed", "sealmark/vaes512: failed", "failed"]);
    }

    #[test]
    fn a_count_that_nothing_explains_is_a_finding() {
        let report = verify::Report { wrong: 3, ..right() };
        let found = said(&section(Some(report), None));
        assert_eq!(found[0].1, "the file counts 3 wrong and lists none of them");
    }

    #[test]
    fn an_engine_that_ran_nothing_at_all_is_a_finding() {
        let mut report = right();
        for set in &mut report.sets {
            if let Some(tally) = set.engines.get_mut("ring") {
                *tally = Tally { unsupported: set.declared, ..Tally::default() };
            }
        }
        let found = said(&section(Some(report), None));
        assert_eq!(found, [(Kind::Verification, "ring: it ran no case of any set".into())]);
    }

    #[test]
    fn a_run_of_nothing_leaves_the_question_open() {
        let mut report = right();
        report.sets.clear();
        let run = Run { rows: Vec::new(), partial: true, ..sample::run() };
        let kinds: Vec<_> =
            said(&section(Some(report), Some(run))).into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, [Kind::Nothing, Kind::Partial, Kind::Nothing]);
    }

    #[test]
    fn engines_that_cannot_run_or_have_no_row_are_absent() {
        let mut run = sample::run();
        let version = |name: &str| EngineVersion {
            name: name.into(),
            version: "1".into(),
            unavailable: None,
            environment: Vec::new(),
        };
        run.engines.push(version("openssl"));
        let found = absent(&section(Some(sample::report()), Some(run)));
        let names: Vec<_> = found.iter().map(|(name, why)| (name.as_str(), &why[..14])).collect();
        assert_eq!(names, [("sealmark/vaes512", "this CPU lacks"), ("openssl", "it has no row:")]);
    }
}
