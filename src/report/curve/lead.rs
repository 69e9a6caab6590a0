//! The fastest engine at a message size, and by how much.
//!
//! Two engines of a run are compared by the ratios of their samples, process by process: both ran in the same
//! rounds, so a ratio holds where the times themselves move. The lead is too close to call where the interval
//! of that ratio reaches 1; where a row lost a process, where the intervals of the two times overlap.

use crate::measure::ratio::{Behind, is_own};
use crate::measure::{Estimate, Row, Run};
use crate::report::number::plain;
use crate::report::rows::{has_throughput, time};

/// The fastest engine at a size.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::report) struct Lead {
    /// The operation: `seal`.
    pub op: String,
    /// `aes-256-gcm`.
    pub algorithm: String,
    /// The message's bytes.
    pub bytes: u64,
    /// The engine with the least median time.
    pub engine: String,
    /// Its nanoseconds for a message.
    pub ns: f64,
    /// Its speed; absent for a latency, and where there is no message.
    pub gb_per_s: Option<f64>,
    /// How much of the CPU's limit it reaches, in percent; absent where the limit is unknown.
    pub percent: Option<f64>,
    /// The other engines, the fastest first.
    pub others: Vec<Rival>,
    /// Engines that have a row there and no time.
    pub failed: Vec<String>,
}

/// An engine beside the fastest.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::report) struct Rival {
    /// Its name.
    pub engine: String,
    /// Its speed; absent for a latency, and where there is no message.
    pub gb_per_s: Option<f64>,
    /// How many times its time is that of the fastest.
    pub ratio: f64,
    /// Whether the difference is too small for this run to tell.
    pub close: bool,
}

impl Lead {
    /// The lead among the rows of one workload; none where no row has a time.
    pub fn of(run: &Run, rows: &[&Row]) -> Option<Self> {
        let mut timed: Vec<_> = rows.iter().filter_map(|row| Some((*row, time(row)?))).collect();
        timed.sort_by(|a, b| a.1.median.total_cmp(&b.1.median));
        let (best, ns) = *timed.first()?;
        let speed = |row: &Row, median: f64| has_throughput(row).then(|| row.bytes as f64 / median);
        let rival = |(row, other): &(&Row, Estimate)| {
            let Behind { ratio, close } = Behind::of(run, row, best)?;
            Some(Rival { engine: plain(&row.engine), gb_per_s: speed(row, other.median), ratio, close })
        };
        Some(Self {
            op: plain(&best.op),
            algorithm: plain(&best.algorithm),
            bytes: best.bytes,
            engine: plain(&best.engine),
            ns: ns.median,
            gb_per_s: speed(best, ns.median),
            percent: best.limit.as_ref().map(|limit| limit.percent).filter(|percent| percent.is_finite()),
            others: timed[1..].iter().filter_map(rival).collect(),
            failed: rows.iter().filter(|row| time(row).is_none()).map(|row| plain(&row.engine)).collect(),
        })
    }

    /// Engines that this run cannot tell from the fastest.
    pub fn close(&self) -> impl Iterator<Item = &Rival> {
        self.others.iter().filter(|rival| rival.close)
    }

    /// The fastest engine that is none of ours; absent where the fastest is that, or where no peer has a
    /// time.
    pub fn best_peer(&self) -> Option<&Rival> {
        self.others.iter().find(|rival| !is_own(&rival.engine)).filter(|_| is_own(&self.engine))
    }

    /// Whether the fastest stands clear of at least one other engine and of all that have a time.
    pub fn is_clear(&self) -> bool {
        !self.others.is_empty() && self.close().next().is_none()
    }
}
