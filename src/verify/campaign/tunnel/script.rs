//! The stage of the attacker's scripts: two honest peers, the frames between them, and every move that
//! someone makes who owns the network and a registered identity of his own.
//!
//! A move is applied to real nodes. After each one the stage checks what the handshake claims: a session is
//! installed only by an answer to the receiver's own fresh hello (`oracle`), every frame is accepted at most
//! once, by its receiver, as its sender's, and nothing but such an install or an honest frame changes a
//! session or a window.

use std::collections::{BTreeMap, VecDeque};

use super::forgery::{self, Forgery, MALLORY};
use super::ledger::{message, number_of};
use super::oracle::Oracle;
use super::peer::{Peer, Surroundings};
use super::{Found, is_sealed, plaintext_len};
use crate::host::sync::Arc;
use crate::scheme::tunnel::frame::Hello;
use crate::scheme::tunnel::node::Received;
use crate::scheme::tunnel::{Mode, Options, Source};

/// The honest peers.
const IDS: [u32; 2] = [1, 2];
/// The time that a move takes: longer than every limit on answers.
const MOVE_MS: u64 = 1_100;
/// The time that a frame takes on an honest network.
const PASS_MS: u64 = 1;
/// Long enough for everything outstanding to expire and every cool-down to end.
const WAIT_MS: u64 = 31_000;

/// One of the honest peers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The first one.
    A,
    /// The other one.
    B,
}

impl Side {
    pub(super) const BOTH: [Self; 2] = [Self::A, Self::B];

    const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    pub(super) const fn id(self) -> u32 {
        IDS[self as usize]
    }
}

/// Where scripts start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// Neither peer has sent anything in this life.
    Fresh,
    /// One has asked the other for keys, and the frame is on its way.
    Asked,
    /// They share a session, and have exchanged messages.
    Established,
}

impl Start {
    pub(super) const ALL: [Self; 3] = [Self::Fresh, Self::Asked, Self::Established];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Asked => "asked",
            Self::Established => "established",
        }
    }
}

/// A part of a hello that the attacker replaces.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// The echo, by the receiver's newest random bytes.
    Echo,
    /// The random bytes, by the attacker's.
    Random,
    /// The X25519 key, by the attacker's.
    Key,
    /// The receiver.
    Receiver,
}

/// What a script is made of. A side is the peer that acts or receives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Move {
    /// The peer asks the other one for keys.
    Ask(Side),
    /// The peer sends a message.
    Say(Side),
    /// The oldest frame that is on its way to the peer arrives.
    Next(Side),
    /// The newest one arrives: it overtakes.
    Last(Side),
    /// The oldest one is lost.
    Lose(Side),
    /// A frame from an earlier life arrives, by its number in the recording.
    Old(Side, usize),
    /// The last exchange frame that arrived in this life arrives again.
    HelloAgain(Side),
    /// The last sealed frame that arrived in this life arrives again.
    DataAgain(Side),
    /// The last frame that the peer sent comes back to it.
    Reflect(Side),
    /// The newest hello for the peer arrives with a part replaced.
    Splice(Side, Part),
    /// A hello in the other's name, with the right echo, signed by the attacker.
    Name(Side),
    /// The attacker's own hello, with the random bytes of the other's newest one.
    Own(Side),
    /// The last frame that the other sent to the attacker arrives at the peer.
    Redirect(Side),
    /// A forged frame arrives.
    Forge(Side, Forgery),
    /// The peer starts over, with fresh keys.
    Restart(Side),
    /// Everything outstanding expires.
    Wait,
}

impl Move {
    /// Whether it lets the peers do their work, so that sessions and windows may change.
    const fn is_honest(self) -> bool {
        matches!(
            self,
            Self::Ask(_) | Self::Say(_) | Self::Next(_) | Self::Last(_) | Self::Restart(_) | Self::Wait
        )
    }
}

/// Frames from an earlier life of both peers, by the side that received them.
pub(super) type Recording = [Vec<Vec<u8>>; 2];

/// The peers and the network.
pub(super) struct Stage {
    mode: Mode,
    around: Surroundings,
    peers: [Peer; 2],
    recording: Recording,
    oracle: Oracle,
    /// Frames on their way to each side.
    inboxes: [VecDeque<Vec<u8>>; 2],
    /// What each side sent to the attacker.
    caught: [Vec<Vec<u8>>; 2],
    last_sent: [Option<Vec<u8>>; 2],
    /// The last exchange frame and the last sealed frame that arrived.
    arrived: [[Option<Vec<u8>>; 2]; 2],
    /// Every sealed frame: who sent it, to whom, the message, and how often it was accepted.
    sealed: BTreeMap<Vec<u8>, (Side, usize, usize)>,
    said: [usize; 2],
    turn: u32,
}

