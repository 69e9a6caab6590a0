//! One end of the real wire: a node on a UDP socket, its timer, and counts of everything that it refused.
//!
//! A peer's address is where the last frame came from that opened, or that brought new keys; a replayed frame
//! moves nobody. A key exchange is answered where it came from. If a frame does not open, the request for new
//! keys goes to both addresses: a peer that moved is found, and nobody draws the request away from it.
//! Datagrams that claim a node without a public key here are dropped before anything is done for them.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::ValueEnum;

use super::super::Registry as Engines;
use super::identity::{self, PublicKeys};
use super::socket::{IDLE, MAX_DATAGRAM, is_a_timeout, is_of_icmp};
use crate::scheme::tunnel::exchange::{Event, Outcome, Outside, Publisher, Sender, Source};
use crate::scheme::tunnel::node::{Node, Received};
use crate::scheme::tunnel::{Error, Mode, Options, SystemClock, Timing, frame};

/// What both ends are told.
#[derive(clap::Args)]
pub(super) struct EndArgs {
    /// The file with the node's identity (`sealmark tunnel keygen`).
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
    /// The public keys of the peers: a file, or a folder of .pub files. Nobody else is answered.
    #[arg(long, value_name = "PATH")]
    peers: PathBuf,
    /// The mode. Both ends need the same wire: compat and safe share one, hardened has its own.
    #[arg(long, value_enum, default_value_t = ModeArg::Safe)]
    mode: ModeArg,
    /// The engine.
    #[arg(long, value_name = "NAME", default_value = "sealmark")]
    engine: String,
    /// Scales every timer: 0.05 makes them twenty times as fast, for tests.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = factor)]
    timers: f64,
    /// Appends a line for each message to this file. If the program is killed and started again, it goes on
    /// from there.
    #[arg(long, value_name = "FILE")]
    pub journal: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum ModeArg {
    /// The reference's behaviour, with its harms.
    Compat,
    /// The reference's wire, without its harms.
    Safe,
    /// Our own wire, on which a replayed frame does nothing at all.
    Hardened,
}

fn factor(text: &str) -> Result<f64, String> {
    let factor = text.parse::<f64>().ok().filter(|factor| (0.001..=1_000.0).contains(factor));
    factor.ok_or_else(|| "choose a number from 0.001 to 1000".to_owned())
}

/// A message of a peer, as it was opened.
pub(super) struct Opened {
    pub peer: u32,
    /// The last 16 bytes of its frame, which no other frame shares.
    pub tag: [u8; 16],
    pub plaintext: Vec<u8>,
}

/// Counts, each under the name that the scheme gives it.
pub(super) type Counts = BTreeMap<&'static str, u64>;

/// A node on a socket.
pub(super) struct Wire {
    node: Node,
    pub node_id: u32,
    link: Arc<Link>,
    keys: Arc<PublicKeys>,
    events: Arc<Events>,
    /// The mode's name.
    pub mode: &'static str,
    /// The engine's name.
    pub engine: String,
    /// Why frames were refused.
    pub refused: Counts,
    tick: Duration,
    next_tick: Instant,
}

impl Wire {
    /// A node as `args` say, on this socket.
    pub fn new(args: &EndArgs, engines: &Engines, socket: UdpSocket) -> anyhow::Result<Self> {
        let engine = match engines.engines_named(std::slice::from_ref(&args.engine))?[..] {
            [engine] => engine,
            _ => bail!("name one engine"),
        };
        let mode = match args.mode {
            ModeArg::Compat => Mode::Compat,
            ModeArg::Safe => Mode::Safe,
            ModeArg::Hardened => Mode::Hardened,
        };
        let timing = Timing::default().scaled(args.timers);
        let (identity, keys) = (identity::read(&args.identity)?, Arc::new(PublicKeys::read(&args.peers)?));
        let node_id = identity.node_id();
        socket.set_read_timeout(Some(IDLE)).context("setting up the socket")?;
        let link = Arc::new(Link { socket, addresses: Mutex::default() });
        let events = Arc::new(Events::default());
        let outside = Outside {
            sender: Some(Arc::clone(&link) as _),
            publisher: Some(Arc::clone(&events) as _),
            hooks: None,
            registry: Some(Arc::clone(&keys) as _),
        };
        let options = Options { timing, ..Options::new(mode) };
        let node = Node::new(identity, options, engine, Arc::new(SystemClock::new()), outside)?;
        let tick = Duration::from_millis(timing.tick_ms);
        let next_tick = Instant::now() + tick;
        let (mode, engine, refused) = (mode.name(), engine.name().to_owned(), Counts::new());
        Ok(Self { node, node_id, link, keys, events, mode, engine, refused, tick, next_tick })
    }

