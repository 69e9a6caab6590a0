//! The suites: `benches/workloads/*.toml`, expanded to workloads.
//!
//! Each file declares how many workloads it expands to. Every suite holds those below it: quick, standard, full.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::aead::Alg;
use crate::measure::workload::op::Op;
use crate::measure::workload::{Engines, Level, Workload};

/// How much is measured.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Suite {
    /// AES-256-GCM, its latencies and batches, records, keys and nonces: about a minute.
    Quick,
    /// And the other key sizes, and more lengths.
    Standard,
    /// Everything.
    Full,
}

impl Suite {
    /// Every suite, each within the next.
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
        workloads().iter().filter(move |w| w.suite <= self)
    }
}

/// Every workload, in the order of the files.
pub fn workloads() -> &'static [Workload] {
    static ALL: LazyLock<Vec<Workload>> =
        LazyLock::new(|| FILES.iter().flat_map(|(name, text)| File::decode(name, text).expand()).collect());
    &ALL
}

/// The workload of that path.
pub fn find(path: &str) -> Option<&'static Workload> {
    workloads().iter().find(|w| w.path == path)
}

/// Whether a filter chooses a path: `*` stands for any characters and `?` for one; without either, any part of
/// the path will do. Of several filters, with commas between them, one must choose it.
pub fn chooses(filters: &str, path: &str) -> bool {
    filters.split(',').any(|filter| one_chooses(filter, path))
}

fn one_chooses(filter: &str, path: &str) -> bool {
    if !filter.contains(['*', '?']) {
        return path.contains(filter);
    }
    let (filter, path): (Vec<char>, Vec<char>) = (filter.chars().collect(), path.chars().collect());
    let (mut f, mut p) = (0, 0);
    // After the last `*`: the place behind it, and the first character of the path that it may yet swallow.
    let mut star = None;
    while p < path.len() {
        match filter.get(f) {
            Some('*') => {
                f += 1;
                star = Some((f, p));
            }
            Some(&c) if c == '?' || c == path[p] => (f, p) = (f + 1, p + 1),
            _ => {
                let Some((behind, from)) = star else { return false };
                star = Some((behind, from + 1));
                (f, p) = (behind, from + 1);
            }
        }
    }
    filter[f..].iter().all(|&c| c == '*')
}

const FILES: [(&str, &str); 4] = [
    ("aead.toml", include_str!("../../../benches/workloads/aead.toml")),
    ("key.toml", include_str!("../../../benches/workloads/key.toml")),
    ("scheme.toml", include_str!("../../../benches/workloads/scheme.toml")),
    ("envelope.toml", include_str!("../../../benches/workloads/envelope.toml")),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[cfg_attr(not(test), expect(dead_code, reason = "a declaration that the tests hold the file to"))]
    cases: usize,
    workload: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    ops: Vec<Op>,
    /// `aes-256-gcm` and the like, or what the operation works on. Empty where there is nothing to name.
    #[serde(default)]
    algorithms: Vec<String>,
    /// Bytes of a message, or how many keys there are.
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
    /// Ends the path, where what else sets the workload apart does not show in it.
    #[serde(default)]
    variant: String,
    engines: Engines,
    arena: Option<Level>,
    suite: Suite,
    why: String,
}

/// Messages of a call, where nothing is said of it.
const fn one() -> usize {
    1
}

impl File {
    fn decode(name: &str, text: &str) -> Self {
        toml::from_str(text).unwrap_or_else(|e| panic!("{name}, which a test reads, does not decode: {e}"))
    }

    fn expand(self) -> Vec<Workload> {
        self.workload.iter().flat_map(Entry::expand).collect()
    }
}

impl Entry {
    fn expand(&self) -> Vec<Workload> {
        let mut all = Vec::new();
        let nothing = [String::new()];
        let algorithms = if self.algorithms.is_empty() { &nothing } else { self.algorithms.as_slice() };
        let sizes: Vec<Option<usize>> =
            if self.sizes.is_empty() { vec![None] } else { self.sizes.iter().copied().map(Some).collect() };
        for &op in &self.ops {
            for algorithm in algorithms {
                for &size in &sizes {
                    all.push(self.one(op, algorithm, size));
                }
            }
        }
        all
    }