/// What a side holds for the other: which session, its window, its frames, and the number of sessions.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Held {
    session: Option<usize>,
    window: u64,
    opened: u64,
    sessions: usize,
}

impl Stage {
    /// The stage of a mode, where both peers have just started with the keys of that turn.
    fn empty(mode: Mode, turn: u32) -> Self {
        let around = Surroundings::at(1_000_000);
        let options = Options::new(mode);
        let peers = IDS.map(|id| Peer::start(id, turn, options.clone(), &around));
        around.registry.add(forgery::mallory());
        Self {
            mode,
            around,
            peers,
            recording: Default::default(),
            oracle: Oracle::new(options.timing.outstanding_ms),
            inboxes: Default::default(),
            caught: Default::default(),
            last_sent: Default::default(),
            arrived: Default::default(),
            sealed: BTreeMap::new(),
            said: [0; 2],
            turn,
        }
    }

    /// Everything that each side receives while two peers that will start over establish a session and talk.
    pub fn record(mode: Mode) -> Result<Recording, Found> {
        let mut stage = Self::empty(mode, 1);
        let mut recording = Recording::default();
        stage.apply(Move::Ask(Side::A))?;
        for _ in 0..2 {
            while let Some(side) =
                Side::BOTH.into_iter().find(|side| !stage.inboxes[*side as usize].is_empty())
            {
                recording[side as usize].extend(stage.inboxes[side as usize].front().cloned());
                stage.apply_in(PASS_MS, Move::Next(side))?;
            }
            for side in Side::BOTH {
                stage.apply(Move::Say(side))?;
            }
        }
        Ok(recording)
    }

    /// The stage at the start of a script.
    pub fn new(mode: Mode, start: Start, recording: &Recording) -> Result<Self, Found> {
        let mut stage = Self { recording: recording.clone(), ..Self::empty(mode, 2) };
        for (side, frames) in Side::BOTH.into_iter().zip(recording) {
            frames.iter().for_each(|frame| stage.oracle.sent_before(side.other().id(), frame));
        }
        if start != Start::Fresh {
            stage.apply(Move::Ask(Side::A))?;
        }
        if start == Start::Established {
            stage.pass_all()?;
            for side in Side::BOTH {
                stage.apply(Move::Say(side))?;
            }
            stage.pass_all()?;
        }
        Ok(stage)
    }

    /// Lets every frame arrive, in order.
    fn pass_all(&mut self) -> Result<(), Found> {
        while let Some(side) = Side::BOTH.into_iter().find(|side| !self.inboxes[*side as usize].is_empty()) {
            self.apply_in(PASS_MS, Move::Next(side))?;
        }
        Ok(())
    }

    /// Whether a move has something to act on.
    pub fn can(&self, step: Move) -> bool {
        let arrived = |side: Side| &self.arrived[side as usize];
        match step {
            Move::Ask(_) | Move::Restart(_) | Move::Wait => true,
            Move::Say(side) => self.held(side).session.is_some(),
            Move::Next(side) | Move::Lose(side) => !self.inboxes[side as usize].is_empty(),
            Move::Last(side) => self.inboxes[side as usize].len() > 1,
            Move::Old(side, number) => number < self.recording[side as usize].len(),
            Move::HelloAgain(side) => arrived(side)[0].is_some(),
            Move::DataAgain(side) => arrived(side)[1].is_some(),
            Move::Reflect(side) => self.last_sent[side as usize].is_some(),
            Move::Redirect(side) => !self.caught[side.other() as usize].is_empty(),
            Move::Splice(side, part) => self.spliced(side, part).is_some(),
            Move::Name(side) => self.oracle.newest_random(side.id(), side.other().id()).is_some(),
            Move::Own(side) => self.oracle.newest_random(side.other().id(), side.id()).is_some(),
            Move::Forge(side, forgery) => !forgery.is_sealed() || arrived(side)[1].is_some(),
        }
    }

    /// Applies a move of a script. One that has nothing to act on does nothing.
    ///
    /// # Errors
    /// What the attacker achieved.
    pub fn apply(&mut self, step: Move) -> Result<(), Found> {
        self.apply_in(MOVE_MS, step)
    }

