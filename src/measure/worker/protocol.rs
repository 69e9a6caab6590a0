//! The worker protocol, version 1.0: how a driver tells a worker process what to measure.
//!
//! One JSON object a line: [`Command`]s go to the worker's standard input, [`Answer`]s come from its standard
//! output. A line has at most [`LINE_LEN`](crate::measure::worker::line::LINE_LEN) bytes. A worker lives
//! until `end`, or until its input ends. Both kinds are told apart by their first member, and `sealmark
//! schema worker` prints the JSON schema of a line.
//!
//! | command | members | answers |
//! |---|---|---|
//! | `hello` | [`Hello`] | `hello`: the worker's own |
//! | `prepare` | [`Prepare`] | `prepared`: a batch is ready, warm and checked |
//! | `run` | [`Slice`] | `ran`: whole passes of that batch, and their time |
//! | `check` | `slot` | `checked`: the last pass was right, and no forgery is opened |
//! | `tails` | `slot` | `tails`: quantiles of operations that were timed one by one |
//! | `sample` | [`Job`] | `clock`; a workload at a time `at` each engine, `sampling`, `workload`; `sampled` |
//! | `end` | | `ended`; the worker exits with 0 |
//!
//! Rules, for whoever writes another worker or driver:
//! - `hello` comes first. The driver says its version, the worker answers with its own, whatever the driver's
//!   is. Major versions must be equal. Within one, commands, members and capabilities are only added, so the
//!   older side decides: a driver asks for nothing that `capabilities` does not list.
//! - Members that are not known are ignored. Members that may be absent say so below.
//! - A worker answers `error` to a command that it does not know, cannot read or cannot carry out, and goes
//!   on. Its `cause` says whose fault that is.
//! - A driver ends a worker that sends anything else than the table allows, keeps silent for too long, or
//!   dies. What the worker was doing then has that as its error.
//!
//! `prepare`, `run`, `check` are for drivers that compare two programs in alternating slices, and decide
//! themselves how much each slice does. `sample` interleaves engines within one process, where their ratios
//! are most exact.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::measure::{Arena, ClockInfo};

/// The name and version of the schema of a line.
pub const SCHEMA: &str = "sealmark.worker/1";
/// Both sides must have the same.
pub const MAJOR: u32 = 1;
/// Counts what was added within [`MAJOR`].
pub const MINOR: u32 = 0;

/// The capability of the command `prepare`.
pub const PREPARE: &str = "prepare";
/// The capability of the command `run`.
pub const RUN: &str = "run";
/// The capability of the command `check`.
pub const CHECK: &str = "check";
/// The capability of the command `tails`.
pub const TAILS: &str = "tails";
/// The capability of the command `sample`.
pub const SAMPLE: &str = "sample";
/// The capability of the member `cycles` of a slice.
pub const CYCLES: &str = "cycles";
/// The capability of the member `stack_offset`.
pub const STACK_OFFSET: &str = "stack_offset";
/// The capability of the member `arena_offset`. No worker of this version has it.
pub const ARENA_OFFSET: &str = "arena_offset";

/// What a worker of this program can do.
pub const CAPABILITIES: [&str; 7] = [PREPARE, RUN, CHECK, TAILS, SAMPLE, CYCLES, STACK_OFFSET];

/// What a driver tells a worker.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Greets the worker. Must come first.
    Hello(Hello),
    /// Makes a batch of a workload on an engine ready in a slot, in the place of an earlier one.
    Prepare(Prepare),
    /// Runs a slice of the batch in a slot.
    Run(Slice),
    /// Compares what the last pass left with the judge's results, and offers forgeries to what opens.
    Check {
        /// The slot; 0 when absent.
        #[serde(default)]
        slot: u32,
    },
    /// Times single operations of the workload in a slot.
    Tails {
        /// The slot; 0 when absent.
        #[serde(default)]
        slot: u32,
    },
    /// Measures workloads on engines that take turns in shuffled rounds.
    Sample(Job),
    /// Ends the worker.
    End,
}

