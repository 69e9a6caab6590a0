//! The command as its users see it: exit codes, contracts, messages about bad input.

mod bench;
mod gate;
mod log;
mod log_faults;
mod snapshot;
mod storage;
mod tunnel;
mod verify;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use sealmark::aead::BACKENDS;
use serde_json::Value;

fn sealmark(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sealmark")).args(arguments).output().expect("the command can be run")
}

/// Runs a line in a shell that finds the command.
#[cfg(unix)]
pub fn shell(line: &str, folder: &Path) -> Output {
    let bin = Path::new(env!("CARGO_BIN_EXE_sealmark")).parent().expect("a program is in a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    Command::new("sh")
        .args(["-c", line])
        .env("PATH", format!("{}:{path}", bin.display()))
        .current_dir(folder)
        .output()
        .expect("there is a shell")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", errors(output)))
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn path(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}

/// What is typed, and what the command says of it: what is wrong, where, and what to do instead.
#[test]
fn every_mistake_of_a_user_ends_with_2_and_names_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let [nowhere, text, other] = ["nowhere", "notes.json", "other.json"].map(|name| folder.path().join(name));
    fs::write(&text, "dear diary").unwrap();
    fs::write(&other, "{\"schema\": \"other/1\"}").unwrap();
    let [nowhere, text, other, dir] = [&nowhere, &text, &other, folder.path()].map(path);
    let near = |what: &str, name: &str, near: &str| {
        format!("no {what} is called {name:?} (did you mean {near:?}?); there are: ")
    };
    let seal = "(did you mean \"seal/aes-256-gcm/16\"?); `sealmark list workloads` names them all";
    for (arguments, said) in [
        (&["verfy"][..], "a similar subcommand exists: 'verify'".to_owned()),
        (&["verify", "--engin", "ring"], "a similar argument exists: '--engine'".into()),
        (&["verify", "--engine", "rign"], near("engine", "rign", "ring")),
        (&["bench", "--engine", "sealmark/vaes"], "there are: sealmark, sealmark/portable".into()),
        (&["verify", "--set", "wycheprof/aes-gcm"], near("set", "wycheprof/aes-gcm", "wycheproof/aes-gcm")),
        (&["verify", "--scheme", "storge"], near("scheme or family of schemes", "storge", "storage")),
        (&["verify", "--primitive", "sha256"], near("primitive", "sha256", "sha-256")),
        (&["bench", "seal/aes-257"], "no workload matches \"seal/aes-257\"".into()),
        (
            &["bench", "reject/aes", "--suite", "quick"],
            "no workload of the suite quick: leave --suite out".into(),
        ),
        (&["bench", "--suite", "qick"], "'quick'".into()),
        (&["trace", "seal/aes-256-gcm/17x"], "no workload is called \"seal/aes-256-gcm/17x\"".into()),
        (&["trace", "sael/aes-256-gcm/16"], format!("no workload is called \"sael/aes-256-gcm/16\" {seal}")),
        (&["trace", "seal/aes-256-gcm/16", "--engine", "ring", "--diff", text], "not JSON".into()),
        (&["trace", "seal/aes-256-gcm/16", "--engine", "ring", "--diff", other], "not a trace".into()),
        (&["verify", "--vectors", nowhere], "reading --vectors".into()),
        (&["report"], "<FILE>".into()),
        (&["report", nowhere], "cannot be read".into()),
        (&["report", text, "-o", dir], "not JSON: line 1, column 1".into()),
        (&["report", other, "-o", dir], "its schema is \"other/1\"".into()),
        (&["report", dir, "--format", "htlm"], "possible values: text, markdown, csv".into()),
        (&["run", "-o", text], "making the folder".into()),
        (&["completions", "bsh"], "'bash'".into()),
        (&["schema", "benh"], "'bench'".into()),
    ] {
        let output = sealmark(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", errors(&output));
        assert!(errors(&output).contains(&said), "{arguments:?}: {said} in {}", errors(&output));
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

/// The screens of `verify` and `bench`, as they are without a terminal: 100 columns, or as COLUMNS says.
#[test]
fn verify_and_bench_end_with_one_screen_and_full_prints_every_table_before_it() {
    let screen = |arguments: &[&str], columns: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealmark"));
        let output = command.args(arguments).env("COLUMNS", columns).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        assert_eq!(errors(&output), "", "as text, warnings are part of the screen");
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(!printed.contains('\u{1b}'), "nothing that only a terminal obeys: {printed:?}");
        printed
    };
    let verify = ["verify", "--set", "wycheproof/aes-gcm", "--engine", "ring", "--engine", "aws-lc"];
    let bench = ["bench", "seal/aes-256-gcm/?4", "--engine", "ring", "--processes", "1"];
    for arguments in [&verify[..], &bench[..]] {
        for columns in ["80", "100", ""] {
            let printed = screen(arguments, columns);
            let width: usize = columns.parse().unwrap_or(100);
            assert!(printed.lines().count() <= 40, "{printed}");
            assert!(printed.lines().all(|line| line.chars().count() <= width), "{columns}: {printed}");
            assert!(printed.contains("Every table: the same command with --full"), "{printed}");
        }
        let full = screen(&[arguments, &["--full"]].concat(), "100");
        assert!(full.contains("Engines\n") && !full.contains("with --full"), "{full}");
        let cpu = full.lines().rev().find(|line| line.contains(" core")).expect("the screen's first line");
        assert!(full.find("Engines\n") < full.rfind(cpu), "the screen is last: {full}");
    }
    let verified = screen(&verify, "100");
    assert!(
        verified.lines().any(|line| line.split_whitespace().take(3).eq(["ring", "133", "0"])),
        "{verified}"
    );
    assert!(screen(&bench, "100").contains("seal/aes-256-gcm/64:\n"));
}

#[test]
fn result_files_that_cannot_be_read_end_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.json");
    for (text, reason) in
        [("{", "x.json"), ("{\"schema\":\"sealmark.bench/9\"}", "newer"), ("{\"schema\":\"other\"}", "other")]
    {
        fs::write(&file, text).unwrap();
        let output = sealmark(&["report", path(&file), "-o", path(folder.path())]);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(errors(&output).contains(reason), "{text}: {}", errors(&output));
    }
}

#[test]
fn host_has_the_limits_of_every_backend_that_can_run() {
    let host = json(&sealmark(&["host", "--format", "json"]));
    let limits = host["limits"].as_array().expect("a list");
    let named: Vec<_> = limits.iter().map(|row| row["backend"].as_str().expect("a name")).collect();
    let available: Vec<_> = BACKENDS
        .iter()
        .filter(|backend| backend.available() && backend.has_probes())
        .map(|backend| backend.name)
        .collect();
    assert_eq!(named, available);
    let positive = |figure: &Value| figure.as_f64().is_some_and(|x| x > 0.0 && x.is_finite());
    for row in limits {
        assert!(row["blocks"].as_u64().is_some_and(|blocks| blocks >= 1), "{row}");
        assert!(positive(&row["clock_ghz"]), "{row}");
        for figure in
            ["rounds", "round_latency", "multiplies", "multiply_latency", "mix_of_four", "mix_of_three"]
        {
            assert!(positive(&row[figure]["per_cycle"]) && positive(&row[figure]["ns"]), "{figure} of {row}");
        }
    }
    let output = sealmark(&["host"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for name in available {
        let row = text.lines().find(|line| line.split_whitespace().next() == Some(name));
        let numbers = row.unwrap_or_else(|| panic!("{name} in\n{text}")).split_whitespace().skip(1);
        let numbers: Vec<f64> = numbers.map(|number| number.parse().expect("a number")).collect();
        assert!(numbers.len() == 8 && numbers.iter().all(|number| *number > 0.0), "{name}: {numbers:?}");
    }
}

#[test]
fn host_list_and_schema_answer() {
    let host = json(&sealmark(&["host", "--format", "json"]));
    assert_eq!(host["schema"], "sealmark.host/1");
    let list = sealmark(&["list", "workloads"]);
    let list = String::from_utf8_lossy(&list.stdout);
    for size in [16, 64, 256, 1024, 4096, 16384, 65536, 1048576] {
        for op in ["seal", "open"] {
            let path = format!("{op}/aes-256-gcm/{size}");
            assert!(list.lines().any(|line| line == path), "{path}");
        }
    }
    for path in ["latency/seal/aes-256-gcm/16", "open_batch/aes-256-gcm/1024", "seal_many/record/64"] {
        assert!(list.lines().any(|line| line == path), "{path}");
    }
    let schemas = json(&sealmark(&["schema"]));
    for schema in [
        "sealmark.verify/1",
        "sealmark.bench/1",
        "sealmark.host/1",
        "sealmark.trace/1",
        "sealmark.gate/1",
        "sealmark.gate-self-check/1",
        "sealmark.probe-node-id/1",
        "sealmark.resync/1",
        "sealmark.tunnel-keygen/1",
        "sealmark.tunnel-listen/1",
        "sealmark.tunnel-relay/1",
        "sealmark.tunnel-send/1",
        "sealmark.snapshot-send/1",
        "sealmark.snapshot-receive/1",
        "sealmark.log-serve/1",
    ] {
        assert!(schemas[schema]["properties"]["schema"].is_object(), "{schema}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn an_output_that_takes_nothing_is_no_panic() {
    let listing = |to: std::process::Stdio| {
        let list = Command::new(env!("CARGO_BIN_EXE_sealmark"))
            .args(["list", "--format", "json"])
            .stdout(to)
            .spawn();
        list.unwrap().wait_with_output().unwrap()
    };
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    assert_eq!(listing(full.into()).status.code(), Some(2));
    // A reader that closes the pipe has seen enough.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(listing(writer.into()).status.code(), Some(0));
}
