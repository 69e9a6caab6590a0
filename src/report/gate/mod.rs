//! What the gate found, drawn: one screen of text.
//!
//! Every format shows the verdict first, then what changed, by how much and how sure that is.

pub mod calibration;
mod text;

pub use text::text;
