//! `hydrate`: loading every key of a sidecar, as a starting node does.
//!
//! Each operation leaves a keystore with every key, and each key must seal correctly; a reset drops the
//! keystore.

use std::hint::black_box;
use std::sync::Arc;

use crate::aead::Alg;
use crate::engine::Engine;
use crate::envelope::Keystore;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::compare::none_refused;
use crate::measure::workload::fixture::reference::reference;
use crate::measure::workload::kind::{Kind, Scope, Size, Subject};
use crate::measure::workload::storage::fixture::{SUBJECT, all_loaded, kek, sidecar_of};
use crate::scheme::storage::load::hydrate;
use crate::scheme::storage::{LocalKek, Sidecar};
use crate::timing::Timed;

/// The number of keys loaded in one pass.
const LOADED_KEYS: usize = 5_000;

/// Unwraps and loads every key of a sidecar.
pub(super) struct Hydrate;

impl Kind for Hydrate {
    fn name(&self) -> &'static str {
        "hydrate"
    }

    fn subject(&self) -> Subject {
        Subject::One(SUBJECT)
    }

    fn prepare(
        &self,
        workload: &Workload,
        engine: &'static dyn Engine,
        count: usize,
    ) -> Result<Box<dyn Timed>, Error> {
        Ok(Box::new(hydrates(engine, workload.items, count)?))
    }

    fn scope(&self) -> Scope {
        Scope::CipherFree
    }

    fn size(&self) -> Size {
        Size::Items
    }

    fn default_count(&self, workload: &Workload) -> usize {
        (LOADED_KEYS / workload.items.max(1) as usize).max(2)
    }
}

struct Hydrates {
    engine: &'static dyn Engine,
    kek: Arc<LocalKek>,
    sidecar: Sidecar,
    loaded: Vec<Keystore>,
    count: usize,
    refused: usize,
}

/// Unwraps and loads all of `keys` keys, `count` times.
fn hydrates(engine: &'static dyn Engine, keys: u32, count: usize) -> Result<Hydrates, Error> {
    let kek = kek()?;
    let sidecar = sidecar_of(&kek, keys)?;
    Ok(Hydrates { engine, kek, sidecar, loaded: Vec::with_capacity(count), count, refused: 0 })
}

impl Timed for Hydrates {
    fn reset(&mut self) {
        self.loaded.clear();
    }

    fn run(&mut self) {
        for _ in 0..self.count {
            let keystore = Keystore::new(self.engine);
            let done = hydrate(black_box(&self.sidecar), &*self.kek, &keystore);
            self.refused += usize::from(done.is_err());
            self.loaded.push(black_box(keystore));
        }
    }

    fn count(&self) -> u64 {
        self.count as u64
    }

    fn check(&mut self) -> Result<(), String> {
        none_refused(self.refused)?;
        if self.loaded.len() != self.count {
            return Err(format!("keys were loaded {} times, not {}", self.loaded.len(), self.count));
        }
        let (last, other) = (self.sidecar.active_storage, reference(self.engine, Alg::Aes256Gcm));
        self.loaded.iter().try_for_each(|keystore| all_loaded(keystore, last, other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::measure::workload::testing::{Broken, Fault, pass};

    #[test]
    fn keys_are_loaded_as_often_as_it_says() {
        for keys in [1, 10] {
            let mut timed = hydrates(find("sealmark").unwrap(), keys, 3).unwrap();
            assert_eq!(timed.count(), 3);
            assert_eq!(pass(&mut timed), Ok(()));
            assert_eq!(pass(&mut timed), Ok(()), "again");
        }
    }

    #[test]
    fn a_wrong_engine_and_what_was_not_run_are_caught() {
        let mut wrong = hydrates(Broken::with(Fault::FlipsTag), 2, 2).unwrap();
        assert!(pass(&mut wrong).is_err_and(|why| why.ends_with("is another")));
        let mut timed = hydrates(find("sealmark").unwrap(), 2, 2).unwrap();
        timed.reset();
        assert!(timed.check().is_err_and(|why| why.contains("were loaded 0 times")));
    }

    #[test]
    fn removed_work_shows_in_what_is_left() {
        let mut hydrates = hydrates(find("sealmark").unwrap(), 3, 4).unwrap();
        assert_eq!(pass(&mut hydrates), Ok(()));
        for done in [0, 1, 2] {
            hydrates.reset();
            hydrates.count = done;
            hydrates.run();
            hydrates.count = 4;
            assert!(hydrates.check().is_err_and(|why| why.contains("not 4")), "{done}");
        }
    }
}
