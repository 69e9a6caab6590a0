//! UDP sockets: how they are opened, how long they wait, and which of their errors mean nothing.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::Context;

/// How long a program waits for a datagram before it looks at its clock.
pub(super) const IDLE: Duration = Duration::from_millis(1);
/// The most bytes of a datagram that are read. Ours fit a packet of 1,500; the rest of a longer one is lost.
pub(super) const MAX_DATAGRAM: usize = 2_048;

/// Opens a socket.
pub(super) fn bind(address: SocketAddr) -> anyhow::Result<UdpSocket> {
    UdpSocket::bind(address).with_context(|| format!("listening on {address}"))
}

/// Whether an error only says that nobody took an earlier datagram. A network loses datagrams anyway.
pub(super) fn is_of_icmp(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable};
    matches!(error.kind(), ConnectionRefused | ConnectionReset | HostUnreachable | NetworkUnreachable)
}

/// Whether an error says that no datagram has come in time.
pub(super) fn is_a_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}
