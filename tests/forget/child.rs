//! The child: a node's life up to a purge, with a leak if one is planted. It says `ready` before the purge
//! and `purged` with the addresses of the leak after it, and goes on when it reads a line.

use std::error::Error;
use std::hint::black_box;
use std::io::{self, BufRead, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier};
use std::thread;

use sealmark::aead::{Alg, NONCE_LEN, Nonce, Tag};
use sealmark::disk::Os;
use sealmark::engine::{Engine, find};
use sealmark::scheme::ephemeral::{
    Context, Error as Refusal, Form, MasterKey, Options, Purpose, Record, Role, RoundId, RoundKey, Rounds,
};
use zeroize::Zeroizing;

/// The variable with a child's orders.
const ORDERS: &str = "SEALMARK_FORGET_CHILD";
/// The master key, which the child and the searcher both have. No round's key has these bytes.
pub const MASTER: [u8; 32] = [0x4d; 32];
/// The forms, each with its file.
pub const FORMS: [(Form, &str); 2] = [(Form::Compatible, "compatible"), (Form::Bound, "bound")];
/// The round that is purged, and the one that is not.
pub const PURGED: &str = "1";
pub const KEPT: &str = "2";
/// The file of blobs: in each line the number of the call, which gives the context, and the blob.
pub const BLOBS: &str = "blobs";
/// Seals, and opens, of each thread under each key.
const CALLS: usize = 400;
const THREADS: usize = 3;
/// Bytes of a plaintext: every path through a kernel.
const LENGTHS: [usize; 8] = [0, 16, 64, 300, 1024, 4096, 16_384, 70_000];

const _: () = assert!(CALLS * THREADS >= 1_000, "each key seals and opens at least a thousand times");

/// A leak to plant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Leak {
    None,
    /// The key's bytes in the frame of a finished call.
    Stack,
    /// The key's bytes in a block that was freed.
    Freed,
    /// An expanded key that is never dropped.
    Layout,
    /// The wrapped key in a block that is never dropped.
    Record,
    /// After the purge, a blob of each form is sealed under the master key.
    Fallback,
}

impl Leak {
    pub const PLANTED: [Self; 5] = [Self::Stack, Self::Freed, Self::Layout, Self::Record, Self::Fallback];
}

/// What a child is to do.
pub struct Orders {
    pub engine: String,
    pub leak: Leak,
    pub folder: PathBuf,
}

impl Orders {
    /// The variable that passes them to a child.
    pub fn to_variable(&self) -> (&'static str, String) {
        (ORDERS, format!("{} {:?} {}", self.engine, self.leak, self.folder.display()))
    }

    /// The orders of this process, if it is a child.
    pub fn received() -> Option<Self> {
        let text = std::env::var(ORDERS).ok()?;
        let mut words = text.splitn(3, ' ');
        let (engine, leak, folder) = (words.next()?.into(), words.next()?, words.next()?.into());
        let leak = Leak::PLANTED.into_iter().find(|of| format!("{of:?}") == leak).unwrap_or(Leak::None);
        Some(Self { engine, leak, folder })
    }
}

pub fn round(id: &str) -> RoundId {
    RoundId::new(1, id).expect("a number is an id")
}

/// The context of the blobs of a call.
pub fn context(id: &str, call: usize) -> Context {
    Context { round: round(id), role: Role::AtRest, purpose: Purpose::ALL[call % Purpose::ALL.len()] }
}

/// A round's wrapped key, out of the bytes of the file of slots. Leaves no copy of it.
pub fn record_in(file: &[u8], id: &str) -> Result<Record, Box<dyn Error>> {
    const SLOT_LEN: usize = 256;
    let name = round(id).to_string();
    let is_its = |slot: &&[u8]| {
        slot[0] == b'A' && usize::from(slot[16]) == name.len() && slot[17..].starts_with(name.as_bytes())
    };
    // The first is the header.
    let slot = file.chunks_exact(SLOT_LEN).skip(1).find(is_its).ok_or("the round has no record")?;
    Ok(Record::from_stored(&slot[116..184])?.ok_or("the round's record is deleted")?)
}

