//! The decision rule: from the pairs of one workload to a verdict.
//!
//! A pair of fresh processes, one of the base and one of the head, gives one estimate: the logarithm of the
//! head's time over the base's. Pairs are independent, so the order statistics of their estimates enclose the
//! true median with a probability that only their number decides, whatever the noise looks like (David and
//! Nagaraja, Order Statistics, 7.1). The chance of a false verdict is spread evenly over the workloads, the
//! looks at the growing number of pairs, and the two sides.
//!
//! Not here: what the median misses. A slowdown that hits fewer than a quarter of the slices does not move a
//! pair's estimate, and an effect equal to the margin is found half of the time.

use serde::{Deserialize, Serialize};

/// What the gate says about a workload, or about all of them.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The head takes less time, by at least the margin.
    Faster,
    /// The head executes the same instructions, or takes the same time within twice the margin.
    Same,
    /// The head takes more time, by at least the margin.
    Slower,
    /// The pairs do not decide.
    Unsure,
}

/// Numbers of pairs at which a workload is judged.
pub const LOOKS: [usize; 3] = [32, 96, 288];
/// One more look, where the budget allows it.
pub const LAST_LOOK: usize = 768;
/// The chance that a comparison of equal programs calls any workload `Slower` or `Faster`, before suspects
/// are confirmed.
pub const ERROR: f64 = 0.01;
/// Fresh pairs that confirm a suspect.
pub const CONFIRMING: usize = 96;
/// The chance that a workload that did not change survives its confirmation.
pub const CONFIRMING_ERROR: f64 = 0.01;
/// The chance that the test of the base against itself fails where nothing is wrong.
pub const NULL_ERROR: f64 = 0.001;

/// The median over pairs of ln(head / base), with an interval that misses the truth on each side with a
/// stated chance.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Effect {
    /// The median.
    pub estimate: f64,
    /// The interval's lower end; negative infinity where there are too few pairs for one.
    pub low: f64,
    /// The interval's upper end.
    pub high: f64,
}

impl Effect {
    /// From the estimates of pairs. The true median lies below `low` with a chance of at most `error`, and
    /// above `high` likewise. `None` without pairs.
    pub fn of(logs: &[f64], error: f64) -> Option<Self> {
        let estimate = crate::timing::interval::median(logs)?;
        let mut sorted = logs.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = match rank(sorted.len(), error) {
            0 => (f64::NEG_INFINITY, f64::INFINITY),
            k => (sorted[k - 1], sorted[sorted.len() - k]),
        };
        Some(Self { estimate, low, high })
    }

    /// The verdict at a margin, which is a ratio less one: 0.005 for half a percent.
    pub fn verdict(self, margin: f64) -> Verdict {
        let (least, most) = (margin.ln_1p(), (2.0 * margin).ln_1p());
        if self.low > 0.0 && self.estimate >= least {
            Verdict::Slower
        } else if self.high < 0.0 && self.estimate <= -least {
            Verdict::Faster
        } else if self.low >= -most && self.high <= most {
            Verdict::Same
        } else {
            Verdict::Unsure
        }
    }

    /// The smallest slowdown, as a ratio less one, that pairs which scatter like these find half of the time:
    /// the margin, or more where the interval is wider. `None` where there is no interval.
    pub fn smallest_detectable(self, margin: f64) -> Option<f64> {
        let reach = self.estimate - self.low;
        reach.is_finite().then(|| reach.exp_m1().max(margin))
    }

    /// How many pairs would decide what `pairs` of them leave open, if the estimate stayed where it is: the
    /// interval narrows with the square root of their number. `None` where no number would.
    pub fn pairs_needed(self, margin: f64, pairs: usize) -> Option<usize> {
        let reach = (self.estimate - self.low).max(self.high - self.estimate);
        let least = margin.ln_1p();
        let room = if self.estimate.abs() >= least {
            self.estimate.abs()
        } else {
            (2.0 * margin).ln_1p() - self.estimate.abs()
        };
        let factor = (reach / room).powi(2);
        factor.is_finite().then(|| (pairs as f64 * factor).ceil() as usize)
    }
}

