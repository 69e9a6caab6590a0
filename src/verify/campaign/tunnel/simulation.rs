//! A simulation in virtual time: real nodes, timers of 4 to 60 s, a network that misbehaves, restarts.
//!
//! A seed decides everything. At first the network loses, repeats, delays, reorders and corrupts datagrams,
//! in conditions that change; peers restart, with the same X25519 key or another one; and in the modes that
//! bear it a stranger throws in forged frames. Then the network heals, and after [`RECOVERY_MS`] every
//! message must arrive. Not here: recorded handshakes that are replayed much later, which is the attacker's
//! model.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::forgery;
use super::ledger::{self, Fate, Install, Ledger, Tally, Way};
use super::network::{Conditions, Flight, Network};
use super::peer::{Peer, Surroundings};
use super::{Broken, Found};
use crate::scheme::tunnel::node::Received;
use crate::scheme::tunnel::{Mode, Options, Source};

/// How long the network misbehaves and peers restart, at most: usually, and now and then, when peers give up.
const ROUGH_MS: [u64; 4] = [10_000, 10_000, 10_000, 60_000];
/// How often a peer is stopped.
const STOPS: [u32; 4] = [0, 0, 1, 2];
/// The number of frames that a stranger throws in, at most.
const FORGERIES: u32 = 12;
/// How long the peers may take to find each other again once the network works: all attempts of a rekey, its
/// cool-down, another rekey, and the datagrams that are still on their way.
const RECOVERY_MS: u64 = 40_000;
/// How long every message must arrive after that.
const HEALTHY_MS: u64 = 5_000;
/// The time between two messages from one peer to another, at most.
const PAUSE_MS: u64 = 1_500;
/// How long a peer stays down, at most: usually, and now and then, when the others give up.
const DOWN_MS: [u64; 4] = [500, 6_000, 6_000, 50_000];

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Event {
    /// A peer's timer.
    Tick(usize),
    /// A peer sends a message to another.
    Say(usize, usize),
    Stop(usize),
    Start(usize),
    /// The conditions change.
    Change,
    /// A stranger sends something to a peer.
    Forge(usize),
    /// The network works from now on.
    Heal,
    /// No more messages.
    Fade,
}

/// Runs one simulation.
///
/// # Errors
/// The first broken promise, with the mode and the seed.
pub fn simulate(mode: Mode, seed: u64) -> Result<Tally, Broken> {
    let spared = mode == Mode::Compat;
    World::new(mode, seed, spared).run().map_err(|found| Broken { mode, seed, found })
}

/// Like [`simulate`], but spares no mode what it cannot bear.
///
/// # Errors
/// The first broken promise.
#[cfg(test)]
pub(super) fn simulate_unspared(mode: Mode, seed: u64) -> Result<Tally, Broken> {
    World::new(mode, seed, false).run().map_err(|found| Broken { mode, seed, found })
}

struct World {
    mode: Mode,
    /// Whether the mode is spared what it cannot bear by its own account.
    spared: bool,
    rng: ChaCha8Rng,
    around: Surroundings,
    network: Network,
    peers: Vec<Peer>,
    ledger: Ledger,
    schedule: BinaryHeap<Reverse<(u64, Event)>>,
    /// Where the network starts to work.
    heals_at: u64,
    forged: usize,
    /// The last sealed frame that anybody sent: material for a forger.
    seen: Vec<u8>,
    /// The last turn that anybody took, and each peer's: it has the X25519 key of that turn.
    turns: u32,
    turn: Vec<u32>,
}

