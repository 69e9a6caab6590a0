//! A peer of the campaign: a real node whose surroundings are recorded, and that can be stopped and started.

use std::sync::Arc;

use crate::scheme::tunnel::exchange::Installed;
use crate::scheme::tunnel::testing::{MapRegistry, Party, engine, reborn};
use crate::scheme::tunnel::{Clock, Event, ManualClock, Node, Options};

/// What all peers share: the time, and the registry of their Ed25519 keys.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub clock: Arc<ManualClock>,
    pub registry: Arc<MapRegistry>,
}

impl Surroundings {
    /// A world at this time, whose registry knows nobody.
    pub fn at(now_ms: u64) -> Self {
        Self { clock: Arc::new(ManualClock::at(now_ms)), registry: Arc::default() }
    }

    pub fn now(&self) -> u64 {
        self.clock.now_ms()
    }
}

/// A session that was installed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Seen {
    pub peer: u32,
    /// The other side's X25519 key.
    pub key: [u8; 32],
    /// Whether it replaced a session.
    pub replaced: bool,
}

/// A peer. Its keys depend on its id and on its turn: each turn has another X25519 key.
pub(super) struct Peer {
    pub id: u32,
    /// The number of times that it was started.
    pub life: u32,
    options: Options,
    around: Surroundings,
    party: Option<Party>,
}

impl Peer {
    /// A peer that is up, and whose Ed25519 key the registry knows.
    pub fn start(id: u32, turn: u32, options: Options, around: &Surroundings) -> Self {
        let mut peer = Self { id, life: 0, options, around: around.clone(), party: None };
        peer.restart(turn);
        if let Some(node) = peer.node() {
            around.registry.add(node.exchange().identity());
        }
        peer
    }

    /// Starts it again, from its keys alone.
    pub fn restart(&mut self, turn: u32) {
        let Surroundings { clock, registry } = &self.around;
        self.life += 1;
        let identity = reborn(self.id, turn);
        let party = Party::new(identity, self.options.clone(), engine(), clock, registry);
        self.party = Some(party.expect("the identity has both keys"));
    }

    /// Stops it. What it knew is gone.
    pub fn stop(&mut self) {
        self.party = None;
    }

    /// Its node, if it is up.
    pub fn node(&self) -> Option<&Node> {
        self.party.as_ref().map(|party| &*party.node)
    }

    /// What it sent since the last call, each with its receiver.
    pub fn take_sent(&self) -> Vec<(u32, Vec<u8>)> {
        self.party.as_ref().map(|party| party.wire.take_all()).unwrap_or_default()
    }

    /// The sessions that it installed since the last call.
    pub fn take_installed(&self) -> Vec<Seen> {
        let all = self.party.as_ref().map(|party| party.events.take_installs()).unwrap_or_default();
        let changed = all.into_iter().filter(|installed| installed.is_change());
        let seen =
            |of: Installed| Seen { peer: of.peer, key: *of.new.peer_x25519(), replaced: of.old.is_some() };
        changed.map(seen).collect()
    }

    /// The losses that it reported since the last call: to whom, and how many messages.
    pub fn take_lost(&self) -> Vec<(u32, usize)> {
        let lost = |event| match event {
            Event::MessagesLost { peer_node_id, messages } => Some((peer_node_id, messages)),
            _ => None,
        };
        let all = self.party.as_ref().map(|party| party.events.take()).unwrap_or_default();
        all.into_iter().filter_map(lost).collect()
    }
}