    /// The address of its socket.
    pub fn address(&self) -> anyhow::Result<SocketAddr> {
        self.link.socket.local_addr().context("asking for the socket's address")
    }

    /// Says where a peer is. It must have a public key here.
    pub fn place(&self, peer: u32, address: SocketAddr) -> anyhow::Result<()> {
        if !self.keys.knows(peer) {
            bail!("node {peer} has no public key among those of --peers: copy its .pub file there");
        }
        self.link.addresses().known.insert(peer, address);
        Ok(())
    }

    /// Seals a message and sends it, or queues it until there is a session; false if it was not taken and can
    /// be given again.
    pub fn send(&self, peer: u32, plaintext: &[u8]) -> anyhow::Result<bool> {
        match self.node.send(peer, plaintext) {
            Ok(_) => Ok(true),
            Err(Error::QueueFull(_) | Error::GaveUp(_) | Error::NoKey(_)) => Ok(false),
            Err(error) => Err(error).context("sealing a message"),
        }
    }

    /// Asks a peer for a key exchange; false while it cools down after it was given up.
    pub fn request(&self, peer: u32) -> bool {
        let may = !self.node.exchange().gave_up(peer);
        if may {
            self.node.exchange().request(peer);
        }
        may
    }

    /// Whether there is a session with a peer.
    pub fn has_session(&self, peer: u32) -> bool {
        self.node.session(peer).is_some()
    }

