//! Verification: judges cases one by one on every engine whose shape fits.
//!
//! `agree + stricter + unsupported + wrong = declared`: nothing is skipped silently. An engine that runs no
//! case of a set fails that set, unless the index declares 0 and another set exercised the engine. The files
//! of a folder count as one set: an engine fails if it runs no case of any. An engine that does not execute
//! the code its name claims runs no case, because its results would be attributed to another engine.

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
pub mod log_faults;
mod model;
mod primitive;
mod ruling;
mod run;
mod self_test;
pub mod vectors;

pub use aead_case::RULE_ACCEPTABLE;
pub use catalog::{Catalog, built_in, built_in_names};
pub use fault::{BlindHistory, BlindKind, BlindMedium, BlindSpot, RiskLevel, SchemeReport, SchemeRisk};
pub use primitive::PrimitiveReport;
pub use ruling::Rulings;
pub use run::{Plan, Progress, Sets, run};
pub use self_test::{Planted, self_test, wrong_engine};

/// The round keys of FIPS 197, and H, of a key of 16, 24 or 32 bytes: for a test that searches memory for
/// them.
#[doc(hidden)]
pub fn expanded(key: &[u8]) -> (Vec<[u8; 16]>, [u8; 16]) {
    let model = model::Model::new(key);
    (model.round_keys, model.h.to_be_bytes())
}

/// The name and version of [`Report`]'s JSON format.
pub const SCHEMA: &str = "sealmark.verify/1";

/// The outcome of one case on one engine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It did what the case expects.
    Agree,
    /// It refused input that the reference accepts, by a documented rule.
    Stricter {
        /// The rule.
        rule: &'static str,
    },
    /// The engine supports no call with these IV, tag and key lengths.
    Unsupported,
    /// It did something else.
    Wrong {
        /// The expected and the actual result, for a person to read; no key material.
        what: String,
    },
}

/// One thing to verify.
pub struct Case {
    /// Its name within the set, used to report failures.
    pub id: String,
    /// Its check.
    pub check: Box<dyn Check>,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Case").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Cases that belong together, and their declaration.
#[derive(Debug)]
pub struct Set {
    /// Its name.
    pub name: String,
    /// Where its cases come from.
    pub source: String,
    /// Number of cases that it must hold.
    pub declared: u64,
    /// Cases that must run (agree, stricter or wrong), by engine family. A family not listed must run at
    /// least one of the cases that use an engine.
    pub must_run: BTreeMap<String, u64>,
    /// The cases that rules of ours decide; compared on every engine. `None` for a set that lists none.
    pub rulings: Option<Rulings>,
    /// The cases.
    pub cases: Vec<Case>,
    /// Deviations from its declaration; each is a failure.
    pub broken: Vec<String>,
}

/// The check of a case.
pub trait Check: Send + Sync {
    /// Whether the case uses an engine. Cases without a cipher are judged once, under the name `sealmark`.
    fn uses_engine(&self) -> bool {
        true
    }

    /// Judges the case on an engine that this CPU can run. Never panics on any input.
    fn run(&self, engine: &'static dyn Engine) -> Outcome;
}

/// Judges one case; a panic counts as a wrong outcome.
fn judge(case: &Case, engine: &'static dyn Engine) -> Outcome {
    caught(|| case.check.run(engine)).unwrap_or_else(|panic| Outcome::Wrong { what: panic })
}

/// The one place that catches an engine's panic and keeps its message.
fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| {
        let text = payload.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        format!("panicked: {}", text.unwrap_or_default())
    })
}

/// The outcomes of a set's cases on one engine.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Tally {
    /// Cases with the expected result.
    pub agree: u64,
    /// Cases refused by a named rule although the reference accepts them.
    pub stricter: u64,
    /// Cases of a shape that the engine does not offer.
    pub unsupported: u64,
    /// Cases with any other result.
    pub wrong: u64,
}

impl Tally {
    /// All cases, whatever their outcome.
    pub fn total(&self) -> u64 {
        self.agree + self.stricter + self.unsupported + self.wrong
    }

    /// Cases that ran on the engine.
    pub fn ran(&self) -> u64 {
        self.total() - self.unsupported
    }
}

/// One set of cases and the results of every engine.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SetReport {
    /// Its name in `vectors/index.toml`, or the file's path.
    pub set: String,
    /// Where its cases come from.
    pub source: String,
    /// Number of cases that it holds; each tally adds up to this.
    pub declared: u64,
    /// By engine name.
    pub engines: BTreeMap<String, Tally>,
}

/// A case with a wrong outcome, or a set that deviates from its declaration.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Failure {
    /// The set.
    pub set: String,
    /// The engine; empty if no engine is to blame.
    pub engine: String,
    /// The case; empty for the set as a whole.
    pub case: String,
    /// The expected and the actual result.
    pub what: String,
}

/// A file of a user's folder and the result of reading it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FileReport {
    /// Its path.
    pub file: String,
    /// Whether it was read.
    pub state: FileState,
    /// Its format and its number of cases, or the other algorithm that it is about, or the reason why it
    /// could not be read.
    pub what: String,
    /// Harmless deviations from its own declarations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

/// The result of reading a file of a user's folder.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FileState {
    /// Its cases are a set, or part of one.
    Read,
    /// It is not about AES-GCM.
    SetAside,
    /// It should have been readable, so this is a failure.
    Unreadable,
}

/// A requested engine, and whether it took part.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EngineInfo {
    /// Its name.
    pub name: String,
    /// The version of the code behind it.
    pub version: String,
    /// Why this CPU cannot run it; absent if it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<String>,
    /// The code that the CPU really executed when the engine sealed, by key size and length; empty if this
    /// was not traced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub witnesses: Vec<Taken>,
    /// The environment variables that were set and change the code that it executes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<Variable>,
}

impl EngineInfo {
    /// Queries an engine.
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

/// The result of `sealmark verify`: schema `sealmark.verify/1`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// The version of Sealmark that wrote it.
    pub sealmark: String,
    /// When it started, RFC 3339.
    pub started: String,
    /// The machine that it ran on.
    pub host: Host,
    /// The requested engines.
    pub engines: Vec<EngineInfo>,
    /// Every set, in the order of the index.
    pub sets: Vec<SetReport>,
    /// Every scheme under fault injection, and the faults that it does not detect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schemes: Vec<SchemeReport>,
    /// The functions other than AEADs whose sets ran, once for each set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub primitives: Vec<PrimitiveReport>,
    /// The files of the folder that was verified instead of the built-in sets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileReport>,
    /// The number of failures: the `wrong` counts of all tallies, plus sets that deviate from their
    /// declaration, engines that ran nothing, and files that could not be read.
    pub wrong: u64,
    /// The first failures of each set and engine; the tallies count all of them.
    pub failures: Vec<Failure>,
    /// How long it took.
    pub seconds: f64,
}

impl Report {
    /// The effects of the environment on the engines that took part: a sentence for each variable.
    pub fn warnings(&self) -> Vec<String> {
        let able = self.engines.iter().filter(|engine| engine.unavailable.is_none());
        environment::warnings(able.map(|engine| (engine.name.as_str(), engine.environment.as_slice())))
    }
}
