//! Any bytes as a stream for each receiver: refused as the model says, or its text comes out.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sealmark::verify::fuzz::stream(data));
