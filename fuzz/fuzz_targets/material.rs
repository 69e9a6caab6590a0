//! Any bytes as a key file, as two, and as a configuration: judged as the model judges them.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sealmark::verify::fuzz::material(data));
