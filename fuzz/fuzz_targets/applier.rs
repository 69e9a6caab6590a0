//! Any bytes as entries and restarts of a node: never a nonce twice; never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sealmark::verify::fuzz::applier(data));
