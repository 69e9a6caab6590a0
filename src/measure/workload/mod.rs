//! A workload: one thing to time, and how to make a batch of it for an engine.

mod batch;
pub mod catalog;
mod cold;
mod fixture;
mod key;
mod latency;
mod lookup;
pub mod op;
mod parallel;
mod record_parts;
mod reject;
mod rekey;
mod storage;
#[cfg(test)]
pub(in crate::measure) mod testing;

use serde::Deserialize;

use crate::aead::Alg;
use crate::engine::{Engine, Shape};
use crate::envelope::OVERHEAD;
use crate::measure::Error;
use crate::measure::limit::roofline::{Flow, Work};
use crate::measure::workload::catalog::Suite;
use crate::measure::workload::fixture::arena::stride;
use crate::measure::workload::fixture::message::{self, Messaging};
use crate::measure::workload::fixture::record;
use crate::measure::workload::op::Op;
use crate::measure::workload::storage::{rotation, value};
use crate::scheme::storage::SEALED_OVERHEAD;
use crate::timing::Timed;

/// Which engines a workload is measured on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engines {
    /// Each that is asked for.
    Each,
    /// `sealmark` alone: no cipher takes part.
    Own,
}

/// The cache that an arena is sized to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Deserialize)]
pub enum Level {
    /// 16 KiB: half of the smallest first-level cache in use.
    L1,
    /// 256 KiB.
    L2,
    /// 2 MiB.
    L3,
    /// 64 MiB: more than the last-level cache of most CPUs, or a core's share of it.
    #[serde(rename = "memory")]
    Memory,
}

impl Level {
    /// Bytes of the arena.
    pub const fn bytes(self) -> usize {
        match self {
            Self::L1 => 16 * 1024,
            Self::L2 => 256 * 1024,
            Self::L3 => 2 * 1024 * 1024,
            Self::Memory => 64 * 1024 * 1024,
        }
    }

    /// The smallest level that an arena of `bytes` is within; what is larger than all is in memory.
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

/// One thing to time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Workload {
    /// Its path: `seal/aes-256-gcm/16384`.
    pub path: String,
    /// The operation.
    pub op: Op,
    /// `aes-256-gcm` and the like, or what the operation works on.
    pub algorithm: String,
    /// The algorithm, where it is one of the cipher's own.
    pub alg: Option<Alg>,
    /// Message bytes of one operation; 0 where there is no message.
    pub bytes: usize,
    /// Keys of the sidecar that it is about; 0 where it is about none.
    pub keys: u32,
    /// Bytes of additional data.
    pub aad: usize,
    /// Messages that go to the engine at once, the last call of a pass taking what is left, or that a key seals; 1
    /// where each goes alone.
    pub batch: usize,
    /// Bytes from the beginning of a cache line to that of a message.
    pub offset: usize,
    /// Whether single operations are timed too, for their distribution.
    pub tails: bool,
    /// Which engines it is measured on.
    pub engines: Engines,
    /// The cache that its arena is sized to; `None` where there is no arena.
    pub level: Option<Level>,
    /// What its keys, nonces and messages are drawn from; 0 in the suites.
    pub seed: u64,
    /// The smallest suite that it is in.
    pub suite: Suite,
    /// Why it is measured.
    pub why: String,
}

/// Operations of a batch that has no arena.
const WITHOUT_ARENA: usize = 512;
/// Keys made in one batch.
const KEYS: usize = 64;
/// Keys loaded in one batch, where they are loaded many at once.
const LOADED_KEYS: usize = 5_000;
/// Rotations of one batch: each adds a key, and there shall not be many more than the workload says.
const ROTATIONS: usize = 2;

impl Workload {
    /// The algorithm that an engine must offer: records are sealed with AES-256-GCM.
    pub fn needs(&self) -> Alg {
        self.alg.unwrap_or(Alg::Aes256Gcm)
    }

