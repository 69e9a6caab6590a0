//! `sealmark list`: the names that the other verbs take.

use std::collections::BTreeMap;

use clap::ValueEnum;

use super::{End, Engines, Format};
use crate::aead::Backend;
use crate::primitive::PRIMITIVES;
use crate::{measure, verify};

/// Lists what there is to name: engines, vector sets, primitives, workloads, suites.
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
    fn names(self, engines: &Engines) -> Vec<String> {
        match self {
            Self::Engines => engines.all().iter().map(|engine| engine.name().to_owned()).collect(),
            Self::Sets => verify::built_in_names(),
            Self::Primitives => PRIMITIVES.iter().map(|primitive| primitive.name.to_owned()).collect(),
            Self::Workloads => measure::workloads().iter().map(|workload| workload.path.clone()).collect(),
            Self::Suites => measure::Suite::ALL.iter().map(|suite| suite.name().to_owned()).collect(),
        }
    }
}

pub(super) fn run(args: &Args, engines: &Engines) -> anyhow::Result<End> {
    if args.format == Format::Json {
        let chosen = |what: &What| args.what.is_none_or(|only| only == *what);
        let all: BTreeMap<String, Vec<String>> = What::value_variants()
            .iter()
            .filter(|what| chosen(what))
            .filter_map(|what| Some((what.to_possible_value()?.get_name().to_owned(), what.names(engines))))
            .collect();
        say!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(End::Fine);
    }
    if let Some(what) = args.what {
        say!("{}", what.names(engines).join("\n"));
        return Ok(End::Fine);
    }
    say!("engines\n  sealmark (on this CPU: sealmark/{})", Backend::choose().name);
    for engine in engines.all() {
        match engine.available() {
            Ok(()) => say!("  {} ({})", engine.name(), engine.version()),
            Err(reason) => say!("  {} ({}): {reason}", engine.name(), engine.version()),
        }
    }
    let lists = [
        ("sets", What::Sets),
        ("primitives", What::Primitives),
        ("suites", What::Suites),
        ("workloads", What::Workloads),
    ];
    for (heading, what) in lists {
        say!("\n{heading}\n  {}", what.names(engines).join("\n  "));
    }
    Ok(End::Fine)
}
