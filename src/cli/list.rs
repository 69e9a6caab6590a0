//! `sealmark list`: the names that the other verbs take.

use std::collections::BTreeMap;

use anyhow::anyhow;
use clap::ValueEnum;

use super::{ExitStatus, Format, Registry};
use crate::aead::Backend;
use crate::measure;
use crate::primitive::PRIMITIVES;
use crate::report::{self, columns, text};
use crate::scheme::Scheme;
use crate::verify::{BlindHistory, BlindKind, BlindMedium, BlindSpot, SchemeReport, fault};

/// Lists the names that the other verbs take: engines, schemes, sets of cases, primitives, suites, workloads.
///
/// Each scheme is listed with the faults that it cannot detect. `sealmark verify --scheme NAME` checks that
/// list both ways: the scheme must miss those faults and catch all others.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
                  sealmark list                        everything, each name with a description\n  \
                  sealmark list workloads              only the names, one per line\n  \
                  sealmark list schemes --format json  what each scheme catches and misses")]
pub(super) struct Args {
    /// Lists only these names, one per line. Default: everything, under headings.
    what: Option<What>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// AES-GCM implementations.
    Engines,
    /// Designs built from sealed records, each with its law and the faults that it cannot detect.
    Schemes,
    /// Sets of test cases.
    Sets,
    /// Functions other than AEADs.
    Primitives,
    /// Operations to measure.
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

/// What each scheme reports about itself.
fn scheme_reports(registry: &Registry) -> anyhow::Result<Vec<SchemeReport>> {
    let report = |scheme: &'static dyn Scheme| {
        fault::report(scheme, SEED)
            .map_err(|why| anyhow!("the scheme {} cannot be described: {why}", scheme.name()))
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
        Some(What::Schemes) => print_schemes(registry)?,
        Some(what) => print_line!("{}", what.names(registry).join("\n")),
        None => print_line!("{}", overview(registry)?.trim_end()),
    }
    Ok(ExitStatus::Fine)
}

/// Columns of the overview.
const WIDTH: usize = 100;

/// Everything under headings, with a description of each name.
fn overview(registry: &Registry) -> anyhow::Result<String> {
    let suites = measure::Suite::ALL.iter().map(|&suite| {
        let count = registry.workloads().suite(suite).count();
        (suite.name().to_owned(), format!("{count} workloads"))
    });
    let primitives = PRIMITIVES.iter().map(|primitive| {
        let words = format!("{}, from the crate {}", primitive.function.kind(), primitive.krate);
        (primitive.name.to_owned(), words)
    });
    let sets = registry.catalog().names();
    let absent = registry.workloads().absent().iter();
    let absent = absent
        .map(|(path, feature)| (path.clone(), format!("not in this build: it lacks the feature {feature}")));
    let parts = [
        section("Engines: --engine NAME", engines(registry)),
        section("Schemes: sealmark verify --scheme NAME; more: sealmark list schemes", schemes(registry)?),
        section("Sets of cases: sealmark verify --set NAME", families(&sets)),
        section("Primitives: sealmark verify --primitive NAME", primitives.collect()),
        section("Suites: sealmark bench --suite NAME", suites.collect()),
        section(
            "Workloads: sealmark bench NAME, where N is a size in bytes",
            workloads(registry).into_iter().chain(absent).collect(),
        ),
    ];
    Ok(parts.join("\n"))
}

/// A heading, and below it each name with its description beside it.
fn section(heading: &str, rows: Vec<(String, String)>) -> String {
    let longest = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let left = WIDTH.saturating_sub(longest + 4).max(20);
    let cells: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(name, words)| vec![name, text::wrap(&words, left).trim_end().to_owned()])
        .collect();
    let lines = columns(&cells, &[]);
    format!("{heading}\n{}", lines.lines().map(|line| format!("  {line}\n")).collect::<String>())
}

fn engines(registry: &Registry) -> Vec<(String, String)> {
    let chosen = format!("our fastest backend here: sealmark/{}", Backend::choose().name);
    let mut rows = vec![("sealmark".to_owned(), chosen)];
    rows.extend(registry.engines().into_iter().map(|engine| {
        let words = match engine.available() {
            Ok(()) => engine.version(),
            Err(why) => format!("{}; does not run here: {why}", engine.version()),
        };
        (engine.name().to_owned(), words)
    }));
    rows
}

