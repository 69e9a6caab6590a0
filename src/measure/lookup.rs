//! Batches of nonces, and of key lookups: what sealing a record does before its cipher begins.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::reference::reference;
use super::{Batch, Error};
use crate::aead::{Aead, Alg, Nonce, Tag};
use crate::engine::Engine;
use crate::envelope::{Keystore, NonceSource};
use crate::timing::{self, Pass};

const DEK_LEN: usize = Alg::Aes256Gcm.key_len();

struct Nonces {
    source: NonceSource,
    count: u64,
    before: u64,
    last: Option<Nonce>,
}

/// `count` nonces from one source.
pub(super) fn nonces(count: usize) -> Box<dyn Batch> {
    Box::new(Nonces { source: NonceSource::new(1, 1), count: count as u64, before: 0, last: None })
}

impl Pass for Nonces {
    fn reset(&mut self) {
        self.before = self.source.issued();
        self.last = None;
    }

    fn run(&mut self) {
        for _ in 0..self.count {
            self.last = black_box(black_box(&self.source).next().ok());
        }
    }

    fn count(&self) -> u64 {
        self.count
    }
}

impl Batch for Nonces {
    fn check(&mut self) -> Result<(), String> {
        let issued = self.source.issued();
        if issued != self.before + self.count {
            return Err(format!("{} nonces were issued, not {}", issued - self.before, self.count));
        }
        // Node 1, epoch 1, and the write count, which begins with 1.
        let mut expected = [0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        expected[4..].copy_from_slice(&issued.to_be_bytes());
        if self.last == Some(expected) {
            Ok(())
        } else {
            Err("the last nonce does not carry its count".into())
        }
    }
}

/// Keys in the store that lookups search.
const KEYS: u32 = 100;

struct Lookups {
    keystore: Arc<Keystore>,
    other: &'static dyn Engine,
    ids: Vec<u32>,
    found: usize,
    writer: Option<Writer>,
}

fn dek(id: u32) -> [u8; DEK_LEN] {
    let mut dek = [0x42; DEK_LEN];
    dek[..4].copy_from_slice(&id.to_be_bytes());
    dek
}

/// `count` lookups of one key among a hundred, each with its own view of the store.
pub(super) fn lookups(engine: &'static dyn Engine, count: usize) -> Result<Box<dyn Batch>, Error> {
    Ok(Box::new(Lookups::new(engine, count)?))
}

/// The same while another thread sets and deletes one more key.
pub(super) fn contended(engine: &'static dyn Engine, count: usize) -> Result<Box<dyn Batch>, Error> {
    let mut lookups = Lookups::new(engine, count)?;
    lookups.writer = Some(Writer::start(&lookups.keystore)?);
    Ok(Box::new(lookups))
}

impl Lookups {
    fn new(engine: &'static dyn Engine, count: usize) -> Result<Self, Error> {
        let keystore = Arc::new(Keystore::new(engine));
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let all: Vec<u32> = (0..KEYS).map(|_| rng.next_u32() | 1).collect();
        let deks: Vec<_> = all.iter().map(|&id| dek(id)).collect();
        keystore.insert_all(&all.iter().zip(&deks).map(|(&id, dek)| (id, &dek[..])).collect::<Vec<_>>())?;
        let ids = (0..count).map(|_| all[rng.next_u32() as usize % all.len()]).collect();
        Ok(Self { keystore, other: reference(engine, Alg::Aes256Gcm), ids, found: 0, writer: None })
    }
}

/// A thread that changes a keystore without pause, on another core than this one where there is one.
struct Writer {
    stop: Arc<AtomicBool>,
    changes: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Even, as no other id is.
    const KEY_ID: u32 = 2;

    fn start(keystore: &Arc<Keystore>) -> Result<Self, Error> {
        let (stop, changes) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (keystore, stopped, changed) = (Arc::clone(keystore), Arc::clone(&stop), Arc::clone(&changes));
        // Measuring threads are on the last core.
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

    /// Waits until it has changed the keystore once more: it is at work.
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
            // It is over either way.
            let _ = thread.join();
        }
    }
}

impl Pass for Lookups {
    fn reset(&mut self) {
        self.found = 0;
    }

    fn run(&mut self) {
        for &id in &self.ids {
            let keys = black_box(&self.keystore).keys();
            self.found += usize::from(black_box(keys.find(black_box(id))).is_ok());
        }
    }

    fn count(&self) -> u64 {
        self.ids.len() as u64
    }
}

impl Batch for Lookups {
    fn check(&mut self) -> Result<(), String> {
        self.writer.as_ref().map_or(Ok(()), Writer::works)?;
        if self.found != self.ids.len() {
            return Err(format!("{} keys were found, not {}", self.found, self.ids.len()));
        }
        let tag = |key: &dyn Aead| {
            let mut tag = Tag::default();
            key.seal(&[1; 12], b"", &mut [], &mut tag).map_err(|e| e.to_string())?;
            Ok::<_, String>(tag.0)
        };
        for &id in &self.ids {
            let expected = self.other.key(Alg::Aes256Gcm, &dek(id)).map_err(|e| e.to_string())?;
            if tag(self.keystore.keys().find(id).map_err(|e| e.to_string())?)? != tag(&*expected)? {
                return Err(format!("the key of id {id} is another"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::measure::testing::{Broken, Fault, pass};

    #[test]
    fn nonces_and_lookups_are_counted_and_right() {
        let ours = || find("sealmark").unwrap();
        for mut batch in [nonces(10), lookups(ours(), 10).unwrap(), contended(ours(), 10).unwrap()] {
            assert_eq!(batch.count(), 10);
            assert_eq!(pass(&mut *batch), Ok(()));
            assert_eq!(pass(&mut *batch), Ok(()));
        }
    }

    #[test]
    fn what_was_not_run_has_not_passed() {
        for mut batch in [nonces(3), lookups(find("sealmark").unwrap(), 3).unwrap()] {
            batch.reset();
            assert!(batch.check().is_err());
        }
    }

    #[test]
    fn a_keystore_whose_engine_makes_wrong_keys_is_caught() {
        assert!(pass(&mut *lookups(Broken::with(Fault::FlipsTag), 3).unwrap()).is_err());
    }

    #[test]
    fn a_writer_that_does_not_write_is_caught() {
        let mut contended = Lookups::new(find("sealmark").unwrap(), 3).unwrap();
        contended.keystore.set(Writer::KEY_ID, &[1; DEK_LEN]).unwrap();
        let writer = Writer::start(&contended.keystore).unwrap();
        contended.writer = Some(writer);
        assert!(pass(&mut contended).is_err_and(|why| why.contains("writer")), "the id is another key's");
    }
}
