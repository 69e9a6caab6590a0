//! The hidden verb `worker`: a process that measures what its parent tells it to.

use anyhow::Context;

use super::{End, Engines};
use crate::measure;

pub(super) fn run(engines: &Engines) -> anyhow::Result<End> {
    measure::worker_main(&engines.all()).context("this verb is for `sealmark bench` itself")?;
    Ok(End::Fine)
}
