//! `handshake/pila` and `handshake/hello`: a whole key exchange between two nodes that have no session: the
//! authenticated exchange of the compatible wire, and the hardened hellos.
//!
//! One node asks, and the frames go back and forth in memory until both are silent. The time is that of both
//! nodes together: signatures, scalar multiplications, key derivations, key setup. `PILA` frames are signed
//! beforehand, because a node signs its own once; hellos are signed as they are sent. The registry is in
//! memory. Each operation leaves a session on both sides, with which frames pass both ways; a reset replaces
//! the nodes.

use std::collections::{BTreeMap, VecDeque};
use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError};

use super::fixture::refused;
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::kind::{Kind, Scope, Subject};

use crate::scheme::tunnel::exchange::{Registry, Sender, Source, Unavailable};

use crate::scheme::tunnel::{self, Identity, Mode, Node, Options, Outside, SystemClock};
use crate::timing::Timed;

/// Exchanges keys.
pub(super) struct Handshake(pub Mode);

impl Kind for Handshake {
    fn name(&self) -> &'static str {
        "handshake"
    }

    fn subject(&self) -> Subject {
        Subject::One(match self.0 {
            Mode::Hardened => "hello",
            _ => "pila",
        })
    }

    fn prepare(
        &self,
        _: &Workload,
        engine: &'static dyn Engine,
        count: usize,
    ) -> Result<Box<dyn Timed>, Error> {
        Ok(Box::new(Handshakes::new(self.0, engine, count)?))
    }

    fn scope(&self) -> Scope {
        Scope::CipherFree
    }

    fn default_count(&self, _: &Workload) -> usize {
        8
    }
}

/// The ids of the two nodes.
const IDS: [u32; 2] = [7, 9];
/// More frames than an exchange has.
const MOST_FRAMES: usize = 16;

/// Frames on their way to the other node.
#[derive(Default)]
struct Wire(Mutex<VecDeque<Vec<u8>>>);

impl Wire {
    fn take(&self) -> Option<Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

impl Sender for Wire {
    fn send(&self, _: u32, frame: &[u8]) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(frame.to_vec());
        true
    }
}

/// The Ed25519 keys of the nodes.
struct Keys(BTreeMap<u32, [u8; 32]>);

impl Registry for Keys {
    fn ed25519_key(&self, peer: u32) -> Result<Option<[u8; 32]>, Unavailable> {
        Ok(self.0.get(&peer).copied())
    }
}

/// The identity of one of the nodes of pair `pair`.
fn identity(pair: usize, id: u32) -> Identity {
    let secret = |first: u8| {
        let mut bytes = [first; 32];
        bytes[1..5].copy_from_slice(&id.to_be_bytes());
        bytes[8..16].copy_from_slice(&(pair as u64).to_be_bytes());
        bytes
    };
    Identity::from_bytes(id, Some(&secret(0x58)), Some(&secret(0xed)))
}

/// Two nodes, and the wires between them.
struct Pair {
    nodes: [Node; 2],
    wires: [Arc<Wire>; 2],
}

impl Pair {
    fn new(mode: Mode, engine: &'static dyn Engine, pair: usize) -> Result<Self, Error> {
        let identities = IDS.map(|id| identity(pair, id));
        let keys = identities.iter().map(|own| (own.node_id(), own.ed25519_public().expect("it has one")));
        let registry = Arc::new(Keys(keys.collect()));
        let wires = [Arc::<Wire>::default(), Arc::default()];
        let node = |own, wire: &Arc<Wire>| {
            let outside = Outside {
                sender: Some(Arc::clone(wire) as Arc<dyn Sender>),
                registry: Some(Arc::clone(&registry) as Arc<dyn Registry>),
                ..Outside::default()
            };
            Node::new(own, Options::new(mode), engine, Arc::new(SystemClock::new()), outside).map_err(refused)
        };
        let [first, second] = identities;
        Ok(Self { nodes: [node(first, &wires[0])?, node(second, &wires[1])?], wires })
    }

    /// The first node asks the second one for keys; frames are delivered until there are none.
    fn exchange(&self) -> Result<(), tunnel::Error> {
        self.nodes[0].exchange().request(IDS[1]);
        for _ in 0..MOST_FRAMES {
            let mut silent = true;
            for (from, to) in [(0, 1), (1, 0)] {
                if let Some(mut frame) = self.wires[from].take() {
                    silent = false;
                    self.nodes[to].receive(&mut frame, Source::DIRECT)?;
                }
            }
            if silent {
                break;
            }
        }
        Ok(())
    }

