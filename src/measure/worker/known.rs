//! What a worker's commands can name, and which engines a workload is measured on.

use crate::engine::{self, Engine};
use crate::measure::workload::catalog;
use crate::measure::{Scope, Workload};

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

/// The engines of `chosen` that a workload is measured on. Where no cipher takes part it is `sealmark`, if
/// any engine of ours was chosen.
pub fn eligible_engines(workload: &Workload, chosen: &[&'static dyn Engine]) -> Vec<&'static dyn Engine> {
    let runs = |e: &&'static dyn Engine| e.available().is_ok() && workload.supported_by(*e);
    match workload.scope() {
        Scope::EveryEngine => chosen.iter().copied().filter(runs).collect(),
        Scope::CipherFree if chosen.iter().any(|e| e.family() == "sealmark") => {
            engine::find("sealmark").into_iter().collect()
        }
        Scope::CipherFree => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::workload::testing::{Broken, Fault};

    #[test]
    fn a_workload_without_a_cipher_runs_for_ours_only() {
        let nonce = catalog::find("nonce").unwrap();
        let ours = engine::find("sealmark/portable").unwrap();
        let names = |chosen: &[&'static dyn Engine]| {
            eligible_engines(nonce, chosen).iter().map(|e| e.name().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(&[ours]), ["sealmark"]);
        assert!(names(&[Broken::with(Fault::FlipsTag)]).is_empty());
    }
}
