//! `sealmark list`: the names that the other verbs take.

use std::collections::BTreeMap;

use clap::ValueEnum;

use super::{Engines, ExitStatus, Format};
use crate::aead::Backend;
use crate::{measure, verify};

/// Lists what there is to name: engines, vector sets, workloads, suites.
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
            Self::Workloads => measure::workloads().iter().map(|workload| workload.path.clone()).collect(),
            Self::Suites => measure::Suite::ALL.iter().map(|suite| suite.name().to_owned()).collect(),
        }
    }
}

pub(super) fn run(args: &Args, engines: &Engines) -> anyhow::Result<ExitStatus> {
    if args.format == Format::Json {
        let chosen = |what: &What| args.what.is_none_or(|only| only == *what);
        let all: BTreeMap<String, Vec<String>> = What::value_variants()
            .iter()
            .filter(|what| chosen(what))
            .filter_map(|what| Some((what.to_possible_value()?.get_name().to_owned(), what.names(engines))))
            .collect();
        print_line!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(ExitStatus::Fine);
    }
    if let Some(what) = args.what {
        print_line!("{}", what.names(engines).join("\n"));
        return Ok(ExitStatus::Fine);
    }
    print_line!("engines\n  sealmark (on this CPU: sealmark/{})", Backend::choose().name);
    for engine in engines.all() {
        match engine.available() {
            Ok(()) => print_line!("  {} ({})", engine.name(), engine.version()),
            Err(reason) => print_line!("  {} ({}): {reason}", engine.name(), engine.version()),
        }
    }
    for (heading, what) in [("sets", What::Sets), ("suites", What::Suites), ("workloads", What::Workloads)] {
        print_line!("\n{heading}\n  {}", what.names(engines).join("\n  "));
    }
    Ok(ExitStatus::Fine)
}
