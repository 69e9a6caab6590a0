//! Ephemeral keys: each round of a computation has its own key, which is gone once the round is over.
//!
//! The promise: a blob of a round opens only under that round's key; the key is durable before its first use;
//! and after a completed purge, on a medium that erases overwritten bytes, nobody opens the round's blobs,
//! not even with the master key and every byte of the medium. Blobs, master keys and wrapped keys follow
//! gnosisguild/enclave (branch `keys/fw-sec` at ce0f742e6), byte for byte. This implementation belongs to a
//! test harness, and nobody has audited it.
//!
//! [`MasterKey`] wraps keys and [`RoundKey`] seals blobs; they are two types, and neither converts to the
//! other. [`password`] is the file that the master key comes from, [`Record`] a wrapped key. [`slots`]
//! keeps the records where they can be erased, and [`shred`] helps where they cannot. [`Rounds`] is the
//! life of a key, [`routing`] the table of the events that end one, [`timeout`] the clock, [`Router`] puts
//! them together.
//!
//! # Where the reference does otherwise
//!
//! - [`NO_MASTER_FALLBACK`]: without its key a round is refused with [`Error::NoRoundKey`]. The reference
//!   falls back to the master key, so after a purge a late request would run under it.
//! - After each use of a round's key, the stack that the call used is wiped; the expanded key is wiped when
//!   it is dropped.
//! - A purge overwrites the record in place, synced and read back. The reference writes a mark into a
//!   log-structured store, without a sync; the wrapped key stays in old segments, and with the master key it
//!   can be opened.
//! - A key that cannot be stored aborts its round, and the event carries the round's id. The reference stores
//!   it without waiting for the result.
//! - A key has a deadline. The reference keeps the key of a round that failed for another reason than a
//!   timeout until something else completes the round.
//! - Every collection publishes who is missing before the failure that it causes.
//!
//! # Rules for the caller
//!
//! - Register the rounds' keys before anything that uses them: [`Router::handle_with`] requests the key
//!   first, then forwards the event to the round's actors, then purges.
//! - Save [`Router::completed`] with the rest of the checkpoint, and pass it to [`Router::new`]: a round
//!   that the checkpoint forgets can be requested again, under another key, until its deadline.
//! - Call [`Router::tick`] at least once a minute.
//! - A round has at most 2^32 blobs, because their nonces are random.
//!
//! # What it does not detect or erase
//!
//! - Compatible blobs bind nothing: those of one round can trade places, and a compatible record opens for
//!   any round. [`Form::Bound`] binds both. In either form, an older blob of the same place is authentic,
//!   and a missing one looks like one that was never written.
//! - [`slots::KEPT`]: media that keep overwritten bytes. There the promise holds only with [`shred`], and the
//!   masks must lie on a medium that does erase.
//! - Vector registers, until other work overwrites them, and the stack that a signal saves them to.
//! - The engines of other people: `ci/deep forget` shows what each leaves in memory.
//! - Pages that were swapped out, core dumps, masks in memory, and plaintexts outside this module.

pub mod cache;
mod error;
mod key;
pub mod password;
mod record;
mod round;
mod rounds;
mod router;
pub mod routing;
mod session;
pub mod shred;
pub mod slots;
#[cfg(test)]
mod testing;
pub mod timeout;

pub use error::Error;
pub use key::{BLOB_OVERHEAD, MasterKey, RoundKey};
#[doc(hidden)]
pub use key::{WIPED, derive};
pub use record::{Record, STORED_LEN, TOMBSTONE};
pub use round::{Context, Form, NotRoundId, Purpose, Role, RoundId};
pub use rounds::{Hydrated, Options, Requested, Resolved, Rounds};
pub use router::{Handled, Router, Ticked};
pub(super) use session::{BOUND, COMPAT};

/// Rule: a round without its key is refused; the master key never takes its place.
pub const NO_MASTER_FALLBACK: &str = "no-master-fallback";
/// Every rule that makes this scheme stricter than its reference.
pub const RULES: [&str; 1] = [NO_MASTER_FALLBACK];
