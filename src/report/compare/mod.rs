//! Comparisons of runs: whether two agree, and several side by side.

pub mod agree;
pub mod hosts;

pub(super) use hosts::compare;