    /// How often each event happened.
    pub fn events(&self) -> Counts {
        self.events.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits a moment for a datagram. Everything but a message is dealt with here.
    pub fn next(&mut self) -> anyhow::Result<Option<Opened>> {
        if Instant::now() >= self.next_tick {
            self.node.tick();
            self.next_tick = Instant::now() + self.tick;
        }
        let mut buffer = [0; MAX_DATAGRAM];
        let (len, from) = match self.link.socket.recv_from(&mut buffer) {
            Ok(received) => received,
            Err(error) if is_a_timeout(&error) || is_of_icmp(&error) => return Ok(None),
            Err(error) => return Err(error).context("receiving"),
        };
        let datagram = &mut buffer[..len];
        let Some(peer) = claimed(datagram).filter(|peer| self.keys.knows(*peer)) else {
            *self.refused.entry("unknown-peer").or_default() += 1;
            return Ok(None);
        };
        let tag = datagram.last_chunk().copied().unwrap_or_default();
        let is_exchange = is_exchange(datagram);
        self.link.addresses().asking = Some(Asking { peer, from, is_exchange });
        let source = Source { address: Some(from), relay: false };
        let received = self.node.receive(datagram, source);
        let (moves, opened) = match received {
            Ok(Received::Message(opened)) => {
                let plaintext = opened.plaintext.to_vec();
                (true, Some(Opened { peer: opened.peer, tag, plaintext }))
            }
            Ok(Received::Exchange(handled)) => {
                let is_new = matches!(handled.outcome, Outcome::New | Outcome::Changed | Outcome::Restored);
                (is_new, None)
            }
            Ok(Received::Plain(_) | Received::Punch(_) | Received::Foreign) => {
                *self.refused.entry("foreign").or_default() += 1;
                (false, None)
            }
            Err(error) => {
                *self.refused.entry(error.spec_name()).or_default() += 1;
                (false, None)
            }
        };
        let mut addresses = self.link.addresses();
        addresses.asking = None;
        if moves {
            addresses.known.insert(peer, from);
        }
        Ok(opened)
    }
}

/// The node that a datagram claims to come from. Nothing proves it yet.
fn claimed(datagram: &[u8]) -> Option<u32> {
    let at = match frame::kind(datagram)? {
        frame::Kind::Plain => return None,
        frame::Kind::Hello | frame::Kind::HardenedSealed => 5,
        _ => 4,
    };
    datagram.get(at..)?.first_chunk().map(|id| u32::from_be_bytes(*id))
}

fn is_exchange(datagram: &[u8]) -> bool {
    use frame::Kind::{Authenticated, Hello, Unauthenticated};
    matches!(frame::kind(datagram), Some(Authenticated | Hello | Unauthenticated))
}

#[derive(Default)]
struct Addresses {
    known: BTreeMap<u32, SocketAddr>,
    /// The datagram that is being dealt with.
    asking: Option<Asking>,
}

/// A datagram, and where it came from.
#[derive(Clone, Copy)]
struct Asking {
    /// The peer that it claims.
    peer: u32,
    from: SocketAddr,
    is_exchange: bool,
}

impl Addresses {
    /// Where frames to a peer go now.
    fn of(&self, peer: u32) -> [Option<SocketAddr>; 2] {
        let known = self.known.get(&peer).copied();
        match self.asking.filter(|asking| asking.peer == peer) {
            Some(Asking { from, is_exchange: true, .. }) => [Some(from), None],
            Some(Asking { from, .. }) => [Some(from), known.filter(|known| *known != from)],
            None => [known, None],
        }
    }
}

/// The socket, as the node sees it.
struct Link {
    socket: UdpSocket,
    addresses: Mutex<Addresses>,
}

impl Link {
    fn addresses(&self) -> MutexGuard<'_, Addresses> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sender for Link {
    fn send(&self, peer: u32, frame: &[u8]) -> bool {
        let addresses = self.addresses().of(peer);
        // Lost on the way, or here: the peer cannot tell.
        let sent = addresses.into_iter().flatten().filter(|to| self.socket.send_to(frame, to).is_ok());
        sent.count() > 0
    }
}

#[derive(Default)]
struct Events(Mutex<Counts>);

impl Publisher for Events {
    fn publish(&self, event: &Event) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(event.name()).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_for_new_keys_finds_a_peer_that_moved_and_cannot_be_drawn_away() {
        let [home, away] = [1, 2].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let mut addresses = Addresses::default();
        assert_eq!(addresses.of(7), [None, None]);
        let asking = |from, is_exchange| Some(Asking { peer: 7, from, is_exchange });
        addresses.asking = asking(away, false);
        assert_eq!(addresses.of(7), [Some(away), None], "nobody knows another address");
        addresses.known.insert(7, home);
        assert_eq!(addresses.of(7), [Some(away), Some(home)], "a frame that did not open");
        assert_eq!(addresses.of(8), [None, None], "it claims to be of 7");
        addresses.asking = asking(home, false);
        assert_eq!(addresses.of(7), [Some(home), None], "once is enough");
        addresses.asking = asking(away, true);
        assert_eq!(addresses.of(7), [Some(away), None], "an exchange is answered where it came from");
        addresses.asking = None;
        assert_eq!(addresses.of(7), [Some(home), None]);
    }

    #[test]
    fn a_datagram_claims_the_sender_that_its_header_names() {
        let mut data = [0; 40];
        frame::DataHeader { sender: 7, session: [9; 4], counter: 1 }.encode_into(&mut data);
        let mut sealed = [0; 40];
        frame::Header::new(7, [9; 4], 1).encode_into(&mut sealed);
        let pila = frame::pila(7, &[9; 32], &[9; 32], &[9; 64]);
        for (datagram, exchange) in [(&data[..], false), (&sealed[..], false), (&pila[..], true)] {
            assert_eq!((claimed(datagram), is_exchange(datagram)), (Some(7), exchange));
            assert_eq!(claimed(&datagram[..7]), None);
        }
        assert_eq!((claimed(b"PILT0000"), claimed(b"HTTP/1.1"), claimed(b"")), (None, None, None));
        assert_eq!(claimed(&frame::punch(7)), Some(7));
    }

    #[test]
    fn a_factor_of_the_timers_is_a_positive_number() {
        assert_eq!((factor("0.05"), factor("1")), (Ok(0.05), Ok(1.0)));
        for wrong in ["0", "-1", "NaN", "inf", "1001", "fast"] {
            assert!(factor(wrong).is_err(), "{wrong}");
        }
    }
}
