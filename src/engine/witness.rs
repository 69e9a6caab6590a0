//! Witnesses of engines: what each really executes, compared with the claim in its name.
//!
//! A witness covers one engine, one key size and one range of lengths; it is taken once and used in every
//! statement about them. The names of this crate's engines claim a vector width: `sealmark/vaes512` is a
//! claim, `ring` is not. This file only stores and judges witnesses. Not here: how one is taken.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::aead::{Alg, BACKENDS, Backend};
use crate::trace::{Width, Witness};

/// The message lengths that one witness covers.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Length {
    /// Shorter than [`Length::LONG`]: such a message might not fill wide vectors and may be left to narrower
    /// ones.
    Short,
    /// Long enough to fill the widest vectors many times.
    Long,
}

impl Length {
    /// Both ranges.
    pub const ALL: [Self; 2] = [Self::Short, Self::Long];

    /// A message of at least this many bytes is long.
    pub const LONG: u64 = 1024;

    /// The range that a message of this length falls into.
    pub const fn of(bytes: u64) -> Self {
        if bytes < Self::LONG { Self::Short } else { Self::Long }
    }

    /// The length of the message that is sealed for the witness, in bytes.
    pub const fn sealed(self) -> u64 {
        match self {
            Self::Short => 64,
            Self::Long => 4096,
        }
    }
}

/// The witness of an engine, or the reason why there is none.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Taken {
    /// `aes-256-gcm` and the like.
    pub algorithm: String,
    /// The lengths that it covers.
    pub length: Length,
    /// What the engine executed.
    pub witness: Option<Witness>,
    /// Why there is no witness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_witness: Option<String>,
}

/// Witnesses of engines, by name.
#[derive(Clone, Default, Debug)]
pub struct Witnesses(BTreeMap<String, Vec<Taken>>);

impl Witnesses {
    /// Stores the witness of an engine, or the reason why there is none.
    pub fn keep(&mut self, engine: &str, alg: Alg, length: Length, found: Result<Witness, String>) {
        let (witness, no_witness) = match found {
            Ok(witness) => (Some(witness), None),
            Err(why) => (None, Some(why)),
        };
        let taken = Taken { algorithm: alg.name().to_owned(), length, witness, no_witness };
        self.0.entry(engine.to_owned()).or_default().push(taken);
    }

    /// All witnesses of an engine.
    pub fn of(&self, engine: &str) -> &[Taken] {
        self.0.get(engine).map_or(&[], Vec::as_slice)
    }

    /// The reason why there are no witnesses, if all are missing for the same reason.
    pub fn none_because(&self) -> Option<&str> {
        let mut all = self.0.values().flatten();
        let first = all.next()?.no_witness.as_deref()?;
        all.all(|taken| taken.no_witness.as_deref() == Some(first)).then_some(first)
    }

    /// The witness of an engine for messages of this length.
    ///
    /// # Errors
    /// The reason why there is none.
    pub fn find(&self, engine: &str, alg: Alg, bytes: u64) -> Result<&Witness, &str> {
        let (algorithm, length) = (alg.name(), Length::of(bytes));
        let taken = self.of(engine).iter().find(|t| t.algorithm == algorithm && t.length == length);
        let taken = taken.ok_or("none was taken")?;
        taken.witness.as_ref().ok_or_else(|| taken.no_witness.as_deref().unwrap_or("no reason was given"))
    }

    /// Why an engine is not what its name claims, if one of its witnesses contradicts the claim. Any result
    /// for such an engine would describe a different one.
    pub fn refute(&self, engine: &str) -> Option<String> {
        let backend = claimed(engine)?;
        let refuted = self.of(engine).iter().find_map(|taken| {
            let fills = taken.length == Length::Long;
            let claimed = backend.width.and_then(Width::from_name);
            let what = taken.witness.as_ref()?.confirm(claimed, fills).err()?;
            Some(format!(
                "sealing {} B with {} ran other code ({what})",
                taken.length.sealed(),
                taken.algorithm
            ))
        });
        refuted.map(|what| format!("it is not {}: {what}", backend.name))
    }
}

