//! The worker protocol, version 1.1: how a driver tells a worker process what to measure.
//!
//! Each line is one JSON object: [`Command`]s go to the worker's standard input, [`Answer`]s come from its
//! standard output. A line has at most [`LINE_LEN`](crate::measure::worker::line::LINE_LEN) bytes. A worker
//! runs until `end`, or until its input ends. The first member of a line names the command or answer, and
//! `sealmark schema worker` prints the JSON schema of a line.
//!
//! | command | members | answers |
//! |---|---|---|
//! | `hello` | [`Hello`] | `hello`: the worker's own |
//! | `prepare` | [`Prepare`] | `prepared`: a batch is ready, warm and checked |
//! | `run` | [`Slice`] | `ran`: whole passes of that batch, and their time |
//! | `check` | `slot` | `checked`: the last pass was right, and no forgery is opened |
//! | `tails` | `slot` | `tails`: quantiles of operations that were timed one by one |
//! | `sample` | [`Job`] | `clock`; `at` each engine; `sampling` each round; `workload`, in order; `sampled` |
//! | `go` | | goes on with a `sample` that takes `turns`, after each `waiting`; no answer of its own |
//! | `end` | | `ended`; the worker exits with 0 |
//!
//! Rules for other implementations of a worker or driver:
//! - `hello` comes first. The driver states its version, and the worker answers with its own, whatever the
//!   driver's is. Major versions must be equal. Within a major version, commands, members and capabilities
//!   are only added. A driver uses nothing that `capabilities` does not list.
//! - Unknown members are ignored. Members that may be absent say so below.
//! - A worker answers `error` to a command that it does not know, cannot read or cannot carry out, and
//!   continues. The answer's `cause` says whose fault that is.
//! - A driver gives up on a worker that sends anything the table does not allow, is silent for too long, or
//!   dies. That becomes the error of the work in progress.
//!
//! `prepare`, `run` and `check` serve drivers that compare two programs in alternating slices and control the
//! length of each slice. `sample` interleaves engines within one process, which gives the most reliable
//! ratios.

mod hello;
mod job;
mod slice;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::hello::{
    ARENA_OFFSET, CAPABILITIES, CHECK, CYCLES, Hello, MAJOR, MINOR, Misfit, PREPARE, RUN, SAMPLE,
    STACK_OFFSET, TAILS, TURNS,
};
pub use self::job::{Job, Measured, Quantiles};
pub use self::slice::{Place, Prepare, SLOTS, Slice};
use crate::measure::{Arena, ClockInfo};

/// The name and version of the schema of a line.
pub const SCHEMA: &str = "sealmark.worker/1";
/// A command of a driver to a worker.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Greets the worker. Must come first.
    Hello(Hello),
    /// Prepares a batch of a workload on an engine in a slot, replacing an earlier one.
    Prepare(Prepare),
    /// Runs a slice of the batch in a slot.
    Run(Slice),
    /// Compares the results of the last pass with the reference's, and offers forgeries to workloads that
    /// open.
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
    /// Continues a sampling that waits for its turn.
    Go,
    /// Ends the worker.
    End,
}

/// An answer of a worker.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// The worker's greeting.
    Hello(Hello),
    /// The batch is ready: it was run until it was warm, and its results were right.
    Prepared {
        /// The slot.
        slot: u32,
        /// Operations of one pass.
        operations: u64,
        /// Nanoseconds of the fastest warm-up pass.
        pass_ns: f64,
        /// The buffers that it cycles through; absent where it has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        arena: Option<Arena>,
    },
    /// The slice was run.
    Ran {
        /// The slot.
        slot: u32,
        /// Operations run, in whole passes.
        operations: u64,
        /// Nanoseconds for all of these operations, without the resets before each pass.
        ns: f64,
        /// The same in core cycles; absent unless asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cycles: Option<f64>,
    },
    /// The last pass was right, and no forgery was opened. Otherwise the answer is an error.
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
    /// Sampling starts, with this clock.
    Clock(ClockInfo),
    /// The worker is about to run this engine on its own. If it dies, this engine is to blame.
    At {
        /// The workload's path.
        workload: String,
        /// The engine's name.
        engine: String,
    },
    /// The worker is about to run every engine of this workload in turn: to warm up, in each of the rounds,
    /// which take turns with those of other workloads, or for the check after the last.
    Sampling {
        /// The workload's path.
        workload: String,
    },
    /// A workload is finished. Workloads come in the order of the job.
    Workload {
        /// Its path.
        workload: String,
        /// One row per engine that supports it.
        rows: Vec<Measured>,
        /// Nanoseconds per core cycle meanwhile, the lower quartile of the passes in the quiet rounds.
        cycle_ns: f64,
    },
    /// The worker waits for `go` before it takes the next step of a job with `turns`.
    Waiting,
    /// Every workload of the job is finished.
    Sampled,
    /// The worker is about to exit.
    Ended,
    /// A command was not carried out. The worker waits for the next one.
    Error {
        /// Whose fault that is.
        cause: Fault,
        /// What was wrong, in words.
        why: String,
    },
}

/// One line of the conversation, in either direction.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Line {
    /// To the worker.
    Command(Command),
    /// From the worker.
    Answer(Answer),
}

/// Whose fault it is that a command was not carried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The command's: it is unknown, malformed, out of order or beyond this worker's capabilities.
    Command,
    /// There is no such workload or engine.
    Unknown,
    /// The engine's: it is wrong, or cannot run here.
    Engine,
    /// A cause that a later version added.
    #[serde(other)]
    Other,
}

#[cfg(test)]
mod tests {
    use schemars::schema_for;

    use super::*;

    /// The possible values of the first member of these lines.
    fn names(schema: &schemars::Schema, tag: &str) -> Vec<String> {
        let variants = schema.as_value()["oneOf"].as_array().expect("one of its variants");
        let name =
            |variant: &serde_json::Value| variant["properties"][tag]["const"].as_str().map(str::to_owned);
        variants.iter().map(|variant| name(variant).expect("it has a name")).collect()
    }

    #[test]
    fn the_table_has_every_command_and_every_answer() {
        let text = include_str!("mod.rs");
        let table: Vec<_> = text.lines().filter(|line| line.starts_with("//! | `")).collect();
        let (commands, answers) =
            (names(&schema_for!(Command), "command"), names(&schema_for!(Answer), "answer"));
        let first: Vec<_> = table.iter().filter_map(|row| row.split('`').nth(1)).collect();
        assert_eq!(commands, first);
        assert_eq!(answers.len(), 13);
        let rest = text.split("pub const SCHEMA").next().expect("the documentation");
        for name in answers {
            assert!(rest.contains(&format!("`{name}`")), "{name}");
        }
    }

    #[test]
    fn a_capability_is_a_command_or_a_member() {
        let schema = serde_json::to_string(&schema_for!(Line)).unwrap();
        for capability in CAPABILITIES {
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
            assert!(row(Some(ns), None).is_err_and(|why| why.contains("which is not a valid time")), "{ns}");
        }
    }
}
