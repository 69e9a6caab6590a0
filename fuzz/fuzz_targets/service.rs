//! Any bytes as a script of requests and failures, or as frames: every answer is the contract's.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sealmark::verify::fuzz::service(data));