/// The largest k for which the k-th smallest of `n` samples exceeds their true median with a chance of at
/// most `error`; 0 where there is none.
fn rank(n: usize, error: f64) -> usize {
    below_half(n).take_while(|chance| *chance <= error).count()
}

/// P(binomial(n, 1/2) < k) for k = 1, 2, ... n.
fn below_half(n: usize) -> impl Iterator<Item = f64> {
    // Each term is C(n, i) / 2^n, made from the one before. In logarithms: 2^-n underflows beyond 1,074.
    let mut term = -(n as f64) * std::f64::consts::LN_2;
    let mut below = 0.0;
    (0..n).map(move |i| {
        below += term.exp();
        term += ((n - i) as f64 / (i + 1) as f64).ln();
        below
    })
}

/// The chance of a false verdict that one side of one look at one workload may use up.
pub fn side_error(workloads: usize, looks: usize) -> f64 {
    ERROR / (2 * workloads.max(1) * looks.max(1)) as f64
}

/// What pairs of the base with itself say of the method: whether signs as uneven as these come up by chance.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct NullPairs {
    /// Pairs whose second program, which is the base like the first, took longer.
    pub longer: u64,
    /// Pairs whose second program took less time.
    pub shorter: u64,
    /// The chance of signs at least so uneven, if each is a fair coin.
    pub chance: f64,
}

impl NullPairs {
    /// Counts the signs. Pairs that show no difference have none.
    pub fn of(logs: &[f64]) -> Self {
        let count = |sign: fn(&&f64) -> bool| logs.iter().filter(sign).count();
        let (longer, shorter) = (count(|log| **log > 0.0), count(|log| **log < 0.0));
        let fewer = longer.min(shorter);
        // Both tails.
        let chance = below_half(longer + shorter).nth(fewer).map_or(1.0, |below| (2.0 * below).min(1.0));
        Self { longer: longer as u64, shorter: shorter as u64, chance }
    }