    /// Whether an engine offers the calls that it makes.
    pub fn supported_by(&self, engine: &dyn Engine) -> bool {
        engine.supports(Shape::usual(self.needs()))
    }

    /// Operations of one batch: as many as its arena has room for.
    pub fn count(&self) -> usize {
        match (self.level, self.op) {
            (Some(level), _) => match level.bytes() / self.slot_len() {
                room if room >= self.batch => (room / self.batch * self.batch).max(2),
                room => room.max(2),
            },
            (None, Op::Key | Op::ColdSeal) => KEYS,
            (None, Op::Hydrate) => (LOADED_KEYS / self.keys.max(1) as usize).max(2),
            (None, Op::Rotate) => ROTATIONS,
            (None, _) => WITHOUT_ARENA,
        }
    }

    /// Bytes of buffers that a batch of `count` operations walks through.
    pub fn arena(&self, count: usize) -> Option<crate::measure::Arena> {
        self.level?;
        let bytes = count * self.slot_len();
        let level = Level::holding(bytes).name().to_owned();
        Some(crate::measure::Arena { bytes: bytes as u64, level })
    }

    /// Whether one core alone works, so that its operations take cycles of that core.
    pub fn on_one_core(&self) -> bool {
        !matches!(self.op, Op::ParallelSeal | Op::ContendedLookup)
    }

    /// Threads that share the work, where it is not one alone.
    pub fn threads(&self) -> Option<u32> {
        (self.op == Op::ParallelSeal).then(|| parallel::threads() as u32)
    }

    /// What one operation asks of a CPU; `None` where that is not known, or not on one core.
    pub fn work(&self) -> Option<Work> {
        let flow = match self.op {
            Op::Seal | Op::Open => Flow::Calls,
            Op::LatencySeal => Flow::Chained,
            Op::SealBatch | Op::OpenBatch | Op::SealMany => Flow::Shared,
            _ => return None,
        };
        let rounds = match self.needs() {
            Alg::Aes128Gcm => 10,
            Alg::Aes192Gcm => 12,
            Alg::Aes256Gcm => 14,
        };
        let blocks = |bytes: usize| bytes.div_ceil(16) as u32;
        let aad = if self.alg.is_some() { self.aad } else { record::AAD_LEN };
        let (message, j0, lengths) = (blocks(self.bytes), 1, 1);
        Some(Work { rounds, encrypted: message + j0, hashed: blocks(aad) + message + lengths, flow })
    }

    /// Makes a batch of `count` operations on `engine`.
    ///
    /// # Errors
    /// [`Error::Engine`] or [`Error::Envelope`] where the engine refuses a key or a message.
    ///
    /// # Panics
    /// When `count` is 0.
    pub fn prepare(&self, engine: &'static dyn Engine, count: usize) -> Result<Box<dyn Timed>, Error> {
        assert!(count > 0, "a batch has operations");
        match (self.op, self.alg) {
            (Op::Seal, Some(_)) => message::seals(engine, &self.shape(), count),
            (Op::Open, Some(_)) => message::opens(engine, &self.shape(), count),
            (Op::Reject, _) => reject::rejects(engine, &self.shape(), count),
            (Op::LatencySeal, _) => latency::seals(engine, &self.shape(), count),
            (Op::SealBatch, _) => batch::seals(engine, &self.shape(), self.batch, count),
            (Op::OpenBatch, _) => batch::opens(engine, &self.shape(), self.batch, count),
            (Op::Amortised, _) => rekey::seals(engine, &self.shape(), self.batch, count),
            (Op::ColdSeal, _) => cold::seals(engine, &self.shape(), count),
            (Op::ParallelSeal, _) => parallel::seals(engine, &self.shape(), count),
            (Op::Header, _) => Ok(record_parts::headers(count)),
            (Op::Aad, _) => Ok(record_parts::aads(count)),
            (Op::Copy, _) => Ok(record_parts::copies(self.bytes, count)),
            (Op::SealMany, _) => record::seals_many(engine, self.bytes, self.batch, count, self.seed),
            (Op::SealValue, _) => value::seals(engine, self.bytes, count),
            (Op::OpenValue, _) => value::opens(engine, self.bytes, count),
            (Op::Key, _) => key::keys(engine, self.needs(), count, self.seed),
            (Op::Seal, None) => record::seals(engine, self.bytes, count, self.seed),
            (Op::Open, None) => record::opens(engine, self.bytes, count, self.seed),
            (Op::Nonce, _) => Ok(lookup::nonces(count)),
            (Op::Lookup, _) => lookup::lookups(engine, count),
            (Op::ContendedLookup, _) => lookup::contended(engine, count),
            (Op::Hydrate, _) => rotation::hydrates(engine, self.keys, count),
            (Op::Rotate, _) => rotation::rotates(engine, self.keys, count),
        }
    }

