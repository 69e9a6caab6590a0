//! Sentences that sum up a report.
//!
//! Each is built from counts, so it is as true as the files. It calls an engine the fastest only where the
//! run can tell it from all others; otherwise it names the engines that are too close.

use super::curve::{self, Curve, USUAL_SIZE};
use super::number::{capital, counted, size};
use super::rows::{self, SEAL, distinct};
use super::section::{Report, Section};
use super::tally;
use crate::measure::Run;

impl Section {
    /// One sentence that sums it up.
    pub fn sentence(&self) -> String {
        section(self)
    }
}

impl Report {
    /// One sentence on all sections, for the end of a command and the title of the page.
    pub fn sentence(&self) -> String {
        report(self.sections())
    }
}

/// The sentence on a whole report.
fn report(sections: &[Section]) -> String {
    match sections {
        [] => "Nothing to report: no result file was given.".to_owned(),
        [only] => section(only),
        _ => {
            let verified = || sections.iter().filter_map(|section| section.verify.as_ref());
            let runs = several(sections);
            let mut words = if verified().next().is_none() {
                format!("{runs}, measured and not verified")
            } else {
                let (all, wrong) = verified().fold((0, 0), |(all, wrong), report| {
                    (all + tally::cases(report), wrong + tally::wrong(report))
                });
                format!("{runs}: {}, {wrong} wrong", counted(all, "case"))
            };
            for lack in lacks(sections.iter().filter_map(|section| section.bench.as_ref())) {
                words += &format!("; {lack}");
            }
            words + "."
        }
    }
}

/// `2 runs on 1 host`.
pub(super) fn several(sections: &[Section]) -> String {
    let hosts = distinct(sections.iter().map(|section| &section.host.fingerprint)).len() as u64;
    format!("{} on {}", counted(sections.len() as u64, "run"), counted(hosts, "host"))
}

/// The sentence on one section.
fn section(section: &Section) -> String {
    let mut parts = Vec::new();
    if let Some(report) = &section.verify {
        let (engines, all) = (tally::engines(report).len() as u64, tally::cases(report));
        let wrong = tally::wrong(report);
        parts.push(if all == 0 {
            "nothing was verified: no case ran".to_owned()
        } else {
            let none = report.sets.len() as u64 - ran(report);
            let none =
                if none > 0 { format!(", {} ran nothing", counted(none, "set")) } else { String::new() };
            format!("{}, {}, {wrong} wrong{none}", counted(engines, "engine"), counted(all, "case"))
        });
    }
    if let Some(run) = &section.bench {
        if section.verify.is_none() {
            let engines = rows::engines(run).len() as u64;
            parts.push(format!("{} measured, not verified here", counted(engines, "engine")));
        }
        parts.extend(fastest(run));
        parts.extend(lacks([run]));
    }
    capital(&parts.join("; ")) + "."
}

/// Parts that runs lack: times, rows, or their end.
fn lacks<'a>(runs: impl IntoIterator<Item = &'a Run>) -> Vec<String> {
    let (mut errors, mut empty, mut partial) = (0, 0, 0);
    for run in runs {
        errors += run.rows.iter().filter(|row| rows::time(row).is_none()).count() as u64;
        empty += u64::from(run.rows.is_empty());
        partial += u64::from(run.partial);
    }
    let mut found = Vec::new();
    if errors > 0 {
        found.push(format!("{} without a time", counted(errors, "measurement")));
    }
    match empty {
        0 => {}
        1 => found.push("nothing was measured: a run has no row".to_owned()),
        n => found.push(format!("nothing was measured in {n} runs")),
    }
    match partial {
        0 => {}
        1 => found.push("a run ended before all was measured".to_owned()),
        n => found.push(format!("{n} runs ended before all was measured")),
    }
    found
}

/// Sets in which at least one case ran.
fn ran(report: &crate::verify::Report) -> u64 {
    let ran = |set: &&crate::verify::SetReport| {
        set.engines.values().any(|tally| tally.agree + tally.stricter + tally.wrong > 0)
    };
    report.sets.iter().filter(ran).count() as u64
}

