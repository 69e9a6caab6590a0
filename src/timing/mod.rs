//! Timing: the one clock, the interleaved sampler, intervals for a median, and the core's cycles.
//!
//! Knows nothing of ciphers: it times whatever implements [`Timed`]. The clock is [`std::time::Instant`],
//! whose grain and cost are measured and reported; on Linux it reads the time-stamp counter behind its own
//! fence. A counter read by hand was left out: it would need `unsafe` and change no result, because what is
//! timed is passes of many operations. What is to be had in cycles is timed beside a chain that takes a known
//! number of them.

mod clock;
mod cycle;
pub mod interval;
mod pin;
mod sampler;

pub use clock::Clock;
pub use cycle::spend_cycles;
pub use interval::Interval;
pub use pin::{Pinning, cores, parallelism, pin, pin_to};
pub use sampler::{Sampler, Samples, Timed};
