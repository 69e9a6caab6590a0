//! Where a received snapshot goes. A sink takes it in parts and commits at the end, so that a broken transfer
//! leaves what was there before; [`Passing`] cannot, and says so.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::BoxError;
use crate::disk::{self, Disk};

/// Takes snapshots, one after the other, from any thread.
pub trait Sink: Send + Sync {
    /// Begins a transfer. Until it commits, the sink keeps what it holds.
    ///
    /// # Errors
    /// The sink's own.
    fn begin(&self) -> Result<Box<dyn Transfer + '_>, BoxError>;

    /// Takes a whole snapshot, as the compatible stream gives it: once, with everything.
    ///
    /// # Errors
    /// The sink's own; it then holds what it held before.
    fn apply(&self, snapshot: &[u8]) -> Result<(), BoxError> {
        let mut transfer = self.begin()?;
        match transfer.write(snapshot) {
            Ok(()) => transfer.commit(),
            Err(error) => {
                transfer.abort();
                Err(error)
            }
        }
    }

    /// Whether nothing of a transfer is to be seen before it commits.
    fn commits(&self) -> bool {
        true
    }
}

/// A snapshot on its way into a sink. Dropping it aborts it.
pub trait Transfer {
    /// Appends bytes.
    ///
    /// # Errors
    /// The sink's own. The transfer must then be aborted.
    fn write(&mut self, bytes: &[u8]) -> Result<(), BoxError>;

    /// Puts the snapshot in place of what the sink held, durably if the sink is durable.
    ///
    /// # Errors
    /// The sink's own; it then holds what it held before, or the whole snapshot.
    fn commit(self: Box<Self>) -> Result<(), BoxError>;

    /// Forgets what was written.
    fn abort(self: Box<Self>) {}
}

impl<S: Sink + ?Sized> Sink for Arc<S> {
    fn begin(&self) -> Result<Box<dyn Transfer + '_>, BoxError> {
        (**self).begin()
    }

    fn apply(&self, snapshot: &[u8]) -> Result<(), BoxError> {
        (**self).apply(snapshot)
    }

    fn commits(&self) -> bool {
        (**self).commits()
    }
}

/// Keeps the last snapshot in memory.
#[derive(Default)]
pub struct MemorySink {
    content: Mutex<Vec<u8>>,
    commits: AtomicU64,
}

impl MemorySink {
    /// A sink that holds these bytes, as if they had been received.
    pub fn holding(content: impl Into<Vec<u8>>) -> Self {
        Self { content: Mutex::new(content.into()), commits: AtomicU64::new(0) }
    }

    /// What it holds.
    pub fn content(&self) -> Vec<u8> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The number of snapshots that it has taken.
    pub fn committed(&self) -> u64 {
        self.commits.load(Ordering::SeqCst)
    }
}

impl fmt::Debug for MemorySink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySink").field("committed", &self.committed()).finish_non_exhaustive()
    }
}

impl Sink for MemorySink {
    fn begin(&self) -> Result<Box<dyn Transfer + '_>, BoxError> {
        Ok(Box::new(InMemory { sink: self, bytes: Vec::new() }))
    }
}

struct InMemory<'a> {
    sink: &'a MemorySink,
    bytes: Vec<u8>,
}

impl Transfer for InMemory<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BoxError> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<(), BoxError> {
        *self.sink.content.lock().unwrap_or_else(PoisonError::into_inner) = self.bytes;
        self.sink.commits.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

/// Replaces a file: written under a temporary name, synced, renamed. A power cut leaves the old file or the
/// new one. One transfer at a time; another one that begins meanwhile is refused.
#[derive(Debug)]
pub struct FileSink {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    busy: AtomicBool,
}

impl FileSink {
    /// A sink that replaces this file on this disk.
    pub fn new(disk: Arc<dyn Disk>, path: impl Into<PathBuf>) -> Self {
        Self { disk, path: path.into(), busy: AtomicBool::new(false) }
    }
}

impl Sink for FileSink {
    fn begin(&self) -> Result<Box<dyn Transfer + '_>, BoxError> {
        if self.busy.swap(true, Ordering::SeqCst) {
            return Err(format!("{}: another transfer is being written", self.path.display()).into());
        }
        let busy = Busy(&self.busy);
        let file = disk::Replacement::begin(&*self.disk, &self.path)?;
        Ok(Box::new(InFile { file: Some(file), _busy: busy }))
    }
}

/// Lets the next transfer begin when dropped.
struct Busy<'a>(&'a AtomicBool);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

struct InFile<'a> {
    file: Option<disk::Replacement<'a>>,
    /// Dropped last, when the temporary file is gone.
    _busy: Busy<'a>,
}

impl Transfer for InFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BoxError> {
        Ok(self.file.as_mut().expect("it is taken by the commit only").write_all(bytes)?)
    }

    fn commit(mut self: Box<Self>) -> Result<(), BoxError> {
        Ok(self.file.take().expect("a transfer commits once").commit()?)
    }
}

