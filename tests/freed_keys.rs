//! Freed memory holds no data key, no KEK, no key of a round or of a snapshot stream, and no master key, and of
//! the tunnel no secret of an identity, no shared secret, no session key and no message. An allocator searches
//! every block before it frees it. It moves every block that is resized, as an allocator may, and hands out zeroed
//! blocks, so everything that it finds was written there.
//!
//! Every key of these tests is a mark and a number, four times over, so any 14 bytes of it are recognisable.
//! Keys that are derived are sought by their own bytes. Copies on the stack and the keys of other people's
//! engines are out of scope.

#![expect(unsafe_code, reason = "an allocator that looks at what it takes back has to be an allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealmark::aead::{Alg, BACKENDS};
use sealmark::disk::{Disk, Memory, Recorder, Store};
use sealmark::engine;
use sealmark::envelope::aad::pebble_key;
use sealmark::envelope::{self, Cipher, Keystore, NonceSource};
use sealmark::primitive::x25519;
use sealmark::scheme::ephemeral::{Context, MasterKey, Options, Role, RoundId, Rounds, slots};
use sealmark::scheme::snapshot::{
    self, BoxError, ChunkCipher, Material, MemorySink, Sink, StreamKey, Transfer, hardened, receive, send,
};
use sealmark::scheme::storage::SEALED_OVERHEAD;
use sealmark::scheme::storage::applier::{Applier, Identity, Keys};
use sealmark::scheme::storage::kek::{Binding, KEK_VARIABLE};
use sealmark::scheme::storage::load::{hydrate, load};
use sealmark::scheme::storage::maintenance::{Evidence, retire, rewrap};
use sealmark::scheme::storage::rewrite::{self, Progress};
use sealmark::scheme::storage::sidecar::Entry as SidecarEntry;
use sealmark::scheme::storage::wire::{Bootstrap, Entry, Registration, Rotation, Subtag};
use sealmark::scheme::storage::{
    Budget, Clear, Error, Form, Kek, LocalKek, Purpose, Sealer, Sidecar, SidecarFile, Start, StateCache,
};
use sealmark::scheme::tunnel::exchange::{Source, derive};
use sealmark::scheme::tunnel::node::{Received, Sent};
use sealmark::scheme::tunnel::session::{Keys as SessionKeys, NewSession, Session, Store as Sessions};
use sealmark::scheme::tunnel::testing::{MapRegistry, Party};
use sealmark::scheme::tunnel::{self, ManualClock, Mode};

/// The mark at the start of every eight bytes of a key.
const MARK: [u8; 6] = [0xc7, 0xa3, 0xf1, 0x5e, 0x9b, 0x2d];
/// A part of the KEK's Base64 text.
const TEXT: &[u8; 12] = b"x6PxXpstA+nH";
/// The number of the KEK, which is the last.
const KEK: u16 = 1001;
/// The number of keys of the loaded node.
const KEYS: u16 = 1000;
const FILE: &str = "/data/keys.json";
const NODE: u64 = 0x0102_0304_0506_0708;

/// Bytes of the stack to wipe below each allocation: deeper than the library's calls between two allocations.
const DEAD_STACK: usize = 32 * 1024;

struct Searching;

