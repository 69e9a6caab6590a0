//! A flood of forged and replayed frames against a node with a session, and the memory of many peers.
//!
//! A million forged sealed frames, ten thousand forged key exchanges of each kind and, in `hardened`, as many
//! replayed hellos and frames change neither the session nor its window, and leave the resident memory within
//! 256 KiB of what a warm-up flood of a tenth left. SEALMARK_FLOOD sets another number than a million; the
//! warm-up then still has the 100,000 frames that fill every table with invented senders.
//!
//! Each test runs alone in a process of its own, so that no other test's memory counts.

#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Mutex};

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sealmark::engine;
use sealmark::scheme::tunnel::exchange::{Identity, Outside, Registry, Sender, Source, Unavailable};
use sealmark::scheme::tunnel::node::{Node, Received};
use sealmark::scheme::tunnel::{Clock, Error, ManualClock, Mode, Options, Timing, frame};

/// The variable of the process that does the work.
const CHILD: &str = "SEALMARK_FLOOD_CHILD";
const SEED: u64 = 18;
const ALICE: u32 = 1;
const BOB: u32 = 2;
/// The most bytes by which a whole flood may leave more than a tenth of it.
const SLACK: u64 = 256 * 1024;
/// The least frames of the warm-up: enough strangers for every table.
const WARM_UP: u64 = 100_000;
/// The most bytes of all tables that strangers can fill.
const TABLES: u64 = 4 * 1024 * 1024;
/// How long the warm-up lasts: longer than any entry of any table stays.
const WARM_UP_MS: u64 = 60_000;
/// The most bytes of a peer: its session with expanded keys, and its entries in every table.
const PEER_BYTES: u64 = 8 * 1024;
const PEERS: u32 = 16_384;
const MESSAGE_LEN: usize = 1_350;

/// Runs a test in a process of its own.
fn alone(name: &str, work: impl FnOnce()) {
    if std::env::var_os(CHILD).is_some() {
        return work();
    }
    let output = Command::new(std::env::current_exe().expect("this test is a program"))
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, "1")
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    print!("{said}");
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("1 passed"), "{name} is not the name of the test");
}

/// The resident memory of this process, in bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux has it");
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number");
    pages * page_size()
}

fn page_size() -> u64 {
    let output = Command::new("getconf").arg("PAGESIZE").output().map(|output| output.stdout);
    let text = output.ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.and_then(|text| text.trim().parse().ok()).unwrap_or(4_096)
}

/// Keeps frames while it is told to, and counts them.
#[derive(Default)]
struct Link {
    kept: Mutex<Option<Vec<Vec<u8>>>>,
    sent: Mutex<u64>,
}

impl Link {
    fn keep(&self, keep: bool) {
        *self.kept.lock().expect("no thread panics with it") = keep.then(Vec::new);
    }

