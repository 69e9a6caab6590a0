//! Sealmark verifies and measures AES envelope encryption on the CPU that it runs on.
//!
//! Three questions: which AES-GCM engines can run on this CPU, is each of them right, and how fast is each? The
//! command answers them in one go; this library is what it is made of, and what an engineer takes from it.
//!
//! # Floors
//!
//! Imports point down, never up or sideways; a test holds that.
//!
//! | floor | modules | what they are |
//! |---|---|---|
//! | 8 | `cli` | arguments, tables, progress, exit codes |
//! | 7 | `report` | result files, and every page drawn from them |
//! | 6 | `verify`, `measure` | is it right? how fast? |
//! | 5 | [`scheme`] | whole designs built from records |
//! | 4 | [`envelope`] | record codec, AAD, nonce source, keystore, cipher |
//! | 3 | [`engine`], [`primitive`] | every AEAD behind one trait; hashes and key derivation, each by one crate |
//! | 2 | [`aead`], [`timing`], `trace` | the kernels; clocks, interleaved rounds, intervals; single-stepping |
//! | 1 | [`host`], [`disk`] | which CPU this is, locks that a model can check; files that survive a power cut |
//!
//! # Features
//!
//! Without any, there are [`aead`], [`engine`] with our own engines, [`primitive`], [`envelope`], [`scheme`],
//! [`disk`] and the parts of `host` and `timing` that schemes use. `cli` (default) adds the rest and the
//! command; `peers` (default) adds RustCrypto, ring, AWS-LC and graviola as engines; `redb` adds a database
//! as a store of the schemes; `openssl` adds the system's OpenSSL, and `openssl-vendored` one built from
//! source.
//!
//! # An engine of one's own
//!
//! A binary that is `sealmark::main(&[&MY_ENGINE])` is the whole command, with that engine verified and measured
//! like the others; see `examples/own_engine.rs`.

pub mod aead;
#[cfg(feature = "cli")]
mod cli;
pub mod disk;
pub mod engine;
pub mod envelope;
pub mod host;
#[cfg(feature = "cli")]
pub mod measure;
pub mod primitive;
#[cfg(feature = "cli")]
pub mod report;
pub mod scheme;
pub mod timing;
#[cfg(feature = "cli")]
pub mod trace;
#[cfg(feature = "cli")]
pub mod verify;

#[cfg(feature = "cli")]
pub use cli::main;
