//! `sealmark report`: reports drawn from result files.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use super::{ExitStatus, Registry};
use crate::measure::Run;
use crate::report::agree::agreement;
use crate::report::finding::{Finding, Kind};
use crate::report::{self, FORMATS, File, Format, Report, Section, plain};

/// Draws a report from result files: HTML, Markdown, CSV, formats for other tools, or pictures for a README.
///
/// If the results contain a failure, the report shows it, stderr names the first one, and the exit code is 1.
/// Failures are a wrong case, a set or an engine that failed, a measurement without a time, a run that ended
/// early. An engine that the CPU cannot run is not a failure.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
                  sealmark bench seal/aes-256-gcm/1024 --engine ring -o bench.json\n  \
                  sealmark report bench.json -o site\n  \
                  sealmark report bench.json --format markdown\n\
                  \n\
                  Exit codes: 0 no failure in the files; 1 a failure, or --agree found that the runs differ; \
                  2 bad usage, or a file that cannot be read; 3 the files hold no result.")]
pub(super) struct Args {
    /// Result files of `verify` and `bench`, or folders with result files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Writes index.html, report.md and report.csv into this folder.
    #[arg(short, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Prints the report in this format instead of writing files.
    #[arg(long, value_parser = formats(), conflicts_with = "output")]
    format: Option<&'static Format>,
    /// Checks whether two runs agree on each engine's ratio to this engine. Ends with 1 if the intervals
    /// overlap on fewer than 95 % of the rows that both runs have, or if a run contains a failure. Names the
    /// rows that it could not compare.
    #[arg(long, value_name = "ENGINE", conflicts_with_all = ["output", "format", "splice"])]
    agree: Option<String>,
    /// Fills a Markdown file: puts each table between its markers `<!-- sealmark:NAME -->` and
    /// `<!-- /sealmark:NAME -->`, and writes the pictures next to the result files, whose folder must be
    /// given.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["output", "format"])]
    splice: Option<PathBuf>,
}

/// The names of the formats, each with its description.
fn formats() -> impl TypedValueParser<Value = &'static Format> {
    let names = FORMATS.iter().map(|format| PossibleValue::new(format.name).help(format.about));
    PossibleValuesParser::new(names).map(|name| {
        FORMATS.iter().find(|format| format.name == name).expect("only names of formats are accepted")
    })
}

pub(super) fn run(args: &Args, _: &Registry) -> anyhow::Result<ExitStatus> {
    let mut files = Vec::new();
    for path in &args.files {
        files.extend(report::read_all(path)?);
    }
    if let Some(reference) = &args.agree {
        return agree(&files, reference);
    }
    let report = Report::build(files);
    draw(args, &report)?;
    for (engine, why) in report.sections().iter().flat_map(Section::absent) {
        eprintln!("note: {} did not run: {}", plain(&engine), plain(&why));
    }
    Ok(end_of(&report.findings()))
}

fn draw(args: &Args, report: &Report) -> anyhow::Result<()> {
    let sections = report.sections();
    match (&args.format, &args.splice) {
        (Some(format), _) => print_line!("{}", report.draw(format, super::width())?.trim_end()),
        (None, Some(target)) => splice(target, &args.files, sections)?,
        (None, None) => {
            let Some(dir) = &args.output else {
                bail!("nowhere to put the report: give -o DIR, --format FORMAT or --splice FILE")
            };
            print_line!("{}", report.write_html(dir)?.display());
        }
    }
    Ok(())
}

/// Names the first failure on stderr. A report with a failure never exits with 0.
fn end_of(findings: &[Finding]) -> ExitStatus {
    let Some(first) = findings.first() else { return ExitStatus::Fine };
    if findings.iter().all(|finding| finding.kind == Kind::Nothing) {
        eprintln!("sealmark: {}", plain(&first.to_string()));
        return ExitStatus::CouldNotTell;
    }
    let failures = if findings.len() == 1 { "failure" } else { "failures" };
    let first = plain(&first.to_string());
    eprintln!("sealmark: these results hold {} {failures}; the first: {first}", findings.len());
    ExitStatus::FoundSomething
}

/// The share of rows on which two runs must agree.
const AGREED: f64 = 0.95;

fn agree(files: &[File], reference: &str) -> anyhow::Result<ExitStatus> {
    let runs: Vec<&Run> =
        files.iter().filter_map(|file| if let File::Bench(run) = file { Some(run) } else { None }).collect();
    let [one, other] = runs[..] else {
        bail!("--agree compares two runs of `bench`, but these files hold {}: name two", runs.len())
    };
    let found = agreement(one, other, reference);
    for table in [&found.table, &found.left_out] {
        if !table.rows.is_empty() {
            print_line!("{}", report::text::table(table, super::width()));
        }
    }
    let failures: Vec<Finding> = Report::build(files.to_vec()).findings();
    let (Some(share), Some(half), Some(most)) = (found.share(), found.within(0.5), found.within(AGREED))
    else {
        if !failures.is_empty() {
            return Ok(end_of(&failures));
        }
        bail!("the two runs have no workload in common on which {reference} and another engine ran")
    };
    print_line!("{} of {} ratios to {reference} agree: {:.1} %", found.agree, found.rows, 100.0 * share);
    print_line!(
        "half of them are at most {:.2} % apart, {:.0} % of them {:.2} %",
        100.0 * half,
        100.0 * AGREED,
        100.0 * most
    );
    let end = if share >= AGREED { ExitStatus::Fine } else { ExitStatus::FoundSomething };
    Ok(end.max(end_of(&failures)))
}

/// Puts a run's tables and pictures between the markers of `target`, and names the markers that it left
/// alone.
fn splice(target: &Path, files: &[PathBuf], sections: &[Section]) -> anyhow::Result<()> {
    let mut text =
        std::fs::read_to_string(target).with_context(|| format!("reading {}", target.display()))?;
    let [section] = sections else {
        bail!("--splice draws one run, but these files hold {} runs: name the files of one", sections.len())
    };
    let folder = files
        .iter()
        .find(|path| path.is_dir())
        .context("--splice writes pictures next to the results: name their folder, not the files")?;
    let command = format!("sealmark report {} --splice {}", folder.display(), target.display());
    let host = format!("{} ({})", section.host.cpu, section.host.fingerprint);
    let mut spliced = Vec::new();
    for (name, svg) in section.pictures() {
        let marker = format!("picture-{name}");
        if text.contains(&format!("<!-- sealmark:{marker} -->")) {
            let path = folder.join(format!("{name}.svg"));
            report::write_text(&path, &svg)?;
            let link = format!("![{name} by message size, on {host}]({})", report::link(target, &path));
            text = report::splice(&text, &marker, &link)?;
            spliced.push(marker);
        }
    }
    for table in section.tables() {
        if text.contains(&format!("<!-- sealmark:{} -->", table.id)) {
            let body = format!("{}\nOn {host}; put here by `{command}`.", report::markdown(&table));
            text = report::splice(&text, &table.id, &body)?;
            spliced.push(table.id);
        }
    }
    if spliced.is_empty() {
        bail!(
            "{} has no marker of these results, such as <!-- sealmark:seal-aes-256-gcm -->",
            target.display()
        );
    }
    report::write_text(target, &text)?;
    print_line!("{}: {} parts replaced", target.display(), spliced.len());
    // They belong to another verb, or this run has no such table and the old one is still there.
    let left: Vec<&str> = report::markers(&text)
        .into_iter()
        .filter(|marker| !spliced.iter().any(|one| one == marker))
        .collect();
    if !left.is_empty() {
        eprintln!("note: left as they were: {}", left.join(", "));
    }
    Ok(())
}
