//! The entries of a section, for formats that programs read: everything that it holds, once, with its
//! findings.
//!
//! A format that searched for failures itself would lose those that its author did not think of. Here every
//! finding is attached to its subject or stands alone, and a format matches on all of [`What`].

use super::finding::Finding;
use super::section::Section;
use crate::measure::{Row, Run};
use crate::verify::{self, FileReport, SetReport, Tally};

/// A subject, and its finding if there is one.
#[derive(Clone, Debug)]
pub(super) struct Entry<'a> {
    pub what: What<'a>,
    pub finding: Option<Finding>,
}

/// The subject of an entry.
#[derive(Clone, Debug)]
pub(super) enum What<'a> {
    /// A file of a folder of vectors.
    File(&'a FileReport),
    /// An engine on a set of cases.
    Tally(&'a verify::Report, &'a SetReport, &'a str, &'a Tally),
    /// A measurement.
    Row(&'a Run, &'a Row),
    /// An engine, and why it took no part if it did not.
    Engine(&'a str, Option<String>),
    /// A finding about none of these: a whole set, an unknown engine, the run itself.
    Whole,
}

impl Section {
    /// Everything in it, with every finding.
    pub(super) fn entries(&self) -> Vec<Entry<'_>> {
        let mut left = self.findings();
        let mut claim = |place: &str, engine: &str| {
            let at = left.iter().position(|finding| finding.place == place && finding.engine == engine)?;
            Some(left.remove(at))
        };
        let mut entries = Vec::new();
        if let Some(report) = &self.verify {
            for file in &report.files {
                entries.push(Entry { what: What::File(file), finding: claim(&file.file, "") });
            }
            for set in &report.sets {
                for (engine, tally) in &set.engines {
                    let what = What::Tally(report, set, engine, tally);
                    entries.push(Entry { what, finding: claim(&set.set, engine) });
                }
            }
        }
        if let Some(run) = &self.bench {
            for row in &run.rows {
                entries.push(Entry { what: What::Row(run, row), finding: claim(&row.workload, &row.engine) });
            }
        }
        let absent = self.absent();
        for name in self.engines() {
            let why = absent.iter().find(|(absent, _)| absent == name).map(|(_, why)| why.clone());
            entries.push(Entry { what: What::Engine(name, why), finding: claim("", name) });
        }
        let rest = left.into_iter().map(|finding| Entry { what: What::Whole, finding: Some(finding) });
        entries.extend(rest);
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::verify::{Failure, FileState};

    #[test]
    fn every_finding_is_in_one_entry() {
        let (mut report, mut run) = (sample::report(), sample::run());
        run.partial = true;
        run.rows[0].ns = None;
        let failure = |set: &str, engine: &str| Failure {
            set: set.into(),
            engine: engine.into(),
            case: String::new(),
            what: "wrong".into(),
        };
        let more =
            [("dir/x.json", ""), ("", "ring"), ("", "abacus"), ("differential", "ring"), ("contract", "")];
        report.failures.extend(more.map(|(set, engine)| failure(set, engine)));
        report.files.push(FileReport {
            file: "dir/x.json".into(),
            state: FileState::Unreadable,
            what: "cut".into(),
            remarks: Vec::new(),
        });
        let section = Section { host: sample::host(), verify: Some(report), bench: Some(run) };
        let entries = section.entries();
        let key = |finding: &Finding| (finding.place.clone(), finding.engine.clone(), finding.why.clone());
        let mut found: Vec<_> = entries.iter().filter_map(|entry| entry.finding.as_ref()).map(key).collect();
        let mut expected: Vec<_> = section.findings().iter().map(key).collect();
        found.sort();
        expected.sort();
        assert_eq!((found.len(), &found), (9, &expected));
        let whole = entries.iter().filter(|entry| matches!(entry.what, What::Whole)).count();
        assert_eq!(whole, 3, "abacus, contract, and that the run ended early");
    }
}
