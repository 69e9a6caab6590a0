//! The risk of the compatible key derivation, in numbers (spec 2, §2, trap c).
//!
//! Two peers that keep their X25519 keys derive the same AES key for every session, in both directions, and
//! every counter starts at 1. Only four random bytes tell the nonces of two derivations apart. If two of them
//! draw the same prefix, every counter that both reach is a repeated nonce: the keystream is used twice, and
//! GHASH's key leaks, so frames can be forged. After n derivations the chance is that of a shared birthday
//! among n guests in a year of 2^32 days, about n² / 2^33. Each side of a session derives once, so the chance
//! exceeds 2^-32, the bound of NIST SP 800-38D, after 2 sessions, 2^-20 after 46, and one half after 38,582.
//! A side that re-derives alone counts as half a session.
//!
//! Everything here is exact: the chance that all prefixes differ is a product of fractions, kept between two
//! integers that round it down and up. `tunnel/hardened` has no such risk: each session has a fresh exchange,
//! 64 random bytes in the salt, and a key for each direction.

use crate::scheme::Risk;

/// Bits of a nonce that are drawn at random for each derivation.
pub const PREFIX_BITS: u32 = 32;

/// Derivations of one session: one on each side.
pub const DERIVATIONS_PER_SESSION: u64 = 2;

/// The bound of NIST SP 800-38D, 8: a nonce may repeat under a key with at most this chance, 2^-32.
pub const NIST_BOUND: u32 = 32;

/// Bits after the binary point. The product with a number of [`PREFIX_BITS`] bits fits 128 bits.
const FRACTION: u32 = 95;
/// The number one.
const ONE: u128 = 1 << FRACTION;

/// The chance that some prefixes drawn so far are all different: between `low` and `high`, in units of
/// 2^-[`FRACTION`].
struct Distinct {
    low: u128,
    high: u128,
    drawn: u64,
}

impl Distinct {
    const fn none() -> Self {
        Self { low: ONE, high: ONE, drawn: 0 }
    }

    /// Draws one more prefix: it differs from the earlier ones with the chance (2^32 - drawn) / 2^32.
    fn draw(&mut self) {
        let free = (1_u128 << PREFIX_BITS).saturating_sub(u128::from(self.drawn));
        self.low = (self.low * free) >> PREFIX_BITS;
        self.high = (self.high * free).div_ceil(1 << PREFIX_BITS);
        self.drawn += 1;
    }
}

/// The chance that, after this many derivations of one key, two of them have the same prefix.
#[expect(clippy::cast_precision_loss, reason = "the result has 53 bits, and is off by less than the last")]
pub fn collision(derivations: u64) -> f64 {
    let mut distinct = Distinct::none();
    while distinct.drawn < derivations && distinct.low > 0 {
        distinct.draw();
    }
    (ONE - distinct.low) as f64 / ONE as f64
}

/// The smallest number of derivations after which the chance is greater than 2^-`bits`.
///
/// # Panics
/// If `bits` is 0, which no chance exceeds, or greater than 64.
pub fn derivations_over(bits: u32) -> u64 {
    assert!((1..=64).contains(&bits), "a bound between 2^-64 and 2^-1");
    let bound = ONE - (ONE >> bits);
    let mut distinct = Distinct::none();
    // After n draws the two integers differ by at most n. A bound between them would be decided too late, by
    // one derivation; the tests show that none of the reported bounds is.
    while distinct.high >= bound {
        distinct.draw();
    }
    distinct.drawn
}

/// The smallest number of sessions after which the chance is greater than 2^-`bits`.
///
/// # Panics
/// As [`derivations_over`].
pub fn sessions_over(bits: u32) -> u64 {
    derivations_over(bits).div_ceil(DERIVATIONS_PER_SESSION)
}

/// The bounds that are reported: that of NIST, one in a million, and an even chance.
pub const REPORTED: [u32; 3] = [NIST_BOUND, 20, 1];

