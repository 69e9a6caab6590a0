//! The whole command with an engine of one's own: `cargo run --release --example own_engine -- verify --engine mine`.
//!
//! This one wraps the backend that Sealmark chooses; a real one would call your library.

use sealmark::aead::{self, Aead, Alg, Error};
use sealmark::engine::{Engine, Residue, Shape};

struct Mine;

impl Engine for Mine {
    fn name(&self) -> &'static str {
        "mine"
    }

    fn version(&self) -> String {
        "0.1.0".into()
    }

    fn available(&self) -> Result<(), String> {
        Ok(())
    }

    fn supports(&self, shape: Shape) -> bool {
        shape == Shape::usual(shape.alg)
    }

    fn residue(&self) -> Residue {
        Residue::Zeros
    }

    fn key(&self, alg: Alg, bytes: &[u8]) -> Result<Box<dyn Aead>, Error> {
        aead::key(alg, bytes)
    }
}

fn main() -> std::process::ExitCode {
    sealmark::main(&[&Mine], &[])
}
