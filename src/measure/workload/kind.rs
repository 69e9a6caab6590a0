//! The trait that every kind of workload implements.
//!
//! A kind is a file in this folder, or in a scheme's folder within it, and a line in that folder's table. The
//! file's `//!` says how the results prove that every operation of a timed pass was really done. Results
//! cannot expose an engine that caches an opened message, or a cached hydration of a sidecar, because each
//! pass has the same input. Tracing a call counts that work.

use crate::aead::Alg;
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::limit::roofline::Work;
use crate::measure::workload::Workload;
use crate::timing::Timed;

/// A kind of workload: its operation, and how to prepare operations for an engine.
pub trait Kind: Send + Sync {
    /// Its name in paths, rows and the workload files: `seal`, `latency/seal`.
    fn name(&self) -> &'static str;

    /// The subject of its operations. Two kinds of the same name have different subjects.
    fn subject(&self) -> Subject;

    /// Prepares `count` operations of a workload to be timed on `engine`.
    ///
    /// # Errors
    /// [`Error::Engine`], [`Error::Envelope`] or [`Error::Scheme`] where a key or a message is refused.
    fn prepare(
        &self,
        workload: &Workload,
        engine: &'static dyn Engine,
        count: usize,
    ) -> Result<Box<dyn Timed>, Error>;

    /// The engines on which it is measured.
    fn scope(&self) -> Scope {
        Scope::EveryEngine
    }

    /// The unit of the size at the end of its paths.
    fn size(&self) -> Size {
        Size::Bytes
    }

    /// Bytes of buffers per operation; `None` where it uses no buffers and so has no arena.
    fn slot_len(&self, _: &Workload) -> Option<usize> {
        None
    }

    /// Operations per pass for workloads without an arena, which would determine the number.
    fn default_count(&self, _: &Workload) -> usize {
        512
    }

    /// The work of one operation; `None` where it is unknown, or spread over several cores.
    fn work(&self, _: &Workload) -> Option<Work> {
        None
    }

    /// Whether it runs on a single core, so that its operations can be traced and counted in core cycles.
    fn single_core(&self) -> bool {
        true
    }

    /// Threads that share the work, where there are several.
    fn threads(&self) -> Option<u32> {
        None
    }

    /// Whether its operations open sealed messages. [`Timed::refuse_forgery`] must then detect an engine that
    /// opens forgeries.
    fn opens(&self) -> bool {
        false
    }
}

/// The subject of an operation, and its place in a path.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Subject {
    /// Messages, with AES-GCM of some key size: `seal/aes-256-gcm/16384`.
    Cipher,
    /// An object of that name: `seal/record/1024`.
    One(&'static str),
    /// A part of the work on such an object: `record/header`.
    Part(&'static str),
    /// Any scheme, a user's own included: `protect/storage/1024`.
    Scheme,
    /// Nothing with a name of its own: `nonce`.
    Nothing,
}

impl Subject {
    /// Whether a workload file means this subject by that name. Files do not name schemes: such an entry
    /// covers all of them.
    pub fn is(self, name: &str) -> bool {
        match self {
            Self::Cipher => Alg::from_name(name).is_some(),
            Self::One(own) | Self::Part(own) => own == name,
            Self::Scheme | Self::Nothing => name.is_empty(),
        }
    }
}

/// The engines on which a kind of workload is measured.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Scope {
    /// Every requested engine.
    EveryEngine,
    /// `sealmark` alone: the operation does not use the cipher, or its speed does not matter.
    CipherFree,
}

/// The unit of a workload's size.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Size {
    /// Bytes of a message.
    Bytes,
    /// Items other than bytes, such as the keys of a sidecar.
    Items,
}
