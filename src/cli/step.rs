//! The hidden verb `step`: the process that `sealmark trace` steps through.

use anyhow::Context;

use super::{ExitStatus, Registry};
use crate::measure::trace;

pub(super) fn run(registry: &Registry) -> anyhow::Result<ExitStatus> {
    trace::step_main(&registry.engines(), registry.workloads())
        .context("this verb is only for internal use by `sealmark trace`")?;
    Ok(ExitStatus::Fine)
}
