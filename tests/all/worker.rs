//! The worker protocol as another program sees it: lines to `sealmark worker`, and lines from it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

/// A worker process, driven line by line.
struct Worker {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Worker {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealmark"));
        let mut child =
            command.arg("worker").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let (input, output) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        Self { child, input, output: BufReader::new(output) }
    }

    /// Sends a line, and reads one while the worker waits for the next.
    fn ask(&mut self, line: &str) -> Value {
        writeln!(self.input, "{line}").expect("it reads");
        self.hear()
    }

    fn hear(&mut self) -> Value {
        let mut answer = String::new();
        self.output.read_line(&mut answer).expect("it writes");
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
    }
}

fn greeting(major: u32) -> String {
    json!({"command": "hello", "major": major, "minor": 0, "program": "a test"}).to_string()
}

#[test]
fn a_worker_stays_and_answers_line_by_line() {
    let mut worker = Worker::start();
    let early = worker.ask(r#"{"command":"run"}"#);
    assert_eq!((&early["answer"], &early["cause"]), (&"error".into(), &"command".into()));
    let other = worker.ask(&greeting(2));
    assert_eq!((&other["answer"], &other["major"]), (&"hello".into(), &1.into()));
    let hello = worker.ask(&greeting(1));
    let capabilities = hello["capabilities"].as_array().expect("a list");
    for command in ["prepare", "run", "check", "tails", "sample"] {
        assert!(capabilities.contains(&command.into()), "{hello}");
    }
    let prepare = r#"{"command":"prepare","slot":1,"workload":"open/aes-256-gcm/1024","engine":"sealmark","operations":4,"stack_offset":48}"#;
    let prepared = worker.ask(prepare);
    assert_eq!((&prepared["answer"], &prepared["operations"]), (&"prepared".into(), &4.into()), "{prepared}");
    for i in 0..50 {
        let slice = json!({"command": "run", "slot": 1, "operations": 8, "stack_offset": 16 * i});
        let ran = worker.ask(&slice.to_string());
        assert_eq!((&ran["answer"], &ran["operations"]), (&"ran".into(), &8.into()), "{ran}");
        assert!(ran["ns"].as_f64().is_some_and(|ns| ns > 0.0), "{ran}");
    }
    assert_eq!(worker.ask(r#"{"command":"check","slot":1}"#)["answer"], "checked");
    let unknown = worker.ask(r#"{"command":"dance"}"#);
    assert!(unknown["why"].as_str().is_some_and(|why| why.contains("`dance`")), "{unknown}");
    let sample = json!({"command": "sample", "workloads": ["nonce"], "engines": ["sealmark"],
        "seed": 1, "rounds": 1, "target_ns": 1000.0});
    let mut kinds = vec![worker.ask(&sample.to_string())["answer"].clone()];
    while kinds.last() != Some(&"sampled".into()) {
        kinds.push(worker.hear()["answer"].clone());
    }
    kinds.dedup();
    assert_eq!(kinds, ["clock", "at", "sampling", "workload", "sampled"]);
    assert_eq!(worker.ask(r#"{"command":"end"}"#)["answer"], "ended");
    assert!(worker.child.wait().expect("it ends").success());
}

#[test]
fn a_worker_ends_with_its_input() {
    let Worker { mut child, input, .. } = Worker::start();
    drop(input);
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn the_schema_describes_a_line_in_either_direction() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_sealmark")).args(["schema", "worker"]).output().expect("it runs");
    let schema: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let either = schema["anyOf"].as_array().expect("one of two");
    assert_eq!(either.len(), 2, "{schema}");
    for (side, names) in [
        ("Command", &["hello", "prepare", "run", "check", "tails", "sample", "end"][..]),
        ("Answer", &["ran"]),
    ] {
        let text = schema["$defs"][side].to_string();
        for name in names {
            assert!(text.contains(&format!("\"const\":\"{name}\"")), "{side} {name}");
        }
    }
}

#[test]
fn hidden_verbs_are_found_before_arguments_are_parsed_and_only_alone() {
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealmark"));
        let output = command.args(arguments).stdin(Stdio::null()).output().expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(run(&["worker"]), (Some(0), String::new()));
    let (code, said) = run(&["step"]);
    assert!(code == Some(2) && said.contains("only for internal use by `sealmark trace`"), "{said}");
    for arguments in [&["worker", "now"], &["step", "--help"]] {
        let (code, said) = run(arguments);
        assert!(code == Some(2) && said.contains("unrecognized subcommand"), "{arguments:?}: {said}");
    }
}
