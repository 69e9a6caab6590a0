//! `sealmark report`: pages drawn from result files.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::ValueEnum;

use super::End;
use crate::measure::Run;
use crate::report::agree::agreement;
use crate::report::{self, File, Report, metric};

/// Draws a report from result files: HTML, Markdown, CSV, what other tools read, or pictures for a README.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  sealmark report verify.json bench.json -o site/\n  sealmark report bench.json --format markdown\n  sealmark report first.json second.json --agree ring\n  sealmark report reports/baseline/my-host --splice README.md"
)]
pub(super) struct Args {
    /// Result files of `verify` and `bench`, or folders of them.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Writes index.html, report.md and report.csv into this folder.
    #[arg(short, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Prints instead of writing files.
    #[arg(long, value_enum, conflicts_with = "output")]
    format: Option<Form>,
    /// Whether two runs agree: of each row the ratio to this engine, with its interval over processes. Ends with 1 where
    /// intervals overlap on fewer than 95 % of the rows.
    #[arg(long, value_name = "ENGINE", conflicts_with_all = ["output", "format", "splice"])]
    agree: Option<String>,
    /// Replaces what stands between the markers `<!-- sealmark:NAME -->` of a Markdown file by the tables of these
    /// names, and draws its pictures beside the result files.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["output", "format"])]
    splice: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Form {
    /// Tables for a terminal.
    Text,
    /// Tables for a pull request.
    Markdown,
    /// One line for each tally and each row.
    Csv,
    /// JUnit XML of the verification.
    Junit,
    /// github-action-benchmark, `customBiggerIsBetter`: GB/s.
    Gha,
    /// Bencher Metric Format: latency and throughput.
    Bmf,
    /// Go's benchmark text, for benchstat: a line for each process.
    Benchstat,
}

pub(super) fn run(args: &Args) -> anyhow::Result<End> {
    let mut files = Vec::new();
    for path in &args.files {
        files.extend(report::read_all(path)?);
    }
    if let Some(reference) = &args.agree {
        return agree(&files, reference);
    }
    let report = Report::build(files);
    match (&args.format, &args.splice) {
        (Some(Form::Text), _) => println!("{}", report.text(super::width())),
        (Some(Form::Markdown), _) => println!("{}", report.markdown()),
        (Some(Form::Csv), _) => print!("{}", report.csv()),
        (Some(Form::Junit), _) => print!("{}", metric::junit(report.sections())),
        (Some(Form::Gha), _) => print!("{}", metric::gha(report.sections())),
        (Some(Form::Bmf), _) => print!("{}", metric::bmf(report.sections())),
        (Some(Form::Benchstat), _) => print!("{}", metric::benchstat(report.sections())),
        (None, Some(target)) => splice(target, &args.files, &report)?,
        (None, None) => {
            let Some(dir) = &args.output else { bail!("where to? give -o DIR, --format or --splice") };
            println!("{}", report.write_html(dir)?.display());
        }
    }
    Ok(End::Fine)
}

/// The share of rows on which two runs must agree.
const AGREED: f64 = 0.95;

fn agree(files: &[File], reference: &str) -> anyhow::Result<End> {
    let runs: Vec<&Run> =
        files.iter().filter_map(|file| if let File::Bench(run) = file { Some(run) } else { None }).collect();
    let [one, other] = runs[..] else {
        bail!("--agree compares two runs of `bench`; these files hold {}", runs.len())
    };
    let found = agreement(one, other, reference);
    let Some(share) = found.share() else {
        bail!("the two runs have no row of {reference} and another engine in common")
    };
    if !found.table.rows.is_empty() {
        println!("{}", report::text::table(&found.table, super::width()));
    }
    println!("{} of {} ratios to {reference} agree: {:.1} %", found.agree, found.rows, 100.0 * share);
    Ok(if share >= AGREED { End::Fine } else { End::FoundSomething })
}

/// Puts the first section's tables and pictures between the markers of `target`.
fn splice(target: &Path, files: &[PathBuf], report: &Report) -> anyhow::Result<()> {
    let mut text =
        std::fs::read_to_string(target).with_context(|| format!("reading {}", target.display()))?;
    let Some(section) = report.sections().first() else { bail!("there is nothing in these files") };
    let folder = files
        .iter()
        .find(|path| path.is_dir())
        .context("--splice draws pictures: name a folder of results")?;
    let command = format!("sealmark report {} --splice {}", folder.display(), target.display());
    let host = format!("{} ({})", section.host.cpu, section.host.fingerprint);
    let mut spliced = 0;
    for (name, svg) in section.pictures() {
        let marker = format!("picture-{name}");
        if text.contains(&format!("<!-- sealmark:{marker} -->")) {
            let path = folder.join(format!("{name}.svg"));
            report::write_text(&path, &svg)?;
            let link = format!("![{name}: GB/s over message size, on {host}]({})", path.display());
            text = report::splice(&text, &marker, &link)?;
            spliced += 1;
        }
    }
    for table in section.tables() {
        if text.contains(&format!("<!-- sealmark:{} -->", table.id)) {
            let body = format!("{}\nOn {host}; put here by `{command}`.", report::markdown(&table));
            text = report::splice(&text, &table.id, &body)?;
            spliced += 1;
        }
    }
    if spliced == 0 {
        bail!("{} has none of the markers of these results", target.display());
    }
    report::write_text(target, &text)?;
    println!("{}: {spliced} parts replaced", target.display());
    Ok(())
}
