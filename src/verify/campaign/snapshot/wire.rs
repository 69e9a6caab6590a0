//! The connection between the driver and the receiver: the bytes that the sender writes reach the receiver
//! when the sender ends, all of them, cut short or altered, as the story says.

use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Push;
use crate::scheme::snapshot::transport::Timed;
use crate::scheme::snapshot::{BoxError, Clock, Source, Stop, Stream, Transport};

/// Takes the bytes of a connection.
pub(super) type Deliver = dyn FnMut(Vec<u8>) + Send;

/// The sender's end. It dials a listener that carries nothing.
pub(super) struct Wire {
    pub listener: TcpListener,
    pub receiver: Arc<Mutex<Box<Deliver>>>,
    /// The push that is next.
    pub next: Arc<Mutex<Push>>,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

impl Transport for Wire {
    fn name(&self) -> &'static str {
        "campaign"
    }

    fn accept(&self, _: Timed) -> io::Result<Box<dyn Stream>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn connect(&self, _: Timed, _: &str) -> io::Result<Box<dyn Stream>> {
        // The connection that was dialled has done its part.
        drop(self.listener.accept()?);
        let push = *self.next.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Box::new(Pipe { push, bytes: Vec::new(), receiver: Arc::clone(&self.receiver) }))
    }
}

struct Pipe {
    push: Push,
    bytes: Vec<u8>,
    receiver: Arc<Mutex<Box<Deliver>>>,
}

impl Read for Pipe {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Pipe {
    /// A sender that is killed does not get here; for it, the connection ends with an error.
    fn finish(&mut self) -> io::Result<()> {
        let mut bytes = std::mem::take(&mut self.bytes);
        let at = |share: u8| bytes.len() * usize::from(share) / 256;
        match self.push {
            Push::Whole => {}
            Push::Cut(share) => bytes.truncate(at(share)),
            Push::Flip(share) => {
                let at = at(share);
                bytes[at] ^= 0x10;
            }
        }
        (self.receiver.lock().unwrap_or_else(PoisonError::into_inner))(bytes);
        match self.push {
            Push::Cut(_) => Err(io::ErrorKind::ConnectionReset.into()),
            Push::Whole | Push::Flip(_) => Ok(()),
        }
    }

    fn close(&mut self) {}
}

/// A clock that jumps to the time that is waited for.
#[derive(Default, Debug)]
pub(super) struct Simulated(Mutex<Duration>);

impl Clock for Simulated {
    fn now(&self) -> Duration {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_until(&self, time: Duration, _: &Stop) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = time.max(*now);
    }
}

/// The snapshots of the pushes, in order, and when each was asked for.
pub(super) struct Snapshots {
    pub all: Vec<Vec<u8>>,
    pub clock: Arc<Simulated>,
    pub asked: Mutex<Vec<Duration>>,
}

impl Source for Snapshots {
    fn open(&self) -> Result<Box<dyn Read + Send + '_>, BoxError> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.push(self.clock.now());
        Ok(Box::new(&self.all.get(asked.len() - 1).ok_or("the story is over")?[..]))
    }
}
