//! `replay`: reading a whole log in memory: every check of every record, which is handed on without a copy of
//! its value. The sealed log is opened in a copy of its file, and its head is read first.
//!
//! A pass replays one log of `count` records that another engine sealed; each operation stores the two ends
//! of its value, and a reset zeros them. The check also replays the log once more and compares the values.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use super::disks::Held;
use super::fixture::{DIR, Mode, Rows, default_count, key, other_key, written};
use crate::aead::TAG_LEN;
use crate::disk::Disk;
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::kind::{Kind, Scope, Subject};
use crate::scheme::log::sealed::{self, Item, LogKey, Options};
use crate::scheme::log::wal::{Reader, Tail};
use crate::timing::Timed;

/// Replays a log of that mode.
pub(super) struct Replay(pub Mode);

impl Kind for Replay {
    fn name(&self) -> &'static str {
        "replay"
    }

    fn subject(&self) -> Subject {
        self.0.subject()
    }

    fn prepare(
        &self,
        workload: &Workload,
        engine: &'static dyn Engine,
        count: usize,
    ) -> Result<Box<dyn Timed>, Error> {
        Ok(Box::new(replays(self.0, workload, engine, count)?))
    }

    fn scope(&self) -> Scope {
        self.0.scope()
    }

    fn default_count(&self, workload: &Workload) -> usize {
        default_count(workload.bytes)
    }

    fn opens(&self) -> bool {
        self.0 == Mode::Sealed
    }
}

/// What is replayed.
enum Source {
    Checked(Vec<u8>),
    Sealed { disk: Arc<dyn Disk>, key: LogKey },
}

struct Replays {
    source: Source,
    held: Held,
    rows: Rows,
    ends: Vec<Ends>,
    why: Result<(), String>,
}

/// A value's length, its first bytes and its last ones, or zeros for a shorter value.
type Ends = (usize, [u8; 8], [u8; 8]);

#[inline]
fn ends(value: &[u8]) -> Ends {
    let (first, last) = (value.first_chunk(), value.last_chunk());
    (value.len(), first.copied().unwrap_or_default(), last.copied().unwrap_or_default())
}

fn replays(
    mode: Mode,
    workload: &Workload,
    engine: &'static dyn Engine,
    count: usize,
) -> Result<Replays, Error> {
    let rows = Rows::new(workload, count);
    let held = written(mode, &other_key(engine), &rows)?;
    let source = Source::of(mode, &held, engine);
    Ok(Replays { source, held, rows, ends: vec![Ends::default(); count], why: Ok(()) })
}

impl Source {
    fn of(mode: Mode, held: &Held, engine: &'static dyn Engine) -> Self {
        match mode {
            Mode::Checked => Self::Checked(held.0.values().next().cloned().unwrap_or_default()),
            Mode::Sealed => Self::Sealed { disk: Arc::new(held.clone()), key: key(engine) },
        }
    }

    /// Gives each value to `each`.
    fn replay(&self, each: &mut dyn FnMut(&[u8])) -> Result<(), String> {
        match self {
            Self::Checked(bytes) => {
                let mut reader = Reader::of_bytes(bytes, Tail::Strict);
                while let Some(record) = reader.next().map_err(|error| error.to_string())? {
                    each(record.value);
                }
                Ok(())
            }
            Self::Sealed { disk, key } => {
                let mut each = |item: Item<'_>| {
                    if let Item::Record(record) = item {
                        each(record.value);
                    }
                };
                let read = sealed::check(disk, Path::new(DIR), key, &Options::default(), &mut each);
                read.map(drop).map_err(|error| error.to_string())
            }
        }
    }
}

impl Timed for Replays {
    fn reset(&mut self) {
        self.ends.fill(Ends::default());
        self.why = Err("it was not replayed".into());
    }

