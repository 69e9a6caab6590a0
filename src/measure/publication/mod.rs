//! Decides whether a run may be published as a baseline. The verdict depends on the run's file alone, so
//! anyone can check it again.
//!
//! A baseline publishes ratios, so the ratios decide: for every seal and open of AES-256-GCM in the usual
//! sizes, the interval of each engine's ratio to the best peer must lie within [`WITHIN`] of its median. No
//! row may lack a time or a process, and no engine may lack a row.
//!
//! Processes take turns, round by round, and take their times from their quietest rounds. The intervals
//! therefore describe how processes differ on a quiet core, not how a busy one would rank the engines.
//!
//! A run for publication starts processes, [`LEAST`] at a time, until the ratios are precise enough, or until
//! [`MOST`] have run. Every process counts; none is discarded. Checking whether to stop could bias the result
//! if the decision depended on which engine is ahead. It depends only on the width of the intervals, so the
//! medians stay unbiased. The intervals become a little too narrow, because the run stops when chance makes
//! them narrow. In the simulation of the tests, with noise at which one run in three is refused, they cover
//! the true ratio at least nine times in ten instead of the nominal 95 in 100; with less noise the loss
//! disappears.

use std::fmt;

use crate::measure::ratio::{best_peer, speed};
use crate::measure::{Row, Run, Suite, Workload};
use crate::timing::Interval;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

/// How far the interval of a ratio may reach from its median, as a fraction of the median.
pub const WITHIN: f64 = 0.03;
/// The smallest number of processes of a baseline.
pub const LEAST: u32 = 12;
/// The largest number of processes that a run for publication starts.
pub const MOST: u32 = 30;
/// The peers that a baseline includes: those of the feature `peers`.
pub const PEERS: [&str; 4] = ["rustcrypto", "ring", "aws-lc", "graviola"];
/// The operations and the algorithm whose ratios decide.
const JUDGED: ([&str; 2], &str) = (["seal", "open"], "aes-256-gcm");

/// How many times as fast a row is as the best peer of its workload.
#[derive(Clone, PartialEq, Debug)]
pub struct Ratio {
    /// The row's workload.
    pub workload: String,
    /// The row's engine.
    pub engine: String,
    /// The best peer.
    pub peer: String,
    /// The peer's time over the row's: the median over processes, and the interval.
    pub interval: Interval,
}

impl Ratio {
    /// The distance of the farther end of the interval from the median, as a fraction of the median.
    pub fn width(&self) -> f64 {
        let Interval { median, low, high, .. } = self.interval;
        (1.0 - low / median).max(high / median - 1.0)
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Interval { median, low, high, .. } = self.interval;
        let [low, high] = [low, high].map(|end| 100.0 * (end / median - 1.0));
        let Self { workload, engine, peer, .. } = self;
        write!(f, "{workload} on {engine}: {median:.2}x {peer}, {low:+.1} % to {high:+.1} %")
    }
}

/// A reason against publishing a run.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Objection {
    /// It ended early or is still running.
    #[error("the run ended before it was done")]
    Partial,
    /// A peer is not among its engines.
    #[error("{0} is missing: build with the feature `peers` and measure every engine")]
    MissingPeer(String),
    /// An environment variable changes what an engine executes.
    #[error("{engine} ran with {variable} set, which changes what it executes: unset it")]
    Steered {
        /// The engine.
        engine: String,
        /// The variable.
        variable: String,
    },
    /// A workload of the quick suite, or an engine's row of a judged one, is missing.
    #[error("{0} has no row: measure the whole quick suite on every engine")]
    NoRow(String),
    /// No peer has a time for a workload.
    #[error("{0} has no time of any peer")]
    NoPeer(String),
    /// A row and that of the best peer come from different processes.
    #[error("{0} has no ratio to the best peer: the two rows come from different processes")]
    Unpaired(String),
    /// A row has no time.
    #[error("{row} has no time: {why}")]
    NoTime {
        /// Its workload and engine.
        row: String,
        /// Why.
        why: String,
    },
    /// A process gave a row no sample.
    #[error("{row} lost {lost} of {all} processes: {why}")]
    Lost {
        /// Its workload and engine.
        row: String,
        /// Processes without a sample.
        lost: usize,
        /// Processes in all.
        all: usize,
        /// Why the first was lost.
        why: String,
    },
    /// Rows have too few processes.
    #[error("{rows} rows have too few processes, {row} only {processes}; a baseline needs at least {LEAST}")]
    TooFew {
        /// The number of such rows.
        rows: usize,
        /// The workload and engine of the one with the fewest.
        row: String,
        /// Its processes.
        processes: usize,
    },
    /// The interval of a ratio is too wide.
    #[error("{0}; at most ±{most:.0} % is allowed", most = 100.0 * WITHIN)]
    Wide(Ratio),
}

/// Whether the ratios of an operation decide on publication: seals and opens of AES-256-GCM.
pub fn is_judged(op: &str, algorithm: &str) -> bool {
    let (ops, judged) = JUDGED;
    ops.contains(&op) && algorithm == judged
}

