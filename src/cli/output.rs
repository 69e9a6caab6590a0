//! Where a result goes: seen to be writable before anything is measured, and kept up to date while it comes.
//!
//! A measurement takes minutes. A folder that cannot be written should end the command at once, and whatever
//! ends it later, a kill included, should leave on disk what was finished by then. A complete older file is
//! not given up for part of a new one: until the new one is complete, its part stands beside it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::measure::Run;
use crate::report;

/// A file that a run is written to.
pub(super) struct Output {
    path: PathBuf,
    /// What is finished of a run: the same file, or where that was there before, one beside it.
    partial: PathBuf,
    /// Whether a failure to keep something was told.
    told: bool,
}

/// Sees to it that a file can be written: makes its folder, and a file in there that it removes again. What
/// is under the file's own name stays as it is.
pub(super) fn check(path: &Path) -> anyhow::Result<()> {
    let Some(name) = path.file_name() else { bail!("{} is not the name of a file", path.display()) };
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        bail!("{} is there and is not a file: name another place for the result", path.display());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))?;
    let mut trial = OsString::from(".");
    trial.push(name);
    trial.push(format!(".{}.trial", std::process::id()));
    let trial = folder.join(trial);
    fs::write(&trial, "").with_context(|| format!("{}: writing to its folder", path.display()))?;
    fs::remove_file(&trial).with_context(|| format!("{}: changing its folder", path.display()))
}

impl Output {
    /// A file that can be written, as [`check`] finds.
    pub(super) fn to(path: &Path) -> anyhow::Result<Self> {
        check(path)?;
        let mut partial = path.to_owned();
        if path.exists() {
            partial.as_mut_os_string().push(".partial");
        }
        Ok(Self { path: path.to_owned(), partial, told: false })
    }

    /// Writes what is finished of a run. A failure is told once: the run goes on, and may yet be written as a
    /// whole.
    pub(super) fn keep(&mut self, run: &Run) {
        if run.rows.is_empty() {
            return;
        }
        if let (Err(error), false) = (report::write(&self.partial, run), self.told) {
            eprintln!("warning: what is finished cannot be kept: {error}");
            self.told = true;
        }
    }

    /// Writes a run that is over: to its file, or what there is of it to where that was kept.
    pub(super) fn finish(&self, run: &Run) -> anyhow::Result<()> {
        if run.partial {
            if !run.rows.is_empty() {
                report::write(&self.partial, run)?;
                eprintln!("what was finished is in {}", self.partial.display());
            }
            return Ok(());
        }
        report::write(&self.path, run)?;
        if self.partial != self.path && self.partial.exists() {
            fs::remove_file(&self.partial)
                .with_context(|| format!("removing {}, which is complete now", self.partial.display()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    use super::*;
    use crate::engine::find;
    use crate::measure::{self, Plan, Suite};

    fn whole() -> Run {
        let engines = vec![find("sealmark").unwrap()];
        let (filter, budget) = (Some("nonce".into()), Duration::from_millis(1));
        let plan = Plan { filter, processes: 0, budget, ..Plan::new(Suite::Quick, engines) };
        measure::run(&plan, &AtomicBool::new(false), &mut |_| {}).unwrap()
    }

    #[test]
    fn a_place_that_cannot_be_written_is_refused_with_its_name_and_nothing_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "old").unwrap();
        for (path, reason) in [
            (file.join("x.json"), format!("making the folder {}", file.display())),
            (dir.path().to_owned(), format!("{} is there and is not a file", dir.path().display())),
            (PathBuf::from("/"), "/ is not the name of a file".to_owned()),
        ] {
            let error = format!("{:#}", check(&path).unwrap_err());
            assert!(error.contains(&reason), "{error}");
        }
        check(&file).unwrap();
        check(&dir.path().join("new/x.json")).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "old");
        assert_eq!(fs::read_dir(dir.path().join("new")).unwrap().count(), 0);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_complete_file_is_not_given_up_for_part_of_a_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let (path, beside) = (dir.path().join("x.json"), dir.path().join("x.json.partial"));
        let whole = whole();
        let part = Run { partial: true, ..whole.clone() };
        let read = |path: &Path| serde_json::from_slice::<Run>(&fs::read(path).unwrap()).unwrap();

        let mut output = Output::to(&path).unwrap();
        output.keep(&Run { rows: Vec::new(), ..part.clone() });
        assert!(!path.exists(), "nothing is finished yet");
        output.keep(&part);
        assert_eq!(read(&path), part);
        output.finish(&whole).unwrap();
        assert_eq!(read(&path), whole);

        let mut again = Output::to(&path).unwrap();
        again.keep(&part);
        again.finish(&part).unwrap();
        assert_eq!((read(&path), read(&beside)), (whole.clone(), part));
        again.finish(&whole).unwrap();
        assert_eq!(read(&path), whole);
        assert!(!beside.exists());
    }
}
