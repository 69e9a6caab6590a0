//! The corruption map: alters copies of the files of a log and records what their reader says of each.
//!
//! The files are those of the checked log, which are KVStore's: a user's own folder works. Nothing is done to
//! the folder itself. First comes all structure (headers, footers, sizes, checksums, indexes), then units as
//! wholes, then payload in an order that spreads evenly, then the other bits of all bytes, until nothing is
//! left or the time is used up; the coverage says how far that went. Each alteration is refused, changes
//! nothing, or changes what the reader gives. The last is a finding unless the format cannot see it
//! ([`reason`]), and so is an altered magic number, version or operation that is not refused. A log that the
//! engine refuses as it is does not pass, even if each file of the format reads well.
//!
//! Not here: sealed logs, whose fault injection needs keys (`sealmark verify --scheme log`).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::caught;
use crate::disk::Disk;

mod alter;
mod folder;
mod index;
mod layout;
mod read;
pub mod reason;
mod result;
mod schedule;
mod spans;
mod tally;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod trial;
mod whole;

pub use alter::Fault;
pub use layout::Kind;
pub use result::{Coverage, Evidence, FileMap, Map, Refused, SCHEMA, Stretch, Verdict};
pub use schedule::Aim;

use folder::Folder;
use read::{Original, Refusal};
use schedule::Schedule;
use tally::Tally;
use whole::MOST_FOR_FILES;

/// Stretches of a file that the map tells apart.
const STRETCHES: usize = 400;
/// The aim of alterations of whole files, in [`Coverage::aim`].
pub const FILES: &str = "files";
/// Until which part of its time a map pursues each aim, in the order of [`Aim::ALL`], before it turns to the
/// next. What is left over goes to the first aim that is not complete.
const UNTIL: [f64; 4] = [0.6, 0.75, 0.95, 1.0];
/// The part of the time for alterations of whole files.
const FOR_FILES: f64 = 0.1;

/// What a map is to try.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Plan {
    /// The time that it may take.
    pub budget: Duration,
    /// Threads that alter copies, at least one. Each has a copy of the file in hand.
    pub threads: usize,
}

/// How far a map is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Progress<'a> {
    /// The file in hand.
    pub file: &'a str,
    /// What is tried.
    pub aim: &'static str,
    /// Alterations of this file with this aim that were tried, and that there are.
    pub tried: (u64, u64),
    /// The time since the start.
    pub elapsed: Duration,
}

/// Why a folder has no map.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder cannot be read.
    #[error("reading {}: {reason}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        reason: io::Error,
    },
    /// There is no file of the format.
    #[error(
        "{}: no log here: a log has files such as 000001.wal, 000001.sst in it or in its folder sst, \
         meta.bin or log.bin",
        path.display()
    )]
    NoLog {
        /// The folder.
        path: PathBuf,
    },
}

/// A file in hand: what its reader gives, and what is still to be tried.
struct Subject {
    name: String,
    bytes: Arc<[u8]>,
    kind: Kind,
    /// Or why its reader refuses it as it is.
    original: Result<(Original, Schedule), Refusal>,
    /// Alterations tried, for each phase of the schedule.
    tried: Vec<usize>,
}

/// Draws the map of a folder.
///
/// # Errors
/// [`Error::Unreadable`], [`Error::NoLog`].
pub fn map(
    disk: &dyn Disk,
    path: &Path,
    plan: &Plan,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(&Progress<'_>),
) -> Result<Map, Error> {
    let (began, started) = (Instant::now(), jiff::Timestamp::now().to_string());
    let folder = Folder::read(disk, path)?;
    let mut subjects: Vec<Subject> = folder.files.iter().map(Subject::new).collect();
    let mut tally = Tally::of(&subjects);
    let until = |part: f64| began + plan.budget.mul_f64(part);
    let mut tell = |file: &str, tried| {
        progress(&Progress { file, aim: FILES, tried, elapsed: began.elapsed() });
    };
    let whole = folder.alter_files(MOST_FOR_FILES, &mut tally, until(FOR_FILES), stop, &mut tell);
    let rounds = UNTIL.into_iter().enumerate().chain((0..UNTIL.len()).map(|phase| (phase, 1.0)));
    for (phase, part) in rounds {
        let end = until(part);
        for place in 0..subjects.len() {
            // What is left of the phase's time is shared evenly by the files that are left.
            let now = Instant::now();
            let share = end.saturating_duration_since(now) / (subjects.len() - place) as u32;
            let subject = &mut subjects[place];
            let work = trial::Work { place, phase, threads: plan.threads.max(1), until: now + share };
            let told = trial::run(subject, &work, stop, &mut |tried, of| {
                let aim = Aim::ALL[phase].name();
                let tried = (tried as u64, of as u64);
                progress(&Progress { file: &subject.name, aim, tried, elapsed: began.elapsed() });
            });
            if let Some((tried, found)) = told {
                subjects[place].tried[phase] = tried;
                tally.add(found);
            }
        }
    }
    let mut map = tally.finish(&subjects, &whole.coverage);
    map.pass &= whole.refused.is_none();
    map.left_out.extend(whole.left_out.map(str::to_owned));
    map.refused = whole.refused;
    (map.started, map.folder) = (started, path.display().to_string());
    (map.budget_seconds, map.seconds) = (plan.budget.as_secs_f64(), began.elapsed().as_secs_f64());
    map.threads = plan.threads.max(1);
    map.others = folder.others;
    Ok(map)
}

impl Subject {
    fn new(file: &folder::File) -> Self {
        let original = caught(|| Original::read(file.kind, &file.bytes));
        let original = original.unwrap_or(Err(Refusal { code: "PANIC", index: None })).map(|original| {
            let schedule = Schedule::of(original.layout(), &file.bytes);
            (original, schedule)
        });
        Self {
            name: file.name.clone(),
            bytes: Arc::clone(&file.bytes),
            kind: file.kind,
            original,
            tried: vec![0; Aim::ALL.len()],
        }
    }

    /// Tried and possible alterations with each aim.
    fn coverage(&self) -> Vec<Coverage> {
        let Ok((_, schedule)) = &self.original else { return Vec::new() };
        let phases = schedule.phases().iter().zip(&self.tried);
        phases
            .map(|(phase, tried)| Coverage {
                aim: phase.aim.name().into(),
                tried: *tried as u64,
                of: phase.len() as u64,
            })
            .collect()
    }
}
