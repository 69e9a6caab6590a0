//! Timing: the one clock, the interleaved sampler, intervals for a median, and the core's cycles.
//!
//! Knows nothing of ciphers: it times whatever implements [`Timed`]. The clock is [`std::time::Instant`],
//! whose grain and cost are measured and reported; on Linux it reads the time-stamp counter behind its own
//! fence. A counter read by hand was left out: it would need `unsafe` and change no result, because what is
//! timed is passes of many operations. What is to be had in cycles is timed beside a chain that takes a known
//! number of them. Apart from all that, [`wall`] is the time that life cycles go by; it alone is there
//! without the feature `cli`.

#[cfg(feature = "cli")]
mod clock;
#[cfg(feature = "cli")]
mod cycle;
#[cfg(feature = "cli")]
pub mod interval;
#[cfg(feature = "cli")]
mod pin;
#[cfg(feature = "cli")]
mod sampler;
pub mod wall;

#[cfg(feature = "cli")]
pub use clock::Clock;
#[cfg(feature = "cli")]
pub use cycle::spend_cycles;
#[cfg(feature = "cli")]
pub use interval::Interval;
#[cfg(feature = "cli")]
pub use pin::{Pinning, cores, parallelism, pin, pin_to};
#[cfg(feature = "cli")]
pub use sampler::{Sampler, Samples, Timed};
