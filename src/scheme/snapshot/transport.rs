//! What carries a stream: a TCP connection with deadlines, as it is or inside another protocol.
//!
//! A [`Transport`] turns the connection into a [`Stream`]; [`Plain`] adds nothing. Not here: what is sent.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::Limits;

/// A connection, at one of its ends.
pub trait Stream: Read + Write + Send {
    /// Ends the writing side, so that the other end knows that nothing is missing. Reading goes on.
    ///
    /// # Errors
    /// The system's, or the transport's.
    fn finish(&mut self) -> io::Result<()>;

    /// Closes both sides at once. Errors do not matter any more.
    fn close(&mut self);
}

/// Turns a TCP connection into a stream.
pub trait Transport: Send + Sync + fmt::Debug {
    /// Its name: `plain`, or that of a TLS profile.
    fn name(&self) -> &'static str;

    /// The receiver's end.
    ///
    /// # Errors
    /// The transport's.
    fn accept(&self, tcp: Timed) -> io::Result<Box<dyn Stream>>;

    /// The sender's end. `host` is the name that the user gave for the receiver, without the port.
    ///
    /// # Errors
    /// The transport's.
    fn connect(&self, tcp: Timed, host: &str) -> io::Result<Box<dyn Stream>>;
}

/// The TCP connection itself.
#[derive(Clone, Copy, Default, Debug)]
pub struct Plain;

impl Transport for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn accept(&self, tcp: Timed) -> io::Result<Box<dyn Stream>> {
        Ok(Box::new(tcp))
    }

    fn connect(&self, tcp: Timed, _: &str) -> io::Result<Box<dyn Stream>> {
        Ok(Box::new(tcp))
    }
}

/// A TCP connection whose calls end by a deadline, if it has one. After an idle or a total deadline, a call
/// fails with [`io::ErrorKind::TimedOut`].
#[derive(Debug)]
pub struct Timed {
    tcp: TcpStream,
    deadline: Option<(Duration, Instant)>,
    /// The timeout that the system has now.
    set: Option<Duration>,
    /// Whether that is what is left of the total time, and not the idle time.
    last: bool,
}

impl Timed {
    /// A connection with the deadlines of these limits, counted from now, or with none. Small writes are not
    /// held back (`TCP_NODELAY`).
    ///
    /// # Errors
    /// The system's.
    pub fn new(tcp: TcpStream, limits: Option<&Limits>) -> io::Result<Self> {
        tcp.set_nodelay(true)?;
        let deadline = limits.map(|limits| (limits.idle, Instant::now() + limits.total));
        Ok(Self { tcp, deadline, set: None, last: false })
    }

    /// Sets the system's timeouts to what is left.
    fn arm(&mut self) -> io::Result<()> {
        let Some((idle, end)) = self.deadline else { return Ok(()) };
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(too_long());
        }
        self.last = left < idle;
        let timeout = Some(idle.min(left).max(Duration::from_millis(1)));
        if self.set != timeout {
            self.tcp.set_read_timeout(timeout)?;
            self.tcp.set_write_timeout(timeout)?;
            self.set = timeout;
        }
        Ok(())
    }

    /// The error of a call: the system says of one that timed out that it would have blocked.
    fn explained(&self, error: io::Error) -> io::Error {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut if self.last => too_long(),
            io::ErrorKind::WouldBlock => io::Error::new(io::ErrorKind::TimedOut, "the peer is silent"),
            _ => error,
        }
    }
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the connection took too long")
}

impl Read for Timed {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.arm()?;
        self.tcp.read(out).map_err(|error| self.explained(error))
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.arm()?;
        self.tcp.write(bytes).map_err(|error| self.explained(error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}

impl Stream for Timed {
    fn finish(&mut self) -> io::Result<()> {
        self.tcp.shutdown(Shutdown::Write)
    }

    fn close(&mut self) {
        // The other end may have closed already.
        let _ = self.tcp.shutdown(Shutdown::Both);
    }
}

/// Dials, from a given address if there is one.
///
/// # Errors
/// The system's; [`io::ErrorKind::Unsupported`] where a sender cannot choose its address.
pub(super) fn dial(from: Option<SocketAddr>, to: SocketAddr) -> io::Result<TcpStream> {
    match from {
        None => TcpStream::connect(to),
        Some(from) => dial_from(from, to),
    }
}

#[cfg(target_os = "linux")]
fn dial_from(from: SocketAddr, to: SocketAddr) -> io::Result<TcpStream> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with, sockopt};

    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // Or a second snapshot from a fixed port would have to wait for the first connection to be forgotten.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &from)?;
    connect(&socket, &to)?;
    Ok(socket.into())
}

#[cfg(not(target_os = "linux"))]
fn dial_from(_: SocketAddr, _: SocketAddr) -> io::Result<TcpStream> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "a sender's own address can be chosen on Linux only"))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = dial(None, listener.local_addr().unwrap()).unwrap();
        (near, listener.accept().unwrap().0)
    }

    fn limits(idle: u64, total: u64) -> Limits {
        let [idle, total] = [idle, total].map(Duration::from_millis);
        Limits { idle, total, ..Limits::default() }
    }

    #[test]
    fn a_silent_peer_and_a_slow_one_are_given_up() {
        let (near, _far) = pair();
        let silent = Timed::new(near, Some(&limits(20, 60_000))).unwrap().read(&mut [0]).unwrap_err();
        assert_eq!((silent.kind(), &*silent.to_string()), (io::ErrorKind::TimedOut, "the peer is silent"));
        let (near, mut far) = pair();
        far.write_all(b"x").unwrap();
        let mut slow = Timed::new(near, Some(&limits(60_000, 30))).unwrap();
        std::thread::sleep(Duration::from_millis(40));
        let late = slow.read(&mut [0]).unwrap_err();
        // Also if the time ends while it waits.
        let (near, _far) = pair();
        let waits = Timed::new(near, Some(&limits(60_000, 30))).unwrap().read(&mut [0]).unwrap_err();
        for late in [late, waits] {
            let said = late.to_string();
            assert_eq!((late.kind(), &*said), (io::ErrorKind::TimedOut, "the connection took too long"));
        }
    }

    #[test]
    fn an_end_is_seen_after_everything_that_was_written() {
        let (near, far) = pair();
        let mut near = Plain.connect(Timed::new(near, None).unwrap(), "here").unwrap();
        let mut far = Plain.accept(Timed::new(far, Some(&limits(5_000, 5_000))).unwrap()).unwrap();
        near.write_all(b"all").unwrap();
        near.finish().unwrap();
        let mut seen = Vec::new();
        far.read_to_end(&mut seen).unwrap();
        assert_eq!(seen, b"all");
        far.close();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_sender_dials_from_the_address_that_it_was_given() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let from = "127.0.0.2:0".parse().unwrap();
        let _near = dial(Some(from), listener.local_addr().unwrap()).unwrap();
        assert_eq!(listener.accept().unwrap().1.ip(), from.ip());
    }
}
