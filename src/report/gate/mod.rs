//! What the gate found, drawn.

pub mod calibration;