    /// Whether they leave the method unsuspected.
    pub fn fair(&self) -> bool {
        self.chance >= NULL_ERROR
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn even(n: usize, middle: f64, spread: f64) -> Vec<f64> {
        (0..n).map(|i| middle + spread * (i as f64 / (n - 1) as f64 - 0.5)).collect()
    }

    #[test]
    fn a_rank_is_the_largest_that_keeps_to_its_error() {
        // P(binomial(5, 1/2) < 1) = 1/32, and < 2: 6/32.
        assert_eq!([0.03, 1.0 / 32.0, 0.18, 0.1875].map(|error| rank(5, error)), [0, 1, 1, 2]);
        for (n, error) in [(32, 1.4e-4), (96, 0.005), (288, 1e-4), (768, 1e-5), (5_000, 1e-3)] {
            let k = rank(n, error);
            let below: Vec<f64> = below_half(n).collect();
            assert!(k > 0 && below[k - 1] <= error && below[k] > error, "{n} {error}");
        }
        assert_eq!((rank(32, 1.0 / 7_200.0), rank(4, 0.01), rank(0, 0.5)), (6, 0, 0));
    }

    #[test]
    fn the_chances_are_the_binomials() {
        for n in 1..=16_u32 {
            let counted = |k: u32| (0_u32..1 << n).filter(|set| set.count_ones() < k).count();
            for (i, chance) in below_half(n as usize).enumerate() {
                let expected = counted(i as u32 + 1) as f64 / f64::from(1_u32 << n);
                assert!((chance - expected).abs() < 1e-12, "{n} {i}: {chance} {expected}");
            }
        }
        let last = below_half(5_000).last().unwrap();
        assert!((last - 1.0).abs() < 1e-9, "{last}");
    }

    #[test]
    fn each_verdict_needs_its_reason() {
        let margin = 0.005;
        let verdict = |low: f64, estimate: f64, high: f64| {
            let [estimate, low, high] = [estimate, low, high].map(f64::ln_1p);
            Effect { estimate, low, high }.verdict(margin)
        };
        assert_eq!(verdict(0.001, 0.006, 0.02), Verdict::Slower);
        assert_eq!(verdict(0.001, 0.004, 0.02), Verdict::Unsure, "less than the margin, maybe more");
        assert_eq!(verdict(0.001, 0.004, 0.009), Verdict::Same, "certain, and too small to matter");
        assert_eq!(verdict(-0.001, 0.006, 0.02), Verdict::Unsure);
        assert_eq!(verdict(-0.001, 0.0, 0.001), Verdict::Same);
        assert_eq!(verdict(-0.02, -0.006, -0.001), Verdict::Faster);
        assert_eq!(verdict(-0.02, -0.006, 0.001), Verdict::Unsure);
        assert_eq!(verdict(-0.9, 0.0, 9.0), Verdict::Unsure);
        let none = Effect::of(&[0.1, 0.1], 0.01).unwrap();
        assert_eq!((none.low, none.high), (f64::NEG_INFINITY, f64::INFINITY));
        assert_eq!((none.verdict(margin), none.smallest_detectable(margin)), (Verdict::Unsure, None));
        assert_eq!(none.pairs_needed(margin, 2), None);
        assert_eq!(Effect::of(&[], 0.01), None);
    }

    #[test]
    fn more_pairs_are_asked_for_in_proportion_to_the_square() {
        let effect = Effect { estimate: 0.01, low: -0.01, high: 0.03 };
        assert_eq!(effect.pairs_needed(0.005, 32), Some(128), "half the width needs four times the pairs");
        let still = Effect { estimate: 0.0, low: -0.02, high: 0.02 };
        assert_eq!(still.pairs_needed(0.005_f64, 32), Some(130));
        let found = still.smallest_detectable(0.005).unwrap();
        assert!((found - 0.0202).abs() < 1e-4, "{found}");
        let narrow = Effect { estimate: 0.0, low: -0.001, high: 0.001 };
        assert_eq!(narrow.smallest_detectable(0.005), Some(0.005));
    }

    #[test]
    fn the_interval_holds_the_median_of_any_noise_as_often_as_it_says() {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let (mut low, mut high) = (0, 0);
        const TRIALS: usize = 4_000;
        for _ in 0..TRIALS {
            // A heavy tail on one side only; the true median is 0.
            let draw = |rng: &mut ChaCha8Rng| {
                let at: f64 = rng.random_range(-1.0..1.0);
                if at < 0.0 { at } else { at / (1.001 - at).powi(2) }
            };
            let logs: Vec<f64> = (0..32).map(|_| draw(&mut rng)).collect();
            let effect = Effect::of(&logs, 0.025).unwrap();
            low += usize::from(effect.low > 0.0);
            high += usize::from(effect.high < 0.0);
        }
        // The exact chance is P(binomial(32, 1/2) < 10) = 0.01; 0.025 is the bound.
        for missed in [low, high] {
            assert!((10..100).contains(&missed), "{low} and {high} of {TRIALS}");
        }
    }

    #[test]
    fn a_lopsided_base_against_itself_is_found() {
        assert!(NullPairs::of(&even(100, 0.0, 1.0)).fair());
        let lopsided: Vec<f64> = (0..100).map(|i| if i < 75 { 0.001 } else { -0.001 }).collect();
        let found = NullPairs::of(&lopsided);
        assert_eq!((found.longer, found.shorter), (75, 25));
        assert!(!found.fair() && found.chance < 1e-5, "{}", found.chance);
        assert_eq!(NullPairs::of(&[0.0, 0.0]), NullPairs { longer: 0, shorter: 0, chance: 1.0 });
        assert!(!NullPairs::of(&[0.1; 11]).fair() && NullPairs::of(&[0.1; 10]).fair());
    }

    #[test]
    fn the_error_is_spent_evenly() {
        assert!((side_error(12, 3) - 0.01 / 72.0).abs() < 1e-15);
        assert_eq!(side_error(0, 0), 0.005);
    }
}
