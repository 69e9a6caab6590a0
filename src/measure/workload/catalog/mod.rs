//! The suites: `benches/workloads/*.toml`, expanded to workloads.
//!
//! Each file declares how many workloads it expands to. The suites are quick, standard and full, and each
//! includes the ones before it.

mod entry;

use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use crate::measure::workload::catalog::entry::File;
use crate::measure::workload::kind::Kind;
use crate::measure::workload::{Workload, kinds};
use crate::scheme::{Scheme, schemes};

/// How much to measure.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Suite {
    /// AES-256-GCM, its latencies and batches, records, keys and nonces: about a minute.
    Quick,
    /// The other key sizes as well, and more lengths.
    Standard,
    /// Everything.
    Full,
}

impl Suite {
    /// Every suite, from the smallest to the largest.
    pub const ALL: [Self; 3] = [Self::Quick, Self::Standard, Self::Full];

    /// Its name: `quick`, `standard`, `full`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Standard => "standard",
            Self::Full => "full",
        }
    }

    /// The suite of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.name() == name)
    }

    /// Its workloads, in the order of the files.
    pub fn workloads(self) -> impl Iterator<Item = &'static Workload> {
        Catalog::ours().suite(self)
    }
}

/// Every workload of the files, for our own schemes, in the order of the files.
pub fn workloads() -> &'static [Workload] {
    Catalog::ours().workloads()
}

/// The workload with that path, among those for our own schemes.
pub fn find(path: &str) -> Option<&'static Workload> {
    Catalog::ours().find(path)
}

/// Workloads by path.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    workloads: Vec<Workload>,
    absent: Vec<(String, &'static str)>,
}

impl Catalog {
    /// The workloads of the files, for our own schemes.
    pub fn ours() -> &'static Arc<Self> {
        static OURS: LazyLock<Arc<Catalog>> = LazyLock::new(|| {
            let ours = Catalog::of(&schemes());
            Arc::new(ours.unwrap_or_else(|e| panic!("a test reads the files of workloads: {e}")))
        });
        &OURS
    }

    /// The workloads of the files, with entries that cover every scheme expanded to these schemes.
    ///
    /// # Errors
    /// [`CatalogError::Twice`] if two schemes have the same name.
    pub fn of(schemes: &[&'static dyn Scheme]) -> Result<Self, CatalogError> {
        Self::read(FILES, &kinds(), schemes)
    }

    /// Reads files, each with its name.
    ///
    /// # Errors
    /// [`CatalogError`] if a file is malformed.
    pub fn read(
        files: &[(&str, &str)],
        kinds: &[&'static dyn Kind],
        schemes: &[&'static dyn Scheme],
    ) -> Result<Self, CatalogError> {
        let mut catalog = Self::default();
        for (name, text) in files {
            let file = File::decode(name, text)?;
            catalog.absent.extend(file.absent());
            for workload in file.expand(name, kinds, schemes)? {
                if catalog.find(&workload.path).is_some() {
                    return Err(CatalogError::Twice { file: (*name).into(), path: workload.path });
                }
                catalog.workloads.push(workload);
            }
        }
        Ok(catalog)
    }

    /// All workloads, in the order of the files.
    pub fn workloads(&self) -> &[Workload] {
        &self.workloads
    }

    /// The beginnings of paths that this build lacks, each with the feature that it needs.
    pub fn absent(&self) -> &[(String, &'static str)] {
        &self.absent
    }

    /// The workload with that path.
    pub fn find(&self, path: &str) -> Option<&Workload> {
        self.workloads.iter().find(|w| w.path == path)
    }

    /// The workloads of a suite, in the order of the files.
    pub fn suite(&self, suite: Suite) -> impl Iterator<Item = &Workload> {
        self.workloads.iter().filter(move |w| w.suite <= suite)
    }
}

/// What is wrong with a file of workloads.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// It is not TOML, or a member is missing or unknown.
    #[error("{file}: {error}")]
    Decode {
        /// The file.
        file: String,
        /// Where, and why.
        error: Box<toml::de::Error>,
    },
    /// No kind of workload has this name and subject.
    #[error(
        "{file}: no kind of workload is called {op:?} and works on {on:?}: the kinds of that name, or \
         else all, are {known}"
    )]
    UnknownKind {
        /// The file.
        file: String,
        /// The entry in its `ops`.
        op: String,
        /// The entry in its `algorithms`; empty if there is none.
        on: String,
        /// Names of known kinds, with their subjects.
        known: String,
    },
    /// An arena is requested, but operations of this kind use no buffers.
    #[error("{file}: {path} uses no buffers and so has no arena: leave `arena` out")]
    NoArena {
        /// The file.
        file: String,
        /// The workload.
        path: String,
    },
    /// Two workloads have the same path.
    #[error("{file}: there are two workloads {path}: give one of them a `variant`")]
    Twice {
        /// The file.
        file: String,
        /// Their path.
        path: String,
    },
}

