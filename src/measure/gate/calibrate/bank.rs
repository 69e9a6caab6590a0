//! The bank of a calibration: a file of JSON lines, each one pair of processes or one whole run of the gate.
//!
//! A line is written and flushed as soon as it is known, so that a campaign continues where it stopped, over
//! days. A bank takes no line of another [`Origin`]: a rate over a mixture is the rate of nothing. Not here:
//! the members of a line (`line`), how a pair or a run comes about (`campaign`), and what a bank shows
//! (`characteristic`).

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::measure::gate::calibrate::kind::Kind;
use crate::measure::gate::calibrate::line::{Entry, Line, Origin};

/// The file's name in the folder of a campaign.
pub const FILE: &str = "bank.jsonl";

/// Why a bank cannot be read or continued.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BankError {
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process records into it.
    #[error("{}: another process is recording into this bank", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// A line is not one of such a file.
    #[error("{}, line {line}: not a line of such a file: {reason}", path.display())]
    NotALine {
        /// The file.
        path: PathBuf,
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A line was recorded elsewhere, or with other programs.
    #[error(
        "{}, line {line}: recorded with {what} {theirs}, not {ours}; a bank holds one campaign: give another \
         folder",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The line's number, from 1.
        line: usize,
        /// What differs: schema, version, host, set, driver or programs.
        what: &'static str,
        /// That of the line.
        theirs: String,
        /// That of the bank, or of this campaign.
        ours: String,
    },
}

/// A bank that is being recorded.
#[derive(Debug)]
pub struct Bank {
    path: PathBuf,
    file: File,
    origin: Origin,
    /// Every line, in order.
    lines: Vec<Line>,
    /// How many pairs and runs there are, by kind.
    counts: BTreeMap<&'static str, [usize; 2]>,
    /// Bytes of an unfinished last line that were cut off.
    pub torn: usize,
}

impl Bank {
    /// Opens the bank of a folder, or begins one, for lines of this origin. A last line without its end, of a
    /// process that was killed while it wrote, is cut off.
    ///
    /// # Errors
    /// [`BankError`], of which [`BankError::Foreign`] names the first line of another origin.
    pub fn open(folder: &Path, origin: Origin) -> Result<Self, BankError> {
        let path = folder.join(FILE);
        let of = |source| BankError::File { path: path.clone(), source };
        std::fs::create_dir_all(folder).map_err(of)?;
        let file = OpenOptions::new().create(true).append(true).read(true).open(&path).map_err(of)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(BankError::InUse { path }),
            Err(std::fs::TryLockError::Error(source)) => return Err(of(source)),
        }
        let (lines, torn) = parse(&path, Some(&origin))?;
        if torn > 0 {
            let whole = file.metadata().map_err(of)?.len() - torn as u64;
            file.set_len(whole).map_err(of)?;
        }
        let mut bank = Self { path, file, origin, lines: Vec::new(), counts: BTreeMap::new(), torn };
        lines.into_iter().for_each(|line| bank.keep(line));
        Ok(bank)
    }

    /// Appends what came of something and flushes it.
    ///
    /// # Errors
    /// [`BankError::File`].
    pub fn push(&mut self, kind: Kind, started: String, entry: Entry) -> Result<(), BankError> {
        let line = Line { origin: self.origin.clone(), kind, started, entry };
        let of = |source| BankError::File { path: self.path.clone(), source };
        let mut text = serde_json::to_vec(&line).map_err(|error| of(error.into()))?;
        text.push(b'\n');
        // One call for the whole line: no other line can come between.
        self.file.write_all(&text).map_err(of)?;
        self.keep(line);
        Ok(())
    }

    fn keep(&mut self, line: Line) {
        let counts = self.counts.entry(line.kind.name).or_default();
        counts[usize::from(matches!(line.entry, Entry::Run(_)))] += 1;
        self.lines.push(line);
    }

    /// How many pairs and how many runs of a kind there are.
    pub fn count(&self, kind: Kind) -> [usize; 2] {
        self.counts.get(kind.name).copied().unwrap_or_default()
    }

    /// Every line, in order.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }
}