    fn run(&mut self) {
        let mut free = self.ends.iter_mut();
        self.why = black_box(&self.source).replay(&mut |value| {
            if let Some(place) = free.next() {
                *place = ends(value);
            }
        });
        black_box(&self.ends);
    }

    fn count(&self) -> u64 {
        self.rows.0.len() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        self.why.clone().map_err(|why| format!("a record was refused, by {why}"))?;
        let mut found = Vec::new();
        self.source.replay(&mut |value| found.push(value.to_vec()))?;
        if found.len() != self.rows.0.len() {
            return Err(format!("{} records were read of {}", found.len(), self.rows.0.len()));
        }
        for (i, (_, value)) in self.rows.0.iter().enumerate() {
            if self.ends[i] != ends(value) || found[i] != *value {
                return Err(format!("record {i} is not the one that was appended"));
            }
        }
        Ok(())
    }

    fn refuse_forgery(&mut self) -> Result<(), String> {
        let mut forged = self.held.clone();
        let log = forged.0.iter_mut().find(|(path, _)| path.extension().is_some_and(|name| name == "wal"));
        let (_, bytes) = log.ok_or("there is no log")?;
        // In the last record's text or value: a forged last tag would differ from the head's, whatever the
        // engine says.
        *bytes.iter_mut().nth_back(TAG_LEN).ok_or("the log is empty")? ^= 1;
        let (forged, refusal) = match &self.source {
            Source::Checked(_) => (Source::Checked(bytes.clone()), "CHECKSUM_MISMATCH"),
            Source::Sealed { key, .. } => {
                (Source::Sealed { disk: Arc::new(forged), key: key.clone() }, "not authentic")
            }
        };
        match forged.replay(&mut |_| {}) {
            Err(why) if why.contains(refusal) => Ok(()),
            Err(why) => Err(format!("a forged record is refused as something else: {why}")),
            Ok(()) => Err("a forged record is opened".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::measure::workload::catalog;
    use crate::measure::workload::testing::{self, Broken, Fault, pass};

    fn of(mode: Mode, engine: &'static dyn Engine, bytes: usize, count: usize) -> Box<dyn Timed> {
        let workload = catalog::find(&format!("replay/{}/4096", mode.name())).unwrap().clone();
        Replay(mode).prepare(&Workload { bytes, ..workload }, engine, count).unwrap()
    }

    #[test]
    fn every_engine_replays_records_of_any_length() {
        for mode in [Mode::Checked, Mode::Sealed] {
            let make = |engine, bytes, count| of(mode, engine, bytes, count);
            assert!(testing::right_at_every_length(&[1, 1000, 300_000], 3, make) >= 3);
            assert_eq!(of(mode, find("sealmark").unwrap(), 100, 3).refuse_forgery(), Ok(()));
        }
    }

    #[test]
    fn a_wrong_engine_and_work_that_was_not_done_are_caught() {
        testing::caught(&[Fault::DoesNothing], |engine| of(Mode::Sealed, engine, 100, 2));
        let mut accepts = of(Mode::Sealed, Broken::with(Fault::AcceptsAnything), 100, 2);
        assert!(accepts.refuse_forgery().is_err_and(|why| why.contains("is opened")));
        for mode in [Mode::Checked, Mode::Sealed] {
            let mut timed = of(mode, find("sealmark").unwrap(), 100, 2);
            assert!(pass(&mut *timed).is_ok());
            timed.reset();
            assert!(timed.check().is_err_and(|why| why.contains("it was not replayed")), "{mode:?}");
        }
        let workload = catalog::find("replay/log/checked/4096").unwrap();
        let mut timed = replays(Mode::Checked, workload, find("sealmark").unwrap(), 2).unwrap();
        for left in testing::removed(&timed.ends.clone(), &Ends::default()) {
            assert_eq!(pass(&mut timed), Ok(()));
            timed.ends = left;
            assert!(timed.check().is_err_and(|why| why.contains("is not the one")));
        }
    }
}
