//! The handshake against an attacker: every short script, on the real state machine, signatures and keys.
//!
//! The attacker owns the network. It sees every hello, and delivers any of them to anybody: in any order,
//! repeatedly, never, back to its sender, or spliced with fields of another one. It also decides when a node
//! begins and when one restarts. The tests run all scripts of a fixed length and check, after each step, what
//! the page claims.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::primitive::ed25519::{self, Signer};
use crate::scheme::tunnel::exchange::derive::{self, Party};

const NODES: [u32; 2] = [1, 2];

fn signer(node: u32) -> Signer {
    Signer::new(&[node as u8; 32])
}

thread_local! {
    /// Signatures made so far, because the scripts repeat the same few hellos.
    static MADE: RefCell<HashMap<Vec<u8>, [u8; 64]>> = RefCell::default();
    /// Signatures checked so far.
    static CHECKED: RefCell<HashMap<Vec<u8>, bool>> = RefCell::default();
}

fn sign(hello: &Hello) -> [u8; 64] {
    let signed = hello.signed();
    MADE.with_borrow_mut(|made| {
        *made.entry(signed.to_vec()).or_insert_with(|| signer(hello.sender).sign(&signed))
    })
}

fn is_signed(hello: &Hello) -> bool {
    let check = || ed25519::verify(&signer(hello.sender).public(), &hello.signed(), &hello.signature).is_ok();
    CHECKED.with_borrow_mut(|checked| *checked.entry(hello.encode().to_vec()).or_insert_with(check))
}

/// The fresh values of a node, numbered, so that a script is the same each time.
fn fresh(node: u32, number: usize) -> Fresh {
    let byte = |of: u8| {
        let mut bytes = [of; 32];
        bytes[0] = node as u8;
        bytes[1] = u8::try_from(number).unwrap();
        bytes
    };
    Fresh::from_parts(Zeroizing::new(byte(0x10)), byte(0x20))
}

/// What a node installed: its own and the peer's public values, and the keys.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Installed {
    random: [u8; 32],
    peer_random: [u8; 32],
    peer_x25519: [u8; 32],
    seal: [u8; 32],
    open: [u8; 32],
    name: [u8; 4],
}

/// One node: its state machine, its present life, and its installs in that life.
#[derive(Clone)]
struct Node {
    hellos: Hellos,
    /// Random bytes drawn in this life.
    drawn: BTreeSet<[u8; 32]>,
    installed: Vec<Installed>,
}

/// Two nodes and everything that the attacker has seen.
#[derive(Clone)]
struct World {
    nodes: BTreeMap<u32, Node>,
    draws: usize,
    seen: Vec<Hello>,
    /// Every install of any life, by node.
    ever: BTreeSet<(u32, Installed)>,
    installs: usize,
}

/// A step of a script.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A node begins.
    Start(u32),
    /// A node loses everything but its identity.
    Restart(u32),
    /// A hello that was seen is delivered to this node.
    Deliver(usize, u32),
    /// The same, with one field of another hello: the key, the random bytes, the echo, or everything but the
    /// signature.
    Splice(usize, usize, u8, u32),
}

fn empty() -> Node {
    let hellos = Hellos::new(&Timing::default(), &Limits::default());
    Node { hellos, drawn: BTreeSet::new(), installed: Vec::new() }
}

impl World {
    fn new() -> Self {
        let nodes = NODES.map(|node| (node, empty())).into();
        Self { nodes, draws: 0, seen: Vec::new(), ever: BTreeSet::new(), installs: 0 }
    }

    fn other(node: u32) -> u32 {
        3 - node
    }

    fn send(&mut self, from: u32, offer: &Offer) {
        let Offer { x25519, random, echo } = *offer;
        let (sender, receiver) = (from, Self::other(from));
        let mut hello = Hello { sender, receiver, x25519, random, echo, signature: [0; 64] };
        hello.signature = sign(&hello);
        // The attacker already has an equal hello: keeping it once makes fewer scripts, and none that
        // differs.
        if !self.seen.contains(&hello) {
            self.seen.push(hello);
        }
    }

    fn say(&mut self, from: u32, echo: [u8; 32]) {
        let drawn = self.nodes[&from].hellos.needs_fresh(0, Self::other(from)).then(|| {
            self.draws += 1;
            fresh(from, self.draws)
        });
        let node = self.nodes.get_mut(&from).unwrap();
        node.drawn.extend(drawn.as_ref().map(|fresh| fresh.random));
        let offer = node.hellos.offer(0, Self::other(from), echo, drawn).expect("there is room");
        self.send(from, &offer);
    }

    /// The order of `hardened`: the cheap questions, the signature, the effect.
    fn receive(&mut self, at: u32, hello: &Hello) {
        if hello.sender == at || hello.receiver != at || !NODES.contains(&hello.sender) {
            return;
        }
        let Some(class) = self.nodes[&at].hellos.classify(0, hello) else { return };
        if !is_signed(hello) {
            return;
        }
        match class {
            Class::Start => self.say(at, hello.random),
            Class::Repeat => {
                let offer = self.nodes[&at].hellos.last_word(hello).unwrap();
                self.send(at, &offer);
            }
            Class::Answer => self.install(at, hello),
        }
    }