/// The risk of the modes that derive keys as the reference does.
pub fn compatible() -> Risk {
    Risk {
        harm: "a nonce repeats under the same AES key",
        counted: "sessions of two peers that keep their X25519 keys",
        why: "such peers derive the same AES key again, for both directions and with the counter back at 1; \
              only a random prefix of 4 bytes, drawn by each side, keeps the nonces apart; where it does \
              not, two frames share their keystream, and an observer of both can forge frames",
        levels: REPORTED.iter().map(|&bits| (bits, sessions_over(bits))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_chances_are_the_exact_fractions() {
        let n = 2_f64.powi(32);
        assert_eq!([0, 1].map(collision), [0.0, 0.0]);
        assert_eq!(collision(2), 1.0 / n);
        // 1 - (n-1)(n-2)/n² = 3/n - 2/n².
        assert_eq!(collision(3), 3.0 / n - 2.0 / (n * n));
        // 1 - (n-1)(n-2)(n-3)/n³ = 6/n - 11/n² + 6/n³.
        assert_eq!(collision(4), 6.0 / n - 11.0 / (n * n));
    }

    /// The chance by another way: logarithms of the fractions, in floating point.
    fn by_logarithms(derivations: u32) -> f64 {
        let n = 2_f64.powi(32);
        -(1..derivations).map(|i| (-f64::from(i) / n).ln_1p()).sum::<f64>().exp_m1()
    }

    #[test]
    fn the_chance_agrees_with_logarithms_and_with_the_rule_of_thumb() {
        for derivations in [2, 3, 10, 91, 92, 1_000, 9_292, 65_536, 77_163, 77_164, 200_000] {
            let (exact, logs) = (collision(u64::from(derivations)), by_logarithms(derivations));
            assert!((exact / logs - 1.0).abs() < 1e-9, "{derivations}: {exact} and {logs}");
            // n² / 2^33 is never too low: it is n/(n-1) times too high, and more once a collision is likely.
            let thumb = f64::from(derivations).powi(2) / 2_f64.powi(33);
            assert!(exact < thumb, "{derivations}");
            if (1_000..10_000).contains(&derivations) {
                assert!((thumb / exact - 1.0).abs() < 0.006, "{derivations}: {thumb} for {exact}");
            }
        }
    }

    #[test]
    fn a_bound_is_exceeded_at_the_reported_number_and_not_one_before() {
        for bits in 1..=40 {
            let (over, bound) = (derivations_over(bits), 2_f64.powi(-i32::try_from(bits).unwrap()));
            assert!(collision(over) > bound && collision(over - 1) <= bound, "2^-{bits}: {over}");
            assert!(sessions_over(bits) * 2 >= over && (sessions_over(bits) - 1) * 2 < over, "2^-{bits}");
        }
        // Two prefixes are equal with a chance of exactly 2^-32, which is not yet more than that.
        assert_eq!((derivations_over(32), sessions_over(32)), (3, 2));
        assert_eq!((derivations_over(33), sessions_over(33)), (2, 1));
        assert_eq!((derivations_over(20), sessions_over(20)), (92, 46));
        assert_eq!((derivations_over(1), sessions_over(1)), (77_164, 38_582));
    }

    #[test]
    fn no_reported_bound_lies_between_the_two_integers() {
        let mut distinct = Distinct::none();
        for _ in 0..100_000 {
            distinct.draw();
            for bound in (1..=64).map(|bits| ONE - (ONE >> bits)) {
                let undecided = distinct.low < bound && bound <= distinct.high;
                assert!(!undecided, "after {} draws", distinct.drawn);
            }
            assert!(distinct.high - distinct.low <= u128::from(distinct.drawn));
        }
    }

    #[test]
    fn many_derivations_collide_for_certain_and_the_answer_comes_at_once() {
        assert_eq!(collision(u64::MAX), 1.0);
        assert_eq!(collision(1 << 33), 1.0);
        assert!(collision(250_000) < 1.0);
    }

    #[test]
    fn the_risk_names_a_number_of_sessions_for_each_bound() {
        let risk = compatible();
        assert_eq!(risk.levels, [(32, 2), (20, 46), (1, 38_582)]);
        assert!(risk.why.contains("4 bytes") && risk.counted.starts_with("sessions"));
    }
}
