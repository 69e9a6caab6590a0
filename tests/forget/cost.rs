//! How much of the stack a call uses, and what wiping it costs.

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use sealmark::aead::{Alg, Nonce, Tag};
use sealmark::disk::Recorder;
use sealmark::engine::Engine;
use sealmark::host::stack;
use sealmark::scheme::ephemeral::{Context, MasterKey, Options, Purpose, Role, Rounds, WIPED};

use crate::child::{MASTER, round};
use crate::judge::is_optimised;

/// Bytes of the stack that are painted to see how far a call writes.
const PAINTED: usize = 256 * 1024;
const PAINT: u8 = 0xa5;

/// Paints the stack below the caller.
#[inline(never)]
fn paint() {
    let room = [PAINT; PAINTED];
    black_box(&room);
}

/// Bytes between `top` and the lowest byte that is no longer painted.
#[inline(never)]
#[expect(unsafe_code, reason = "no safe code reads the frames of finished calls")]
fn depth(top: usize) -> usize {
    let bottom = top - PAINTED / 2;
    // SAFETY: the bytes belong to this thread's stack, which was painted twice as deep; a volatile read takes
    // them as they are.
    let read = |at| unsafe { std::ptr::with_exposed_provenance::<u8>(at).read_volatile() };
    (bottom..top).find(|at| read(*at) != PAINT).map_or(0, |lowest| top - lowest)
}

/// The depth of a call, from a frame like that of the scheme's own code.
#[inline(never)]
fn measured(call: &mut dyn FnMut()) -> usize {
    let here = 0_u8;
    let top = black_box(&raw const here).expose_provenance();
    paint();
    call();
    depth(top)
}

/// The engines of ours that use more of the stack than the scheme wipes. Prints what each engine uses.
pub fn depths(engines: &[&'static dyn Engine]) -> Vec<String> {
    let mut wrong = Vec::new();
    let reached = measured(&mut stack::wipe::<WIPED>);
    if reached < WIPED {
        wrong.push(format!("a wipe of {WIPED} bytes reaches {reached}"));
    }
    for engine in engines {
        let key = || engine.key(Alg::Aes256Gcm, &MASTER).expect("32 bytes are a key");
        let expanded = key();
        let (nonce, aad) = (Nonce::default(), [7; 60]);
        let making = measured(&mut || drop(key()));
        let mut calls = Vec::new();
        for len in [0, 64, 300, 1024, 16_384, 1 << 20] {
            let mut message = vec![7; len];
            let mut tag = Tag::default();
            let seal =
                measured(&mut || expanded.seal(&nonce, &aad, &mut message, &mut tag).expect("it seals"));
            let open = measured(&mut || expanded.open(&nonce, &aad, &mut message, &tag).expect("it opens"));
            calls.push(seal.max(open));
        }
        let name = engine.name();
        println!("{name}: making a key uses {making} bytes of the stack; a seal or an open {calls:?}");
        let deepest = calls.iter().copied().max().unwrap_or(0).max(making);
        if is_optimised() && name.starts_with("sealmark") && deepest > WIPED {
            wrong.push(format!("{name} uses {deepest} bytes of the stack, and {WIPED} are wiped"));
        }
    }
    wrong
}

/// Prints what wiping costs beside the calls that it follows.
pub fn print(engines: &[&'static dyn Engine]) -> Result<(), String> {
    let [alone] = nanoseconds([&mut stack::wipe::<WIPED>]);
    println!("wiping {WIPED} bytes takes {alone:.0} ns");
    for engine in engines.iter().filter(|engine| engine.name().starts_with("sealmark/")) {
        costs(*engine).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// One seal without a wipe, one with it, and a blob of the scheme, which also has a random nonce and a buffer
/// of its own.
fn costs(engine: &'static dyn Engine) -> Result<(), Box<dyn Error>> {
    let disk = Recorder::with_dir("/node");
    let master = MasterKey::with_engine(engine, &MASTER)?;
    let rounds = Rounds::start(&disk, master, Options::new(Path::new("/node/slots")))?.0;
    rounds.request(&round("1"))?;
    let context = Context { round: round("1"), role: Role::AtRest, purpose: Purpose::Keyshare };
    let expanded = engine.key(Alg::Aes256Gcm, &MASTER)?;
    for len in [64, 1024, 16_384] {
        let (mut plain, mut wiped, mut tag, mut other) =
            (vec![7; len], vec![7; len], Tag::default(), Tag::default());
        let nonce = Nonce::default();
        let [without, with, blob] = nanoseconds([
            &mut || expanded.seal(&nonce, b"", &mut plain, &mut tag).expect("it seals"),
            &mut || {
                stack::wiped::<WIPED, _>(|| expanded.seal(&nonce, b"", &mut wiped, &mut other))
                    .expect("it seals");
            },
            &mut || {
                black_box(rounds.seal(&context, &mut vec![7; len]).expect("the round has a key"));
            },
        ]);
        println!(
            "{}: seal {len} bytes: {without:.0} ns, with its wipe {with:.0} ns; a blob {blob:.0} ns",
            engine.name(),
        );
    }
    Ok(())
}

/// The median of 101 turns of 100 calls each, for one call. The calls take turns.
fn nanoseconds<const N: usize>(mut calls: [&mut dyn FnMut(); N]) -> [f64; N] {
    let mut turns = [const { Vec::new() }; N];
    for _ in 0..101 {
        for (call, turns) in calls.iter_mut().zip(&mut turns) {
            let began = Instant::now();
            (0..100).for_each(|_| call());
            turns.push(began.elapsed().as_nanos() as f64 / 100.0);
        }
    }
    turns.map(|mut turns: Vec<f64>| {
        turns.sort_by(f64::total_cmp);
        turns[turns.len() / 2]
    })
}