thread_local! {
    static SEARCHES: Cell<bool> = const { Cell::new(false) };
    static FOUND: Cell<u64> = const { Cell::new(0) };
    /// Further bytes to look for.
    static DERIVED: Cell<&'static [[u8; TEXT.len()]]> = const { Cell::new(&[]) };
    /// A block whose bytes are counted when it is freed, and how many of them were not zero.
    static WATCHED: Cell<usize> = const { Cell::new(0) };
    static LEFT: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// Copies a block's contents to the stack piece by piece, and searches them there.
///
/// # Safety
/// `block` is `len` bytes of this allocator that nobody uses any more.
unsafe fn search(block: *const u8, len: usize) {
    const PIECE: usize = 4096;
    const OVERLAP: usize = TEXT.len() - 1;
    if !SEARCHES.get() {
        return;
    }
    let watched = block as usize == WATCHED.get();
    let (mut from, mut left, mut found, mut piece) = (0, 0, false, [0; PIECE]);
    while from < len {
        let here = PIECE.min(len - from);
        for (i, byte) in piece[..here].iter_mut().enumerate() {
            // SAFETY: inside the block; volatile, because some of the bytes may never have been written.
            *byte = unsafe { block.add(from + i).read_volatile() };
        }
        found |= piece[..here].windows(MARK.len()).any(|bytes| bytes == MARK);
        found |= piece[..here].windows(TEXT.len()).any(|bytes| bytes == TEXT);
        for part in DERIVED.get() {
            found |= piece[..here].windows(part.len()).any(|bytes| bytes == part);
        }
        left += piece[..here].iter().filter(|byte| **byte != 0).count();
        from += if here == PIECE { PIECE - OVERLAP } else { here };
    }
    FOUND.set(FOUND.get() + u64::from(found));
    if watched {
        LEFT.set(left);
    }
}

/// Wipes the remains of finished calls on the stack. An enum that moves to the heap copies such bytes into
/// its gaps, but this test is about the blocks that keys are written to, not about leftovers of registers and
/// frames.
#[inline(never)]
fn wipe_dead_stack() {
    if SEARCHES.get() {
        black_box(&mut [0_u8; DEAD_STACK]);
    }
}

// SAFETY: blocks come from `System` and go back to it with their own layouts. Everything else only reads
// them, and uses thread-locals without an initialiser or destructor, so it does not allocate.
unsafe impl GlobalAlloc for Searching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        wipe_dead_stack();
        // SAFETY: the caller keeps the contract of `alloc`, which is that of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        wipe_dead_stack();
        // SAFETY: the caller gives up the block, which came from `System` with this layout.
        unsafe {
            search(ptr, layout.size());
            System.dealloc(ptr, layout);
        }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `realloc`: `new_size` fits the alignment and is not 0, and
        // the block has the old layout. Both blocks are at least as long as the copied bytes.
        unsafe {
            let new = System.alloc_zeroed(Layout::from_size_align_unchecked(new_size, layout.align()));
            if !new.is_null() {
                ptr.copy_to_nonoverlapping(new, layout.size().min(new_size));
                self.dealloc(ptr, layout);
            }
            new
        }
    }
}

#[global_allocator]
static SEARCHING: Searching = Searching;

/// The result of `work`, and how many of the blocks that it freed held a part of a key.
fn searched<R>(work: impl FnOnce() -> R) -> (R, u64) {
    FOUND.set(0);
    SEARCHES.set(true);
    let result = work();
    SEARCHES.set(false);
    (result, FOUND.get())
}

/// The key of that number. No key is ever on the stack of a test, because a struct with gaps may copy
/// leftovers from there when it moves to the heap.
fn key(number: u16) -> &'static [u8; 32] {
    static ALL: LazyLock<Box<[[u8; 32]]>> = LazyLock::new(|| {
        let make = |number: u16| {
            let mut key = [0; 32];
            for part in key.chunks_exact_mut(8) {
                part[..6].copy_from_slice(&MARK);
                part[6..].copy_from_slice(&number.to_be_bytes());
            }
            key
        };
        let made = thread::spawn(move || (0..=KEK).map(make).collect());
        made.join().expect("it makes arrays")
    });
    &ALL[usize::from(number)]
}

fn kek() -> Arc<dyn Kek> {
    Arc::new(LocalKek::new(key(KEK)).expect("every CPU can make a key"))
}

fn wrapped(purpose: Purpose, number: u16) -> Vec<u8> {
    kek().wrap(purpose, number.into(), key(number)).expect("the system has random bytes")
}

fn keystore() -> Arc<Keystore> {
    Arc::new(Keystore::new(engine::find("sealmark").expect("our own engine is always there")))
}

/// A sidecar of that many keys, numbered from 1: 1 is active for storage, 2 for raft, and the others are old.
fn sidecar(keys: u16) -> Sidecar {
    let mut sidecar = Sidecar { active_storage: 1, active_raft: 2, ..Sidecar::default() };
    for number in 1..=keys {
        let purpose = if number == 2 { Purpose::Raft } else { Purpose::Storage };
        let entry = SidecarEntry {
            purpose,
            wrapped: wrapped(purpose, number),
            created: String::new(),
            local_epoch: 0,
        };
        sidecar.keys.insert(number.to_string(), entry);
    }
    sidecar
}

