//! An interval for a median from order statistics: no distribution is assumed.
//!
//! Of n independent samples, the number below the true median is binomial (n, 1/2). The median therefore lies
//! between the k-th smallest and the k-th largest with a probability that depends only on n and k (David and
//! Nagaraja, Order Statistics, 7.1). Not here: a bootstrap, which overstates its coverage at five or twelve
//! samples.

/// A median and the interval around it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Interval {
    /// The samples' median.
    pub median: f64,
    /// The lower order statistic.
    pub low: f64,
    /// The upper order statistic.
    pub high: f64,
    /// The probability with which `low..=high` covers the true median.
    pub coverage: f64,
}

/// The coverage that an interval aims for.
pub const WANTED: f64 = 0.95;

impl Interval {
    /// The narrowest symmetric pair of order statistics with a coverage of at least [`WANTED`]; if no pair
    /// reaches it, smallest to largest. `None` without samples.
    pub fn of(samples: &[f64]) -> Option<Self> {
        let median = median(samples)?;
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let rank = rank(sorted.len());
        Some(Self {
            median,
            low: sorted[rank - 1],
            high: sorted[sorted.len() - rank],
            coverage: pair_coverage(sorted.len(), rank),
        })
    }
}

/// The middle sample, or the mean of the two in the middle. `None` without samples.
pub fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

/// The coverage of the interval that [`Interval::of`] gives for `n` samples: 1 - 2^(1-n) up to eight of them
/// (smallest to largest: 0.938 for five), at least [`WANTED`] from six on: 0.961 for twelve, third smallest
/// to third largest. Zero for none.
pub fn coverage(n: usize) -> f64 {
    if n == 0 { 0.0 } else { pair_coverage(n, rank(n)) }
}

/// The largest k for which the k-th smallest and k-th largest of `n` reach [`WANTED`]; 1 if none does.
fn rank(n: usize) -> usize {
    (1..=n.div_ceil(2)).rev().find(|&k| pair_coverage(n, k) >= WANTED).unwrap_or(1)
}

/// The probability that the true median lies between the k-th smallest and the k-th largest of `n`:
/// 1 - 2 P(binomial(n, 1/2) < k). Zero for a single sample.
fn pair_coverage(n: usize, k: usize) -> f64 {
    // Term i is C(n, i) / 2^n, computed from the previous one.
    let mut term = 0.5_f64.powi(i32::try_from(n).unwrap_or(i32::MAX));
    let mut below = 0.0;
    for i in 0..k {
        below += term;
        term *= (n - i) as f64 / (i + 1) as f64;
    }
    (1.0 - 2.0 * below).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P(binomial(n, 1/2) < k) by counting all 2^n outcomes.
    fn counted(n: usize, k: usize) -> f64 {
        let below = (0_u32..1 << n).filter(|outcome| (outcome.count_ones() as usize) < k).count();
        below as f64 / f64::from(1_u32 << n)
    }

    #[test]
    fn smallest_to_largest_covers_all_but_two_outcomes() {
        assert_eq!(coverage(3), 0.75);
        assert_eq!(coverage(7), 0.984_375);
        assert!((coverage(12) - 0.961).abs() < 0.001);
        for n in 1..=8 {
            assert!((coverage(n) - (1.0 - 0.5_f64.powi(n as i32 - 1))).abs() < 1e-12, "{n}");
        }
        assert_eq!(coverage(0), 0.0);
    }

    #[test]
    fn coverage_is_the_binomials() {
        for n in 1..=16_usize {
            for k in 1..=n.div_ceil(2) {
                let expected = (1.0 - 2.0 * counted(n, k)).max(0.0);
                assert!((pair_coverage(n, k) - expected).abs() < 1e-12, "n {n} k {k}");
            }
        }
    }

    #[test]
    fn the_pair_is_the_narrowest_that_reaches_95_percent() {
        for n in 6..=40_usize {
            let k = rank(n);
            assert!(pair_coverage(n, k) >= WANTED, "{n}");
            assert!(k == n.div_ceil(2) || pair_coverage(n, k + 1) < WANTED, "{n}");
        }
        assert_eq!(rank(9), 2);
        assert_eq!(rank(25), 8);
    }

    #[test]
    fn five_samples_cannot_reach_95_percent_and_say_so() {
        assert_eq!(rank(5), 1);
        assert!(coverage(5) < WANTED);
    }

    #[test]
    fn order_of_samples_does_not_matter() {
        let interval = Interval::of(&[3.0, 1.0, 2.0]).unwrap();
        assert_eq!(interval, Interval { median: 2.0, low: 1.0, high: 3.0, coverage: 0.75 });
        let nine: Vec<f64> = (1..=9).rev().map(f64::from).collect();
        let interval = Interval::of(&nine).unwrap();
        assert_eq!((interval.median, interval.low, interval.high), (5.0, 2.0, 8.0));
        assert_eq!(Interval::of(&[]), None);
        assert_eq!(median(&[1.0, 4.0, 2.0, 3.0]), Some(2.5));
    }
}
