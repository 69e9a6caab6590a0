//! `sealmark log faults`: the corruption map of a folder.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;
use indicatif::ProgressBar;

use crate::cli::{ExitStatus, STOP, install_ctrlc_handler, output, progress, width};
use crate::disk::Os;
use crate::report::{self, log_faults as draw};
use crate::verify::log_faults::{self, Map, Plan};

/// Draws the corruption map of a log: alters copies of its files and says what its reader notices.
///
/// Reads the folder of a checked log, which may be one of KVStore version 1 (`*.wal`, `sst/*.sst`,
/// `meta.bin`, `log.bin`), and changes nothing in it. Flips bits, cuts, fills with zeros, exchanges, repeats
/// and drops parts of copies in memory, and forges fields under right checksums: first all of the structure,
/// then payload, until nothing is left or the budget is used up. The coverage is stated. The whole folder is
/// read into memory. Files as wholes are altered only in a log of up to 256 MiB.
///
/// Exits with 1 if a file is damaged or the engine refuses the log as it is, or if an alteration goes unseen
/// that the format could see.
#[derive(clap::Args)]
#[command(after_help = "With a folder of your own:\n    \
                  sealmark log faults /data/kv\n    \
                  sealmark log faults /data/kv --budget 600 --report map\n    \
                  sealmark log faults /data/kv --format junit > map.xml\n\
                  \n\
                  Exit codes: 0 every alteration was refused, changed nothing, or is beyond the format; 1 a \
                  file is damaged, the engine refuses the log, or an alteration goes unseen for no known \
                  reason; 2 bad usage, no log there, or something in it cannot be read; 3 nothing could be \
                  tried.")]
pub(super) struct Args {
    /// The folder of the log.
    folder: PathBuf,
    /// How long to try alterations, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    budget: u64,
    /// Threads, each with a copy of the file in hand. Default: one for each core.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Also writes the map to this file as JSON.
    #[arg(short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Writes index.html with the picture, map.json and junit.xml into this folder.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
}

/// The format of the result.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Tables, what is wrong, and the coverage last.
    Text,
    /// Machine-readable; `sealmark schema log-faults` prints its JSON schema.
    Json,
    /// JUnit XML: a test case for each alteration of each part. What is beyond the format is skipped.
    Junit,
}

/// The name of the schema and the type of the result, for `sealmark schema`.
pub(in crate::cli) use log_faults::SCHEMA;
pub(in crate::cli) type Result = Map;

pub(super) fn run(args: &Args) -> anyhow::Result<ExitStatus> {
    for path in args.output.iter().chain(&args.report.as_ref().map(|dir| dir.join("index.html"))) {
        output::check(path)?;
    }
    install_ctrlc_handler();
    let threads = args.threads.map(usize::from).unwrap_or_else(cores);
    let plan = Plan { budget: Duration::from_secs(args.budget), threads };
    let bar = progress::bar("log faults", args.budget);
    let map = log_faults::map(&Os, &args.folder, &plan, &STOP, &mut |now| show(&bar, now));
    bar.finish_and_clear();
    let map = map?;
    if let Some(path) = &args.output {
        report::write(path, &map)?;
    }
    if let Some(dir) = &args.report {
        let page = draw::write_html(&map, dir).with_context(|| "writing the report")?;
        eprintln!("the report is {}", page.display());
    }
    match args.format {
        Format::Text => print_line!("{}", draw::text(&map, width()).trim_end()),
        Format::Json => print_line!("{}", serde_json::to_string_pretty(&map)?),
        Format::Junit => print_line!("{}", draw::junit(&map).trim_end()),
    }
    Ok(end(&map))
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn show(bar: &ProgressBar, now: &log_faults::Progress<'_>) {
    bar.set_position(now.elapsed.as_secs());
    bar.set_message(format!(
        "{} of {}: {} of {}",
        now.aim,
        report::plain(now.file),
        now.tried.0,
        now.tried.1
    ));
}

fn end(map: &Map) -> ExitStatus {
    match map {
        Map { pass: false, .. } => ExitStatus::FoundSomething,
        Map { trials: 0, .. } => ExitStatus::CouldNotTell,
        _ => ExitStatus::Fine,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output;

    fn map(pass: bool, trials: u64) -> Map {
        Map { pass, trials, ..empty() }
    }

    fn empty() -> Map {
        Map {
            schema: SCHEMA.into(),
            sealmark: String::new(),
            started: String::new(),
            folder: String::new(),
            budget_seconds: 1.0,
            seconds: 1.0,
            threads: 1,
            complete: true,
            trials: 0,
            pass: true,
            semantic_drift: false,
            refused: None,
            left_out: Vec::new(),
            files: Vec::new(),
            others: Vec::new(),
            evidence: Vec::new(),
        }
    }

    #[test]
    fn a_map_of_nothing_leaves_the_question_open_and_a_finding_never_ends_well() {
        assert_eq!(end(&map(true, 5)), ExitStatus::Fine);
        assert_eq!(end(&map(false, 5)), ExitStatus::FoundSomething);
        assert_eq!(end(&map(false, 0)), ExitStatus::FoundSomething);
        assert_eq!(end(&map(true, 0)), ExitStatus::CouldNotTell);
    }

    #[test]
    fn a_report_that_cannot_be_written_is_refused_before_anything_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "x").unwrap();
        assert!(output::check(&file.join("index.html")).is_err());
        let args = Args {
            folder: dir.path().join("absent"),
            budget: 1,
            threads: Some(1),
            format: Format::Text,
            output: None,
            report: Some(file.clone()),
        };
        let refused = format!("{:#}", run(&args).unwrap_err());
        assert!(refused.contains(&file.display().to_string()) && !refused.contains("absent"), "{refused}");
    }

    #[test]
    fn a_folder_without_a_log_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let args = Args {
            folder: dir.path().to_owned(),
            budget: 1,
            threads: Some(1),
            format: Format::Json,
            output: None,
            report: None,
        };
        let refused = format!("{:#}", run(&args).unwrap_err());
        assert!(refused.contains("no log here"), "{refused}");
    }
}
