//! `parallel/seal`: seals on all cores at once.
//!
//! Every core seals its own messages in its own buffer; all share the bytes of one key, as a server's threads
//! do. One of the threads is the measuring thread; every other core has a thread that is pinned to it where
//! the system allows. Waking a core takes longer than a pass, so `reset` wakes the threads, and they spin
//! until the pass begins. An operation is one message: its time is that of the pass divided by the messages
//! of all cores. Each call writes a ciphertext and a tag, under a nonce that no earlier pass used, to its own
//! slot.
//!
//! If a CPU quota gives this process less time than its cores have, there are only as many threads as the
//! quota covers. With more, the system would suspend them all for part of each period, and the result would
//! show the quota.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::message::{MessageSpec, Messages};
use crate::measure::workload::kind::{Kind, Subject};
use crate::timing::{self, Timed};

/// Seals messages on all cores at once.
pub(super) struct ParallelSeal;

impl Kind for ParallelSeal {
    fn name(&self) -> &'static str {
        "parallel/seal"
    }

    fn subject(&self) -> Subject {
        Subject::Cipher
    }

    fn prepare(
        &self,
        workload: &Workload,
        engine: &'static dyn Engine,
        count: usize,
    ) -> Result<Box<dyn Timed>, Error> {
        seals(engine, &MessageSpec::of(workload), count)
    }

    fn slot_len(&self, workload: &Workload) -> Option<usize> {
        MessageSpec::slot_len(workload)
    }

    fn single_core(&self) -> bool {
        false
    }

    fn threads(&self) -> Option<u32> {
        Some(threads() as u32)
    }
}

/// The threads that share a batch.
fn threads() -> usize {
    1 + others().map_or(0, ThreadPool::current_num_threads)
}

/// A thread for each core of this process except the last, where [`pin`](timing::pin) puts the measuring
/// thread. None if there is only one core.
fn others() -> Option<&'static ThreadPool> {
    static POOL: OnceLock<Option<ThreadPool>> = OnceLock::new();
    let pool = POOL.get_or_init(|| {
        let (cores, all) = (timing::cores(), timing::parallelism());
        let pin =
            move |thread: usize| _ = cores.get(thread).map(|&core| core_affinity::set_for_current(core));
        let builder = ThreadPoolBuilder::new().num_threads(all - 1).start_handler(pin);
        (all > 1).then(|| builder.build().expect("threads can be started"))
    });
    pool.as_ref()
}

/// The state that the other threads share with the measuring thread.
struct Threads {
    /// Each thread's messages.
    shares: Vec<Mutex<Messages>>,
    /// The number of threads ready for the next pass.
    ready: AtomicUsize,
    begin: AtomicBool,
    /// The number of threads done with the current pass.
    done: AtomicUsize,
}

impl Threads {
    fn work(&self, thread: usize) {
        let mut share = self.shares[thread].lock().expect("each thread has its own");
        share.restore();
        self.ready.fetch_add(1, Ordering::Release);
        while !self.begin.load(Ordering::Acquire) {
            spin_loop();
        }
        share.seal();
        drop(share);
        self.done.fetch_add(1, Ordering::Release);
    }

    fn wait_for_all(&self, counter: &AtomicUsize) {
        while counter.load(Ordering::Acquire) < self.shares.len() {
            spin_loop();
        }
    }
}

struct Seals {
    own: Messages,
    threads: Arc<Threads>,
}

/// `count` seals for each core.
fn seals(engine: &dyn Engine, shape: &MessageSpec, count: usize) -> Result<Box<dyn Timed>, Error> {
    let others = threads() - 1;
    let share = |_| Ok(Mutex::new(Messages::new(engine, shape, count)?));
    let threads = Threads {
        shares: (0..others).map(share).collect::<Result<_, Error>>()?,
        ready: AtomicUsize::new(0),
        begin: AtomicBool::new(false),
        done: AtomicUsize::new(others),
    };
    Ok(Box::new(Seals { own: Messages::new(engine, shape, count)?, threads: Arc::new(threads) }))
}

impl Drop for Seals {
    fn drop(&mut self) {
        self.threads.begin.store(true, Ordering::Release);
    }
}

impl Timed for Seals {
    fn reset(&mut self) {
        self.own.restore();
        // A pass that was prepared and never run.
        self.threads.begin.store(true, Ordering::Release);
        self.threads.wait_for_all(&self.threads.done);
        if let Some(others) = others() {
            self.threads.ready.store(0, Ordering::Relaxed);
            self.threads.done.store(0, Ordering::Relaxed);
            self.threads.begin.store(false, Ordering::Release);
            let threads = Arc::clone(&self.threads);
            others.spawn_broadcast(move |thread| threads.work(thread.index()));
            self.threads.wait_for_all(&self.threads.ready);
        }
    }

    fn run(&mut self) {
        self.threads.begin.store(true, Ordering::Release);
        self.own.seal();
        self.threads.wait_for_all(&self.threads.done);
    }

    fn count(&self) -> u64 {
        (self.own.nonces.len() * (1 + self.threads.shares.len())) as u64
    }

    fn check(&mut self) -> Result<(), String> {
        self.own.all_sealed()?;
        self.threads
            .shares
            .iter()
            .try_for_each(|share| share.lock().expect("no thread panicked").all_sealed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aead::Alg;
    use crate::engine::find;
    use crate::measure::workload::testing::{Broken, Fault, of, pass};

    #[test]
    fn every_core_seals_its_share() {
        let threads = threads() as u64;
        assert_eq!(threads, timing::parallelism() as u64);
        let mut batch = seals(find("sealmark").unwrap(), &of(Alg::Aes256Gcm, 1000), 3).unwrap();
        assert_eq!(batch.count(), 3 * threads);
        assert!(batch.check().is_err_and(|why| why.contains("is not the reference's")), "not run yet");
        assert_eq!(pass(&mut *batch), Ok(()));
        batch.reset();
        batch.reset();
        batch.run();
        assert_eq!(batch.check(), Ok(()), "a pass that was made ready twice");
        batch.reset();
        drop(batch);
        let mut wrong = seals(Broken::with(Fault::FlipsTag), &of(Alg::Aes256Gcm, 100), 2).unwrap();
        assert!(pass(&mut *wrong).is_err_and(|why| why.contains("the tag of message")));
    }
}