/// What a worker answers.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// Who the worker is.
    Hello(Hello),
    /// The batch is ready: it was run until it was warm, and was right.
    Prepared {
        /// The slot.
        slot: u32,
        /// Operations of one pass.
        operations: u64,
        /// Nanoseconds of the quickest of the passes that warmed it up.
        pass_ns: f64,
        /// The buffers that it walks through; absent where it has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        arena: Option<Arena>,
    },
    /// The slice was run.
    Ran {
        /// The slot.
        slot: u32,
        /// Operations that were done: whole passes.
        operations: u64,
        /// Nanoseconds of these operations together. What restores the batch before each pass is not in it.
        ns: f64,
        /// The same in cycles of the core; absent unless asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cycles: Option<f64>,
    },
    /// The last pass was right, and no forgery was opened. Else the answer is an error.
    Checked {
        /// The slot.
        slot: u32,
    },
    /// Single operations were timed.
    Tails {
        /// The slot.
        slot: u32,
        /// Their quantiles.
        quantiles: Quantiles,
    },
    /// Sampling begins, with this clock.
    Clock(ClockInfo),
    /// The worker is about to touch this engine alone: if it dies, this engine is to blame.
    At {
        /// The workload's path.
        workload: String,
        /// The engine's name.
        engine: String,
    },
    /// The worker is about to run every engine of this workload in turn.
    Sampling {
        /// The workload's path.
        workload: String,
    },
    /// A workload is done. Workloads come in the order of the job.
    Workload {
        /// Its path.
        workload: String,
        /// One for each engine that offers it.
        rows: Vec<Measured>,
        /// Nanoseconds for a cycle of the core meanwhile: the lower quartile of the passes.
        cycle_ns: f64,
    },
    /// Every workload of the job is done.
    Sampled,
    /// The worker is about to exit.
    Ended,
    /// A command was not carried out. The worker waits for the next one.
    Error {
        /// Whose fault that is.
        cause: Fault,
        /// What was wrong, for a person to read.
        why: String,
    },
}

/// One line of the conversation, in either direction.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(clippy::large_enum_variant, reason = "it exists for its schema")]
pub enum Line {
    /// To the worker.
    Command(Command),
    /// From the worker.
    Answer(Answer),
}

/// Which protocol a side speaks, and what it can do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Hello {
    /// Must be the same on both sides.
    pub major: u32,
    /// The higher one knows everything that the lower one does.
    pub minor: u32,
    /// The program and its version.
    pub program: String,
    /// What a worker can do: its commands, and members that not every worker obeys. Nothing when absent; a
    /// driver has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// Whether the measuring thread keeps to one core, for a person to read; absent from a driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinning: Option<String>,
}

impl Hello {
    /// This program as a driver.
    pub fn of_driver() -> Self {
        let program = concat!("sealmark ", env!("CARGO_PKG_VERSION")).to_owned();
        Self { major: MAJOR, minor: MINOR, program, capabilities: Vec::new(), pinning: None }
    }

    /// This program as a worker.
    pub fn of_worker(pinning: String) -> Self {
        let capabilities = CAPABILITIES.map(str::to_owned).to_vec();
        Self { capabilities, pinning: Some(pinning), ..Self::of_driver() }
    }

