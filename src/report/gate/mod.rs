//! The gate's results and their history: for a terminal, for a pull request, for CI, and as a page.
//!
//! `sentence` and `table` word a result once, and every format draws those words. `results` reads the files
//! for `sealmark report`. Nothing is judged here: the verdicts are those of the file.

pub mod calibration;
mod csv;
mod history;
mod junit;
mod markdown;
mod page;
mod results;
#[cfg(test)]
mod sample;
mod sentence;
mod table;
mod text;

pub use junit::junit;
pub use markdown::markdown;
pub use results::Results;
pub use text::text;
