//! Fixtures for the tests, campaigns and workloads of the tunnel: identities that depend on the node's id
//! alone, a registry in memory, a network that records, and a pair of nodes joined by it. Nothing here is
//! secret.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::exchange::{
    Event, Hooks, Identity, Installed, Outside, Publisher, Registry, Sender, Source, Unavailable,
};
use super::node::{Node, Received};
use super::{Clock, Error, ManualClock, Mode, Options};
use crate::engine::{self, Engine};
use crate::primitive::sha256;

/// Locks for fixtures; a test that panicked leaves what it had.
fn locked<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

fn bytes(of: &str, node_id: u32, life: u32) -> [u8; 32] {
    let digest = sha256::digest(format!("sealmark test {of} {node_id} {life}").as_bytes());
    <[u8; 32]>::try_from(&digest[..]).expect("a digest has 32 bytes")
}

/// The identity of a node: both keys depend on the id alone.
pub fn identity(node_id: u32) -> Identity {
    reborn(node_id, 0)
}

/// The identity of a node after this many restarts: a new X25519 key, the same Ed25519 key.
pub fn reborn(node_id: u32, life: u32) -> Identity {
    thread_local! {
        /// Those made before: a campaign uses the same few for thousands of nodes, and making one takes as
        /// long as a handshake.
        static MADE: RefCell<HashMap<(u32, u32), Identity>> = RefCell::default();
    }
    let make = || {
        let (x25519, ed25519) = (bytes("x25519", node_id, life), bytes("ed25519", node_id, 0));
        Identity::from_bytes(node_id, Some(&x25519), Some(&ed25519))
    };
    MADE.with_borrow_mut(|made| {
        if made.len() >= 1_000 {
            made.clear();
        }
        made.entry((node_id, life)).or_insert_with(make).clone()
    })
}

/// The engine chosen for this CPU.
///
/// # Panics
/// Never: every build has one.
pub fn engine() -> &'static dyn Engine {
    engine::find("sealmark").expect("our own engine is always there")
}

/// A registry in memory. It counts the questions, and can be unreachable.
#[derive(Default, Debug)]
pub struct MapRegistry {
    keys: Mutex<BTreeMap<u32, [u8; 32]>>,
    down: Mutex<bool>,
    asked: Mutex<u64>,
}

impl MapRegistry {
    /// A registry that knows the [`identity`] of these nodes.
    pub fn of(nodes: impl IntoIterator<Item = u32>) -> Self {
        let registry = Self::default();
        nodes.into_iter().for_each(|node| registry.add(&identity(node)));
        registry
    }

    /// Registers an identity.
    pub fn add(&self, identity: &Identity) {
        if let Some(key) = identity.ed25519_public() {
            self.set(identity.node_id(), Some(key));
        }
    }

    /// Sets or removes a key.
    pub fn set(&self, node_id: u32, key: Option<[u8; 32]>) {
        let mut keys = locked(&self.keys);
        match key {
            Some(key) => keys.insert(node_id, key),
            None => keys.remove(&node_id),
        };
    }

    /// Makes it unreachable, or reachable again.
    pub fn set_down(&self, down: bool) {
        *locked(&self.down) = down;
    }

    /// How often it was asked.
    pub fn asked(&self) -> u64 {
        *locked(&self.asked)
    }
}

impl Registry for MapRegistry {
    fn ed25519_key(&self, peer: u32) -> Result<Option<[u8; 32]>, Unavailable> {
        *locked(&self.asked) += 1;
        if *locked(&self.down) { Err(Unavailable) } else { Ok(locked(&self.keys).get(&peer).copied()) }
    }
}

/// A network that keeps what it is given, in order.
#[derive(Default, Debug)]
pub struct Wire {
    frames: Mutex<VecDeque<(u32, Vec<u8>)>>,
    closed: Mutex<bool>,
}

impl Wire {
    /// Takes the oldest frame, with the peer to which it goes.
    pub fn take(&self) -> Option<(u32, Vec<u8>)> {
        locked(&self.frames).pop_front()
    }

    /// Takes every frame.
    pub fn take_all(&self) -> Vec<(u32, Vec<u8>)> {
        locked(&self.frames).drain(..).collect()
    }

    /// How many frames are waiting.
    pub fn len(&self) -> usize {
        locked(&self.frames).len()
    }

    /// Whether no frame is waiting.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes it refuse every frame, or take them again.
    pub fn set_closed(&self, closed: bool) {
        *locked(&self.closed) = closed;
    }
}

impl Sender for Wire {
    fn send(&self, peer: u32, frame: &[u8]) -> bool {
        let open = !*locked(&self.closed);
        if open {
            locked(&self.frames).push_back((peer, frame.to_vec()));
        }
        open
    }
}

/// Keeps events and installs.
#[derive(Default, Debug)]
pub struct Events {
    events: Mutex<Vec<Event>>,
    installs: Mutex<Vec<Installed>>,
}

impl Events {
    /// Takes every event so far.
    pub fn take(&self) -> Vec<Event> {
        std::mem::take(&mut locked(&self.events))
    }