    fn install(&mut self, at: u32, hello: &Hello) {
        let node = self.nodes.get_mut(&at).unwrap();
        let agreed = node.hellos.agree(0, hello).expect("it was an answer a moment ago");
        let shared = derive::shared(&agreed.secret, &hello.x25519).unwrap();
        let own = Party { node_id: at, random: agreed.random };
        let keys = derive::hardened(&shared, &own, &Party { node_id: hello.sender, random: hello.random });
        let installed = Installed {
            random: agreed.random,
            peer_random: hello.random,
            peer_x25519: hello.x25519,
            seal: *keys.seal,
            open: *keys.open,
            name: keys.session,
        };
        self.check(at, hello, &installed);
        let node = self.nodes.get_mut(&at).unwrap();
        node.installed.push(installed);
        self.installs += 1;
        if let Some(offer) = agreed.reply {
            self.send(at, &offer);
        }
    }

    /// What the page claims of an install.
    fn check(&mut self, at: u32, hello: &Hello, installed: &Installed) {
        let node = &self.nodes[&at];
        assert!(node.drawn.contains(&installed.random), "an install with bytes of an earlier life");
        assert!(
            node.installed.iter().all(|earlier| earlier.random != installed.random),
            "two installs of one hello"
        );
        // The very hello was signed and sent by the peer, for us, and answers our bytes: nothing spliced.
        assert!(self.seen.contains(hello), "an install of a hello that nobody sent");
        assert_eq!((hello.sender, hello.receiver, hello.echo), (World::other(at), at, installed.random));
        // No key was ever in use before, by this node; and the peer has the same keys, crosswise, if it
        // installed too.
        for (who, earlier) in &self.ever {
            let keys = [earlier.seal, earlier.open];
            if *who == at {
                assert!(!keys.contains(&installed.seal) && !keys.contains(&installed.open), "a key again");
            } else if earlier.peer_random == installed.random && earlier.random == installed.peer_random {
                assert_eq!((earlier.seal, earlier.open), (installed.open, installed.seal));
                assert_eq!(earlier.name, installed.name);
            } else {
                assert!(!keys.contains(&installed.seal) && !keys.contains(&installed.open), "a stray key");
            }
        }
        assert!(self.ever.insert((at, installed.clone())));
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Start(node) => self.say(node, NO_ECHO),
            Step::Restart(node) => {
                self.nodes.insert(node, empty());
            }
            Step::Deliver(hello, to) => {
                let hello = self.seen[hello];
                self.receive(to, &hello);
            }
            Step::Splice(hello, other, field, to) => {
                let hello = splice(&self.seen[hello], &self.seen[other], field);
                self.receive(to, &hello);
            }
        }
    }

    /// Every step that is possible now. Spliced hellos only if `splices`.
    fn steps(&self, splices: bool) -> Vec<Step> {
        let mut steps: Vec<Step> = NODES.iter().flat_map(|n| [Step::Start(*n), Step::Restart(*n)]).collect();
        for hello in 0..self.seen.len() {
            // To the other node, and reflected to its sender.
            steps.extend(NODES.map(|to| Step::Deliver(hello, to)));
            for other in (0..self.seen.len()).filter(|other| splices && *other != hello) {
                let receiver = self.seen[hello].receiver;
                steps.extend((0..FIELDS).map(|field| Step::Splice(hello, other, field, receiver)));
            }
        }
        steps
    }
}

/// The kinds of splices.
const FIELDS: u8 = 6;

fn splice(hello: &Hello, other: &Hello, field: u8) -> Hello {
    match field {
        0 => Hello { x25519: other.x25519, ..*hello },
        1 => Hello { random: other.random, ..*hello },
        2 => Hello { echo: other.echo, ..*hello },
        // An echo that the attacker makes itself, from the random bytes that it saw.
        3 => Hello { echo: other.random, ..*hello },
        // The sender's place in a hello of the other, under the sender's own signature.
        4 => Hello { sender: hello.sender, receiver: hello.receiver, signature: hello.signature, ..*other },
        _ => Hello { signature: other.signature, ..*hello },
    }
}

/// Runs every script of this length; returns how many there were, and in how many both nodes came to a
/// session.
fn run(world: &World, length: usize, splices: bool) -> (u64, u64) {
    if length == 0 {
        let both = world.nodes.values().all(|node| !node.installed.is_empty());
        return (1, u64::from(both));
    }
    let mut sum = (0, 0);
    for step in world.steps(splices) {
        let mut next = world.clone();
        next.take(step);
        let (scripts, both) = run(&next, length - 1, splices);
        sum = (sum.0 + scripts, sum.1 + both);
    }
    sum
}

#[test]
fn no_script_of_replays_reorderings_reflections_and_drops_breaks_a_claim() {
    let (scripts, both) = run(&World::new(), 6, false);
    // Every one of them ran; the shortest way to a session on both sides is one start and three deliveries.
    assert_eq!((scripts, both), (SCRIPTS, BOTH));
}

/// Scripts of six steps without splices, and those after which both nodes have a session.
const SCRIPTS: u64 = 58_096;
const BOTH: u64 = 980;

#[test]
fn no_script_with_splices_breaks_a_claim() {
    // From the middle of a handshake, where the echoes are live.
    let mut world = World::new();
    for step in [Step::Start(1), Step::Deliver(0, 2)] {
        world.take(step);
    }
    let (scripts, both) = run(&world, 4, true);
    assert_eq!((scripts, both), (SPLICED, SPLICED_BOTH));
}

/// Scripts of four steps with splices, from the middle of a handshake.
const SPLICED: u64 = 626_492;
const SPLICED_BOTH: u64 = 61_938;
