//! Kinds of workloads that time the tunnel. `protect` and `recover` time it as a scheme.
//!
//! `frame` is a frame of the compatible wire as `tunnel/safe` seals and opens it, `hardened-frame` one of
//! `tunnel/hardened`. `tunnel/compat` is not timed: it exists for the wire's sake.

use crate::measure::workload::kind::Kind;
use crate::scheme::tunnel::Mode;

mod fixture;
mod handshake;
mod header;
mod lookup;
mod open;
mod open_batch;
mod peers;
mod reject;
mod replay;
mod salvage;
mod seal;
mod seal_batch;
mod together;
mod window;

/// Every kind of this scheme.
pub(super) const KINDS: &[&dyn Kind] = &[
    &seal::kind(Mode::Safe),
    &seal::kind(Mode::Hardened),
    &open::kind(Mode::Safe),
    &open::kind(Mode::Hardened),
    &header::WriteHeader,
    &header::ParseHeader,
    &lookup::Lookup { of: "frame" },
    &lookup::Lookup { of: "peers" },
    &window::AcceptCounter,
    &salvage::KeepMessage,
    &reject::kind(Mode::Safe),
    &reject::kind(Mode::Hardened),
    &replay::kind(Mode::Safe),
    &replay::kind(Mode::Hardened),
    &seal_batch::kind(Mode::Safe),
    &seal_batch::kind(Mode::Hardened),
    &open_batch::kind(Mode::Safe),
    &open_batch::kind(Mode::Hardened),
    &handshake::Handshake(Mode::Safe),
    &handshake::Handshake(Mode::Hardened),
    &peers::SealToAll,
    &peers::OpenFromAll,
    &together::SealTogether { name: "parallel/seal", shared: false },
    &together::OpenTogether { name: "parallel/open", shared: false },
    &together::SealTogether { name: "contended/seal", shared: true },
    &together::OpenTogether { name: "contended/open", shared: true },
];
