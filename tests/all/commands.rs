//! Every command of every README works as it stands.
//!
//! A command is a line of a fence marked `sh`. Those of `sealmark` run here, in a copy of the files that they
//! read. The others are run by `ci/check`, or listed below with the reason why not.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::cli::shell;
use crate::readme::{readmes, text_of};
use crate::source::root;

/// Commands that neither a test nor `ci/check` runs as they stand, and why.
const EXEMPT: [(&str, &str); 8] = [
    ("ci/check fast", "the check itself"),
    ("ci/check clippy test", "the check itself"),
    ("ci/deep fuzz", "an hour for each target"),
    ("ci/fuzz 3600 vectors", "an hour; `ci/check` runs every target for 5 s"),
    ("cargo bench --bench aead -- seal/aes-256-gcm/16384", "`ci/check` runs every benchmark once, as a test"),
    ("sealmark verify --scheme storage", "a part of `sealmark verify`"),
    (OWN_ENGINE, "tests/wrong_engine.rs runs the command with that engine"),
    (OWN_SCHEME, "tests/wrong_engine.rs runs the command with that scheme"),
];
const OWN_ENGINE: &str = "cargo run --release --example own_engine -- verify --engine mine";
const OWN_SCHEME: &str = "cargo run --release --example own_scheme -- verify --scheme notes";

/// The blocks of commands of a text, without their comments.
fn blocks(text: &str) -> Vec<Vec<&str>> {
    let fences = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    fences
        .map(|fence| {
            let lines = fence.lines().map(|line| line.split(" #").next().unwrap_or(line).trim_end());
            lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
        })
        .collect()
}

/// Whether `ci/check` runs a command: itself, or of a release build what `cargo run` or `sealmark` stands
/// for.
fn is_checked(command: &str, check: &str) -> bool {
    let release = |arguments: &str| format!("\"$bin\"{arguments}");
    let wanted = match command.strip_prefix("cargo run --release") {
        Some(arguments) => release(arguments.trim_start_matches(" --")),
        None => match command.strip_prefix("sealmark") {
            Some(arguments) => release(arguments),
            None => command.replacen("cargo test", "cargo test --locked", 1),
        },
    };
    check.lines().any(|line| {
        let line = line.trim();
        // A step of one line: `fuzz() { ci/fuzz 5; }`.
        let step = line.split_once("() { ").map_or(line, |(_, step)| step.trim_end_matches("; }"));
        step == wanted
    })
}

/// Copies a file, or a folder with all below it.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let name = entry?.file_name();
        copy(&from.join(&name), &to.join(&name))?;
    }
    Ok(())
}

/// Runs one command by the shell, as pasted, in `folder`: it must succeed. Only a trace may say that it could
/// not.
fn run(command: &str, folder: &Path) {
    // One process shows that the command works; more would only make its intervals narrower.
    let shorter = if command.starts_with("sealmark bench") { " --processes 1" } else { "" };
    let output = shell(&format!("{command}{shorter}"), folder);
    let said = String::from_utf8_lossy(&output.stderr);
    let untraced = command.starts_with("sealmark trace") && output.status.code() == Some(3);
    assert!(output.status.success() || untraced, "{command}: {}\n{said}", output.status);
    assert!(untraced || !output.stdout.is_empty(), "{command} prints nothing");
}

#[test]
fn every_command_works_as_it_stands() {
    let check = text_of("ci/check");
    let mut exempt: BTreeSet<&str> = EXEMPT.iter().map(|(command, _)| *command).collect();
    let (mut ran, mut unknown) = (0, Vec::new());
    for (page, text) in readmes() {
        for block in blocks(&text) {
            let folder = tempfile::tempdir().unwrap();
            for read in ["reports/baseline", "tests/vectors"] {
                copy(&root().join(read), &folder.path().join(read)).unwrap();
            }
            for command in block {
                if exempt.remove(command) || is_checked(command, &check) {
                    continue;
                }
                if !command.starts_with("sealmark ") {
                    unknown.push(format!("{page}: {command}"));
                    continue;
                }
                run(command, folder.path());
                ran += 1;
            }
        }
    }
    assert!(unknown.is_empty(), "nothing runs these:\n{}", unknown.join("\n"));
    assert!(exempt.is_empty(), "no README has {exempt:?}");
    assert!(ran >= 10, "{ran} commands ran");
}

#[test]
fn a_command_is_checked_only_where_the_check_has_the_whole_line() {
    let check =
        "test() {\n    cargo test --locked\n    \"$bin\" verify\n    \"$bin\"\n}\nfuzz() { ci/fuzz 5; }\n";
    for command in ["cargo test", "sealmark verify", "cargo run --release -- verify", "ci/fuzz 5"] {
        assert!(is_checked(command, check), "{command}");
    }
    assert!(is_checked("cargo run --release", check) && is_checked("sealmark", check));
    for command in ["cargo", "sealmark verify --self-test", "sealmark host", "ci/fuzz", "ci/fuzz 50"] {
        assert!(!is_checked(command, check), "{command}");
    }
    let page = "```sh\na b  # why\n\n# c\nd\n```\n```text\ne\n```\n```sh\nf#g\n```\n";
    assert_eq!(blocks(page), [vec!["a b", "d"], vec!["f#g"]]);
}
