//! What a hardened stream costs: memory that does not grow with its length, as an allocator shows that knows
//! how much is in use; and its time beside the bare cipher, in the same rounds, which is printed and not
//! judged: `cargo test --release --test stream_cost -- --nocapture --ignored`.
//!
//! `SEALMARK_STREAM_MIB` is the length of the longest stream, by default 64.

#![expect(unsafe_code, reason = "an allocator that counts has to be an allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use sealmark::disk::Os;
use sealmark::engine::{self, Engine};
use sealmark::envelope::SecretKey;
use sealmark::measure::{Catalog, Workload};
use sealmark::scheme::snapshot::chunked::CHUNK_LEN;
use sealmark::scheme::snapshot::{
    BoxError, Config, Context, FileSink, Format, Keys, Limits, Material, Passing, Sender, Server, Sink,
    Source, StreamKey,
};
use sealmark::timing::{Clock, Sampler, interval};

struct Counting;

/// Bytes in use, and the most since the last reset, by all threads.
static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn taken(len: usize) {
    let now = NOW.fetch_add(len, Ordering::Relaxed) + len;
    PEAK.fetch_max(now, Ordering::Relaxed);
}

// SAFETY: every call goes to `System` with unchanged arguments; counting uses atomics, so it does not
// allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`, which is the same one.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        // SAFETY: the caller keeps the contract of `alloc_zeroed`, which is the same one.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: `ptr` came from `System`, since `alloc` has no other source.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // Both blocks may exist for a moment.
        taken(new_size);
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: `ptr` came from `System`, and the caller keeps the contract of `realloc`.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The tests share the counts, so they take turns.
static TURN: Mutex<()> = Mutex::new(());

/// The most bytes in use at once during `work`, beyond those in use before.
fn peak(work: impl FnOnce()) -> usize {
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    work();
    PEAK.load(Ordering::Relaxed).saturating_sub(before)
}

/// So many bytes, made while they are read.
struct Made(u64);

impl Source for Made {
    fn open(&self) -> Result<Box<dyn Read + Send + '_>, BoxError> {
        Ok(Box::new(io::repeat(7).take(self.0)))
    }
}

/// Sends so many bytes over TCP into the sink, in this process.
fn transfer(len: u64, format: &Format, sink: Arc<dyn Sink>) {
    let listen_addr = "127.0.0.1:0".parse().expect("it is an address");
    let config = Config { listen_addr, ..Config::new("", "") };
    let server = Server::bind(&config, format.clone(), Limits::default(), sink).expect("a port is free");
    let peer_endpoint = server.local_addr().expect("it listens").to_string();
    let sender = Sender::new(Config { peer_endpoint, ..config }, format.clone());
    std::thread::scope(|scope| {
        let sent = scope.spawn(move || sender.send(&Made(len)));
        assert_eq!(server.accept_one().expect("it arrives"), len);
        assert_eq!(sent.join().expect("it does not panic").expect("it is sent"), len);
    });
}

fn hardened(engine: &'static dyn Engine) -> Format {
    let mut key = SecretKey::default();
    key.fill(0x4b);
    Format::Hardened(StreamKey::new(engine, key).into(), Context::new(b""))
}

/// Both ends are in this process, so the figure is the sum of both.
#[test]
fn a_hardened_transfer_of_any_length_takes_a_few_chunks_of_memory() {
    const MIB: u64 = 1024 * 1024;
    let _turn = TURN.lock().unwrap();
    let longest = std::env::var("SEALMARK_STREAM_MIB").map_or(64, |mib| mib.parse().expect("it is a number"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("snapshot");
    let format = hardened(engine::find("sealmark").unwrap());
    let into_file = |path: &Path| Arc::new(FileSink::new(Arc::new(Os), path));
    // The first transfer of a process sets up what all later ones use.
    transfer(1, &format, into_file(&file));
    for mib in [1, 8, longest] {
        let passed = peak(|| transfer(mib * MIB, &format, Arc::new(Passing::new(io::sink()))));
        println!(
            "{mib} MiB hardened, passed on: {} KiB at most, sender and receiver together",
            passed / 1024
        );
        assert!(passed <= 8 * CHUNK_LEN, "{passed} bytes for {mib} MiB");
    }
    let written = peak(|| transfer(8 * MIB, &format, into_file(&file)));
    println!("8 MiB hardened, into a file: {} KiB at most, sender and receiver together", written / 1024);
    assert!(written <= 8 * CHUNK_LEN, "{written} bytes");
    assert_eq!(std::fs::metadata(&file).unwrap().len(), 8 * MIB);
}

/// The counter-example, which also shows that the allocator counts.
#[test]
fn a_compatible_transfer_is_in_memory_as_a_whole_at_both_ends() {
    const LEN: u64 = 4 * 1024 * 1024;
    let _turn = TURN.lock().unwrap();
    let material = Material::parse(&[0x4b; 16], &[0x49; 16]).unwrap();
    let format = Format::Safe(Keys::Loaded(material.into()));
    transfer(1, &format, Arc::new(Passing::new(io::sink())));
    let taken = peak(|| transfer(LEN, &format, Arc::new(Passing::new(io::sink()))));
    println!("4 MiB compatible, passed on: {} KiB at most, sender and receiver together", taken / 1024);
    assert!(taken as u64 >= 2 * LEN, "{taken}");
}

/// A stream of 2 MiB in chunks of 16 KiB, its key derivation included, beside messages of 16 KiB sealed in
/// place by the same engine, in the same rounds.
#[test]
#[ignore = "it prints times of an optimised build and judges nothing: cargo test --release --test stream_cost -- --ignored --nocapture"]
fn the_time_of_a_hardened_stream_beside_the_bare_cipher() {
    let _turn = TURN.lock().unwrap();
    let catalog = Catalog::ours();
    let bare = catalog.find("seal/aes-256-gcm/16384").unwrap();
    let stream = catalog.find("seal_chunk/snapshot/hardened/16384").unwrap();
    let count = stream.count();
    let bare = Workload { aad: 0, level: stream.level, ..bare.clone() };
    let sampler = Sampler { clock: Clock::calibrate(), target_ns: 2e6, seed: 1 };
    let engines = engine::engines();
    for engine in
        engines.into_iter().filter(|engine| engine.available().is_ok() && bare.supported_by(*engine))
    {
        let mut ratios = Vec::new();
        for _ in 0..7 {
            let mut both =
                [&bare, stream].map(|workload| workload.prepare(engine, count).expect("it prepares"));
            let mut rounds = sampler.begin(&mut both);
            (0..24).for_each(|_| rounds.run(&mut both));
            both.iter_mut().for_each(|timed| timed.check().expect("it is right"));
            if let [Some(bare), Some(stream)] = rounds.times()[..] {
                ratios.push(bare / stream);
            }
        }
        let ratio = interval::median(&ratios).expect("there were rounds");
        println!(
            "{}: a hardened stream has {ratio:.3} times the throughput of the bare cipher",
            engine.name()
        );
    }
}
