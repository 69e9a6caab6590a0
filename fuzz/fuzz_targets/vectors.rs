//! Any bytes as a vector file: a typed error or cases, and no panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sealmark::verify::fuzz::vectors(data));