/// The bytes of a round's key, unwrapped with the master key.
pub fn key_in(
    record: &Record,
    engine: &dyn Engine,
    form: Form,
    id: &str,
) -> Result<[u8; 32], Box<dyn Error>> {
    let aad = match form {
        Form::Compatible => Vec::new(),
        Form::Bound => format!("sealmark round key 11:{id}").into_bytes(),
    };
    let (nonce, rest) = record.0.split_first_chunk::<NONCE_LEN>().ok_or("a record has a nonce")?;
    let (ciphertext, tag) = rest.split_first_chunk::<32>().ok_or("a record has 32 bytes of key")?;
    let mut key = *ciphertext;
    let master = engine.key(Alg::Aes256Gcm, &MASTER)?;
    master.open(nonce, &aad, &mut key, &Tag(tag.try_into()?))?;
    Ok(key)
}

struct Node {
    form: Form,
    path: PathBuf,
    rounds: Rounds,
}

fn start(engine: &'static dyn Engine, form: Form, path: &Path) -> Result<Node, Refusal> {
    let options = Options { form, ..Options::new(path) };
    let rounds = Rounds::start(&Os, MasterKey::with_engine(engine, &MASTER)?, options)?.0;
    Ok(Node { form, path: path.to_owned(), rounds })
}

pub fn run(orders: &Orders) -> Result<(), Box<dyn Error>> {
    let engine = find(&orders.engine).ok_or("there is no such engine")?;
    let mut nodes = Vec::new();
    for (form, file) in FORMS {
        let path = orders.folder.join(file);
        // The keys are created, used, and restored after a restart.
        let node = start(engine, form, &path)?;
        for id in [PURGED, KEPT] {
            node.rounds.request(&round(id))?;
            node.rounds.seal(&context(id, 0), &mut b"a keyshare".to_vec())?;
        }
        drop(node);
        let node = start(engine, form, &path)?;
        for id in [PURGED, KEPT] {
            node.rounds.hydrate(&round(id), true)?;
        }
        nodes.push(node);
    }
    let (nodes, worked) = (Arc::new(nodes), Arc::new(Barrier::new(THREADS)));
    for _ in 1..THREADS {
        let (nodes, worked) = (Arc::clone(&nodes), Arc::clone(&worked));
        thread::spawn(move || {
            work(&nodes);
            worked.wait();
            loop {
                thread::park();
            }
        });
    }
    let mut blobs = work(&nodes);
    worked.wait();
    say_and_wait("ready")?;
    let plant = planted(orders.leak, engine, &nodes)?;
    for node in &*nodes {
        node.rounds.purge(&round(PURGED))?;
    }
    for node in &*nodes {
        let context = context(PURGED, 0);
        match node.rounds.seal(&context, &mut b"a keyshare".to_vec()) {
            Err(Refusal::NoRoundKey(_)) if orders.leak == Leak::Fallback => {
                let fallback = RoundKey::with_engine(engine, &MASTER)?;
                blobs.push((0, fallback.seal(node.form, &context, &mut b"a keyshare".to_vec())?));
            }
            Err(Refusal::NoRoundKey(_)) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => return Err("a round without a key seals".into()),
        }
    }
    let lines: Vec<String> =
        blobs.iter().map(|(call, blob)| format!("{call} {}", hex::encode(blob))).collect();
    std::fs::write(orders.folder.join(BLOBS), lines.join("\n"))?;
    // Last, so that nothing overwrites the leak.
    let leaked = plant();
    say_and_wait(&format!("purged {} {}", leaked.start, leaked.end))?;
    Ok(())
}