    fn take(&self) -> Vec<Vec<u8>> {
        self.kept.lock().expect("no thread panics with it").as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn sent(&self) -> u64 {
        *self.sent.lock().expect("no thread panics with it")
    }
}

impl Sender for Link {
    fn send(&self, _: u32, frame: &[u8]) -> bool {
        *self.sent.lock().expect("no thread panics with it") += 1;
        if let Some(kept) = &mut *self.kept.lock().expect("no thread panics with it") {
            kept.push(frame.to_vec());
        }
        true
    }
}

struct Known(BTreeMap<u32, [u8; 32]>);

impl Registry for Known {
    fn ed25519_key(&self, peer: u32) -> Result<Option<[u8; 32]>, Unavailable> {
        Ok(self.0.get(&peer).copied())
    }
}

/// The identity with this id: the same keys each time.
fn identity(id: u32) -> Identity {
    let mut keys = [[0; 32]; 2];
    let mut rng = ChaCha8Rng::seed_from_u64(id.into());
    keys.iter_mut().for_each(|key| rng.fill_bytes(key));
    Identity::from_bytes(id, Some(&keys[0]), Some(&keys[1]))
}

fn node(id: u32, mode: Mode, clock: &Arc<ManualClock>, registry: &Arc<Known>) -> (Node, Arc<Link>) {
    let link = Arc::new(Link::default());
    let outside = Outside {
        sender: Some(Arc::clone(&link) as _),
        registry: Some(Arc::clone(registry) as _),
        ..Outside::default()
    };
    let engine = engine::find("sealmark").expect("our own engine is always there");
    let node = Node::new(identity(id), Options::new(mode), engine, Arc::clone(clock) as _, outside);
    (node.expect("it has every key"), link)
}

/// Two nodes with a session, and every frame of their exchange.
struct Pair {
    clock: Arc<ManualClock>,
    alice: Node,
    bob: Node,
    bob_link: Arc<Link>,
    /// What Alice sent for the exchange.
    exchange: Vec<Vec<u8>>,
}

impl Pair {
    fn new(mode: Mode) -> Self {
        let clock = Arc::new(ManualClock::at(1_000_000));
        let keys = [ALICE, BOB].map(|id| (id, identity(id).ed25519_public().expect("it has a seed")));
        let registry = Arc::new(Known(keys.into_iter().collect()));
        let (alice, alice_link) = node(ALICE, mode, &clock, &registry);
        let (bob, bob_link) = node(BOB, mode, &clock, &registry);
        alice_link.keep(true);
        bob_link.keep(true);
        alice.exchange().request(BOB);
        let mut exchange = Vec::new();
        loop {
            let (to_bob, to_alice) = (alice_link.take(), bob_link.take());
            if to_bob.is_empty() && to_alice.is_empty() {
                break;
            }
            for frame in &to_bob {
                bob.receive(&mut frame.clone(), Source::DIRECT).expect("it is genuine");
            }
            for frame in to_alice {
                alice.receive(&mut frame.clone(), Source::DIRECT).expect("it is genuine");
            }
            exchange.extend(to_bob);
        }
        alice_link.keep(false);
        bob_link.keep(false);
        Self { clock, alice, bob, bob_link, exchange }
    }

    /// What Bob makes of a frame: the message, if it is one.
    fn receive(&self, frame: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        match self.bob.receive(&mut frame.to_vec(), Source::DIRECT)? {
            Received::Message(opened) => Ok(Some(opened.plaintext.to_vec())),
            _ => Ok(None),
        }
    }

    fn seal(&self, message: &[u8]) -> Vec<u8> {
        self.alice.seal(BOB, message).expect("there is a session")
    }
}

/// The frames of a flood, each made in the same buffer.
struct Flood<'a> {
    rng: ChaCha8Rng,
    mode: Mode,
    /// Genuine frames that Bob has opened or handled.
    opened: &'a [Vec<u8>],
    exchange: &'a [Vec<u8>],
    ed25519: [u8; 32],
    buffer: [u8; 1_500],
}

/// What an attacker sends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Attack {
    Sealed,
    Pila,
    Pilk,
    Hello,
    ReplayedFrame,
    ReplayedExchange,
}

/// The attacks that come once for every hundred forged sealed frames.
const RARE: [Attack; 5] =
    [Attack::Pila, Attack::Pilk, Attack::Hello, Attack::ReplayedFrame, Attack::ReplayedExchange];

