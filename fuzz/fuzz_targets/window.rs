//! Any bytes as counters of several senders: every verdict of the replay state is that of a model.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sealmark::verify::fuzz::window(data));
