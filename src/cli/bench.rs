//! `sealmark bench`: workloads by engines.

use std::path::PathBuf;

use anyhow::bail;
use clap::ValueEnum;

use super::output::Output;
use super::{ExitStatus, Format, Registry, STOP, progress};
use crate::measure::workload::filter::chooses;
use crate::measure::{self, Plan, Progress, Run, Suite};
use crate::report::{File, Report};

/// Measures workloads on every engine, in interleaved rounds and in several fresh processes.
///
/// Prints a summary; `--full` adds every table. An engine with a wrong result gets an error instead of a
/// time, and so does one of our own engines that does not execute the instructions its name claims; the exit
/// code is then 1. A stopped run is partial and exits with 3.
///
/// If the summary calls the machine noisy: stop other work, or measure more processes (`--processes 20`).
/// If it says that the clock moved: fix the clock (on Linux, `cpupower frequency-set -g performance`, and
/// turbo off), or let the machine cool. Ratios between engines are more reliable than times, because both
/// engines ran in the same rounds of the same process. If processes were lost, something else killed them:
/// find out what.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
                  sealmark bench                                      the quick suite\n  \
                  sealmark bench seal/aes-256-gcm/1024 --engine ring --engine aws-lc\n  \
                  sealmark bench open/aes-256-gcm/1024 --engine ring --processes 2 -o open.json")]
pub(super) struct Args {
    /// Only workloads whose path contains this text. With `*` or `?` the whole path must match, as with file
    /// names: `seal/*` does not match `latency/seal/16`. Separate several filters by commas. Searches the
    /// full suite unless --suite is given.
    filter: Option<String>,
    /// How much to measure. Default: quick, which takes less than two minutes.
    #[arg(long, value_enum)]
    suite: Option<SuiteName>,
    /// Only this engine. Repeat for several. Default: all.
    #[arg(long = "engine", value_name = "NAME")]
    engines: Vec<String>,
    /// How many fresh processes to measure in. Default: 12 with --suite standard or full, else 5.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=99))]
    processes: Option<u32>,
    /// Calls the machine noisy if intervals are wider than this percentage of their median.
    #[arg(long, value_name = "PERCENT", default_value_t = 10.0)]
    within: f64,
    /// Seed for the order of the engines within a round.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Prints every table before the summary.
    #[arg(long)]
    full: bool,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Also writes the results to this file as JSON, marked partial until the run is complete. While the run
    /// lasts, an existing file is kept and the partial results go to FILE.partial.
    #[arg(short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum SuiteName {
    /// AES-256-GCM at eight sizes, latencies, batches, records, keys, nonces.
    Quick,
    /// Adds the other key sizes and more lengths.
    Standard,
    /// Every workload.
    Full,
}

impl From<SuiteName> for Suite {
    fn from(name: SuiteName) -> Self {
        match name {
            SuiteName::Quick => Self::Quick,
            SuiteName::Standard => Self::Standard,
            SuiteName::Full => Self::Full,
        }
    }
}

pub(super) fn run(args: &Args, registry: &Registry) -> anyhow::Result<ExitStatus> {
    let mut output = args.output.as_deref().map(Output::to).transpose()?;
    let filtered = if args.filter.is_some() { Suite::Full } else { Suite::Quick };
    let chosen = registry.engines_named(&args.engines)?;
    if let Some(reason) = super::none_can_run(&chosen) {
        eprintln!("sealmark: {reason}");
        return Ok(ExitStatus::CouldNotTell);
    }
    let mut plan = registry.plan(args.suite.map_or(filtered, Suite::from), chosen);
    plan.filter.clone_from(&args.filter);
    if let Some(filter) = &args.filter
        && !plan.catalog.suite(plan.suite).any(|workload| chooses(filter, &workload.path))
    {
        match args.suite {
            Some(_) if registry.workloads().workloads().iter().any(|w| chooses(filter, &w.path)) => {
                bail!("{filter:?} matches no workload of the suite {}: leave --suite out", plan.suite.name())
            }
            _ => bail!("{}", registry.no_workload("matches", filter)),
        }
    }
    plan.seed = args.seed;
    plan.within = args.within / 100.0;
    if let Some(processes) = args.processes {
        plan.processes = processes;
    } else if args.suite.is_none() {
        plan.processes = 5;
    }
    plan.witnesses = super::witness::take(&plan.engines, &plan.algs(), args.format);
    let run = measure(&plan, &mut |run| {
        if let Some(output) = &mut output {
            output.keep(&run);
        }
    })?;
    if let Some(output) = &output {
        output.finish(&run)?;
    }
    let end = end_of(&run);
    match args.format {
        Format::Json => {
            warn(&run);
            print_line!("{}", serde_json::to_string_pretty(&run)?);
        }
        Format::Text => {
            super::print_report(&Report::build(vec![File::Bench(run)]), args.full)?;
            match (&args.output, args.full) {
                (Some(path), _) => {
                    print_line!("Every table: sealmark report {} --format text", path.display())
                }
                (None, false) => print_line!("Every table: the same command with --full"),
                (None, true) => {}
            }
        }
    }
    Ok(end)
}

/// Measures with a progress bar and hands intermediate results to `keep`. The first Ctrl-C ends the run and
/// keeps its results.
pub(super) fn measure(plan: &Plan, keep: &mut (dyn FnMut(Run) + Send)) -> anyhow::Result<Run> {
    super::install_ctrlc_handler();
    let bar = progress::bar("measuring", plan.workloads().len() as u64 * u64::from(plan.most_processes()));
    let mut show = |p: Progress<'_>| {
        bar.set_length(p.total as u64);
        bar.set_position(p.done as u64);
        bar.set_message(format!("{}: {}", p.state(), p.workload));
    };
    let run = measure::run_and_keep(plan, &STOP, &mut show, keep)?;
    bar.finish_and_clear();
    if run.partial {
        eprintln!("stopped early: some rows have fewer processes than planned, and some may be missing");
    }
    Ok(run)
}

/// Prints a run's warnings. In text format they are part of the summary instead.
pub(super) fn warn(run: &Run) {
    for words in measure::warnings(run) {
        eprintln!("warning: {words}");
    }
}

/// A row with an error is a failure found. A run without rows, or a partial one, could not tell.
pub(super) fn end_of(run: &Run) -> ExitStatus {
    if run.rows.iter().any(|row| row.error.is_some()) {
        ExitStatus::FoundSomething
    } else if run.rows.is_empty() || run.partial {
        ExitStatus::CouldNotTell
    } else {
        ExitStatus::Fine
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::measure::Row;

    #[test]
    fn a_run_that_is_not_whole_or_has_an_error_is_no_success() {
        let engine = find("sealmark").expect("always there");
        let mut plan = Plan::new(Suite::Quick, vec![engine]);
        (plan.filter, plan.processes) = (Some("nonce".into()), 0);
        plan.budget = std::time::Duration::from_millis(1);
        let run = measure::run(&plan, &STOP, &mut |_| {}).expect("a run");
        assert_eq!(end_of(&run), ExitStatus::Fine);
        assert_eq!(end_of(&Run { rows: Vec::new(), ..run.clone() }), ExitStatus::CouldNotTell);
        let mut partial = Run { partial: true, ..run };
        assert_eq!(end_of(&partial), ExitStatus::CouldNotTell);
        partial.rows.push(Row::refused(plan.workloads()[0], engine, "wrong".into()));
        assert_eq!(end_of(&partial), ExitStatus::FoundSomething);
    }
}
