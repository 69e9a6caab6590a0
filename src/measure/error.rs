//! Why nothing could be measured.

use crate::engine::Engine;

/// Why nothing could be measured. A failure of one engine is a row instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No workload of the suite matches the filter, or no engine was named.
    #[error("nothing to measure: no workload of suite {0} that one of these engines can run")]
    Nothing(String),
    /// There is no workload of this path.
    #[error("there is no workload {0}")]
    Unknown(String),
    /// There is no engine of this name.
    #[error("no engine is called {0}")]
    NoEngine(String),
    /// An engine refused while a workload was prepared.
    #[error("{engine}: {refusal}")]
    Engine {
        /// Its name.
        engine: String,
        /// Its refusal.
        refusal: crate::aead::Error,
    },
    /// The envelope refused while a workload was prepared.
    #[error("the envelope: {0}")]
    Envelope(#[from] crate::envelope::Error),
    /// A scheme refused while a workload was prepared.
    #[error("the scheme {scheme}: {refusal}")]
    Scheme {
        /// Its name.
        scheme: String,
        /// The scheme's own error.
        refusal: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A worker process could not be started, or its pipes failed.
    #[error("a worker process could not be started, or its pipes failed")]
    Worker(#[from] std::io::Error),
    /// The system or the workload does not allow tracing.
    #[error("tracing: {0}")]
    Trace(#[from] crate::trace::Error),
    /// The traced call gave a wrong result, so there is no trace of it.
    #[error("{engine} is wrong, so it is not traced: {why}")]
    Wrong {
        /// The engine.
        engine: String,
        /// What is wrong, in words.
        why: String,
    },
    /// A message between this program and a worker does not follow the protocol.
    #[error("a message to or from a worker process does not follow the protocol")]
    Protocol(#[from] serde_json::Error),
}

impl Error {
    /// An engine refused.
    pub(in crate::measure) fn engine(engine: &dyn Engine, refusal: crate::aead::Error) -> Self {
        Self::Engine { engine: engine.name().to_owned(), refusal }
    }
}
