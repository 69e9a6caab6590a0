//! `sealmark gate --calibrate`: how often the gate is wrong on this machine, and how small a slowdown it
//! finds.
//!
//! Records real pairs and whole runs into a folder, goes on where it stopped, and has them drawn. The
//! programs are one build of the package here, linked in several orders, or those of `--base`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::builder::PossibleValuesParser;

use super::choice::Choice;
use super::draw::draw;
use super::source::Source;
use crate::cli::{ExitStatus, Registry, STOP, progress};
use crate::host::Host;
use crate::measure::gate::Subject;
use crate::measure::gate::calibrate::bank::{self, Bank};
use crate::measure::gate::calibrate::campaign::{self, Campaign, CampaignError, Goal};
use crate::measure::gate::calibrate::kind::{KINDS, Kind, Margins};
use crate::measure::gate::calibrate::line::{Line, Origin, SCHEMA};
use crate::measure::gate::orders;
use crate::primitive::sha256;

/// Arguments of a comparison, which a calibration does not take.
const OTHERS: [&str; 12] = [
    "filter",
    "head",
    "base_rev",
    "baseline",
    "save",
    "self_check",
    "engines",
    "all",
    "unsure",
    "seed",
    "format",
    "output",
];

/// Arguments of a calibration.
#[derive(clap::Args)]
pub(super) struct Calibration {
    /// Measures the gate itself: records pairs and whole runs in this folder, goes on where it stopped, and
    /// prints how often the gate was wrong and which slowdowns it found. Compares the programs of --base, or
    /// the package here, linked in 96 orders. --budget ends it after that many seconds.
    #[arg(long, value_name = "DIR", conflicts_with_all = OTHERS)]
    pub calibrate: Option<PathBuf>,
    /// Records only this kind of comparison. May be given several times.
    #[arg(long, value_name = "KIND", requires = "calibrate", value_parser = kinds())]
    kind: Vec<String>,
    /// How many runs of each kind there are to be, instead of the kind's own number.
    #[arg(long, value_name = "N", requires = "calibrate")]
    runs: Option<usize>,
    /// How many pairs of each kind there are to be.
    #[arg(long, value_name = "N", requires = "calibrate", default_value_t = 2_000)]
    pairs: usize,
    /// Writes the tables, the power curve and every run to a folder of this one, named after the machine.
    #[arg(long, value_name = "DIR", requires = "calibrate")]
    reports: Option<PathBuf>,
    /// Puts the tables and the power curve between their markers in this Markdown file.
    #[arg(long, value_name = "FILE", requires = "reports")]
    splice: Option<PathBuf>,
}

fn kinds() -> PossibleValuesParser {
    PossibleValuesParser::new(KINDS.map(|kind| kind.name))
}

/// The set whose error rates are published.
const SET: &str = "acceptance";
/// Link orders of the package here.
const ORDERS: u32 = 96;
/// Pairs in a row that may be lost before the campaign gives up.
const LOST_IN_A_ROW: usize = 8;

/// Records into the folder and draws what it holds. `all` are the arguments of the verb.
pub(super) fn run(all: &super::Args, folder: &Path, registry: &Registry) -> anyhow::Result<ExitStatus> {
    let args = &all.calibrate;
    let goals = args.goals();
    let set = Set::read(all, registry)?;
    let lines = if goals.iter().all(|(_, goal)| *goal == Goal { pairs: 0, runs: 0 }) {
        bank::read(folder)?
    } else {
        let programs = if all.base.is_empty() { own_programs(folder)? } else { all.base.clone() };
        record(&goals, folder, &programs, &set, all.budget.map(Duration::from_secs))?
    };
    draw(folder, &lines, set.margins, args.reports.as_deref(), args.splice.as_deref())
}

/// What is compared.
struct Set {
    name: String,
    subjects: Vec<Subject>,
    margins: Margins,
}

