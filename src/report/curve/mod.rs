//! Curves: one operation over several message sizes, in GB/s or in percent of what the CPU can do; or a
//! latency in nanoseconds, which is drawn only as such a percentage.
//!
//! Speeds are computed here from the nanoseconds, so a speed and its interval always fit together. Not here:
//! drawing them, which is `figure`.

mod lead;

pub(super) use lead::{Lead, Rival};

use crate::measure::{Row, Run};
use crate::report::number::{capital, count, plain, slug};
use crate::report::rows::{distinct, engines_of, is_usual, operation, time, workload};

/// The size that a sentence speaks of, where it was measured.
pub(super) const USUAL_SIZE: u64 = 16 * 1024;

/// One operation of one algorithm over several message sizes.
#[derive(Clone, Debug)]
pub(super) struct Curve<'a> {
    /// The run, whose other rows say which processes are missing.
    pub run: &'a Run,
    /// `seal`, `open`, `latency/seal`.
    pub op: &'a str,
    /// `aes-256-gcm`.
    pub algorithm: &'a str,
    /// Sizes, ascending.
    pub sizes: Vec<u64>,
    /// Engines, in the order of the run.
    pub engines: Vec<&'a str>,
    /// The unit in which it is drawn.
    pub unit: Unit,
    /// Every row of it.
    pub rows: Vec<&'a Row>,
}

/// The unit of a curve.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unit {
    /// Decimal gigabytes of message a second.
    Throughput,
    /// Percent of the CPU's limit: the least possible time over the measured one.
    Limit,
}

impl Unit {
    /// As an axis says it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Throughput => "GB/s",
            Self::Limit => "%",
        }
    }
}

/// A speed in GB/s and its interval.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Speed {
    /// At the median.
    pub median: f64,
    /// At the slow end.
    pub low: f64,
    /// At the quick end.
    pub high: f64,
}

impl<'a> Curve<'a> {
    /// The row of an engine at a size.
    pub fn row(&self, engine: &str, bytes: u64) -> Option<&Row> {
        self.rows.iter().find(|row| row.engine == engine && row.bytes == bytes).copied()
    }

    /// The rows at a size.
    pub fn rows_at(&self, bytes: u64) -> impl Iterator<Item = &'a Row> {
        self.rows.iter().copied().filter(move |row| row.bytes == bytes)
    }

    /// The value drawn for an engine at a size; none without a time, or without a limit.
    pub fn value(&self, engine: &str, bytes: u64) -> Option<Speed> {
        match self.unit {
            Unit::Throughput => self.speed(engine, bytes),
            Unit::Limit => percent(self.row(engine, bytes)?),
        }
    }

    /// The same in percent of the CPU's limit, where that is known.
    pub fn of_limit(&self) -> Option<Curve<'a>> {
        let known = self.rows.iter().any(|row| percent(row).is_some());
        known.then(|| Curve { unit: Unit::Limit, ..self.clone() })
    }

    /// The speed of an engine at a size; none without a time.
    pub fn speed(&self, engine: &str, bytes: u64) -> Option<Speed> {
        let ns = time(self.row(engine, bytes)?)?;
        let bytes = bytes as f64;
        Some(Speed { median: bytes / ns.median, low: bytes / ns.high, high: bytes / ns.low })
    }

    /// Whether an engine has a row at a size and no time.
    pub fn has_failed(&self, engine: &str, bytes: u64) -> bool {
        self.row(engine, bytes).is_some_and(|row| time(row).is_none())
    }

    /// The identifier of its tables and pictures: `seal-aes-256-gcm`, `latency-seal-aes-256-gcm`.
    pub fn id(&self) -> String {
        let prefix = if self.unit == Unit::Limit { "limit-" } else { "" };
        slug(&format!("{prefix}{}-{}", self.op, self.algorithm))
    }

    /// The name as a heading: `Seal, aes-256-gcm`.
    pub fn title(&self) -> String {
        let words = capital(&operation(self.op));
        let unit = if self.unit == Unit::Limit { ": percent of this CPU's limit" } else { "" };
        format!("{words}, {}{unit}", self.algorithm)
    }

    /// Whether its calls wait for each other, so that its times give no throughput.
    pub fn is_latency(&self) -> bool {
        self.rows.iter().any(|row| row.is_latency())
    }

    /// A sentence on batches, to follow others; empty where there are none.
    pub fn batches(&self) -> String {
        let sizes = || self.rows.iter().filter_map(|row| row.batch);
        let messages = match (sizes().min(), sizes().max()) {
            (Some(low), Some(high)) if low < high => format!("{} to {}", count(low), count(high)),
            (Some(n), _) => count(n),
            (None, _) => return String::new(),
        };
        format!(
            " {messages} messages go to the engine at once; a time is one message's share, that of making \
             the list included."
        )
    }

    /// The fastest engine at a size; none where no engine has a time.
    pub fn lead(&self, bytes: u64) -> Option<Lead> {
        Lead::of(self.run, &self.rows_at(bytes).collect::<Vec<_>>())
    }

    /// The size that a sentence speaks of: 16 KiB, or else the largest.
    pub fn usual_size(&self) -> Option<u64> {
        if self.sizes.contains(&USUAL_SIZE) { Some(USUAL_SIZE) } else { self.sizes.last().copied() }
    }

    /// The fastest engine at a size, where there are others and the run can tell it from all of them.
    pub fn clear(&self, bytes: u64) -> Option<&str> {
        let lead = self.lead(bytes).filter(Lead::is_clear)?;
        self.engines.iter().copied().find(|engine| plain(engine) == lead.engine)
    }
}

