//! Timing: the one clock, the interleaved sampler, and intervals for a median.
//!
//! Knows nothing of ciphers: it times whatever implements [`Pass`]. The clock is [`std::time::Instant`], whose
//! grain and cost are measured and reported; on Linux it reads the time-stamp counter behind its own fence.
//! A counter read by hand was left out: a pass lasts a hundred grains or more, so it would change no result.

mod clock;
pub mod interval;
mod pin;
mod sampler;

pub use clock::Clock;
pub use interval::Interval;
pub use pin::{Pinning, pin};
pub use sampler::{Pass, Sampler, Samples};
