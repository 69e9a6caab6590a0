//! Any bytes as a table, or as entries of one: written, scanned and searched as a naive reader does.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sealmark::verify::fuzz::table(data));
