//! Sealmark verifies and measures AES envelope encryption on the CPU that it runs on.
//!
//! Three questions: which AES-GCM engines can run on this CPU, is each of them right, and how fast is each?
//! The command answers them in one go; this library is what it is made of, and what an engineer takes from
//! it.
//!
//! ```
//! use sealmark::aead::{Alg, Key, Tag};
//!
//! let key = Key::new(Alg::Aes256Gcm, &[7; 32])?;
//! let (mut message, mut tag) = (*b"attack at dawn", Tag::default());
//! key.seal(&[1; 12], b"header", &mut message, &mut tag)?;
//! key.open(&[1; 12], b"header", &mut message, &tag)?;
//! assert_eq!(&message, b"attack at dawn");
//! # Ok::<(), sealmark::aead::Error>(())
//! ```
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
//! | 3 | [`engine`], [`primitive`] | AEADs behind one trait; hashes and key derivation, each by one crate |
//! | 2 | [`aead`], [`timing`], `trace` | kernels; clocks, interleaved rounds, intervals; single-stepping |
//! | 1 | [`host`], [`disk`] | this CPU, locks that a model can check; files that survive a power cut |
//!
//! # Features
//!
//! Without any, there are AES-GCM ([`aead`], [`engine`] with our own engines) and the [`envelope`], and of
//! the schemes the traits alone ([`scheme`]) with what needs no dependency of their own ([`disk`],
//! [`timing::wall`], [`host::sync`]): five small dependencies.
//!
//! | feature | adds |
//! |---|---|
//! | `cli` (default) | the command and what it is made of, with every scheme |
//! | `peers` (default) | RustCrypto, ring, AWS-LC and graviola as engines |
//! | `storage` | the storage scheme, `scheme::storage` |
//! | `redb` | a database as a store of the schemes |
//! | `aead-traits` | `aead::traits`: our kernels behind the traits of the crate `aead` |
//! | `openssl`, `openssl-vendored` | the system's OpenSSL as an engine, or one built from source |
//! | `profile` | flame graphs, on Unix |
//!
//! # Your own engine, your own scheme
//!
//! A binary that is `sealmark::main(&[&MY_ENGINE], &[&MY_SCHEME])` is the whole command. It verifies and
//! measures that engine like the others, and does faults to what that scheme stores or sends; see
//! `examples/own_engine.rs` and `examples/own_scheme.rs`.

#![cfg_attr(docsrs, feature(doc_cfg))]

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
