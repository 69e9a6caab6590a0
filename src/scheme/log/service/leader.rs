//! Who leads, and how a write is agreed on: behind a trait, so that the contract is the same on one node and
//! under a consensus protocol.

use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::super::Error;
use super::{Machine, Outcome, Refusal};

/// The most writes that one sync makes durable.
pub const MAX_BATCH: usize = 256;

/// Who leads, as far as a member knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Leader {
    /// This member.
    Own,
    /// Another one, with this number; 0 if the number is not known.
    Other(u64),
    /// Nobody.
    None,
}

/// Receives the result of a proposed write, once. Dropping it says that the proposal was lost.
pub type Finish = Box<dyn FnOnce(Result<Outcome, Refusal>) + Send>;

/// A member's place in its cluster.
pub trait Leadership: Send + Sync {
    /// Who leads, as far as this member knows. Must not block.
    fn leader(&self) -> Leader;

    /// Whether a majority still takes this member for its leader, and everything that was committed before
    /// this call is applied here. Asked before each read; may wait for the answers of others.
    fn quorum_contact(&self) -> bool;

    /// Proposes a command ([`encode`](super::super::command::encode)), without waiting.
    /// `finish` is called once: after the command was applied to this member's [`Machine`], with the result
    /// of that, or when the proposal is known to have failed.
    fn propose(&self, command: Vec<u8>, finish: Finish);
}

/// A cluster of one: it leads for ever, and what it proposes is committed.
///
/// A thread applies the commands. Those that arrive during a sync share the next one (group commit).
pub struct Alone {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    queue: Mutex<Queue>,
    arrived: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<(Vec<u8>, Finish)>,
    stopped: bool,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next writes, in order of arrival; none once it is stopped and nothing is left.
    fn next(&self) -> Vec<(Vec<u8>, Finish)> {
        let idle = |queue: &mut Queue| queue.waiting.is_empty() && !queue.stopped;
        let mut queue = self.arrived.wait_while(self.queue(), idle).unwrap_or_else(PoisonError::into_inner);
        let count = queue.waiting.len().min(MAX_BATCH);
        queue.waiting.drain(..count).collect()
    }
}

impl Alone {
    /// Starts the thread that applies commands to this machine. It ends when the value is dropped, after the
    /// commands that it was given.
    ///
    /// # Errors
    /// The system's, if it has no thread.
    pub fn start(machine: Arc<Machine>) -> io::Result<Arc<Self>> {
        let shared = Arc::new(Shared { queue: Mutex::default(), arrived: Condvar::new() });
        let own = Applying { shared: Arc::clone(&shared), machine };
        let thread = std::thread::Builder::new().name("log commit".into()).spawn(move || {
            loop {
                let batch = own.shared.next();
                if batch.is_empty() {
                    return;
                }
                apply(&own.machine, batch);
            }
        })?;
        Ok(Arc::new(Self { shared, thread: Some(thread) }))
    }
}

/// What the thread holds. However it ends, nothing stays in a queue that nobody reads.
struct Applying {
    shared: Arc<Shared>,
    machine: Arc<Machine>,
}

impl Drop for Applying {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.machine.note(&Error::Stopped("the thread that writes has panicked"));
        }
        let mut queue = self.shared.queue();
        queue.stopped = true;
        let lost = std::mem::take(&mut queue.waiting);
        drop(queue);
        // Whoever waits is told, without the lock: an answer may end with the last owner of the queue.
        drop(lost);
    }
}

/// Applies a batch and tells everybody. If it fails as a whole but the engine goes on, each half is tried, so
/// that one damaged block fails only the writes that need it. A write that took effect in the first attempt
/// is not repeated, because of its request id.
fn apply(machine: &Machine, mut batch: Vec<(Vec<u8>, Finish)>) {
    let commands: Vec<&[u8]> = batch.iter().map(|(command, _)| &command[..]).collect();
    match machine.apply(&commands) {
        Ok(results) => {
            for ((_, finish), result) in batch.into_iter().zip(results) {
                finish(result);
            }
        }
        Err(_) if batch.len() > 1 && !machine.halted() && !machine.engine().halted() => {
            let rest = batch.split_off(batch.len() / 2);
            apply(machine, batch);
            apply(machine, rest);
        }
        Err(error) => {
            let refusal = Refusal::internal(error);
            batch.into_iter().for_each(|(_, finish)| finish(Err(refusal.clone())));
        }
    }
}

impl Leadership for Alone {
    fn leader(&self) -> Leader {
        Leader::Own
    }

    fn quorum_contact(&self) -> bool {
        true
    }

    fn propose(&self, command: Vec<u8>, finish: Finish) {
        let mut queue = self.shared.queue();
        if queue.stopped {
            drop(queue);
            // Tells that the proposal was lost: after a panic, nobody applies it.
            return drop(finish);
        }
        queue.waiting.push((command, finish));
        drop(queue);
        self.shared.arrived.notify_one();
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.shared.queue().stopped = true;
        self.shared.arrived.notify_one();
        let thread = self.thread.take();
        // The last owner may be a result that the thread itself delivers: it cannot wait for itself.
        let waits = thread.filter(|thread| thread.thread().id() != std::thread::current().id());
        if let Some(thread) = waits {
            // After a panic there, `Applying` has told everybody.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Alone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alone").field("waiting", &self.shared.queue().waiting.len()).finish_non_exhaustive()
    }
}
