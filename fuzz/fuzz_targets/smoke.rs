//! Every target in one binary, so that a smoke links only once. It runs the target that
//! `SEALMARK_FUZZ_TARGET` names.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use sealmark::verify::fuzz::{TARGETS, Target};

static TARGET: OnceLock<Target> = OnceLock::new();

fn target() -> Target {
    let name = std::env::var("SEALMARK_FUZZ_TARGET").unwrap_or_default();
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    *found.unwrap_or_else(|| panic!("SEALMARK_FUZZ_TARGET is {name:?}, which names no target"))
}

fuzz_target!(|data: &[u8]| TARGET.get_or_init(target).1(data));
