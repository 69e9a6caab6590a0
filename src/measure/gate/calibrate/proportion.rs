//! Shares with their exact bounds: how large a rate may be, after so many of so many.
//!
//! The bounds are those of Clopper and Pearson (Biometrika 26, 1934), one-sided, at 95 %: no approximation,
//! so they hold for 0 of 370 as well. They are found by bisection over the exact binomial tail.

use serde::Serialize;

/// So many of so many.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Share {
    /// How many had it.
    pub hits: u64,
    /// How many there were.
    pub of: u64,
}

/// The chance that a one-sided bound misses the true rate.
const MISSED: f64 = 0.05;

impl Share {
    /// How many of these are true.
    pub fn of(flags: impl IntoIterator<Item = bool>) -> Self {
        flags.into_iter().fold(Self::default(), |share, flag| Self {
            hits: share.hits + u64::from(flag),
            of: share.of + 1,
        })
    }

    /// The share itself; `None` of nothing.
    pub fn rate(self) -> Option<f64> {
        (self.of > 0).then(|| self.hits as f64 / self.of as f64)
    }

    /// The upper bound: a higher rate gives so few hits in at most 5 % of all cases. 1 without any trial.
    pub fn upper(self) -> f64 {
        if self.hits >= self.of {
            return 1.0;
        }
        bisect(|rate| at_most(self.hits, self.of, rate) > MISSED)
    }

    /// The lower bound: a lower rate gives so many hits in at most 5 % of all cases. 0 without any trial.
    pub fn lower(self) -> f64 {
        let missed = Self { hits: self.of - self.hits.min(self.of), of: self.of };
        1.0 - missed.upper()
    }
}

/// P(binomial(n, rate) <= k) for k < n.
fn at_most(k: u64, n: u64, rate: f64) -> f64 {
    // Each term is made from the one before. In logarithms: (1 - rate)^n underflows for large n.
    let odds = rate.ln() - (-rate).ln_1p();
    let mut term = n as f64 * (-rate).ln_1p();
    let mut sum = 0.0;
    for i in 0..=k {
        sum += term.exp();
        term += ((n - i) as f64 / (i + 1) as f64).ln() + odds;
    }
    sum
}

/// The rate at which a condition that holds for low ones ceases to hold.
fn bisect(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    // Each step halves the interval: 60 of them exhaust a double.
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if holds(middle) { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 5e-6, "{found}, not {expected}");
    }

    #[test]
    fn the_bounds_are_those_of_clopper_and_pearson() {
        let share = |hits, of| Share { hits, of };
        near(share(0, 370).upper(), 0.008064);
        near(share(1, 370).upper(), 0.012757);
        // Without a hit there is a closed form.
        for n in [1, 10, 60, 5_000] {
            near(share(0, n).upper(), 1.0 - 0.05_f64.powf(1.0 / n as f64));
            near(share(n, n).lower(), 0.05_f64.powf(1.0 / n as f64));
        }
        // A one-sided bound of 95 % is an end of the two-sided interval of 90 %: 4 of 10 there is 0.1500 to
        // 0.6965, and 1 of 20 is 0.0026 to 0.2161 (Beta quantiles).
        near(share(4, 10).lower(), 0.150028);
        near(share(4, 10).upper(), 0.696463);
        near(share(1, 20).lower(), 0.002561);
        near(share(1, 20).upper(), 0.216106);
    }

    #[test]
    fn nothing_is_known_of_nothing_and_the_ends_are_closed() {
        let none = Share::default();
        assert_eq!((none.rate(), none.lower(), none.upper()), (None, 0.0, 1.0));
        let all = Share { hits: 150, of: 150 };
        assert_eq!((all.rate(), all.upper()), (Some(1.0), 1.0));
        let no = Share { hits: 0, of: 150 };
        assert_eq!((no.rate(), no.lower()), (Some(0.0), 0.0));
        assert_eq!(Share::of([true, false, true]), Share { hits: 2, of: 3 });
    }

    #[test]
    fn a_bound_leaves_five_percent_beyond() {
        for (hits, of) in [(0, 12), (3, 40), (140, 150), (7, 2_000), (1_990, 2_000)] {
            let share = Share { hits, of };
            let (low, high) = (share.lower(), share.upper());
            assert!(low < high, "{share:?}");
            assert!((at_most(hits, of, high) - MISSED).abs() < 1e-9, "{share:?}");
            if hits > 0 {
                let at_least = 1.0 - at_most(hits - 1, of, low);
                assert!((at_least - MISSED).abs() < 1e-9, "{share:?}: {at_least}");
            }
        }
    }
}
