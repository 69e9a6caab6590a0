//! The results of the functions other than AEADs: a row for each function and each set of vectors that judges
//! it.

use serde::{Deserialize, Serialize};

use super::{SetReport, Tally};
use crate::primitive::{PRIMITIVES, Primitive};

/// A primitive's result on one of its sets of published vectors.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PrimitiveReport {
    /// The function's name.
    pub primitive: String,
    /// Its kind of function.
    pub kind: String,
    /// The crate that does the work.
    #[serde(rename = "crate")]
    pub krate: String,
    /// The set, by its name in `vectors/index.toml`.
    pub set: String,
    /// Number of cases in the set.
    pub declared: u64,
    /// Cases with the published result.
    pub agree: u64,
    /// Cases with another result.
    pub wrong: u64,
}

/// The rows of the primitives whose sets ran, in the order of [`PRIMITIVES`].
pub(super) fn reports(sets: &[SetReport]) -> Vec<PrimitiveReport> {
    let of = |primitive: &Primitive, name: &str| {
        let set = sets.iter().find(|set| set.set == name)?;
        // These sets use no engine, so there is at most one tally.
        let tally = set.engines.values().copied().next().unwrap_or_default();
        let Tally { agree, wrong, .. } = tally;
        Some(PrimitiveReport {
            primitive: primitive.name.into(),
            kind: primitive.function.kind().into(),
            krate: primitive.krate.into(),
            set: name.into(),
            declared: set.declared,
            agree,
            wrong,
        })
    };
    let all =
        PRIMITIVES.iter().flat_map(|primitive| primitive.vectors.iter().map(move |set| (primitive, set)));
    all.filter_map(|(primitive, set)| of(primitive, set)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::engines;
    use crate::verify::{Plan, Sets, built_in, run};

    #[test]
    fn every_primitive_is_verified_by_its_vectors_and_reported_with_their_counts() {
        let names = PRIMITIVES.iter().flat_map(|primitive| primitive.vectors);
        let sets = names.map(|name| built_in(name, 1).expect("the index has it")).collect();
        let report = run(&Plan::new(engines(), Sets::Given(sets), 1), &|_| {});
        assert_eq!((report.wrong, &report.failures[..]), (0, &[][..]));
        let rows: Vec<_> = report
            .primitives
            .iter()
            .map(|row| (&*row.primitive, &*row.krate, &*row.set, row.declared, row.agree, row.wrong))
            .collect();
        let expected = [
            ("sha-256", "sha2", "nist/cavp-sha-256-short", 65, 65, 0),
            ("sha-256", "sha2", "nist/cavp-sha-256-long", 64, 64, 0),
            ("hkdf-sha-256", "hkdf", "wycheproof/hkdf-sha-256", 86, 86, 0),
            ("argon2id", "argon2", "argon2/argon2id", 8, 8, 0),
            ("x25519", "x25519_dalek", "wycheproof/x25519", 518, 518, 0),
            ("ed25519", "ed25519_dalek", "wycheproof/ed25519", 151, 151, 0),
            ("aes-cbc-pkcs5", "cbc", "wycheproof/aes-cbc-pkcs5", 216, 216, 0),
            ("hkdf-sha-512", "hkdf", "wycheproof/hkdf-sha-512", 83, 83, 0),
            ("crc-32c", "crc_fast", "rfc/3720-crc-32c", 5, 5, 0),
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn a_count_other_than_the_declared_one_is_a_failure() {
        let mut set = built_in("nist/cavp-sha-256-short", 1).expect("the index has it");
        set.cases.pop();
        let report = run(&Plan::new(engines(), Sets::Given(vec![set]), 1), &|_| {});
        let said: Vec<_> = report.failures.iter().map(|failure| failure.what.as_str()).collect();
        assert_eq!(said, ["64 cases came out, 65 are declared", "64 cases ran, 65 must"]);
        assert_eq!((report.wrong, report.primitives[0].agree), (2, 64));
    }
}
