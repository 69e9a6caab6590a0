//! The snapshot stream: a copy of a whole database, sent from one node to another over one connection.
//!
//! The compatible stream follows dynomite's `entropy` module (gburd/dynomite at 5255d5e, the Rust port), byte
//! for byte; it is not what Netflix's C program speaks. The hardened stream is chunked encryption as C2SP
//! specifies it. This implementation belongs to a test harness, and nobody has audited it.
//!
//! # Modes
//!
//! - `compat`: what the reference writes, accepts and refuses. It promises a length and nothing else.
//! - `safe` (the default): the same bytes, received under three rules and with deadlines; see [`RULES`]. It
//!   promises no more about the content, but a sender can neither switch off the encryption, nor learn about
//!   the padding, nor block the receiver.
//! - `hardened`: a committing [`Sink`] holds the whole snapshot as it was sent, or what it held before.
//! - `hardened-stream`: the same stream into a sink that passes it on ([`Passing`]), such as the standard
//!   output. It has received a prefix when an error shows that the rest is missing.
//!
//! [`Sender`] and [`Server`] are the two ends over TCP, or over another [`Transport`]; [`Driver`] pushes to
//! every peer again and again. [`Source`] and [`Sink`] are what lies behind the ends. [`chunked`] is the
//! encryption of the hardened stream alone.
//!
//! # Where `safe` does otherwise
//!
//! - [`FLAG_MISMATCH`]: the receiver's configuration decides whether a stream is encrypted. The reference
//!   obeys the stream, so whoever can connect can send plaintext.
//! - [`EMPTY_CHUNKS`]: chunks without text are capped, by default at none. The reference reads them for ever.
//! - [`ONE_ERROR`]: whatever is wrong with the text of an encrypted stream shows after its last byte and as
//!   one error, and the connection closes before the sink is asked. In the reference, error and moment tell
//!   whether the padding was right, from which a sender can decrypt a recorded stream.
//!
//! # What it does not detect
//!
//! - `compat` and `safe`: a flip in a chunk outside its last two blocks, or in the block before the last
//!   where it meets text, alters the snapshot unseen. After a flip in the last block, or under another key,
//!   the padding is right by a chance of 1 in 256. Under another initialisation vector it is always right.
//!   Chunks can trade places, be repeated in another's place, or come from another stream, and equal chunks
//!   look alike.
//! - `compat` also: an attacker who rewrites the header makes the receiver take ciphertext, or any text, as
//!   plaintext.
//! - `hardened` and `hardened-stream`: a whole earlier stream that is sent again, unless the [`Context`] or
//!   the transport differs.
//!
//! The fault injector asserts this list. In every mode, the length of a snapshot is in the clear.
//!
//! # Limits
//!
//! - A compatible snapshot is in memory as a whole at both ends; a hardened one, chunk by chunk.
//! - A `buffer_size` within 16 bytes of 5 MiB is valid, as in the reference, although every receiver refuses
//!   the encrypted chunks.
//! - The reference reads `appendonly.aof` after `BGREWRITEAOF`; from Redis 7 on that is a folder, so here
//!   Redis is read by commands.

mod chunk;
pub mod chunked;
pub mod config;
mod driver;
mod error;
mod format;
pub mod hardened;
mod material;
mod reading;
pub mod receive;
#[cfg(feature = "redis")]
pub mod redis;
mod scheme;
#[cfg(feature = "tls")]
mod secure;
pub mod send;
mod server;
mod sink;
mod source;
#[cfg(test)]
mod testing;
pub mod transport;
pub mod wire;

#[cfg(feature = "redis")]
pub use self::redis::{Database, RedisSink, RedisSource};
pub use chunk::ChunkCipher;
pub use config::{Config, EMPTY_CHUNKS, FLAG_MISMATCH, Limits, Mode, ONE_ERROR, RULES};
pub use driver::{Clock, Counts, Driver, Monotonic, Peer, Peers, Stop};
pub use error::{BoxError, Error};
pub use format::{Format, Keys};
pub use hardened::{Context, StreamKey};
#[doc(hidden)]
pub use material::parse_into;
pub use material::{MATERIAL_LEN, Material};
pub(super) use scheme::{COMPAT, HARDENED, HARDENED_STREAM, SAFE};
#[cfg(feature = "tls")]
pub use secure::Secure;
pub use send::Sender;
pub use server::{Report, Server, receive_snapshot};
pub use sink::{FileSink, MemorySink, Passing, Sink, Transfer};
pub use source::{FileSource, Once, Source, StaticSource};
pub use transport::{Plain, Stream, Timed, Transport};
pub use wire::{Negotiation, SnapshotHeader};
