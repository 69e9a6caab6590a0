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
    /// Their digests.
    pub digests: Option<Digests>,
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

    fn unrepeatable(size: Size) -> Self {
        let why = "two traces of one build executed different instructions".to_owned();
        Self { why: Some(why), size: Some(size), ..Self::default() }
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

/// Digests of the stream of a call in both programs: hex of SHA-256 over the text of each instruction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Digests {
    /// In the base.
    pub base: String,
    /// In the head.
    pub head: String,
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
    or_why(size_within(workload, engine).and_then(|size| {
        let (Some(base), Some(head)) =
            (repeated(base, workload, engine, size)?, repeated(head, workload, engine, size)?)
        else {
            return Ok(Streams::unrepeatable(size));
        };
        let changed = base.digest != head.digest;
        Ok(Streams {
            changed: Some(changed),
            why: None,
            instructions: Some(Counts { base: base.instructions, head: head.instructions }),
            digests: Some(Digests { base: base.digest.clone(), head: head.digest.clone() }),
            size: Some(size),
            diff: changed.then(|| Diff::between(&base, &head)),
        })
    }))
}

/// The stream of a call in one program that is both base and head.
///
/// # Errors
/// As [`compare`].
pub fn of_one(build: &Build, workload: &Workload, engine: &dyn Engine) -> Result<Streams, Error> {
    let found = or_why(size_within(workload, engine).and_then(|size| {
        let Some(trace) = repeated(build, workload, engine, size)? else {
            return Ok(Streams::unrepeatable(size));
        };
        Ok(Streams {
            instructions: Some(Counts { base: trace.instructions, head: trace.instructions }),
            digests: Some(Digests { base: trace.digest.clone(), head: trace.digest }),
            size: Some(size),
            ..Streams::unchanged()
        })
    }))?;
    Ok(Streams { changed: Some(false), ..found })
}

/// Compares the stream of a call with a stored digest and count of the same size.
///
/// # Errors
/// As [`compare`].
pub fn against(
    (digest, instructions): (&str, u64),
    size: Size,
    head: &Build,
    workload: &Workload,
    engine: &dyn Engine,
) -> Result<Streams, Error> {
    or_why(repeated(head, workload, engine, size).map(|head| match head {
        None => Streams::unrepeatable(size),
        Some(head) => Streams {
            changed: Some(head.digest != digest),
            instructions: Some(Counts { base: instructions, head: head.instructions }),
            digests: Some(Digests { base: digest.to_owned(), head: head.digest }),
            size: Some(size),
            ..Streams::default()
        },
    }))
}

/// Only an error that concerns every workload remains one.
fn or_why(found: Result<Streams, Error>) -> Result<Streams, Error> {
    match found {
        Err(Error::Trace(error)) if error.is_of_the_system() => Err(error.into()),
        Err(error) => Ok(Streams { why: Some(error.to_string()), ..Streams::default() }),
        found => found,
    }
}

fn size_within(workload: &Workload, engine: &dyn Engine) -> Result<Size, Error> {
    trace::size_within(workload, engine, MAX_STEPS)
}

/// The trace of a call, if a second one executes the same.
fn repeated(
    build: &Build,
    workload: &Workload,
    engine: &dyn Engine,
    size: Size,
) -> Result<Option<Trace>, Error> {
    let first = trace::in_build(Some(build), workload, engine, size, MAX_STEPS)?;
    let again = trace::in_build(Some(build), workload, engine, size, MAX_STEPS)?;
    Ok((first.digest == again.digest).then_some(first))
}
