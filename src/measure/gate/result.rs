//! What the gate found: schema `sealmark.gate/1`.

use serde::{Deserialize, Serialize};

use crate::host::Host;
use crate::measure::gate::exact::{Counts, Digests, Streams};
use crate::measure::gate::rule::{NullPairs, Verdict};
use crate::measure::gate::timed::Decision;
use crate::measure::trace::Size;
use crate::trace::Diff;

/// The name and version of the JSON that a [`Gate`] is written as.
pub const SCHEMA: &str = "sealmark.gate/1";

/// What `sealmark gate` found.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Gate {
    /// [`SCHEMA`].
    pub schema: String,
    /// The version of Sealmark that wrote it.
    pub sealmark: String,
    /// When it began, RFC 3339.
    pub started: String,
    /// Where it ran.
    pub host: Host,
    /// The compiler and build profile of the program that compared.
    pub build: String,
    /// The files of the base, one for each link order.
    pub base: Vec<String>,
    /// The files of the head.
    pub head: Vec<String>,
    /// The commits that were built; absent where the builds were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commits: Option<Commits>,
    /// `slower` where any row is, else `unsure` where any row is or `null_pair` is not fair, else `faster`
    /// where any row is, else `same`.
    pub verdict: Verdict,
    /// What was chosen, and how both sides came about.
    #[serde(default)]
    pub setup: Setup,
    /// One for each workload and engine.
    pub rows: Vec<Row>,
    /// The base compared with itself; `null` where nothing was timed.
    pub null_pair: Option<NullPairs>,
    /// Why pairs of processes gave no estimates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<String>,
    /// Why streams of instructions were not compared; absent where they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_traced: Option<String>,
    /// Whether it was stopped, or spent its budget, before all was decided.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ended_early: bool,
    /// Why this run may be a baseline although a row is `slower` or `unsure`: the words of `--accept`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
    /// How long it took, without building.
    pub seconds: f64,
}

/// What base and head were built from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Commits {
    /// The base's commit.
    pub base: String,
    /// The head's; `-dirty` follows where files differed from it.
    pub head: String,
}

/// What was chosen, and how both sides came about.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Setup {
    /// The set of workloads in the configuration, or the filter that chose among all workloads.
    pub set: String,
    /// The configuration: a file, or `built in`.
    pub config: String,
    /// Workloads and engines that the set names and that are not compared, each with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// Why each side was linked in one order only; absent where it was not built here, or in several orders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_order: Option<String>,
    /// The stored run that takes the place of the base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Stored>,
    /// What `unsure` means for the exit code.
    #[serde(default)]
    pub unsure: WhenUnsure,
}

/// A stored run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Stored {
    /// Its file.
    pub file: String,
    /// When it began, RFC 3339.
    pub started: String,
    /// Why it was accepted as a baseline, where it had to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
}

/// What `unsure` means for the exit code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenUnsure {
    /// 3: could not tell.
    #[default]
    Open,
    /// 0, where the row was compared and noise left it undecided.
    Pass,
    /// 1, like `slower`.
    Fail,
}

/// One workload on one engine.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Row {
    /// The workload's path.
    pub workload: String,
    /// The engine.
    pub engine: String,
    /// What the gate says.
    pub verdict: Verdict,
    /// Whether base and head execute different instructions; `null` where that is not known.
    pub changed: Option<bool>,
    /// Head's time over base's; `null` where nothing was timed.
    pub ratio: Option<Ratio>,
    /// Instructions of one call, the harness included; `null` where they are not known.
    pub instructions: Option<Counts>,
    /// Digests of the streams of instructions; absent where they are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digests: Option<Digests>,
    /// Nanoseconds of an operation in the fastest warm-up pass of one process a side. Shown, never judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ns: Option<Times>,
    /// The smallest slowdown, as a ratio less one, that these pairs find half of the time; `null` where
    /// nothing was timed, or too little.
    pub smallest_detectable: Option<f64>,
    /// The least effect that is called `slower` or `faster`, as a ratio less one.
    pub margin: f64,
    /// Pairs that the ratio is over.
    pub pairs: u64,
    /// How many pairs would decide, if the ratio stayed as it is; absent where it is decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairs_needed: Option<u64>,
    /// The size that was traced; absent where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traced: Option<Size>,
    /// What executes differently, by mnemonic and by symbol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<Diff>,
    /// Why something is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Head's time over base's in each pair.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<f64>,
    /// The same in the pairs that were to confirm a suspect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confirming: Vec<f64>,
}

