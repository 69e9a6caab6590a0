//! Is it right? Cases, judged one by one on every engine whose shape fits.
//!
//! `agree + stricter + unsupported + wrong = declared`: nothing is skipped in silence. An engine that runs no
//! case of a set fails that set, unless the index declares 0 and another set exercised the engine. The files
//! of a folder count as one: an engine that runs no case of any fails. An engine that does not execute what
//! its name claims runs no case: its results would be attributed to another one.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::engine::witness::Taken;
use crate::host::{Host, Variable, environment};

mod aead_case;
pub mod campaign;
mod catalog;
pub mod contract;
pub mod differential;
pub mod dir;
#[cfg(test)]
mod double;
pub mod fault;
#[doc(hidden)]
pub mod fuzz;
mod model;
mod primitive;
mod run;
mod self_test;
pub mod vectors;

pub use aead_case::RULE_ACCEPTABLE;
pub use catalog::{Catalog, built_in, built_in_names};
pub use fault::{BlindKind, BlindSpot, SchemeReport};
pub use primitive::PrimitiveReport;
pub use run::{Plan, Progress, Sets, run};
pub use self_test::{Planted, self_test, wrong_engine};

/// The name and version of the JSON that [`Report`] is written as.
pub const SCHEMA: &str = "sealmark.verify/1";

/// What came of one case on one engine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It did what the case asks.
    Agree,
    /// It refused what the reference accepts, by a rule that the docs name.
    Stricter {
        /// The rule.
        rule: &'static str,
    },
    /// The engine offers no call of this shape.
    Unsupported,
    /// It did something else.
    Wrong {
        /// What was expected and what was seen, for a person to read; no key material.
        what: String,
    },
}

/// One thing to verify.
pub struct Case {
    /// Its name within the set: what a failure is reported under.
    pub id: String,
    /// How it is judged.
    pub check: Box<dyn Check>,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Case").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Cases that belong together, and what is declared of them.
#[derive(Debug)]
pub struct Set {
    /// Its name.
    pub name: String,
    /// Where its cases come from.
    pub source: String,
    /// Cases that it must hold.
    pub declared: u64,
    /// Cases that must run (agree, stricter or wrong), by engine family; a family not named may run any
    /// number but 0, of the cases that use an engine.
    pub must_run: BTreeMap<String, u64>,
    /// The cases.
    pub cases: Vec<Case>,
    /// How it differs from its declaration; each is a failure.
    pub broken: Vec<String>,
}

/// How a case is judged.
pub trait Check: Send + Sync {
    /// Whether an engine takes part. Cases that use no cipher are judged once, under the name `sealmark`.
    fn uses_engine(&self) -> bool {
        true
    }

    /// Judges it on an engine that this CPU can run. Never panics on any input.
    fn run(&self, engine: &'static dyn Engine) -> Outcome;
}

/// Judges one case; a panic is a wrong outcome like any other.
fn judge(case: &Case, engine: &'static dyn Engine) -> Outcome {
    caught(|| case.check.run(engine)).unwrap_or_else(|panic| Outcome::Wrong { what: panic })
}

/// The one place where a panic of an engine is caught, and its message kept.
fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| {
        let text = payload.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        format!("panicked: {}", text.unwrap_or_default())
    })
}

/// How the cases of a set came out on one engine.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Tally {
    /// Cases with the expected result.
    pub agree: u64,
    /// Cases refused by a named rule that the reference accepts.
    pub stricter: u64,
    /// Cases of a shape that the engine does not offer.
    pub unsupported: u64,
    /// Cases with any other result.
    pub wrong: u64,
}

impl Tally {
    /// All cases, whatever came of them.
    pub fn total(&self) -> u64 {
        self.agree + self.stricter + self.unsupported + self.wrong
    }

    /// Cases that the engine was put to.
    pub fn ran(&self) -> u64 {
        self.total() - self.unsupported
    }
}

/// One set of cases and how every engine did on it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SetReport {
    /// Its name in `vectors/index.toml`, or the file's path.
    pub set: String,
    /// Where its cases come from.
    pub source: String,
    /// Cases that it holds; each tally adds up to this.
    pub declared: u64,
    /// By engine name.
    pub engines: BTreeMap<String, Tally>,
}

/// A case that came out wrong, or a set that broke its declaration.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Failure {
    /// The set.
    pub set: String,
    /// The engine, or empty where no engine is to blame.
    pub engine: String,
    /// The case, or empty for the set as a whole.
    pub case: String,
    /// What was expected and what was seen.
    pub what: String,
}

/// A file of somebody's folder, and what it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FileReport {
    /// Its path.
    pub file: String,
    /// Whether it was read.
    pub state: FileState,
    /// Its format and its cases, the algorithm that it is about instead, or the reason why it could not be
    /// read.
    pub what: String,
    /// How it differs from what it says of itself, where that does no harm.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

/// What came of a file of somebody's folder.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FileState {
    /// Its cases are a set, or part of one.
    Read,
    /// It is about something else than AES-GCM.
    SetAside,
    /// It should have been readable: that is a failure.
    Unreadable,
}

/// An engine that was asked for, and whether it took part.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EngineInfo {
    /// Its name.
    pub name: String,
    /// The version of the code behind it.
    pub version: String,
    /// Why this CPU cannot run it; absent when it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<String>,
    /// What the CPU really executed when it sealed, by key size and length; none where it was not asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub witnesses: Vec<Taken>,
    /// The environment variables that were set and change what it executes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<Variable>,
}

impl EngineInfo {
    /// Asks an engine.
    pub fn of(engine: &dyn Engine) -> Self {
        Self {
            name: engine.name().into(),
            version: engine.version(),
            unavailable: engine.available().err(),
            witnesses: Vec::new(),
            environment: environment::steering(engine.variables()),
        }
    }
}

/// What `sealmark verify` found: schema `sealmark.verify/1`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// The version of Sealmark that wrote it.
    pub sealmark: String,
    /// When it began, RFC 3339.
    pub started: String,
    /// Where it ran.
    pub host: Host,
    /// Engines that were asked for.
    pub engines: Vec<EngineInfo>,
    /// Every set, in the order of the index.
    pub sets: Vec<SetReport>,
    /// Every scheme whose faults were injected, and what it does not see.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schemes: Vec<SchemeReport>,
    /// The functions beside AEADs whose sets were run, once for each set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub primitives: Vec<PrimitiveReport>,
    /// The files of the folder that was verified instead of the built-in sets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileReport>,
    /// The sum of every tally's `wrong`, of the sets that broke their declaration, of the engines that ran
    /// nothing, and of the files that could not be read.
    pub wrong: u64,
    /// The first failures of each set and engine; the tallies count them all.
    pub failures: Vec<Failure>,
    /// How long it took.
    pub seconds: f64,
}

impl Report {
    /// What the environment changed about the engines that took part: a sentence for each variable.
    pub fn warnings(&self) -> Vec<String> {
        let able = self.engines.iter().filter(|engine| engine.unavailable.is_none());
        environment::warnings(able.map(|engine| (engine.name.as_str(), engine.environment.as_slice())))
    }
}