impl World {
    fn new(mode: Mode, seed: u64, spared: bool) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let around = Surroundings::at(rng.random_range(0..1_000_000));
        let count: usize = if rng.random_range(0..4) == 0 { 3 } else { 2 };
        let options = Options { mode, ..Options::default() };
        let peers: Vec<Peer> =
            (1..=count as u32).map(|id| Peer::start(id, 0, options.clone(), &around)).collect();
        let conditions = Self::conditions(spared, &mut rng);
        let most = ROUGH_MS[rng.random_range(0..ROUGH_MS.len())];
        let heals_at = around.now() + rng.random_range(5_000..=most);
        let mut world = Self {
            mode,
            spared,
            network: Network::new(seed, conditions),
            around,
            peers,
            ledger: Ledger::default(),
            schedule: BinaryHeap::new(),
            heals_at,
            forged: 0,
            seen: Vec::new(),
            turns: 0,
            turn: vec![0; count],
            rng,
        };
        world.plan(&options);
        world
    }

    /// In the compatible mode one corrupted counter may lock a peer out for good, which is a declared harm.
    fn conditions(spared: bool, rng: &mut ChaCha8Rng) -> Conditions {
        let drawn = Conditions::draw(rng);
        if spared { Conditions { corrupt: 0, ..drawn } } else { drawn }
    }

    fn plan(&mut self, options: &Options) {
        let (now, count) = (self.around.now(), self.peers.len());
        let end = self.heals_at + RECOVERY_MS + HEALTHY_MS;
        for i in 0..count {
            let first = now + self.rng.random_range(0..options.timing.tick_ms);
            self.at(first, Event::Tick(i));
            for other in (0..count).filter(|other| *other != i) {
                let first = now + self.rng.random_range(0..PAUSE_MS);
                self.at(first, Event::Say(i, other));
            }
            for _ in 0..STOPS[self.rng.random_range(0..STOPS.len())] {
                let stop = self.rng.random_range(now..self.heals_at);
                self.at(stop, Event::Stop(i));
            }
        }
        for _ in 0..self.rng.random_range(0..4) {
            let change = self.rng.random_range(now..self.heals_at);
            self.at(change, Event::Change);
        }
        if !self.spared && self.rng.random() {
            for _ in 0..self.rng.random_range(1..=FORGERIES) {
                let (forge, whom) = (self.rng.random_range(now..end), self.rng.random_range(0..count));
                self.at(forge, Event::Forge(whom));
            }
        }
        self.at(self.heals_at, Event::Heal);
        self.at(end, Event::Fade);
    }

    fn at(&mut self, at: u64, event: Event) {
        self.schedule.push(Reverse((at, event)));
    }

    fn run(&mut self) -> Result<Tally, Found> {
        let mut fading = false;
        loop {
            let planned = self.schedule.peek().map(|Reverse((at, _))| *at);
            let landing = self.network.next_at();
            match (planned, landing) {
                (planned, Some(at)) if planned.is_none_or(|planned| at <= planned) => {
                    self.around.clock.set(at);
                    if let Some(flight) = self.network.land() {
                        self.land(flight)?;
                    }
                }
                (Some(at), _) => {
                    self.around.clock.set(at);
                    let Some(Reverse((_, event))) = self.schedule.pop() else { break };
                    fading |= event == Event::Fade;
                    self.happen(event, fading)?;
                }
                (None, _) => break,
            }
        }
        let mut tally = self.ledger.check(self.mode, self.heals_at + RECOVERY_MS)?;
        tally.forged = self.forged;
        Ok(tally)
    }

    fn happen(&mut self, event: Event, fading: bool) -> Result<(), Found> {
        let now = self.around.now();
        match event {
            Event::Tick(i) => {
                if let Some(node) = self.peers[i].node() {
                    node.tick();
                }
                self.collect(i)?;
                self.within_bounds()?;
                if !fading {
                    self.at(now + Options::default().timing.tick_ms, event);
                }
            }
            Event::Say(i, other) => {
                self.say(i, other)?;
                if !fading {
                    let next = now + 1 + self.rng.random_range(0..PAUSE_MS);
                    self.at(next, event);
                }
            }
            Event::Stop(i) => {
                if self.peers[i].node().is_some() {
                    self.peers[i].stop();
                    self.ledger.stop(self.peers[i].id, now);
                    let most = DOWN_MS[self.rng.random_range(0..DOWN_MS.len())];
                    let up = (now + self.rng.random_range(0..most)).min(self.heals_at);
                    self.at(up, Event::Start(i));
                }
            }
            Event::Start(i) => self.start(i),
            Event::Change => self.network.conditions = Self::conditions(self.spared, &mut self.rng),
            Event::Forge(i) => self.forge(i)?,
            Event::Heal => self.network.conditions = Conditions::CALM,
            Event::Fade => {}
        }
        Ok(())
    }

    /// A peer comes up, half of the time with another X25519 key. In the compatible mode always: there the
    /// frames of a peer that starts over with its old key are refused as replays, which is a declared harm.
    fn start(&mut self, i: usize) {
        if self.spared || self.rng.random() {
            self.turns += 1;
            self.turn[i] = self.turns;
        }
        self.peers[i].restart(self.turn[i]);
    }

    fn say(&mut self, i: usize, other: usize) -> Result<(), Found> {
        let way = (self.peers[i].id, self.peers[other].id);
        let Some(node) = self.peers[i].node() else { return Ok(()) };
        let number = self.ledger.ask(way, self.around.now());
        if let Err(error) = node.send(way.1, &ledger::message(way, number)) {
            self.ledger.refuse(way, number, error.spec_name());
        }
        self.collect(i)
    }

    /// Takes what a peer did: sessions, give-ups, and datagrams, which go into the network.
    fn collect(&mut self, i: usize) -> Result<(), Found> {
        let (now, peer) = (self.around.now(), &self.peers[i]);
        for seen in peer.take_installed() {
            let install = Install { at: now, life: peer.life, key: seen.key, replaced: seen.replaced };
            self.ledger.install((peer.id, seen.peer), install);
        }
        for (other, messages) in peer.take_lost() {
            self.ledger.report_lost((peer.id, other), messages);
        }
        for (to, bytes) in peer.take_sent() {
            let way: Way = (peer.id, to);
            let (frame, copies) = self.network.send(now, way.0, way.1, &bytes);
            if super::is_sealed(&bytes) {
                self.ledger.leave(way, frame, super::plaintext_len(&bytes), copies, now)?;
                self.seen = bytes;
            }
        }
        Ok(())
    }

    fn land(&mut self, mut flight: Flight) -> Result<(), Found> {
        let way = (flight.from, flight.to);
        let Some(i) = self.peers.iter().position(|peer| peer.id == flight.to) else { return Ok(()) };
        let (life, sealed) = (self.peers[i].life, super::is_sealed(&flight.bytes));
        let Some(node) = self.peers[i].node() else {
            self.ledger.settle(way, flight.number, Fate::Down);
            return Ok(());
        };
        let fate = match node.receive(&mut flight.bytes, Source::DIRECT) {
            Ok(Received::Message(opened)) if flight.altered => {
                return Err(Found::Forged { peer: opened.peer });
            }
            Ok(Received::Message(opened)) if opened.peer != flight.from => {
                return Err(Found::Altered { way });
            }
            Ok(Received::Message(opened)) => {
                self.ledger.give(way, flight.number, life, opened.plaintext)?;
                None
            }
            Ok(_) if flight.altered => Some(Fate::Altered),
            Ok(_) if sealed => Some(Fate::Refused("it is not recognised")),
            Ok(_) => None,
            Err(_) if flight.altered => Some(Fate::Altered),
            Err(error) => Some(Fate::Refused(error.spec_name())),
        };
        if let Some(fate) = fate {
            self.ledger.settle(way, flight.number, fate);
        }
        self.collect(i)
    }

    /// A stranger, who has seen every frame, throws one in that he made himself.
    fn forge(&mut self, i: usize) -> Result<(), Found> {
        self.forged += 1;
        let peer = self.peers[(i + 1) % self.peers.len()].id;
        // Now and then in the name of somebody whom nobody knows.
        let other = if self.rng.random_range(0..4) == 0 { self.rng.random() } else { peer };
        let mut bytes = forgery::any_forgery(self.mode, &self.seen, other, &mut self.rng);
        let Some(node) = self.peers[i].node() else { return Ok(()) };
        if let Ok(Received::Message(opened)) = node.receive(&mut bytes, Source::DIRECT) {
            return Err(Found::Forged { peer: opened.peer });
        }
        let installed = self.peers[i].take_installed();
        if !installed.is_empty() {
            return Err(Found::Moved { what: "session" });
        }
        self.collect(i)
    }

    /// The tables of every peer are bounded, by the number of peers or by its limits.
    fn within_bounds(&self) -> Result<(), Found> {
        let limit = Options::default().limits.queue_frames;
        for (peer, node) in self.peers.iter().filter_map(|peer| Some((peer, peer.node()?))) {
            let held = node.store().len();
            if held >= self.peers.len() {
                return Err(Found::Grown { what: "sessions", held });
            }
            for other in self.peers.iter().filter(|other| other.id != peer.id) {
                let held = node.queued(other.id);
                if held > limit {
                    return Err(Found::Grown { what: "waiting messages", held });
                }
            }
        }
        Ok(())
    }
}
