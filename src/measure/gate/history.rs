//! The history of a gate: a file with one line of JSON for each run, schema `sealmark.gate-history/1`.
//!
//! A line holds verdicts, counts and ratios, without the pairs. A line that a crash cut short is named and
//! stays where it is; the next run begins a new line. A file with a line of another kind is refused before
//! anything is written to it, so a mistyped path does no harm.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::measure::gate::exact::Counts;
use crate::measure::gate::result::{Commits, Gate, Ratio};
use crate::measure::gate::rule::Verdict;

/// The name and version of the JSON that a line is written as.
pub const SCHEMA: &str = "sealmark.gate-history/1";

/// How every line begins.
const BEGINNING: &str = r#"{"schema":"sealmark.gate-history/1""#;

/// One run of the gate: a line of the file.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Entry {
    /// [`SCHEMA`]; the first member, by which a line that was cut short is recognised.
    pub schema: String,
    /// The version of Sealmark that wrote it.
    pub sealmark: String,
    /// When the run began, RFC 3339.
    pub started: String,
    /// The fingerprint of the host.
    pub fingerprint: String,
    /// Its CPU.
    pub cpu: String,
    /// The compiler and build profile of the program that compared.
    pub build: String,
    /// The commits that were built; absent where the builds were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commits: Option<Commits>,
    /// The verdict over all rows.
    pub verdict: Verdict,
    /// One for each workload and engine.
    pub rows: Vec<Point>,
    /// How long the run took.
    pub seconds: f64,
}

/// One workload on one engine, in one run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Point {
    /// The workload's path.
    pub workload: String,
    /// The engine.
    pub engine: String,
    /// What the gate said.
    pub verdict: Verdict,
    /// Whether base and head executed different instructions; `null` where that is not known.
    pub changed: Option<bool>,
    /// Head's time over base's; `null` where nothing was timed.
    pub ratio: Option<Ratio>,
    /// Instructions of one call, the harness included; `null` where they are not known.
    pub instructions: Option<Counts>,
}

impl Entry {
    /// What the history keeps of a run.
    pub fn of(gate: &Gate) -> Self {
        let rows = gate.rows.iter().map(|row| Point {
            workload: row.workload.clone(),
            engine: row.engine.clone(),
            verdict: row.verdict,
            changed: row.changed,
            ratio: row.ratio,
            instructions: row.instructions,
        });
        Self {
            schema: SCHEMA.into(),
            sealmark: gate.sealmark.clone(),
            started: gate.started.clone(),
            fingerprint: gate.host.fingerprint.clone(),
            cpu: gate.host.cpu.clone(),
            build: gate.build.clone(),
            commits: gate.commits.clone(),
            verdict: gate.verdict,
            rows: rows.collect(),
            seconds: gate.seconds,
        }
    }
}

/// The lines of a file.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct History {
    /// The runs, in the order in which they were written.
    pub entries: Vec<Entry>,
    /// The numbers, from 1, of lines that were cut short.
    pub torn: Vec<usize>,
}

/// Why a history could not be read or continued.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read.
    #[error("{}: cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("{}: cannot be written", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line is not a run of the gate.
    #[error("{}: line {line} is not of a gate's history: {why}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
}

/// Appends a run to a file, which is created where there is none. Returns the numbers of lines that were cut
/// short earlier.
///
/// # Errors
/// [`Error`]: the file is then as it was, or ends in a line that was cut short.
pub fn append(path: &Path, gate: &Gate) -> Result<Vec<usize>, Error> {
    let known = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(source) if source.kind() == io::ErrorKind::NotFound => String::new(),
        Err(source) => return Err(Error::Unreadable { path: path.to_owned(), source }),
    };
    let torn = parse(path, &known)?.torn;
    let entry = serde_json::to_string(&Entry::of(gate));
    let start = if known.is_empty() || known.ends_with('\n') { "" } else { "\n" };
    // One write: with O_APPEND, two runs that end at the same time do not tear each other's lines.
    let write = |entry: String| {
        let mut file = OpenOptions::new().append(true).create(true).open(path)?;
        file.write_all(format!("{start}{entry}\n").as_bytes())?;
        file.sync_all()
    };
    let written = entry.map_err(io::Error::from).and_then(write);
    written.map_err(|source| Error::Unwritable { path: path.to_owned(), source })?;
    Ok(torn)
}

/// Reads a file.
///
/// # Errors
/// [`Error::Unreadable`], [`Error::Foreign`].
pub fn read(path: &Path) -> Result<History, Error> {
    let text =
        fs::read_to_string(path).map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
    parse(path, &text)
}

fn parse(path: &Path, text: &str) -> Result<History, Error> {
    let mut history = History::default();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match entry(line) {
            Ok(Some(entry)) => history.entries.push(entry),
            Ok(None) => history.torn.push(at + 1),
            Err(why) => return Err(Error::Foreign { path: path.to_owned(), line: at + 1, why }),
        }
    }
    Ok(history)
}

