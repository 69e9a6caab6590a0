//! Reports: everything drawn from the result files of `sealmark verify`, `bench` and `gate`.
//!
//! [`read_all`] reads files, [`Report::build`] groups them by host into [`Section`]s, and every format walks
//! a section. Formats for people walk its blocks, each a table with its figure; `table` states their order
//! once. Formats for programs walk its entries, each a tally, a row or an engine with its findings. Nothing
//! is measured, judged or fetched here, and no text from a file is taken for markup. Results of the gate have
//! reports of their own (`gate`), drawn with the same tables and figures.

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
pub mod gate;
pub mod log_faults;
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
pub use file::{File, baseline_dir, default_dir, read, read_all, write, write_text};
pub use format::columns::columns;
pub use format::{FORMATS, Format, markdown, text};
pub use number::plain;
pub use section::{Report, Section};
pub use splice::{link, markers, splice};
pub use table::limits;
pub use table::risk::sentence as risk;