impl Set {
    /// The set of `--set`, or the one whose error rates are published.
    fn read(args: &super::Args, registry: &Registry) -> anyhow::Result<Self> {
        let choice = Choice::read(args, registry)?;
        let name = args.set.as_deref().unwrap_or(SET);
        let [single, several] =
            [1, orders::A_SIDE].map(|orders| choice.rows_of(Some(name), orders).map(|rows| rows.subjects));
        let (single, several) = (single?, several?);
        let margin = |rows: &[Subject]| {
            let (first, rest) = rows.split_first()?;
            rest.iter().all(|row| row.margin == first.margin).then_some(first.margin)
        };
        let (Some(single), Some(orders)) = (margin(&single), margin(&several)) else {
            bail!("the rows of the set {name} have no margin in common: a rate is that of one margin")
        };
        Ok(Self { name: name.to_owned(), subjects: several, margins: Margins { orders, single } })
    }

    /// Its name, and the beginning of a digest of all that it says.
    fn id(&self) -> String {
        let mut text = format!("{:?}", self.margins);
        for Subject { workload, engine, .. } in &self.subjects {
            text += &format!("\n{} {}", workload.path, engine.name());
        }
        format!("{} {}", self.name, short(&hex::encode(sha256::digest(text.as_bytes()))))
    }
}

impl Calibration {
    fn goals(&self) -> Vec<(Kind, Goal)> {
        let wanted = |kind: &Kind| self.kind.is_empty() || self.kind.iter().any(|name| name == kind.name);
        let goal = |kind: Kind| Goal { pairs: self.pairs, runs: self.runs.unwrap_or(kind.runs) };
        KINDS.into_iter().filter(wanted).map(|kind| (kind, goal(kind))).collect()
    }
}

