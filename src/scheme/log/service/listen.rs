//! The listener: requests over TCP, in the clear or inside TLS 1.3 (spec §6).
//!
//! Each connection has a thread. The number of connections is bounded, and so are the time between two
//! requests and the time that one may take to arrive or to be answered. The profile changes no answer. Not
//! here: what may listen where, and who may send what. The profile `secure` proves the server to the client
//! and keeps onlookers out; it does not ask who the client is unless the server was given authorities.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::timed::{Patient, Stream, Timed, after};
use super::wire::{Answer, Frame, MAX_REQUEST, Request, read_frame, write_frame};
use super::{DEFAULT_DEADLINE, Refusal, Service};
use crate::primitive::tls::Profile;

/// The pause after a connection that could not be accepted, so that a lasting cause does not take the CPU.
const PAUSE: Duration = Duration::from_millis(50);

/// What a server grants its clients.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The number of connections served at once. Others wait to be accepted.
    pub connections: usize,
    /// The time that a connection may be silent between two requests.
    pub idle: Duration,
    /// The time that a handshake, a request's arrival or an answer's departure may take.
    pub transfer: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 64, idle: Duration::from_secs(60), transfer: Duration::from_secs(30) }
    }
}

/// What carries the requests.
#[derive(Clone, Debug)]
pub enum Acceptor {
    /// TCP as it is: the profile `dev`.
    Plain,
    /// TLS 1.3: the profile `secure`.
    #[cfg(feature = "tls")]
    Secure(crate::primitive::tls::Server),
}

impl Acceptor {
    /// The profile that it implements.
    pub const fn profile(&self) -> Profile {
        match self {
            Self::Plain => Profile::Dev,
            #[cfg(feature = "tls")]
            Self::Secure(_) => Profile::Secure,
        }
    }
}

/// What a server did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Answered a request of this client with this status.
    Answered(SocketAddr, String),
    /// A connection ended: with the number of its answers, or the reason that it was cut.
    Ended(SocketAddr, Result<u64, String>),
    /// A connection could not be accepted.
    Failed(String),
}

/// Receives every event, from several threads.
pub type Report<'a> = &'a (dyn Fn(Event) + Sync);

/// Answers requests.
pub struct Server {
    listener: TcpListener,
    service: Arc<Service>,
    acceptor: Acceptor,
    limits: Limits,
    stopped: AtomicBool,
    /// The connections being served, so that a stop reaches those that wait for a request.
    open: Mutex<HashMap<u64, TcpStream>>,
    freed: Condvar,
    number: AtomicU64,
}

impl Server {
    /// Listens on this address.
    ///
    /// # Errors
    /// The system's.
    pub fn bind(
        address: impl ToSocketAddrs,
        service: Arc<Service>,
        acceptor: Acceptor,
        limits: Limits,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let (stopped, open, freed, number) =
            (AtomicBool::new(false), Mutex::default(), Condvar::new(), AtomicU64::new(0));
        Ok(Self { listener, service, acceptor, limits, stopped, open, freed, number })
    }

    /// The address on which it listens.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Accepts and serves connections until it is [stopped](Self::stop), and reports what happens. Returns
    /// when the connections being served have ended.
    pub fn run(&self, report: Report<'_>) {
        std::thread::scope(|scope| {
            while self.wait_for_room() {
                let (tcp, peer) = match self.listener.accept() {
                    // The connection of `stop`.
                    Ok(_) if self.is_stopped() => break,
                    Ok(accepted) => accepted,
                    Err(error) => {
                        report(Event::Failed(error.to_string()));
                        std::thread::sleep(PAUSE);
                        continue;
                    }
                };
                let place = match self.enter(&tcp) {
                    Ok(place) => place,
                    Err(error) => {
                        report(Event::Ended(peer, Err(error.to_string())));
                        continue;
                    }
                };
                let serve = move || {
                    let ended = self.serve(tcp, peer, report);
                    drop(place);
                    report(Event::Ended(peer, ended.map_err(|error| error.to_string())));
                };
                if let Err(error) = std::thread::Builder::new().spawn_scoped(scope, serve) {
                    report(Event::Ended(peer, Err(error.to_string())));
                }
            }
        });
    }