/// Passes bytes on as they arrive, to the standard output for example. They leave before the end is known: a
/// broken transfer has already delivered its beginning, and [`Sink::commits`] says so.
pub struct Passing<W>(Mutex<W>);

impl<W: Write + Send> Passing<W> {
    /// A sink that writes to this.
    pub fn new(to: W) -> Self {
        Self(Mutex::new(to))
    }

    /// What it wrote to.
    pub fn into_inner(self) -> W {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W> fmt::Debug for Passing<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passing(..)")
    }
}

impl<W: Write + Send> Sink for Passing<W> {
    fn begin(&self) -> Result<Box<dyn Transfer + '_>, BoxError> {
        match self.0.try_lock() {
            Ok(to) => Ok(Box::new(Through(to))),
            Err(std::sync::TryLockError::Poisoned(to)) => Ok(Box::new(Through(to.into_inner()))),
            Err(std::sync::TryLockError::WouldBlock) => Err("another transfer is being passed on".into()),
        }
    }

    fn commits(&self) -> bool {
        false
    }
}

struct Through<'a, W>(std::sync::MutexGuard<'a, W>);

impl<W: Write> Transfer for Through<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BoxError> {
        Ok(self.0.write_all(bytes)?)
    }

    fn commit(mut self: Box<Self>) -> Result<(), BoxError> {
        Ok(self.0.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::disk::{Fault, Recorder};

    const FILE: &str = "/data/snapshot";

    fn with(content: &[u8]) -> (Arc<Recorder>, FileSink) {
        let disk = Arc::new(Recorder::with_dir("/data"));
        disk::durable_write(&*disk, Path::new(FILE), content).unwrap();
        (Arc::clone(&disk), FileSink::new(disk, FILE))
    }

    #[test]
    fn a_sink_in_memory_keeps_its_content_until_a_transfer_commits() {
        let memory = Arc::new(MemorySink::holding("old"));
        let shared: Arc<dyn Sink> = Arc::clone(&memory) as _;
        let mut dropped = shared.begin().unwrap();
        dropped.write(b"never").unwrap();
        drop(dropped);
        let mut transfer = shared.begin().unwrap();
        transfer.write(b"ne").unwrap();
        assert_eq!((memory.content(), memory.committed()), (b"old".to_vec(), 0));
        transfer.write(b"w").unwrap();
        transfer.commit().unwrap();
        assert_eq!((memory.content(), memory.committed()), (b"new".to_vec(), 1));
        memory.apply(b"newer").unwrap();
        assert_eq!((memory.content(), memory.committed()), (b"newer".to_vec(), 2));
        assert!(memory.commits());
    }

    #[test]
    fn a_file_is_replaced_by_a_commit_and_by_nothing_else() {
        let (disk, sink) = with(b"old");
        let content = || disk.read(Path::new(FILE)).unwrap();
        let mut transfer = sink.begin().unwrap();
        transfer.write(b"half").unwrap();
        let refused = sink.begin().err().unwrap().to_string();
        assert!(refused.contains("another transfer is being written"), "{refused}");
        transfer.abort();
        assert_eq!((content(), disk.names().len()), (b"old".to_vec(), 1), "no temporary file is left");
        let mut transfer = sink.begin().unwrap();
        transfer.write(b"whole").unwrap();
        assert_eq!(content(), b"old");
        transfer.commit().unwrap();
        assert_eq!((content(), disk.names().len()), (b"whole".to_vec(), 1));
    }

    #[test]
    fn a_power_cut_at_any_step_of_a_transfer_leaves_the_old_file_or_the_new_one() {
        let steps = {
            let (disk, sink) = with(b"old");
            let before = disk.steps().len();
            sink.apply(b"new bytes").unwrap();
            disk.steps().len() - before
        };
        assert_eq!(steps, 6);
        let mut states = 0;
        for cut in 0..=steps {
            let (disk, sink) = with(b"old");
            disk.plan(disk.steps().len() + cut, Fault::Power);
            assert_eq!(sink.apply(b"new bytes").is_ok(), cut == steps);
            for left in disk.after_power_loss() {
                let content = left.read(Path::new(FILE)).unwrap();
                assert!(content == b"new bytes" || (content == b"old" && cut < steps), "{cut}: {content:?}");
                states += 1;
                // The next transfer is not blocked by what the broken one left.
                FileSink::new(Arc::new(left), FILE).apply(b"newer").unwrap();
            }
        }
        assert!(states >= 15, "{states} states");
    }

    #[test]
    fn what_is_passed_on_is_gone_before_the_end() {
        let sink = Passing::new(Vec::new());
        assert!(!sink.commits());
        let mut transfer = sink.begin().unwrap();
        transfer.write(b"begun").unwrap();
        assert!(sink.begin().is_err());
        transfer.abort();
        assert_eq!(sink.into_inner(), b"begun");
    }
}
