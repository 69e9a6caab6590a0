//! Why nothing could be measured.

use crate::engine::Engine;

/// Why nothing could be measured. What goes wrong with one engine is a row instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No workload of the suite fits the filter, or no engine was named.
    #[error("nothing to measure: no workload of suite {0} with an engine to run it")]
    Nothing(String),
    /// There is no workload of this path.
    #[error("there is no workload {0}")]
    Unknown(String),
    /// There is no engine of this name.
    #[error("no engine is called {0}")]
    NoEngine(String),
    /// An engine refused while a workload was made ready.
    #[error("{engine}: {refusal}")]
    Engine {
        /// Its name.
        engine: String,
        /// What it said.
        refusal: crate::aead::Error,
    },
    /// The envelope refused while a workload was made ready.
    #[error("the envelope: {0}")]
    Envelope(#[from] crate::envelope::Error),
    /// A scheme refused while a workload was made ready.
    #[error("the scheme {scheme}: {refusal}")]
    Scheme {
        /// Its name.
        scheme: String,
        /// What it said: an error of its own.
        refusal: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A worker process could not be started or spoken to.
    #[error("a worker process could not be started or spoken to")]
    Worker(#[from] std::io::Error),
    /// The system, or the workload, does not let it be traced.
    #[error("tracing: {0}")]
    Trace(#[from] crate::trace::Error),
    /// What was traced is wrong: there is no trace of it.
    #[error("{engine} is wrong, so it is not traced: {why}")]
    Wrong {
        /// The engine.
        engine: String,
        /// What is wrong, for a person to read.
        why: String,
    },
    /// A worker was sent, or sent back, something else than its protocol.
    #[error("a worker does not understand its job, or is not understood")]
    Protocol(#[from] serde_json::Error),
}

impl Error {
    /// An engine refused.
    pub(in crate::measure) fn engine(engine: &dyn Engine, refusal: crate::aead::Error) -> Self {
        Self::Engine { engine: engine.name().to_owned(), refusal }
    }
}
