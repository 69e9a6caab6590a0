//! `sealmark gate`: base against head.
//!
//! This file takes the arguments, the steps in their order, and the exit code. `choice` finds the rows,
//! `source` builds the two sides from git. What a verdict means is the business of `measure::gate`.

mod calibrate;
mod choice;
mod draw;
mod end;
mod self_check;
mod source;

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::ValueEnum;

use super::{ExitStatus, Registry, STOP, progress};
use crate::host::Host;
use crate::measure::gate::{self, Commits, Gate, Plan, Setup, Step, WhenUnsure, baseline, history};
use choice::Choice;
use source::Source;

/// Tells whether a change made it slower: compares two builds of this program.
///
/// First traces both builds. A workload that executes the same instructions in both is the same and is not
/// timed. The others are timed in pairs of short processes until the answer is certain enough: slower,
/// faster, same, or unsure. Without an argument, the rows are those of benches/gate.toml.
///
/// It does not see a slowdown that hits fewer than a quarter of the slices of 22 µs, and it finds an effect
/// equal to the margin half of the time.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
                  sealmark gate --base old/sealmark                  is this program slower?\n  \
                  sealmark gate --base-rev main                      is this work tree slower?\n  \
                  sealmark gate --self-check                         can it see a slowdown here?\n  \
                  sealmark gate seal/aes-256-gcm/16 --save gate.json\n  \
                  sealmark gate seal/aes-256-gcm/16 --baseline gate.json\n\
                  \n\
                  Exit codes: 0 no workload is slower, 1 at least one is, 2 bad usage, 3 unsure.")]
pub(super) struct Args {
    /// Only workloads of this path or filter, on the engine `sealmark`; with --set, only those of the set. A
    /// filter is a part of the path, or with `*` or `?` the whole path. Separate several by commas.
    filter: Option<String>,
    /// The base: a build of this program. Repeat for builds in several link orders.
    #[arg(long, value_name = "PROGRAM", conflicts_with_all = ["base_rev", "baseline"])]
    base: Vec<PathBuf>,
    /// The head: as many builds as of the base. Default: this program.
    #[arg(long, value_name = "PROGRAM", conflicts_with = "base_rev")]
    head: Vec<PathBuf>,
    /// Builds the base from git at this revision, and the head from the work tree, each in forty link
    /// orders. Default revision: the merge base with the target of the pull request, or with the default
    /// branch.
    #[arg(long, value_name = "REV", num_args = 0..=1, default_missing_value = "")]
    #[arg(conflicts_with = "baseline")]
    base_rev: Option<String>,
    /// With --base-rev: the program to build. Default: the one that this program is called.
    #[arg(long, value_name = "NAME", requires = "base_rev")]
    bin: Option<String>,
    /// With --base-rev: flags for cargo, separated by spaces, such as "--locked --no-default-features".
    #[arg(long, value_name = "FLAGS", requires = "base_rev", allow_hyphen_values = true)]
    cargo: Option<String>,
    /// Compares this program's instructions with a stored run of the same machine and compiler. Stored times
    /// are shown and never judged.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Writes the result to this file as a baseline, unless a workload is slower or unsure. Without a base,
    /// only traces this program.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["head", "base_rev"])]
    save: Option<PathBuf>,
    /// Saves the baseline although a workload is slower or unsure, and records this reason in it. The exit
    /// code is then 0.
    #[arg(long, value_name = "REASON", requires = "save")]
    accept: Option<String>,
    /// Plants slowdowns of 2 % and 5 % in each workload, and fails for a workload in which one is not found.
    #[arg(long, conflicts_with_all = ["base", "base_rev", "baseline", "save", "all", "history"])]
    self_check: bool,
    /// Only this set of the configuration. Default: the set `default`.
    #[arg(long, value_name = "NAME")]
    set: Option<String>,
    /// Only this engine. Repeat for several.
    #[arg(long = "engine", value_name = "NAME")]
    engines: Vec<String>,
    /// The configuration. Default: benches/gate.toml of the package in this folder, or else the built-in one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Also times workloads that execute the same instructions.
    #[arg(long, conflicts_with = "baseline")]
    all: bool,
    /// How long to take pairs. Default: 45 seconds; with --calibrate, until all is recorded.
    #[arg(long, value_name = "SECONDS")]
    budget: Option<u64>,
    /// The exit code when unsure: 0 or 1 instead of 3. `pass` covers noise alone: a workload that could not
    /// be compared still ends with 3.
    #[arg(long, value_enum)]
    unsure: Option<Unsure>,
    /// Seed for the order of workloads and for the offsets of stacks and buffers.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    calibrate: calibrate::Calibration,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Also writes the result to this file as JSON.
    #[arg(short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Appends a line with verdicts, counts and ratios to this file; `sealmark report` draws it.
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
}

/// Seconds of pairs.
const BUDGET: u64 = 45;

impl Args {
    fn budget(&self) -> Duration {
        Duration::from_secs(self.budget.unwrap_or(BUDGET))
    }
}

/// The format of the result.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One screen.
    Text,
    /// Machine-readable; `sealmark schema gate` prints its JSON schema.
    Json,
    /// For the summary of a CI job, or a comment.
    Markdown,
    /// JUnit XML: a test case for each workload. Slower is a failure. Unsure is skipped, or with --unsure
    /// fail an error.
    Junit,
}

#[derive(Clone, Copy, ValueEnum)]
enum Unsure {
    /// Exit with 0.
    Pass,
    /// Exit with 1.
    Fail,
}

