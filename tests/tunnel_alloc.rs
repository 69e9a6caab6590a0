//! What the tunnel allocates, as a counting allocator shows: nothing for a frame or a batch, once a session
//! has seen messages of that length. It also prints the bytes for each peer when the store is full.

#![expect(unsafe_code, reason = "an allocator that counts has to be an allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use sealmark::aead::Alg;
use sealmark::engine;
use sealmark::scheme::tunnel::session::{Keys, NewSession, Session};
use sealmark::scheme::tunnel::{Error, Identity, ManualClock, Mode, Node, Options, Outside};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static LIVE: Cell<i64> = const { Cell::new(0) };
}

/// Counts an allocation, or with a negative length the end of one.
fn count(bytes: i64) {
    ALLOCATIONS.set(ALLOCATIONS.get() + u64::from(bytes > 0));
    LIVE.set(LIVE.get() + bytes);
}

// SAFETY: every call goes to `System` with unchanged arguments; counting uses thread-locals without an
// initialiser or destructor, so it does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller keeps the contract of `alloc`, which is the same one.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: `ptr` came from `System`, since `alloc` has no other source.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size as i64);
        LIVE.set(LIVE.get() - layout.size() as i64);
        // SAFETY: `ptr` came from `System`, and the caller keeps the contract of `realloc`.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

/// The bytes that are still allocated after the work, with what it made.
fn live<T>(work: impl FnOnce() -> T) -> (T, i64) {
    let before = LIVE.get();
    let made = work();
    (made, LIVE.get() - before)
}

/// A node of that id, with a session of each of these peers, all under one key.
fn node(mode: Mode, id: u32, peers: std::ops::Range<u32>) -> Node {
    let engine = engine::find("sealmark").expect("our own engine is always there");
    let identity = Identity::from_bytes(id, Some(&[1; 32]), Some(&[2; 32]));
    let clock = Arc::new(ManualClock::default());
    let node = Node::new(identity, Options::new(mode), engine, clock, Outside::default());
    let node = node.expect("it has keys");
    for peer in peers {
        let key = || engine.key(Alg::Aes256Gcm, &[3; 32]).expect("a good key");
        let keys = match mode {
            Mode::Hardened => Keys::Directed { seal: key(), open: key() },
            _ => Keys::Both(key()),
        };
        let session = Session::new(NewSession {
            mode,
            own: id,
            peer,
            keys,
            prefix: if mode == Mode::Hardened { [0; 4] } else { id.to_be_bytes() },
            session_id: if mode == Mode::Hardened { *b"name" } else { [0; 4] },
            created_at: 0,
            peer_x25519: [4; 32],
            authenticated: true,
            sealed_before: 0,
            ring: node.store().ring(),
        });
        node.store().install(peer, session.into(), false).expect("there is room");
    }
    node
}

#[test]
fn seal_open_and_refusal_allocate_nothing() {
    for mode in Mode::ALL {
        let (here, there) = (node(mode, 1, 2..3), node(mode, 2, 1..2));
        let mut frame = vec![0; 1350 + here.overhead()];
        let mut once = || {
            for _ in 0..8 {
                assert_eq!(here.seal_into(2, &[5; 1350], &mut frame), Ok(frame.len()));
                let mut copy = [0; 2048];
                let copy = &mut copy[..frame.len()];
                copy.copy_from_slice(&frame);
                assert_eq!(there.open_in_place(&mut frame).expect("authentic").plaintext, [5; 1350]);
                assert_eq!(there.open_in_place(copy).map(drop), Err(Error::Replay), "{mode:?}");
                // The reference judges the counter first.
                let refusal = if mode == Mode::Compat { Error::Replay } else { Error::NotAuthentic };
                assert_eq!(there.open_in_place(&mut frame[..40]).map(drop), Err(refusal), "{mode:?}");
            }
        };
        once();
        assert_eq!(allocations(once), 0, "{mode:?}");
    }
}

#[test]
fn a_batch_allocates_nothing() {
    for mode in [Mode::Safe, Mode::Hardened] {
        let (here, there) = (node(mode, 1, 2..3), node(mode, 2, 1..2));
        let len = 64 + here.overhead();
        let (texts, mut frames) = (vec![&[5; 64][..]; 40], vec![vec![0; len]; 40]);
        let mut outs: Vec<&mut [u8]> = frames.iter_mut().map(Vec::as_mut_slice).collect();
        let mut verdicts = vec![Err(Error::NotATunnelFrame); 40];
        let mut once = || {
            here.seal_frames(2, &texts, &mut outs).expect("there is a session");
            there.open_frames(&mut outs, &mut verdicts);
            assert!(verdicts.iter().all(Result::is_ok), "{verdicts:?}");
        };
        once();
        assert_eq!(allocations(once), 0, "{mode:?}");
    }
}

/// The most bytes of a session and of its place in the store, besides its keys and its recent messages.
const BYTES_PER_SESSION: i64 = 1_024;

#[test]
fn a_full_store_takes_its_keys_and_little_more() {
    let engine = engine::find("sealmark").expect("our own engine is always there");
    let (_key, key) = live(|| engine.key(Alg::Aes256Gcm, &[3; 32]).expect("a good key"));
    for mode in Mode::ALL {
        let peers = Options::default().limits.sessions as u32;
        let (node, bytes) = live(|| node(mode, 1, 10..10 + peers));
        assert_eq!(node.store().len(), peers as usize);
        let keys = key * if mode == Mode::Hardened { 2 } else { 1 };
        let (each, session) = (bytes / i64::from(peers), bytes / i64::from(peers) - keys);
        println!(
            "{}: {peers} peers, {bytes} bytes; each {each}: keys {keys}, session {session}",
            mode.name()
        );
        assert!((128..=BYTES_PER_SESSION).contains(&session), "{mode:?}: {session}");

        let mut frame = vec![0; 2048];
        let ((), kept) = live(|| {
            for peer in (10..10 + peers).flat_map(|peer| [peer; 4]) {
                node.seal_into(peer, &[5; 1350], &mut frame).expect("there is a session");
            }
        });
        let most = Options::default().limits.salvage_bytes as i64;
        println!("{}: {kept} bytes of recent messages, at most {most}", mode.name());
        assert!((most / 2..=most).contains(&kept), "{mode:?}: {kept}");
    }
}
