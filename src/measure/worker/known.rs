//! The names that a worker's commands may use.

use crate::engine::{self, Engine};
use crate::measure::{Catalog, Workload};

/// The compiled-in engines, the caller's own engines, and the caller's workloads.
#[derive(Clone, Copy)]
pub(in crate::measure) struct Known<'a> {
    pub engines: &'a [&'static dyn Engine],
    pub catalog: &'a Catalog,
}

impl<'a> Known<'a> {
    /// These engines, and the workloads of our own catalog.
    #[cfg(test)]
    pub fn ours(engines: &'a [&'static dyn Engine]) -> Self {
        Self { engines, catalog: Catalog::ours() }
    }

    /// The engine of that name. The caller's own take precedence.
    pub fn engine(&self, name: &str) -> Option<&'static dyn Engine> {
        self.engines.iter().copied().find(|engine| engine.name() == name).or_else(|| engine::find(name))
    }

    /// The workload of that path.
    pub fn workload(&self, path: &str) -> Option<&'a Workload> {
        self.catalog.find(path)
    }
}
