//! The hidden verb `worker`: one of the fresh processes that a bench is made of.

use anyhow::Context;

use super::{ExitStatus, Registry};
use crate::measure;

pub(super) fn run(registry: &Registry) -> anyhow::Result<ExitStatus> {
    measure::worker_main(&registry.engines()).context("this verb is for `sealmark bench` itself")?;
    Ok(ExitStatus::Fine)
}
