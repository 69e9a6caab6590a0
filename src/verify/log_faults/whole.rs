//! The engine on whole folders: what it says of a log as it is, and what it gives when whole files are
//! missing, repeated or exchanged.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use super::alter::Fault;
use super::folder::{File, Folder};
use super::layout::Kind;
use super::read::{Found, refusal};
use super::result::{Coverage, Refused};
use super::tally::{Tally, of_files};
use crate::disk::Recorder;
use crate::scheme::log::engine::{Engine, Options, TABLES};
use crate::scheme::log::{self, table};
use crate::verify::caught;

/// Where copies lie on their own disk.
const ROOT: &str = "/log";
/// The bytes of all files above which no whole files are altered: each alteration copies and replays the log.
pub(super) const MOST_FOR_FILES: u64 = 256 << 20;
/// Why a log has no alterations of whole files.
pub(super) const REFUSED: &str = "files as wholes, because the engine refuses the log as it is";
/// The same.
pub(super) const TOO_LARGE: &str =
    "files as wholes, because that replays the log each time and it has more than 256 MiB";

/// What the engine says of the files as they are, and how many alterations of whole files were tried.
#[derive(Debug)]
pub(super) struct Whole {
    /// Of each file.
    pub coverage: Vec<Coverage>,
    pub refused: Option<Refused>,
    /// Why nothing was tried, where more time would change nothing.
    pub left_out: Option<&'static str>,
}

impl Folder {
    /// Opens the log as it is, and alters whole files.
    pub fn alter_files(
        &self,
        most: u64,
        tally: &mut Tally,
        until: Instant,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(&str, (u64, u64)),
    ) -> Whole {
        let trials = self.trials();
        let mut tried = vec![0; self.files.len()];
        let end = |tried: &[u64], refused, left_out| {
            let of = |place| trials.iter().filter(|trial| trial.file == place).count() as u64;
            let coverage = tried.iter().enumerate().map(|(place, tried)| of_files(*tried, of(place)));
            Whole { coverage: coverage.collect(), refused, left_out }
        };
        // Names and the engine's own files need neither time nor memory, and no other reader looks at them.
        if let Some(refused) = refused(&self.give(&self.hollow())) {
            return end(&tried, Some(refused), Some(REFUSED));
        }
        if self.files.iter().map(|file| file.bytes.len() as u64).sum::<u64>() > most {
            return end(&tried, None, Some(TOO_LARGE));
        }
        let is_over = || stop.load(Ordering::Relaxed) || Instant::now() >= until;
        if is_over() {
            return end(&tried, None, None);
        }
        let original = self.give(&self.arranged(None));
        // A log that the engine refuses as it is has nothing to compare with.
        let Ok(Ok(original)) = original else { return end(&tried, refused(&original), Some(REFUSED)) };
        for (number, trial) in trials.iter().enumerate() {
            if is_over() {
                break;
            }
            let file = &self.files[trial.file];
            progress(&file.name, (number as u64, trials.len() as u64));
            let findings = tally.file(trial.file);
            let mut count = |found| findings.count(file.kind, trial.fault, 0, "file", found);
            match self.give(&self.arranged(Some(trial))) {
                Ok(Ok(given)) => count(Found { refusal: None, drift: given != original }),
                Ok(Err(error)) => count(Found { refusal: Some(refusal(&error)), drift: false }),
                Err(panic) => findings.panicked(trial.fault, 0, "file", panic),
            }
            tried[trial.file] += 1;
        }
        end(&tried, None, None)
    }

    /// What the engine gives for these files: the live rows and the request ids.
    fn give(&self, files: &[(String, &[u8])]) -> Given {
        let here = files.iter().map(|(name, bytes)| (Path::new(ROOT).join(name), bytes.to_vec()));
        let own = self.own.iter().map(|(name, bytes)| (Path::new(ROOT).join(name), bytes.clone()));
        let disk = Recorder::with_files(Path::new(ROOT).join(TABLES), here.chain(own));
        caught(|| Engine::open(Arc::new(disk), ROOT, Options::default())?.snapshot_payload())
    }

    /// The files that the engine reads, each without content.
    fn hollow(&self) -> Vec<(String, &[u8])> {
        let files = self.files.iter().filter(|file| in_engine(file));
        files
            .map(|file| (file.name.clone(), if file.kind == Kind::Table { NO_ROWS.as_slice() } else { &[] }))
            .collect()
    }

    /// Every alteration of whole files.
    fn trials(&self) -> Vec<Trial> {
        let mut trials = Vec::new();
        for (file, found) in self.files.iter().enumerate().filter(|(_, file)| in_engine(file)) {
            trials.push(Trial { fault: Fault::DropFile, file, other: file });
            trials.push(Trial { fault: Fault::CopyFile, file, other: file });
            let next = (file + 1..self.files.len())
                .find(|&other| in_engine(&self.files[other]) && self.files[other].kind == found.kind);
            if let Some(other) = next.filter(|&other| self.files[other].bytes != found.bytes) {
                trials.push(Trial { fault: Fault::SwapFiles, file, other });
            }
        }
        trials
    }