const FILES: &[(&str, &str)] = &[
    ("aead.toml", include_str!("../../../../benches/workloads/aead.toml")),
    ("key.toml", include_str!("../../../../benches/workloads/key.toml")),
    ("scheme.toml", include_str!("../../../../benches/workloads/scheme.toml")),
    ("envelope.toml", include_str!("../../../../benches/workloads/envelope.toml")),
    ("tunnel.toml", include_str!("../../../../benches/workloads/tunnel.toml")),
    ("snapshot.toml", include_str!("../../../../benches/workloads/snapshot.toml")),
    ("log.toml", include_str!("../../../../benches/workloads/log.toml")),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::measure::workload::Level;

    #[test]
    fn every_file_expands_to_the_cases_that_it_declares() {
        let mut sum = 0;
        for (name, text) in FILES {
            let file = File::decode(name, text).unwrap();
            let cases = file.cases;
            assert_eq!(file.expand(name, &kinds(), &schemes()[..1]).unwrap().len(), cases, "{name}");
            sum += cases;
        }
        assert_eq!(Catalog::of(&schemes()[..1]).unwrap().workloads().len(), sum);
        assert!(sum >= 280, "{sum}");
    }

    #[test]
    fn the_folder_holds_the_files_of_the_table() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/workloads");
        let found: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(found, FILES.iter().map(|(name, _)| (*name).to_owned()).collect());
    }

    #[test]
    fn no_two_workloads_have_one_path() {
        let paths: BTreeSet<_> = workloads().iter().map(|w| &w.path).collect();
        assert_eq!(paths.len(), workloads().len());
        assert!(workloads().iter().all(|w| find(&w.path).is_some() && !w.why.is_empty()));
        assert!(find("seal/aes-512-gcm/16").is_none());
        let text = row("ops = [\"nonce\", \"nonce\"]");
        let twice = Catalog::read(&[("own.toml", &text)], &kinds(), &[]).unwrap_err();
        assert_eq!(
            twice.to_string(),
            "own.toml: there are two workloads nonce: give one of them a `variant`"
        );
    }

    #[test]
    fn the_quick_suite_is_what_the_docs_say() {
        let quick: Vec<_> = Suite::Quick.workloads().map(|w| w.path.as_str()).collect();
        assert_eq!(quick.len(), 45);
        for size in [16, 64, 256, 1024, 4096, 16384, 65536, 1_048_576] {
            for op in ["seal", "open"] {
                let path = format!("{op}/aes-256-gcm/{size}");
                assert!(quick.contains(&path.as_str()), "{path}");
                assert_eq!(find(&path).unwrap().aad, 6);
            }
        }
        for size in [16, 64, 256, 1024] {
            for op in ["latency/seal", "seal_batch", "open_batch"] {
                assert!(quick.contains(&format!("{op}/aes-256-gcm/{size}").as_str()), "{op} {size}");
            }
        }
        for path in ["key/aes-256-gcm", "nonce", "keystore/lookup", "seal/record/1024", "open/record/16384"] {
            assert!(quick.contains(&path), "{path}");
        }
        let counts = Suite::ALL.map(|suite| suite.workloads().count());
        assert!(counts.is_sorted_by(|a, b| a < b), "{counts:?}");
        assert_eq!(counts[2], workloads().len());
    }

    #[test]
    fn messages_up_to_1024_bytes_are_in_l1_and_each_arena_has_room_for_two() {
        let mut seen = 0;
        for w in workloads().iter().filter(|w| w.level.is_some()) {
            let level = w.level.unwrap();
            if matches!(w.op(), "seal" | "open") && w.path.matches('/').count() == 2 {
                assert_eq!(level == Level::L1, w.bytes <= 1024, "{}", w.path);
            }
            assert!(w.bytes * 2 <= level.bytes(), "{}", w.path);
            seen += 1;
        }
        assert!(seen >= 204, "{seen}");
    }

    #[test]
    fn several_messages_go_to_the_engine_at_once_where_the_op_is_a_batch_and_nowhere_else() {
        let mut seen = 0;
        for w in workloads() {
            let batch = matches!(w.op(), "seal_batch" | "open_batch" | "seal_many");
            assert!(batch == (w.batch > 1) || w.op() == "amortised", "{}", w.path);
            seen += usize::from(batch);
            if batch && w.alg.is_some() {
                assert_eq!(w.count() % w.batch, 0, "{}: the last call of a pass is as large", w.path);
                let alone = find(&w.path.replace("_batch", "")).expect("single calls of that size");
                assert_eq!((alone.count(), alone.level), (w.count(), w.level), "{}", w.path);
            }
            if batch && w.path.contains("frame") {
                let alone = find(&w.path.replace("_batch", "")).expect("single calls of that size");
                assert_eq!(alone.level, w.level, "{}", w.path);
            }
        }
        assert_eq!(seen, 18);
        let own = workloads().iter().filter(|w| w.op() == "latency/seal");
        assert!(own.clone().all(|w| w.alg.is_some()));
        assert_eq!(own.count(), 4);
    }

    /// A file with one entry that has these members.
    fn row(members: &str) -> String {
        format!("cases = 1\n[[workload]]\n{members}\nsuite = \"quick\"\nwhy = \"x\"\n")
    }

    #[test]
    fn a_file_that_is_not_right_is_refused_with_the_reason() {
        let read =
            |text: &str| Catalog::read(&[("own.toml", text)], &kinds(), &schemes()).map(|c| c.workloads);
        let right = row("ops = [\"nonce\"]");
        assert_eq!(read(&right).unwrap()[0].path, "nonce");
        for (text, part) in [
            (format!("{right}colour = 1\n"), "unknown field `colour`"),
            (right.replace("quick", "rapid"), "unknown variant `rapid`"),
            (row("ops = [\"nonsense\"]"), "no kind of workload is called \"nonsense\" and works on \"\""),
            (
                row("ops = [\"seal\"]\nalgorithms = [\"rot-13\"]"),
                "are seal (aes-256-gcm and the like), seal (record)",
            ),
            (row("ops = [\"nonce\"]\narena = \"L1\""), "nonce uses no buffers"),
        ] {
            let error = read(&text).unwrap_err().to_string();
            assert!(error.starts_with("own.toml: ") && error.contains(part), "{error}");
        }
    }
}
