//! The receiver's accept loop (spec §2, §4).
//!
//! In mode `compat` connections are served one at a time and without a deadline, as in the reference: a
//! silent peer blocks everybody. In the other modes several are served at once, up to a bound, and each has
//! an idle and a total deadline.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::receive::{read_compat, read_safe};
use super::transport::{Plain, Stream, Timed, Transport};
use super::{Config, Error, Format, Limits, Sink, hardened};

/// The pause after a connection that could not be accepted, so that a lasting cause does not take the CPU.
const PAUSE: Duration = Duration::from_millis(50);

/// A connection's end: the peer, and the snapshot's length or the refusal.
pub type Report<'a> = &'a (dyn Fn(Option<SocketAddr>, &Result<u64, Error>) + Sync);

/// Receives snapshots into a sink.
pub struct Server {
    listener: TcpListener,
    format: Format,
    encrypt: bool,
    limits: Limits,
    transport: Arc<dyn Transport>,
    sink: Arc<dyn Sink>,
    stopped: AtomicBool,
}

impl Server {
    /// Validates the configuration, loads the keys once if it encrypts, so that bad files are found now, and
    /// listens. [`Limits`] do not apply to mode `compat`.
    ///
    /// # Errors
    /// [`Error::Config`]; as [`Material::load`](super::Material::load); [`Error::Io`].
    pub fn bind(config: &Config, format: Format, limits: Limits, sink: Arc<dyn Sink>) -> Result<Self, Error> {
        if let Format::Compat(keys) | Format::Safe(keys) = &format {
            config.validate()?;
            if config.encrypt {
                keys.load()?;
            }
        }
        if limits.connections == 0 {
            return Err(Error::Config("connections is 0: a receiver serves at least one".into()));
        }
        let listener = TcpListener::bind(config.listen_addr).map_err(Error::io("listening"))?;
        let (transport, stopped) = (Arc::new(Plain), AtomicBool::new(false));
        Ok(Self { listener, format, encrypt: config.encrypt, limits, transport, sink, stopped })
    }

    /// The same over another transport.
    pub fn over(self, transport: Arc<dyn Transport>) -> Self {
        Self { transport, ..self }
    }

    /// The address on which it listens.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn local_addr(&self) -> Result<SocketAddr, Error> {
        self.listener.local_addr().map_err(Error::io("asking for the listening address"))
    }

    /// Waits for one connection, receives its snapshot, and returns its length.
    ///
    /// # Errors
    /// The refusal. The sink then holds what it held before.
    pub fn accept_one(&self) -> Result<u64, Error> {
        let (tcp, _) = self.listener.accept().map_err(Error::io("accepting a connection"))?;
        self.serve(tcp)
    }

    /// Accepts and serves connections until it is [stopped](Self::stop), whatever their results, and reports
    /// each result. Returns when the connections being served have ended.
    pub fn run(&self, report: Report<'_>) {
        let slots = Slots { free: Mutex::new(self.limits.connections), freed: Condvar::new() };
        let in_line = matches!(self.format, Format::Compat(_));
        std::thread::scope(|scope| {
            while !self.stopped.load(Ordering::SeqCst) {
                let slot = slots.take();
                let (tcp, peer) = match self.listener.accept() {
                    // The connection of `stop`.
                    Ok(_) if self.stopped.load(Ordering::SeqCst) => break,
                    Ok(accepted) => accepted,
                    Err(error) => {
                        report(None, &Err(Error::io("accepting a connection")(error)));
                        std::thread::sleep(PAUSE);
                        continue;
                    }
                };
                let serve = move || {
                    report(Some(peer), &self.serve(tcp));
                    drop(slot);
                };
                if in_line {
                    serve();
                } else if let Err(error) = std::thread::Builder::new().spawn_scoped(scope, serve) {
                    report(Some(peer), &Err(Error::io("starting a thread")(error)));
                }
            }
        });
    }

    /// Ends [`run`](Self::run) once the connections being served have ended.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the accept. If it cannot be reached, the next connection ends the loop.
        if let Ok(mut address) = self.listener.local_addr() {
            if address.ip().is_unspecified() {
                address.set_ip(match address.ip() {
                    IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                    IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
                });
            }
            let _ = TcpStream::connect_timeout(&address, Duration::from_secs(1));
        }
    }

    fn serve(&self, tcp: TcpStream) -> Result<u64, Error> {
        let limits = match self.format {
            Format::Compat(_) => None,
            Format::Safe(_) | Format::Hardened(..) => Some(&self.limits),
        };
        let timed = Timed::new(tcp, limits).map_err(Error::io("setting up the connection"))?;
        let accepted = self.transport.accept(timed);
        let mut stream = accepted.map_err(Error::io("agreeing on a secure connection"))?;
        receive_snapshot(&mut *stream, &self.format, self.encrypt, &self.limits, &*self.sink)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("listener", &self.listener).finish_non_exhaustive()
    }
}

/// Receives one snapshot from a connection into a sink, and returns its length.
///
/// # Errors
/// The refusal. The sink then holds what it held before, if it [commits](Sink::commits).
pub fn receive_snapshot(
    stream: &mut dyn Stream,
    format: &Format,
    encrypt: bool,
    limits: &Limits,
    sink: &dyn Sink,
) -> Result<u64, Error> {
    let snapshot = match format {
        Format::Compat(keys) => read_compat(stream, keys)?,
        Format::Safe(keys) => {
            let read = read_safe(stream, keys, encrypt, limits.empty_chunks);
            // Before the sink takes its time, or the moment of the end would tell whether it was asked.
            stream.close();
            read?
        }
        Format::Hardened(key, context) => return hardened::receive(stream, key, context, sink),
    };
    sink.apply(&snapshot).map_err(Error::Sink)?;
    Ok(snapshot.len() as u64)
}

/// The connections that may still be accepted.
struct Slots {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Slots {
    /// Waits for a free one.
    fn take(&self) -> Slot<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.freed.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Slot(self)
    }
}

/// Frees its place when dropped.
struct Slot<'a>(&'a Slots);

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests;
