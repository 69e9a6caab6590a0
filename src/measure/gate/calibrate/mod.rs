//! How good is the gate? A campaign of real pairs and of whole runs, and the error rates that they show.
//!
//! `campaign` records a `bank` of `line`s, for each `kind` of comparison: one binary with itself, the same
//! code in other link orders, and that with a slowdown planted in the head. `characteristic` counts what the
//! runs call, with the exact bounds of `proportion`; `plant` says how large the slowdowns really were;
//! `simulate` draws further runs from the bank.

pub mod bank;
pub mod campaign;
pub mod characteristic;
pub mod criterion;
pub mod kind;
pub mod line;
pub mod plant;
pub mod proportion;
pub mod simulate;
#[cfg(test)]
mod testing;
