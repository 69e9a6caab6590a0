//! A workload: something to time, and how to prepare operations of it for an engine.
//!
//! Its [`Kind`] says what its operations do. A new kind is a file here and a line in [`KINDS`], or a file in
//! the folder of a scheme and a line in its table, and then rows in `benches/workloads/`.

mod aad;
pub mod catalog;
mod cold;
mod contended;
mod copy;
mod ephemeral;
pub mod filter;
mod fixture;
mod header;
mod key;
pub mod kind;
mod latency;
mod log;
mod lookup;
mod nonce;
mod open;
mod open_batch;
mod parallel;
mod protect;
mod record_open;
mod record_seal;
mod recover;
mod reject;
mod rekey;
mod seal;
mod seal_batch;
mod seal_many;
mod snapshot;
mod storage;
#[cfg(test)]
pub(in crate::measure) mod testing;
mod tunnel;

use std::fmt;

use serde::Deserialize;

use crate::aead::Alg;
use crate::engine::{self, Engine, Shape};
use crate::measure::Error;
use crate::measure::limit::roofline::Work;
use crate::measure::workload::catalog::Suite;
use crate::measure::workload::kind::{Kind, Scope};
use crate::scheme::Scheme;
use crate::timing::Timed;

/// Every kind that does not belong to a scheme.
pub const KINDS: &[&dyn Kind] = &[
    &seal::Seal,
    &open::Open,
    &latency::LatencySeal,
    &seal_batch::SealBatch,
    &open_batch::OpenBatch,
    &rekey::Amortised,
    &cold::ColdSeal,
    &reject::Reject,
    &parallel::ParallelSeal,
    &key::MakeKey,
    &record_seal::SealRecord,
    &record_open::OpenRecord,
    &seal_many::SealMany,
    &header::WriteHeader,
    &aad::ComposeAad,
    &copy::CopyMessage("record"),
    &copy::CopyMessage("frame"),
    &nonce::IssueNonce,
    &lookup::Lookup,
    &contended::ContendedLookup,
    &protect::Protect,
    &recover::Recover,
];

/// The kinds of each scheme.
const OF_SCHEMES: &[&[&dyn Kind]] =
    &[storage::KINDS, ephemeral::KINDS, tunnel::KINDS, snapshot::KINDS, log::KINDS];

/// Every kind of workload.
pub fn kinds() -> Vec<&'static dyn Kind> {
    KINDS.iter().chain(OF_SCHEMES.iter().copied().flatten()).copied().collect()
}

/// The cache level for which an arena is sized.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Deserialize)]
pub enum Level {
    /// 16 KiB: half of the smallest first-level cache in use.
    L1,
    /// 256 KiB.
    L2,
    /// 2 MiB.
    L3,
    /// 64 MiB: more than the last-level cache of most CPUs, or than a core's share of it.
    #[serde(rename = "memory")]
    Memory,
}

impl Level {
    /// The size of the arena in bytes.
    pub const fn bytes(self) -> usize {
        match self {
            Self::L1 => 16 * 1024,
            Self::L2 => 256 * 1024,
            Self::L3 => 2 * 1024 * 1024,
            Self::Memory => 64 * 1024 * 1024,
        }
    }

    /// The smallest level that holds an arena of `bytes`, or else memory.
    pub fn holding(bytes: usize) -> Self {
        [Self::L1, Self::L2, Self::L3]
            .into_iter()
            .find(|level| bytes <= level.bytes())
            .unwrap_or(Self::Memory)
    }

    /// Its name in rows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::L1 => "L1",
            Self::L2 => "L2",
            Self::L3 => "L3",
            Self::Memory => "memory",
        }
    }
}

