//! A line of a bank: one pair of processes, or one whole run of the gate, and what it belongs to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::measure::gate::calibrate::kind::Kind;
use crate::measure::gate::rule::{NullPairs, Verdict};

/// The name and version of the JSON of a line.
pub const SCHEMA: &str = "sealmark.gate-bank/1";

/// What a line belongs to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Origin {
    /// [`SCHEMA`].
    pub schema: String,
    /// The version of Sealmark.
    pub sealmark: String,
    /// The fingerprint of the machine.
    pub host: String,
    /// The set of workloads, and the beginning of the SHA-256 digest of its rows and margins.
    pub set: String,
    /// The beginning of the SHA-256 digest of the program that drew the pairs and judged them.
    pub driver: String,
    /// The same over the files of all programs that were compared.
    pub programs: String,
}

impl Origin {
    /// The first difference: what differs, here and there.
    pub fn difference<'a>(&'a self, other: &'a Self) -> Option<(&'static str, &'a str, &'a str)> {
        [
            ("schema", &self.schema, &other.schema),
            ("version", &self.sealmark, &other.sealmark),
            ("host", &self.host, &other.host),
            ("set", &self.set, &other.set),
            ("driver", &self.driver, &other.driver),
            ("programs", &self.programs, &other.programs),
        ]
        .into_iter()
        .find(|(_, ours, theirs)| ours != theirs)
        .map(|(what, ours, theirs)| (what, ours.as_str(), theirs.as_str()))
    }
}

/// A line.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Line {
    /// What it belongs to.
    #[serde(flatten)]
    pub origin: Origin,
    /// What was compared.
    pub kind: Kind,
    /// When it began, RFC 3339.
    pub started: String,
    /// What came of it.
    #[serde(flatten)]
    pub entry: Entry,
}

/// One pair, or one run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// One pair of processes, over all workloads of the set.
    Pair(Pair),
    /// One run: the whole decision, with pairs of its own.
    Run(Run),
}

/// One pair of processes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Pair {
    /// The base's program, as its place among the programs.
    pub base: usize,
    /// The head's.
    pub head: usize,
    /// ln(head / base) of each workload. A planted slowdown is in all of them.
    pub logs: BTreeMap<String, f64>,
}

/// One run of the gate.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Run {
    /// The base's programs, as their places among the programs.
    pub base: Vec<usize>,
    /// The head's.
    pub head: Vec<usize>,
    /// The one workload whose head was slowed down.
    pub planted: Option<String>,
    /// What the run says, over all rows.
    pub verdict: Verdict,
    /// One for each workload.
    pub rows: Vec<Row>,
    /// The base compared with itself.
    pub null_pair: NullPairs,
    /// Whether it spent its budget before all was decided.
    pub ended_early: bool,
    /// Why pairs gave no estimates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<String>,
    /// How long it took.
    pub seconds: f64,
    /// Processes that were running or waiting for a core when it began, on average over a minute; absent
    /// where the system does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<f64>,
}

/// What a run says of one workload.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Row {
    /// The workload's path.
    pub workload: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Head's time over base's; absent without a pair.
    pub ratio: Option<f64>,
    /// Pairs that the ratio is over.
    pub pairs: u64,
    /// Pairs that were to confirm a suspect.
    pub confirming: u64,
}

impl Run {
    /// Whether a workload that was not slowed down is called `slower` or `faster`, or the slowed one
    /// `faster`.
    pub fn is_wrong(&self) -> bool {
        self.rows.iter().any(|row| match row.verdict {
            Verdict::Slower => self.planted.as_ref() != Some(&row.workload),
            Verdict::Faster => true,
            Verdict::Same | Verdict::Unsure => false,
        })
    }

    /// Whether the workload that was slowed down is called `slower`.
    pub fn finds_the_planted(&self) -> bool {
        let is_planted = |workload| self.planted.as_ref() == Some(workload);
        self.rows.iter().any(|row| row.verdict == Verdict::Slower && is_planted(&row.workload))
    }
}

/// The runs of a kind.
pub fn runs(lines: &[Line], kind: Kind) -> Vec<&Run> {
    let of_kind = lines.iter().filter(|line| line.kind == kind);
    of_kind.filter_map(|line| if let Entry::Run(run) = &line.entry { Some(run) } else { None }).collect()
}

/// The pairs of a kind.
pub fn pairs(lines: &[Line], kind: Kind) -> Vec<&Pair> {
    let of_kind = lines.iter().filter(|line| line.kind == kind);
    of_kind.filter_map(|line| if let Entry::Pair(pair) = &line.entry { Some(pair) } else { None }).collect()
}
