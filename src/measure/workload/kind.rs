//! What a workload does: the trait that every kind of workload implements.
//!
//! A kind is a file of this folder, or of a scheme's folder in it, and a line in that folder's table. The
//! file's `//!` says what proves that every operation of a timed pass was done, and done for itself. Results
//! cannot show an engine that opens a message in an earlier pass and remembers it, nor a sidecar that is
//! hydrated once and remembered, because each pass has the same input: the trace of a call counts such work.

use crate::aead::Alg;
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::limit::roofline::Work;
use crate::measure::workload::Workload;
use crate::timing::Timed;

/// A kind of workload: what one operation does, and how to make some of them ready for an engine.
pub trait Kind: Send + Sync {
    /// Its name in paths, rows and the workload files: `seal`, `latency/seal`.
    fn name(&self) -> &'static str;

    /// What its operations work on. Two kinds of one name work on different things.
    fn subject(&self) -> Subject;

    /// Makes `count` operations of a workload ready to be timed on `engine`.
    ///
    /// # Errors
    /// [`Error::Engine`], [`Error::Envelope`] or [`Error::Scheme`] where a key or a message is refused.
    fn prepare(
        &self,
        workload: &Workload,
        engine: &'static dyn Engine,
        count: usize,
    ) -> Result<Box<dyn Timed>, Error>;

    /// The engines that it is measured on.
    fn scope(&self) -> Scope {
        Scope::EveryEngine
    }

    /// What the size at the end of its paths counts.
    fn size(&self) -> Size {
        Size::Bytes
    }

    /// Bytes of buffers that one operation walks through; `None` where it walks through none, so that it has
    /// no arena.
    fn slot_len(&self, _: &Workload) -> Option<usize> {
        None
    }

    /// Operations of one pass, where no arena says how many there is room for.
    fn default_count(&self, _: &Workload) -> usize {
        512
    }

    /// What one operation asks of a CPU; `None` where that is not known, or not on one core.
    fn work(&self, _: &Workload) -> Option<Work> {
        None
    }

    /// Whether one core alone works, so that its operations take cycles of that core and can be traced.
    fn single_core(&self) -> bool {
        true
    }

    /// Threads that share the work, where it is not one alone.
    fn threads(&self) -> Option<u32> {
        None
    }

    /// Whether its operations open what was sealed: then [`Timed::refuse_forgery`] must find an engine that
    /// opens forgeries.
    fn opens(&self) -> bool {
        false
    }
}

/// What operations work on, and where that stands in a path.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Subject {
    /// Messages, with AES-GCM of some key size: `seal/aes-256-gcm/16384`.
    Cipher,
    /// One thing of that name: `seal/record/1024`.
    One(&'static str),
    /// The same, for work that is a part of what is done with it: `record/header`.
    Part(&'static str),
    /// Any scheme, a user's too: `protect/storage/1024`.
    Scheme,
    /// Nothing that has a name: `nonce`.
    Nothing,
}

impl Subject {
    /// Whether this is what a workload file calls by that name. Schemes are not named there: all of them are
    /// meant.
    pub fn is(self, name: &str) -> bool {
        match self {
            Self::Cipher => Alg::from_name(name).is_some(),
            Self::One(own) | Self::Part(own) => own == name,
            Self::Scheme | Self::Nothing => name.is_empty(),
        }
    }
}

/// Which engines a kind of workload is measured on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Scope {
    /// Each that is asked for.
    EveryEngine,
    /// `sealmark` alone: the cipher takes no part, or none that is of interest.
    CipherFree,
}

/// What the size of a workload counts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Size {
    /// Bytes of a message.
    Bytes,
    /// Things that are not bytes, such as the keys of a sidecar.
    Items,
}
