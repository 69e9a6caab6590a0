//! `sealmark run`, and `sealmark` alone: verify, measure, report.

mod publication;

use std::path::{Path, PathBuf};

use super::output::{self, Output};
use super::{ExitStatus, Format, Registry};
use crate::aead::Alg;
use crate::engine::Engine;
use crate::host::Host;
use crate::measure::trace::witness;
use crate::measure::{Plan as BenchPlan, Row, Run, Suite};
use crate::report::{self, File, Report};
use crate::verify::{self, Plan as VerifyPlan, Sets};

/// Verifies every engine, measures the correct ones, and writes a report.
///
/// Takes two minutes at most and ends with a summary and the path of the report. An engine that fails
/// verification is not measured. Results are on disk as soon as they exist: verify.json before the first
/// measurement, and bench.json during the measurement, marked partial until it is complete. A stopped run
/// exits with 3.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
                  sealmark run                                     the same as `sealmark` alone\n  \
                  sealmark run --engine ring --engine sealmark -o site\n  \
                  sealmark run --for-publication                   a baseline that can be published")]
pub(super) struct Args {
    /// Only this engine. Repeat for several. Default: all.
    #[arg(long = "engine", value_name = "NAME")]
    engines: Vec<String>,
    /// Folder for the report. Default: a new one in ./sealmark-report, or in reports/runs of a checkout.
    #[arg(short, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Prints every table before the summary.
    #[arg(long)]
    full: bool,
    /// Measures in 12 to 30 processes, until the speed of every AES-256-GCM seal and open relative to the
    /// best peer is known to within ±3 %. Then writes a baseline that can be published (the result files, the
    /// page, its tables and pictures) to -o DIR, or else to reports/baseline/FINGERPRINT/ (outside a
    /// checkout: ./sealmark-baseline/FINGERPRINT/). If 30 processes are not enough, or if a peer, a row or a
    /// process is missing, names each reason, exits with 3, and writes the results to the folder of an
    /// ordinary run. Takes 5 to 15 minutes on an otherwise idle machine.
    #[arg(long, conflicts_with = "engines")]
    for_publication: bool,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

impl Default for Args {
    fn default() -> Self {
        Self { engines: Vec::new(), output: None, full: false, for_publication: false, format: Format::Text }
    }
}

pub(super) fn run(args: &Args, registry: &Registry) -> anyhow::Result<ExitStatus> {
    let chosen = registry.engines_named(&args.engines)?;
    if let Some(reason) = super::none_can_run(&chosen) {
        eprintln!("sealmark: {reason}");
        return Ok(ExitStatus::CouldNotTell);
    }
    let fingerprint = Host::detect().fingerprint;
    let baseline = if args.for_publication {
        if let Some(reason) = publication::missing(&chosen) {
            eprintln!("sealmark: {reason}");
            return Ok(ExitStatus::CouldNotTell);
        }
        Some(publication::folder(args.output.as_deref(), &fingerprint)?)
    } else {
        None
    };
    let asked = args.output.clone().filter(|_| baseline.is_none());
    let folder = asked.unwrap_or_else(|| report::default_dir(&fingerprint));
    for name in ["verify.json", "index.html"] {
        output::check(&folder.join(name))?;
    }
    let mut output = Output::to(&folder.join("bench.json"))?;
    let witnesses = super::witness::take(&chosen, &Alg::ALL, args.format);
    let plan = VerifyPlan {
        schemes: registry.schemes(),
        witnesses: witnesses.clone(),
        ..VerifyPlan::new(chosen.clone(), Sets::BuiltIn, 1)
    };
    let verified = super::verify::verify(&plan);
    report::write(&folder.join("verify.json"), &verified)?;

    let counted = chosen.into_iter().map(|engine| (engine, wrong_cases(&verified, engine)));
    let (right, wrong): (Vec<_>, Vec<_>) = counted.partition(|(_, cases)| *cases == 0);
    let verdict = if verified.wrong == 0 { ExitStatus::Fine } else { ExitStatus::FoundSomething };
    let mut files = vec![File::Verify(verified)];
    let right = right.into_iter().map(|(engine, _)| engine).collect();
    let plan = BenchPlan { witnesses, ..registry.plan(Suite::Quick, right) };
    let plan = if args.for_publication { plan.for_publication() } else { plan };
    let refused = refused_rows(&plan, &wrong);
    let with_refused = |mut run: Run| {
        run.rows.extend(refused.iter().cloned());
        run
    };
    let measured = if plan.engines.is_empty() {
        None
    } else {
        Some(super::bench::measure(&plan, &mut |run| output.keep(&with_refused(run))))
    };
    let (end, failed) = match measured {
        None => (verdict, None),
        Some(Err(error)) => (verdict, Some(error)),
        Some(Ok(run)) => {
            let end = if verdict == ExitStatus::Fine { super::bench::end_of(&run) } else { verdict };
            let run = with_refused(run);
            if args.format == Format::Json {
                super::bench::warn(&run);
            }
            output.finish(&run)?;
            files.push(File::Bench(run));
            (end, None)
        }
    };
    let report = Report::build(files.clone());
    let page = report.write_html(&folder)?;
    match args.format {
        Format::Text => {
            super::print_report(&report, args.full)?;
            print_line!("Report: {}", super::terminal::link(&near(&page)));
            print_line!("Tables: sealmark report {} --format text", near(&folder).display());
        }
        Format::Json => print_line!("{}", serde_json::json!({ "sentence": report.sentence(), "page": page })),
    }
    let end = match &baseline {
        // A failure exits with 1, as in any run.
        Some(folder) => match publication::publish(&report, &files, folder)? {
            ExitStatus::CouldNotTell if end == ExitStatus::FoundSomething => end,
            published => published,
        },
        None => end,
    };
    match failed {
        None => Ok(end),
        Some(error) => Err(error.context("measuring (the report has the verification)")),
    }
}

/// The path relative to the current folder, if it is inside that.
fn near(path: &Path) -> PathBuf {
    let here = std::env::current_dir().ok();
    here.and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path).to_owned()
}

/// Rows for the engines that failed the verification: one for each workload, without a time.
fn refused_rows(plan: &BenchPlan, wrong: &[(&'static dyn Engine, u64)]) -> Vec<Row> {
    let engines = wrong.iter().map(|(engine, _)| *engine).collect();
    let of_wrong = BenchPlan { engines, ..plan.clone() };
    let mut rows = Vec::new();
    for (engine, cases) in wrong {
        let workloads = of_wrong.workloads().into_iter().filter(|w| w.supported_by(*engine));
        let why = format!("not measured: it failed {cases} checks of the verification");
        rows.extend(workloads.map(|w| Row::refused(w, *engine, why.clone())));
    }
    witness::attach(&mut rows, &plan.catalog, &plan.witnesses);
    rows
}

/// The number of cases that an engine got wrong, plus the number of sets that it failed as a whole.
fn wrong_cases(report: &verify::Report, engine: &dyn Engine) -> u64 {
    let tallies = report.sets.iter().filter_map(|set| set.engines.get(engine.name()));
    let failed = report.failures.iter().filter(|f| f.engine == engine.name() && f.case.is_empty());
    tallies.map(|tally| tally.wrong).sum::<u64>() + failed.count() as u64
}