/// The workloads of a baseline, each with whether its ratios decide.
fn workloads() -> impl Iterator<Item = (&'static Workload, bool)> {
    let judged = |w: &Workload| is_judged(w.op(), &w.algorithm) && w.variant.is_empty();
    Suite::Quick.workloads().map(move |workload| (workload, judged(workload)))
}

/// Every ratio that decides on publication: each engine of each such workload against the best peer.
pub fn ratios(run: &Run) -> Vec<Ratio> {
    let mut found = Vec::new();
    for (workload, _) in workloads().filter(|(_, judged)| *judged) {
        let Some(peer) = best_peer(run, &workload.path) else { continue };
        let rows = run.rows.iter().filter(|row| row.workload == workload.path && row.engine != peer.engine);
        found.extend(rows.filter_map(|row| {
            let interval = speed(run, row, peer)?;
            let [workload, engine, peer] = [&row.workload, &row.engine, &peer.engine].map(Clone::clone);
            Some(Ratio { workload, engine, peer, interval })
        }));
    }
    found
}

/// The ratios whose intervals reach farther than `within` of their medians.
fn wide(run: &Run, within: f64) -> Vec<Ratio> {
    ratios(run).into_iter().filter(|ratio| ratio.width() > within).collect()
}

/// The number of ratios wider than `within`, or 0 if further processes cannot make the run publishable.
pub(in crate::measure) fn left(run: &Run, within: f64) -> usize {
    if flaws(run).is_empty() { wide(run, within).len() } else { 0 }
}

/// The peers that are not among these engines.
pub fn missing_peers<'a>(engines: impl IntoIterator<Item = &'a str>) -> Vec<&'static str> {
    let names: Vec<&str> = engines.into_iter().collect();
    PEERS.into_iter().filter(|peer| !names.contains(peer)).collect()
}

/// Whether a run may be published.
///
/// # Errors
/// Every reason against it.
pub fn judge(run: &Run) -> Result<(), Vec<Objection>> {
    let mut found = flaws(run);
    found.extend(wide(run, WITHIN).into_iter().map(Objection::Wide));
    if found.is_empty() { Ok(()) } else { Err(found) }
}

/// The reasons against a run that further processes would not remove.
fn flaws(run: &Run) -> Vec<Objection> {
    // The other flaws of such a run follow from this one.
    if run.partial {
        return vec![Objection::Partial];
    }
    let mut found = Vec::new();
    let missing = missing_peers(run.engines.iter().map(|engine| engine.name.as_str()));
    found.extend(missing.into_iter().map(|peer| Objection::MissingPeer(peer.to_owned())));
    let able: Vec<_> = run.engines.iter().filter(|engine| engine.unavailable.is_none()).collect();
    found.extend(able.iter().flat_map(|engine| {
        let of_engine = |variable: &crate::host::Variable| Objection::Steered {
            engine: engine.name.clone(),
            variable: variable.name.clone(),
        };
        engine.environment.iter().map(of_engine)
    }));
    for (workload, judged) in workloads() {
        let path = &workload.path;
        let mut rows = run.rows.iter().filter(|row| row.workload == *path);
        if !judged {
            if rows.next().is_none() {
                found.push(Objection::NoRow(path.clone()));
            }
            continue;
        }
        let has_row = |engine: &str| rows.clone().any(|row| row.engine == engine);
        let without = able.iter().filter(|engine| !has_row(&engine.name));
        found.extend(without.map(|engine| Objection::NoRow(format!("{path} on {}", engine.name))));
        match best_peer(run, path) {
            None => found.push(Objection::NoPeer(path.clone())),
            Some(peer) => {
                let unpaired = rows.filter(|row| flaw(row).is_none() && speed(run, row, peer).is_none());
                found.extend(unpaired.map(|row| Objection::Unpaired(name(row))));
            }
        }
    }
    found.extend(run.rows.iter().filter_map(flaw));
    found.extend(too_few(run));
    found
}

fn name(row: &Row) -> String {
    format!("{} on {}", row.workload, row.engine)
}

/// What is wrong with a row, whatever its interval.
fn flaw(row: &Row) -> Option<Objection> {
    let (name, timed) = (name(row), row.samples.len());
    if let Some(why) = &row.error {
        return Some(Objection::NoTime { row: name, why: why.clone() });
    }
    if let Some(why) = row.lost.first() {
        let (lost, why) = (row.lost.len(), why.clone());
        return Some(Objection::Lost { row: name, lost, all: lost + timed, why });
    }
    if row.ns.is_none() || !row.samples.iter().all(|ns| ns.is_finite() && *ns > 0.0) {
        return Some(Objection::NoTime { row: name, why: "the file holds none".into() });
    }
    None
}

/// All rows with too few processes, as one objection: where one has too few, often all have.
fn too_few(run: &Run) -> Option<Objection> {
    let short = |row: &&Row| row.error.is_none() && row.samples.len() < LEAST as usize;
    let fewest = run.rows.iter().filter(short).min_by_key(|row| row.samples.len())?;
    let (rows, processes) = (run.rows.iter().filter(short).count(), fewest.samples.len());
    Some(Objection::TooFew { rows, row: name(fewest), processes })
}