    /// The files that the engine reads, altered.
    fn arranged(&self, trial: Option<&Trial>) -> Vec<(String, &[u8])> {
        let mut files: Vec<(String, &[u8])> =
            self.files.iter().map(|file| (file.name.clone(), &file.bytes[..])).collect();
        match trial {
            Some(Trial { fault: Fault::SwapFiles, file, other }) => {
                (files[*file].1, files[*other].1) = (files[*other].1, files[*file].1);
            }
            Some(Trial { fault: Fault::CopyFile, file, .. }) => {
                files.push((self.next_name(*file), &self.files[*file].bytes));
            }
            Some(Trial { file, .. }) => drop(files.remove(*file)),
            None => {}
        }
        files
    }

    /// The name after the last one of a file's kind.
    fn next_name(&self, file: usize) -> String {
        let found = &self.files[file];
        let number = |name: &str| Path::new(name).file_stem()?.to_str()?.parse::<u64>().ok();
        let alike = self.files.iter().filter(|other| other.kind == found.kind);
        let last = alike.filter_map(|other| number(&other.name)).max().unwrap_or(0);
        let extension = if found.kind == Kind::Wal { "wal" } else { "sst" };
        let next = format!("{:06}.{extension}", last.saturating_add(1));
        Path::new(&found.name).with_file_name(next).to_string_lossy().into_owned()
    }
}

/// A table without rows.
static NO_ROWS: LazyLock<Vec<u8>> =
    LazyLock::new(|| table::encode(table::DEFAULT_BLOCK_LEN, []).expect("no row is over a limit"));

/// What the engine gave, or why it refused, or the message of its panic.
type Given = Result<Result<Vec<u8>, log::Error>, String>;

/// The refusal, if it is one.
fn refused(given: &Given) -> Option<Refused> {
    match given {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => {
            let damage = error.damage();
            let named = match error {
                log::Error::In { path, .. } => path.strip_prefix(ROOT).ok(),
                _ => None,
            };
            Some(Refused {
                file: named.map(|path| path.to_string_lossy().into_owned()),
                integrity_code: damage.code.spec_name().into(),
                record_index: Some(damage.record_index),
                message: damage.why.into(),
            })
        }
        Err(panic) => Some(Refused {
            file: None,
            integrity_code: "PANIC".into(),
            record_index: None,
            message: panic.clone(),
        }),
    }
}

/// Whether the engine reads a file: WALs of the folder, and tables of its folder `sst`.
fn in_engine(file: &File) -> bool {
    let dir = Path::new(&file.name).parent().unwrap_or(Path::new(""));
    match file.kind {
        Kind::Wal => dir == Path::new(""),
        Kind::Table => dir == Path::new(TABLES),
        Kind::RaftMeta | Kind::RaftLog => false,
    }
}

/// One alteration of whole files.
#[derive(Clone, Copy, Debug)]
struct Trial {
    fault: Fault,
    file: usize,
    other: usize,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::disk::Disk;
    use crate::verify::log_faults::{Subject, testing};

    fn whole(disk: &dyn Disk, most: u64, budget: Duration, stop: bool) -> (Whole, bool) {
        let folder = Folder::read(disk, Path::new(ROOT)).unwrap();
        let subjects: Vec<Subject> = folder.files.iter().map(Subject::new).collect();
        let (mut tally, mut told) = (Tally::of(&subjects), false);
        let (until, stop) = (Instant::now() + budget, AtomicBool::new(stop));
        let found = folder.alter_files(most, &mut tally, until, &stop, &mut |_, _| told = true);
        (found, told)
    }

    #[test]
    fn neither_a_large_log_nor_one_without_time_has_its_files_altered_and_that_is_stated() {
        let (disk, minute) = (testing::log(&testing::history()), Duration::from_secs(60));
        let (all, told) = whole(&disk, MOST_FOR_FILES, minute, false);
        assert!(told && all.coverage.iter().all(|found| found.tried == 2 && found.of == 2), "{all:?}");
        let untried = [
            (whole(&disk, 100, minute, false), Some(TOO_LARGE)),
            (whole(&disk, MOST_FOR_FILES, Duration::ZERO, false), None),
            (whole(&disk, MOST_FOR_FILES, minute, true), None),
        ];
        for ((found, told), left_out) in untried {
            assert!(!told && found.refused.is_none(), "{found:?}");
            assert_eq!(found.left_out, left_out);
            assert!(found.coverage.iter().all(|found| found.tried == 0 && found.of == 2), "{found:?}");
        }
    }

    #[test]
    fn the_engines_own_files_are_checked_even_in_a_large_log_and_without_time() {
        let mut damaged = testing::history();
        *damaged.last_mut().unwrap() ^= 1;
        let (found, _) = whole(&testing::log(&damaged), 0, Duration::ZERO, true);
        let refused = found.refused.unwrap();
        assert_eq!((refused.file.as_deref(), refused.record_index), (Some("sealmark.history"), Some(0)));
        assert_eq!(refused.integrity_code, "CHECKSUM_MISMATCH");
        assert_eq!(found.left_out, Some(REFUSED));
    }

    #[test]
    fn a_panic_at_the_start_is_a_refusal_and_not_the_end_of_the_map() {
        let refused = refused(&caught(|| panic!("a planted one"))).unwrap();
        assert_eq!(refused.integrity_code, "PANIC");
        assert!(refused.message.contains("a planted one"), "{refused:?}");
    }
}