    /// The messages of its batches.
    fn shape(&self) -> Messaging {
        Messaging {
            alg: self.needs(),
            bytes: self.bytes,
            aad: self.aad,
            offset: self.offset,
            seed: self.seed,
        }
    }

    /// Bytes that one operation walks through. A record is sealed beside its message, and opened in place; a value is
    /// read to beside it.
    fn slot_len(&self) -> usize {
        match (self.alg, self.op) {
            (Some(_), _) => stride(self.offset + self.bytes),
            (None, Op::SealValue | Op::OpenValue) => {
                stride(self.bytes) + stride(self.bytes + SEALED_OVERHEAD)
            }
            (None, Op::Open) => stride(self.bytes + OVERHEAD),
            (None, _) => stride(self.bytes) + stride(self.bytes + OVERHEAD),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::measure::workload::catalog;
    use crate::measure::workload::testing::pass;

    #[test]
    fn every_workload_makes_batches_that_are_right() {
        let engine = find("sealmark").unwrap();
        let mut seen = 0;
        for w in catalog::workloads() {
            for count in [1, 2] {
                let mut batch = w.prepare(engine, count).unwrap();
                assert_eq!(pass(&mut *batch), Ok(()), "{}", w.path);
                if w.on_one_core() {
                    assert_eq!(batch.count(), count as u64, "{}", w.path);
                } else {
                    assert_eq!(batch.count() % count as u64, 0, "{}", w.path);
                }
            }
            seen += 1;
        }
        assert_eq!(seen, catalog::workloads().len());
    }

    #[test]
    fn an_op_is_called_in_rows_as_in_the_files() {
        #[derive(Deserialize)]
        struct Ops {
            ops: Vec<Op>,
        }
        for w in catalog::workloads() {
            let text = format!("ops = [{:?}]", w.op.name());
            assert_eq!(toml::from_str::<Ops>(&text).unwrap().ops, [w.op]);
            assert!(w.path.contains(w.op.name()), "{}", w.path);
        }
    }

    #[test]
    fn a_batch_fills_its_cache_level_and_no_more() {
        for w in catalog::workloads() {
            let count = w.count();
            assert!(count >= 2, "{}", w.path);
            match (w.level, w.arena(count)) {
                (None, None) => {
                    let without_messages = matches!(
                        w.op,
                        Op::Key
                            | Op::Nonce
                            | Op::Lookup
                            | Op::ContendedLookup
                            | Op::Hydrate
                            | Op::Rotate
                            | Op::Header
                            | Op::Aad
                    );
                    assert!(without_messages || w.op == Op::ColdSeal, "{}", w.path);
                }
                (Some(level), Some(arena)) => {
                    assert_eq!(arena.level, level.name(), "{}", w.path);
                    assert!(arena.bytes <= level.bytes() as u64, "{}", w.path);
                    assert!(arena.bytes * 10 >= level.bytes() as u64 * 7, "{} {arena:?}", w.path);
                }
                other => panic!("{}: {other:?}", w.path),
            }
        }
    }
}