    /// Whether a driver of this program can work with that worker, of which it needs these capabilities.
    ///
    /// # Errors
    /// [`Misfit`].
    pub fn accept(&self, needs: &[&'static str]) -> Result<(), Misfit> {
        let Self { major, minor, program, .. } = self.clone();
        if major != MAJOR {
            return Err(Misfit::Major { program, major, minor });
        }
        let lacks = |need: &&&'static str| !self.capabilities.iter().any(|has| has == **need);
        match needs.iter().find(lacks) {
            None => Ok(()),
            Some(capability) => Err(Misfit::Lacks { program, minor, capability }),
        }
    }
}

/// Why a driver cannot work with a worker.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Misfit {
    /// Its protocol is another one.
    #[error(
        "{program} speaks version {major}.{minor} of the worker protocol, and this program {MAJOR}.{MINOR}: \
         they must have the same first number"
    )]
    Major {
        /// The worker's program.
        program: String,
        /// Its major version.
        major: u32,
        /// Its minor version.
        minor: u32,
    },
    /// It is too old.
    #[error(
        "{program} speaks version {MAJOR}.{minor} of the worker protocol and lacks `{capability}`, \
         which this program ({MAJOR}.{MINOR}) needs"
    )]
    Lacks {
        /// The worker's program.
        program: String,
        /// Its minor version.
        minor: u32,
        /// What it lacks.
        capability: &'static str,
    },
}

/// Whose fault it is that a command was not carried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The command's: it is unknown, malformed, out of order or more than this worker can do.
    Command,
    /// There is no such workload or engine.
    Unknown,
    /// The engine's: it is wrong, or cannot run here.
    Engine,
    /// Another one, of a later version.
    #[serde(other)]
    Other,
}

/// The batch to prepare.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Prepare {
    /// Where the batch is kept, below [`SLOTS`]; 0 when absent.
    #[serde(default)]
    pub slot: u32,
    /// The workload's path.
    pub workload: String,
    /// The engine's name.
    pub engine: String,
    /// What keys, nonces and messages are drawn from; the workload's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Operations of one pass, which decide on the size of the buffers; the workload's own count when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations: Option<u64>,
    /// Where slices run that do not say.
    #[serde(flatten)]
    pub place: Place,
}

/// Batches that a worker keeps at once.
pub const SLOTS: u32 = 256;

/// The slice to run. It ends with the pass that reaches `operations` or `ns`, whichever comes first; after
/// one pass where both are absent.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Slice {
    /// The slot; 0 when absent.
    #[serde(default)]
    pub slot: u32,
    /// Operations to do, rounded up to whole passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations: Option<u64>,
    /// Timed nanoseconds to spend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ns: Option<f64>,
    /// Whether the answer tells cycles too: a chain of cycles runs after the slice.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cycles: bool,
    /// Where it runs; as prepared when absent.
    #[serde(flatten)]
    pub place: Place,
}

/// Where a batch runs: 4 KiB aliasing between stack and buffers changes its time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// Bytes that the stack lies lower than usual: a multiple of 16 below 4096.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack_offset: Option<u32>,
    /// Bytes from the beginning of a page to the first buffer: a multiple of 64 below 4096.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arena_offset: Option<u32>,
}

/// What to sample.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Job {
    /// Paths of workloads, in the order in which they are measured.
    pub workloads: Vec<String>,
    /// Names of engines.
    pub engines: Vec<String>,
    /// Seed of the order within rounds.
    pub seed: u64,
    /// Rounds of each workload.
    pub rounds: u32,
    /// Timed nanoseconds of each engine in a round.
    pub target_ns: f64,
}

/// Nanoseconds of single operations in one process.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Quantiles {
    /// An operation is too short for the clock to be timed alone.
    Below,
    /// The quantiles 0.5, 0.99 and 0.999.
    Ns([f64; 3]),
}

/// One workload on one engine in one process: a time, or an error.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Measured {
    /// The engine.
    pub engine: String,
    /// The lower quartile of the passes: nanoseconds for one operation; absent where there is an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ns: Option<f64>,
    /// Why there is no time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The same as `ns` in cycles of the core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycles: Option<f64>,
    /// Of single operations; absent where the workload does not ask for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tails: Option<Quantiles>,
    /// The buffers that were walked through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arena: Option<Arena>,
    /// Threads that shared the work; absent where the workload is of one thread by its nature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<u32>,
    /// What one pass may be off by, in parts of it, where that is more than one in a hundred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_error: Option<f64>,
}

