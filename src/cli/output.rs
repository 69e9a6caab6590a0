//! Result files: checked to be writable before the first measurement, and kept up to date during the run.
//!
//! A measurement takes minutes. If its folder cannot be written, the command must fail at once. If something
//! ends the command later, even a kill, the results so far must be on disk. A partial result never replaces a
//! complete older file: it goes to a file next to it until the new result is complete.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::measure::Run;
use crate::report;

/// A file that a run is written to.
pub(super) struct Output {
    path: PathBuf,
    /// The file for partial results: the same one, or one next to it if the file existed before.
    partial: PathBuf,
    /// Whether a failure to write partial results was already reported.
    told: bool,
}

/// Checks that a file can be written: creates its folder, writes a trial file there and removes it. Does not
/// touch the file itself.
pub(super) fn check(path: &Path) -> anyhow::Result<()> {
    let Some(name) = path.file_name() else {
        bail!("{} is not a file name: choose a name for the result", path.display())
    };
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        bail!("{} exists and is not a file: choose another name for the result", path.display());
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
    /// A file that passes [`check`].
    pub(super) fn to(path: &Path) -> anyhow::Result<Self> {
        check(path)?;
        let mut partial = path.to_owned();
        if path.exists() {
            partial.as_mut_os_string().push(".partial");
        }
        Ok(Self { path: path.to_owned(), partial, told: false })
    }

    /// Writes the results so far. Reports a failure only once: the run goes on, and its complete result may
    /// still be written.
    pub(super) fn keep(&mut self, run: &Run) {
        if run.rows.is_empty() {
            return;
        }
        if let (Err(error), false) = (report::write(&self.partial, run), self.told) {
            eprintln!("warning: partial results cannot be written: {error}");
            self.told = true;
        }
    }

    /// Writes a run that is over: a complete one to its file, a partial one to the file for partial results.
    pub(super) fn finish(&self, run: &Run) -> anyhow::Result<()> {
        if run.partial {
            if !run.rows.is_empty() {
                report::write(&self.partial, run)?;
                eprintln!("the partial results are in {}", self.partial.display());
            }
            return Ok(());
        }
        report::write(&self.path, run)?;
        if self.partial != self.path && self.partial.exists() {
            fs::remove_file(&self.partial)
                .with_context(|| format!("removing {}, which is no longer needed", self.partial.display()))?;
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
            (dir.path().to_owned(), format!("{} exists and is not a file", dir.path().display())),
            (PathBuf::from("/"), "/ is not a file name".to_owned()),
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
