//! What Criterion's own comparison says of a program that did not change: the log of `ci/deep criterion`.

use std::path::Path;

use crate::measure::gate::calibrate::bank::BankError;
use crate::measure::gate::calibrate::proportion::Share;

/// The log's name in the folder of a campaign.
pub const FILE: &str = "criterion.log";

/// Comparisons of an unchanged program with itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Criterion {
    /// How many comparisons called a change, of all.
    pub comparisons: Share,
    /// How many runs called at least one, of all.
    pub runs: Share,
}

/// Reads the log of a folder: a line such as `run 3: 5 of 12 changed` for each run. `None` where there is no
/// log.
///
/// # Errors
/// [`BankError::NotALine`], with the line's number; [`BankError::File`].
pub fn read(folder: &Path) -> Result<Option<Criterion>, BankError> {
    let path = folder.join(FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(BankError::File { path, source }),
    };
    let mut all = Criterion::default();
    for (number, line) in (1..).zip(text.lines()) {
        let Some([changed, of]) = counts(line) else {
            let reason = "it is not like `run 3: 5 of 12 changed`".to_owned();
            return Err(BankError::NotALine { path, line: number, reason });
        };
        let Criterion { comparisons, runs } = all;
        all.comparisons = Share { hits: comparisons.hits + changed, of: comparisons.of + of };
        all.runs = Share { hits: runs.hits + u64::from(changed > 0), of: runs.of + 1 };
    }
    Ok((all.runs.of > 0).then_some(all))
}

fn counts(line: &str) -> Option<[u64; 2]> {
    let (run, rest) = line.strip_prefix("run ")?.split_once(": ")?;
    run.parse::<u64>().ok()?;
    let (changed, of) = rest.strip_suffix(" changed")?.split_once(" of ")?;
    let counts = [changed.parse().ok()?, of.parse().ok()?];
    (counts[0] <= counts[1]).then_some(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_added_up_and_another_line_is_refused_with_its_number() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap(), None);
        let log = |text: &str| {
            std::fs::write(folder.path().join(FILE), text).unwrap();
            read(folder.path())
        };
        assert_eq!(log("").unwrap(), None);
        let found = log("run 1: 5 of 12 changed\nrun 2: 0 of 12 changed\n").unwrap().unwrap();
        assert_eq!(found.comparisons, Share { hits: 5, of: 24 });
        assert_eq!(found.runs, Share { hits: 1, of: 2 });
        for line in ["", "run 2: 13 of 12 changed", "run two: 1 of 12 changed", "run 2: 1 of 12"] {
            let error = log(&format!("run 1: 5 of 12 changed\n{line}\n")).unwrap_err().to_string();
            assert!(
                error.contains("criterion.log, line 2: ") && error.contains("5 of 12 changed"),
                "{error}"
            );
        }
    }
}
