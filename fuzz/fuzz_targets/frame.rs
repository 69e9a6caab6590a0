//! Any bytes as a frame of the tunnel, under fixed keys and as a key exchange: it is refused, or the same
//! bytes come back. Nothing forged opens or installs.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sealmark::verify::fuzz::frame(data));
