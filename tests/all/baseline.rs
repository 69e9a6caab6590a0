//! The committed baselines may be published: the rule that the command applies is applied again to each folder.

use std::fs;
use std::path::{Path, PathBuf};

use sealmark::measure::publication;
use sealmark::report::{File, Report, read_all};

/// A baseline that was measured before this day is older than the rule.
const RULE_SINCE: &str = "2026-11-26";

/// The folders of `reports/baseline`, by name.
pub fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/baseline");
    let mut folders: Vec<_> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
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
            let verdict = publication::judge(run);
            if run.started.as_str() >= RULE_SINCE {
                assert_eq!(verdict, Ok(()), "{at}");
            } else {
                assert!(
                    verdict.is_err(),
                    "{at} is older than the rule and satisfies it: judge it by the rule"
                );
            }
        }
    }
}
