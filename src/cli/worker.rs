//! The hidden verb `worker`: one of the fresh processes that a bench is made of.

use anyhow::Context;

use super::{End, Engines};
use crate::measure;

pub(super) fn run(engines: &Engines) -> anyhow::Result<End> {
    measure::worker_main(&engines.all()).context("this verb is for `sealmark bench` itself")?;
    Ok(End::Fine)
}
