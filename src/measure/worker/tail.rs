//! Tail latencies: quantiles of operations that are timed one by one.
//!
//! A clock reading is off by the clock's grain and by the cost of reading, so an operation must last 20 times
//! as long to be timed alone. A shorter one is reported as below the clock, without a figure. Interruptions
//! of the machine are part of these figures, as they are of a user's latencies. Each operation reuses the
//! buffers of the one before, so it finds them in the caches.

use hdrhistogram::Histogram;

use crate::engine::Engine;
use crate::measure::Workload;
use crate::measure::worker::protocol::Quantiles;
use crate::timing::Clock;

/// Timed operations: enough for several to lie beyond the quantile 0.999.
const OPERATIONS: u64 = 4000;
/// The minimum, for long operations.
const FEWEST: u64 = 1000;
/// The time after which no more than the minimum are timed, in nanoseconds.
const ENOUGH_NS: f64 = 50e6;
/// The minimum length of an operation, as a multiple of the error of a reading.
const VISIBLE: f64 = 20.0;
/// The longest time that the histogram holds, a minute. Longer ones count as that.
const LONGEST_NS: u64 = 60_000_000_000;
/// Significant digits of the histogram.
const DIGITS: u8 = 3;

/// Times operations one by one.
///
/// # Errors
/// What is wrong with the engine, in words.
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
