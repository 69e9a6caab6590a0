//! `sealmark host`: this CPU, the engines that run on it, and its speed limits.

use serde::Serialize;

use super::{ExitStatus, Format, Registry};
use crate::aead::Backend;
use crate::host::{Disagreement, Host, second_opinion};
use crate::measure::limit::probe::{self, Limits};
use crate::report::{limits, text};
use crate::timing::Clock;
use crate::verify::EngineInfo;

/// The name and version of the JSON that this verb prints.
pub(super) const SCHEMA: &str = "sealmark.host/1";

/// Shows this CPU: its features, the engines that run on it, its speed limits, and the resolution of the
/// clock.
///
/// The speed limits are measured in a fraction of a second: AES rounds and carry-less multiplies, alone and
/// mixed, without a message. A chain of additions, each of which takes one cycle, measures the core's clock
/// rate.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  sealmark host\n  sealmark host --format json")]
pub(super) struct Args {
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// What `sealmark host --format json` prints.
#[derive(Serialize, schemars::JsonSchema)]
pub(super) struct Facts {
    schema: &'static str,
    host: Host,
    /// The backend that the engine `sealmark` uses here.
    backend: &'static str,
    engines: Vec<EngineInfo>,
    /// The speed limits of each backend that runs here.
    limits: Vec<Limits>,
    /// The smallest step of the clock, in nanoseconds.
    clock_grain_ns: f64,
    /// The time measured for an empty pass, in nanoseconds.
    clock_overhead_ns: f64,
    /// Features on which the crate `cpufeatures` contradicts the standard library.
    second_opinion: Vec<Disagreement>,
}

pub(super) fn run(args: &Args, registry: &Registry) -> anyhow::Result<ExitStatus> {
    let clock = Clock::calibrate();
    let facts = Facts {
        schema: SCHEMA,
        host: Host::detect(),
        backend: Backend::choose().name,
        engines: registry.engines().into_iter().map(EngineInfo::of).collect(),
        limits: probe::limits(&clock),
        clock_grain_ns: clock.grain_ns,
        clock_overhead_ns: clock.overhead_ns,
        second_opinion: second_opinion(),
    };
    match args.format {
        Format::Json => print_line!("{}", serde_json::to_string_pretty(&facts)?),
        Format::Text => print(&facts)?,
    }
    let unexplained = facts.second_opinion.iter().any(|d| !d.known);
    Ok(if unexplained { ExitStatus::FoundSomething } else { ExitStatus::Fine })
}

fn print(facts: &Facts) -> anyhow::Result<()> {
    let host = &facts.host;
    let unknown = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".into());
    let virtualised = match host.virtualised {
        Some(true) => "yes",
        Some(false) => "no",
        None => "unknown",
    };
    print_line!("cpu          {}", host.cpu);
    print_line!(
        "             {} family {} model {} stepping {}",
        host.vendor,
        host.family,
        host.model,
        host.stepping
    );
    print_line!("system       {} {}, {} cores, virtualised: {virtualised}", host.os, host.arch, host.cores);
    print_line!("fingerprint  {}", host.fingerprint);
    print_line!("kernel       {} (not in the fingerprint)", unknown(&host.kernel));
    print_line!("microcode    {} (not in the fingerprint)", unknown(&host.microcode));
    print_line!("features     {}", host.features.join(" "));
    print_line!(
        "clock        resolution {:.0} ns, an empty timed pass takes {:.0} ns",
        facts.clock_grain_ns,
        facts.clock_overhead_ns
    );
    print_line!("backend      {} (used by the engine sealmark)", facts.backend);
    print_line!("engines");
    for engine in &facts.engines {
        match &engine.unavailable {
            None => print_line!("  runs       {} {}", engine.name, engine.version),
            Some(reason) => print_line!("  does not   {} {}: {reason}", engine.name, engine.version),
        }
    }
    for d in &facts.second_opinion {
        let verdict = if d.known { "known: it requires AVX-512" } else { "unexplained: please report it" };
        print_line!(
            "note         {}: std says {}, cpufeatures says {} ({verdict})",
            d.feature,
            d.std,
            d.cpufeatures
        );
    }
    print_line!("\n{}", text::table(&limits::limits(&facts.limits), super::width()).trim_end());
    Ok(())
}
