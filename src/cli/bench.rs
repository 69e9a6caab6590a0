//! `sealmark bench`: workloads by engines.

use std::path::PathBuf;

use clap::ValueEnum;

use super::output::Output;
use super::{ExitStatus, Format, Registry, STOP, progress};
use crate::measure::{self, Plan, Progress, Run, Suite};
use crate::report::{File, Report};

/// Measures workloads on every engine, in interleaved rounds and in several fresh processes.
///
/// An engine with a wrong result gets a row with the error and no time, and the command ends with 1; so does
/// one of ours that does not execute what its name claims. A run that was stopped is partial, and ends with
/// 3. Each row says what its engine was seen to execute (`sealmark trace`).
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
                  sealmark bench                                   the quick suite\n  \
                  sealmark bench 'seal/aes-256-gcm/*' --engine ring --engine sealmark\n  \
                  sealmark bench open/record --suite standard -o open.json")]
pub(super) struct Args {
    /// Only workloads whose path holds this text; with `*` or `?` the whole path must match, as file names
    /// do: `seal/*` leaves `latency/seal/...` out. Several may be given, with commas between them. All
    /// suites are searched unless --suite is given.
    filter: Option<String>,
    /// How much to measure: quick (under two minutes), standard, full.
    #[arg(long, value_enum)]
    suite: Option<SuiteName>,
    /// Only this engine; may be given several times. All when left out.
    #[arg(long = "engine", value_name = "NAME")]
    engines: Vec<String>,
    /// Fresh processes; when left out, 12 for the suites standard and full, and 5 for quick or a filter
    /// alone.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=99))]
    processes: Option<u32>,
    /// How wide an interval may be, in percent of its median, before the run warns of noise.
    #[arg(long, value_name = "PERCENT", default_value_t = 10.0)]
    within: f64,
    /// Seed of the order of engines within a round.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Also writes the JSON to this file, at least once a second while it measures: until the run is done,
    /// the file says that it is partial. Where the file exists already, that is FILE.partial.
    #[arg(short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum SuiteName {
    /// AES-256-GCM at eight sizes, latencies, batches, records, keys, nonces.
    Quick,
    /// And the other key sizes, and more lengths.
    Standard,
    /// Everything.
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
    plan.seed = args.seed;
    plan.within = args.within / 100.0;
    if let Some(processes) = args.processes {
        plan.processes = processes;
    } else if args.suite.is_none() {
        plan.processes = 5;
    }
    plan.witnesses = super::witness::take(&plan.engines, &plan.algs());
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
        Format::Json => print_line!("{}", serde_json::to_string_pretty(&run)?),
        Format::Text => {
            let report = Report::build(vec![File::Bench(run)]);
            print_line!("{}", report.text(super::width()));
        }
    }
    Ok(end)
}

/// Measures with a progress bar; the first Ctrl-C keeps what is finished. `keep` gets it as it comes.
pub(super) fn measure(plan: &Plan, keep: &mut (dyn FnMut(Run) + Send)) -> anyhow::Result<Run> {
    super::install_ctrlc_handler();
    let total = plan.workloads().len() as u64 * u64::from(plan.most_processes());
    let bar = progress::bar("measuring", total);
    let mut show = |p: Progress<'_>| {
        bar.set_position(p.done as u64);
        bar.set_message(format!("{}: {}", p.state(), p.workload));
    };
    let run = measure::run_and_keep(plan, &STOP, &mut show, keep)?;
    bar.finish_and_clear();
    if run.partial {
        eprintln!("stopped early: rows have fewer processes than planned, some may be missing");
    }
    for words in measure::warnings(&run) {
        eprintln!("warning: {words}");
    }
    Ok(run)
}

/// A row with an error is something found; no row at all, or not all of them, leaves the question open.
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
