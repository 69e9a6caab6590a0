//! A transport that counts what it moves, and slows a sender down to a rate.

use std::io::{self, Read, Write};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::scheme::snapshot::{Stream, Timed, Transport};

/// Counts the bytes of every connection of another transport.
#[derive(Debug)]
pub(super) struct Meter {
    inner: Arc<dyn Transport>,
    moved: Arc<AtomicU64>,
    /// Bytes a second that a connection may write.
    rate: Option<NonZeroU64>,
}

impl Meter {
    /// A meter over a transport.
    pub(super) fn new(inner: Arc<dyn Transport>, rate: Option<NonZeroU64>) -> Self {
        Self { inner, moved: Arc::default(), rate }
    }

    /// The bytes moved so far.
    pub(super) fn moved(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.moved)
    }

    fn wrap(&self, stream: Box<dyn Stream>) -> Box<dyn Stream> {
        let pace = self.rate.map(|rate| Pace { rate, since: Instant::now(), written: 0 });
        Box::new(Metered { stream, moved: Arc::clone(&self.moved), pace })
    }
}

impl Transport for Meter {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn accept(&self, tcp: Timed) -> io::Result<Box<dyn Stream>> {
        Ok(self.wrap(self.inner.accept(tcp)?))
    }

    fn connect(&self, tcp: Timed, host: &str) -> io::Result<Box<dyn Stream>> {
        Ok(self.wrap(self.inner.connect(tcp, host)?))
    }
}

struct Metered {
    stream: Box<dyn Stream>,
    moved: Arc<AtomicU64>,
    pace: Option<Pace>,
}

/// A rate, and what was written under it.
struct Pace {
    rate: NonZeroU64,
    since: Instant,
    written: u64,
}

/// The time after which that many bytes may have been written.
fn due(written: u64, rate: NonZeroU64) -> Duration {
    Duration::from_secs_f64(written as f64 / rate.get() as f64)
}

impl Pace {
    /// The most bytes to write at once: a twentieth of a second's.
    fn piece(&self) -> usize {
        usize::try_from(self.rate.get() / 20).unwrap_or(usize::MAX).max(1)
    }

    /// Waits until the rate allows this many bytes more.
    fn wait(&mut self, len: usize) {
        self.written += len as u64;
        let (elapsed, due) = (self.since.elapsed(), due(self.written, self.rate));
        if due > elapsed {
            std::thread::sleep(due - elapsed);
        } else if elapsed - due > Duration::from_secs(1) {
            // The other end was slower. It gets no burst for that.
            (self.since, self.written) = (Instant::now(), 0);
        }
    }
}

impl Read for Metered {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = self.stream.read(out)?;
        self.moved.fetch_add(len as u64, Ordering::Relaxed);
        Ok(len)
    }
}

impl Write for Metered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let most = self.pace.as_ref().map_or(bytes.len(), |pace| pace.piece().min(bytes.len()));
        let len = self.stream.write(&bytes[..most])?;
        self.moved.fetch_add(len as u64, Ordering::Relaxed);
        if let Some(pace) = &mut self.pace {
            pace.wait(len);
        }
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Stream for Metered {
    fn finish(&mut self) -> io::Result<()> {
        self.stream.finish()
    }

    fn close(&mut self) {
        self.stream.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nowhere;

    impl Read for Nowhere {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            Ok(out.len())
        }
    }

    impl Write for Nowhere {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Stream for Nowhere {
        fn finish(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn close(&mut self) {}
    }

    #[test]
    fn every_byte_is_counted_and_a_rate_cuts_writes_into_pieces() {
        let plain = Arc::new(crate::scheme::snapshot::Plain);
        let (free, slow) =
            (Meter::new(Arc::clone(&plain) as _, None), Meter::new(plain, NonZeroU64::new(200_000)));
        let mut stream = free.wrap(Box::new(Nowhere));
        assert_eq!(stream.write(&[0; 100_000]).unwrap(), 100_000);
        stream.read_exact(&mut [0; 10]).unwrap();
        assert_eq!(free.moved().load(Ordering::Relaxed), 100_010);
        assert_eq!(slow.wrap(Box::new(Nowhere)).write(&[0; 100_000]).unwrap(), 10_000);
        assert_eq!(slow.moved().load(Ordering::Relaxed), 10_000);
    }

    #[test]
    fn bytes_are_due_by_the_rate() {
        let rate = NonZeroU64::new(1_000).unwrap();
        assert_eq!(due(0, rate), Duration::ZERO);
        assert_eq!(due(2_500, rate), Duration::from_millis(2_500));
        assert!(due(u64::MAX, NonZeroU64::new(u64::MAX).unwrap()) <= Duration::from_secs(1));
    }
}
