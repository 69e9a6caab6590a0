//! `sealmark gate`: what is the same at once, baselines, and mistakes in its arguments.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{errors, json, path, sealmark};

const OWN: &str = env!("CARGO_BIN_EXE_sealmark");
/// A workload of few instructions, in any build.
const SMALL: &str = "nonce";

/// The same program in another file.
fn copy(folder: &Path, name: &str, more: &[u8]) -> PathBuf {
    let copy = folder.join(name);
    fs::copy(OWN, &copy).expect("it can be copied");
    let mut file = fs::File::options().append(true).open(&copy).expect("it can be written");
    std::io::Write::write_all(&mut file, more).expect("it can be written");
    copy
}

fn can_trace() -> bool {
    sealmark(&["trace", SMALL, "--engine", "sealmark", "--format", "json"]).status.code() == Some(0)
}

#[test]
fn one_program_is_the_same_on_every_row_and_nothing_is_run() {
    let folder = tempfile::tempdir().unwrap();
    let copied = copy(folder.path(), "copy", b"");
    for base in [OWN, path(&copied)] {
        let output = sealmark(&["gate", "--base", base, "--format", "json"]);
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        let gate = json(&output);
        assert_eq!((&gate["schema"], &gate["verdict"]), (&"sealmark.gate/1".into(), &"same".into()));
        let rows = gate["rows"].as_array().expect("rows");
        assert!(rows.len() >= 20, "{} rows", rows.len());
        for row in rows {
            assert_eq!((&row["verdict"], &row["changed"]), (&"same".into(), &false.into()), "{row}");
            assert!(row["ratio"].is_null() && row["instructions"].is_null(), "{row}");
        }
        assert!(gate["null_pair"].is_null(), "nothing was timed");
    }
    let output = sealmark(&["gate", "--base", OWN]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.starts_with("Same: ") && text.contains("so nothing was run"), "{text}");
}

