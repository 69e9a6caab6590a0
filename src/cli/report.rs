//! `sealmark report`: pages drawn from result files.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::ValueEnum;

use super::End;
use crate::report::{self, Report};

/// Draws a report from result files: HTML, Markdown, CSV, or pictures for a README.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  sealmark report verify.json bench.json -o site/\n  sealmark report bench.json --format markdown\n  sealmark report reports/baseline/my-host --splice README.md"
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
}

pub(super) fn run(args: &Args) -> anyhow::Result<End> {
    let mut files = Vec::new();
    for path in &args.files {
        files.extend(report::read_all(path)?);
    }
    let report = Report::build(files);
    match (&args.format, &args.splice) {
        (Some(Form::Text), _) => println!("{}", report.text(super::width())),
        (Some(Form::Markdown), _) => println!("{}", report.markdown()),
        (Some(Form::Csv), _) => print!("{}", report.csv()),
        (None, Some(target)) => splice(target, &args.files, &report)?,
        (None, None) => {
            let Some(dir) = &args.output else { bail!("where to? give -o DIR, --format or --splice") };
            println!("{}", report.write_html(dir)?.display());
        }
    }
    Ok(End::Fine)
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