/// The fastest engine at sealing, at 16 KiB or else at the largest size.
fn fastest(run: &Run) -> Option<String> {
    let curves = curve::curves(run);
    let seal = |curve: &&Curve<'_>| curve.op == SEAL;
    let curve = curves.iter().filter(seal).find(|curve| curve.sizes.contains(&USUAL_SIZE));
    let curve = curve.or_else(|| curves.iter().find(seal))?;
    let lead = curve.lead(curve.usual_size()?)?;
    Some(format!("fastest {} seal at {}: {}", lead.algorithm, size(lead.bytes), lead.name_or_tie()))
}

/// The origin of the results: host, time and version.
pub(super) fn origin(section: &Section) -> String {
    let host = &section.host;
    let mut words = format!("{} (fingerprint {}, {}", host.cpu, host.fingerprint, machine(host.virtualised));
    words += &format!(", {} {})", host.os, host.arch);
    if let Some(report) = &section.verify {
        words += &format!("; verified {} by sealmark {}", report.started, report.sealmark);
    }
    if let Some(run) = &section.bench {
        words += &format!("; measured {} by sealmark {}", run.started, run.sealmark);
        if run.partial {
            words += ", and ended before all was measured";
        }
    }
    words + "."
}

/// Changes on one machine between the files of a report that its fingerprint does not cover: one sentence for
/// each fingerprint.
pub(super) fn changes(sections: &[Section]) -> Vec<String> {
    let mut hosts: Vec<(&str, [Vec<&str>; 3])> = Vec::new();
    for section in sections {
        let verified = section.verify.as_ref().map(|report| (&report.host, report.sealmark.as_str()));
        let measured = section.bench.as_ref().map(|run| (&run.host, run.sealmark.as_str()));
        for (host, sealmark) in verified.into_iter().chain(measured) {
            let place = hosts.iter().position(|(fingerprint, _)| *fingerprint == host.fingerprint);
            let place = place.unwrap_or_else(|| {
                hosts.push((&host.fingerprint, Default::default()));
                hosts.len() - 1
            });
            let [kernel, microcode] =
                [&host.kernel, &host.microcode].map(|value| value.as_deref().unwrap_or("unknown"));
            let values = [kernel, microcode, sealmark];
            for (seen, value) in hosts[place].1.iter_mut().zip(values) {
                if !seen.contains(&value) {
                    seen.push(value);
                }
            }
        }
    }
    let changed = |(fingerprint, seen): &(&str, [Vec<&str>; 3])| {
        let several = ["kernel", "microcode", "sealmark"].iter().zip(seen).filter(|(_, seen)| seen.len() > 1);
        let words: Vec<_> = several.map(|(name, seen)| format!("{name} {}", seen.join(" and "))).collect();
        let differs = "did not all have the same system or program";
        (!words.is_empty()).then(|| {
            format!(
                "The runs with fingerprint {fingerprint} {differs}: {}; it may change times.",
                words.join("; ")
            )
        })
    };
    hosts.iter().filter_map(changed).collect()
}

/// Whether a hypervisor was detected, in words.
pub(super) fn machine(virtualised: Option<bool>) -> &'static str {
    match virtualised {
        Some(true) => "virtual machine",
        Some(false) => "no hypervisor",
        None => "hypervisor unknown",
    }
}

#[cfg(test)]
mod tests {
    use crate::measure::Run;
    use crate::report::{File, Report, sample};

    fn of(files: Vec<File>) -> String {
        Report::build(files).sentence()
    }

    #[test]
    fn a_sentence_says_what_the_files_say() {
        let (verify, bench) = (File::Verify(sample::report()), File::Bench(sample::run()));
        let fastest =
            "fastest aes-256-gcm seal at 16 KiB: aws-lc at 14.3 GB/s; 1 measurement without a time.";
        assert_eq!(
            of(vec![verify.clone(), bench.clone()]),
            format!("6 engines, 23,971 cases, 1 wrong; {fastest}")
        );
        assert_eq!(of(vec![verify.clone()]), "6 engines, 23,971 cases, 1 wrong.");
        assert_eq!(of(vec![bench.clone()]), format!("6 engines measured, not verified here; {fastest}"));
        assert_eq!(
            of(vec![verify.clone(), bench.clone(), bench.clone()]),
            "2 runs on 1 host: 23,971 cases, 1 wrong; 2 measurements without a time."
        );
        let twice = "2 runs on 1 host, measured and not verified; 2 measurements without a time.";
        assert_eq!(of(vec![bench.clone(), bench]), twice);
        assert_eq!(of(vec![]), "Nothing to report: no result file was given.");
    }

