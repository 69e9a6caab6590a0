//! The hidden verb `worker`: one of the fresh processes that a bench is made of.

use anyhow::Context;

use super::{Engines, ExitStatus};
use crate::measure;

pub(super) fn run(engines: &Engines) -> anyhow::Result<ExitStatus> {
    measure::worker_main(&engines.all()).context("this verb is for `sealmark bench` itself")?;
    Ok(ExitStatus::Fine)
}
