//! Timing: the one clock, the interleaved sampler, and intervals for a median.
//!
//! Knows nothing of ciphers: it times whatever implements [`Pass`]. The clock is [`std::time::Instant`], whose
//! grain and cost are measured and reported; on Linux it reads the time-stamp counter behind its own fence.
//! A counter read by hand was left out: it would need `unsafe` and change no result, because what is timed is
//! passes of many operations.

mod clock;
pub mod interval;
mod pin;
mod sampler;

pub use clock::Clock;
pub use interval::Interval;
pub use pin::{Pinning, pin};
pub use sampler::{Pass, Sampler, Samples};