/// Seals and opens under every key; returns short blobs of the round that is purged, each with its call.
fn work(nodes: &[Node]) -> Vec<(usize, Vec<u8>)> {
    let mut blobs = Vec::new();
    for call in 0..CALLS {
        for (node, id) in nodes.iter().flat_map(|node| [(node, PURGED), (node, KEPT)]) {
            let context = context(id, call);
            let len = LENGTHS[call % LENGTHS.len()];
            let mut blob = node.rounds.seal(&context, &mut vec![0x70; len]).expect("the round has a key");
            assert_eq!(node.rounds.open(&context, &blob).expect("it opens")[..], vec![0x70; len]);
            if id == PURGED && blobs.len() < 16 {
                blobs.push((call, blob.clone()));
            }
            blob[NONCE_LEN] ^= 1;
            assert!(node.rounds.open(&context, &blob).is_err(), "an altered blob opens");
        }
    }
    blobs
}

/// Plants a leak, and returns the addresses of the leaked bytes.
type Plant = Box<dyn FnOnce() -> Range<usize>>;

/// What plants the leak after the purge. The key is taken from the file before it; without such a leak, the
/// child itself never reads the file.
fn planted(leak: Leak, engine: &'static dyn Engine, nodes: &[Node]) -> Result<Plant, Box<dyn Error>> {
    if matches!(leak, Leak::None | Leak::Fallback) {
        return Ok(Box::new(|| 0..0));
    }
    let node = nodes.first().ok_or("there are nodes")?;
    let file = Zeroizing::new(std::fs::read(&node.path)?);
    let record = record_in(&file, PURGED)?;
    drop(file);
    if leak == Leak::Record {
        return Ok(Box::new(move || {
            let leaked = addresses(&record.0[..]);
            std::mem::forget(black_box(record));
            leaked
        }));
    }
    let key = Box::new(Zeroizing::new(key_in(&record, engine, node.form, PURGED)?));
    drop(record);
    Ok(match leak {
        Leak::Stack => Box::new(move || {
            let (told, tells) = std::sync::mpsc::channel();
            thread::spawn(move || {
                told.send(leave_on_stack(&key)).expect("the main thread waits");
                loop {
                    thread::park();
                }
            });
            tells.recv().expect("the thread tells")
        }),
        Leak::Freed => Box::new(move || {
            // The allocator writes its links at the start of a free block, and hands out small blocks from
            // there: the key lies far behind it.
            let mut block = vec![0_u8; 96 * 1024];
            block[64 * 1024..][..32].copy_from_slice(&key[..]);
            let leaked = addresses(&block[64 * 1024..][..32]);
            // Of the same size, so it lies behind the block, or the block lies between others: otherwise the
            // free block might end the heap, and go back to the system.
            std::mem::forget(black_box(vec![0_u8; 96 * 1024]));
            drop(black_box(block));
            leaked
        }),
        _ => Box::new(move || {
            let expanded = engine.key(Alg::Aes256Gcm, &key[..]).expect("32 bytes are a key");
            let mut tag = Tag::default();
            expanded.seal(&Nonce::default(), b"", &mut [], &mut tag).expect("an empty message");
            let start = std::ptr::from_ref(&*expanded).addr();
            let leaked = start..start + size_of_val(&*expanded);
            std::mem::forget(black_box(expanded));
            leaked
        }),
    })
}

/// Leaves the key in a frame, far below everything that the thread calls afterwards.
#[inline(never)]
fn leave_on_stack(key: &[u8; 32]) -> Range<usize> {
    let mut room = [0_u8; 128 * 1024];
    room[1024..1056].copy_from_slice(key);
    addresses(&black_box(&mut room)[1024..1056])
}

fn addresses(bytes: &[u8]) -> Range<usize> {
    let Range { start, end } = bytes.as_ptr_range();
    start.addr()..end.addr()
}

fn say_and_wait(word: &str) -> io::Result<()> {
    println!("{word}");
    io::stdout().flush()?;
    io::stdin().lock().read_line(&mut String::new()).map(drop)
}
