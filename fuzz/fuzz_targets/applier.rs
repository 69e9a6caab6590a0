//! Any bytes as log entries and restarts of a node: no nonce is used twice, and nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sealmark::verify::fuzz::applier(data));