/// The run of a line; `None` for a line that was cut short; or what else it is.
fn entry(line: &str) -> Result<Option<Entry>, String> {
    #[derive(Deserialize)]
    struct Head {
        schema: Option<serde_json::Value>,
    }
    match serde_json::from_str::<Head>(line) {
        Ok(Head { schema: Some(schema) }) if schema == SCHEMA => {
            serde_json::from_str(line).map(Some).map_err(|error| error.to_string())
        }
        Ok(Head { schema }) => {
            Err(schema.map_or_else(|| "it has no schema".to_owned(), |name| format!("its schema is {name}")))
        }
        Err(error) if error.is_eof() && (line.starts_with(BEGINNING) || BEGINNING.starts_with(line)) => {
            Ok(None)
        }
        Err(error) => Err(format!("it is not JSON: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::gate::Row;

    fn gate(verdict: Verdict) -> Gate {
        let mut row = Row::open("seal/aes-256-gcm/16", "sealmark", 0.005);
        row.verdict = verdict;
        row.changed = Some(true);
        row.instructions = Some(Counts { base: 300, head: 310 });
        row.ratio = Some(Ratio { estimate: 1.02, low: 1.01, high: None });
        row.samples = vec![1.02; 40];
        Gate {
            started: "2026-11-03T09:12:44Z".into(),
            commits: Some(Commits { base: "a".repeat(40), head: "b".repeat(40) }),
            verdict,
            seconds: 9.5,
            ..Gate::of(vec![row], vec!["base".into()], vec!["head".into()])
        }
    }

    #[test]
    fn runs_come_back_in_their_order_and_without_their_pairs() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history.jsonl");
        for verdict in [Verdict::Same, Verdict::Slower] {
            assert!(append(&path, &gate(verdict)).unwrap().is_empty());
        }
        let expected = [Verdict::Same, Verdict::Slower].map(|verdict| Entry::of(&gate(verdict)));
        assert_eq!(read(&path).unwrap(), History { entries: expected.to_vec(), torn: Vec::new() });
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.lines().all(|line| line.starts_with(BEGINNING)) && !text.contains("samples"), "{text}");
    }

    #[test]
    fn a_line_cut_anywhere_is_named_and_kept_and_the_next_run_begins_a_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history.jsonl");
        let whole = serde_json::to_string(&Entry::of(&gate(Verdict::Same))).unwrap();
        let mut cuts = 0;
        for cut in (1..whole.len()).step_by(29).chain([whole.len() - 1]) {
            let torn = format!("{whole}\n{}", &whole[..cut]);
            fs::write(&path, &torn).unwrap();
            assert_eq!(append(&path, &gate(Verdict::Same)).unwrap(), [2], "cut at {cut}");
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{torn}\n{whole}\n"));
            let history = read(&path).unwrap();
            assert_eq!((history.entries.len(), history.torn), (2, vec![2]));
            cuts += 1;
        }
        assert!(cuts > 10, "{cuts} cuts");
        fs::write(&path, &whole).unwrap();
        assert_eq!(
            append(&path, &gate(Verdict::Same)).unwrap(),
            [] as [usize; 0],
            "only its end was missing"
        );
        assert_eq!(read(&path).unwrap().entries.len(), 2);
    }

    #[test]
    fn a_file_of_another_kind_is_refused_by_line_and_reason_and_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes");
        let whole = serde_json::to_string(&Entry::of(&gate(Verdict::Same))).unwrap();
        for (line, reason) in [
            ("some notes", "it is not JSON"),
            ("{\"schema\":\"sealmark.gate/1\",", "it is not JSON: EOF"),
            ("{\"schema\":\"sealmark.gate/1\"}", "its schema is \"sealmark.gate/1\""),
            ("{\"schema\":\"sealmark.gate-history/2\"}", "its schema is \"sealmark.gate-history/2\""),
            ("{\"rows\":[]}", "it has no schema"),
            ("{\"schema\":\"sealmark.gate-history/1\"}", "missing field"),
        ] {
            let text = format!("{whole}\n\n{line}\n{whole}\n");
            fs::write(&path, &text).unwrap();
            let refused = append(&path, &gate(Verdict::Same)).unwrap_err();
            assert!(
                matches!(&refused, Error::Foreign { line: 3, why, .. } if why.contains(reason)),
                "{refused}"
            );
            assert!(refused.to_string().contains("line 3 is not of a gate's history"), "{refused}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        let refused = append(dir.path(), &gate(Verdict::Same)).unwrap_err();
        assert!(matches!(refused, Error::Unreadable { .. }), "a folder: {refused}");
        let refused = append(&dir.path().join("none/x"), &gate(Verdict::Same)).unwrap_err();
        assert!(matches!(refused, Error::Unwritable { .. }), "{refused}");
    }
}
