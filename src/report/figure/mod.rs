//! The pictures of a report.

pub mod chart;
pub mod svg;
