//! Any bytes as a log, a command and Raft files: replayed as a naive reader does, and continued.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sealmark::verify::fuzz::wal(data));
