//! Any bytes as a `keys.json`: they are refused, or the file written from them reads back the same. Nothing
//! panics.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sealmark::verify::fuzz::sidecar(data));
