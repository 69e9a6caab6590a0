//! What a worker's commands can name.

use crate::engine::{self, Engine};
use crate::measure::Workload;
use crate::measure::workload::catalog;

/// The workloads and engines that are compiled in, and the caller's own engines.
#[derive(Clone, Copy)]
pub(in crate::measure) struct Known<'a>(pub &'a [&'static dyn Engine]);

impl Known<'_> {
    /// The engine of that name: the caller's own before others.
    pub fn engine(&self, name: &str) -> Option<&'static dyn Engine> {
        self.0.iter().copied().find(|engine| engine.name() == name).or_else(|| engine::find(name))
    }

    /// The workload of that path.
    pub fn workload(&self, path: &str) -> Option<&'static Workload> {
        catalog::find(path)
    }
}