fn file_of(sidecar: &Sidecar) -> Arc<SidecarFile> {
    let disk = Recorder::with_dir("/data");
    sidecar.write(&disk, Path::new(FILE)).expect("a disk in memory");
    Arc::new(SidecarFile::new(Arc::new(disk) as Arc<dyn Disk>, FILE))
}

fn start(file: Arc<SidecarFile>) -> Start {
    Start {
        encryption_enabled: true,
        kek: Some(kek()),
        sidecar: Some(file),
        store: Arc::<Memory>::default(),
        engine: engine::find("sealmark").expect("our own engine is always there"),
        full_node_id: NODE,
        peers: Vec::new(),
        snapshot_cutover: 0,
    }
}

#[test]
fn the_search_finds_a_freed_key_and_a_moved_one() {
    let ((), found) = searched(|| drop(black_box(Box::new(*key(7)))));
    assert_eq!(found, 1);
    let ((), found) = searched(|| drop(black_box(STANDARD.encode(key(KEK)))));
    assert_eq!(found, 1, "the KEK's text");
    let (grown, found) = searched(|| {
        let mut keys = Vec::with_capacity(1);
        (0..9).for_each(|number| keys.push(*key(number)));
        black_box(keys)
    });
    assert!(grown.len() == 9 && found >= 3, "{found}: a vector that grows leaves its keys behind");
    let ((), found) = searched(|| drop(black_box([&[0; 4090][..], &key(7)[..14]].concat())));
    assert_eq!(found, 1, "across two pieces");
}

#[test]
fn loading_and_dropping_a_node_of_a_thousand_keys_leaves_none_behind() {
    let start = start(file_of(&sidecar(KEYS)));
    let (keys, found) = searched(|| {
        let node = load(start).expect("it loads").ready(0, None).expect("it is ready");
        let keys = node.sealer.cipher().keystore().expect("it has keys").len();
        drop(node);
        keys
    });
    assert_eq!((keys, found), (KEYS.into(), 0));
}

#[test]
fn a_load_that_is_refused_leaves_no_key_behind() {
    let mut damaged = sidecar(100);
    damaged.keys.get_mut("99").expect("it is there").wrapped[20] ^= 1;
    let (refused, found) = searched(|| hydrate(&damaged, &*kek(), &keystore()).err());
    assert!(matches!(refused, Some(Error::Unwrap)), "{refused:?}");
    assert_eq!(found, 0);
    let mut twins = sidecar(100);
    twins.keys.get_mut("99").expect("it is there").wrapped = wrapped(Purpose::Storage, 98);
    let (refused, found) = searched(|| hydrate(&twins, &*kek(), &keystore()).err());
    assert!(matches!(refused, Some(Error::SameDek(98, 99))), "{refused:?}");
    assert_eq!(found, 0);
}

#[test]
fn keys_that_come_with_the_log_are_left_in_the_keystore_alone() {
    let identity = Identity { full_node_id: NODE, storage_epoch: 1, raft_epoch: 1 };
    let row = |dek_id| Registration { dek_id, full_node_id: NODE, local_epoch: 1 };
    let mut entries = vec![Entry::Bootstrap(Bootstrap {
        storage_id: 1,
        wrapped_storage: wrapped(Purpose::Storage, 1),
        raft_id: 2,
        wrapped_raft: wrapped(Purpose::Raft, 2),
        rows: vec![row(1), row(2)],
    })];
    for number in 3..60_u16 {
        let purpose = if number % 2 == 0 { Purpose::Raft } else { Purpose::Storage };
        let (dek_id, wrapped) = (number.into(), wrapped(purpose, number));
        let rotation = Rotation { subtag: Subtag::Rotate, dek_id, purpose, wrapped, proposer: row(dek_id) };
        entries.push(Entry::Rotation(rotation));
    }
    let disk: Arc<dyn Disk> = Arc::new(Recorder::with_dir("/data"));
    let file = Arc::new(SidecarFile::new(disk, FILE));
    let (keys, found) = searched(|| {
        let keystore = keystore();
        let keys = Keys { kek: kek(), keystore: Arc::clone(&keystore), sidecar: file };
        let mut applier = Applier::new(Some(keys), Arc::<Memory>::default(), identity).expect("it begins");
        // Twice: an entry that was applied before is unwrapped again, and compared.
        for (index, entry) in (1..).zip(&entries).chain((1..).zip(&entries)) {
            applier.apply(index, &entry.encode()).expect("it applies");
        }
        keystore.len()
    });
    assert_eq!((keys, found), (59, 0));
}

