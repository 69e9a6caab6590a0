//! Any bytes as a log entry, a registry row, a snapshot header: refused, or the same bytes come back; never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sealmark::verify::fuzz::wire(data));
