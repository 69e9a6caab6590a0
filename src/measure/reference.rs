//! The second engine that a batch is checked against.

use crate::aead::Alg;
use crate::engine::{self, Engine, Shape};

/// The simplest of our backends.
const FIRST: &str = "sealmark/portable";

/// An engine to check `engine` by: the portable backend; for that one, and for `sealmark`, which may be it, a
/// peer if there is one. Falls back to the portable backend, which is then only compared with itself.
pub(super) fn reference(engine: &dyn Engine, alg: Alg) -> &'static dyn Engine {
    let fits = |e: &&'static dyn Engine| e.available().is_ok() && e.supports(Shape::usual(alg));
    let peer = || engine::engines().into_iter().rev().filter(fits).find(|e| e.family() != engine.family());
    let portable = engine::find(FIRST).expect("the portable backend is in the table");
    if [FIRST, "sealmark"].contains(&engine.name()) { peer().unwrap_or(portable) } else { portable }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_engine_is_its_own_reference_where_there_is_another() {
        for engine in engine::engines() {
            for alg in Alg::ALL {
                let other = reference(engine, alg);
                assert!(other.supports(Shape::usual(alg)));
                if cfg!(feature = "peers") {
                    assert_ne!(other.name(), engine.name());
                }
            }
        }
    }
}