#[test]
fn a_rewriting_a_rewrap_and_a_retirement_leave_no_key_behind() {
    let file = file_of(&sidecar(60));
    let (store, keys, old, new) = (Memory::default(), keystore(), NonZeroU32::new(3), NonZeroU32::MIN);
    hydrate(&file.read().expect("it is there"), &*kek(), &keys).expect("all unwrap");
    let nonces = Arc::new(NonceSource::new(1, 1));
    let cache = Arc::new(StateCache::of(&file.read().expect("it is there")));
    let sealer = Sealer::new(Cipher::from(keys), nonces, cache, Arc::<Budget>::default());
    for ts in 1..=50 {
        let (mut stored, form) = (vec![0; 5 + SEALED_OVERHEAD], Form::Sealed(old.expect("it is not 0")));
        sealer.seal_as(form, b"user", ts, 0, b"value", &mut stored).expect("it seals");
        store.commit(&[(pebble_key(b"user", ts), Some(stored))]).expect("a store in memory");
    }
    let ((), found) = searched(|| {
        while rewrite::step(&store, &sealer, Clear::Refused, new, 7).expect("all open") != Progress::Done(0) {
        }
        let bound = LocalKek::new(key(KEK)).expect("every CPU can make a key").with(Binding::Bound);
        assert_eq!(rewrap(&file, &*kek(), &bound).expect("all unwrap"), 60);
        let evidence = Evidence::Storage { min_retained_ts: 99, youngest_ts: 50 };
        retire(&file, sealer.cipher(), Clear::Refused, &store, 3, evidence).expect("nothing needs it");
    });
    assert_eq!(sealer.cipher().keystore().expect("it has keys").len(), 59);
    assert_eq!(found, 0);
}

#[test]
fn rounds_that_are_restored_used_and_purged_leave_no_key_behind() {
    let path = Path::new("/data/round-keys");
    let round = |number: u16| RoundId::new(1, &number.to_string()).expect("a number is an id");
    let purpose = sealmark::scheme::ephemeral::Purpose::Keyshare;
    let context = |number| Context { round: round(number), role: Role::AtRest, purpose };
    let master = || MasterKey::from_bytes(key(KEK)).expect("every CPU can make a key");
    let entry = |number: u16| {
        let mut nonce = [0; 12];
        nonce[..2].copy_from_slice(&number.to_be_bytes());
        let record = master().wrap_with(&nonce, key(number)).expect("it wraps");
        slots::Entry { round: round(number), record, deadline: u64::MAX }
    };
    let entries: Vec<slots::Entry> = (1..=KEYS).map(entry).collect();
    let disk = Recorder::with_files("/data", [(path.to_owned(), slots::file_of(&entries))]);
    let (left, found) = searched(|| {
        let rounds = Rounds::start(&disk, master(), Options::new(path)).expect("it starts").0;
        for number in 1..=KEYS {
            rounds.hydrate(&round(number), true).expect("it unwraps");
            let blob = rounds.seal(&context(number), &mut b"a keyshare".to_vec()).expect("it seals");
            assert_eq!(rounds.open(&context(number), &blob).expect("it opens")[..], *b"a keyshare");
        }
        (1..=KEYS / 2).for_each(|number| rounds.purge(&round(number)).expect("it is erased"));
        rounds.cached()
    });
    assert_eq!((left, found), (usize::from(KEYS / 2), 0));
}

/// Looks for parts of these keys too, from here to the end of the test.
fn look_for(keys: &[&[u8; 32]]) {
    let parts = keys.iter().flat_map(|key| key.windows(TEXT.len()).step_by(10));
    let parts: Vec<[u8; TEXT.len()]> =
        parts.map(|part| part.try_into().expect("a window's length")).collect();
    DERIVED.set(Vec::leak(parts));
}

