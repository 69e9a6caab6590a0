//! `sealmark bench`: its contract, and runs that are stopped, killed or lose their program.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{errors, json, path, sealmark};

#[test]
fn a_required_engine_that_does_not_exist_is_a_failure() {
    let required = ["--engine", "sealmark", "--require", "sealmark/abacus"];
    let output = sealmark(&[&["verify", "--set", "contract", "--format", "json"][..], &required].concat());
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(json(&output)["failures"][0]["engine"], "sealmark/abacus");
}

#[test]
fn bench_writes_its_contract_and_report_draws_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bench.json");
    let output = sealmark(&[
        "bench",
        "seal/*-256-gcm/16*",
        "--suite",
        "quick",
        "--engine",
        "sealmark/portable",
        "--engine",
        "sealmark",
        "--processes",
        "2",
        "--format",
        "json",
        "-o",
        path(&file),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let run = json(&output);
    assert_eq!(run, serde_json::from_slice::<Value>(&fs::read(&file).unwrap()).unwrap());
    assert_eq!(run["schema"], "sealmark.bench/1");
    let rows = run["rows"].as_array().unwrap();
    assert!(rows.len() >= 4, "16 and 16384 bytes on two engines: {}", rows.len());
    for row in rows {
        assert_eq!((&row["op"], &row["algorithm"]), (&"seal".into(), &"aes-256-gcm".into()));
        assert_eq!(row["processes"], 2);
        assert_eq!(row["witness"].is_null(), row["no_witness"].is_string(), "{row}");
        let ns = |end: &str| row["ns"][end].as_f64().unwrap();
        assert!(0.0 < ns("low") && ns("low") <= ns("median") && ns("median") <= ns("high"));
        let rate = row["bytes"].as_f64().unwrap() / ns("median");
        assert!((row["gb_per_s"].as_f64().unwrap() / rate - 1.0).abs() < 1e-9);
    }

    let site = folder.path().join("site");
    let drawn = sealmark(&["report", path(&file), "-o", path(&site)]);
    assert_eq!(drawn.status.code(), Some(0), "{}", errors(&drawn));
    let page = fs::read_to_string(site.join("index.html")).unwrap();
    assert!(page.contains("sealmark/portable") && page.contains("<svg"));
    let csv = sealmark(&["report", path(&file), "--format", "csv"]);
    assert!(String::from_utf8_lossy(&csv.stdout).contains("seal/aes-256-gcm/16"));
}

#[test]
fn an_output_that_cannot_be_written_ends_with_2_before_anything_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "old").unwrap();
    let bad = file.join("x.json");
    for arguments in [
        // If it were checked later, the run would measure first.
        &["bench", "no-such-workload", "-o", path(&bad)][..],
        &["bench", "no-such-workload", "-o", path(folder.path())],
        &["verify", "--set", "no-such-set", "-o", path(&bad)],
        &["trace", "no-such-workload", "-o", path(&bad)],
        &["run", "--engine", "sealmark", "-o", path(&file)],
    ] {
        let output = sealmark(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = errors(&output);
        let place = arguments[arguments.len() - 1].trim_end_matches("/x.json");
        assert!(said.contains(place) && !said.contains("no-such"), "{arguments:?}: {said}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "old");
}

/// Runs that the tests interrupt. They would take minutes.
#[cfg(target_os = "linux")]
mod interrupted {
    use std::process::{Child, Stdio};
    use std::time::Duration;

    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    use super::*;

    fn start(file: &Path) -> Child {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sealmark"))
            .args([
                "bench",
                "seal/aes,open/aes",
                "--suite",
                "standard",
                "--engine",
                "sealmark",
                "--processes",
                "2",
                "-o",
                path(file),
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command can be run");
        while !file.exists() {
            assert_eq!(child.try_wait().expect("it is our child"), None, "it goes on until it is stopped");
            std::thread::sleep(Duration::from_millis(20));
        }
        child
    }

    fn signal(child: &Child, signal: Signal) {
        kill(Pid::from_raw(child.id() as i32), signal).expect("it is our child");
    }

    fn assert_partial(file: &Path) {
        let run: Value = serde_json::from_slice(&fs::read(file).expect("it was kept")).expect("JSON");
        assert_eq!(run["partial"], true);
        let rows = run["rows"].as_array().expect("a list");
        assert!(!rows.is_empty() && rows.iter().all(|row| row["ns"]["median"].as_f64() > Some(0.0)), "{run}");
        let drawn = sealmark(&["report", path(file), "--format", "text"]);
        assert_ne!(drawn.status.code(), Some(2), "it can be read: {}", errors(&drawn));
    }

    #[test]
    fn a_run_that_is_killed_leaves_what_was_finished() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bench.json");
        let mut child = start(&file);
        signal(&child, Signal::SIGKILL);
        assert_eq!(child.wait().unwrap().code(), None);
        assert_partial(&file);
    }

    #[test]
    fn a_run_that_is_stopped_by_two_signals_of_one_moment_keeps_what_was_finished() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bench.json");
        let child = start(&file);
        signal(&child, Signal::SIGINT);
        // Pending signals of one kind merge, so wait until the first is taken.
        std::thread::sleep(Duration::from_millis(50));
        signal(&child, Signal::SIGINT);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{}", errors(&output));
        assert!(errors(&output).contains("stopped early"), "{}", errors(&output));
        assert_partial(&file);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_program_that_is_replaced_while_it_measures_goes_on_as_it_was() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let (program, other) = (folder.path().join("sealmark"), folder.path().join("other"));
    let file = folder.path().join("bench.json");
    fs::copy(env!("CARGO_BIN_EXE_sealmark"), &program).unwrap();
    let child = Command::new(&program)
        .args([
            "bench",
            "seal/aes-256-gcm/64",
            "--suite",
            "quick",
            "--engine",
            "sealmark",
            "--processes",
            "3",
        ])
        .args(["-o", path(&file)])
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    // The run has begun, and has not started its workers yet.
    fs::write(&other, "#!/bin/sh\nexit 9\n").unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(&other, &program).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let run: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(run["rows"][0]["processes"], 3, "{run}");
}
