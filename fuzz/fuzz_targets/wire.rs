//! Any bytes as a log entry, a registry row or a snapshot header: they are refused, or the same bytes come
//! back. Nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sealmark::verify::fuzz::wire(data));
