//! The request service (spec §5, §6): a contract, who leads, and a wire.
//!
//! [`Service`] checks requests and answers each id once; [`Leadership`] says who leads and agrees on writes,
//! by itself on one node ([`Alone`]) or through a consensus protocol; [`Machine`] applies what was agreed on.
//! [`wire`] and [`listen`] carry requests over TCP, in the profiles `dev` and `secure`, with the same
//! answers.
//!
//! An unknown profile, and a PEM file that is missing or empty, ends `sealmark log serve` before it touches
//! the folder, as the reference does, but with exit code 2 instead of 1: everywhere in this program 2 is bad
//! usage, and 1 says that something was found, here a damaged log.
//!
//! What the reference forgets when it restarts is kept here: which request an id stands for, and its result.

mod contract;
mod leader;
pub mod listen;
mod machine;
mod refusal;
#[cfg(test)]
mod tests;
mod timed;
pub mod wire;

pub use contract::{DEFAULT_DEADLINE, MAX_IN_FLIGHT, Service};
pub use leader::{Alone, Finish, Leader, Leadership, MAX_BATCH};
pub use machine::{Failure, Machine};
pub use refusal::{Code, Outcome, Refusal};