impl Flood<'_> {
    /// The sender with whom Bob has a session, or one time in `strangers` one that nobody knows.
    fn sender(&mut self, strangers: u32) -> u32 {
        if self.rng.random_range(0..strangers) == 0 { self.rng.random() } else { ALICE }
    }

    fn make(&mut self, attack: Attack) -> &mut [u8] {
        let len = match attack {
            Attack::Sealed => self.sealed(),
            Attack::Pila | Attack::Pilk | Attack::Hello => self.forged_exchange(attack),
            Attack::ReplayedFrame => self.replayed(self.opened),
            Attack::ReplayedExchange => self.replayed(self.exchange),
        };
        &mut self.buffer[..len]
    }

    fn replayed(&mut self, frames: &[Vec<u8>]) -> usize {
        let frame = &frames[self.rng.random_range(0..frames.len())];
        self.buffer[..frame.len()].copy_from_slice(frame);
        frame.len()
    }

    /// A forged sealed frame: with a header of its own or of a genuine frame, or a genuine frame with one bit
    /// changed.
    fn sealed(&mut self) -> usize {
        let kind = self.rng.random_range(0..8);
        let len = match kind {
            0 => self.rng.random_range(0..60),
            1 => self.rng.random_range(60..1_400),
            _ => self.rng.random_range(40..100),
        };
        let sender = self.sender(2);
        self.rng.fill_bytes(&mut self.buffer[..len]);
        let genuine = self.replayed_header(len);
        let counter = match self.rng.random_range(0..4) {
            0 => self.rng.random(),
            1 => u64::MAX,
            2 => 0,
            _ => self.rng.random_range(0..2_000),
        };
        match kind {
            2 | 3 => genuine,
            4 => {
                let len = self.replayed(self.opened);
                let bit = self.rng.random_range(8 * 4..8 * len);
                self.buffer[bit / 8] ^= 1 << (bit % 8);
                len
            }
            _ => {
                let mut start = [0; 21];
                let header_len = if self.mode == Mode::Hardened {
                    let session = self.opened[0][9..13].try_into().expect("four bytes");
                    frame::DataHeader { sender, session, counter }.encode_into(&mut start);
                    21
                } else {
                    let prefix = if kind == 5 { self.rng.random() } else { self.prefix() };
                    frame::Header::new(sender, prefix, counter).encode_into(&mut start);
                    20
                };
                let header_len = header_len.min(len);
                self.buffer[..header_len].copy_from_slice(&start[..header_len]);
                len
            }
        }
    }

    /// Puts the header of a genuine frame before whatever is in the buffer.
    fn replayed_header(&mut self, len: usize) -> usize {
        let header_len = if self.mode == Mode::Hardened { 21 } else { 20 };
        let frame = &self.opened[self.rng.random_range(0..self.opened.len())];
        self.buffer[..header_len].copy_from_slice(&frame[..header_len]);
        len.max(header_len + 16)
    }

    /// Alice's prefix.
    fn prefix(&self) -> [u8; 4] {
        self.opened[0][8..12].try_into().expect("four bytes")
    }

    /// A forged key exchange, with the registered key or another.
    fn forged_exchange(&mut self, attack: Attack) -> usize {
        // Half of them strangers, so that the warm-up fills every table that has room for them.
        let sender = self.sender(2);
        let (mut x25519, mut ed25519, mut signature) = ([0; 32], self.ed25519, [0; 64]);
        let (mut random, mut echo) = ([0; 32], [0; 32]);
        self.rng.fill_bytes(&mut x25519);
        self.rng.fill_bytes(&mut signature);
        self.rng.fill_bytes(&mut random);
        if self.rng.random() {
            self.rng.fill_bytes(&mut ed25519);
            self.rng.fill_bytes(&mut echo);
        }
        let frame = match attack {
            Attack::Pila => frame::pila(sender, &x25519, &ed25519, &signature).to_vec(),
            Attack::Pilk => frame::pilk(sender, &x25519).to_vec(),
            _ => {
                let hello = frame::Hello { sender, receiver: BOB, x25519, random, echo, signature };
                hello.encode().to_vec()
            }
        };
        // A genuine one, altered: its signature no longer fits.
        let mut frame = match self.rng.random_range(0..8) {
            0 => {
                let mut altered = self.exchange[self.rng.random_range(0..self.exchange.len())].clone();
                let bit = self.rng.random_range(8 * 8..8 * altered.len());
                altered[bit / 8] ^= 1 << (bit % 8);
                altered
            }
            _ => frame,
        };
        if self.rng.random_range(0..16) == 0 {
            frame.truncate(self.rng.random_range(0..frame.len()));
        }
        self.buffer[..frame.len()].copy_from_slice(&frame);
        frame.len()
    }
}

/// How many forged sealed frames a flood has.
fn flood_size() -> u64 {
    let set = std::env::var("SEALMARK_FLOOD").ok();
    set.map_or(1_000_000, |text| text.parse().expect("SEALMARK_FLOOD is a number"))
}