    fn apply_in(&mut self, ms: u64, step: Move) -> Result<(), Found> {
        let before = Side::BOTH.map(|side| self.held(side));
        self.act(step)?;
        if !step.is_honest() {
            for (side, before) in Side::BOTH.into_iter().zip(before) {
                before.must_equal(self.held(side))?;
            }
        }
        self.around.clock.advance(ms);
        Ok(())
    }

    fn act(&mut self, step: Move) -> Result<(), Found> {
        let (to, bytes) = match step {
            Move::Ask(side) => {
                if let Some(node) = self.peers[side as usize].node() {
                    node.exchange().request(side.other().id());
                }
                return self.collect(side, None);
            }
            Move::Say(side) => return self.say(side),
            Move::Lose(side) => {
                self.inboxes[side as usize].pop_front();
                return Ok(());
            }
            Move::Restart(side) => return self.restart(side),
            Move::Wait => {
                self.around.clock.advance(WAIT_MS);
                return Ok(());
            }
            Move::Next(side) => (side, self.inboxes[side as usize].pop_front()),
            Move::Last(side) => (side, self.inboxes[side as usize].pop_back()),
            Move::Old(side, number) => (side, self.recording[side as usize].get(number).cloned()),
            Move::HelloAgain(side) => (side, self.arrived[side as usize][0].clone()),
            Move::DataAgain(side) => (side, self.arrived[side as usize][1].clone()),
            Move::Reflect(side) => (side, self.last_sent[side as usize].clone()),
            Move::Redirect(side) => (side, self.caught[side.other() as usize].last().cloned()),
            Move::Splice(side, part) => (side, self.spliced(side, part)),
            Move::Name(side) => (side, self.in_the_others_name(side)),
            Move::Own(side) => (side, self.own(side)),
            Move::Forge(side, forgery) => {
                let (seen, from) = (self.arrived[side as usize][1].as_deref(), side.other().id());
                (side, forgery::forged(forgery, self.mode, seen, from))
            }
        };
        let honest = matches!(step, Move::Next(_) | Move::Last(_));
        bytes.map_or(Ok(()), |bytes| self.deliver(to, bytes, honest))
    }

    /// A frame arrives at a side.
    fn deliver(&mut self, side: Side, bytes: Vec<u8>, honest: bool) -> Result<(), Found> {
        if honest {
            self.arrived[side as usize][usize::from(is_sealed(&bytes))] = Some(bytes.clone());
        }
        let mut datagram = bytes.clone();
        let Some(node) = self.peers[side as usize].node() else { return Ok(()) };
        if let Ok(Received::Message(opened)) = node.receive(&mut datagram, Source::DIRECT) {
            let peer = opened.peer;
            let Some((from, number, accepted)) = self.sealed.get_mut(&bytes) else {
                return Err(Found::Forged { peer });
            };
            let way = (from.id(), from.other().id());
            if peer != way.0 || side.id() != way.1 || *opened.plaintext != message(way, *number)[..] {
                return Err(Found::Altered { way });
            }
            *accepted += 1;
            if *accepted > 1 {
                return Err(Found::Twice { way, number: *number });
            }
        }
        self.collect(side, Some(&bytes))
    }

    /// Takes what a side did because of a frame: its sessions go to the oracle, its frames on their way.
    fn collect(&mut self, side: Side, because: Option<&[u8]>) -> Result<(), Found> {
        let peer = &self.peers[side as usize];
        let sent = peer.take_sent();
        // First what it sent: a reply to a hello may carry the echo by which it installs at once.
        for (to, bytes) in &sent {
            self.oracle.sent(side.id(), peer.life, *to, bytes, self.around.now());
        }
        for seen in peer.take_installed() {
            let now = self.around.now();
            self.oracle.installed(self.mode, side.id(), peer.life, seen.peer, because, now)?;
        }
        for (to, bytes) in sent {
            self.last_sent[side as usize] = Some(bytes.clone());
            if to == MALLORY {
                self.caught[side as usize].push(bytes);
            } else if to == side.other().id() {
                if let Some(number) = plaintext_len(&bytes).and_then(number_of) {
                    self.sealed.insert(bytes.clone(), (side, number, 0));
                }
                self.inboxes[side.other() as usize].push_back(bytes);
            }
        }
        Ok(())
    }

