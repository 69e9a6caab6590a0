//! The envelope's calls on the caller's buffers allocate nothing, as a counting allocator shows.

#![expect(unsafe_code, reason = "an allocator that counts has to be an allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use sealmark::engine;
use sealmark::envelope::aad::STACK_KEY_LEN;
use sealmark::envelope::{Aad, Cipher, Error, Header, Keystore, NonceSource, OVERHEAD, Unsealed};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to `System` with unchanged arguments; counting uses a thread-local without an
// initialiser or destructor, so it does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`, which is the same one.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: `ptr` came from `System`, since `alloc` has no other source.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
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

fn cipher() -> Cipher {
    let keystore = Keystore::new(engine::find("sealmark").expect("our own engine is always there"));
    keystore.set(7, &[1; 32]).expect("a good key");
    // A thread's first load from an `ArcSwap` allocates its slot.
    assert!(keystore.keys().find(7).is_ok());
    Arc::new(keystore).into()
}

/// Seals, opens and refuses one record of a 4 KiB value under a key of that length.
fn once(cipher: &Cipher, nonces: &NonceSource, key_len: usize, record: &mut [u8]) {
    let key = [9; STACK_KEY_LEN + 1];
    let aad = Aad::Storage { value_header: &[2; 9], pebble_key: &key[..key_len] };
    let header = Header { flag: 0, key_id: 7, nonce: nonces.next().expect("not used up") };
    assert_eq!(cipher.seal_into(&header, &aad, &[3; 4096], record), Ok(4096 + OVERHEAD));
    assert_eq!(cipher.open_in_place(record, &aad).expect("authentic"), [3; 4096]);
    assert_eq!(cipher.open_in_place(record, &aad), Err(Error::Integrity));
}

#[test]
fn seal_open_and_refusal_allocate_nothing_up_to_the_longest_stack_key() {
    let (cipher, nonces) = (cipher(), NonceSource::new(1, 1));
    let mut record = vec![0; 4096 + OVERHEAD];
    for key_len in [0, 24, STACK_KEY_LEN] {
        assert_eq!(allocations(|| once(&cipher, &nonces, key_len, &mut record)), 0, "{key_len} bytes of key");
    }
    let past = allocations(|| once(&cipher, &nonces, STACK_KEY_LEN + 1, &mut record));
    assert_eq!(past, 3, "one for each of the three calls");
}

#[test]
fn a_batch_allocates_nothing() {
    let (cipher, nonces) = (cipher(), NonceSource::new(1, 1));
    let keys = [[8; 24], [9; 24]];
    let mut outs = vec![[0; 64 + OVERHEAD]; 100];
    let mut messages: Vec<_> = outs
        .iter_mut()
        .enumerate()
        .map(|(i, out)| Unsealed {
            flag: 0,
            aad: Aad::Storage { value_header: &[2; 9], pebble_key: &keys[i % 2] },
            plaintext: &[4; 64],
            out,
        })
        .collect();
    assert_eq!(allocations(|| cipher.seal_many(7, &nonces, &mut messages).unwrap()), 0);
    for (i, out) in outs.iter().enumerate() {
        let aad = Aad::Storage { value_header: &[2; 9], pebble_key: &keys[i % 2] };
        assert_eq!(cipher.open(out, &aad).unwrap(), [4; 64]);
    }
}

#[test]
fn lookups_and_nonces_allocate_nothing() {
    let (cipher, nonces) = (cipher(), NonceSource::new(1, 1));
    let keystore = cipher.keystore().unwrap();
    let found = || {
        let keys = keystore.keys();
        assert!(keys.find(7).is_ok());
        assert!(matches!(keys.find(8), Err(Error::UnknownKeyId(8))));
        assert!(matches!(keys.find(0), Err(Error::ReservedKeyId)));
        assert!(nonces.next().is_ok());
    };
    assert_eq!(allocations(|| (0..100).for_each(|_| found())), 0);
}

#[test]
fn a_value_is_written_through_the_whole_store_path_without_an_allocation() {
    use sealmark::scheme::storage::SEALED_OVERHEAD;
    use sealmark::scheme::storage::value::read;
    use sealmark::scheme::storage::{Budget, Clear, Origin, Sealer, Sidecar, StateCache};

    let sidecar = Sidecar { active_storage: 7, storage_envelope_active: true, ..Sidecar::default() };
    let nonces = Arc::new(NonceSource::new(1, 1));
    let cache = Arc::new(StateCache::of(&sidecar));
    let sealer = Sealer::new(cipher(), nonces, cache, Arc::<Budget>::default());
    let mut stored = vec![0; 1024 + SEALED_OVERHEAD];
    for key_len in [0, 16, STACK_KEY_LEN - 8] {
        let key = vec![9; key_len];
        let mut write = || sealer.seal_into(&key, 5, 0, &[3; 1024], Origin::Direct, &mut stored).unwrap();
        assert_eq!(allocations(|| assert_eq!(write(), 1024 + SEALED_OVERHEAD)), 0, "{key_len} bytes of key");
        let pebble_key = sealmark::envelope::aad::pebble_key(&key, 5);
        let value = read(Some(sealer.cipher()), Clear::Refused, &pebble_key, &stored).unwrap();
        assert_eq!(value.value, [3; 1024]);
    }
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(vec![0u8; 10])), 1);
    assert!(allocations(|| drop(cipher().seal(0, 7, &[0; 12], &Aad::Raft, b"x").unwrap())) > 1);
}
