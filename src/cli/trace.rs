//! `sealmark trace`: what one call of a workload executes.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::{End, Engines, Format};
use crate::measure::trace::{self, Traced};
use crate::measure::{self, workloads};
use crate::report::{self, text};
use crate::trace::{Diff, Error};

/// Counts the instructions that one call of a workload executes: by class, by symbol, by loop, with register widths.
///
/// A process of its own is single-stepped through the call (ptrace), on Linux on x86-64 and aarch64, at some ten or
/// hundred thousand instructions a second. It sees the CPU as it is, so it shows which kernel really ran.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  sealmark trace seal/aes-256-gcm/16384 --engine aws-lc\n  sealmark trace open/aes-256-gcm/1024 -o before.json\n  sealmark trace open/aes-256-gcm/1024 --diff before.json\n\nExit codes: 0 fine, 1 the engine is wrong, 2 bad usage, 3 the system does not let a process be traced."
)]
pub(super) struct Args {
    /// The workload's path; `sealmark list workloads` names them all.
    workload: String,
    /// The engine.
    #[arg(long, value_name = "NAME", default_value = "sealmark")]
    engine: String,
    /// What keys, nonces and messages are drawn from. Code that is constant-time has one digest for all.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Compares with an earlier trace: what changed, by mnemonic and by symbol.
    #[arg(long, value_name = "FILE")]
    diff: Option<PathBuf>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Also writes the JSON to this file.
    #[arg(short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(args: &Args, engines: &Engines) -> anyhow::Result<End> {
    let Some(workload) = workloads().iter().find(|workload| workload.path == args.workload) else {
        bail!("no workload is called {:?}; `sealmark list workloads` names them", args.workload);
    };
    let engine = engines.named(std::slice::from_ref(&args.engine))?[0];
    let before = args.diff.as_deref().map(read).transpose()?;
    if let Some(reason) = super::none_can_run(&[engine]) {
        eprintln!("sealmark: {reason}");
        return Ok(End::CouldNotTell);
    }
    if workload.engines == measure::Engines::Own && engine.family() != "sealmark" {
        bail!("no cipher takes part in {}: it is traced on sealmark alone", workload.path);
    }
    if !workload.supported_by(engine) {
        eprintln!("sealmark: {} does not offer {}", engine.name(), workload.path);
        return Ok(End::CouldNotTell);
    }
    let mut traced = match trace::trace(workload, engine, args.seed) {
        Ok(traced) => traced,
        Err(measure::Error::Trace(
            error @ (Error::Forbidden { .. } | Error::Unsupported | Error::TooLong { .. }),
        )) => {
            eprintln!("sealmark: no trace of {}: {error}", workload.path);
            return Ok(End::CouldNotTell);
        }
        Err(error @ measure::Error::Wrong { .. }) => {
            eprintln!("sealmark: {error}");
            return Ok(End::FoundSomething);
        }
        Err(error) => return Err(error).context(format!("tracing {} on {}", workload.path, engine.name())),
    };
    traced.diff = before.map(|before| Diff::between(&before.trace, &traced.trace));
    if let Some(path) = &args.output {
        report::write(path, &traced)?;
    }
    match args.format {
        Format::Json => println!("{}", serde_json::to_string_pretty(&traced)?),
        Format::Text => {
            println!("{}", report::trace::sentence(&traced));
            for table in report::trace::tables(&traced) {
                println!("\n{}", text::table(&table, super::width()).trim_end());
            }
        }
    }
    Ok(End::Fine)
}

/// An earlier trace.
fn read(path: &Path) -> anyhow::Result<Traced> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let value: serde_json::Value =
        serde_json::from_str(&text).with_context(|| format!("{}: not JSON", path.display()))?;
    match value.get("schema").and_then(serde_json::Value::as_str) {
        Some(trace::SCHEMA) => {}
        other => {
            bail!("{}: its schema is {}, not {}", path.display(), other.unwrap_or("absent"), trace::SCHEMA)
        }
    }
    serde_json::from_value(value)
        .with_context(|| format!("{}: not as {} says", path.display(), trace::SCHEMA))
}
