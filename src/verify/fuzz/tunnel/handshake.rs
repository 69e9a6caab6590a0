//! Histories of two nodes whose network belongs to an attacker: the bytes choose what he delivers, repeats,
//! alters, splices and forges.
//!
//! What a peer sent, delivered to the node it was sent to, is genuine, however late and however often.
//! Everything else is forged. `compat` has its declared harms and promises less.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::forgery::{MALLORY, forged};
use crate::scheme::tunnel::exchange::Source;
use crate::scheme::tunnel::frame::{PILA, PILA_LEN};
use crate::scheme::tunnel::node::Received;
use crate::scheme::tunnel::session::Session;
use crate::scheme::tunnel::testing::{A, B, Pair, Party, identity};
use crate::scheme::tunnel::{Error, Mode};
use crate::verify::fuzz::planted;

/// The most steps of one input: each may cost a signature.
const STEPS: usize = 64;

/// A datagram that a node sent.
struct Sent {
    from: u32,
    to: u32,
    bytes: Vec<u8>,
}

struct World {
    mode: Mode,
    pair: Pair,
    /// Everything that A and B sent, in order, and how much of it was delivered in order.
    sent: Vec<Sent>,
    delivered: usize,
    /// The messages for A and B.
    given: BTreeSet<(u32, Vec<u8>)>,
    /// Every session that was installed, kept so that no two have the same place in memory.
    sessions: Vec<Arc<Session>>,
    /// The frames that A and B opened, each with the number of the session that opened it, and those that
    /// installed a session there.
    accepted: BTreeSet<(u32, usize, Vec<u8>)>,
    installed: BTreeSet<(u32, Vec<u8>)>,
    lives: u32,
}

/// What a forged datagram must not change: for each session its identity, its window and its successes.
type Snapshot = Vec<(u32, usize, u64, u64)>;

/// Treats the first byte as a mode and the others as steps of the attacker. Nothing that he forged is
/// accepted or changes a session; nothing is accepted twice; no hello installs two sessions; and when he lets
/// go, the nodes reach each other.
///
/// # Panics
/// If one of these does not hold.
pub fn handshake(data: &[u8]) {
    let Some((mode, mut rest)) = data.split_first() else { return };
    let mode = Mode::ALL[usize::from(*mode) % Mode::ALL.len()];
    let pair = Pair::new(mode);
    pair.registry.add(&identity(MALLORY));
    let mut world = World {
        mode,
        pair,
        sent: Vec::new(),
        delivered: 0,
        given: BTreeSet::new(),
        sessions: Vec::new(),
        accepted: BTreeSet::new(),
        installed: BTreeSet::new(),
        lives: 0,
    };
    for _ in 0..STEPS {
        let Some((step, after)) = rest.split_first_chunk::<3>() else { break };
        rest = after;
        world.step(*step);
    }
    if mode != Mode::Compat {
        world.let_go();
    }
    if !world.accepted.is_empty() {
        planted();
    }
}

impl World {
    fn party(&self, id: u32) -> &Party {
        if id == A { &self.pair.a } else { &self.pair.b }
    }

    fn step(&mut self, [step, x, y]: [u8; 3]) {
        let (from, to) = if step & 0x80 == 0 { (A, B) } else { (B, A) };
        match step & 0x0f {
            0 => self.send(from, to, usize::from(x)),
            1 => {
                self.party(from).node.exchange().request(to);
            }
            2 => self.deliver_next(),
            3 => self.with(x, |world, sent| world.deliver(sent.to, &sent.bytes)),
            4 => self.with(x, |world, sent| world.deliver(sent.from, &sent.bytes)),
            5 => self.with(x, |world, mut sent| {
                let at = usize::from(y) % sent.bytes.len();
                sent.bytes[at] ^= 1 << (step >> 4 & 7);
                world.deliver(sent.to, &sent.bytes);
            }),
            6 => self.with(x, |world, sent| {
                let cut = usize::from(y) % (sent.bytes.len() + 1);
                world.deliver(sent.to, &sent.bytes[..cut]);
            }),
            7 => self.with(x, |world, sent| {
                world.with(y, |world, other| {
                    let cut = usize::from(step) * 11 % (sent.bytes.len() + 1);
                    let tail = other.bytes.get(cut..).unwrap_or_default();
                    world.deliver(sent.to, &[&sent.bytes[..cut], tail].concat());
                });
            }),
            8 => self.with(x, |world, mut sent| {
                sent.bytes.extend(vec![0; usize::from(y)]);
                world.deliver(sent.to, &sent.bytes);
            }),
            9 => self.with(x, |world, sent| world.deliver(to, &forged(from, to, y, &sent.bytes))),
            10 => self.deliver(to, &forged(from, to, x, &[])),
            11 => {
                self.pair
                    .clock
                    .advance([1, 250, 1_001, 3_000, 4_000, 6_001, 10_001, 61_000][usize::from(x & 7)]);
                for id in [A, B] {
                    self.party(id).node.tick();
                }
                self.collect();
            }
            12 => self.party(from).node.exchange().path_changed(to),
            // Declared: in the compatible modes a restart with the same X25519 key brings the same AES key
            // back, so a restarted node has another one.
            13 => self.restart(),
            _ => self.deliver(to, &[&[x, y][..], &[step; 40]].concat()),
        }
        self.collect();
    }

