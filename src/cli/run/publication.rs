//! `sealmark run --for-publication`: a run that becomes a baseline, or says why it cannot.
//!
//! Everything that is measured goes to the ordinary folder of a run. The folder of the baseline is written
//! only after a favourable verdict, so it never holds a run that was refused.

use std::path::{Path, PathBuf};

use crate::cli::{ExitStatus, output};
use crate::engine::Engine;
use crate::measure::publication::{self, Ratio};
use crate::report::{self, File, Report, Section};

/// The JSON files of a baseline.
const FILES: [&str; 2] = ["verify.json", "bench.json"];

/// Where the baseline goes: the folder asked for, else `reports/baseline/FINGERPRINT/` of the checkout, or
/// `sealmark-baseline/FINGERPRINT/` here. It must be writable; nothing is left in it.
pub(super) fn folder(asked: Option<&Path>, fingerprint: &str) -> anyhow::Result<PathBuf> {
    let folder = asked.map_or_else(|| report::baseline_dir(fingerprint), Path::to_owned);
    for name in FILES.into_iter().chain(["index.html"]) {
        output::check(&folder.join(name))?;
    }
    // Succeeds only on an empty folder, which the check may have made.
    let _ = std::fs::remove_dir(&folder);
    Ok(folder)
}

/// Why no run with these engines could be published, checked before anything is measured.
pub(super) fn missing(engines: &[&'static dyn Engine]) -> Option<String> {
    let missing = publication::missing_peers(engines.iter().map(|engine| engine.name()));
    (!missing.is_empty()).then(|| {
        format!(
            "a baseline compares with {}, which this build lacks: build it with the feature `peers`",
            missing.join(", ")
        )
    })
}

/// Writes the baseline, or prints every objection to it.
pub(super) fn publish(report: &Report, files: &[File], folder: &Path) -> anyhow::Result<ExitStatus> {
    let objections = objections(report, files);
    if !objections.is_empty() {
        eprintln!("sealmark: not for publication:");
        objections.iter().for_each(|objection| eprintln!("  {}", report::plain(objection)));
        eprintln!("{ADVICE}");
        return Ok(ExitStatus::CouldNotTell);
    }
    for (file, name) in files.iter().zip(FILES) {
        match file {
            File::Verify(verified) => report::write(&folder.join(name), verified)?,
            File::Bench(run) => report::write(&folder.join(name), run)?,
        }
    }
    for (name, svg) in report.sections().iter().flat_map(Section::pictures) {
        report::write_text(&folder.join(format!("{name}.svg")), &svg)?;
    }
    report.write_html(folder)?;
    if let Some(widest) = files.iter().filter_map(widest).next() {
        eprintln!("for publication: the widest ratio is {widest}");
    }
    eprintln!("the baseline is in {}", folder.display());
    Ok(ExitStatus::Fine)
}

/// What to do about a refusal.
const ADVICE: &str = "A ratio that is too wide: stop other work on this machine and run the command again. \
                      Anything else: fix what the line names first. The results are in the run's own \
                      folder.";

/// Every objection to publication: findings of the report, then the run's own objections.
fn objections(report: &Report, files: &[File]) -> Vec<String> {
    let verified = files.iter().any(|file| matches!(file, File::Verify(_)));
    let run = files.iter().find_map(|file| if let File::Bench(run) = file { Some(run) } else { None });
    // A row without a time is also an objection of the run, and is reported once.
    let findings =
        report.findings().into_iter().filter(|finding| finding.kind == report::finding::Kind::Verification);
    let mut found: Vec<String> = findings.map(|finding| finding.to_string()).collect();
    if !verified {
        found.push("nothing was verified".to_owned());
    }
    match run {
        None => found.push("nothing was measured".to_owned()),
        Some(run) => {
            found.extend(
                publication::judge(run).err().into_iter().flatten().map(|objection| objection.to_string()),
            );
        }
    }
    found
}

/// The ratio with the widest interval.
fn widest(file: &File) -> Option<Ratio> {
    let File::Bench(run) = file else { return None };
    publication::ratios(run).into_iter().max_by(|a, b| a.width().total_cmp(&b.width()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Run;
    use crate::measure::publication::testing::publishable;
    use crate::verify;

    /// The verification of a committed baseline, and a run of its host after it.
    fn both() -> (verify::Report, Run) {
        let baselines = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/baseline");
        let folder = std::fs::read_dir(baselines).unwrap().map(|entry| entry.unwrap().path()).next();
        let File::Verify(verified) = report::read(&folder.unwrap().join("verify.json")).unwrap() else {
            panic!("not a verification")
        };
        let run =
            Run { host: verified.host.clone(), started: "9999-01-01T00:00:00Z".into(), ..publishable() };
        (verified, run)
    }

    fn published(verified: verify::Report, run: Run) -> (ExitStatus, Vec<String>, Vec<String>) {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("host");
        let files = vec![File::Verify(verified), File::Bench(run)];
        let report = Report::build(files.clone());
        let end = publish(&report, &files, &folder).unwrap();
        let names = std::fs::read_dir(&folder).into_iter().flatten();
        let mut names: Vec<_> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        (end, names, objections(&report, &files))
    }

    #[test]
    fn a_run_that_nothing_speaks_against_becomes_a_folder_to_publish() {
        let (verified, run) = both();
        let (end, names, objections) = published(verified, run);
        assert_eq!((end, objections), (ExitStatus::Fine, vec![]));
        for name in
            ["verify.json", "bench.json", "index.html", "report.md", "report.csv", "seal-aes-256-gcm.svg"]
        {
            assert!(names.iter().any(|one| one == name), "{name}: {names:?}");
        }
    }

    #[test]
    fn a_run_that_is_refused_leaves_no_folder_and_names_the_row() {
        let (verified, mut run) = both();
        let path = "open/aes-256-gcm/64";
        let row = run.rows.iter_mut().find(|row| row.workload == path && row.engine == "ring").unwrap();
        row.samples.iter_mut().take(4).for_each(|ns| *ns *= 2.0);
        let (end, names, objections) = published(verified, run);
        assert_eq!((end, names), (ExitStatus::CouldNotTell, vec![]));
        assert_eq!(objections.len(), 1, "{objections:?}");
        assert!(objections[0].starts_with("open/aes-256-gcm/64 on ring: 0.67x rustcrypto"), "{objections:?}");
    }

    #[test]
    fn a_wrong_case_is_refused_as_is_a_run_without_verification() {
        let (mut verified, run) = both();
        let set = verified.sets[0].set.clone();
        let engine = verified.engines[0].name.clone();
        verified.wrong = 1;
        let what = "a modified tag was accepted".to_owned();
        verified.failures.push(verify::Failure { set: set.clone(), engine, case: "tc 1".into(), what });
        let (end, names, objections) = published(verified, run.clone());
        assert_eq!((end, names, objections.len()), (ExitStatus::CouldNotTell, vec![], 1));
        assert!(objections[0].starts_with(&set), "{objections:?}");
        let files = [File::Bench(run)];
        let alone = super::objections(&Report::build(files.to_vec()), &files);
        assert_eq!(alone, ["nothing was verified"]);
    }

    #[test]
    fn the_check_of_the_folder_leaves_nothing_new_and_keeps_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let new = dir.path().join("new");
        assert_eq!(folder(Some(&new), "").unwrap(), new);
        assert!(!new.exists());
        std::fs::create_dir(&new).unwrap();
        std::fs::write(new.join("bench.json"), "old").unwrap();
        folder(Some(&new), "").unwrap();
        assert_eq!(std::fs::read_to_string(new.join("bench.json")).unwrap(), "old");
        let error = folder(Some(&new.join("bench.json")), "").unwrap_err();
        assert!(format!("{error:#}").contains("making the folder"), "{error:#}");
    }
}