/// Records until the goals are reached, the budget is spent or it is stopped.
fn record(
    goals: &[(Kind, Goal)],
    folder: &Path,
    programs: &[PathBuf],
    set: &Set,
    budget: Option<Duration>,
) -> anyhow::Result<Vec<Line>> {
    let mut bank = Bank::open(folder, origin(programs, set.id())?)?;
    if bank.torn > 0 {
        eprintln!("note: the last line was cut short, {} bytes of it; it is recorded anew", bank.torn);
    }
    let bar = progress::spinner("calibrate");
    let began = Instant::now();
    // Other orders and places than before the last stop.
    let seed = bank.lines().len() as u64;
    let mut campaign = Campaign::open(programs, set.subjects.clone(), set.margins, seed, &STOP)?;
    let mut lost = 0;
    while let Some((kind, what)) = campaign::next(goals, |kind| bank.count(kind)) {
        if budget.is_some_and(|budget| began.elapsed() >= budget) {
            break;
        }
        let [pairs, runs] = bank.count(kind);
        bar.set_message(format!("{}: {pairs} pairs, {runs} runs", kind.name));
        let started = jiff::Timestamp::now().to_string();
        match campaign.record(kind, what) {
            Ok(None) => break,
            Ok(Some(entry)) => {
                lost = 0;
                bank.push(kind, started, entry)?;
            }
            Err(CampaignError::Lost(error)) => {
                lost += 1;
                bar.suspend(|| eprintln!("note: a pair was lost: {error}"));
                if lost >= LOST_IN_A_ROW {
                    bail!("{lost} pairs in a row were lost; the last one: {error}");
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    bar.finish_and_clear();
    Ok(bank.lines().to_vec())
}

/// What the lines of this campaign belong to.
///
/// # Errors
/// A program cannot be read, or two are the same file: such two differ in no link order.
pub(super) fn origin(programs: &[PathBuf], set: String) -> anyhow::Result<Origin> {
    let own = std::env::current_exe().context("finding this program")?;
    let digests = programs.iter().map(|path| digest(path)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut seen = BTreeMap::new();
    for (path, digest) in programs.iter().zip(&digests) {
        if let Some(other) = seen.insert(digest, path) {
            bail!(
                "{} and {} are the same program: name builds in different link orders",
                other.display(),
                path.display()
            );
        }
    }
    Ok(Origin {
        schema: SCHEMA.into(),
        sealmark: env!("CARGO_PKG_VERSION").into(),
        host: Host::detect().fingerprint,
        set,
        driver: short(&digest(&own)?),
        programs: short(&hex::encode(sha256::digest(digests.concat().as_bytes()))),
    })
}

fn digest(path: &Path) -> anyhow::Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    Ok(hex::encode(sha256::digest(&bytes)))
}

/// Enough of a digest to tell programs apart.
fn short(digest: &str) -> String {
    digest.chars().take(16).collect()
}

/// The package here, linked in several orders; built once for each campaign and kept with its bank.
fn own_programs(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let kept = folder.join("programs");
    let path =
        |folder: &Path, seed: u32| folder.join(format!("order-{seed}{}", std::env::consts::EXE_SUFFIX));
    if !kept.is_dir() {
        std::fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        let flags = "--locked --no-default-features --features cli";
        let source = Source {
            target: folder.canonicalize()?.join("target"),
            ..Source::of_package(None, Some(flags))?
        };
        eprintln!("note: building the package here in {ORDERS} link orders");
        let built = source.orders(1..=ORDERS).context("building with LLD, which orders sections")?;
        let partial = folder.join("programs.partial");
        std::fs::create_dir_all(&partial)?;
        for (seed, program) in (1..).zip(&built) {
            std::fs::copy(program, path(&partial, seed))
                .with_context(|| format!("copying {}", program.display()))?;
        }
        std::fs::rename(&partial, &kept).with_context(|| format!("creating {}", kept.display()))?;
    }
    Ok((1..=ORDERS).map(|seed| path(&kept, seed)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_that_are_the_same_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let program = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let programs = [program("one", "1"), program("two", "2"), program("three", "1")];
        let error = origin(&programs, "a set".into()).unwrap_err().to_string();
        assert!(error.contains("one and ") && error.contains("three are the same program"), "{error}");
        let [one, other] = [&programs[..2], &programs[1..]].map(|some| origin(some, "a set".into()).unwrap());
        assert_ne!(one.programs, other.programs);
        assert_eq!((one.driver.len(), &one.driver), (16, &other.driver));
        let error = origin(&[folder.path().join("none")], String::new()).unwrap_err().to_string();
        assert!(error.starts_with("reading ") && error.ends_with("none"), "{error}");
    }

    #[test]
    fn only_kinds_that_are_named_are_recorded() {
        let args = Calibration {
            calibrate: None,
            kind: vec!["single".into(), "same".into()],
            runs: None,
            pairs: 7,
            reports: None,
            splice: None,
        };
        let goals: Vec<_> =
            args.goals().into_iter().map(|(kind, goal)| (kind.name, goal.pairs, goal.runs)).collect();
        assert_eq!(goals, [("same", 7, 370), ("single", 7, 75)]);
        assert_eq!(Calibration { runs: Some(0), kind: Vec::new(), ..args }.goals().len(), KINDS.len());
    }

    #[test]
    fn the_set_has_twelve_workloads_and_one_margin_for_each_way_to_compare() {
        #[derive(clap::Parser)]
        struct Verb {
            #[command(flatten)]
            gate: super::super::Args,
        }
        let registry = Registry::with(&[], &[]).unwrap();
        let parse = |arguments: &[&str]| {
            let all = ["gate", "--calibrate", "DIR"].into_iter().chain(arguments.iter().copied());
            <Verb as clap::Parser>::try_parse_from(all)
        };
        let set = Set::read(&parse(&[]).ok().unwrap().gate, &registry).unwrap();
        assert_eq!((set.subjects.len(), set.margins), (12, Margins { orders: 0.005, single: 0.0075 }));
        assert!(set.id().starts_with("acceptance ") && set.id().len() == 11 + 16, "{}", set.id());
        let other = Set::read(&parse(&["--set", "default"]).ok().unwrap().gate, &registry).unwrap();
        assert!(other.id().starts_with("default ") && other.subjects.len() > 12);
        let error = parse(&["--all"]).err().unwrap().to_string();
        assert!(error.contains("'--calibrate <DIR>' cannot be used with '--all'"), "{error}");
        let error = parse(&["--kind", "tired"]).err().unwrap().to_string();
        assert!(error.contains("[possible values: same, orders, planted-0.5,"), "{error}");
        assert!(ORDERS as usize >= campaign::programs_for(&KINDS));
    }
}