/// The head's time over the base's: the median over pairs, and an interval that is corrected for the number
/// of workloads and looks.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Ratio {
    /// The median.
    pub estimate: f64,
    /// The interval's lower end; 0 where there are too few pairs for one.
    pub low: f64,
    /// The interval's upper end; absent where there are too few pairs for one.
    pub high: Option<f64>,
}

/// Why a row is `unsure` in which the sides differ.
const HIDDEN: &str = "builds of one side in other link orders differ as much as the two sides do";

/// Times of both sides, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Times {
    /// Of the base; `null` where it was not run.
    pub base: Option<f64>,
    /// Of the head.
    pub head: f64,
}

impl Row {
    /// A row of which nothing is known yet.
    pub fn open(workload: &str, engine: &str, margin: f64) -> Self {
        Self {
            workload: workload.to_owned(),
            engine: engine.to_owned(),
            verdict: Verdict::Unsure,
            changed: None,
            ratio: None,
            instructions: None,
            digests: None,
            ns: None,
            smallest_detectable: None,
            margin,
            pairs: 0,
            pairs_needed: None,
            traced: None,
            diff: None,
            why: None,
            samples: Vec::new(),
            confirming: Vec::new(),
        }
    }

    /// Whether it is `unsure` for want of times, and not because the times that there are leave it open.
    pub fn lacks_times(&self) -> bool {
        self.verdict == Verdict::Unsure && self.ratio.is_none()
    }

    /// Takes what the streams say: equal ones decide.
    pub(super) fn take_streams(&mut self, streams: Streams) {
        let Streams { changed, why, instructions, digests, size, diff } = streams;
        if changed == Some(false) {
            self.verdict = Verdict::Same;
        }
        (self.changed, self.why, self.instructions, self.digests) = (changed, why, instructions, digests);
        (self.traced, self.diff) = (size, diff);
    }

    /// Takes what the pairs say.
    pub(super) fn take_times(&mut self, decision: &Decision) {
        let ratios = |logs: &[f64]| logs.iter().map(|log| log.exp()).collect();
        self.verdict = decision.verdict;
        self.ratio = decision.effect.map(|effect| Ratio {
            estimate: effect.estimate.exp(),
            low: effect.low.exp(),
            high: Some(effect.high.exp()).filter(|high| high.is_finite()),
        });
        self.smallest_detectable = decision.effect.and_then(|e| e.smallest_detectable(self.margin));
        self.pairs = decision.logs.len() as u64;
        self.pairs_needed = decision.pairs_needed.map(|pairs| pairs as u64);
        if decision.hidden {
            self.why = Some(HIDDEN.into());
        }
        (self.samples, self.confirming) = (ratios(&decision.logs), ratios(&decision.confirming));
    }
}

impl Gate {
    /// The rows of a comparison by this program on this machine; nothing else is known of it yet.
    pub fn of(rows: Vec<Row>, base: Vec<String>, head: Vec<String>) -> Self {
        Self {
            schema: SCHEMA.into(),
            sealmark: env!("CARGO_PKG_VERSION").into(),
            started: jiff::Timestamp::now().to_string(),
            host: Host::detect(),
            build: env!("SEALMARK_BUILD").into(),
            base,
            head,
            commits: None,
            verdict: Self::overall(&rows, None),
            setup: Setup::default(),
            rows,
            null_pair: None,
            lost: Vec::new(),
            not_traced: None,
            ended_early: false,
            accepted: None,
            seconds: 0.0,
        }
    }

    /// The verdict over all of these rows.
    pub fn overall(rows: &[Row], null_pair: Option<&NullPairs>) -> Verdict {
        let any = |verdict| rows.iter().any(|row| row.verdict == verdict);
        if any(Verdict::Slower) {
            Verdict::Slower
        } else if any(Verdict::Unsure) || rows.is_empty() || null_pair.is_some_and(|pairs| !pairs.fair()) {
            Verdict::Unsure
        } else if any(Verdict::Faster) {
            Verdict::Faster
        } else {
            Verdict::Same
        }
    }
}
