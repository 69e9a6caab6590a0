//! The exact part: whether both programs execute the same instructions for a workload.
//!
//! Both are single-stepped through the same call, each twice: a stream that does not repeat tells nothing.
//! Equal streams take equal time, but for where the code lies, so such a workload is `Same` and is not timed.
//! A stream that differs is timed; a higher count alone is no verdict, since fewer, slower instructions exist
//! and more, faster ones too.

use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::host::Build;
use crate::measure::trace::{self, Size};
use crate::measure::{Error, Workload};
use crate::trace::{Diff, Trace};

/// The most steps of a trace of the gate: what takes more is traced at a smaller size.
pub const MAX_STEPS: u64 = 100_000;

/// What the streams of both programs say of a workload.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Streams {
    /// Whether they differ; `None` where that is not known.
    pub changed: Option<bool>,
    /// Why it is not known.
    pub why: Option<String>,
    /// How many instructions each executes, the harness included.
    pub instructions: Option<Counts>,
    /// The size that was traced.
    pub size: Option<Size>,
    /// By mnemonic and symbol, where they differ.
    pub diff: Option<Diff>,
}

impl Streams {
    /// Those of one program that is both.
    pub fn unchanged() -> Self {
        Self { changed: Some(false), ..Self::default() }
    }
}

/// Instructions of a call in both programs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Counts {
    /// In the base.
    pub base: u64,
    /// In the head.
    pub head: u64,
}

/// Compares the streams of a call.
///
/// # Errors
/// [`Error::Trace`] where this system lets nothing be traced: no other workload need be tried.
pub fn compare(
    base: &Build,
    head: &Build,
    workload: &Workload,
    engine: &dyn Engine,
) -> Result<Streams, Error> {
    match both(base, head, workload, engine) {
        Ok(streams) => Ok(streams),
        Err(Error::Trace(error)) if error.is_of_the_system() => Err(error.into()),
        Err(error) => Ok(Streams { why: Some(error.to_string()), ..Streams::default() }),
    }
}

fn both(base: &Build, head: &Build, workload: &Workload, engine: &dyn Engine) -> Result<Streams, Error> {
    let size = trace::size_within(workload, engine, MAX_STEPS)?;
    let twice = |build| -> Result<Option<Trace>, Error> {
        let first = trace::in_build(Some(build), workload, engine, size, MAX_STEPS)?;
        let again = trace::in_build(Some(build), workload, engine, size, MAX_STEPS)?;
        Ok((first.digest == again.digest).then_some(first))
    };
    let (Some(base), Some(head)) = (twice(base)?, twice(head)?) else {
        let why = "two traces of one build executed different instructions".to_owned();
        return Ok(Streams { why: Some(why), size: Some(size), ..Streams::default() });
    };
    let changed = base.digest != head.digest;
    Ok(Streams {
        changed: Some(changed),
        why: None,
        instructions: Some(Counts { base: base.instructions, head: head.instructions }),
        size: Some(size),
        diff: changed.then(|| Diff::between(&base, &head)),
    })
}
