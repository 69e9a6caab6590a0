//! Any bytes as a blob, a stored key, the id of a round and a file of slots: they are refused or they
//! round-trip.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sealmark::verify::fuzz::blob(data));