/// The backend that an engine's name claims: `sealmark/NAME`, or `sealmark` for the one chosen for this CPU.
fn claimed(engine: &str) -> Option<&'static Backend> {
    match engine.split_once('/') {
        None if engine == super::own::CHOICE => Some(Backend::choose()),
        Some((super::own::CHOICE, name)) => BACKENDS.iter().find(|backend| backend.name == name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Seen;

    fn seen(width: Option<Width>) -> Witness {
        let seen = width.map(|width| Seen { width: Some(width), symbol: "kernel".into(), count: 14 });
        Witness { aes: seen.clone(), multiply: seen }
    }

    fn with(engine: &str, length: Length, width: Option<Width>) -> Witnesses {
        let mut witnesses = Witnesses::default();
        witnesses.keep(engine, Alg::Aes256Gcm, length, Ok(seen(width)));
        witnesses
    }

    #[cfg(not(target_arch = "aarch64"))]
    const WIDTHS: [Option<Width>; 4] = [None, Some(Width::Xmm), Some(Width::Ymm), Some(Width::Zmm)];
    #[cfg(target_arch = "aarch64")]
    const WIDTHS: [Option<Width>; 3] = [None, Some(Width::V), Some(Width::Z)];

    #[test]
    fn code_that_contradicts_its_name_is_refuted() {
        for backend in BACKENDS {
            let name = format!("sealmark/{}", backend.name);
            let claim = backend.width.map(|width| Width::from_name(width).expect("a width of the tracer"));
            for found in WIDTHS {
                let why = with(&name, Length::Long, found).refute(&name);
                assert_eq!(why.is_none(), found == claim, "{name} executed {found:?}: {why:?}");
                assert!(why.is_none_or(|why| why.contains(backend.name) && why.contains("4096 B")));
                let why = with(&name, Length::Short, found).refute(&name);
                let right = found.is_some() == claim.is_some() && found <= claim;
                assert_eq!(why.is_none(), right, "{name} executed {found:?} for a short message: {why:?}");
            }
        }
    }

    /// Duplicates the table on purpose: a row that claims too little would make a slow path look like the
    /// fast one.
    #[test]
    fn a_backend_with_wide_features_claims_wide_registers() {
        for Backend { name, features, width, blocks, .. } in BACKENDS {
            let has = |feature: &str| features.contains(&feature);
            let expected = match () {
                () if has("avx512f") => Some(("zmm", 4)),
                () if has("vaes") => Some(("ymm", 2)),
                () if has("aes") && cfg!(target_arch = "aarch64") => Some(("v", 1)),
                () if has("aes") => Some(("xmm", 1)),
                () => None,
            };
            assert_eq!(*width, expected.map(|(width, _)| width), "{name}");
            assert!(expected.is_none_or(|(_, expected)| expected == *blocks), "{name}");
        }
    }

    #[test]
    fn a_peer_makes_no_claim_and_a_missing_witness_refutes_nothing() {
        for width in WIDTHS {
            for name in ["ring", "aws-lc", "somebody/vaes512", "sealmark/abacus"] {
                assert_eq!(with(name, Length::Long, width).refute(name), None);
            }
        }
        let mut witnesses = Witnesses::default();
        witnesses.keep("sealmark", Alg::Aes256Gcm, Length::Long, Err("forbidden".into()));
        assert_eq!(witnesses.refute("sealmark"), None);
        assert_eq!(witnesses.find("sealmark", Alg::Aes256Gcm, 1024), Err("forbidden"));
    }

    #[test]
    fn a_reason_shared_by_all_is_reported_once() {
        let mut witnesses = Witnesses::default();
        assert_eq!(witnesses.none_because(), None, "no witness was requested");
        witnesses.keep("ring", Alg::Aes256Gcm, Length::Long, Err("forbidden".into()));
        witnesses.keep("aws-lc", Alg::Aes256Gcm, Length::Long, Err("forbidden".into()));
        assert_eq!(witnesses.none_because(), Some("forbidden"));
        witnesses.keep("aws-lc", Alg::Aes256Gcm, Length::Short, Err("it is wrong".into()));
        assert_eq!(witnesses.none_because(), None);
        let mut one = with("ring", Length::Long, None);
        one.keep("aws-lc", Alg::Aes256Gcm, Length::Long, Err("forbidden".into()));
        assert_eq!(one.none_because(), None);
    }

    #[test]
    fn a_witness_is_found_by_key_size_and_length() {
        let width = Some(Width::Xmm);
        let witnesses = with("ring", Length::Long, width);
        for bytes in [1024, 1 << 20] {
            assert_eq!(witnesses.find("ring", Alg::Aes256Gcm, bytes), Ok(&seen(width)));
        }
        for (engine, alg, bytes) in
            [("ring", Alg::Aes256Gcm, 1023), ("ring", Alg::Aes128Gcm, 1024), ("aws-lc", Alg::Aes256Gcm, 1024)]
        {
            assert_eq!(witnesses.find(engine, alg, bytes), Err("none was taken"));
        }
    }
}