pub(super) fn run(args: &Args, registry: &Registry) -> anyhow::Result<ExitStatus> {
    for path in [&args.output, &args.save, &args.history].into_iter().flatten() {
        super::output::check(path)?;
    }
    if args.accept.as_deref().is_some_and(|reason| reason.trim().is_empty()) {
        bail!(baseline::Refusal::NoReason);
    }
    if let Some(path) = args.history.as_deref().filter(|path| path.exists()) {
        // A foreign file is refused now, and not after minutes.
        history::read(path)?;
    }
    if let Some(folder) = &args.calibrate.calibrate {
        super::install_ctrlc_handler();
        return calibrate::run(args, folder, registry);
    }
    let choice = Choice::read(args, registry)?;
    // Mistakes show before anything is built.
    let chosen = choice.rows(1)?;
    if chosen.subjects.is_empty() {
        eprintln!("sealmark: nothing to compare: {}", chosen.left_out.join("; "));
        return Ok(ExitStatus::CouldNotTell);
    }
    super::install_ctrlc_handler();
    if args.self_check {
        return self_check::run(args, chosen);
    }
    let found = match &args.baseline {
        Some(file) => against_stored(args, &choice, file)?,
        None => {
            let Some(sides) = sides(args)? else {
                eprintln!("sealmark: stopped before both sides were built");
                return Ok(ExitStatus::CouldNotTell);
            };
            Some(against_base(args, &choice, sides)?)
        }
    };
    match found {
        Some(found) => end::finish(args, found),
        None => Ok(ExitStatus::CouldNotTell),
    }
}

/// The programs to compare.
#[derive(Debug)]
struct Sides {
    base: Vec<PathBuf>,
    head: Vec<PathBuf>,
    commits: Option<Commits>,
    one_order: Option<String>,
}

/// Finds or builds both sides; `None` where Ctrl-C ended that.
fn sides(args: &Args) -> anyhow::Result<Option<Sides>> {
    if let Some(revision) = &args.base_rev {
        let bar = progress::spinner("gate");
        let source = Source::of_package(args.bin.as_deref(), args.cargo.as_deref())?;
        let built = source.build(revision, &|words| bar.set_message(words.to_owned()));
        bar.finish_and_clear();
        return match built {
            Err(_) if STOP.load(Ordering::SeqCst) => Ok(None),
            built => built.map(Some),
        };
    }
    let head = if args.head.is_empty() { vec![std::env::current_exe()?] } else { args.head.clone() };
    let base = match args.base.as_slice() {
        [] if args.save.is_some() => head.clone(),
        [] => bail!("nothing to compare with: give --base PROGRAM, --base-rev or --baseline FILE"),
        paths => paths.to_vec(),
    };
    for (side, paths) in [("base", &base), ("head", &head)] {
        for path in paths {
            let opened = std::fs::File::open(path).and_then(|file| file.metadata());
            let found = opened.with_context(|| format!("opening the {side}, {}", path.display()))?;
            if !found.is_file() {
                bail!("the {side}, {}, is not a file", path.display());
            }
        }
    }
    Ok(Some(Sides { base, head, commits: None, one_order: None }))
}

/// Compares two programs.
fn against_base(args: &Args, choice: &Choice<'_>, sides: Sides) -> anyhow::Result<Gate> {
    let Sides { base, head, commits, one_order } = sides;
    let chosen = choice.rows(base.len().min(head.len()))?;
    let plan = Plan {
        base,
        head,
        subjects: chosen.subjects,
        all: args.all,
        keep: args.save.is_some(),
        budget: args.budget(),
        seed: args.seed,
        plant: None,
    };
    let found = with_progress(|show| gate::run(&plan, &STOP, show))?;
    let setup = Setup { left_out: chosen.left_out, one_order, ..setup(args, choice) };
    Ok(Gate { setup, commits, ..found })
}

/// Compares this program with a stored run; `None` where that is of another machine or compiler.
fn against_stored(args: &Args, choice: &Choice<'_>, file: &Path) -> anyhow::Result<Option<Gate>> {
    let name = file.display().to_string();
    let stored = end::read(file)?;
    let head = match args.head.as_slice() {
        [] => std::env::current_exe()?,
        _ => bail!("--baseline compares this program: leave --head out"),
    };
    if let Err(refusal) = baseline::fits(&stored, &Host::detect(), env!("SEALMARK_BUILD")) {
        eprintln!("sealmark: {name}: {refusal}");
        return Ok(None);
    }
    let (chosen, set) = (choice.rows(1)?, choice.set());
    let stored = (name.as_str(), &stored);
    let found = with_progress(|show| baseline::compare(stored, &chosen.subjects, &set, &head, &STOP, show))?;
    let left_out = [chosen.left_out, found.setup.left_out].concat();
    let setup = Setup { left_out, baseline: found.setup.baseline, ..setup(args, choice) };
    Ok(Some(Gate { setup, ..found }))
}

fn setup(args: &Args, choice: &Choice<'_>) -> Setup {
    let unsure = match args.unsure {
        None => WhenUnsure::Open,
        Some(Unsure::Pass) => WhenUnsure::Pass,
        Some(Unsure::Fail) => WhenUnsure::Fail,
    };
    Setup { set: choice.set(), config: choice.name.clone(), unsure, ..Setup::default() }
}

/// Shows the steps of a comparison while it runs.
fn with_progress<T>(
    compare: impl FnOnce(&mut (dyn FnMut(Step) + Send)) -> Result<T, crate::measure::Error>,
) -> anyhow::Result<T> {
    let bar = progress::spinner("gate");
    let mut show = |step| match step {
        Step::Traced(done, all) => bar.set_message(format!("traced {done} of {all} workloads")),
        Step::Timed(pairs, open) => {
            bar.set_message(format!("{pairs} pairs of processes, {open} workloads undecided"))
        }
    };
    let found = compare(&mut show);
    bar.finish_and_clear();
    Ok(found?)
}
