//! The answer that a section gives: which engines are right here, which one is fastest for short and for long
//! messages, how far that is from the CPU's limit, and what is uncertain.
//!
//! Pure data and the sentences made of it. The terminal's screen and the page draw the same answer, so they
//! cannot disagree. Not here: failures, which are `finding`, and the tables, which are `table`.

mod engine;
mod executed;
mod lead;
mod sentence;

use super::curve::Lead;
use super::number::plain;
use super::rows::{distinct, time};
use super::section::Section;
use super::tally;
use crate::measure::{self, Estimate};

pub(super) use engine::{EngineAnswer, Standing};
pub(super) use executed::{Found, SHORT, found};
pub(super) use lead::{ALGORITHM, leads_among};

/// What a section answers.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Answer {
    /// The CPU's name.
    pub cpu: String,
    /// Every engine that the files list, in their order.
    pub engines: Vec<EngineAnswer>,
    /// Cases that use no cipher, and how many of them are wrong; absent where none ran.
    pub without_engine: Option<Cases>,
    /// All cases of the sets in which at least one ran; absent without a verification.
    pub cases: Option<Cases>,
    /// The fastest engine for short messages: at 64 B, or else at the size nearest to that below 1 KiB.
    pub short: Option<Lead>,
    /// The fastest engine for long messages: at 16 KiB, or else at the size nearest to that from 1 KiB on.
    pub long: Option<Lead>,
    /// Time of one key setup by engine, the fastest first: AES-256-GCM, or the first algorithm measured.
    pub keys: Vec<(String, Estimate)>,
    /// What makes the numbers less certain, one sentence each. Failures are not among them.
    pub unsure: Vec<String>,
}

/// Cases that ran, and how many of them came out wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Cases {
    pub ran: u64,
    pub wrong: u64,
}

impl Section {
    /// Its answer.
    pub(super) fn answer(&self) -> Answer {
        let verify = self.verify.as_ref();
        let engines = engine::answers(self);
        let [short, long] = self.bench.as_ref().map_or([None, None], lead::leads);
        Answer {
            cpu: plain(&self.host.cpu),
            without_engine: verify.and_then(engine::without_engine),
            cases: verify.map(|report| Cases { ran: tally::cases(report), wrong: tally::wrong(report) }),
            short,
            long,
            keys: self.bench.as_ref().map(keys).unwrap_or_default(),
            unsure: unsure(self, &engines),
            engines,
        }
    }
}

impl Answer {
    /// Engines that can run here and took part.
    pub fn present(&self) -> impl Iterator<Item = &EngineAnswer> {
        self.engines.iter().filter(|engine| !matches!(engine.standing, Standing::Absent { .. }))
    }

    /// Engines that verification found right.
    pub fn right(&self) -> usize {
        self.engines.iter().filter(|engine| matches!(engine.standing, Standing::Right { .. })).count()
    }

    /// Engines that verification found wrong, or that failed it otherwise.
    pub fn wrong(&self) -> usize {
        self.engines.iter().filter(|engine| matches!(engine.standing, Standing::Wrong { .. })).count()
    }
}

/// Key setup of one algorithm, the fastest engine first.
fn keys(run: &measure::Run) -> Vec<(String, Estimate)> {
    let all = || run.rows.iter().filter(|row| row.op == "key" && time(row).is_some());
    let preferred = all().find(|row| row.algorithm == ALGORITHM).or_else(|| all().next());
    let Some(algorithm) = preferred.map(|row| row.algorithm.as_str()) else { return Vec::new() };
    let of_it = all().filter(|row| row.algorithm == algorithm);
    let mut keys: Vec<_> = of_it.filter_map(|row| Some((plain(&row.engine), time(row)?))).collect();
    keys.sort_by(|a, b| a.1.median.total_cmp(&b.1.median));
    keys
}

/// What the run and the verification warn of, and engines that were not traced.
fn unsure(section: &Section, engines: &[EngineAnswer]) -> Vec<String> {
    let mut found = section.bench.as_ref().map(measure::warnings).unwrap_or_default();
    found.extend(section.verify.as_ref().map(|report| report.warnings()).unwrap_or_default());
    let unseen: Vec<(&str, &str)> = engines
        .iter()
        .filter_map(|engine| Some((engine.name.as_str(), engine.executed.as_ref().err()?.as_str())))
        .collect();
    for why in distinct(unseen.iter().map(|(_, why)| *why)) {
        let names: Vec<&str> =
            unseen.iter().filter(|(_, other)| *other == why).map(|(name, _)| *name).collect();
        let names = if names.len() > 3 { format!("{} engines", names.len()) } else { names.join(", ") };
        found.push(format!("no trace of what {names} executed: {why}"));
    }
    distinct(found.iter().map(|words| plain(words)))
}

#[cfg(test)]
mod tests;