/// Sends a flood of `sealed` forged frames to Bob, in `lasts_ms` of the clock, with a hundredth as many of
/// each other attack. Returns why frames were refused. A forged frame that is accepted fails the test.
fn pour(
    pair: &Pair,
    flood: &mut Flood<'_>,
    sealed: u64,
    lasts_ms: u64,
) -> BTreeMap<(Attack, &'static str), u64> {
    let mut said = BTreeMap::new();
    let (started, mut next_tick) = (pair.clock.now_ms(), 0);
    for n in 0..sealed {
        // Limits that let some work through do so, requests are sent again and given up.
        let passed = n * lasts_ms / sealed;
        pair.clock.set(started + passed);
        if passed >= next_tick {
            pair.bob.tick();
            next_tick += Timing::default().tick_ms;
        }
        let rare = if n % 100 == 0 { &RARE[..] } else { &[] };
        for &attack in [Attack::Sealed].iter().chain(rare) {
            let frame = flood.make(attack);
            let name = match pair.bob.receive(frame, Source::DIRECT) {
                Err(error) => error.spec_name(),
                Ok(Received::Foreign) => "foreign",
                Ok(Received::Exchange(handled)) if attack == Attack::ReplayedExchange => {
                    assert!(!handled.outcome.is_change(), "a replayed exchange changed the session");
                    "handled"
                }
                Ok(Received::Exchange(handled)) => {
                    // A hello that answers nothing is not examined.
                    assert!(!handled.outcome.is_change(), "a forged exchange changed the session");
                    "ignored"
                }
                Ok(Received::Message(opened)) => panic!("{attack:?} opened: {opened:?}"),
                Ok(other) => panic!("{attack:?}: {other:?}"),
            };
            *said.entry((attack, name)).or_insert(0) += 1;
        }
    }
    said
}

fn flood(mode: Mode) {
    let pair = Pair::new(mode);
    // What Alice sends: most of it arrives, and some frames are under way during the flood.
    let frames: Vec<Vec<u8>> =
        (0..600_u32).map(|n| pair.seal(&[&n.to_be_bytes()[..], b" is a message"].concat())).collect();
    let is_late = |n: usize| n > 400 && n.is_multiple_of(7);
    let (mut opened, mut late) = (Vec::new(), Vec::new());
    for (n, frame) in frames.iter().enumerate() {
        if is_late(n) {
            late.push((n, frame.clone()));
        } else {
            assert!(pair.receive(frame).expect("it is genuine").is_some());
            opened.push(frame.clone());
        }
    }
    let session = pair.bob.session(ALICE).expect("they have one");
    let (before, max) = (session.counters(), session.window_max());
    assert_eq!((before.opened, max), (opened.len() as u64, 600));

    let ed25519 = identity(ALICE).ed25519_public().expect("it has a seed");
    let rng = ChaCha8Rng::seed_from_u64(SEED);
    let mut flood =
        Flood { rng, mode, opened: &opened, exchange: &pair.exchange, ed25519, buffer: [0; 1_500] };
    let (size, started, at_rest) = (flood_size(), pair.bob_link.sent(), resident());
    let warm_up = pour(&pair, &mut flood, WARM_UP.max(size / 10), WARM_UP_MS);
    let warm = resident();
    let said = pour(&pair, &mut flood, size, 10 * WARM_UP_MS);
    let after = resident();
    println!("{mode:?}, seed {SEED}, {size} frames: {said:?}");
    println!("resident: {at_rest} bytes before, {warm} after a tenth, {after} after the flood");
    assert!(warm_up.len() >= 5 && said.len() >= 5, "{said:?}");
    let count = |attack: Attack| -> u64 {
        said.iter().filter(|((which, _), _)| *which == attack).map(|(_, count)| *count).sum()
    };
    assert_eq!(count(Attack::Sealed), size);
    assert!(RARE.iter().all(|attack| count(*attack) == size.div_ceil(100)));
    assert_eq!(
        said.get(&(Attack::ReplayedFrame, "ErrReplay")).copied().unwrap_or(0)
            + said.get(&(Attack::ReplayedFrame, "ErrOutsideWindow")).copied().unwrap_or(0),
        size / 100
    );
    assert!(after <= warm + SLACK, "{} bytes more after the flood", after - warm);
    assert!(warm <= at_rest + TABLES, "{} bytes more after the warm-up", warm - at_rest);

    // The same session, with the same window.
    let now = pair.bob.session(ALICE).expect("it is still there");
    assert!(Arc::ptr_eq(&session, &now), "the flood replaced the session");
    assert!(pair.bob.store().openers(ALICE).is_some_and(|openers| openers.older.is_none()));
    assert_eq!(pair.bob.store().len(), 1, "a session for a peer that does not exist");
    let counters = now.counters();
    assert_eq!((counters.opened, counters.sealed), (before.opened, before.sealed));
    assert_eq!(now.window_max(), max);
    assert!(counters.decrypt_fail > 0, "the cipher was reached");
    // What Bob sent because of it: at most one request per known peer and 3 s, and as little to strangers.
    let ours = pair.bob_link.sent() - started;
    println!("{ours} frames of ours in {} s", 11 * WARM_UP_MS / 1_000);

    // Frames that were under way open, each once, and so do new ones, both ways.
    for (n, frame) in &late {
        let message = pair.receive(frame).expect("its place in the window is as it was");
        assert_eq!(message.expect("a message")[..4], u32::try_from(*n).expect("small").to_be_bytes());
        assert_eq!(pair.receive(frame), Err(Error::Replay));
    }
    assert_eq!(late.len(), 28);
    assert_eq!(pair.receive(&pair.seal(b"after")), Ok(Some(b"after".to_vec())));
    let mut back = pair.bob.seal(ALICE, b"back").expect("there is a session");
    assert!(matches!(
        pair.alice.receive(&mut back, Source::DIRECT),
        Ok(Received::Message(opened)) if &*opened.plaintext == b"back"
    ));
}