    /// What is done to a run, and what is then said.
    type Change = (fn(&mut Run), &'static str);

    #[test]
    fn what_changed_on_one_machine_is_said_on_the_page_and_in_the_text() {
        let said = |files: Vec<File>| {
            let report = Report::build(files);
            let said = super::changes(report.sections());
            for format in [report.html(), report.markdown(), report.text(4000)] {
                assert_eq!(format.matches("did not all have the same").count(), said.len());
                // The page and Markdown escape what they must; none of these words is changed by it.
                assert!(
                    said.iter()
                        .all(|words| format.contains(&words.replace('_', "\\_")) || format.contains(words))
                );
            }
            said
        };
        let (verify, bench) = (File::Verify(sample::report()), sample::run());
        assert!(said(vec![verify.clone(), File::Bench(bench.clone())]).is_empty());
        let changes: [Change; 4] = [
            (|run| run.host.kernel = Some("6.2.0".into()), "kernel 6.1.0-28-cloud-amd64 and 6.2.0"),
            (|run| run.host.kernel = None, "kernel 6.1.0-28-cloud-amd64 and unknown"),
            (|run| run.host.microcode = Some("0x7".into()), "microcode 0xffffffff and 0x7"),
            (|run| run.sealmark = "0.2.0".into(), "sealmark 0.1.0 and 0.2.0"),
        ];
        for (change, words) in changes {
            let mut other = bench.clone();
            change(&mut other);
            let whole = format!(
                "The runs with fingerprint 3f9ac27be01d5586 did not all have the same system or program: \
                 {words}; it may change times."
            );
            let within = vec![verify.clone(), File::Bench(other.clone())];
            assert_eq!(said(within), [whole.as_str()], "within a section");
            let between = vec![File::Bench(bench.clone()), File::Bench(other.clone())];
            assert_eq!(said(between), [whole.as_str()], "between sections");
            other.host.fingerprint = "0".repeat(16);
            assert!(said(vec![verify.clone(), File::Bench(other)]).is_empty(), "another machine");
        }
    }

    #[test]
    fn a_run_that_checked_nothing_is_not_called_right() {
        let mut report = sample::report();
        report.sets[2].engines.clear();
        assert_eq!(
            of(vec![File::Verify(report.clone())]),
            "6 engines, 8,215 cases, 1 wrong, 1 set ran nothing."
        );
        report.sets.clear();
        assert_eq!(of(vec![File::Verify(report)]), "Nothing was verified: no case ran.");
    }

    #[test]
    fn a_run_that_ended_early_or_measured_nothing_says_so() {
        let mut run = sample::run();
        run.rows.retain(|row| row.error.is_none());
        run.partial = true;
        let ended = "aws-lc at 14.3 GB/s; a run ended before all was measured.";
        assert!(of(vec![File::Bench(run.clone())]).ends_with(ended));
        let two = "2 runs on 1 host, measured and not verified; 2 runs ended before all was measured.";
        assert_eq!(of(vec![File::Bench(run.clone()), File::Bench(run.clone())]), two);
        (run.partial, run.rows) = (false, Vec::new());
        let nothing = "0 engines measured, not verified here; nothing was measured: a run has no row.";
        assert_eq!(of(vec![File::Bench(run)]), nothing);
    }

    #[test]
    fn the_fastest_says_whose_time_it_was_chosen_without() {
        let mut run = sample::run();
        let row =
            |row: &&mut crate::measure::Row| row.workload == "seal/aes-256-gcm/16384" && row.engine == "ring";
        run.rows.iter_mut().find(row).unwrap().error = Some("wrong".into());
        let sentence = of(vec![File::Bench(run)]);
        assert!(sentence.contains("aws-lc at 14.3 GB/s (no time of ring); 2 measurements"), "{sentence}");
    }

    #[test]
    fn engines_too_close_to_call_are_named() {
        let mut run = sample::run();
        run.rows = vec![
            sample::row("seal", "a", 1000, "ring", &[100.0]),
            sample::row("seal", "a", 2000, "ring", &[100.0, 95.0, 110.0]),
            sample::row("seal", "a", 2000, "aws-lc", &[98.0, 97.0, 99.0]),
        ];
        let sentence = of(vec![File::Bench(run)]);
        let expected = "fastest a seal at 2,000 B: aws-lc at 20.4 GB/s, too close to ring to call.";
        assert!(sentence.ends_with(expected), "{sentence}");
    }
}
