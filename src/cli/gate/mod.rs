//! `sealmark gate`: base against head.

mod calibrate;
mod source;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;

use super::{ExitStatus, Format, Registry, STOP, progress};
use crate::measure::gate::{self, Plan, Step, Subject};

/// Tells whether a change made it slower: compares two builds of this program.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
                  sealmark gate --base ../base/target/release/sealmark\n  \
                  sealmark gate --base old/sealmark --all --budget 60")]
pub(super) struct Args {
    /// The base: a build of this program. Several are builds in several link orders.
    #[arg(long, value_name = "PROGRAM", required_unless_present = "calibrate")]
    base: Vec<PathBuf>,
    /// The head; this program when left out.
    #[arg(long, value_name = "PROGRAM")]
    head: Vec<PathBuf>,
    /// Only these workloads, on the engine `sealmark`.
    #[arg(value_name = "WORKLOAD")]
    workloads: Vec<String>,
    /// Times workloads that did not change as well.
    #[arg(long)]
    all: bool,
    /// How long to take pairs; 45 seconds when left out.
    #[arg(long, value_name = "SECONDS")]
    budget: Option<u64>,
    /// The least effect, in percent.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.75)]
    margin: f64,
    /// What orders and offsets are drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    calibrate: calibrate::Args,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(args: &Args, registry: &Registry) -> anyhow::Result<ExitStatus> {
    super::install_ctrlc_handler();
    if let Some(folder) = &args.calibrate.calibrate {
        let budget = args.budget.map(Duration::from_secs);
        return calibrate::run(&args.calibrate, folder, &args.base, budget, registry);
    }
    let head = if args.head.is_empty() { vec![std::env::current_exe()?] } else { args.head.clone() };
    let engine = registry.engines_named(&["sealmark".to_owned()])?[0];
    let mut subjects = Vec::new();
    for path in &args.workloads {
        let Some(workload) = registry.workloads().find(path) else { bail!("no workload {path}") };
        subjects.push(Subject { workload: workload.clone(), engine, margin: args.margin / 100.0 });
    }
    let plan = Plan {
        base: args.base.clone(),
        head,
        subjects,
        all: args.all,
        budget: Duration::from_secs(args.budget.unwrap_or(45)),
        seed: args.seed,
        plant: None,
    };
    let bar = progress::spinner("gate");
    let mut show = |step| match step {
        Step::Traced(done, all) => bar.set_message(format!("traced {done} of {all}")),
        Step::Timed(pairs, open) => bar.set_message(format!("{pairs} pairs, {open} workloads open")),
    };
    let found = gate::run(&plan, &STOP, &mut show)?;
    bar.finish_and_clear();
    match args.format {
        Format::Json => print_line!("{}", serde_json::to_string_pretty(&found)?),
        Format::Text => {
            for row in &found.rows {
                print_line!(
                    "{:28} {:18} {:?} changed {:?} ratio {:?} pairs {} least {:?}",
                    row.workload,
                    row.engine,
                    row.verdict,
                    row.changed,
                    row.ratio.map(|r| (r.estimate, r.low, r.high)),
                    row.pairs,
                    row.smallest_detectable
                );
            }
            print_line!(
                "{:?} {:?} lost {:?} {:.1} s",
                found.verdict,
                found.null_pair,
                found.lost,
                found.seconds
            );
        }
    }
    Ok(ExitStatus::Fine)
}
