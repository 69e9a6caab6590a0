//! Judges each committed baseline by the rule that the command applies before it writes one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sealmark::measure::publication;
use sealmark::report::{File, Report, read_all};

/// The folders of `reports/baseline`, by name.
pub fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/baseline");
    let entries = fs::read_dir(root).expect("the folder is committed");
    let mut folders: Vec<_> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    folders.sort();
    assert!(!folders.is_empty(), "there is a baseline");
    folders
}

#[test]
fn every_committed_baseline_may_be_published() {
    for folder in folders() {
        let files = read_all(&folder).unwrap();
        let at = folder.display();
        let report = Report::build(files.clone());
        let [section] = report.sections() else {
            panic!("{at}: not one verification and one run of one host")
        };
        assert!(section.verify.is_some() && section.bench.is_some(), "{at}");
        assert!(report.findings().is_empty(), "{at}: {:?}", report.findings());
        let name = folder.file_name().unwrap().to_str().unwrap();
        assert_eq!(section.host.fingerprint, name, "{at}: the folder has the host's name");
        for file in &files {
            let File::Bench(run) = file else { continue };
            assert_eq!(publication::judge(run), Ok(()), "{at}");
        }
    }
}

#[test]
fn a_run_for_publication_takes_every_engine() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealmark"));
    let output = command.args(["run", "--for-publication", "--engine", "ring"]).output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{words}");
    assert!(words.contains("'--for-publication' cannot be used with '--engine <NAME>'"), "{words}");
}