    /// Calls `work` with the datagram of that number, counted from the newest, if there is any.
    fn with(&mut self, number: u8, work: impl FnOnce(&mut Self, Sent)) {
        if self.sent.is_empty() {
            return;
        }
        let Sent { from, to, bytes } =
            &self.sent[self.sent.len() - 1 - usize::from(number) % self.sent.len()];
        let sent = Sent { from: *from, to: *to, bytes: bytes.clone() };
        work(self, sent);
    }

    fn send(&mut self, from: u32, to: u32, len: usize) {
        let mut message = vec![0x6d; 8 + len];
        message[..8].copy_from_slice(&(self.given.len() as u64).to_be_bytes());
        match self.party(from).node.send(to, &message) {
            Ok(_) => {
                self.given.insert((to, message));
            }
            Err(Error::GaveUp(_) | Error::QueueFull(_)) => {}
            Err(other) => panic!("{:?}: a message of {len} bytes is refused with {other}", self.mode),
        }
    }

    fn restart(&mut self) {
        self.lives += 1;
        self.collect();
        self.pair.restart_a(self.lives);
    }

    /// Takes what the nodes sent.
    fn collect(&mut self) {
        for from in [A, B] {
            let sent = self.party(from).wire.take_all();
            let known = sent.into_iter().filter(|(to, _)| [A, B].contains(to));
            self.sent.extend(known.map(|(to, bytes)| Sent { from, to, bytes }));
        }
    }

    fn deliver_next(&mut self) {
        if let Some(Sent { to, bytes, .. }) = self.sent.get(self.delivered) {
            let (to, bytes) = (*to, bytes.clone());
            self.delivered += 1;
            self.deliver(to, &bytes);
        }
    }

    /// Whether a peer of the node sent these bytes to it. Bytes behind a compatible key exchange do not
    /// count, and neither does the receiver, whom it does not name.
    fn is_genuine(&self, to: u32, bytes: &[u8]) -> bool {
        let bytes = if bytes.starts_with(&PILA) { &bytes[..bytes.len().min(PILA_LEN)] } else { bytes };
        self.sent.iter().any(|sent| sent.to == to && sent.bytes == bytes)
    }

    fn snapshot(&self, of: u32) -> Snapshot {
        let store = self.party(of).node.store();
        let mut sessions = Vec::new();
        for peer in store.peers() {
            if let Some(session) = store.get(peer) {
                let place = Arc::as_ptr(&session).addr();
                sessions.push((peer, place, session.window_max(), session.counters().opened));
            }
        }
        sessions
    }

