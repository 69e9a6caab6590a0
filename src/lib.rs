//! Sealmark verifies and measures AES envelope encryption on the CPU that it runs on.
//!
//! It answers three questions: which AES-GCM engines run on this CPU, is each of them correct, and how fast
//! is each? The command answers them in one go. This library is what the command is built from, and can be
//! used on its own.
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
//! Imports point down, never up or sideways; a test enforces it.
//!
//! | floor | modules | contents |
//! |---|---|---|
//! | 8 | `cli` | arguments, tables, progress, exit codes |
//! | 7 | `report` | result files, and every page drawn from them |
//! | 6 | `verify`, `measure` | is it right? how fast? |
//! | 5 | [`scheme`] | complete designs built from records |
//! | 4 | [`envelope`] | record codec, AAD, nonce source, keystore, cipher |
//! | 3 | [`engine`], [`primitive`] | AEADs behind one trait; hashes, key derivation, CBC, one crate each |
//! | 2 | [`aead`], [`timing`], `trace` | kernels; clocks, interleaved rounds, intervals; single-stepping |
//! | 1 | [`host`], [`disk`] | this CPU, locks for model checking; files that survive a power cut |
//!
//! # Features
//!
//! Without any feature, the library has AES-GCM ([`aead`], and [`engine`] with our own engines), the
//! [`envelope`], the traits of [`scheme`], and the parts that need no further dependency ([`disk`],
//! [`timing::wall`], [`host::sync`]): five small dependencies in all.
//!
//! | feature | adds |
//! |---|---|
//! | `cli` (default) | the command and the modules behind it, with every scheme |
//! | `peers` (default) | RustCrypto, ring, AWS-LC and graviola as engines |
//! | `ephemeral` | the scheme of ephemeral keys, `scheme::ephemeral` |
//! | `log` | the checked log, `scheme::log` |
//! | `snapshot` | the snapshot stream, `scheme::snapshot` |
//! | `storage` | the storage scheme, `scheme::storage` |
//! | `tunnel` | the tunnel, `scheme::tunnel` |
//! | `redb` | the database redb as a store for schemes |
//! | `redis` | Redis as an end of the snapshot stream |
//! | `tls` | TLS 1.3, `primitive::tls`, for the ends of a stream |
//! | `aead-traits` | `aead::traits`: our kernels behind the traits of the `aead` crate |
//! | `openssl`, `openssl-vendored` | OpenSSL as an engine: the system's, or one built from source |
//! | `ipsec-mb` | Intel's Multi-Buffer Crypto library as an engine: the system's, on x86-64 and Unix |
//! | `profile` | flame graphs, on Unix |
//!
//! # Your own engine, your own scheme
//!
//! A binary whose `main` calls `sealmark::main(&[&MY_ENGINE], &[&MY_SCHEME])` is the complete command. It
//! verifies and measures your engine like the others, and injects faults into the data that your scheme
//! stores or sends; see `examples/own_engine.rs` and `examples/own_scheme.rs`.

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
