//! An engine whose builds differ as one commit would make them differ, for the tests of the gate.
//!
//! It wraps the backend that Sealmark chooses and mixes every byte of the message into a sum, which is its bulk
//! loop. A build is one variant of that. `cargo rustc --example gated -- --cfg 'variant="needless"'` compiles
//! only that variant's code. Without it, the variant is the last byte of [`VARIANT`], which `tests/gate.rs`
//! overwrites in copies of the built file, so that it needs no compiler.

use std::hint::black_box;

use sealmark::aead::{self, Aead, Alg, BACKENDS, Error, Nonce, Tag};
use sealmark::engine::Engine;

/// The variant of this build, in its last byte.
static VARIANT: [u8; 24] = *b"sealmark-gated-variant=p";

/// What the compiler was told: the letter of a variant.
const COMPILED: Option<u8> = if cfg!(variant = "plain") {
    Some(PLAIN)
} else if cfg!(variant = "documented") {
    Some(DOCUMENTED)
} else if cfg!(variant = "needless") {
    Some(NEEDLESS)
} else if cfg!(variant = "called") {
    Some(CALLED)
} else if cfg!(variant = "portable") {
    Some(PORTABLE)
} else if cfg!(variant = "divides") {
    Some(DIVIDES)
} else if cfg!(variant = "mixes") {
    Some(MIXES)
} else {
    None
};

/// The base.
pub const PLAIN: u8 = b'p';
/// Only the documentation differs.
pub const DOCUMENTED: u8 = b'd';
/// The bulk loop stores and loads each byte once more.
pub const NEEDLESS: u8 = b'n';
/// The step of the bulk loop is no longer inlined.
pub const CALLED: u8 = b'c';
/// The slowest backend was chosen.
pub const PORTABLE: u8 = b'w';
/// Divisions that wait for each other.
pub const DIVIDES: u8 = b'v';
/// More instructions than [`DIVIDES`] has, which do not wait.
pub const MIXES: u8 = b'm';

/// How often the message is walked through: the bulk loop must outweigh the cipher.
const WALKS: usize = 8;

fn variant() -> u8 {
    COMPILED.unwrap_or_else(|| black_box(&VARIANT)[VARIANT.len() - 1])
}

/// The engine.
#[derive(Debug)]
pub struct Gated;

impl Engine for Gated {
    fn name(&self) -> &str {
        "gated"
    }

    fn version(&self) -> String {
        "0.1.0".into()
    }

    fn key(&self, alg: Alg, bytes: &[u8]) -> Result<Box<dyn Aead>, Error> {
        let portable = BACKENDS.iter().find(|backend| backend.name == "portable");
        let cipher = match portable {
            Some(backend) if variant() == PORTABLE => backend.key(alg, bytes)?,
            _ => aead::key(alg, bytes)?,
        };
        Ok(Box::new(Key(cipher)))
    }
}

/// A key that walks through each message besides.
struct Key(Box<dyn Aead>);

impl Aead for Key {
    fn seal(&self, nonce: &Nonce, aad: &[u8], in_out: &mut [u8], tag: &mut Tag) -> Result<(), Error> {
        walk(in_out);
        self.0.seal(nonce, aad, in_out, tag)
    }

    fn open(&self, nonce: &Nonce, aad: &[u8], in_out: &mut [u8], tag: &Tag) -> Result<(), Error> {
        walk(in_out);
        self.0.open(nonce, aad, in_out, tag)
    }
}

#[cfg_attr(variant = "documented", doc = "The bulk loop of this build's variant.")]
#[inline(never)]
fn walk(message: &[u8]) {
    let mut sum = 1;
    for _ in 0..WALKS {
        sum = match variant() {
            NEEDLESS => message.iter().fold(sum, |sum, &byte| step(sum, black_box(byte))),
            CALLED => message.iter().fold(sum, |sum, &byte| step_called(sum, byte)),
            DIVIDES => message.chunks(8).fold(sum, |sum, chunk| divide(sum, chunk[0])),
            MIXES => message.chunks(8).fold(sum, |sum, chunk| mix(sum, chunk[0])),
            _ => message.iter().fold(sum, |sum, &byte| step(sum, byte)),
        };
    }
    black_box(sum);
}

#[inline(always)]
fn step(sum: u64, byte: u8) -> u64 {
    sum.rotate_left(5) ^ u64::from(byte)
}

#[inline(never)]
fn step_called(sum: u64, byte: u8) -> u64 {
    black_box(step(black_box(sum), byte))
}

/// Ten divisions, each of which needs the one before.
#[inline(always)]
fn divide(sum: u64, byte: u8) -> u64 {
    let n = u64::MAX - u64::from(byte);
    let mut x = sum;
    for _ in 0..5 {
        // Hidden from the compiler, which would otherwise find the quotients by itself.
        x = n / ((n / (black_box(x) | 1)) | 1);
    }
    x
}

/// Sixteen rounds of four products that do not wait for each other.
#[inline(always)]
fn mix(sum: u64, byte: u8) -> u64 {
    let mut x = [sum, !sum, u64::from(byte), sum.swap_bytes()];
    for _ in 0..16 {
        for lane in &mut x {
            *lane = lane.rotate_left(7).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }
    x[0] ^ x[1] ^ x[2] ^ x[3]
}

fn main() -> std::process::ExitCode {
    sealmark::main(&[&Gated], &[])
}
