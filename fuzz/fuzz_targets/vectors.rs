//! Any bytes as a vector file: a typed error or cases; never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sealmark::verify::fuzz::vectors(data));
