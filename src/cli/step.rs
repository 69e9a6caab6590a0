//! The hidden verb `step`: the process that `sealmark trace` steps through.

use anyhow::Context;

use super::{Engines, ExitStatus};
use crate::measure::trace;

pub(super) fn run(engines: &Engines) -> anyhow::Result<ExitStatus> {
    trace::step_main(&engines.all()).context("this verb is for `sealmark trace` itself")?;
    Ok(ExitStatus::Fine)
}
