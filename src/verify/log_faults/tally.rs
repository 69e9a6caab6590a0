//! Counts what the trials came to, and draws the map from the counts.

use std::collections::BTreeMap;

use super::alter::{Alteration, Fault};
use super::layout::Kind;
use super::read::{Found, Refusal};
use super::result::{Coverage, Evidence, FileMap, Map, SCHEMA, Stretch, Verdict};
use super::{FILES, STRETCHES, Subject, reason};

/// What alike trials have in common.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Key {
    /// The place of the file among all.
    file: usize,
    verdict: Verdict,
    fault: Fault,
    part: &'static str,
    code: &'static str,
    reason: Option<String>,
    pass: bool,
}

/// How many there were, and the first of them in the file.
#[derive(Clone, Debug)]
struct Group {
    count: u64,
    at: u64,
    record_index: Option<u64>,
}

/// What some trials of one file came to.
#[derive(Clone, Debug)]
pub(super) struct Findings {
    file: usize,
    len: usize,
    groups: BTreeMap<Key, Group>,
    strip: Vec<Stretch>,
}

/// The code of what is not refused.
pub(super) const OK: &str = "OK";

impl Findings {
    /// None yet, of the file at this place, which has that length.
    pub fn of(file: usize, len: usize) -> Self {
        let stretches = STRETCHES.min(len).max(1);
        let at = |number: usize| (number as u128 * len as u128 / stretches as u128) as u64;
        let strip = (0..stretches)
            .map(|number| Stretch { from: at(number), to: at(number + 1), ..Stretch::default() })
            .collect();
        Self { file, len, groups: BTreeMap::new(), strip }
    }

    /// One more trial.
    pub fn add(&mut self, kind: Kind, alteration: &Alteration, found: Found) {
        let (at, part) = place(alteration);
        self.count(kind, alteration.fault, at, part, found);
    }

    /// One more trial, of a whole file or of a part of one.
    pub fn count(&mut self, kind: Kind, fault: Fault, at: u64, part: &'static str, found: Found) {
        let verdict = verdict(&found);
        let why = reason::declared(kind, fault, part, verdict);
        let pass = match verdict {
            Verdict::Detected => true,
            Verdict::Harmless => why.is_some() || !reason::must_be_refused(kind, fault, part),
            Verdict::Late | Verdict::Undetected => why.is_some(),
        };
        let reason = match why {
            None if !pass => Some("no reason is known why the format should not see this".to_owned()),
            why => why.map(str::to_owned),
        };
        let refusal = found.refusal.unwrap_or(Refusal { code: OK, index: None });
        let key = Key { file: self.file, verdict, fault, part, code: refusal.code, reason, pass };
        self.put(key, Group { count: 1, at, record_index: refusal.index });
    }

    /// One more trial, in which the reader panicked.
    pub fn add_panic(&mut self, alteration: &Alteration, panic: String) {
        let (at, part) = place(alteration);
        self.panicked(alteration.fault, at, part, panic);
    }

    /// One more trial, of a whole file or of a part of one, in which the reader panicked.
    pub fn panicked(&mut self, fault: Fault, at: u64, part: &'static str, panic: String) {
        let (verdict, file) = (Verdict::Undetected, self.file);
        let key = Key { file, verdict, fault, part, code: OK, reason: Some(panic), pass: false };
        self.put(key, Group { count: 1, at, record_index: None });
    }

    fn put(&mut self, key: Key, group: Group) {
        let at = group.at.min(self.len.saturating_sub(1) as u64);
        let number = self.strip.partition_point(|stretch| stretch.to <= at).min(self.strip.len() - 1);
        self.strip[number].count(key.verdict, group.count);
        self.join(key, group);
    }

    fn join(&mut self, key: Key, group: Group) {
        let known = self.groups.entry(key).or_insert_with(|| Group { count: 0, ..group.clone() });
        known.count += group.count;
        if group.at < known.at {
            (known.at, known.record_index) = (group.at, group.record_index);
        }
    }

    /// Adds others of the same file.
    pub fn merge(&mut self, other: Self) {
        for (key, group) in other.groups {
            self.join(key, group);
        }
        for (mine, more) in self.strip.iter_mut().zip(other.strip) {
            mine.detected += more.detected;
            mine.late += more.late;
            mine.harmless += more.harmless;
            mine.undetected += more.undetected;
        }
    }
}

/// What all trials came to.
#[derive(Debug)]
pub(super) struct Tally(Vec<Findings>);

impl Tally {
    /// None yet.
    pub fn of(subjects: &[Subject]) -> Self {
        let places = subjects.iter().enumerate();
        Self(places.map(|(place, subject)| Findings::of(place, subject.bytes.len())).collect())
    }

    /// The findings of the file at this place.
    pub fn file(&mut self, place: usize) -> &mut Findings {
        &mut self.0[place]
    }

    /// Adds findings of a file.
    pub fn add(&mut self, found: Findings) {
        let file = found.file;
        self.0[file].merge(found);
    }