/// Something to time.
#[derive(Clone)]
pub struct Workload {
    /// Its path: `seal/aes-256-gcm/16384`.
    pub path: String,
    /// The kind of its operations.
    pub kind: &'static dyn Kind,
    /// The cipher, such as `aes-256-gcm`, or else the object of the operation, such as `record`.
    pub algorithm: String,
    /// The algorithm, if the operation is one of the cipher itself.
    pub alg: Option<Alg>,
    /// The scheme, if its kind applies to every scheme.
    pub scheme: Option<&'static dyn Scheme>,
    /// Message bytes of one operation; 0 where there is no message.
    pub bytes: usize,
    /// The number of other items, such as the keys of a sidecar; 0 where there are none.
    pub items: u32,
    /// Bytes of additional data.
    pub aad: usize,
    /// Messages per call of a batch, or per key; 1 where each message is a call of its own. The last call of
    /// a pass takes the remainder.
    pub batch: usize,
    /// The offset of a message from the start of a cache line, in bytes.
    pub offset: usize,
    /// Distinguishes workloads with the same operation, algorithm and size, such as `misaligned`. Empty for
    /// the usual one.
    pub variant: String,
    /// Whether single operations are timed too, for their distribution.
    pub tails: bool,
    /// The cache level for which its arena is sized; `None` where there is no arena.
    pub level: Option<Level>,
    /// The seed of its keys, nonces and messages; 0 in the suites.
    pub seed: u64,
    /// The smallest suite that contains it.
    pub suite: Suite,
    /// Why it is measured.
    pub why: String,
}

impl fmt::Debug for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Workload").field(&self.path).finish()
    }
}

