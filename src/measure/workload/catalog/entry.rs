//! A file of workloads. Each entry expands to workloads: ops x algorithms x sizes.

use serde::Deserialize;

use crate::aead::Alg;
use crate::measure::workload::catalog::{CatalogError, Suite};
use crate::measure::workload::kind::{Kind, Size, Subject};
use crate::measure::workload::{Level, Workload};
use crate::scheme::Scheme;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// The number of workloads that it expands to if there is one scheme.
    #[cfg_attr(not(test), expect(dead_code, reason = "a declaration that the tests hold the file to"))]
    pub(super) cases: usize,
    workload: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// Names of kinds.
    ops: Vec<String>,
    /// Ciphers, such as `aes-256-gcm`, or other objects of the operation. Empty where there is nothing to
    /// name, and for entries that cover every scheme.
    #[serde(default)]
    algorithms: Vec<String>,
    /// Bytes of a message, or the number of items.
    #[serde(default)]
    sizes: Vec<usize>,
    #[serde(default)]
    aad: usize,
    #[serde(default = "one")]
    batch: usize,
    #[serde(default)]
    offset: usize,
    #[serde(default)]
    tails: bool,
    /// The end of the path, for workloads that would otherwise share one.
    #[serde(default)]
    variant: String,
    arena: Option<Level>,
    /// The feature without which its kinds are not in a build.
    #[serde(default)]
    feature: Option<Feature>,
    suite: Suite,
    why: String,
}

/// A feature that is off by default.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Feature {
    Tls,
}

impl Feature {
    const fn is_on(self) -> bool {
        match self {
            Self::Tls => cfg!(feature = "tls"),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Tls => "tls",
        }
    }
}

/// The default number of messages per call.
const fn one() -> usize {
    1
}

impl File {
    /// Parses the text of a file of that name.
    pub(super) fn decode(name: &str, text: &str) -> Result<Self, CatalogError> {
        let refused = |error| CatalogError::Decode { file: name.into(), error: Box::new(error) };
        toml::from_str(text).map_err(refused)
    }

    /// What this build lacks: an operation and its subject, and the feature that they need.
    pub(super) fn absent(&self) -> Vec<(String, &'static str)> {
        let mut absent = Vec::new();
        for entry in &self.workload {
            let Some(feature) = entry.feature.filter(|feature| !feature.is_on()) else { continue };
            for op in &entry.ops {
                absent.extend(entry.algorithms.iter().map(|of| (format!("{op}/{of}"), feature.name())));
            }
        }
        absent
    }

    /// Every workload that it expands to. Entries that cover every scheme expand to these schemes.
    pub(super) fn expand(
        self,
        name: &str,
        kinds: &[&'static dyn Kind],
        schemes: &[&'static dyn Scheme],
    ) -> Result<Vec<Workload>, CatalogError> {
        let mut all = Vec::new();
        for entry in self.workload.iter().filter(|entry| entry.feature.is_none_or(Feature::is_on)) {
            entry.expand(name, kinds, schemes, &mut all)?;
        }
        Ok(all)
    }
}

impl Entry {
    fn expand(
        &self,
        file: &str,
        kinds: &[&'static dyn Kind],
        schemes: &[&'static dyn Scheme],
        all: &mut Vec<Workload>,
    ) -> Result<(), CatalogError> {
        let nothing = [String::new()];
        let algorithms = if self.algorithms.is_empty() { &nothing } else { self.algorithms.as_slice() };
        let sizes: Vec<_> =
            if self.sizes.is_empty() { vec![None] } else { self.sizes.iter().copied().map(Some).collect() };
        for op in &self.ops {
            for algorithm in algorithms {
                let kind = kinds.iter().find(|kind| kind.name() == op && kind.subject().is(algorithm));
                let kind = *kind.ok_or_else(|| unknown(file, op, algorithm, kinds))?;
                let on: Vec<(&str, Option<&'static dyn Scheme>)> = match kind.subject() {
                    Subject::Scheme => schemes.iter().map(|&scheme| (scheme.name(), Some(scheme))).collect(),
                    _ => vec![(algorithm, None)],
                };
                for (algorithm, scheme) in on {
                    for &size in &sizes {
                        let workload = Workload { scheme, ..self.one(kind, algorithm, size) };
                        if workload.level.is_some() && kind.slot_len(&workload).is_none() {
                            return Err(CatalogError::NoArena { file: file.into(), path: workload.path });
                        }
                        all.push(workload);
                    }
                }
            }
        }
        Ok(())
    }

    fn one(&self, kind: &'static dyn Kind, algorithm: &str, size: Option<usize>) -> Workload {
        let op = kind.name();
        let mut path = match kind.subject() {
            Subject::Nothing => op.to_owned(),
            Subject::Part(whole) => format!("{whole}/{op}"),
            _ => format!("{op}/{algorithm}"),
        };
        let size_of = |unit| size.filter(|_| kind.size() == unit).unwrap_or(0);
        let size_shown = size.map(|size| size.to_string()).into_iter();
        for part in size_shown.chain(Some(self.variant.clone()).filter(|variant| !variant.is_empty())) {
            path = format!("{path}/{part}");
        }
        Workload {
            path,
            kind,
            algorithm: if algorithm.is_empty() { op.to_owned() } else { algorithm.to_owned() },
            alg: Alg::from_name(algorithm).filter(|_| kind.subject() == Subject::Cipher),
            scheme: None,
            bytes: size_of(Size::Bytes),
            items: size_of(Size::Items) as u32,
            aad: self.aad,
            batch: self.batch,
            offset: self.offset,
            variant: self.variant.clone(),
            tails: self.tails,
            level: self.arena,
            seed: 0,
            suite: self.suite,
            why: self.why.clone(),
        }
    }
}

/// The known kinds to list for an unknown one: those of the same name, or else all.
fn unknown(file: &str, op: &str, on: &str, kinds: &[&'static dyn Kind]) -> CatalogError {
    let words = |kind: &&dyn Kind| match kind.subject() {
        Subject::Cipher => format!("{} (aes-256-gcm and the like)", kind.name()),
        Subject::One(name) | Subject::Part(name) => format!("{} ({name})", kind.name()),
        Subject::Scheme | Subject::Nothing => format!("{} (nothing named)", kind.name()),
    };
    let (of_name, others): (Vec<_>, Vec<_>) = kinds.iter().copied().partition(|kind| kind.name() == op);
    let known = if of_name.is_empty() { others } else { of_name };
    let known = known.iter().map(words).collect::<Vec<_>>().join(", ");
    CatalogError::UnknownKind { file: file.into(), op: op.into(), on: on.into(), known }
}
