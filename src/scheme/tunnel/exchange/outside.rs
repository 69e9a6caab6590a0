//! What an exchange needs from the program around it, as traits (spec 2, §5, §9, §10): a way to send, a
//! registry of identities, and listeners for events and installs.
//!
//! All of them may be absent. They are called with no lock held, which debug builds check, so an
//! implementation may call back into the node. Not here: sealed frames, which the node sends through the same
//! [`Sender`].

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc as StdArc;

use crate::host::sync::Arc;
use crate::scheme::tunnel::lock;
use crate::scheme::tunnel::session::Session;

/// Sends frames to peers.
pub trait Sender: Send + Sync {
    /// Hands one frame to the network. Returns whether it took the frame, not whether the frame arrives.
    fn send(&self, peer: u32, frame: &[u8]) -> bool;
}

/// Receives events.
pub trait Publisher: Send + Sync {
    /// Takes one event.
    fn publish(&self, event: &Event);
}

/// Knows which Ed25519 key belongs to which node.
pub trait Registry: Send + Sync {
    /// The peer's registered key; `None` if it has none.
    ///
    /// # Errors
    /// [`Unavailable`]: the registry could not be asked.
    fn ed25519_key(&self, peer: u32) -> Result<Option<[u8; 32]>, Unavailable>;

    /// The address under which the peer is registered, if the registry keeps addresses.
    fn address(&self, peer: u32) -> Option<SocketAddr> {
        let _ = peer;
        None
    }
}

/// The registry could not be asked. It says nothing about the peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the registry could not be asked: try again later")]
pub struct Unavailable;

/// Is called after each install, before our own frame is sent in reply.
pub trait Hooks: Send + Sync {
    /// A session was installed, or its peer repeated the frame that installed it.
    fn installed(&self, installed: &Installed);
}

/// Where a frame came from.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Source {
    /// The address of the sender, if the program knows it.
    pub address: Option<SocketAddr>,
    /// Whether a relay delivered it.
    pub relay: bool,
}

impl Source {
    /// A frame that came directly, from an address that is not recorded.
    pub const DIRECT: Self = Self { address: None, relay: false };
    /// A frame that a relay delivered.
    pub const RELAYED: Self = Self { address: None, relay: true };
}

/// What was installed. `old` and `new` are the same session if the peer's key is unchanged.
#[derive(Clone, Debug)]
pub struct Installed {
    /// The peer's node id.
    pub peer: u32,
    /// Where the frame came from.
    pub from: Option<SocketAddr>,
    /// Whether a relay delivered the frame.
    pub from_relay: bool,
    /// The peer's Ed25519 key, if the exchange was authenticated.
    pub peer_ed25519: Option<[u8; 32]>,
    /// The session that sealed until now.
    pub old: Option<Arc<Session>>,
    /// The session that seals from now on.
    pub new: Arc<Session>,
}

impl Installed {
    /// Whether the session changed.
    pub fn is_change(&self) -> bool {
        self.old.as_ref().is_none_or(|old| !Arc::ptr_eq(old, &self.new))
    }
}

/// Something that happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A session is ready.
    Established {
        /// The peer.
        peer_node_id: u32,
        /// Whether its identity was checked.
        authenticated: bool,
        /// Whether a relay delivered its frame.
        relay: bool,
        /// Whether the session replaces another.
        rekeyed: bool,
    },
    /// The peer answered none of the frames that asked for an exchange.
    RekeyGaveUp {
        /// The peer.
        peer_node_id: u32,
    },
    /// A frame was refused because its counter had been used, or was too old to tell.
    NonceReplay {
        /// The peer.
        peer_node_id: u32,
        /// The counter.
        counter: u64,
        /// Whether the counter was older than the window.
        outside_window: bool,
        /// Whether the frame was authentic. In `compat` the counter is judged first, so nobody knows.
        authentic: bool,
    },
    /// A session was dropped because too many frames failed to open (`compat`).
    SessionDropped {
        /// The peer.
        peer_node_id: u32,
    },
    /// Messages that waited for a session were discarded, or could not be handed to the network.
    MessagesLost {
        /// The peer.
        peer_node_id: u32,
        /// How many.
        messages: usize,
    },
}

impl Event {
    /// Its name: the reference's where it has one.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Established { .. } => "tunnel.established",
            Self::RekeyGaveUp { .. } => "tunnel.rekey_gave_up",
            Self::NonceReplay { .. } => "security.nonce_replay",
            Self::SessionDropped { .. } => "tunnel.session_dropped",
            Self::MessagesLost { .. } => "tunnel.messages_lost",
        }
    }

    /// The peer that it is about.
    pub const fn peer(&self) -> u32 {
        match self {
            Self::Established { peer_node_id, .. }
            | Self::RekeyGaveUp { peer_node_id }
            | Self::NonceReplay { peer_node_id, .. }
            | Self::SessionDropped { peer_node_id }
            | Self::MessagesLost { peer_node_id, .. } => *peer_node_id,
        }
    }
}

/// The program around a node. Everything may be absent.
#[derive(Clone, Default)]
pub struct Outside {
    /// Sends frames. Without one, every send fails.
    pub sender: Option<StdArc<dyn Sender>>,
    /// Receives events.
    pub publisher: Option<StdArc<dyn Publisher>>,
    /// Is called after installs.
    pub hooks: Option<StdArc<dyn Hooks>>,
    /// Knows identities. Without one, no peer can be authenticated.
    pub registry: Option<StdArc<dyn Registry>>,
}

impl fmt::Debug for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outside")
            .field("sender", &self.sender.is_some())
            .field("publisher", &self.publisher.is_some())
            .field("hooks", &self.hooks.is_some())
            .field("registry", &self.registry.is_some())
            .finish()
    }
}

impl Outside {
    /// Sends a frame. Returns whether the network took it; without a sender, it did not.
    pub fn send(&self, peer: u32, frame: &[u8]) -> bool {
        lock::outside();
        self.sender.as_ref().is_some_and(|sender| sender.send(peer, frame))
    }

    /// Publishes an event.
    pub fn publish(&self, event: Event) {
        lock::outside();
        if let Some(publisher) = &self.publisher {
            publisher.publish(&event);
        }
    }

    /// Calls the hook.
    pub fn installed(&self, installed: &Installed) {
        lock::outside();
        if let Some(hooks) = &self.hooks {
            hooks.installed(installed);
        }
    }

    /// Asks the registry. Without one, it is unavailable.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub fn ed25519_key(&self, peer: u32) -> Result<Option<[u8; 32]>, Unavailable> {
        lock::outside();
        self.registry.as_ref().ok_or(Unavailable)?.ed25519_key(peer)
    }
}
