//! `contended/lookup`: finding a key while another thread keeps changing the keystore.
//!
//! Each operation stores the address of the key with its own id; a reset stores no address. A check waits
//! until the writer has changed the keystore once more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use crate::engine::Engine;
use crate::envelope::Keystore;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::kind::{Kind, Scope, Subject};
use crate::measure::workload::lookup::{Lookups, dek};
use crate::timing::{self, Timed};

/// Finds a key by its number while another thread keeps changing the keystore.
pub(super) struct ContendedLookup;

impl Kind for ContendedLookup {
    fn name(&self) -> &'static str {
        "contended/lookup"
    }

    fn subject(&self) -> Subject {
        Subject::One("keystore")
    }

    fn prepare(
        &self,
        _: &Workload,
        engine: &'static dyn Engine,
        count: usize,
    ) -> Result<Box<dyn Timed>, Error> {
        Ok(Box::new(Contended::new(engine, count)?))
    }

    fn scope(&self) -> Scope {
        Scope::CipherFree
    }

    fn single_core(&self) -> bool {
        false
    }
}

/// Lookups while a writer is running. Fields are dropped in order, so the writer ends first.
struct Contended {
    writer: Writer,
    lookups: Lookups,
}

impl Contended {
    fn new(engine: &'static dyn Engine, count: usize) -> Result<Self, Error> {
        let lookups = Lookups::new(engine, count)?;
        Ok(Self { writer: Writer::start(&lookups.keystore)?, lookups })
    }
}

/// A thread that keeps changing a keystore, on another core if there is one.
struct Writer {
    stop: Arc<AtomicBool>,
    changes: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// The only even id.
    const KEY_ID: u32 = 2;

    fn start(keystore: &Arc<Keystore>) -> Result<Self, Error> {
        let (stop, changes) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (keystore, stopped, changed) = (Arc::clone(keystore), Arc::clone(&stop), Arc::clone(&changes));
        // The measuring thread is on the last core.
        let core = timing::cores().first().copied();
        let thread = std::thread::Builder::new().spawn(move || {
            core.map(core_affinity::set_for_current);
            while !stopped.load(Ordering::Relaxed) {
                if keystore.set(Self::KEY_ID, &dek(Self::KEY_ID)).is_err() {
                    return;
                }
                keystore.delete(Self::KEY_ID);
                changed.fetch_add(1, Ordering::Relaxed);
            }
        })?;
        Ok(Self { stop, changes, thread: Some(thread) })
    }

    /// Waits until it has changed the keystore once more, which proves that it is running.
    fn works(&self) -> Result<(), String> {
        let before = self.changes.load(Ordering::Relaxed);
        while self.changes.load(Ordering::Relaxed) == before {
            if self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
                return Err("the writer has ended".into());
            }
            std::thread::yield_now();
        }
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // The thread has ended either way.
            let _ = thread.join();
        }
    }
}

impl Timed for Contended {
    fn reset(&mut self) {
        self.lookups.reset();
    }

    fn run(&mut self) {
        self.lookups.run();
    }

    fn count(&self) -> u64 {
        self.lookups.count()
    }

    fn check(&mut self) -> Result<(), String> {
        self.writer.works()?;
        self.lookups.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::measure::workload::lookup::DEK_LEN;
    use crate::measure::workload::testing::pass;

    #[test]
    fn lookups_beside_a_writer_are_right() {
        let mut contended = Contended::new(find("sealmark").unwrap(), 10).unwrap();
        assert_eq!(contended.count(), 10);
        assert_eq!(pass(&mut contended), Ok(()));
        assert_eq!(pass(&mut contended), Ok(()));
        contended.reset();
        assert!(contended.check().is_err_and(|why| why.contains("did not find")));
    }

    #[test]
    fn a_writer_that_does_not_write_is_caught() {
        let lookups = Lookups::new(find("sealmark").unwrap(), 3).unwrap();
        lookups.keystore.set(Writer::KEY_ID, &[1; DEK_LEN]).unwrap();
        let mut contended = Contended { writer: Writer::start(&lookups.keystore).unwrap(), lookups };
        assert!(pass(&mut contended).is_err_and(|why| why.contains("writer")), "the id is another key's");
    }
}
