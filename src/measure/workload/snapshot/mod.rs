//! Kinds of workloads that time the snapshot stream: writing and reading one chunk after the other in memory,
//! sealing the chunks alone, the wait for the first byte, and the transports. `protect` and `recover` time
//! its schemes as the fault injector drives them.

use crate::measure::workload::kind::Kind;

mod carry;
#[cfg(feature = "tls")]
mod certificate;
mod first_byte;
mod fixture;
mod receive;
mod seal_chunk;
mod send;

use fixture::Mode;

/// Every kind of this scheme.
pub(super) const KINDS: &[&dyn Kind] = &[
    &send::kind(Mode::Compat),
    &send::kind(Mode::Hardened),
    &receive::kind(Mode::Compat),
    &receive::kind(Mode::Hardened),
    &seal_chunk::SealChunk,
    &first_byte::kind(Mode::Compat),
    &first_byte::kind(Mode::Hardened),
    &carry::Carry(carry::Over::Plain),
    #[cfg(feature = "tls")]
    &carry::Carry(carry::Over::Tls),
];
