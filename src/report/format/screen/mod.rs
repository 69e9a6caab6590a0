//! The screen that a command ends with: the answer, small enough to read without scrolling.
//!
//! Failures come first, each by name. Then one line for each engine, one table of speeds, and two or three
//! sentences. With the eight engines of an ordinary build that is at most 40 lines at 100 columns. Everything
//! else is in the tables of `text`, which `--full` prints. The numbers are those of `answer`; the page draws
//! them too. No colour, and nothing that moves the cursor.

mod engines;
mod measured;

use super::text::wrap;
use crate::report::finding::{Finding, Kind};
use crate::report::number::{count, plain};
use crate::report::rows::distinct;
use crate::report::section::{Report, Section};
use crate::report::{answer::Answer, summary};

/// Narrower than this, numbers would be cut.
const MIN_WIDTH: u16 = 60;

/// Failures that are named; the rest are counted.
const MAX_FAILURES: usize = 6;

/// Uncertainties that are named; the rest are counted.
const MAX_DOUBTS: usize = 4;

/// Lines that one failure, or the reason why an engine does not run, may take.
const FAILURE_LINES: usize = 2;

/// Draws a whole report, one screen for each section.
pub(super) fn report(report: &Report, width: u16) -> String {
    let width = usize::from(width.max(MIN_WIDTH));
    let screens: Vec<String> = report.sections().iter().map(|one| section(one, width)).collect();
    match screens.as_slice() {
        [] => wrap(&report.sentence(), width),
        screens => screens.join("\n"),
    }
}

/// Draws one section: its parts, with a blank line between them.
fn section(section: &Section, width: usize) -> String {
    let answer = section.answer();
    let parts = [
        wrap(&host(section, &answer), width),
        failures(section, width),
        engines::table(section, &answer, width),
        engines::rest(section, width),
        measured::tables(section, &answer, width),
        sentences(&answer, width),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

/// `Intel(R) Xeon(R) Processor, 2 cores, virtual machine, linux x86_64`.
fn host(section: &Section, answer: &Answer) -> String {
    let host = &section.host;
    let cores = if host.cores == 1 { "1 core".to_owned() } else { format!("{} cores", host.cores) };
    let machine = summary::machine(host.virtualised);
    format!("{}, {cores}, {machine}, {} {}", answer.cpu, plain(&host.os), plain(&host.arch))
}

/// Everything that is not success, by name. Rows that one engine lost for one reason are one line.
fn failures(section: &Section, width: usize) -> String {
    let findings = section.findings();
    if findings.is_empty() {
        return String::new();
    }
    let groups = distinct(findings.iter().map(key));
    let failures = if findings.len() == 1 { "failure" } else { "failures" };
    let mut out = format!("{} {failures}:\n", count(findings.len() as u64));
    for group in groups.iter().take(MAX_FAILURES) {
        let of_it: Vec<&Finding> = findings.iter().filter(|finding| key(finding) == *group).collect();
        let more = match of_it.len() {
            1 => String::new(),
            n => format!(" and {} more", count(n as u64 - 1)),
        };
        let first = of_it[0];
        let place = match (first.place.as_str(), first.engine.as_str()) {
            ("", "") => String::new(),
            (place, "") => format!("{place}{more}: "),
            ("", engine) => format!("{engine}{more}: "),
            (place, engine) => format!("{place}{more} on {engine}: "),
        };
        out += &item(&format!("{place}{}", first.why), width);
    }
    if groups.len() > MAX_FAILURES {
        let shown: usize = groups[..MAX_FAILURES]
            .iter()
            .map(|group| findings.iter().filter(|finding| key(finding) == *group).count())
            .sum();
        out += &format!("  and {} more: --full names each\n", count((findings.len() - shown) as u64));
    }
    out
}

/// What makes two findings one line: rows of one engine with one reason. Others stand alone.
fn key(finding: &Finding) -> (bool, &str, &str, &str) {
    let is_row = finding.kind == Kind::Row;
    (is_row, if is_row { "" } else { &finding.place }, &finding.engine, &finding.why)
}

/// The first lines of words that are wrapped to `width`. An ellipsis stands for the rest.
fn cut(words: &str, width: usize) -> Vec<String> {
    let whole = wrap(words, width);
    let mut lines: Vec<String> = whole.lines().take(FAILURE_LINES).map(str::to_owned).collect();
    if whole.lines().count() > FAILURE_LINES
        && let Some(last) = lines.last_mut()
    {
        let kept: String = last.chars().take(width - 2).collect();
        *last = format!("{} …", kept.trim_end());
    }
    lines
}

/// An indented item of a list, cut where it would take too many lines.
fn item(words: &str, width: usize) -> String {
    cut(&plain(words), width - 4)
        .iter()
        .enumerate()
        .map(|(n, line)| format!("{}{line}\n", if n == 0 { "  " } else { "    " }))
        .collect()
}

/// The answer in words, and what is uncertain about it.
fn sentences(answer: &Answer, width: usize) -> String {
    let mut out: String = answer.sentences().iter().map(|words| wrap(words, width)).collect();
    for words in answer.unsure.iter().take(MAX_DOUBTS) {
        out += &(cut(&plain(&format!("Uncertain: {words}")), width).join("\n") + "\n");
    }
    if answer.unsure.len() > MAX_DOUBTS {
        out += &format!("Uncertain: {} more: --full names each\n", answer.unsure.len() - MAX_DOUBTS);
    }
    out
}

#[cfg(test)]
mod tests;
