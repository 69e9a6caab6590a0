//! `sealmark list`: the names that the other verbs take.

use std::collections::BTreeMap;

use anyhow::anyhow;
use clap::ValueEnum;

use super::{ExitStatus, Format, Registry};
use crate::aead::Backend;
use crate::measure;
use crate::primitive::PRIMITIVES;
use crate::scheme::Scheme;
use crate::verify::{BlindKind, BlindSpot, SchemeReport, fault};

/// Lists what there is to name: engines, schemes, vector sets, primitives, workloads, suites.
///
/// A scheme is listed with the faults that it does not see; `sealmark verify --scheme NAME` asserts that list both ways.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  sealmark list workloads")]
pub(super) struct Args {
    /// Only these names, one a line; all of them, under headings, when left out.
    what: Option<What>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// What can seal and open.
    Engines,
    /// Designs built from records, each mode with its law and with what it does not see.
    Schemes,
    /// What there is to verify.
    Sets,
    /// The functions beside AEADs.
    Primitives,
    /// What there is to time.
    Workloads,
    /// Groups of workloads.
    Suites,
}

impl What {
    fn names(self, registry: &Registry) -> Vec<String> {
        match self {
            Self::Engines => registry.engines().iter().map(|engine| engine.name().to_owned()).collect(),
            Self::Schemes => registry.schemes().iter().map(|scheme| scheme.name().to_owned()).collect(),
            Self::Primitives => PRIMITIVES.iter().map(|primitive| primitive.name.to_owned()).collect(),
            Self::Sets => registry.catalog().names(),
            Self::Workloads => {
                registry.workloads().workloads().iter().map(|workload| workload.path.clone()).collect()
            }
            Self::Suites => measure::Suite::ALL.iter().map(|suite| suite.name().to_owned()).collect(),
        }
    }
}

/// What each scheme says of itself.
fn scheme_reports(registry: &Registry) -> anyhow::Result<Vec<SchemeReport>> {
    let report = |scheme: &'static dyn Scheme| {
        fault::report(scheme, SEED)
            .map_err(|why| anyhow!("the scheme {} says nothing of itself: {why}", scheme.name()))
    };
    registry.schemes().into_iter().map(report).collect()
}

/// The seed of `sealmark verify`.
const SEED: u64 = 1;

pub(super) fn run(args: &Args, registry: &Registry) -> anyhow::Result<ExitStatus> {
    if args.format == Format::Json {
        let mut all = BTreeMap::new();
        for what in What::value_variants().iter().filter(|what| args.what.is_none_or(|only| only == **what)) {
            let Some(name) = what.to_possible_value() else { continue };
            let listed = match what {
                What::Schemes => serde_json::to_value(scheme_reports(registry)?)?,
                names => names.names(registry).into(),
            };
            all.insert(name.get_name().to_owned(), listed);
        }
        print_line!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(ExitStatus::Fine);
    }
    match args.what {
        Some(What::Schemes) => print_schemes(registry, "")?,
        Some(what) => print_line!("{}", what.names(registry).join("\n")),
        None => {
            print_engines(registry)?;
            print_line!("\nschemes");
            print_schemes(registry, "  ")?;
            for (heading, what) in [
                ("sets", What::Sets),
                ("primitives", What::Primitives),
                ("suites", What::Suites),
                ("workloads", What::Workloads),
            ] {
                print_line!("\n{heading}\n  {}", what.names(registry).join("\n  "));
            }
        }
    }
    Ok(ExitStatus::Fine)
}

fn print_engines(registry: &Registry) -> anyhow::Result<()> {
    print_line!("engines\n  sealmark (on this CPU: sealmark/{})", Backend::choose().name);
    for engine in registry.engines() {
        match engine.available() {
            Ok(()) => print_line!("  {} ({})", engine.name(), engine.version()),
            Err(reason) => print_line!("  {} ({}): {reason}", engine.name(), engine.version()),
        }
    }
    Ok(())
}

/// Each scheme with its law, and below it a line for each fault that it does not see.
fn print_schemes(registry: &Registry, indent: &str) -> anyhow::Result<()> {
    for scheme in scheme_reports(registry)? {
        print_line!("{indent}{} (law: {})", scheme.name, scheme.law);
        for spot in &scheme.blind {
            print_line!("{indent}  {} {}: {}", words(spot.kind), target(spot), spot.why);
        }
    }
    Ok(())
}

fn words(kind: BlindKind) -> &'static str {
    match kind {
        BlindKind::Blind => "blind to",
        BlindKind::Alters => "altered by",
        BlindKind::Chance => "by chance blind to",
    }
}

/// The fault and the part, and how often chance let it pass.
fn target(spot: &BlindSpot) -> String {
    let part = if spot.part.is_empty() { String::new() } else { format!("/{}", spot.part) };
    let chance = match (spot.unseen, spot.trials) {
        (Some(unseen), Some(trials)) => format!(" ({unseen} of {trials} unseen)"),
        _ => String::new(),
    };
    format!("{}{part}{chance}", spot.fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blind_spot_names_its_fault_its_part_and_its_chance() {
        let spot = |part: &str, unseen, trials| BlindSpot {
            fault: "flip".into(),
            part: part.into(),
            why: String::new(),
            kind: BlindKind::Chance,
            trials,
            unseen,
        };
        assert_eq!(target(&spot("", None, None)), "flip");
        assert_eq!(target(&spot("last-block", Some(3), Some(800))), "flip/last-block (3 of 800 unseen)");
    }
}
