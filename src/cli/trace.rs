//! `sealmark trace`: the instructions that one call of a workload executes.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::{ExitStatus, Format, Registry, progress};
use crate::engine::Engine;
use crate::measure::trace::{self, Traced};
use crate::measure::{self, Workload};
use crate::report::{self, text};
use crate::trace::Diff;

/// Counts the instructions that one call of a workload executes: by class, by symbol, by loop, with register
/// widths.
///
/// Single-steps a separate process through the call, with ptrace, on Linux on x86-64 and aarch64, at about
/// forty thousand instructions a second. The process runs on the real CPU, so the trace shows which kernel
/// really ran. Several workloads or engines are shown side by side: instructions per byte, and the widest AES
/// instructions.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
                  sealmark trace seal/aes-256-gcm/16384 --engine aws-lc\n  \
                  sealmark trace open/aes-256-gcm/1024 --engine ring -o before.json\n  \
                  sealmark trace open/aes-256-gcm/1024 --engine ring --diff before.json\n  \
                  sealmark trace seal/aes-256-gcm/16 seal/aes-256-gcm/1024 --engine ring\n\
                  \n\
                  Exit codes: 0 fine, 1 an engine is wrong or crashes, 2 bad usage, 3 no trace for \
                  another reason, most often because the system forbids tracing. In a container, allow \
                  ptrace: docker run --cap-add SYS_PTRACE.")]
pub(super) struct Args {
    /// The workload (`sealmark list workloads`). Several may be given.
    #[arg(required = true, value_name = "WORKLOAD")]
    workloads: Vec<String>,
    /// Only this engine. Repeat for several. Default: all.
    #[arg(long = "engine", value_name = "NAME")]
    engines: Vec<String>,
    /// Seed for keys, nonces and messages. Constant-time code has the same digest for every seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Compares with an earlier trace, by mnemonic and by symbol.
    #[arg(long, value_name = "RUN")]
    diff: Option<PathBuf>,
    /// Puts the table of all traces between the markers `<!-- sealmark:instructions -->` of a Markdown file.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["diff", "output", "format"])]
    splice: Option<PathBuf>,
    /// Output format. In JSON, several traces are printed as one object per line.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Also writes the trace to this file as JSON.
    #[arg(short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(args: &Args, registry: &Registry) -> anyhow::Result<ExitStatus> {
    args.output.as_deref().map_or(Ok(()), super::output::check)?;
    let workloads =
        args.workloads.iter().map(|path| registry.workload(path)).collect::<anyhow::Result<Vec<_>>>()?;
    let chosen = registry.engines_named(&args.engines)?;
    let before = args.diff.as_deref().map(read).transpose()?;
    if let Some(reason) = super::none_can_run(&chosen) {
        eprintln!("sealmark: {reason}");
        return Ok(ExitStatus::CouldNotTell);
    }
    let calls: Vec<(&Workload, &dyn Engine)> = workloads
        .iter()
        .flat_map(|&w| w.eligible_engines(&chosen).into_iter().map(move |e| (w, e)))
        .collect();
    if calls.is_empty() {
        eprintln!("sealmark: none of the engines supports {}", args.workloads.join(", "));
        return Ok(ExitStatus::CouldNotTell);
    }
    if calls.len() > 1 && (before.is_some() || args.output.is_some()) {
        bail!("--diff and -o take one workload on one engine: choose one with --engine");
    }
    let (mut all, mut end) = (Vec::new(), ExitStatus::Fine);
    let bar = progress::bar("tracing", calls.len() as u64);
    for (workload, engine) in calls {
        bar.set_message(format!("{} on {}", workload.path, engine.name()));
        match trace::trace(workload, engine, args.seed) {
            Ok(traced) => all.push(traced),
            Err(error) => {
                end = end.max(means(&error));
                bar.suspend(|| {
                    eprintln!("sealmark: no trace of {} on {}: {error}", workload.path, engine.name())
                });
                if all.is_empty() && is_of_the_system(&error) {
                    break;
                }
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    if let ([traced], Some(before)) = (&mut all[..], before) {
        traced.diff = Some(Diff::between(&before.trace, &traced.trace));
    }
    if let ([traced], Some(path)) = (&all[..], &args.output) {
        report::write(path, traced)?;
    }
    match (&args.splice, args.format) {
        (Some(target), _) if end == ExitStatus::Fine => splice(target, args, &all)?,
        (Some(target), _) => eprintln!("sealmark: {} was not changed", target.display()),
        (None, format) => print(&all, format)?,
    }
    Ok(end)
}

/// The exit code when there is no trace: an engine that is wrong or crashes is a failure found; any other
/// reason means that the verb could not tell.
fn means(error: &measure::Error) -> ExitStatus {
    match error {
        measure::Error::Wrong { .. } => ExitStatus::FoundSomething,
        measure::Error::Trace(error) if error.is_a_crash() => ExitStatus::FoundSomething,
        _ => ExitStatus::CouldNotTell,
    }
}

/// Whether the system forbids tracing, so that no other engine can be traced either.
fn is_of_the_system(error: &measure::Error) -> bool {
    matches!(error, measure::Error::Trace(error) if error.is_of_the_system())
}

fn print(all: &[Traced], format: Format) -> anyhow::Result<()> {
    match (all, format) {
        ([traced], Format::Json) => print_line!("{}", serde_json::to_string_pretty(traced)?),
        (several, Format::Json) => {
            for traced in several {
                print_line!("{}", serde_json::to_string(traced)?);
            }
        }
        ([], Format::Text) => {}
        ([traced], Format::Text) => {
            print_line!("{}", report::trace::sentence(traced));
            for table in report::trace::tables(traced) {
                print_line!("\n{}", text::table(&table, super::width()).trim_end());
            }
        }
        (several, Format::Text) => {
            print_line!("{}", text::table(&report::trace::summary(several), super::width()).trim_end());
        }
    }
    Ok(())
}

/// Puts the table of all traces, side by side, between the markers of `target`.
fn splice(target: &Path, args: &Args, all: &[Traced]) -> anyhow::Result<()> {
    let reading = || format!("reading {}", target.display());
    let markdown = std::fs::read_to_string(target).with_context(reading)?;
    let table = report::trace::summary(all);
    let engines: String = args.engines.iter().map(|name| format!(" --engine {name}")).collect();
    let (workloads, path) = (args.workloads.join(" "), target.display());
    let host = all.first().map_or_else(String::new, |t| format!("{} ({})", t.host.cpu, t.host.fingerprint));
    let command = format!("sealmark trace {workloads}{engines} --splice {path}");
    let body = format!("{}\nOn {host}; put here by `{command}`.", report::markdown(&table));
    report::write_text(target, &report::splice(&markdown, &table.id, &body)?)?;
    print_line!("{path}: 1 part replaced");
    Ok(())
}

/// An earlier trace.
fn read(path: &Path) -> anyhow::Result<Traced> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let value: serde_json::Value =
        serde_json::from_str(&text).with_context(|| format!("{}: not JSON", path.display()))?;
    match value.get("schema").and_then(serde_json::Value::as_str) {
        Some(trace::SCHEMA) => {}
        other => {
            bail!(
                "{}: not a trace: its schema is {}, not {} (write one with `sealmark trace -o`)",
                path.display(),
                other.unwrap_or("absent"),
                trace::SCHEMA
            )
        }
    }
    serde_json::from_value(value)
        .with_context(|| format!("{}: does not match the schema {}", path.display(), trace::SCHEMA))
}