/// A node whose X25519 secret is the key of this number, and whose Ed25519 seed is the key of its id.
fn node_of(id: u16, number: u16, mode: Mode, clock: &Arc<ManualClock>, registry: &Arc<MapRegistry>) -> Party {
    let identity = tunnel::Identity::from_bytes(id.into(), Some(key(number)), Some(key(id)));
    registry.add(&identity);
    let engine = engine::find("sealmark").expect("our own engine is always there");
    Party::new(identity, tunnel::Options::new(mode), engine, clock, registry).expect("it has both keys")
}

/// Sends a message that is the key of that number.
fn send(party: &Party, peer: u32, number: u16) {
    let sent = party.node.send(peer, key(number));
    assert!(sent.is_ok_and(|sent| sent != Sent::NotTaken), "{sent:?}");
}

/// Carries every frame, on the stack; returns how many messages arrived.
fn carry(parties: [&Party; 2]) -> usize {
    let (mut messages, mut place) = (0, [0; 256]);
    for turn in 0.. {
        let [from, to] = if turn % 2 == 0 { parties } else { [parties[1], parties[0]] };
        if turn > 1 && from.wire.is_empty() && to.wire.is_empty() {
            break;
        }
        while let Some((_, frame)) = from.wire.take() {
            let datagram = &mut place[..frame.len()];
            datagram.copy_from_slice(&frame);
            messages +=
                usize::from(matches!(to.node.receive(datagram, Source::DIRECT), Ok(Received::Message(_))));
        }
    }
    black_box(&mut place).fill(0);
    messages
}

#[test]
fn a_tunnel_leaves_no_secret_no_key_and_no_message_behind() {
    let shared = derive::shared(key(11), &x25519::public(key(21))).expect("they are no weak keys");
    let session_key = derive::compatible(&shared);
    look_for(&[&shared, &session_key]);
    for secret in [&shared, &session_key] {
        let ((), found) = searched(|| drop(black_box(Box::new(**secret))));
        assert_eq!(found, 1, "the search finds a derived key");
    }
    for mode in Mode::ALL {
        let (arrived, found) = searched(|| {
            let (clock, registry) = (Arc::new(ManualClock::at(1_000_000)), Arc::new(MapRegistry::default()));
            let (a, b) = (node_of(1, 11, mode, &clock, &registry), node_of(2, 21, mode, &clock, &registry));
            // It waits for the exchange, and is sent with it.
            send(&a, 2, 5);
            let mut arrived = carry([&a, &b]);
            // Two more than the ring holds.
            (0..6).for_each(|_| send(&a, 2, 6));
            arrived += carry([&a, &b]);
            // Another X25519 key: the recent messages are sealed again, the old session is dropped.
            let again = node_of(2, 31, mode, &clock, &registry);
            clock.advance(1_500);
            again.node.exchange().request(1);
            arrived += carry([&again, &a]);
            send(&again, 1, 7);
            arrived += carry([&again, &a]);
            // These wait in vain, the second peer is removed.
            [3, 4].iter().for_each(|peer| send(&a, *peer, 8));
            a.node.remove_peer(4);
            clock.advance(60_000);
            a.node.tick();
            arrived
        });
        assert_eq!((arrived, found), (1 + 6 + 4 + 1, 0), "{}: arrived, and found", mode.name());
    }
    DERIVED.set(&[]);
}

#[test]
fn sessions_that_are_replaced_and_dropped_leave_no_key_behind() {
    let engine = engine::find("sealmark").expect("our own engine is always there");
    for mode in Mode::ALL {
        let (left, found) = searched(|| {
            let store = Sessions::new(&tunnel::Options::new(mode));
            for number in 1..=100_u16 {
                let made = || engine.key(Alg::Aes256Gcm, key(number)).expect("32 bytes are a key");
                let keys = match mode {
                    Mode::Hardened => SessionKeys::Directed { seal: made(), open: made() },
                    _ => SessionKeys::Both(made()),
                };
                let peer = u32::from(number % 10);
                let session = Arc::new(Session::new(NewSession {
                    mode,
                    own: 99,
                    peer,
                    keys,
                    prefix: [1; 4],
                    session_id: [2; 4],
                    created_at: 0,
                    peer_x25519: [number as u8; 32],
                    authenticated: true,
                    sealed_before: 0,
                    ring: store.ring(),
                }));
                store.install(peer, session, true).expect("there is room");
            }
            (1..=5).for_each(|peer| assert!(store.remove(peer).is_some(), "it was installed"));
            store.len()
        });
        assert_eq!((left, found), (5, 0), "{}", mode.name());
    }
}