impl Workload {
    /// The operation: its kind's name.
    pub fn op(&self) -> &'static str {
        self.kind.name()
    }

    /// The engines on which it is measured.
    pub fn scope(&self) -> Scope {
        match self.scheme {
            Some(scheme) if scheme.needs().is_none() => Scope::CipherFree,
            _ => self.kind.scope(),
        }
    }

    /// The algorithm that an engine must support. Records use AES-256-GCM.
    pub fn needs(&self) -> Alg {
        self.calls().alg
    }

    /// Whether an engine supports its calls.
    pub fn supported_by(&self, engine: &dyn Engine) -> bool {
        engine.supports(self.calls())
    }

    fn calls(&self) -> Shape {
        let of_scheme = self.scheme.and_then(|scheme| scheme.needs());
        of_scheme.unwrap_or_else(|| Shape::usual(self.alg.unwrap_or(Alg::Aes256Gcm)))
    }

    /// The engines of `chosen` on which it is measured. Where the operation uses no cipher, that is
    /// `sealmark`, if any engine of ours was chosen.
    pub fn eligible_engines(&self, chosen: &[&'static dyn Engine]) -> Vec<&'static dyn Engine> {
        let runs = |e: &&'static dyn Engine| e.available().is_ok() && self.supported_by(*e);
        match self.scope() {
            Scope::EveryEngine => chosen.iter().copied().filter(runs).collect(),
            Scope::CipherFree if chosen.iter().any(|e| e.family() == "sealmark") => {
                engine::find("sealmark").into_iter().collect()
            }
            Scope::CipherFree => Vec::new(),
        }
    }

    /// Operations per pass: as many as fit its arena.
    pub fn count(&self) -> usize {
        match self.level.zip(self.kind.slot_len(self)) {
            Some((level, slot)) => match level.bytes() / slot.max(1) {
                room if room >= self.batch => (room / self.batch * self.batch).max(2),
                room => room.max(2),
            },
            None => self.kind.default_count(self),
        }
    }

    /// Bytes of buffers for `count` operations; `None` where it has no arena.
    pub fn arena_len(&self, count: usize) -> Option<usize> {
        self.level?;
        Some(count * self.kind.slot_len(self)?)
    }

    /// The buffers that one operation walks through, in bytes; `None` where it walks through none.
    pub fn slot_len(&self) -> Option<usize> {
        self.kind.slot_len(self)
    }

    /// Whether it runs on a single core, so that its operations can be counted in core cycles.
    pub fn on_one_core(&self) -> bool {
        self.kind.single_core()
    }

    /// Threads that share the work, where there are several.
    pub fn threads(&self) -> Option<u32> {
        self.kind.threads()
    }

    /// The work of one operation; `None` where it is unknown, or spread over several cores.
    pub fn work(&self) -> Option<Work> {
        self.kind.work(self)
    }

    /// Prepares `count` operations to be timed on `engine`.
    ///
    /// # Errors
    /// [`Error::Engine`], [`Error::Envelope`] or [`Error::Scheme`] where a key or a message is refused.
    ///
    /// # Panics
    /// If `count` is 0.
    pub fn prepare(&self, engine: &'static dyn Engine, count: usize) -> Result<Box<dyn Timed>, Error> {
        assert!(count > 0, "a pass has operations");
        self.kind.prepare(self, engine, count)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::engine::find;
    use crate::measure::workload::testing::{Broken, Fault, pass};

    #[test]
    fn every_workload_makes_operations_that_are_right() {
        let engine = find("sealmark").unwrap();
        for w in catalog::workloads() {
            for count in [1, 2] {
                let mut timed = w.prepare(engine, count).unwrap();
                assert_eq!(pass(&mut *timed), Ok(()), "{}", w.path);
                if w.on_one_core() {
                    assert_eq!(timed.count(), count as u64, "{}", w.path);
                } else {
                    assert_eq!(timed.count() % count as u64, 0, "{}", w.path);
                }
            }
        }
    }

    #[test]
    fn a_workload_without_a_cipher_runs_for_ours_only() {
        let nonce = catalog::find("nonce").unwrap();
        let ours = find("sealmark/portable").unwrap();
        let names = |chosen: &[&'static dyn Engine]| {
            nonce.eligible_engines(chosen).iter().map(|e| e.name().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(&[ours]), ["sealmark"]);
        assert!(names(&[Broken::with(Fault::FlipsTag)]).is_empty());
    }

    #[test]
    fn every_kind_is_measured_and_no_two_are_alike() {
        let named = |kind: &dyn Kind| (kind.name(), kind.subject());
        let all: Vec<_> = kinds().into_iter().map(named).collect();
        assert_eq!(all.len(), all.iter().collect::<BTreeSet<_>>().len(), "{all:?}");
        let measured: BTreeSet<_> = catalog::workloads().iter().map(|w| named(w.kind)).collect();
        assert_eq!(measured, all.into_iter().collect(), "a kind without a row in benches/workloads");
        for w in catalog::workloads() {
            assert!(w.path.contains(w.op()), "{}", w.path);
        }
    }

    #[test]
    fn every_file_of_a_kind_has_its_line_in_the_table() {
        for (folder, text, others) in [
            ("src/measure/workload", include_str!("mod.rs"), &["mod", "filter", "kind", "testing"][..]),
            ("src/measure/workload/ephemeral", include_str!("ephemeral/mod.rs"), &["mod", "fixture"]),
            ("src/measure/workload/storage", include_str!("storage/mod.rs"), &["mod", "fixture"]),
            ("src/measure/workload/tunnel", include_str!("tunnel/mod.rs"), &["mod", "fixture"]),
            (
                "src/measure/workload/snapshot",
                include_str!("snapshot/mod.rs"),
                &["mod", "fixture", "certificate"],
            ),
        ] {
            let mut seen = 0;
            for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_stem().unwrap().to_str().unwrap();
                if path.extension().is_some_and(|ext| ext == "rs") && !others.contains(&name) {
                    assert!(text.contains(&format!("&{name}::")), "{name} has no line in {folder}/mod.rs");
                    seen += 1;
                }
            }
            assert!(seen >= 3, "{seen} files in {folder}");
        }
    }

    #[test]
    fn a_pass_fills_its_cache_level_and_no_more() {
        for w in catalog::workloads() {
            let count = w.count();
            assert!(count >= 2, "{}", w.path);
            match (w.level, w.arena_len(count)) {
                (None, None) => assert!(w.kind.slot_len(w).is_none() || w.op() == "cold/seal", "{}", w.path),
                (Some(level), Some(bytes)) => {
                    assert_eq!(Level::holding(bytes), level, "{}", w.path);
                    assert!(bytes <= level.bytes(), "{}", w.path);
                    assert!(bytes * 10 >= level.bytes() * 7, "{} {bytes}", w.path);
                }
                other => panic!("{}: {other:?}", w.path),
            }
        }
    }
}