/// Reads the bank of a folder, whatever program and machine it comes from, as long as it is one.
///
/// # Errors
/// [`BankError`].
pub fn read(folder: &Path) -> Result<Vec<Line>, BankError> {
    Ok(parse(&folder.join(FILE), None)?.0)
}

/// The whole lines of a file, and how many bytes of an unfinished one follow. All are of this origin, or of
/// that of the first.
fn parse(path: &Path, origin: Option<&Origin>) -> Result<(Vec<Line>, usize), BankError> {
    let of = |source| BankError::File { path: path.to_owned(), source };
    let bytes = std::fs::read(path).map_err(of)?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let mut lines: Vec<Line> = Vec::new();
    for (number, text) in (1..).zip(bytes[..whole].split_inclusive(|byte| *byte == b'\n')) {
        let not = |reason: String| BankError::NotALine { path: path.to_owned(), line: number, reason };
        // The origin first: a line of another version may have other members.
        let theirs: Origin = serde_json::from_slice(text).map_err(|error| not(error.to_string()))?;
        let ours = origin.or_else(|| lines.first().map(|line| &line.origin));
        if let Some((what, ours, theirs)) = ours.and_then(|ours| ours.difference(&theirs)) {
            let (theirs, ours) = (theirs.to_owned(), ours.to_owned());
            return Err(BankError::Foreign { path: path.to_owned(), line: number, what, theirs, ours });
        }
        lines.push(serde_json::from_slice(text).map_err(|error| not(error.to_string()))?);
    }
    Ok((lines, bytes.len() - whole))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::gate::calibrate::line::{Pair, Row, Run, SCHEMA};
    use crate::measure::gate::rule::{NullPairs, Verdict};

    fn origin() -> Origin {
        Origin {
            schema: SCHEMA.into(),
            sealmark: "0.1.0".into(),
            host: "7ce75b4a060cbea1".into(),
            set: "acceptance 1234".into(),
            driver: "aaaa".into(),
            programs: "bbbb".into(),
        }
    }

    fn kind(name: &str) -> Kind {
        Kind::named(name).unwrap()
    }

    fn a_pair() -> Entry {
        let logs = BTreeMap::from([("seal/aes-256-gcm/16".into(), 0.1 + 0.2)]);
        Entry::Pair(Pair { base: 0, head: 4, logs })
    }

    fn a_run() -> Entry {
        let row = Row {
            workload: "seal/aes-256-gcm/16".into(),
            verdict: Verdict::Slower,
            ratio: Some(1.02),
            pairs: 96,
            confirming: 96,
        };
        Entry::Run(Run {
            base: vec![0, 1, 2],
            head: vec![3, 4, 5],
            planted: Some("seal/aes-256-gcm/16".into()),
            verdict: Verdict::Slower,
            rows: vec![row],
            null_pair: NullPairs::of(&[0.1, -0.1]),
            ended_early: false,
            lost: Vec::new(),
            seconds: 3.5,
            load: Some(1.25),
        })
    }

    #[test]
    fn a_bank_continues_where_it_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("new");
        let mut bank = Bank::open(&folder, origin()).unwrap();
        bank.push(kind("orders"), "then".into(), a_pair()).unwrap();
        bank.push(kind("planted-2"), "then".into(), a_run()).unwrap();
        assert_eq!((bank.count(kind("orders")), bank.count(kind("planted-2"))), ([1, 0], [0, 1]));
        let recorded = bank.lines().to_vec();
        drop(bank);
        let mut bank = Bank::open(&folder, origin()).unwrap();
        assert_eq!((bank.lines(), bank.torn), (&recorded[..], 0));
        bank.push(kind("orders"), "later".into(), a_pair()).unwrap();
        drop(bank);
        let lines = read(&folder).unwrap();
        assert_eq!((lines.len(), &lines[..2]), (3, &recorded[..]));
        let text = std::fs::read_to_string(folder.join(FILE)).unwrap();
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.starts_with(r#"{"schema":"sealmark.gate-bank/1","sealmark":"0.1.0","host":"#), "{text}");
    }

    #[test]
    fn a_line_that_was_cut_short_is_dropped_and_recorded_anew() {
        let folder = tempfile::tempdir().unwrap();
        let mut bank = Bank::open(folder.path(), origin()).unwrap();
        bank.push(kind("same"), "then".into(), a_pair()).unwrap();
        bank.push(kind("same"), "then".into(), a_run()).unwrap();
        drop(bank);
        let path = folder.path().join(FILE);
        let text = std::fs::read_to_string(&path).unwrap();
        let first = text.find('\n').unwrap() + 1;
        for cut in [text.len() - 1, first + 1] {
            std::fs::write(&path, &text[..cut]).unwrap();
            assert_eq!(read(folder.path()).unwrap().len(), 1);
            let mut bank = Bank::open(folder.path(), origin()).unwrap();
            assert_eq!((bank.lines().len(), bank.torn), (1, cut - first));
            bank.push(kind("same"), "then".into(), a_run()).unwrap();
            drop(bank);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn a_line_of_another_origin_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let mut bank = Bank::open(folder.path(), origin()).unwrap();
        bank.push(kind("same"), "then".into(), a_pair()).unwrap();
        drop(bank);
        type Change = fn(&mut Origin) -> &mut String;
        let changes: [(&str, Change); 6] = [
            ("schema", |origin| &mut origin.schema),
            ("version", |origin| &mut origin.sealmark),
            ("host", |origin| &mut origin.host),
            ("set", |origin| &mut origin.set),
            ("driver", |origin| &mut origin.driver),
            ("programs", |origin| &mut origin.programs),
        ];
        let mut foreign = String::new();
        for (what, change) in changes {
            let mut other = origin();
            let was = std::mem::replace(change(&mut other), "another".into());
            let error = Bank::open(folder.path(), other.clone()).unwrap_err();
            let expected = format!(", line 1: recorded with {what} {was}, not another; a bank holds one");
            assert!(error.to_string().contains(&expected), "{error}");
            let line = Line { origin: other, kind: kind("same"), started: "then".into(), entry: a_pair() };
            foreign = serde_json::to_string(&line).unwrap() + "\n";
        }
        // Nor does one creep in behind ours: neither to be continued nor to be drawn.
        let path = folder.path().join(FILE);
        let text = std::fs::read_to_string(&path).unwrap() + &foreign;
        std::fs::write(&path, text).unwrap();
        for error in [Bank::open(folder.path(), origin()).unwrap_err(), read(folder.path()).unwrap_err()] {
            assert!(
                error.to_string().contains("line 2: recorded with programs another, not bbbb"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_is_no_line_is_refused_with_its_number() {
        let folder = tempfile::tempdir().unwrap();
        let mut bank = Bank::open(folder.path(), origin()).unwrap();
        bank.push(kind("same"), "then".into(), a_pair()).unwrap();
        drop(bank);
        let path = folder.path().join(FILE);
        let text = std::fs::read_to_string(&path).unwrap();
        for (line, reason) in [
            ("nonsense\n".to_owned(), "expected ident"),
            (text.replace("\"same\"", "\"tired\""), "no kind of comparison is called tired"),
            (text.replace("\"pair\"", "\"trio\""), "no variant of enum Entry"),
        ] {
            std::fs::write(&path, text.clone() + &line).unwrap();
            let error = read(folder.path()).unwrap_err().to_string();
            assert!(
                error.contains(", line 2: not a line of such a file: ") && error.contains(reason),
                "{error}"
            );
        }
        assert!(matches!(read(&folder.path().join("none")), Err(BankError::File { .. })));
    }

    #[test]
    fn two_campaigns_do_not_record_into_one_bank() {
        let folder = tempfile::tempdir().unwrap();
        let first = Bank::open(folder.path(), origin()).unwrap();
        let error = Bank::open(folder.path(), origin()).unwrap_err();
        assert!(matches!(error, BankError::InUse { .. }), "{error}");
        drop(first);
        assert!(Bank::open(folder.path(), origin()).is_ok());
    }
}