impl Measured {
    /// An engine, its time or why there is none, and nothing else.
    pub fn new(engine: &str, ns: Result<f64, String>) -> Self {
        let engine = engine.to_owned();
        let (ns, error) = match ns {
            Ok(ns) => (Some(ns), None),
            Err(why) => (None, Some(why)),
        };
        Self { engine, ns, error, cycles: None, tails: None, arena: None, threads: None, clock_error: None }
    }

    /// The time, or why there is none.
    ///
    /// # Errors
    /// The row's own; and where it has neither, or a time that none can have.
    pub fn time(&self) -> Result<f64, String> {
        match (self.ns, &self.error) {
            (_, Some(why)) => Err(why.clone()),
            (Some(ns), None) if ns > 0.0 => Ok(ns),
            (Some(ns), None) => Err(format!("a worker process measured {ns} ns, which is no time")),
            (None, None) => Err("a worker process gave neither a time nor a reason".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use schemars::schema_for;

    use super::*;

    /// The names that the first member of these lines may have.
    fn names(schema: &schemars::Schema, tag: &str) -> Vec<String> {
        let variants = schema.as_value()["oneOf"].as_array().expect("one of its variants");
        let name =
            |variant: &serde_json::Value| variant["properties"][tag]["const"].as_str().map(str::to_owned);
        variants.iter().map(|variant| name(variant).expect("it has a name")).collect()
    }

    #[test]
    fn the_table_has_every_command_and_every_answer() {
        let text = include_str!("protocol.rs");
        let table: Vec<_> = text.lines().filter(|line| line.starts_with("//! | `")).collect();
        let (commands, answers) =
            (names(&schema_for!(Command), "command"), names(&schema_for!(Answer), "answer"));
        let first: Vec<_> = table.iter().filter_map(|row| row.split('`').nth(1)).collect();
        assert_eq!(commands, first);
        assert_eq!(answers.len(), 12);
        let rest = text.split("pub const SCHEMA").next().expect("the documentation");
        for name in answers {
            assert!(rest.contains(&format!("`{name}`")), "{name}");
        }
    }

    #[test]
    fn a_capability_is_a_command_or_a_member() {
        let schema = serde_json::to_string(&schema_for!(Line)).unwrap();
        for capability in CAPABILITIES.iter().chain(&[ARENA_OFFSET]) {
            assert!(schema.contains(&format!("\"{capability}\"")), "{capability}");
        }
    }

    #[test]
    fn a_line_is_one_object_and_says_its_kind_first() {
        let lines = [
            serde_json::to_string(&Command::End).unwrap(),
            serde_json::to_string(&Command::Run(Slice { operations: Some(7), ..Slice::default() })).unwrap(),
            serde_json::to_string(&Answer::Sampled).unwrap(),
        ];
        assert_eq!(
            lines,
            [
                r#"{"command":"end"}"#,
                r#"{"command":"run","slot":0,"operations":7}"#,
                r#"{"answer":"sampled"}"#
            ]
        );
        let seed = u64::MAX;
        let text =
            format!(r#"{{"command":"prepare","workload":"w","engine":"e","seed":{seed},"stack_offset":16}}"#);
        let Ok(Command::Prepare(prepare)) = serde_json::from_str(&text) else { panic!("{text}") };
        assert_eq!((prepare.slot, prepare.seed, prepare.place.stack_offset), (0, Some(seed), Some(16)));
    }

    #[test]
    fn a_row_without_a_time_has_a_reason() {
        let row = |ns, error: Option<&str>| {
            let error = error.map(str::to_owned);
            Measured { ns, error, ..Measured::new("x", Ok(1.0)) }.time()
        };
        assert_eq!(row(Some(2.0), None), Ok(2.0));
        assert_eq!(row(Some(2.0), Some("wrong")), Err("wrong".into()));
        assert!(row(None, None).is_err_and(|why| why.contains("neither a time nor a reason")));
        for ns in [0.0, -1.0, f64::NAN] {
            assert!(row(Some(ns), None).is_err_and(|why| why.contains("which is no time")), "{ns}");
        }
    }
}