    /// Checks that a message passes from one node to the other, in a frame that is opened there.
    fn passes(&self, from: usize, to: usize) -> Result<(), String> {
        let text = format!("from {from} to {to}");
        let sealed = self.nodes[from].seal(IDS[to], text.as_bytes());
        let mut frame = sealed.map_err(|error| format!("node {from} has no session: {error}"))?;
        if frame.windows(text.len()).any(|part| part == text.as_bytes()) {
            return Err(format!("node {from} sends a message in the clear"));
        }
        let opened = self.nodes[to].open_in_place(&mut frame);
        let opened = opened.map_err(|error| format!("node {to} does not open a frame: {error}"))?;
        if opened.plaintext != text.as_bytes() {
            return Err(format!("node {to} does not open a frame to what was sealed"));
        }
        let session = self.nodes[to].session(IDS[from]);
        if session.is_some_and(|session| session.authenticated()) {
            return Ok(());
        }
        Err(format!("node {to} has not authenticated its peer"))
    }
}

struct Handshakes {
    mode: Mode,
    engine: &'static dyn Engine,
    count: usize,
    pairs: Vec<Pair>,
    refused: Option<tunnel::Error>,
}

impl Handshakes {
    fn new(mode: Mode, engine: &'static dyn Engine, count: usize) -> Result<Self, Error> {
        let mut all = Self { mode, engine, count, pairs: Vec::new(), refused: None };
        all.pairs = all.unacquainted()?;
        Ok(all)
    }

    fn unacquainted(&self) -> Result<Vec<Pair>, Error> {
        (0..self.count).map(|pair| Pair::new(self.mode, self.engine, pair)).collect()
    }
}

impl Timed for Handshakes {
    fn reset(&mut self) {
        self.pairs = self.unacquainted().expect("they were made before");
    }

    fn run(&mut self) {
        for pair in &self.pairs {
            if let Err(error) = black_box(pair).exchange() {
                self.refused = Some(error);
            }
        }
    }

    fn count(&self) -> u64 {
        self.count as u64
    }

    fn check(&mut self) -> Result<(), String> {
        if let Some(error) = self.refused {
            return Err(format!("a frame of an exchange was refused: {error}"));
        }
        for pair in &self.pairs {
            pair.passes(0, 1)?;
            pair.passes(1, 0)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::measure::workload::testing::{Broken, Fault, pass};

    const MODES: [Mode; 2] = [Mode::Safe, Mode::Hardened];

    #[test]
    fn every_pair_exchanges_keys_in_every_pass() {
        for mode in MODES {
            let mut all = Handshakes::new(mode, find("sealmark").unwrap(), 3).unwrap();
            assert_eq!(all.count(), 3);
            assert!(all.check().is_err_and(|why| why.contains("node 0 has no session")), "not run yet");
            assert_eq!((pass(&mut all), pass(&mut all)), (Ok(()), Ok(())), "{mode:?}");
            all.reset();
            assert!(all.check().is_err_and(|why| why.contains("has no session")), "not run again");
        }
    }

    #[test]
    fn removed_work_shows_in_what_is_left() {
        for (mode, left_out) in MODES.into_iter().flat_map(|mode| [(mode, 0), (mode, 1), (mode, 2)]) {
            let mut all = Handshakes::new(mode, find("sealmark").unwrap(), 3).unwrap();
            let others = all.pairs.iter().enumerate().filter(|(i, _)| *i != left_out);
            others.for_each(|(_, pair)| pair.exchange().unwrap());
            assert!(all.check().is_err_and(|why| why.contains("has no session")), "{mode:?} {left_out}");
        }
    }

    #[test]
    fn a_refused_frame_and_a_wrong_engine_are_caught() {
        for mode in MODES {
            let mut all = Handshakes::new(mode, find("sealmark").unwrap(), 1).unwrap();
            all.pairs[0].nodes[0].exchange().request(IDS[1]);
            let mut forged = all.pairs[0].wires[0].take().unwrap();
            *forged.last_mut().unwrap() ^= 1;
            assert!(all.pairs[0].wires[0].send(IDS[1], &forged));
            all.run();
            assert!(all.check().is_err_and(|why| why.contains("a frame of an exchange was refused")));
            for fault in [Fault::DoesNothing, Fault::FlipsTag, Fault::FlipsText, Fault::Refuses] {
                let mut wrong = Handshakes::new(mode, Broken::with(fault), 1).unwrap();
                assert!(pass(&mut wrong).is_err(), "{mode:?} {fault:?}");
            }
        }
    }
}