fn schemes(registry: &Registry) -> anyhow::Result<Vec<(String, String)>> {
    let words = |scheme: SchemeReport| {
        let faults: Vec<String> = scheme.blind.iter().map(target).collect();
        let blind =
            if faults.is_empty() { String::new() } else { format!("; blind to {}", faults.join(", ")) };
        (scheme.name, format!("law: {}{blind}", scheme.law))
    };
    Ok(scheme_reports(registry)?.into_iter().map(words).collect())
}

/// Groups sets by the part before the slash: `nist/` with every name that follows it.
fn families(sets: &[String]) -> Vec<(String, String)> {
    let mut found: Vec<(String, Vec<&str>)> = Vec::new();
    for set in sets {
        let (family, name) = set.split_once('/').map_or((set.clone(), ""), |(a, b)| (format!("{a}/"), b));
        match found.iter_mut().find(|(known, _)| *known == family) {
            Some((_, names)) => names.push(name),
            None => found.push((family, vec![name])),
        }
    }
    found.into_iter().map(|(family, names)| (family, names.join(", "))).collect()
}

/// Workloads that differ only in size share a line: `seal/aes-256-gcm/N`, and the sizes.
fn workloads(registry: &Registry) -> Vec<(String, String)> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for workload in registry.workloads().workloads() {
        let size = workload.bytes.to_string();
        let parts: Vec<&str> =
            workload.path.split('/').map(|part| if part == size { "N" } else { part }).collect();
        let pattern = parts.join("/");
        let sizes = if pattern == workload.path { Vec::new() } else { vec![size] };
        match found.iter_mut().find(|(known, _)| *known == pattern) {
            Some((_, known)) => known.extend(sizes),
            None => found.push((pattern, sizes)),
        }
    }
    found.into_iter().map(|(pattern, sizes)| (pattern, sizes.join(", "))).collect()
}

/// Each scheme with its law, and below it a line for each fault that it does not see, for each medium that
/// keeps what it erases, for each history that it does not withstand, and for each risk.
fn print_schemes(registry: &Registry) -> anyhow::Result<()> {
    for scheme in scheme_reports(registry)? {
        print_line!("{} (law: {})", scheme.name, scheme.law);
        for spot in &scheme.blind {
            let line = format!("{} {}: {}", words(spot.kind), target(spot), spot.why);
            print_line!("  {}", text::wrap(&line, WIDTH - 4).trim_end().replace('\n', "\n    "));
        }
        for BlindMedium { medium, why } in &scheme.blind_media {
            let line = format!("erases nothing on {medium}: {why}");
            print_line!("  {}", text::wrap(&line, WIDTH - 4).trim_end().replace('\n', "\n    "));
        }
        for BlindHistory { history, why } in &scheme.blind_histories {
            let line = format!("does not withstand {history}: {why}");
            print_line!("  {}", text::wrap(&line, WIDTH - 4).trim_end().replace('\n', "\n    "));
        }
        for risk in &scheme.risks {
            let line = format!("risk: {}: {}", report::risk(risk), risk.why);
            print_line!("  {}", text::wrap(&line, WIDTH - 4).trim_end().replace('\n', "\n    "));
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

/// The fault, the part, and how often the fault passed by chance.
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
    fn the_overview_fits_a_terminal_and_holds_every_name() {
        let registry = Registry::with(&[], &[]).unwrap();
        let all = overview(&registry).unwrap();
        let wide = |line: &&str| line.chars().count() > WIDTH;
        assert_eq!(all.lines().find(wide), None);
        for what in [What::Engines, What::Schemes, What::Primitives, What::Suites] {
            for name in what.names(&registry) {
                assert!(
                    all.lines().any(|line| line.split_whitespace().next() == Some(&name)),
                    "{name}:\n{all}"
                );
            }
        }
        for name in What::Sets.names(&registry) {
            let (family, name) = name.split_once('/').unwrap_or((&name, ""));
            assert!(all.contains(family) && all.contains(name), "{family} {name}:\n{all}");
        }
        let listed =
            |pattern: &str| workloads(&registry).into_iter().find(|(name, _)| name == pattern).unwrap().1;
        assert!(listed("seal/aes-256-gcm/N").split(", ").any(|size| size == "16384"), "{all}");
        assert_eq!(listed("keystore/lookup"), "");
        let sizes: usize = workloads(&registry)
            .iter()
            .map(|(_, sizes)| if sizes.is_empty() { 1 } else { sizes.split(", ").count() })
            .sum();
        assert_eq!(sizes, registry.workloads().workloads().len(), "each workload is on one line");
    }

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