#[test]
fn a_flood_changes_neither_session_nor_window_nor_memory_in_safe() {
    alone("a_flood_changes_neither_session_nor_window_nor_memory_in_safe", || flood(Mode::Safe));
}

#[test]
fn a_flood_changes_neither_session_nor_window_nor_memory_in_hardened() {
    alone("a_flood_changes_neither_session_nor_window_nor_memory_in_hardened", || flood(Mode::Hardened));
}

#[test]
fn the_memory_of_16384_peers_is_stated_and_bounded_and_so_is_that_of_their_messages() {
    alone("the_memory_of_16384_peers_is_stated_and_bounded_and_so_is_that_of_their_messages", memory);
}

fn memory() {
    let clock = Arc::new(ManualClock::at(1_000_000));
    // Identities and frames before the first measurement: they are not the node's.
    let (mut keys, mut frames) = (BTreeMap::new(), Vec::new());
    for id in 10..10 + PEERS {
        let peer = identity(id);
        keys.insert(id, peer.ed25519_public().expect("it has a seed"));
        frames.push(*peer.pila().expect("it has both keys"));
    }
    let registry = Arc::new(Known(keys));
    let (bob, _link) = node(BOB, Mode::Safe, &clock, &registry);
    let before = resident();
    for frame in &mut frames {
        clock.advance(1);
        assert!(matches!(
            bob.receive(frame, Source::DIRECT),
            Ok(Received::Exchange(handled)) if handled.outcome.is_change()
        ));
    }
    let with_sessions = resident();
    assert_eq!(bob.store().len(), PEERS as usize);
    let per_peer = (with_sessions - before) / u64::from(PEERS);
    println!("{PEERS} peers: {per_peer} bytes each");
    assert!((100..=PEER_BYTES).contains(&per_peer), "{per_peer} bytes per peer");

    // The next one is refused, before anything is computed for it.
    let stranger = identity(9).pila().copied().expect("it has both keys");
    let agreements = bob.exchange().tallies().agreements;
    let refused = bob.receive(&mut stranger.to_vec(), Source::DIRECT).map(drop);
    assert_eq!(refused, Err(Error::StoreFull));
    assert_eq!(bob.exchange().tallies().agreements, agreements);

    // Messages that may have to be sent again: 88 MB without the cap.
    let mut out = [0; MESSAGE_LEN + frame::PILS_OVERHEAD];
    for id in 10..10 + PEERS {
        for _ in 0..4 {
            bob.seal_into(id, &[7; MESSAGE_LEN], &mut out).expect("there is a session");
        }
    }
    let with_messages = resident();
    let cap = Options::default().limits.salvage_bytes as u64;
    let grown = with_messages - with_sessions;
    println!("messages kept for {PEERS} peers: {grown} bytes, the cap is {cap}");
    // Above the cap: what the allocator adds to each block.
    assert!(grown > cap / 2 && grown < cap + cap / 4, "{grown} bytes");
}
