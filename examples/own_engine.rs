//! The whole command with your own engine: `cargo run --release --example own_engine -- verify --engine
//! mine`.
//!
//! This engine wraps the backend that Sealmark chooses; a real one would call your library. It offers every
//! key size with a 96-bit nonce and a 128-bit tag, and leaves zeros when it refuses. If yours differs,
//! override the trait's other methods.

use sealmark::aead::{self, Aead, Alg, Error};
use sealmark::engine::Engine;

/// The engine.
#[derive(Debug)]
pub struct Mine;

impl Engine for Mine {
    fn name(&self) -> &str {
        "mine"
    }

    fn version(&self) -> String {
        "0.1.0".into()
    }

    fn key(&self, alg: Alg, bytes: &[u8]) -> Result<Box<dyn Aead>, Error> {
        aead::key(alg, bytes)
    }
}

fn main() -> std::process::ExitCode {
    sealmark::main(&[&Mine], &[])
}
