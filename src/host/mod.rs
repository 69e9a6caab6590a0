//! Which CPU this is, the environment of child processes, the locks and atomics that threads share, and the
//! dead part of the stack.
//!
//! A result belongs to a [`Host`]; results with the same fingerprint may be compared as "the same machine".
//! `std` decides which features the CPU has; [`second_opinion`] only reports where another crate disagrees.
//! Without the feature `cli`, only [`stack`] and [`sync`] are compiled. Not here: clock rates, cache sizes
//! and socket counts, which virtual machines invent.

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
pub mod stack;
pub mod sync;

#[cfg(feature = "cli")]
pub use environment::Variable;
#[cfg(feature = "cli")]
pub use feature::{Disagreement, second_opinion};
#[cfg(feature = "cli")]
pub use machine::Host;
#[cfg(feature = "cli")]
pub use program::{Build, program};
