//! The log under real kills. A child process writes, flushes, compacts and installs snapshots on this
//! machine's disk, is killed with SIGKILL at a random moment, and is restarted. After each kill the log holds
//! every acknowledged write, and of the operation that was under way a beginning or nothing: whole writes in
//! their order, a snapshot as a whole.
//!
//! A kill is not a power cut: the system keeps the data that it has, synced or not. The crash campaign covers
//! power cuts, also those that follow a kill.
//!
//! 25 kills, or as many as SEALMARK_KILLS says.

#![cfg(unix)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use sealmark::disk::{Disk, Os, Recorder};
use sealmark::scheme::log::engine::{Engine, Known, Mutation, Options};
use sealmark::scheme::log::wal::{Operation, Tail};

/// The variable with a child's folder; a process that has it is a child.
const FOLDER: &str = "SEALMARK_LOG_KILL_FOLDER";
/// The variable with the number of a child's first operation.
const FIRST: &str = "SEALMARK_LOG_KILL_FIRST";
const KILLS: u64 = 25;
const KEYS: u64 = 16;

/// What the operation with a number does. Parent and child agree on it without a word.
enum Op {
    Commit(Vec<Mutation>),
    Flush,
    Compact,
    Install,
}

fn op(number: u64) -> Op {
    match number % 29 {
        7 | 21 => Op::Flush,
        13 => Op::Compact,
        19 => Op::Install,
        _ => Op::Commit((0..1 + number % 4).map(|place| mutation(number, place)).collect()),
    }
}

fn mutation(number: u64, place: u64) -> Mutation {
    let (key, id) = (format!("key {}", (number * 7 + place) % KEYS), format!("request {number}.{place}"));
    if (number + place).is_multiple_of(5) {
        return Mutation::delete(key, id);
    }
    let len = if number.is_multiple_of(11) { 200_000 } else { (number * 7_919 % 3_000) as usize };
    let mut value = format!("value {number}.{place} ").into_bytes();
    value.resize(value.len() + len, b'v');
    Mutation::put(key, value, id)
}

/// The writes that the snapshot of an operation consists of.
fn installed(number: u64) -> Vec<Mutation> {
    let row = |row| {
        Mutation::put(
            format!("key {row}"),
            format!("installed {number}.{row}"),
            format!("other {number}.{row}"),
        )
    };
    (0..KEYS / 2).map(row).collect()
}

/// A state of the log.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
struct Model {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    ids: BTreeSet<Vec<u8>>,
}

impl Model {
    fn apply(&mut self, mutation: &Mutation) {
        self.ids.insert(mutation.request_id.clone());
        match mutation.op {
            Operation::Put => drop(self.rows.insert(mutation.key.clone(), mutation.value.clone())),
            Operation::Delete => drop(self.rows.remove(&mutation.key)),
        }
    }

    /// Every state that an operation may leave if it is stopped, the last one when it is done.
    fn states(&self, op: &Op) -> Vec<Self> {
        let mut states = vec![self.clone()];
        let last = |states: &Vec<Self>| states[states.len() - 1].clone();
        match op {
            Op::Commit(mutations) => {
                for mutation in mutations {
                    let mut next = last(&states);
                    next.apply(mutation);
                    states.push(next);
                }
            }
            Op::Flush | Op::Compact => {}
            Op::Install => unreachable!("an install is not of this kind"),
        }
        states
    }

    fn after_install(number: u64) -> Self {
        let mut model = Self::default();
        installed(number).iter().for_each(|mutation| model.apply(mutation));
        model
    }
}

fn options() -> Options {
    Options { tail: Tail::Truncate, block_size: 512 }
}

/// The child's work until it is killed. It prints each operation before and after it.
fn child(folder: &Path, first: u64) -> Result<(), Box<dyn std::error::Error>> {
    let mut engine = Engine::open(Arc::new(Os) as Arc<dyn Disk>, folder, options())?;
    let mut out = io::stdout().lock();
    // On one core, the test's name and no end of a line stand before the first word.
    writeln!(out)?;
    for number in first.. {
        writeln!(out, "begin {number}")?;
        out.flush()?;
        match op(number) {
            Op::Commit(mutations) => drop(engine.commit(&mutations)?),
            Op::Flush => engine.flush()?,
            Op::Compact => engine.compact()?,
            Op::Install => {
                let other: Arc<dyn Disk> = Arc::new(Recorder::with_dir("/other/sst"));
                let mut other = Engine::open(other, "/other", options())?;
                other.commit(&installed(number))?;
                engine.install_with(&other.snapshot_payload()?, &other.history()?)?;
            }
        }
        writeln!(out, "end {number}")?;
        out.flush()?;
    }
    Ok(())
}

