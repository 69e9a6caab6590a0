//! How long the slowest of single operations take: quantiles of operations that are timed one by one.
//!
//! One reading of the clock is off by its grain and by what reading costs, so an operation must last 20 times
//! that to be timed alone; a shorter one is said to be below the clock, which is no figure. What interrupts
//! the machine is in these figures, as it is in what a user sees. Each operation finds the buffers of the one
//! before, in the caches.

use hdrhistogram::Histogram;

use crate::engine::Engine;
use crate::measure::Workload;
use crate::measure::worker::protocol::Quantiles;
use crate::timing::Clock;

/// Operations that are timed: enough for the quantile 0.999 to be one of several.
const OPERATIONS: u64 = 4000;
/// The fewest, when they take long.
const FEWEST: u64 = 1000;
/// When no more than the fewest are made, in nanoseconds.
const ENOUGH_NS: f64 = 50e6;
/// How many times what a reading may be off by an operation must last.
const VISIBLE: f64 = 20.0;
/// What counts as that long if it took longer: a minute.
const LONGEST_NS: u64 = 60_000_000_000;
/// Significant digits of the histogram.
const DIGITS: u8 = 3;

/// Times operations one by one.
///
/// # Errors
/// What is wrong with the engine, for a person to read.
pub(in crate::measure) fn quantiles(
    workload: &Workload,
    engine: &'static dyn Engine,
    clock: &Clock,
) -> Result<Quantiles, String> {
    let mut batch = workload.prepare(engine, 1).map_err(|e| e.to_string())?;
    let mut histogram =
        Histogram::<u64>::new_with_bounds(1, LONGEST_NS, DIGITS).map_err(|e| e.to_string())?;
    let mut spent_ns = 0.0;
    while histogram.len() < FEWEST || (histogram.len() < OPERATIONS && spent_ns < ENOUGH_NS) {
        batch.reset();
        let ns = clock.time(|| batch.run());
        spent_ns += ns;
        histogram.saturating_record(ns.round() as u64);
    }
    batch.check().map_err(|why| format!("wrong after it was timed alone: {why}"))?;
    let quantile = |q| histogram.value_at_quantile(q) as f64;
    if quantile(0.5) < VISIBLE * clock.error_ns() {
        return Ok(Quantiles::Below);
    }
    Ok(Quantiles::Ns([0.5, 0.99, 0.999].map(quantile)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::measure::workload::catalog;
    use crate::measure::workload::testing::{Broken, Fault};

    fn of(path: &str, engine: &'static dyn Engine, error_ns: f64) -> Result<Quantiles, String> {
        let clock = Clock { grain_ns: error_ns, overhead_ns: 0.0 };
        quantiles(catalog::find(path).unwrap(), engine, &clock)
    }

    #[test]
    fn quantiles_rise_and_a_short_operation_is_below_the_clock() {
        let found = of("seal/aes-256-gcm/65536", find("sealmark").unwrap(), 1.0);
        let Ok(Quantiles::Ns([p50, p99, p999])) = found else {
            panic!("64 KiB take longer than 20 ns: {found:?}")
        };
        assert!(p50 >= 20.0 && p50 <= p99 && p99 <= p999, "{p50} {p99} {p999}");
        assert_eq!(of("seal/aes-256-gcm/4096", find("sealmark").unwrap(), 1e9), Ok(Quantiles::Below));
    }

    #[test]
    fn a_wrong_engine_has_no_quantiles() {
        assert!(of("seal/aes-256-gcm/4096", Broken::with(Fault::FlipsTag), 1.0).is_err());
    }
}
