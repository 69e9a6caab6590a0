//! Reports: everything drawn from the result files of `sealmark verify` and `sealmark bench`.
//!
//! The way is one: [`read_all`] gives files, [`Report::build`] puts those of each host together as a
//! [`Section`], and every format walks what a section holds. For people that is its blocks, each a table with
//! its figure; `table` states their order once. For programs it is its entries, each a tally, a row or an
//! engine with what is wrong with it. Nothing is measured, judged or fetched here, and nothing that a file
//! says is taken for markup.

mod answer;
mod block;
mod compare;
mod curve;
mod entry;
mod error;
mod figure;
mod file;
pub mod finding;
mod format;
mod number;
mod rows;
#[cfg(test)]
mod sample;
mod section;
mod splice;
mod summary;
mod table;
mod tally;
pub mod trace;

pub use block::{Cell, Column, Mark, Table};
pub use compare::agree;
pub use error::Error;
pub use file::{File, default_dir, read, read_all, write, write_text};
pub use format::{FORMATS, Format, markdown, text};
pub use number::plain;
pub use section::{Report, Section};
pub use splice::{markers, splice};
pub use table::limits;
