//! The second engine that a batch is checked against.

use crate::aead::{Alg, Backend};
use crate::engine::{self, Engine, Shape};

/// The simplest of our backends, which checks all the others.
const FIRST: &str = "sealmark/portable";

/// An engine to check `engine` by: the portable backend. For that one, and for `sealmark`, which may be it, a peer
/// if there is one, else another backend of ours.
///
/// Where none can be had `engine` is only compared with itself: its opens must give back what it sealed and refuse
/// what was altered, but an error that it makes both ways goes unseen here. The naive model that would see it is
/// for verification.
pub(in crate::measure) fn reference(engine: &dyn Engine, alg: Alg) -> &'static dyn Engine {
    let portable = engine::find(FIRST).expect("the portable backend is in the table");
    if ![FIRST, "sealmark"].contains(&engine.name()) {
        return portable;
    }
    let backend =
        if engine.name() == FIRST { FIRST.into() } else { format!("sealmark/{}", Backend::choose().name) };
    another(&backend, alg, engine::engines()).unwrap_or(portable)
}

/// The last of `engines` that can be used and is not the one of that name: peers come after our backends.
fn another(name: &str, alg: Alg, engines: Vec<&'static dyn Engine>) -> Option<&'static dyn Engine> {
    let fits = |e: &&'static dyn Engine| e.available().is_ok() && e.supports(Shape::usual(alg));
    engines.into_iter().rev().filter(fits).find(|e| e.name() != name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::workload::testing::{Broken, Fault};

    #[test]
    fn no_engine_is_its_own_reference_where_there_is_another() {
        let mut seen = 0;
        for engine in engine::engines() {
            for alg in Alg::ALL {
                let other = reference(engine, alg);
                assert!(other.supports(Shape::usual(alg)));
                let fits = |e: &&dyn Engine| e.available().is_ok() && e.supports(Shape::usual(alg));
                if engine::engines().iter().filter(|e| fits(e)).count() > 1 {
                    assert_ne!(other.name(), engine.name());
                    seen += 1;
                }
            }
        }
        assert!(seen > 0 || !cfg!(feature = "peers"));
    }

    #[test]
    fn without_peers_another_backend_comes_before_the_engine_itself() {
        let portable = engine::find(FIRST).unwrap();
        let second: &'static dyn Engine = Broken::with(Fault::FlipsTag);
        let found = |engines| another(FIRST, Alg::Aes256Gcm, engines).map(|e| e.name().to_owned());
        assert_eq!(found(vec![portable, second]).as_deref(), Some("broken/flips-tag"));
        assert_eq!(found(vec![second, portable]).as_deref(), Some("broken/flips-tag"));
        for unfit in [Fault::Unavailable, Fault::Unsupported] {
            assert_eq!(found(vec![portable, Broken::with(unfit)]), None, "{unfit:?}");
        }
    }
}
