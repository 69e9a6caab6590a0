//! Any bytes as a `keys.json`: refused, or what is written of it reads back the same; never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sealmark::verify::fuzz::sidecar(data));
