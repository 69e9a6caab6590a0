//! Our own backends as engines: `sealmark/NAME` for each, and `sealmark` for the one chosen for this CPU.

use std::sync::LazyLock;

use super::{Engine, Shape};
use crate::aead::{Aead, Alg, BACKENDS, Backend, Error};

/// A backend, selected by name.
#[derive(Clone, Debug)]
pub struct Own {
    name: String,
    backend: &'static Backend,
}

impl Own {
    /// The engine `sealmark/NAME` for a row of the backend table.
    pub fn new(backend: &'static Backend) -> Self {
        Self { name: format!("sealmark/{}", backend.name), backend }
    }
}

impl Engine for Own {
    fn name(&self) -> &str {
        &self.name
    }

    fn version(&self) -> String {
        env!("CARGO_PKG_VERSION").into()
    }

    fn available(&self) -> Result<(), String> {
        if self.backend.available() {
            Ok(())
        } else {
            Err(format!("this CPU lacks one or more of: {}", self.backend.features.join(", ")))
        }
    }

    fn supports(&self, shape: Shape) -> bool {
        shape.iv_len > 0 && matches!(shape.tag_len, 4 | 8 | 12..=16)
    }

    fn key(&self, alg: Alg, bytes: &[u8]) -> Result<Box<dyn Aead>, Error> {
        self.backend.key(alg, bytes)
    }
}

/// The name of the engine for the backend chosen for this CPU.
pub(super) const CHOICE: &str = "sealmark";

/// The engine named [`CHOICE`].
pub(super) fn choice() -> &'static dyn Engine {
    static CHOSEN: LazyLock<Own> = LazyLock::new(|| Own { name: CHOICE.into(), backend: Backend::choose() });
    &*CHOSEN
}

/// One engine per backend.
pub(super) fn engines() -> Vec<&'static dyn Engine> {
    static ALL: LazyLock<Vec<Own>> = LazyLock::new(|| BACKENDS.iter().map(Own::new).collect());
    ALL.iter().map(|own| own as &dyn Engine).collect()
}
