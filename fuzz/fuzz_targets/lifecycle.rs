//! Any bytes as a sequence of operations on rounds: every result is that of a model.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sealmark::verify::fuzz::lifecycle(data));
