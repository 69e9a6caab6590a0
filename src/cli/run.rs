//! `sealmark run`, and `sealmark` alone: verify, measure, report.

use std::path::PathBuf;

use super::{End, Engines};
use crate::measure::{Plan as BenchPlan, Suite};
use crate::report::{self, File, Report};
use crate::verify::{Plan as VerifyPlan, Sets};

/// Verifies every engine, measures those that are right, and writes a report.
///
/// Two minutes at most. Ends with one plain sentence and the place of the report.
#[derive(clap::Args, Default)]
#[command(after_help = "Example:\n  sealmark run --engine ring --engine sealmark -o site/")]
pub(super) struct Args {
    /// Only this engine; may be given several times. All when left out.
    #[arg(long = "engine", value_name = "NAME")]
    engines: Vec<String>,
    /// Where the report goes; a new folder under reports/runs/ or ./sealmark-report/ when left out.
    #[arg(short, value_name = "DIR")]
    output: Option<PathBuf>,
}

pub(super) fn run(args: &Args, engines: &Engines) -> anyhow::Result<End> {
    let chosen = engines.named(&args.engines)?;
    let plan = VerifyPlan { engines: chosen.clone(), sets: Sets::BuiltIn, require: Vec::new(), seed: 1 };
    let verified = super::verify::verify(&plan);
    let folder = args.output.clone().unwrap_or_else(|| report::default_dir(&verified.host.fingerprint));
    report::write(&folder.join("verify.json"), &verified)?;
    let mut end = if verified.wrong == 0 { End::Fine } else { End::FoundSomething };
    let mut files = vec![File::Verify(verified)];

    let measured = super::bench::measure(&BenchPlan::new(Suite::Quick, chosen));
    let failed = match measured {
        Ok(run) => {
            report::write(&folder.join("bench.json"), &run)?;
            end = end.max(super::bench::end_of(&run));
            files.push(File::Bench(run));
            None
        }
        Err(error) => Some(error),
    };
    let report = Report::build(files);
    let page = report.write_html(&folder)?;
    println!("{}\n{}", report.text(super::width()), page.display());
    match failed {
        None => Ok(end),
        Some(error) => Err(error.context("measuring; the verification is in the report")),
    }
}
