//! `sealmark list`: the names that the other verbs take.

use clap::ValueEnum;

use super::{End, Engines};
use crate::{engine, measure, verify};

/// Lists what there is to name: engines, vector sets, workloads, suites.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  sealmark list workloads")]
pub(super) struct Args {
    /// Only these names, one a line.
    what: Option<What>,
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
