//! A planted slowdown reaches every slice of the slowed program, and no other.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::super::*;
use crate::measure::worker::parent::testing::script;

static GO: AtomicBool = AtomicBool::new(false);

/// A shell script in place of a worker with these capabilities. It writes every command to a file, and
/// takes `ns` for each slice of four operations.
fn worker(log: &std::path::Path, capabilities: &[&str], ns: u32) -> String {
    let hello = format!(
        r#"{{"answer":"hello","major":1,"minor":1,"program":"a script","capabilities":{capabilities:?}}}"#
    );
    let prepared = r#"{"answer":"prepared","slot":0,"operations":2,"pass_ns":5}"#;
    let ran = format!(r#"{{"answer":"ran","slot":0,"operations":4,"ns":{ns}}}"#);
    format!(
        "while read -r line; do echo \"$line\" >>{}; case \"$line\" in *'\"hello\"'*) echo '{hello}';; \
         *'\"prepare\"'*) echo '{prepared}';; *) echo '{ran}';; esac; done",
        log.display()
    )
}

#[test]
fn every_slice_of_the_slowed_program_is_delayed_and_none_of_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let logs = ["base", "head"].map(|name| folder.path().join(name));
    let texts = [worker(&logs[0], &NEEDS, 100), worker(&logs[1], &NEEDS_DELAY, 110)];
    let (base, head) = (|| script(&texts[0]), || script(&texts[1]));
    let mut task = Task { pass: 2, slice: 4, ..Task::sized("w", "e", None, 1.0) };
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut runs = |programs: [Spawn<'_>; 2], slowed: Option<usize>, task: &Task| {
        logs.iter().for_each(|log| std::fs::write(log, "").unwrap());
        let found = pair(programs, slowed, &[task], &mut rng, &GO);
        let of = |log: &std::path::PathBuf| {
            let text = std::fs::read_to_string(log).unwrap();
            let runs: Vec<_> = text.lines().filter(|line| line.contains("\"run\"")).collect();
            let delayed = runs.iter().filter(|line| line.contains("\"delay_ns\":440.5")).count();
            [runs.len(), delayed]
        };
        (found, logs.each_ref().map(of))
    };
    let (found, [base_runs, head_runs]) = runs([&base, &head], Some(1), &task);
    assert!((found.unwrap()[0] - 1.1_f64.ln()).abs() < 1e-12);
    assert!(base_runs[0] > 2 * QUADS[0] as usize, "a warm-up and two of each four: {base_runs:?}");
    assert_eq!((base_runs, head_runs), ([base_runs[0], 0], [base_runs[0], 0]), "nothing is planted");
    task.delay_ns = Some(440.5);
    let (found, [base_runs, head_runs]) = runs([&base, &head], Some(1), &task);
    assert!(found.is_ok());
    assert_eq!((base_runs, head_runs), ([base_runs[0], 0], [base_runs[0]; 2]));
    let (found, [base_runs, head_runs]) = runs([&head, &base], Some(0), &task);
    assert!((found.unwrap()[0] + 1.1_f64.ln()).abs() < 1e-12, "the roles are exchanged");
    assert_eq!((base_runs, head_runs), ([base_runs[0], 0], [base_runs[0]; 2]));
    let (found, [base_runs, head_runs]) = runs([&base, &head], None, &task);
    assert!(found.is_ok() && base_runs[1] + head_runs[1] == 0, "neither is slowed");
    // A worker that cannot be delayed is refused rather than measured without the delay.
    let (found, _) = runs([&head, &base], Some(1), &task);
    let why = found.unwrap_err().to_string();
    assert!(why.starts_with("head: ") && why.contains("lacks `delay_ns`"), "{why}");
}

#[test]
fn a_slice_is_timed_without_its_delay() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let text = worker(&log, &NEEDS, 100);
    let task = Task { pass: 2, slice: 4, delay_ns: Some(1.0), ..Task::sized("w", "e", None, 1.0) };
    assert_eq!(slice_ns(&|| script(&text), &task, &GO).unwrap(), 100.0);
    let commands = std::fs::read_to_string(&log).unwrap();
    assert_eq!(commands.matches("\"run\"").count(), TRIALS);
    assert!(!commands.contains("delay_ns"), "{commands}");
}