/// A file that only its owner reads.
fn key_file(folder: &Path, name: &str, bytes: &[u8]) -> std::path::PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).expect("it is writable");
    #[cfg(unix)]
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("ours");
    path
}

/// A compatible stream's key: [`TEXT`] and more, because it has to be text. In base64 it can be any key.
const MATERIAL: &[u8; 16] = b"x6PxXpstA+nH0123";

#[test]
fn key_material_of_a_compatible_stream_leaves_no_copy_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let armoured = format!("-----BEGIN KEY-----\n{}\n-----END KEY-----\n", STANDARD.encode(key(KEK)));
    let plain = key_file(folder.path(), "plain", MATERIAL);
    let armoured = key_file(folder.path(), "armoured", armoured.as_bytes());
    let short = key_file(folder.path(), "short", &MATERIAL[..15]);
    for (key, iv) in [(&plain, &plain), (&armoured, &plain), (&plain, &armoured)] {
        let (len, found) = searched(|| {
            let keys = snapshot::Keys::Files { key: key.clone(), iv: iv.clone() };
            let mut wire = Vec::new();
            let material = keys.load().expect("good files");
            let cipher = ChunkCipher::new(&material);
            send::write(&mut wire, b"a snapshot", Some(&cipher), 8, 16).expect("memory takes it");
            drop(snapshot::Format::Compat(keys.clone()).loaded().expect("good files"));
            receive::read_compat(&mut &wire[..], &keys).expect("it was sent").len()
        });
        assert_eq!((len, found), (10, 0), "{} and {}", key.display(), iv.display());
    }
    let (refused, found) = searched(|| Material::load(&plain, &short).is_err());
    assert!(refused && found == 0, "{found} copies");
}

#[test]
fn the_key_of_a_hardened_stream_and_the_keys_derived_from_it_leave_no_copy_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let (good, long) = (
        key_file(folder.path(), "good", key(7)),
        key_file(folder.path(), "long", &[&key(7)[..], b"+"].concat()),
    );
    let context = snapshot::Context::new(b"");
    let (len, found) = searched(|| {
        let (stream_key, mut wire) = (StreamKey::load(&good).expect("a good file"), Vec::new());
        assert!(StreamKey::load(&long).is_err());
        hardened::send(&mut wire, &mut &[1; 40_000][..], &stream_key, &context).expect("memory takes it");
        let sink = MemorySink::default();
        hardened::receive(&mut &wire[..], &stream_key, &context, &sink).expect("it was sent");
        wire[100] ^= 1;
        assert!(hardened::receive(&mut &wire[..], &stream_key, &context, &sink).is_err());
        sink.content().len()
    });
    assert_eq!((len, found), (40_000, 0));
}

