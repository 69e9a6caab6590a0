//! The CPU features that matter to AES-GCM, as `std` detects them, with `cpufeatures` as a second opinion.
//!
//! `std` decides. `cpufeatures` requires AVX-512 state before it reports VAES, VPCLMULQDQ or GFNI, so the two
//! are known to differ on a CPU that has these without AVX-512. Not here: the choice of a backend. `aead`
//! detects features itself, from the list that its kernels carry.

use serde::{Deserialize, Serialize};

/// Asks `std` about each feature in a list; its macro accepts only literals.
macro_rules! asked_of_std {
    ($detected:ident: $($name:tt)*) => {
        [$(($name, std::arch::$detected!($name))),*].to_vec()
    };
}

/// Asks `cpufeatures` about each feature in a list.
#[cfg(any(
    target_arch = "x86_64",
    all(target_arch = "aarch64", any(target_os = "linux", target_os = "android", target_vendor = "apple"))
))]
macro_rules! asked_of_cpufeatures {
    ($($name:tt => $module:ident,)*) => {{
        $(cpufeatures::new!($module, $name);)*
        [$(($name, $module::get())),*].to_vec()
    }};
}

#[cfg(target_arch = "x86_64")]
fn by_std() -> Vec<(&'static str, bool)> {
    asked_of_std!(is_x86_feature_detected:
        "sse2" "sse3" "ssse3" "sse4.1" "sse4.2" "aes" "pclmulqdq" "avx" "avx2" "bmi1" "bmi2" "adx" "movbe"
        "sha" "gfni" "vaes" "vpclmulqdq" "avx512f" "avx512bw" "avx512cd" "avx512dq" "avx512vl" "avx512ifma"
        "avx512vbmi" "avx512vbmi2" "rdrand")
}

#[cfg(target_arch = "x86_64")]
fn by_cpufeatures() -> Vec<(&'static str, bool)> {
    asked_of_cpufeatures! {
        "sse2" => sse2, "sse3" => sse3, "ssse3" => ssse3, "sse4.1" => sse41, "sse4.2" => sse42, "aes" => aes,
        "pclmulqdq" => pclmulqdq, "avx" => avx, "avx2" => avx2, "bmi1" => bmi1, "bmi2" => bmi2, "adx" => adx,
        "sha" => sha, "gfni" => gfni, "vaes" => vaes, "vpclmulqdq" => vpclmulqdq, "avx512f" => avx512f,
        "avx512bw" => avx512bw, "avx512cd" => avx512cd, "avx512dq" => avx512dq, "avx512vl" => avx512vl,
        "avx512ifma" => avx512ifma, "avx512vbmi" => avx512vbmi, "avx512vbmi2" => avx512vbmi2,
        "rdrand" => rdrand,
    }
}

#[cfg(target_arch = "aarch64")]
fn by_std() -> Vec<(&'static str, bool)> {
    asked_of_std!(is_aarch64_feature_detected: "neon" "aes" "pmull" "sha2" "sha3" "dit" "sve" "sve2")
}

#[cfg(all(
    target_arch = "aarch64",
    any(target_os = "linux", target_os = "android", target_vendor = "apple")
))]
fn by_cpufeatures() -> Vec<(&'static str, bool)> {
    asked_of_cpufeatures! { "aes" => aes, "sha2" => sha2, "sha3" => sha3, }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn by_std() -> Vec<(&'static str, bool)> {
    Vec::new()
}

#[cfg(not(any(
    target_arch = "x86_64",
    all(target_arch = "aarch64", any(target_os = "linux", target_os = "android", target_vendor = "apple"))
)))]
fn by_cpufeatures() -> Vec<(&'static str, bool)> {
    Vec::new()
}

/// The features that go into version 1 of a host's fingerprint. The list never changes: adding a feature
/// would give existing hosts a new name.
pub(super) const IN_FINGERPRINT_1: &[&str] = &[
    "sse2",
    "sse3",
    "ssse3",
    "sse4.1",
    "sse4.2",
    "aes",
    "pclmulqdq",
    "avx",
    "avx2",
    "bmi1",
    "bmi2",
    "adx",
    "movbe",
    "sha",
    "gfni",
    "vaes",
    "vpclmulqdq",
    "avx512f",
    "avx512bw",
    "avx512cd",
    "avx512dq",
    "avx512vl",
    "avx512ifma",
    "avx512vbmi",
    "avx512vbmi2",
    "rdrand",
    "neon",
    "pmull",
    "sha2",
    "sha3",
    "dit",
    "sve",
    "sve2",
];

/// The features that `std` detects, sorted.
pub(super) fn detected() -> Vec<String> {
    let mut names: Vec<String> =
        by_std().into_iter().filter(|(_, has)| *has).map(|(name, _)| name.to_owned()).collect();
    names.sort();
    names
}

/// A feature on which `std` and `cpufeatures` disagree.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Disagreement {
    /// The feature.
    pub feature: String,
    /// What `std` reports; Sealmark goes by this.
    pub std: bool,
    /// What `cpufeatures` reports.
    pub cpufeatures: bool,
    /// Whether this is the known difference: VAES, VPCLMULQDQ or GFNI without AVX-512 state.
    pub known: bool,
}

/// Features on which `cpufeatures` contradicts `std`, among those that both support.
pub fn second_opinion() -> Vec<Disagreement> {
    compare(&by_std(), &by_cpufeatures())
}

/// Features that `cpufeatures` denies without AVX-512 state.
const NEED_AVX512_STATE: [&str; 3] = ["vaes", "vpclmulqdq", "gfni"];

fn compare(first: &[(&str, bool)], second: &[(&str, bool)]) -> Vec<Disagreement> {
    let avx512 = first.iter().any(|&(name, has)| name == "avx512f" && has);
    let mut found = Vec::new();
    for &(feature, std) in first {
        let Some(&(_, cpufeatures)) = second.iter().find(|(name, _)| *name == feature) else { continue };
        if std != cpufeatures {
            let known = std && !avx512 && NEED_AVX512_STATE.contains(&feature);
            found.push(Disagreement { feature: feature.to_owned(), std, cpufeatures, known });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_opinion_agrees_except_for_known_differences() {
        let unknown: Vec<_> = second_opinion().into_iter().filter(|d| !d.known).collect();
        assert_eq!(unknown, []);
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_second_opinion_covers_the_features_that_kernels_use() {
        assert_eq!(by_cpufeatures().len(), 25);
        let asked = by_std();
        for (name, _) in by_cpufeatures() {
            assert!(asked.iter().any(|(known, _)| *known == name), "{name}");
        }
    }

    #[test]
    fn vaes_without_avx512_is_a_known_difference() {
        let found = compare(&[("vaes", true), ("avx512f", false)], &[("vaes", false), ("avx512f", false)]);
        assert_eq!(found.len(), 1);
        assert!(found[0].known && found[0].std && !found[0].cpufeatures);
    }

    #[test]
    fn any_other_difference_is_not_known() {
        for (first, second) in [
            ([("vaes", true), ("avx512f", true)], [("vaes", false), ("avx512f", true)]),
            ([("vaes", false), ("avx512f", false)], [("vaes", true), ("avx512f", false)]),
            ([("aes", true), ("avx512f", false)], [("aes", false), ("avx512f", false)]),
        ] {
            let found = compare(&first, &second);
            assert_eq!(found.len(), 1);
            assert!(!found[0].known, "{found:?}");
        }
    }
}