    /// Takes every install so far.
    pub fn take_installs(&self) -> Vec<Installed> {
        std::mem::take(&mut locked(&self.installs))
    }
}

impl Publisher for Events {
    fn publish(&self, event: &Event) {
        locked(&self.events).push(*event);
    }
}

impl Hooks for Events {
    fn installed(&self, installed: &Installed) {
        locked(&self.installs).push(installed.clone());
    }
}

/// A node with its recording surroundings.
#[derive(Clone, Debug)]
pub struct Party {
    /// The node.
    pub node: Arc<Node>,
    /// What it sent.
    pub wire: Arc<Wire>,
    /// What it published.
    pub events: Arc<Events>,
}

impl Party {
    /// A node of this identity.
    ///
    /// # Errors
    /// Those of [`Node::new`].
    pub fn new(
        identity: Identity,
        options: Options,
        engine: &'static dyn Engine,
        clock: &Arc<ManualClock>,
        registry: &Arc<MapRegistry>,
    ) -> Result<Self, Error> {
        let (wire, events) = (Arc::new(Wire::default()), Arc::new(Events::default()));
        let outside = Outside {
            sender: Some(Arc::clone(&wire) as Arc<dyn Sender>),
            publisher: Some(Arc::clone(&events) as Arc<dyn Publisher>),
            hooks: Some(Arc::clone(&events) as Arc<dyn Hooks>),
            registry: Some(Arc::clone(registry) as Arc<dyn Registry>),
        };
        let clock = Arc::clone(clock) as Arc<dyn Clock>;
        Ok(Self { node: Arc::new(Node::new(identity, options, engine, clock, outside)?), wire, events })
    }
}

/// The ids of a [`Pair`].
pub const A: u32 = 0xa11ce;
/// See [`A`].
pub const B: u32 = 0xb0b;

/// Two nodes with one clock and one registry, joined by whoever carries the frames.
#[derive(Debug)]
pub struct Pair {
    /// The node with the id [`A`].
    pub a: Party,
    /// The node with the id [`B`].
    pub b: Party,
    /// The clock of both; it starts at 1,000,000 ms.
    pub clock: Arc<ManualClock>,
    /// The registry of both.
    pub registry: Arc<MapRegistry>,
    options: Options,
    engine: &'static dyn Engine,
}

impl std::fmt::Debug for dyn Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Pair {
    /// A pair in this mode, on the engine chosen for this CPU.
    pub fn new(mode: Mode) -> Self {
        Self::with(Options::new(mode), engine())
    }

    /// A pair with these options, on this engine.
    ///
    /// # Panics
    /// Never: the identities have both keys.
    pub fn with(options: Options, engine: &'static dyn Engine) -> Self {
        let clock = Arc::new(ManualClock::at(1_000_000));
        let registry = Arc::new(MapRegistry::of([A, B]));
        let party = |id| {
            Party::new(identity(id), options.clone(), engine, &clock, &registry)
                .expect("the identity has an Ed25519 key")
        };
        let (a, b) = (party(A), party(B));
        Self { a, b, clock, registry, options, engine }
    }

    /// Restarts the node A: it has lost everything but its Ed25519 key.
    ///
    /// # Panics
    /// Never: the identity has both keys.
    pub fn restart_a(&mut self, life: u32) {
        self.a = Party::new(reborn(A, life), self.options.clone(), self.engine, &self.clock, &self.registry)
            .expect("the identity has an Ed25519 key");
    }

    /// Carries frames both ways until both wires are empty, and returns the messages that A and B received.
    pub fn deliver(&self) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let (mut at_a, mut at_b) = (Vec::new(), Vec::new());
        // Bounded, so that two nodes that answer each other for ever are seen as a test that fails.
        for _ in 0..10_000 {
            if let Some((_, frame)) = self.a.wire.take() {
                at_b.extend(message(&self.b.node, frame));
            } else if let Some((_, frame)) = self.b.wire.take() {
                at_a.extend(message(&self.a.node, frame));
            } else {
                break;
            }
        }
        assert!(self.a.wire.is_empty() && self.b.wire.is_empty(), "the nodes never fall silent");
        (at_a, at_b)
    }

    /// Gives both nodes a session with each other, and opens a frame in each direction, so that no older
    /// session is kept. The wires and the events are empty then.
    ///
    /// # Panics
    /// If the nodes do not come to a session.
    pub fn establish(&self) {
        self.a.node.exchange().request(B);
        self.deliver();
        for (from, to) in [(&self.a, B), (&self.b, A)] {
            let sent = from.node.send(to, b"hello");
            assert!(sent.is_ok(), "no session after an exchange: {sent:?}");
        }
        let (at_a, at_b) = self.deliver();
        assert_eq!((at_a.len(), at_b.len()), (1, 1), "one message each way");
        for party in [&self.a, &self.b] {
            party.events.take();
            party.events.take_installs();
        }
    }
}

/// The message in a frame, if there is one; everything else has its effects on the node.
pub fn message(node: &Node, mut frame: Vec<u8>) -> Option<Vec<u8>> {
    match node.receive(&mut frame, Source::DIRECT) {
        Ok(Received::Message(opened)) => Some(opened.plaintext.to_vec()),
        _ => None,
    }
}
