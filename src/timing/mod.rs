//! Timing: the clock, the interleaved sampler, intervals for a median, and a counter of core cycles.
//!
//! Knows nothing of ciphers: it times whatever implements [`Timed`]. The clock is [`std::time::Instant`],
//! whose grain and cost are measured and reported; on Linux it reads the time-stamp counter behind its own
//! fence. Reading the counter directly would need `unsafe` and change no result, because each pass contains
//! many operations. A result in cycles comes from timing the work next to a chain of additions that takes a
//! known number of cycles. [`wall`] is separate: the time of day and timeouts that life cycles follow. It is
//! the only part compiled without the feature `cli`.

#[cfg(feature = "cli")]
mod clock;
#[cfg(feature = "cli")]
mod cycle;
#[cfg(feature = "cli")]
pub mod interval;
#[cfg(feature = "cli")]
mod pin;
#[cfg(feature = "cli")]
pub mod sampler;
#[cfg(feature = "cli")]
pub mod stack;
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
pub use sampler::{Rounds, Sampler, Timed};