    /// Ends [`run`](Self::run): nothing more is accepted or read, and requests that have arrived are
    /// answered.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        for tcp in self.open().values() {
            // It may have ended already.
            let _ = tcp.shutdown(Shutdown::Read);
        }
        self.freed.notify_all();
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

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u64, TcpStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until another connection may be accepted. False once it is stopped.
    fn wait_for_room(&self) -> bool {
        let full = |open: &mut HashMap<u64, TcpStream>| {
            open.len() >= self.limits.connections.max(1) && !self.is_stopped()
        };
        let room = self.freed.wait_while(self.open(), full).unwrap_or_else(PoisonError::into_inner);
        drop(room);
        !self.is_stopped()
    }

    fn enter(&self, tcp: &TcpStream) -> io::Result<Place<'_>> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        self.open().insert(number, tcp.try_clone()?);
        Ok(Place { server: self, number })
    }

    fn serve(&self, tcp: TcpStream, peer: SocketAddr, report: Report<'_>) -> io::Result<u64> {
        tcp.set_nodelay(true)?;
        let timed = Timed { tcp, until: after(self.limits.transfer) };
        match &self.acceptor {
            Acceptor::Plain => self.converse(&mut { timed }, peer, report),
            #[cfg(feature = "tls")]
            Acceptor::Secure(tls) => self.converse(&mut tls.accept(timed)?, peer, report),
        }
    }

    /// Answers the requests of one connection, one after the other.
    fn converse(&self, stream: &mut impl Stream, peer: SocketAddr, report: Report<'_>) -> io::Result<u64> {
        let mut answers = 0;
        // A stop that came before the connection was entered did not reach it.
        while !self.is_stopped() {
            stream.timed().until = after(self.limits.idle);
            let frame = match read_frame(&mut Patient { stream, transfer: self.limits.transfer }, MAX_REQUEST)
            {
                Err(_) if self.is_stopped() => break,
                read => read?,
            };
            let (answer, more) = match frame {
                Frame::End => break,
                Frame::Body(body) => (self.service.answer_frame(&body), true),
                Frame::TooLong(len) => {
                    let why = format!("a request of {len} bytes exceeds the limit of {MAX_REQUEST}");
                    (Answer::refused(Refusal::invalid(why)), false)
                }
            };
            stream.timed().until = after(self.limits.transfer);
            write_frame(stream, &answer.encode())?;
            answers += 1;
            report(Event::Answered(peer, answer.status));
            if !more {
                break;
            }
        }
        stream.timed().until = after(self.limits.transfer);
        stream.finish()?;
        Ok(answers)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("listener", &self.listener).finish_non_exhaustive()
    }
}

impl Service {
    /// Carries out a request with the deadline of a client that names none: 10 seconds from now.
    pub fn answer(&self, request: &Request) -> Answer {
        let deadline = Instant::now() + DEFAULT_DEADLINE;
        match request {
            Request::Put { key, value, request_id } => {
                Answer::put(self.put(key, value, request_id, deadline))
            }
            Request::Delete { key, request_id } => Answer::delete(self.delete(key, request_id, deadline)),
            Request::Get { key } => Answer::get(self.get(key)),
        }
    }

    /// The answer to the JSON object of a frame, whatever it holds.
    pub fn answer_frame(&self, body: &[u8]) -> Answer {
        match Request::decode(body) {
            Ok(request) => self.answer(&request),
            Err(refusal) => Answer::refused(refusal),
        }
    }
}

/// A connection among those being served. Leaves them when dropped.
struct Place<'a> {
    server: &'a Server,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.server.open().remove(&self.number);
        self.server.freed.notify_one();
    }
}
