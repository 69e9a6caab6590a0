//! Batches of seals on all cores at once.
//!
//! Every core has a thread, pinned to it where the system allows, that seals messages of its own in a buffer of its
//! own; all share one key, as a server's threads do. An operation is one message, so its time is that of a pass
//! over the messages of all threads.

use std::hint::black_box;
use std::sync::{Mutex, OnceLock};

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::message::{Messages, Messaging};
use super::{Batch, Error};
use crate::engine::Engine;
use crate::timing::{self, Pass};

/// The threads: one for each core that this process may use.
pub(super) fn pool() -> &'static ThreadPool {
    static POOL: OnceLock<ThreadPool> = OnceLock::new();
    POOL.get_or_init(|| {
        let cores = timing::cores();
        let threads = std::thread::available_parallelism().map_or(1, usize::from).max(cores.len());
        let pin =
            move |thread: usize| _ = cores.get(thread).map(|&core| core_affinity::set_for_current(core));
        ThreadPoolBuilder::new()
            .num_threads(threads)
            .start_handler(pin)
            .build()
            .expect("threads can be started")
    })
}

struct Seals {
    /// Each thread's messages.
    shares: Vec<Mutex<Messages>>,
}

/// `count` seals for each core.
pub(super) fn seals(engine: &dyn Engine, shape: &Messaging, count: usize) -> Result<Box<dyn Batch>, Error> {
    let share = |_| Ok(Mutex::new(Messages::new(engine, shape, count)?));
    let shares = (0..pool().current_num_threads()).map(share).collect::<Result<_, Error>>()?;
    Ok(Box::new(Seals { shares }))
}

impl Seals {
    fn each(&mut self) -> impl Iterator<Item = &mut Messages> {
        self.shares.iter_mut().map(|share| share.get_mut().expect("no thread panicked"))
    }
}

impl Pass for Seals {
    fn reset(&mut self) {
        for share in self.each() {
            share.restore();
        }
    }

    fn run(&mut self) {
        let shares = &self.shares;
        pool().broadcast(|thread| {
            let mut share = shares[thread.index()].lock().expect("each thread has its own");
            let all = &mut *share;
            for ((slot, nonce), tag) in all.arena.iter_mut().zip(&all.nonces).zip(&mut all.tags) {
                let done =
                    all.key.seal(black_box(nonce), black_box(&all.aad), black_box(slot), black_box(tag));
                all.refused += usize::from(done.is_err());
            }
            black_box(&all.tags);
        });
    }

    fn count(&self) -> u64 {
        let share = |share: &Mutex<Messages>| share.lock().map_or(0, |share| share.nonces.len() as u64);
        self.shares.iter().map(share).sum()
    }
}

impl Batch for Seals {
    fn check(&mut self) -> Result<(), String> {
        self.each().try_for_each(|share| share.all_sealed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aead::Alg;
    use crate::engine::find;
    use crate::measure::testing::{Broken, Fault, of, pass};

    #[test]
    fn every_core_seals_its_share() {
        let threads = pool().current_num_threads() as u64;
        assert!(threads >= 1);
        let mut batch = seals(find("sealmark").unwrap(), &of(Alg::Aes256Gcm, 1000), 3).unwrap();
        assert_eq!(batch.count(), 3 * threads);
        assert!(batch.check().is_err(), "not run yet");
        assert_eq!(pass(&mut *batch), Ok(()));
        let mut wrong = seals(Broken::with(Fault::FlipsTag), &of(Alg::Aes256Gcm, 100), 2).unwrap();
        assert!(pass(&mut *wrong).is_err());
    }
}