    /// The map, without what only the caller knows. `files` is the coverage of alterations of whole files, by
    /// place.
    pub fn finish(self, subjects: &[Subject], files: &[Coverage]) -> Map {
        let mut maps = Vec::new();
        let mut groups: Vec<(Key, Group)> = Vec::new();
        for ((found, subject), of_files) in self.0.into_iter().zip(subjects).zip(files) {
            let mut coverage = subject.coverage();
            coverage.push(of_files.clone());
            let (code, record_index, units) = match &subject.original {
                Ok((original, _)) => (OK, None, original.layout().units.len()),
                Err(refusal) => (refusal.code, refusal.index, 0),
            };
            maps.push(FileMap {
                file: subject.name.clone(),
                kind: subject.kind.name().into(),
                bytes: subject.bytes.len() as u64,
                units: units as u64,
                integrity_code: code.into(),
                record_index,
                coverage,
                strip: found.strip,
            });
            groups.extend(found.groups);
        }
        // The worst first, then by file.
        groups.sort_by(|(a, _), (b, _)| {
            (a.pass, std::cmp::Reverse(a.verdict), a).cmp(&(b.pass, std::cmp::Reverse(b.verdict), b))
        });
        let evidence: Vec<Evidence> = groups
            .into_iter()
            .map(|(key, group)| Evidence {
                file: subjects[key.file].name.clone(),
                fault: key.fault.name().into(),
                part: key.part.into(),
                verdict: key.verdict,
                integrity_code: key.code.into(),
                record_index: group.record_index,
                pass: key.pass,
                semantic_drift: matches!(key.verdict, Verdict::Late | Verdict::Undetected),
                count: group.count,
                first_at: group.at,
                reason: key.reason,
            })
            .collect();
        let is_well = maps.iter().all(|file| file.integrity_code == OK);
        Map {
            schema: SCHEMA.into(),
            sealmark: env!("CARGO_PKG_VERSION").into(),
            started: String::new(),
            folder: String::new(),
            budget_seconds: 0.0,
            seconds: 0.0,
            threads: 0,
            complete: maps.iter().flat_map(|file| &file.coverage).all(|found| found.tried == found.of),
            trials: evidence.iter().map(|one| one.count).sum(),
            pass: is_well && evidence.iter().all(|one| one.pass),
            semantic_drift: evidence.iter().any(|one| one.semantic_drift),
            refused: None,
            left_out: Vec::new(),
            files: maps,
            others: Vec::new(),
            evidence,
        }
    }
}

/// The coverage of alterations of whole files.
pub(super) fn of_files(tried: u64, of: u64) -> Coverage {
    Coverage { aim: FILES.into(), tried, of }
}

/// The verdict on what a reader gave.
const fn verdict(found: &Found) -> Verdict {
    match (found.refusal.is_some(), found.drift) {
        (true, false) => Verdict::Detected,
        (true, true) => Verdict::Late,
        (false, false) => Verdict::Harmless,
        (false, true) => Verdict::Undetected,
    }
}

/// For messages: where an alteration begins, and of which part.
fn place(alteration: &Alteration) -> (u64, &'static str) {
    (alteration.at as u64, alteration.part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(refused: bool, drift: bool) -> Found {
        let refusal = refused.then_some(Refusal { code: "CHECKSUM_MISMATCH", index: Some(7) });
        Found { refusal, drift }
    }

    #[test]
    fn a_flip_that_a_reader_does_not_see_is_a_finding_and_so_is_a_late_refusal() {
        let mut findings = Findings::of(0, 100);
        for (at, refused, drift) in [(10, true, false), (20, false, true), (30, true, true), (5, true, false)]
        {
            findings.count(Kind::Wal, Fault::Flip, at, "key", found(refused, drift));
        }
        let groups: Vec<_> =
            findings.groups.iter().map(|(key, group)| (key.verdict, key.pass, group)).collect();
        let of =
            |verdict| groups.iter().find(|group| group.0 == verdict).map(|(_, pass, group)| (*pass, group));
        let (pass, detected) = of(Verdict::Detected).unwrap();
        assert_eq!((pass, detected.count, detected.at, detected.record_index), (true, 2, 5, Some(7)));
        for verdict in [Verdict::Undetected, Verdict::Late] {
            assert!(of(verdict).is_some_and(|(pass, group)| !pass && group.count == 1), "{verdict:?}");
        }
        assert!(findings.groups.keys().all(|key| key.pass || key.reason.is_some()));
    }

    #[test]
    fn an_alteration_counts_in_the_stretch_where_it_begins_and_merging_adds_up() {
        let mut findings = Findings::of(0, 1_000);
        assert_eq!(findings.strip.len(), STRETCHES);
        for at in [0, 999, 1_000] {
            findings.count(Kind::Wal, Fault::Cut, at, "end", found(true, false));
        }
        findings.merge(findings.clone());
        let counts = [findings.strip[0], findings.strip[STRETCHES - 1]].map(|stretch| stretch.detected);
        assert_eq!(counts, [2, 4], "the end belongs to the last stretch");
        assert_eq!(findings.groups.values().map(|group| group.count).sum::<u64>(), 6);
        assert_eq!(Findings::of(0, 0).strip.len(), 1, "an empty file has a stretch too");
    }

    #[test]
    fn a_forged_version_that_a_reader_ignores_is_a_finding_even_if_the_content_is_the_same() {
        for (kind, part) in [(Kind::Wal, "version"), (Kind::Wal, "op"), (Kind::Table, "footer magic")] {
            for drift in [false, true] {
                let mut findings = Findings::of(0, 100);
                findings.count(kind, Fault::Forge, 4, part, found(false, drift));
                assert!(findings.groups.keys().all(|key| !key.pass && key.reason.is_some()), "{part}");
            }
        }
        let mut findings = Findings::of(0, 100);
        findings.count(Kind::RaftLog, Fault::Copy, 4, "entry", found(false, true));
        assert!(findings.groups.keys().all(|key| !key.pass), "the count tells");
    }
}