    fn say(&mut self, side: Side) -> Result<(), Found> {
        let way = (side.id(), side.other().id());
        if let Some(node) = self.peers[side as usize].node().filter(|node| node.session(way.1).is_some()) {
            // A refusal is the peer's right; then nothing is on its way.
            let _ = node.send(way.1, &message(way, self.said[side as usize]));
            self.said[side as usize] += 1;
        }
        self.collect(side, None)
    }

    /// The frames of the old life are lost: in the safe mode, an exchange with the old key that arrives after
    /// one with the new key replaces the session, which is declared.
    fn restart(&mut self, side: Side) -> Result<(), Found> {
        self.turn += 1;
        self.peers[side as usize].restart(self.turn);
        self.arrived[side as usize] = Default::default();
        self.last_sent[side as usize] = None;
        if self.mode == Mode::Safe {
            self.inboxes[side.other() as usize].clear();
            self.arrived[side.other() as usize][0] = None;
        }
        self.collect(side, None)
    }

    fn held(&self, side: Side) -> Held {
        let Some(node) = self.peers[side as usize].node() else {
            return Held { session: None, window: 0, opened: 0, sessions: 0 };
        };
        let session = node.session(side.other().id());
        Held {
            session: session.as_ref().map(|session| Arc::as_ptr(session).addr()),
            window: session.as_ref().map_or(0, |session| session.window_max()),
            opened: session.as_ref().map_or(0, |session| session.counters().opened),
            sessions: node.store().len(),
        }
    }

    /// The newest hello on its way to the side, or else the last one that arrived.
    fn newest_hello(&self, side: Side) -> Option<Hello> {
        let flying = self.inboxes[side as usize].iter().rev().find_map(|bytes| Hello::decode(bytes).ok());
        flying.or_else(|| Hello::decode(self.arrived[side as usize][0].as_deref()?).ok())
    }

    fn spliced(&self, side: Side, part: Part) -> Option<Vec<u8>> {
        let genuine = self.newest_hello(side)?;
        let mut hello = genuine;
        match part {
            Part::Echo => hello.echo = self.oracle.newest_random(side.id(), side.other().id())?,
            Part::Random => hello.random = [0x33; 32],
            Part::Key => hello.x25519 = forgery::mallory().x25519_public()?,
            Part::Receiver => hello.receiver = side.other().id(),
        }
        // Unchanged, it would be the peer's own frame.
        (hello != genuine).then(|| hello.encode().to_vec())
    }

    fn in_the_others_name(&self, side: Side) -> Option<Vec<u8>> {
        let echo = self.oracle.newest_random(side.id(), side.other().id())?;
        self.signed(side, side.other().id(), [0x33; 32], echo)
    }

    fn own(&self, side: Side) -> Option<Vec<u8>> {
        let copied = self.oracle.newest_random(side.other().id(), side.id())?;
        self.signed(side, MALLORY, copied, [0; 32])
    }

    /// A hello for the side that the attacker signs.
    fn signed(&self, side: Side, sender: u32, random: [u8; 32], echo: [u8; 32]) -> Option<Vec<u8>> {
        let x25519 = forgery::mallory().x25519_public()?;
        let mut hello = Hello { sender, receiver: side.id(), x25519, random, echo, signature: [0; 64] };
        hello.signature = forgery::mallory().sign(&hello.signed())?;
        Some(hello.encode().to_vec())
    }

    /// After a script, an honest network must let the peers find each other again.
    pub fn recover(&mut self) -> Result<(), Found> {
        self.inboxes = Default::default();
        self.apply(Move::Wait)?;
        let before = self.accepted();
        self.apply(Move::Ask(Side::A))?;
        self.pass_all()?;
        for side in Side::BOTH {
            self.apply(Move::Say(side))?;
            self.pass_all()?;
        }
        match self.accepted() - before {
            2 => Ok(()),
            _ => Err(Found::Stuck {
                way: (IDS[0], IDS[1]),
                number: self.said[0],
                why: "after a script".into(),
            }),
        }
    }

    fn accepted(&self) -> usize {
        self.sealed.values().map(|(_, _, accepted)| accepted).sum()
    }
}

impl Held {
    fn must_equal(self, after: Self) -> Result<(), Found> {
        let parts = [
            ("session", self.session != after.session),
            ("window", self.window != after.window),
            ("count of opened frames", self.opened != after.opened),
            ("number of sessions", self.sessions != after.sessions),
        ];
        match parts.into_iter().find(|(_, changed)| *changed) {
            Some((what, _)) => Err(Found::Moved { what }),
            None => Ok(()),
        }
    }
}