#[test]
#[cfg(target_os = "linux")]
fn two_builds_that_execute_the_same_are_the_same_without_a_time() {
    if !can_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // The loader maps no byte behind the end of the sections.
    let other = copy(folder.path(), "other", b"a comment");
    let output = sealmark(&["gate", SMALL, "--base", path(&other), "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let gate = json(&output);
    let row = &gate["rows"][0];
    assert_eq!((&row["verdict"], &row["changed"]), (&"same".into(), &false.into()), "{row}");
    assert_eq!(row["instructions"]["base"], row["instructions"]["head"]);
    assert!(row["instructions"]["head"].as_u64().is_some_and(|count| count > 0), "counts are always shown");
    assert_eq!(row["digests"]["base"], row["digests"]["head"]);
    assert!(row["ratio"].is_null() && gate["null_pair"].is_null(), "nothing was timed");
}

#[test]
#[cfg(target_os = "linux")]
fn a_baseline_holds_for_its_machine_and_its_compiler_and_names_what_differs() {
    if !can_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gate.json");
    let saved = sealmark(&["gate", SMALL, "--save", path(&file)]);
    assert_eq!(saved.status.code(), Some(0), "{}", errors(&saved));
    let stored: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let compare = |change: &dyn Fn(&mut Value)| {
        let mut changed = stored.clone();
        change(&mut changed);
        fs::write(&file, changed.to_string()).unwrap();
        sealmark(&["gate", SMALL, "--baseline", path(&file)])
    };
    let same = compare(&|_| {});
    let text = String::from_utf8_lossy(&same.stdout);
    assert_eq!(same.status.code(), Some(0), "{text}{}", errors(&same));
    assert!(text.starts_with("Same: 1 workload.\n1 stream as in "), "{text}");
    let changed = compare(&|gate| gate["rows"][0]["digests"]["head"] = "0".into());
    let text = String::from_utf8_lossy(&changed.stdout);
    assert_eq!(changed.status.code(), Some(3), "{text}");
    assert!(text.contains("whose times are not judged"), "{text}");
    let elsewhere = compare(&|gate| gate["host"]["fingerprint"] = "0".into());
    assert_eq!(elsewhere.status.code(), Some(3));
    assert!(errors(&elsewhere).contains("the baseline is of another machine"), "{}", errors(&elsewhere));
    let older = compare(&|gate| gate["build"] = "rustc 0.1".into());
    assert_eq!(older.status.code(), Some(3));
    assert!(errors(&older).contains("was built with \"rustc 0.1\""), "{}", errors(&older));
    let other = compare(&|gate| gate["rows"][0]["workload"] = "another".into());
    assert_eq!(other.status.code(), Some(3));
    let text = String::from_utf8_lossy(&other.stdout).replace('\n', " ");
    assert!(text.contains("the baseline has no such row"), "{text}");
    assert!(text.contains("another on sealmark: only the baseline has it"), "{text}");
}

#[test]
#[cfg(target_os = "linux")]
fn an_undecided_run_is_saved_only_with_a_reason() {
    if !can_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gate.json");
    // No time at all: with --all, every row is undecided.
    let arguments = ["gate", SMALL, "--base", OWN, "--all", "--budget", "0", "--save", path(&file)];
    let refused = sealmark(&arguments);
    assert_eq!(refused.status.code(), Some(3), "{}", errors(&refused));
    assert!(
        errors(&refused).contains("nonce on sealmark is unsure; fix that, or give a reason with --accept")
    );
    assert!(!file.exists());
    let accepted = sealmark(&[&arguments[..], &["--accept", "a slow day"]].concat());
    assert_eq!(accepted.status.code(), Some(0), "{}", errors(&accepted));
    let stored: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!((&stored["accepted"], &stored["verdict"]), (&"a slow day".into(), &"unsure".into()));
}

#[test]
fn a_base_that_is_no_worker_leaves_the_question_open() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("base");
    fs::write(&base, "#!/bin/sh\nexit 7\n").unwrap();
    let output = sealmark(&["gate", SMALL, "--base", path(&base), "--unsure", "pass", "--format", "json"]);
    assert_eq!(output.status.code(), Some(3), "what was not compared does not pass: {}", errors(&output));
    let row = &json(&output)["rows"][0];
    assert_eq!(row["verdict"], "unsure");
    assert!(row["why"].as_str().is_some_and(|why| why.starts_with("base: ")), "{row}");
}

#[test]
fn a_mistake_in_the_arguments_ends_with_2_and_names_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gate.toml");
    fs::write(&file, "margin = 0.005\nmargin_singel = 0.01\n").unwrap();
    let file = path(&file);
    for (arguments, said) in [
        (&[][..], "nothing to compare with: give --base PROGRAM, --base-rev or --baseline FILE"),
        (&["sael", "--base", OWN], "the command line: no workload matches \"sael\""),
        (&["--set", "fast", "--base", OWN], "no set is called \"fast\"; there are: default, acceptance"),
        (&["--engine", "rong", "--base", OWN], "no engine is called \"rong\" (did you mean \"ring\"?)"),
        (&["--base", "nowhere/sealmark"], "opening the base, nowhere/sealmark"),
        (&["--base", path(folder.path())], "is not a file"),
        (&["--base", OWN, "--config", file], "unknown field `margin_singel`"),
        (&["--baseline", file], "gate.toml: not JSON"),
        (&["--base", OWN, "--baseline", file], "cannot be used with"),
        (&["--base", OWN, "--accept", "why"], "--save <FILE>"),
        (&[SMALL, "--save", file, "--accept", ""], "--accept needs a reason"),
    ] {
        let output =
            Command::new(OWN).arg("gate").args(arguments).current_dir(folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", errors(&output));
        assert!(errors(&output).contains(said), "{arguments:?}: {said} in {}", errors(&output));
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}
