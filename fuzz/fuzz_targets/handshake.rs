//! Any bytes as what an attacker does to the frames of two nodes: nothing forged changes a session, and no
//! frame is accepted twice.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sealmark::verify::fuzz::handshake(data));
