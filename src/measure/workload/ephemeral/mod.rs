//! Kinds of workloads that time the scheme of ephemeral keys. `protect` and `recover` time its blobs.

use crate::measure::workload::kind::Kind;

mod fixture;
mod hydrate;
mod purge;
mod purge_syncs;
mod request;

/// Every kind of this scheme.
pub(super) const KINDS: &[&dyn Kind] =
    &[&request::Request, &hydrate::Hydrate, &purge::Purge, &purge_syncs::PurgeSyncs];