/// The text of a snapshot is secret too. The sink's own copy is the sink's.
#[test]
fn the_text_of_a_snapshot_is_left_in_the_sink_alone() {
    struct Nowhere;
    impl Sink for Nowhere {
        fn begin(&self) -> Result<Box<dyn Transfer + '_>, BoxError> {
            Ok(Box::new(Self))
        }
    }
    impl Transfer for Nowhere {
        fn write(&mut self, bytes: &[u8]) -> Result<(), BoxError> {
            black_box(bytes);
            Ok(())
        }

        fn commit(self: Box<Self>) -> Result<(), BoxError> {
            Ok(())
        }
    }
    let text = key(9).repeat(3_000);
    let mut stream_key = envelope::SecretKey::default();
    stream_key.copy_from_slice(key(7));
    let stream_key = StreamKey::new(engine::find("sealmark").expect("always there"), stream_key);
    let context = snapshot::Context::new(b"");
    let material = Arc::new(Material::parse(MATERIAL, MATERIAL).expect("16 bytes each"));
    let (mut hard, mut compat) = (Vec::new(), Vec::new());
    let (sent, found) = searched(|| {
        let sent = hardened::send(&mut hard, &mut &text[..], &stream_key, &context).expect("memory takes it");
        let cipher = ChunkCipher::new(&material);
        send::write(&mut compat, &text, Some(&cipher), 8, 4096).expect("memory takes it") + sent
    });
    assert_eq!((sent, found), (2 * text.len() as u64, 0), "the sender");
    let (received, found) = searched(|| {
        let received =
            hardened::receive(&mut &hard[..], &stream_key, &context, &Nowhere).expect("it was sent");
        let keys = snapshot::Keys::Loaded(Arc::clone(&material));
        let safe = receive::read_safe(&mut &compat[..], &keys, true, 0);
        safe.expect("it was sent").len() as u64 + received
    });
    assert_eq!((received, found), (2 * text.len() as u64, 0), "the receiver");
}

#[test]
fn a_keystore_wipes_the_keys_that_it_refuses_replaces_and_forgets() {
    let (len, found) = searched(|| {
        let keystore = keystore();
        (1..=200).for_each(|number| keystore.set(number.into(), key(number)).expect("a good key"));
        assert_eq!(keystore.set(1, key(2)), Err(envelope::Error::KeyConflict(1)));
        assert_eq!(keystore.set(0, key(1)), Err(envelope::Error::ReservedKeyId));
        let together = keystore.insert_all(&[(201, &key(201)[..]), (1, &key(3)[..])]);
        assert_eq!(together, Err(envelope::Error::KeyConflict(1)));
        (1..=100).for_each(|number| keystore.delete(number));
        keystore.len()
    });
    assert_eq!((len, found), (100, 0));
}

#[test]
fn a_kek_is_read_without_a_copy_left_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, bytes: &[u8]| key_file(folder.path(), name, bytes);
    let (good, long) = (write("good", key(KEK)), write("long", &[&key(KEK)[..], b"+"].concat()));
    let text = STANDARD.encode(key(KEK));
    assert!(text.as_bytes().windows(TEXT.len()).any(|bytes| bytes == TEXT));
    let ((), found) = searched(|| {
        LocalKek::from_file(&good).expect("a good file");
        assert!(matches!(LocalKek::from_file(&long), Err(Error::Kek(_))));
        LocalKek::from_base64(&text).expect("a good text");
        assert!(matches!(LocalKek::from_base64(&text[..40]), Err(Error::Kek(_))));
    });
    assert_eq!(found, 0);
}

/// In its own process, because a variable belongs to a whole process.
#[test]
fn the_environments_kek_is_read_without_a_copy_left_behind() {
    const CHILD: &str = "SEALMARK_TEST_FREED_KEYS_CHILD";
    const SELF: &str = "the_environments_kek_is_read_without_a_copy_left_behind";
    if std::env::var(CHILD).is_ok() {
        let (read, found) = searched(|| LocalKek::from_env().map(drop));
        assert!(read.is_ok() && found == 0, "{read:?}, {found} copies");
        return;
    }
    let mut child = std::process::Command::new(std::env::current_exe().expect("this program"));
    child.args(["--exact", SELF]).env(CHILD, "1").env(KEK_VARIABLE, STANDARD.encode(key(KEK)));
    let output = child.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn every_backend_zeroes_its_expanded_key_before_it_is_freed() {
    let mut seen = 0;
    for backend in BACKENDS.iter().filter(|backend| backend.available()) {
        for alg in Alg::ALL {
            let bytes = &key(9)[..alg.key_len()];
            let made = backend.key(alg, bytes).expect("this CPU has what it needs");
            let block = std::ptr::from_ref(&*made).cast::<u8>();
            let (left, found) = searched(|| {
                WATCHED.set(block as usize);
                drop(made);
                WATCHED.set(0);
                LEFT.replace(usize::MAX)
            });
            assert_eq!((left, found), (0, 0), "{} {}", backend.name, alg.name());
            seen += 1;
        }
    }
    assert!(seen >= 3, "{seen}");
}