    fn one(&self, op: Op, algorithm: &str, size: Option<usize>) -> Workload {
        let mut path = match (op, size) {
            (Op::Nonce, _) => op.name().to_owned(),
            (Op::Lookup | Op::Header | Op::Aad, _) => format!("{algorithm}/{}", op.name()),
            (Op::Copy, Some(size)) => format!("{algorithm}/{}/{size}", op.name()),
            (_, None) => format!("{}/{algorithm}", op.name()),
            (_, Some(size)) => format!("{}/{algorithm}/{size}", op.name()),
        };
        let (bytes, keys) = match (op, size.unwrap_or(0)) {
            (Op::Hydrate | Op::Rotate, keys) => (0, keys as u32),
            (_, bytes) => (bytes, 0),
        };
        if !self.variant.is_empty() {
            path = format!("{path}/{}", self.variant);
        }
        Workload {
            path,
            op,
            algorithm: if algorithm.is_empty() { op.name().to_owned() } else { algorithm.to_owned() },
            alg: Alg::from_name(algorithm),
            bytes,
            keys,
            aad: self.aad,
            batch: self.batch,
            offset: self.offset,
            tails: self.tails,
            engines: self.engines,
            level: self.arena,
            seed: 0,
            suite: self.suite,
            why: self.why.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_file_expands_to_the_cases_that_it_declares() {
        let mut sum = 0;
        for (name, text) in FILES {
            let file = File::decode(name, text);
            let cases = file.cases;
            assert_eq!(file.expand().len(), cases, "{name}");
            sum += cases;
        }
        assert_eq!(workloads().len(), sum);
        assert_eq!(sum, 220);
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
        assert!(workloads().iter().all(|w| find(&w.path) == Some(w) && !w.why.is_empty()));
        assert_eq!(find("seal/aes-512-gcm/16"), None);
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
            if matches!(w.op, Op::Seal | Op::Open) && w.path.matches('/').count() == 2 {
                assert_eq!(level == Level::L1, w.bytes <= 1024, "{}", w.path);
            }
            assert!(w.bytes * 2 <= level.bytes(), "{}", w.path);
            assert!(!matches!(w.op, Op::Key | Op::Nonce | Op::Lookup), "{}", w.path);
            seen += 1;
        }
        assert_eq!(seen, 204);
    }

    #[test]
    fn several_messages_go_to_the_engine_at_once_where_the_op_is_a_batch_and_nowhere_else() {
        let mut seen = 0;
        for w in workloads() {
            let batch = matches!(w.op, Op::SealBatch | Op::OpenBatch | Op::SealMany);
            assert!(batch == (w.batch > 1) || w.op == Op::Amortised, "{}", w.path);
            seen += usize::from(batch);
            if batch && w.alg.is_some() {
                assert_eq!(w.count() % w.batch, 0, "{}: the last call of a pass is as large", w.path);
                let alone = find(&w.path.replace("_batch", "")).expect("single calls of that size");
                assert_eq!((alone.count(), alone.level), (w.count(), w.level), "{}", w.path);
            }
        }
        assert_eq!(seen, 10);
        let own = workloads().iter().filter(|w| w.op == Op::LatencySeal);
        assert!(own.clone().all(|w| w.alg.is_some()));
        assert_eq!(own.count(), 4);
    }

    #[test]
    fn a_filter_is_a_part_of_the_path_or_a_pattern() {
        for (filter, path, chosen) in [
            ("seal/", "seal/aes-256-gcm/16", true),
            ("256", "seal/aes-256-gcm/16", true),
            ("", "nonce", true),
            ("open", "seal/aes-256-gcm/16", false),
            ("seal/*/16", "seal/aes-256-gcm/16", true),
            ("seal/*/16", "seal/aes-256-gcm/16384", false),
            ("*/16", "open/aes-128-gcm/16", true),
            ("*256*", "seal/aes-256-gcm/16", true),
            ("eal/*", "seal/aes-256-gcm/16", false),
            ("*", "nonce", true),
            ("n*ce*nonce", "nonce", false),
            ("nonce?", "nonce", false),
            ("no?ce", "nonce", true),
            ("?nce", "nonce", false),
            ("seal/*/1?", "seal/aes-256-gcm/16", true),
            ("seal/*/1?", "seal/aes-256-gcm/16384", false),
            ("*/aes-???-gcm/*", "open/aes-128-gcm/16", true),
            ("?*/?*/?*/?*", "open/aes-128-gcm/16", false),
            ("*1*6", "seal/aes-128-gcm/1616", true),
            ("nonce,seal/*/16", "seal/aes-256-gcm/16", true),
            ("nonce,seal/*/16", "nonce", true),
            ("nonce,seal/*/16", "seal/aes-256-gcm/64", false),
        ] {
            assert_eq!(chooses(filter, path), chosen, "{filter} {path}");
        }
    }

    #[test]
    fn an_unknown_member_of_a_file_is_refused() {
        let text =
            "cases = 1\n[[workload]]\nops = [\"nonce\"]\nengines = \"own\"\nsuite = \"quick\"\nwhy = \"x\"\n";
        assert!(toml::from_str::<File>(text).is_ok());
        assert!(toml::from_str::<File>(&format!("{text}colour = 1\n")).is_err());
        assert!(toml::from_str::<File>(&text.replace("quick", "rapid")).is_err());
    }
}
