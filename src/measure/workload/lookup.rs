//! Batches of nonces, and of key lookups: what sealing a record does before its cipher begins.
//!
//! Each operation leaves what it found in a place of its own: the nonce, or the address of the key.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::aead::{Aead, Alg, NONCE_LEN, Nonce, Tag};
use crate::engine::Engine;
use crate::envelope::{Keystore, NonceSource};
use crate::measure::Error;
use crate::measure::workload::fixture::reference::reference;
use crate::timing::{self, Timed};

const DEK_LEN: usize = Alg::Aes256Gcm.key_len();

struct Nonces {
    source: NonceSource,
    before: u64,
    issued: Vec<Nonce>,
}

/// What no source issues: the write count begins with 1.
const NOT_ISSUED: Nonce = [0; NONCE_LEN];

/// `count` nonces from one source.
pub(in crate::measure) fn nonces(count: usize) -> Box<dyn Timed> {
    Box::new(Nonces { source: NonceSource::new(1, 1), before: 0, issued: vec![NOT_ISSUED; count] })
}

impl Timed for Nonces {
    fn reset(&mut self) {
        self.before = self.source.issued();
        self.issued.fill(NOT_ISSUED);
    }

    fn run(&mut self) {
        for issued in &mut self.issued {
            *issued = black_box(&self.source).next().unwrap_or(NOT_ISSUED);
        }
        black_box(&self.issued);
    }

    fn count(&self) -> u64 {
        self.issued.len() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        for (writes, issued) in (self.before + 1..).zip(&self.issued) {
            // Node 1, epoch 1, and the write count.
            let mut expected = [0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
            expected[4..].copy_from_slice(&writes.to_be_bytes());
            if *issued != expected {
                return Err(format!("write {writes} got the nonce {issued:02x?}"));
            }
        }
        Ok(())
    }
}

/// Keys in the store that lookups search.
const KEYS: u32 = 100;

struct Lookups {
    keystore: Arc<Keystore>,
    other: &'static dyn Engine,
    ids: Vec<u32>,
    /// The address of each key that was found; 0 where none was.
    found: Vec<usize>,
    writer: Option<Writer>,
}

/// Where a key lies, which tells it from every other of a keystore.
fn address(key: &dyn Aead) -> usize {
    std::ptr::from_ref(key).cast::<()>().addr()
}

fn dek(id: u32) -> [u8; DEK_LEN] {
    let mut dek = [0x42; DEK_LEN];
    dek[..4].copy_from_slice(&id.to_be_bytes());
    dek
}

/// `count` lookups of one key among a hundred, each with its own view of the store.
pub(in crate::measure) fn lookups(
    engine: &'static dyn Engine,
    count: usize,
) -> Result<Box<dyn Timed>, Error> {
    Ok(Box::new(Lookups::new(engine, count)?))
}

/// The same while another thread sets and deletes one more key.
pub(in crate::measure) fn contended(
    engine: &'static dyn Engine,
    count: usize,
) -> Result<Box<dyn Timed>, Error> {
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
        let (other, found) = (reference(engine, Alg::Aes256Gcm), vec![0; count]);
        Ok(Self { keystore, other, ids, found, writer: None })
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

impl Timed for Lookups {
    fn reset(&mut self) {
        self.found.fill(0);
    }

    fn run(&mut self) {
        for (&id, found) in self.ids.iter().zip(&mut self.found) {
            let keys = black_box(&self.keystore).keys();
            *found = black_box(keys.find(black_box(id))).map_or(0, address);
        }
        black_box(&self.found);
    }

    fn count(&self) -> u64 {
        self.ids.len() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        self.writer.as_ref().map_or(Ok(()), Writer::works)?;
        let tag = |key: &dyn Aead| {
            let mut tag = Tag::default();
            key.seal(&[1; NONCE_LEN], b"", &mut [], &mut tag).map_err(|e| e.to_string())?;
            Ok::<_, String>(tag.0)
        };
        let keys = self.keystore.keys();
        let mut right = BTreeMap::new();
        for (i, (&id, &found)) in self.ids.iter().zip(&self.found).enumerate() {
            let expected = match right.get(&id) {
                Some(&address) => address,
                None => {
                    let key = keys.find(id).map_err(|e| e.to_string())?;
                    let other = self.other.key(Alg::Aes256Gcm, &dek(id)).map_err(|e| e.to_string())?;
                    if tag(key)? != tag(&*other)? {
                        return Err(format!("the key of id {id} is another"));
                    }
                    right.insert(id, address(key));
                    address(key)
                }
            };
            if found != expected {
                return Err(format!("lookup {i} did not find the key of id {id}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::measure::workload::testing::{Broken, Fault, pass, removed};

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
    fn removed_work_shows_in_what_is_left() {
        let (source, issued) = (NonceSource::new(1, 1), vec![NOT_ISSUED; 4]);
        let mut nonces = Nonces { source, before: 0, issued };
        assert_eq!(pass(&mut nonces), Ok(()));
        for left in removed(&nonces.issued.clone(), &NOT_ISSUED) {
            nonces.issued = left;
            assert!(nonces.check().is_err_and(|why| why.contains("got the nonce")), "{:?}", nonces.issued);
        }
        let mut lookups = Lookups::new(find("sealmark").unwrap(), 4).unwrap();
        assert_eq!(pass(&mut lookups), Ok(()));
        for left in removed(&lookups.found.clone(), &0) {
            lookups.found = left;
            assert!(lookups.check().is_err_and(|why| why.contains("did not find")), "{:?}", lookups.found);
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
