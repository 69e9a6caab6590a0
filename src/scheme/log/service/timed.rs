//! A connection whose calls end by a moment, with or without TLS around it.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Longer than any connection lasts, in seconds: a year.
const FAR: u64 = 31_536_000;

/// The moment after this time from now; for a time beyond the clock's range, one that no connection reaches.
pub(super) fn after(time: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(time).unwrap_or_else(|| now + Duration::from_secs(FAR))
}

/// A TCP connection whose calls end by a moment, with [`io::ErrorKind::TimedOut`].
pub(super) struct Timed {
    pub tcp: TcpStream,
    pub until: Instant,
}

impl Timed {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(late()) } else { Ok(Some(left.max(Duration::from_millis(1)))) }
    }
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the client took too long")
}

/// The system says of a call that timed out that it would have blocked.
fn explained(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { late() } else { error }
}

impl Read for Timed {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.tcp.set_read_timeout(self.left()?)?;
        self.tcp.read(out).map_err(explained)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.tcp.set_write_timeout(self.left()?)?;
        self.tcp.write(bytes).map_err(explained)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}

/// A connection, with or without TLS around it.
pub(super) trait Stream: Read + Write {
    fn timed(&mut self) -> &mut Timed;

    /// Tells the client that nothing more comes.
    fn finish(&mut self) -> io::Result<()>;
}

impl Stream for Timed {
    fn timed(&mut self) -> &mut Timed {
        self
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(feature = "tls")]
impl Stream for crate::primitive::tls::Connection<Timed> {
    fn timed(&mut self) -> &mut Timed {
        self.get_mut()
    }

    fn finish(&mut self) -> io::Result<()> {
        match Self::finish(self) {
            // The client has what it wanted and is gone.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) =>
            {
                Ok(())
            }
            finished => finished,
        }
    }
}

/// Waits for a request as long as a connection may be silent, and for the rest of it as long as a transfer
/// may take.
pub(super) struct Patient<'a, S> {
    pub stream: &'a mut S,
    pub transfer: Duration,
}

impl<S: Stream> Read for Patient<'_, S> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(out)?;
        if let Some(until) = (!self.transfer.is_zero()).then(|| after(self.transfer)) {
            self.stream.timed().until = until;
            self.transfer = Duration::ZERO;
        }
        Ok(read)
    }
}
