//! The hidden verb `worker`: a process that measures what its parent tells it to.

use anyhow::Context;

use super::{ExitStatus, Registry};
use crate::measure;

pub(super) fn run(registry: &Registry) -> anyhow::Result<ExitStatus> {
    measure::worker_main(&registry.engines(), registry.workloads())
        .context("this verb is only for internal use by `sealmark bench`")?;
    Ok(ExitStatus::Fine)
}