    /// Gives a node some bytes, and judges what it does with them.
    fn deliver(&mut self, to: u32, bytes: &[u8]) {
        let (mode, genuine, before) = (self.mode, self.is_genuine(to, bytes), self.snapshot(to));
        let opened = |world: &Self| -> Vec<u64> {
            world.sessions.iter().map(|session| session.counters().opened).collect()
        };
        let opened_before = opened(self);
        let mut datagram = bytes.to_vec();
        let message = match self.party(to).node.receive(&mut datagram, Source::DIRECT) {
            Ok(Received::Message(opened)) => Some(opened.plaintext.to_vec()),
            _ => None,
        };
        for install in self.party(to).events.take_installs().into_iter().filter(|install| install.is_change())
        {
            // The reference installs its own frame if it comes back.
            let reflected = mode == Mode::Compat && install.peer == to;
            assert!(genuine || reflected, "{mode:?}: forged bytes installed a session");
            assert!(install.new.authenticated(), "{mode:?}: a session with nobody");
            let first = self.installed.insert((to, bytes.to_vec()));
            assert!(first || mode != Mode::Hardened, "{mode:?}: a hello installed a second session");
            if !self.sessions.iter().any(|known| Arc::ptr_eq(known, &install.new)) {
                self.sessions.push(install.new);
            }
        }
        if let Some(message) = message {
            assert!(genuine, "{mode:?}: a forged frame was opened");
            let given = self.given.contains(&(to, message));
            assert!(given, "{mode:?}: a message that nobody sent");
            // Declared: in `safe` another session under the same keys opens what an earlier one has opened.
            let by = opened(self).iter().zip(&opened_before).position(|(after, before)| after > before);
            let by = if mode == Mode::Hardened { 0 } else { by.unwrap_or(0) };
            let first = self.accepted.insert((to, by, bytes.to_vec()));
            assert!(first || mode == Mode::Compat, "{mode:?}: a frame was accepted twice");
        } else if !genuine && mode != Mode::Compat {
            assert_eq!(self.snapshot(to), before, "{mode:?}: forged bytes changed a session");
        }
        self.collect();
    }

    /// The attacker delivers everything in order from now on: after a while the nodes reach each other.
    fn let_go(&mut self) {
        self.delivered = self.sent.len();
        let mut reached = BTreeSet::new();
        for _ in 0..12 {
            self.pair.clock.advance(5_000);
            for (from, to) in [(A, B), (B, A)] {
                self.party(from).node.tick();
                self.send(from, to, 1);
            }
            self.collect();
            while self.delivered < self.sent.len() {
                let before = self.accepted.len();
                let to = self.sent[self.delivered].to;
                self.deliver_next();
                if self.accepted.len() > before {
                    reached.insert(to);
                }
            }
            if reached.len() == 2 {
                return;
            }
        }
        panic!("{:?}: the attacker is gone, and only {reached:?} are reached", self.mode);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A history that exchanges keys and a message each way.
    const MEET: [[u8; 3]; 10] = [
        [1, 0, 0],
        [2, 0, 0],
        [2, 0, 0],
        [2, 0, 0],
        [2, 0, 0],
        [0, 5, 0],
        [0x80, 9, 0],
        [2, 0, 0],
        [2, 0, 0],
        [2, 0, 0],
    ];

    fn played(mode: u8, steps: &[[u8; 3]]) {
        handshake(&[&[mode][..], &MEET.concat(), &steps.concat()].concat());
    }

    #[test]
    fn histories_of_every_step_keep_the_promises_of_every_mode() {
        let mut state = 5_u64;
        for round in 0..240_u32 {
            let mut step = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            };
            let steps: Vec<[u8; 3]> = (0..40).map(|_| [step(), step(), step()]).collect();
            played((round % 3) as u8, &steps);
        }
    }

    #[test]
    fn replays_reflections_and_forgeries_of_every_datagram_are_harmless() {
        for mode in 0..3 {
            let repeated: Vec<[u8; 3]> = (0..12).flat_map(|i| [[3, i, 0], [4, i, 0], [11, i, 0]]).collect();
            played(mode, &repeated);
            let forged: Vec<[u8; 3]> = (0..48).map(|i| [9 | (i & 1) << 7, i, i * 5]).collect();
            played(mode, &forged);
        }
    }

    #[test]
    #[should_panic(expected = "a message that nobody sent")]
    fn a_message_that_nobody_sent_is_found() {
        let pair = Pair::new(Mode::Safe);
        pair.establish();
        let frame = pair.a.node.seal(B, b"from nobody").unwrap();
        let mut world = World {
            mode: Mode::Safe,
            pair,
            sent: vec![Sent { from: A, to: B, bytes: frame.clone() }],
            delivered: 0,
            given: BTreeSet::new(),
            sessions: Vec::new(),
            accepted: BTreeSet::new(),
            installed: BTreeSet::new(),
            lives: 0,
        };
        world.deliver(B, &frame);
    }
}
