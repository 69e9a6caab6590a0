//! Kinds of workloads that time the storage scheme.

use crate::measure::workload::kind::Kind;

mod fixture;
mod hydrate;
mod open_value;
mod rotate;
mod seal_value;

/// Every kind of this scheme.
pub(super) const KINDS: &[&dyn Kind] =
    &[&seal_value::SealValue, &open_value::OpenValue, &hydrate::Hydrate, &rotate::Rotate];
