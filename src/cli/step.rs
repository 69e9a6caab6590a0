//! The hidden verb `step`: the process that `sealmark trace` steps through.

use anyhow::Context;

use super::{End, Engines};
use crate::measure::trace;

pub(super) fn run(engines: &Engines) -> anyhow::Result<End> {
    trace::step_main(&engines.all()).context("this verb is for `sealmark trace` itself")?;
    Ok(End::Fine)
}
