//! Which CPU this is, which environment processes get, and the locks and atomics that threads share.
//!
//! A result belongs to a [`Host`]; its fingerprint says which results may be compared as "the same machine".
//! `std` decides which features there are; [`second_opinion`] only reports where another crate disagrees.
//! Without the feature `cli` there is [`sync`] alone. Not here: clock rates, cache sizes and counts of
//! sockets, which a virtual machine invents.

#[cfg(feature = "cli")]
pub mod environment;
#[cfg(feature = "cli")]
mod feature;
#[cfg(feature = "cli")]
mod identity;
#[cfg(feature = "cli")]
mod machine;
#[cfg(feature = "cli")]
mod program;
pub mod sync;

#[cfg(feature = "cli")]
pub use environment::Variable;
#[cfg(feature = "cli")]
pub use feature::{Disagreement, second_opinion};
#[cfg(feature = "cli")]
pub use machine::Host;
#[cfg(feature = "cli")]
pub use program::{Build, program};
