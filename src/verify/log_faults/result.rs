//! The corruption map: what was done to each file of a log, and what its reader said.

use serde::{Deserialize, Serialize};

/// The name and version of [`Map`]'s JSON format.
pub const SCHEMA: &str = "sealmark.log-faults/1";

/// What became of an alteration.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The reader refused, and what it gave until then is what was written.
    Detected,
    /// The reader refused, but only after it had given something else.
    Late,
    /// The reader did not refuse, and gave exactly what was written.
    Harmless,
    /// The reader did not refuse, and gave something else.
    Undetected,
}

impl Verdict {
    /// Every verdict, the mildest first.
    pub const ALL: [Self; 4] = [Self::Detected, Self::Harmless, Self::Late, Self::Undetected];

    /// Its name in results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Detected => "detected",
            Self::Late => "late",
            Self::Harmless => "harmless",
            Self::Undetected => "undetected",
        }
    }
}

/// The result of `sealmark log faults`: schema `sealmark.log-faults/1`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Map {
    /// [`SCHEMA`].
    pub schema: String,
    /// The version of Sealmark that wrote it.
    pub sealmark: String,
    /// When it started, RFC 3339.
    pub started: String,
    /// The folder.
    pub folder: String,
    /// The time that it was given.
    pub budget_seconds: f64,
    /// The time that it took.
    pub seconds: f64,
    /// Threads that tried alterations.
    pub threads: usize,
    /// Whether every alteration of the plan was tried.
    pub complete: bool,
    /// Alterations tried.
    pub trials: u64,
    /// Whether the log as it was found is readable and the engine opens it, and every alteration was refused,
    /// changed nothing, or is one that the format cannot see, for the reason given.
    pub pass: bool,
    /// Whether some alteration changed what the reader gives.
    pub semantic_drift: bool,
    /// Why the engine refuses the log as it was found, if it does: for a damaged file, for one of its own
    /// files, or for a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refused>,
    /// What no larger budget would try, with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// Every file of the format, in order.
    pub files: Vec<FileMap>,
    /// The files and folders that are not of the format, which nothing was done to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<String>,
    /// What was tried and what came of it, alike ones together.
    pub evidence: Vec<Evidence>,
}

/// Why the engine refuses a log as it was found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Refused {
    /// The file that it names, if it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The engine's code; `PANIC` if it panicked.
    pub integrity_code: String,
    /// The record, block or entry that is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_index: Option<u64>,
    /// The check that failed.
    pub message: String,
}

/// One file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FileMap {
    /// Its name.
    pub file: String,
    /// What it holds: `wal`, `table`, `raft meta`, `raft log`.
    pub kind: String,
    /// Its length.
    pub bytes: u64,
    /// Its records, frames or entries.
    pub units: u64,
    /// What its reader says of it as it was found: `OK`, or why it refuses.
    pub integrity_code: String,
    /// The record, block or entry that is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_index: Option<u64>,
    /// What was tried of it.
    pub coverage: Vec<Coverage>,
    /// The file from its first byte to its last, in stretches of equal length.
    pub strip: Vec<Stretch>,
}

/// How much of one kind of alteration was tried.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Coverage {
    /// `structure`, `units`, `payload`, `other bits`, `files`.
    pub aim: String,
    /// Alterations tried, including those that would have changed nothing.
    pub tried: u64,
    /// Alterations that there are.
    pub of: u64,
}

/// Alterations that begin in one stretch of a file, by verdict.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Stretch {
    /// Where it begins.
    pub from: u64,
    /// Where the next one begins.
    pub to: u64,
    /// Refused in time.
    pub detected: u64,
    /// Refused late.
    pub late: u64,
    /// Without effect.
    pub harmless: u64,
    /// Not refused.
    pub undetected: u64,
}

impl Stretch {
    /// Counts one more.
    pub(super) fn count(&mut self, verdict: Verdict, more: u64) {
        *match verdict {
            Verdict::Detected => &mut self.detected,
            Verdict::Late => &mut self.late,
            Verdict::Harmless => &mut self.harmless,
            Verdict::Undetected => &mut self.undetected,
        } += more;
    }

    /// Its worst verdict; `None` where nothing was tried.
    pub fn worst(&self) -> Option<Verdict> {
        let counts = [self.undetected, self.late, self.harmless, self.detected];
        let worst = counts.iter().position(|count| *count > 0)?;
        Some([Verdict::Undetected, Verdict::Late, Verdict::Harmless, Verdict::Detected][worst])
    }
}

/// Alterations of one kind with one result.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Evidence {
    /// The file.
    pub file: String,
    /// The alteration: `flip`, `cut`, `zero`, `zero-tail`, `swap`, `copy`, `drop`, `forge`, `swap-files`,
    /// `copy-file`, `drop-file`.
    pub fault: String,
    /// The part of the file that it hits.
    pub part: String,
    /// What came of it.
    pub verdict: Verdict,
    /// The reader's code; `OK` where it did not refuse.
    pub integrity_code: String,
    /// The record, block or entry that was refused, in the first of these alterations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_index: Option<u64>,
    /// Whether that is what the format promises.
    pub pass: bool,
    /// Whether the reader gave something else than what was written.
    pub semantic_drift: bool,
    /// Alterations of this kind with this result.
    pub count: u64,
    /// Where the first of them begins.
    pub first_at: u64,
    /// Why it was not refused in time, or what is broken if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Map {
    /// The engine's refusal of the log as it was found, unless a file that is damaged by itself explains it.
    pub fn refused_although_files_are_well(&self) -> Option<&Refused> {
        let damaged = |file: &FileMap, name: &String| file.file == *name && file.integrity_code != "OK";
        let explained = |name| self.files.iter().any(|file| damaged(file, name));
        self.refused.as_ref().filter(|refused| !refused.file.as_ref().is_some_and(explained))
    }

    /// The alterations with a verdict.
    pub fn count(&self, verdict: Verdict) -> u64 {
        self.evidence.iter().filter(|one| one.verdict == verdict).map(|one| one.count).sum()
    }

    /// Tried and possible alterations with that aim, over all files.
    pub fn coverage(&self, aim: &str) -> (u64, u64) {
        let of_aim = self.files.iter().flat_map(|file| &file.coverage).filter(|found| found.aim == aim);
        of_aim.fold((0, 0), |(tried, of), found| (tried + found.tried, of + found.of))
    }

    /// The log line of the specification for each finding, the worst first: what the reader did not refuse,
    /// then what it refused.
    pub fn log_line(evidence: &Evidence) -> String {
        let index = evidence.record_index.map_or_else(|| "-".to_owned(), |index| index.to_string());
        let message = format!(
            "{} of {} in {} at byte {}: {}",
            evidence.fault,
            evidence.part,
            evidence.file,
            evidence.first_at,
            evidence.reason.as_deref().unwrap_or(evidence.verdict.name())
        );
        format!("integrity_code={} record_index={index} message=\"{message}\"", evidence.integrity_code)
    }
}