/// Starts a child, lets it write for a while, and kills it. Returns the operations that it began, and those
/// that it ended.
fn life(folder: &Path, first: u64, wait: Duration) -> (Vec<u64>, Vec<u64>) {
    let mut child = Command::new(std::env::current_exe().expect("this test is a file"))
        .args(["--exact", "a_child_that_waits_to_be_killed", "--nocapture"])
        .env(FOLDER, folder)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test can be started again");
    let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let reader = std::thread::spawn(move || {
        let (mut begun, mut ended) = (Vec::new(), Vec::new());
        for line in stdout.lines().map_while(Result::ok) {
            if let Some(number) = line.strip_prefix("begin ").and_then(|number| number.parse().ok()) {
                begun.push(number);
            } else if let Some(number) = line.strip_prefix("end ").and_then(|number| number.parse().ok()) {
                ended.push(number);
            }
        }
        (begun, ended)
    });
    std::thread::sleep(wait);
    // It may already have ended by itself; the status shows that.
    let _ = child.kill();
    let status = child.wait().expect("it is our child");
    assert_eq!(status.signal(), Some(9), "the child was not killed, it refused to work: {status}");
    reader.join().expect("the reader does not panic")
}

/// Opens the log as the next process does, and finds the state that it is in.
fn found(folder: &Path, allowed: &[Model], life: u64) -> Model {
    let engine = Engine::open(Arc::new(Os) as Arc<dyn Disk>, folder, options());
    let engine = engine.unwrap_or_else(|error| panic!("life {life}: the log does not open: {error}"));
    let rows: BTreeMap<_, _> = engine.scan().expect("every table is whole").into_iter().collect();
    let ids: BTreeSet<&Vec<u8>> = allowed.iter().flat_map(|state| &state.ids).collect();
    let known = ids.into_iter().filter(|id| !matches!(engine.known(id), Known::Never));
    let state = Model { rows, ids: known.cloned().collect() };
    let lost = allowed[0].ids.iter().find(|id| !state.ids.contains(*id));
    assert!(
        allowed.contains(&state),
        "life {life}: the log holds {} rows of no allowed state; a lost request: {:?}",
        state.rows.len(),
        lost.map(|id| String::from_utf8_lossy(id))
    );
    state
}

/// Not a test: the child that [`life`] starts.
#[test]
fn a_child_that_waits_to_be_killed() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let first = std::env::var(FIRST).ok().and_then(|first| first.parse().ok());
        let ended = child(Path::new(&folder), first.expect("a child has a first operation"));
        panic!("{}", ended.err().map_or("it ended".into(), |error| error.to_string()));
    }
}

#[test]
fn no_kill_loses_an_acknowledged_write_or_shows_half_of_another() {
    let folder = tempfile::tempdir().expect("a folder for files that are not kept");
    std::fs::create_dir(folder.path().join("sst")).expect("the folder of tables");
    let kills = std::env::var("SEALMARK_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let (mut model, mut next, mut interrupted) = (Model::default(), 1, 0);
    for kill in 0..kills {
        // From before the child has opened the log until well into its writing.
        let (begun, ended) = life(folder.path(), next, Duration::from_millis(5 + kill * 37 % 300));
        for number in &ended {
            model = match op(*number) {
                Op::Install => Model::after_install(*number),
                op => model.states(&op).pop().expect("the state before is one"),
            };
        }
        let mut allowed = vec![model.clone()];
        // At most one operation was under way.
        if let Some(last) = begun.last().filter(|last| !ended.contains(last)) {
            interrupted += 1;
            allowed = match op(*last) {
                Op::Install => vec![model.clone(), Model::after_install(*last)],
                op => model.states(&op),
            };
        }
        assert!(begun.len() <= ended.len() + 1, "life {kill}: {begun:?}, {ended:?}");
        model = found(folder.path(), &allowed, kill);
        next = begun.last().map_or(next, |last| last + 1);
    }
    println!("{} operations in {kills} lives, {interrupted} interrupted", next - 1);
    assert!(
        next > 2 * kills && interrupted > kills / 5,
        "{next} operations, {interrupted} interrupted: nothing was tested"
    );
}
