//! Engines with one fault each, for tests of the checks. They are sound otherwise and claim to leave zeros.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::aead::{self, Error};
use crate::engine::double::{Call, FaultyEngine, altered};
use crate::engine::{Engine, Shape};

/// A refused open leaves the first byte of the ciphertext.
pub(super) static LEAVES_A_BYTE: &dyn Engine = &faulty().with_calls(&|sound, call| {
    let Call::Open { in_out, .. } = call else { return call.run(sound) };
    let first = in_out.first().copied();
    let opened = call.run(sound);
    if let (Err(_), Some(byte), Some(first)) = (opened, call.in_out().first_mut(), first) {
        *byte = first;
    }
    opened
});

/// While sealing, changes a byte of the buffer before it refuses an empty IV.
pub(super) static SPOILS_ON_SEAL: &dyn Engine = &faulty().with_calls(&|sound, call| {
    if let Call::Seal { iv: [], in_out: [first, ..], .. } = call {
        *first ^= 0xff;
    }
    call.run(sound)
});

/// The same while opening.
pub(super) static SPOILS_ON_OPEN: &dyn Engine = &faulty().with_calls(&|sound, call| {
    if let Call::Open { iv: [], in_out: [first, ..], .. } = call {
        *first ^= 0xff;
    }
    call.run(sound)
});

/// After a refused open, the key opens nothing any more.
pub(super) static STAYS_SHUT: &dyn Engine = &faulty().with_keys(&|alg, bytes| {
    let refused = AtomicBool::new(false);
    Ok(altered(aead::key(alg, bytes)?, move |sound, call| {
        if !matches!(call, Call::Open { .. }) {
            return call.run(sound);
        }
        if refused.load(Ordering::Relaxed) {
            call.in_out().fill(0);
            return Err(Error::NotAuthentic);
        }
        let opened = call.run(sound);
        refused.store(opened.is_err(), Ordering::Relaxed);
        opened
    }))
});

const fn faulty() -> FaultyEngine {
    FaultyEngine::new("faulty").with_shapes(any_iv)
}

fn any_iv(shape: Shape) -> bool {
    shape.iv_len > 0 && shape.tag_len == 16
}