/// The bound's cycles in percent of the measured ones.
fn percent(row: &Row) -> Option<Speed> {
    time(row)?;
    let (limit, cycles) = (row.limit.as_ref()?, row.cycles?);
    let of = |cycles: f64| 100.0 * limit.bound.cycles / cycles;
    let usable = [cycles.median, cycles.low, cycles.high].into_iter().all(|x| x.is_finite() && x > 0.0);
    usable.then(|| Speed { median: of(cycles.median), low: of(cycles.high), high: of(cycles.low) })
}

/// Operations measured at two message sizes or more, in the order of the run.
pub(super) fn curves(run: &Run) -> Vec<Curve<'_>> {
    let usual = run.rows.iter().filter(|row| is_usual(row));
    let names = distinct(usual.map(|row| (row.op.as_str(), row.algorithm.as_str())));
    let curve = |(op, algorithm)| {
        let rows = rows_of(run, op, algorithm);
        let mut sizes = distinct(rows.iter().map(|row| row.bytes));
        sizes.sort_unstable();
        Curve { run, op, algorithm, sizes, engines: engines_of(run, &rows), unit: Unit::Throughput, rows }
    };
    names.into_iter().map(curve).filter(|curve| curve.sizes.len() > 1).collect()
}

/// The rows of an operation as such: one workload for each size. Where a file has two that the catalog cannot
/// tell apart, for it knows neither, the first is taken.
pub(super) fn rows_of<'a>(run: &'a Run, op: &str, algorithm: &str) -> Vec<&'a Row> {
    let usual = |row: &&Row| row.op == op && row.algorithm == algorithm && is_usual(row);
    let rows: Vec<&Row> = run.rows.iter().filter(usual).collect();
    let at = |bytes: u64| rows.iter().copied().filter(move |row| row.bytes == bytes);
    let chosen = |bytes| at(bytes).find(|row| workload(row).is_some()).or_else(|| at(bytes).next());
    let is_chosen = |row: &&&Row| chosen(row.bytes).is_some_and(|one| one.workload == row.workload);
    rows.iter().filter(is_chosen).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn by_hand(rows: Vec<Row>) -> Run {
        Run { rows, ..sample::run() }
    }

    #[test]
    fn only_operations_at_several_sizes_are_curves() {
        let run = sample::run();
        let curves = curves(&run);
        let names: Vec<_> = curves.iter().map(|curve| (curve.op, curve.algorithm)).collect();
        assert_eq!(names, [("seal", "aes-256-gcm"), ("open", "aes-256-gcm")]);
        assert_eq!(curves[0].sizes, sample::SIZES);
        assert_eq!(curves[0].engines, sample::ENGINES);
    }

    #[test]
    fn a_variant_is_in_no_curve_whether_the_catalog_knows_it_or_not() {
        let row = |bytes, suffix: &str| {
            let mut row = sample::row("seal", "aes-256-gcm", bytes, "ring", &[bytes as f64]);
            row.workload += suffix;
            row
        };
        let known = by_hand(vec![row(1024, "/as-in-a-record"), row(1024, ""), row(64, "")]);
        let paths = |run: &Run| {
            let curve = &curves(run)[0];
            curve.rows.iter().map(|row| row.workload.clone()).collect::<Vec<_>>()
        };
        assert_eq!(paths(&known), ["seal/aes-256-gcm/1024", "seal/aes-256-gcm/64"]);
        let unknown = by_hand(vec![row(1024, "/in-L9"), row(1024, ""), row(77, ""), row(77, "/in-L9")]);
        assert_eq!(paths(&unknown), ["seal/aes-256-gcm/1024", "seal/aes-256-gcm/77"]);
    }

    #[test]
    fn a_speed_and_its_interval_come_from_the_nanoseconds() {
        let run = by_hand(vec![
            sample::row("seal", "a", 1000, "ring", &[100.0, 80.0, 125.0]),
            sample::row("seal", "a", 2000, "ring", &[100.0]),
        ]);
        let curve = &curves(&run)[0];
        assert_eq!(curve.speed("ring", 1000), Some(Speed { median: 10.0, low: 8.0, high: 12.5 }));
        assert_eq!(curve.speed("ring", 4000), None);
    }
}
